"""The API reference: it is built without a warning, and every public name is in it with its docstring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lesionviz

SCRIPT = Path(__file__).with_name("api_reference.py")


@pytest.mark.slow
@pytest.mark.once
def test_the_reference_is_built_without_a_warning_and_has_every_public_name(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="needs the dev extra")
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    page = (tmp_path / "lesionviz.html").read_text(encoding="utf-8")
    for name in lesionviz.__all__:
        assert f'id="{name}"' in page, name
    assert "Costs a run each time" in page  # a docstring of a method, not its name alone
    assert (tmp_path / "index.html").is_file()


@pytest.mark.parametrize("name", lesionviz.__all__)
def test_every_public_name_has_a_docstring(name: str) -> None:
    assert (getattr(lesionviz, name).__doc__ or "").strip()

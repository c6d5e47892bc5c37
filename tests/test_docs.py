"""The API reference: it is built without a warning, and every public name is in it with its docstring."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lesionviz

ROOT = Path(__file__).parents[1]
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
    index = (tmp_path / "index.html").read_text(encoding="utf-8")
    for page in ("lesionviz", "lesionviz/explanation/methods", "lesionviz/trust/stillness"):
        assert f'href="{page}.html"' in index, "the first page leads to every module"


def test_every_module_that_a_page_names_is_in_the_reference() -> None:
    pytest.importorskip("pdoc", reason="needs the dev extra")
    from api_reference import MODULES

    def module_of(name: str) -> str:
        parts = name.split(".")
        while not (path := ROOT.joinpath(*parts)).is_dir() and not path.with_suffix(".py").is_file():
            parts.pop()
        return ".".join(parts)

    pages = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *(ROOT / "lesionviz").glob("*/**/README.md")]
    named = {
        module_of(name)
        for page in pages
        for name in re.findall(r"(?:`|from |import )(lesionviz\.\w+(?:\.\w+)*)", page.read_text(encoding="utf-8"))
    }
    assert "lesionviz.trust.two_models" in named
    missing = {name for name in named if not any(name == one or name.startswith(f"{one}.") for one in MODULES)}
    assert missing == set(), "add it to MODULES of api_reference.py"


@pytest.mark.parametrize("name", lesionviz.__all__)
def test_every_public_name_has_a_docstring(name: str) -> None:
    assert (getattr(lesionviz, name).__doc__ or "").strip()

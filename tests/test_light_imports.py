"""What is left out of an import: it stays out, it is there as soon as somebody asks for it, and nothing else is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lesionviz.light_imports import later, without

MODULE = "somebodys_module"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported, and is not loaded."""
    (tmp_path / f"{MODULE}.py").write_text("LIMIT = 3\ndef double(number, plus=0):\n    return 2 * number + plus\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return MODULE


def loaded() -> ModuleType | None:
    return sys.modules.get(MODULE)


def test_a_module_that_is_left_out_is_not_found_until_afterwards(module: str) -> None:
    with without(module), pytest.raises(ImportError):
        __import__(module)
    assert __import__(module).LIMIT == 3
    sys.modules.pop(module)


def test_it_is_found_again_after_an_error_too(module: str) -> None:
    with pytest.raises(KeyError), without(module):
        raise KeyError
    assert __import__(module).LIMIT == 3
    sys.modules.pop(module)


def test_what_is_loaded_already_stays(module: str) -> None:
    there = __import__(module)
    with without(module), later(module, "double"):
        assert __import__(module) is there
    assert sys.modules.pop(module) is there


def test_a_function_for_later_loads_its_module_at_the_first_call(module: str) -> None:
    with later(module, "double"):
        from somebodys_module import double  # type: ignore[import-not-found]
    assert loaded() is None
    assert double(20, plus=2) == 42
    assert loaded() is not None
    assert loaded().double(1) == double(1) == 2  # type: ignore[union-attr]
    sys.modules.pop(module)


def test_what_else_is_asked_for_is_the_real_thing_at_once(module: str) -> None:
    with later(module, "double"):
        from somebodys_module import LIMIT
    assert LIMIT == 3
    assert loaded() is not None
    assert loaded().double(1) == 2  # type: ignore[union-attr]
    sys.modules.pop(module)


def test_a_module_that_cannot_be_loaded_says_so_when_it_is_needed(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{MODULE}.py").write_text("raise ImportError('it is broken')\n")
    with pytest.raises(ImportError, match="it is broken"), later(module, "double"):
        from somebodys_module import LIMIT  # noqa: F401
    with later(module, "double"):
        from somebodys_module import double
    with pytest.raises(ImportError, match="it is broken"):
        double(1)


@pytest.mark.heavy
def test_an_answer_with_its_maps_loads_no_compiler_and_a_detector_may_still_ask_for_it() -> None:
    script = (
        "import sys, json, numpy as np\n"
        "from PIL import Image\n"
        "import lesionviz\n"
        "case = lesionviz.load().explain(Image.fromarray(np.full((300, 400, 3), 140, np.uint8)))\n"
        "early = 'torch._dynamo' in sys.modules\n"
        "asked = sys.modules['torchvision.ops.roi_align'].is_compile_supported('cpu')\n"
        "import torch._dynamo.utils\n"
        "print(json.dumps([early, asked == torch._dynamo.utils.is_compile_supported('cpu')]))\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(said.stdout) == [False, True]


@pytest.mark.heavy
def test_a_server_starts_without_a_parser_of_international_addresses() -> None:
    script = "import sys; import lesionviz.serving.dashboard; print('rfc3987_syntax' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert said.stdout == "False\n"

"""The house: a room imports only rooms below it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "lesionviz"
BELOW = {
    "errors": set(),
    "files": {"errors"},
    "diagnoses": {"errors"},
    "imaging": {"diagnoses"},
    "preprocessing": {"imaging"},
    "network": {"diagnoses"},
    "recipe": {"preprocessing"},
    "data": {"imaging", "preprocessing", "diagnoses"},
    "weights": {"network"},
    "checkpoint": {"network", "preprocessing", "weights"},
    "explanation": {"network", "imaging"},
    "quality": set(),
    "refusal": {"quality"},
    "three_questions": {"refusal"},
    "similarity": {"diagnoses"},
    "prediction": set(),
    "case": {"explanation", "prediction"},
    "runner": {"checkpoint", "explanation", "refusal"},
    "classifier": {"case", "runner", "three_questions", "similarity"},
    "evaluation": {"classifier", "data", "recipe"},
    "training": {"data", "network", "checkpoint", "evaluation"},
    "spreadsheet": set(),
    "game": {"case", "data", "spreadsheet"},
    "widgets": {"game", "classifier", "explanation", "evaluation", "data", "training"},
    "machine": set(),
    "doctor": {"machine"},
    "serving": {"classifier", "machine"},
    "cli": {"widgets", "serving", "training", "evaluation", "doctor"},
    "__init__": {"cli"},
    "__main__": {"cli"},
}
"""What each room may import, besides what those may import, errors and files."""
JUPYTER = {"ipywidgets", "IPython", "voila", "anywidget", "jupyter_server"}


def allowed(room: str) -> set[str]:
    return {"errors", "files"} | BELOW[room] | {deep for below in BELOW[room] for deep in allowed(below)}


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    used = {name.split(".")[1] for name in imports(path) if name.startswith("lesionviz.")}
    assert used - {room} <= allowed(room)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_room_below_widgets_imports_jupyter(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] not in {"widgets", "serving", "cli"}:
        assert not {name.split(".")[0] for name in imports(path)} & JUPYTER


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

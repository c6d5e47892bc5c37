"""The house: a room imports only rooms below it, in no circle, and its files are small and say what they are for."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest
from script_types import joined

pytestmark = pytest.mark.once

PACKAGE = Path(__file__).parents[1] / "lesionviz"
BELOW = {
    "errors": set(),
    "files": {"errors"},
    "diagnoses": {"errors"},
    "imaging": {"diagnoses"},
    "preprocessing": {"imaging"},
    "light_imports": set(),
    "efficientnet": {"light_imports"},
    "network": {"diagnoses", "efficientnet"},
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
    "answering": {"runner", "prediction"},
    "classifier": {"case", "answering", "three_questions", "similarity"},
    "drawn": {"classifier"},
    "wire": set(),
    "trust": {"classifier", "data"},
    "cluster": {"drawn", "trust", "wire"},
    "class_line": {"wire", "case"},
    "evaluation": {"classifier", "data", "recipe"},
    "interrupt": set(),
    "archive": {"workers", "classifier", "data", "evaluation", "interrupt", "machine"},
    "training": {"data", "network", "checkpoint", "evaluation", "interrupt"},
    "spreadsheet": set(),
    "game": {"case", "data", "spreadsheet"},
    "widgets": {"game", "cluster", "class_line", "explanation", "evaluation", "data", "training", "archive"},
    "machine": set(),
    "doctor": {"machine"},
    "workers": {"cluster", "machine"},
    "serving": {"workers", "cluster", "class_line", "game", "widgets", "machine", "light_imports"},
    "cli": {"widgets", "serving", "training", "evaluation", "archive", "doctor"},
    "__init__": {"cli"},
    "__main__": {"cli"},
}
"""What each room may import, besides what those may import, errors and files."""
WIDGETS = {
    "parts": set(),
    "case": {"parts"},
    "monitor": {"parts"},
    "second": {"parts"},
    "compare": {"case"},
    "checks": {"case"},
    "export": {"checks"},
    "batch": {"case"},
    "quiz": {"case"},
    "explorer": {"compare", "export", "batch", "quiz", "second"},
    "__init__": {"explorer", "monitor"},
}
"""The same for the rooms of ``widgets/``; their scripts and styles are joined by the same rule."""
JUPYTER = {"ipywidgets", "IPython", "voila", "anywidget", "jupyter_server"}
LINES, METHODS = 350, 25
"""How long a Python file may be, and how many methods a class may have."""


def reachable(room: str, table: Mapping[str, set[str]]) -> set[str]:
    """Every room that a room may import by a table, directly or because a room below it may."""
    return table[room] | {deep for below in table[room] for deep in reachable(below, table)}


def drawing(table: Mapping[str, set[str]] = BELOW) -> str:
    """The house as a picture in text: who may import whom points downwards, and who needs more lives higher."""

    @cache
    def floor(room: str) -> int:
        return 1 + max(map(floor, table[room]), default=0)

    lines, width = [], max(map(len, table))
    for number in range(max(map(floor, table)), 0, -1):
        rooms = [room for room in table if floor(room) == number]
        lines += [
            f"{number if room == rooms[0] else '':>2} │ {room:<{width}} "
            + (
                f"─▶ {', '.join(sorted(table[room], key=lambda below: (-floor(below), below)))}"
                if table[room]
                else "·"
            )
            for room in rooms
        ]
        lines.append("───┼" + "─" * 106)
    return "\n".join([lines[-1], *lines])


def module_of(path: Path, package: Path = PACKAGE) -> str:
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports(path: Path, package: Path = PACKAGE) -> frozenset[str]:
    """Every name that a file imports, with the module that it is from, wherever the import stands."""
    module, names = module_of(path, package), set[str]()
    home = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), home)
            names |= {f"{source}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(names)


def joined_names(path: Path) -> list[str]:
    """The files of the browser's side that a file joins, by the names that it gives ``script`` and ``style``."""
    return [name for function in ("script", "style") for names in joined(path, function) for name in names]


def needs(files: Iterable[Path], package: Path = PACKAGE) -> dict[str, set[str]]:
    """Which of some modules each of them imports, as a whole or something from it."""
    modules = {module_of(path, package): path for path in files}
    used = {
        name: {each if each in modules else each.rpartition(".")[0] for each in imports(path, package)}
        for name, path in modules.items()
    }
    return {name: found & modules.keys() - {name} for name, found in used.items()}


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Names that need each other in a circle, the first once more at the end; nothing where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def too_large(text: str) -> list[str]:
    """What is larger in a Python file than it may be."""
    lines = len(text.splitlines())
    said = [f"{lines} lines"] if lines > LINES else []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) for each in node.body)
            said += [f"{node.name} with {methods} methods"] if methods > METHODS else []
    return said


def opening(text: str, language: str) -> str:
    """The sentence that a file opens with, or nothing."""
    if language == ".py":
        said = ast.get_docstring(ast.parse(text)) or ""
    else:
        comment = re.match(
            r"/\*(.*?)\*/" + (r"|((?://.*\n)+)" if language in {".js", ".ts"} else ""), text, flags=re.DOTALL
        )
        said = re.sub(r"^[/* ]+", "", comment[0].rstrip("/* \n"), flags=re.MULTILINE) if comment else ""
    sentence = re.match(r"(\S+\s+){2}.*?[.:](?=\s|$)", said, flags=re.DOTALL)
    return sentence[0] if sentence else ""


FILES = sorted(PACKAGE.rglob("*.py"))
FRONT = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".js", ".css"})
TYPES = sorted(PACKAGE.rglob("*.d.ts"))
HOUSE = needs(FILES)
ROOMS = sorted({path.relative_to(PACKAGE).parts[0] for path in FILES if path.parent != PACKAGE})


def faulty(files: Iterable[Path], fault: Callable[[Path], object]) -> dict[str, object]:
    """The files in which something is found, with what it is: one test for all, which names each of them."""
    found = {str(path.relative_to(PACKAGE)): fault(path) for path in files}
    return {name: each for name, each in found.items() if each}


def test_a_room_imports_only_rooms_below_it() -> None:
    def above(path: Path) -> set[str]:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        used = {name.split(".")[1] for name in HOUSE[module_of(path)] if "." in name}
        return used - {room, "errors", "files"} - reachable(room, BELOW)

    assert faulty(FILES, above) == {}


def test_a_room_of_the_widgets_imports_and_joins_only_rooms_below_it() -> None:
    def above(path: Path) -> set[str]:
        room = path.relative_to(PACKAGE / "widgets").parts[0].removesuffix(".py")
        used = {name.split(".")[2] for name in HOUSE[module_of(path)] if name.startswith("lesionviz.widgets.")}
        joined = {name.split("/")[0] for name in joined_names(path)}
        return (used | joined) - {room} - reachable(room, WIDGETS)

    assert faulty((PACKAGE / "widgets").rglob("*.py"), above) == {}


def test_the_drawing_of_the_house_shows_every_room_and_who_may_import_whom() -> None:
    page = (PACKAGE / "README.md").read_text(encoding="utf-8")
    assert f"```text\n{drawing()}\n```" in page, "paste what `python tests/test_architecture.py` prints"
    told = re.findall(r"^\| `([\w.]+)` \|", page, flags=re.MULTILINE)
    assert sorted(told) == sorted(BELOW), "each room has one line that says what it is for"
    told = re.findall(r"^\| `widgets/(\w+)` \|", page, flags=re.MULTILINE)
    assert sorted(told) == sorted(WIDGETS.keys() - {"__init__"}), "so has each room of the widgets"
    assert sorted(BELOW) == sorted({path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES})


def test_the_drawing_has_what_is_needed_below_whoever_needs_it() -> None:
    shown = drawing({"errors": set(), "cli": {"data", "errors"}, "data": {"errors"}}).splitlines()
    line = shown[0]
    assert shown == [line, " 3 │ cli    ─▶ data, errors", line, " 2 │ data   ─▶ errors", line, " 1 │ errors ·", line]


def test_no_room_below_widgets_imports_jupyter() -> None:
    below = [path for path in FILES if path.relative_to(PACKAGE).parts[0] not in {"widgets", "serving", "cli"}]
    assert faulty(below, lambda path: {name.split(".")[0] for name in imports(path)} & JUPYTER) == {}


def test_only_workers_import_dask() -> None:
    others = [path for path in FILES if path.relative_to(PACKAGE).parts[0] != "workers"]
    assert faulty(others, lambda path: {name.split(".")[0] for name in imports(path)} & {"dask", "distributed"}) == {}


def test_torchvisions_networks_come_through_one_door() -> None:
    taking = re.compile(r"torchvision\.(models|ops)\b")
    doors = {path.name for path in FILES if any(map(taking.match, imports(path)))}
    assert doors == {"efficientnet.py", "initial_weights.py"}  # the latter takes weights to start from, not a network


def test_every_script_and_style_is_joined_by_some_widget() -> None:
    joined = {name for path in FILES for name in joined_names(path)}
    files = {(PACKAGE / "widgets" / name).resolve() for name in joined}
    assert files == {path.with_suffix("") for path in FRONT}


@pytest.mark.parametrize("room", ROOMS)
def test_the_files_of_a_room_need_each_other_in_no_circle(room: str) -> None:
    assert circle(needs((PACKAGE / room).rglob("*.py"))) == []


def test_a_circle_is_found_wherever_its_imports_stand(tmp_path: Path) -> None:
    texts = {
        "__init__": "",
        "judge": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from room.page import Page\n",
        "page": "def show():\n    import room.words\n",
        "words": "from . import judge\n",
        "apart": "from room.words import say\nfrom room.apart import itself\n",
    }
    for name, text in texts.items():
        (tmp_path / "room").mkdir(exist_ok=True)
        (tmp_path / "room" / f"{name}.py").write_text(text)
    graph = needs((tmp_path / "room").glob("*.py"), tmp_path / "room")
    assert graph["room.apart"] == {"room.words"}
    assert set(circle(graph)) == {"room.judge", "room.page", "room.words"}
    assert circle(graph | {"room.words": {"room"}}) == []


def test_every_file_is_small() -> None:
    grown = faulty(FILES, lambda path: too_large(path.read_text(encoding="utf-8")))
    assert grown == {}, "part it where a reader feels the reason"


def test_lines_and_methods_are_counted_up_to_their_limits() -> None:
    method = "    def m(self): ...\n"
    assert too_large("x = 1\n" * LINES) == []
    assert too_large("x = 1\n" * (LINES + 1)) == [f"{LINES + 1} lines"]
    assert too_large("class A:\n" + method * METHODS) == []
    grown = "class A:\n" + method * METHODS + method.replace("def", "async def")
    assert too_large(grown) == [f"A with {METHODS + 1} methods"]


def test_every_file_says_what_it_is_for() -> None:
    everything = [*FILES, *FRONT, *TYPES]
    assert faulty(everything, lambda path: not opening(path.read_text(encoding="utf-8"), path.suffix)) == {}


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ('"""Judges a model. And more."""\n', ".py", "Judges a model."),
        ("import os\n", ".py", ""),
        ('"""TODO"""\n', ".py", ""),
        ("// The stage of one\n// picture. It zooms.\n\nexport default 1;\n", ".js", "The stage of one\npicture."),
        ("/* A table to sort. */\n", ".js", "A table to sort."),
        ("export default 1;\n// Too late for that.\n", ".js", ""),
        ("/* The stage; see stage.js. */\n.lv {}\n", ".css", "The stage; see stage.js."),
        (".lv {}\n/* Too late for that. */\n", ".css", ""),
    ],
)
def test_an_opening_is_a_sentence_at_the_very_beginning(text: str, language: str, expected: str) -> None:
    assert opening(text, language) == expected


if __name__ == "__main__":
    print(drawing())

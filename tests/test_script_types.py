"""What `make types-js` checks: every script, in every module that a widget joins, and nothing switched off in a file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import script_types
from script_types import PACKAGE, ROOT, file_of, joined, modules, project

from lesionviz.widgets.parts.front_end import script

SCRIPTS = sorted(PACKAGE.rglob("*.js"))
DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", flags=re.MULTILINE)
each_module = pytest.mark.parametrize("names", modules().values(), ids=modules())


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.DOTALL)


def test_every_module_that_a_widget_joins_is_checked() -> None:
    joins = [names for path in PACKAGE.rglob("*.py") for names in joined(path, "script")]
    assert sorted(modules().values()) == sorted(joins)
    assert {file_of(name) for names in joins for name in names} == set(SCRIPTS)


def test_calls_that_join_are_read_as_python_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "widget.py"
    path.write_text('_esm = script("parts/dom", "parts/status")\n_css = style("parts/base")\nother("case/maps")\n')
    assert joined(path, "script") == [("parts/dom", "parts/status")]
    assert joined(path, "style") == [("parts/base",)]


@each_module
def test_a_module_is_checked_with_its_own_files_and_no_others(names: tuple[str, ...]) -> None:
    files = [Path(str(path)) for path in project(names)["files"]]  # type: ignore[attr-defined]
    assert [path for path in files if path.suffix == ".js"] == [file_of(name) for name in names]
    assert project(names)["include"] == []
    assert all(path.is_file() for path in files)


@each_module
def test_a_module_declares_each_name_once(names: tuple[str, ...]) -> None:
    counts = Counter(DECLARED.findall(script(*names)))
    assert [name for name, count in counts.items() if count > 1] == []


def test_every_name_that_a_script_declares_is_used_by_some_module() -> None:
    texts = [without_comments(script(*names)) for names in modules().values()]
    unused = set(DECLARED.findall("\n".join(texts))) - {"render"}
    for text in texts:
        uses = Counter(re.findall(r"\w+", text))
        unused -= {name for name in unused if uses[name] > 1}
    assert unused == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_a_script_asks_to_be_checked_in_full(path: Path) -> None:
    opening = path.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    assert "// @ts-check" in opening
    assert not re.search(r"@ts-(ignore|nocheck|expect-error)", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.d.ts")), ids=lambda p: p.name)
def test_a_file_of_types_declares_nothing_that_a_module_could_lack(path: Path) -> None:
    """A property of ``globalThis``, which is looked up there, is no name of a module's."""
    text = without_comments(path.read_text(encoding="utf-8"))
    declared = re.findall(
        r"^(?:declare )?(?:var|let|const|function|class|enum|namespace) (\w+)", text, flags=re.MULTILINE
    )
    assert all(name.startswith("lesionviz") for name in declared)
    for name in declared:
        uses = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
        assert len(re.findall(rf"\b{name}\b", uses)) == len(re.findall(rf"\bglobalThis\.{name}\b", uses)) > 0


def test_the_check_is_strict_and_builds_nothing() -> None:
    text = (ROOT / "tsconfig.json").read_text(encoding="utf-8")
    options = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))["compilerOptions"]
    assert {"strict": True, "checkJs": True, "noEmit": True}.items() <= options.items()


def test_without_node_the_check_fails_and_says_so(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, script_types.__file__],
        env=os.environ | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "Node is missing" in run.stderr

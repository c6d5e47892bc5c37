"""Checks the types of the browser's side with TypeScript, once for each module that a widget joins.

The files of a module share their names, so each module is checked with its own files and no others: a name from a file that
is not joined is an error, and files that never meet may use the same one. Needs Node; nothing is built.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lesionviz"
WIDGETS = PACKAGE / "widgets"
TYPESCRIPT = "typescript@5.9.3"


def joined(path: Path, function: str) -> list[tuple[str, ...]]:
    """The names that a Python file gives ``script`` or ``style``, call by call: each a file without its suffix."""
    text = path.read_text(encoding="utf-8")
    if f"{function}(" not in text:
        return []
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == function]
    return [tuple(each.value for each in call.args if isinstance(each, ast.Constant)) for call in calls]


def file_of(name: str) -> Path:
    """The file of a script's name, which is said from the widgets' folder."""
    return (WIDGETS / f"{name}.js").resolve()


def modules() -> dict[str, tuple[str, ...]]:
    """The files of every module that a widget or a page runs, by the last of them, which gives it its name."""
    found = [names for path in sorted(PACKAGE.rglob("*.py")) for names in joined(path, "script")]
    return {names[-1]: names for names in found if names}


def project(names: tuple[str, ...]) -> dict[str, object]:
    """What TypeScript must know to check one module: its files, and the declared types, which name nothing that runs."""
    files = [*sorted(PACKAGE.rglob("*.d.ts")), *map(file_of, names)]
    return {"extends": str(ROOT / "tsconfig.json"), "files": [str(path) for path in files], "include": []}


def main() -> None:
    if shutil.which("npx") is None:
        sys.exit(
            "The types of the JavaScript cannot be checked: Node is missing. Install Node with npm, or leave it to CI."
        )
    with tempfile.TemporaryDirectory() as folder:
        projects = []
        for name, names in modules().items():
            projects.append(Path(folder) / f"{name.strip('./').replace('/', '-')}.json")
            projects[-1].write_text(json.dumps(project(names)), encoding="utf-8")
        command = [
            "npx",
            "--yes",
            "--package",
            TYPESCRIPT,
            "tsc",
            "--build",
            "--pretty",
            "false",
            *map(str, projects),
        ]
        run = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=False)
    # A file that several modules join is checked with each of them, and says the same every time.
    said = list(dict.fromkeys(run.stdout.splitlines()))
    if run.returncode:
        sys.exit("\n".join([*said, "The types of the JavaScript do not hold."]))
    print(f"The types of {len(projects)} modules of JavaScript hold.")


if __name__ == "__main__":
    main()

"""Which runs this person has: a short list of folders in the user's data folder, so that a page finds them again.

The list says where to look and nothing else: how far a run is, is read from its own folder
(:class:`~lesionviz.archive.state.Run`). Whatever lies in the list's place is not believed before it is checked.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from lesionviz.errors import LesionvizError
from lesionviz.files import data_folder, replacing

VARIABLE = "LESIONVIZ_RUNS"
"""Environment variable that names another file for the list."""
FORMAT, VERSION = "lesionviz runs", 1
MOST, LONGEST = 50, 4096
"""Runs that are kept, the last ones; letters of a path."""
LARGEST = 2**20
"""Bytes of the file that are read."""


def list_path() -> Path:
    """Return where the list lies."""
    return Path(os.environ.get(VARIABLE) or data_folder() / "runs.json")


def known() -> list[Path]:
    """Return the folders of the runs, the last one first; none where there is no list, or what is there is none."""
    try:
        with list_path().open("rb") as file:
            content = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        return []
    listed = content.get("folders")
    named = [Path(each) for each in listed if is_path(each)] if isinstance(listed, list) else []
    return list(dict.fromkeys(each for each in named if each.is_absolute()))[:MOST]


def remember(folder: str | Path) -> Path:
    """Put a run at the head of the list, and return its folder as the list has it.

    Raises:
        LesionvizError: the list cannot be written.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 -- links stay as they are named
    _write([folder, *(each for each in known() if each != folder)])
    return folder


def forget(folder: Path) -> None:
    """Take a run off the list; its folder stays as it is.

    Raises:
        LesionvizError: the list cannot be written.
    """
    _write([each for each in known() if each != folder])


def key_of(folder: Path) -> str:
    """Return a name for a run of the list that is no path."""
    return hashlib.sha256(str(folder).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_path(text: object) -> bool:
    """Return whether something from outside can be a path at all."""
    return isinstance(text, str) and 0 < len(text) <= LONGEST and text.isprintable()


def _write(folders: list[Path]) -> None:
    path = list_path()
    content = {"format": FORMAT, "version": VERSION, "folders": [str(each) for each in folders[:MOST]]}
    try:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise LesionvizError(f"{path} cannot be written ({error}). Choose another file by {VARIABLE}.") from error

"""``read_collection``: finds out which layout a folder has, and reads it.

Only one layout may fit; where two do, the person says which by giving the file or folder itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lesionviz.data.class_names import diagnosis_of
from lesionviz.data.collection import Collection
from lesionviz.data.folders import Walk, below, nfc, walk
from lesionviz.data.isic2018 import GROUPINGS, HAM10000, ISIC2018, read_ham10000, read_isic2018
from lesionviz.data.isic2019 import GROUND_TRUTH, METADATA, read_isic2019
from lesionviz.data.isic2020 import GROUND_TRUTHS, read_isic2020
from lesionviz.data.isic2020 import REQUIRED as ISIC2020_COLUMNS
from lesionviz.data.isic_archive import METADATA as ARCHIVE
from lesionviz.data.isic_archive import REQUIRED as ARCHIVE_COLUMNS
from lesionviz.data.isic_archive import read_isic_archive
from lesionviz.data.milk10k import GROUND_TRUTH as MILK10K
from lesionviz.data.milk10k import METADATA as MILK10K_METADATA
from lesionviz.data.milk10k import read_milk10k
from lesionviz.data.plain_layouts import CSV_COLUMNS, TABLES, class_folders, read_class_folders, read_csv_of_paths
from lesionviz.data.tables import SUFFIXES, read_table
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError

KNOWN = f"""Known layouts are:
  ISIC 2019            {GROUND_TRUTH} and its metadata table, images in ISIC_2019_Training_Input/
  HAM10000             {HAM10000[0]} (or .tab), images anywhere below
  ISIC 2018, task 3    {ISIC2018[0]}, images anywhere below
  ISIC 2020            {GROUND_TRUTHS[0]}, images anywhere below
  MILK10k              {MILK10K} and its metadata table, images in MILK10k_Training_Input/
  ISIC Archive         {ARCHIVE} of a download, images beside or below it
  folders              one folder for each class, named {", ".join(CODES)}, by the full names or by a diagnosis in it
  table                a CSV with the columns {", ".join(CSV_COLUMNS)} and, if known, group"""
OFFICIAL: dict[str, Callable[[Path], Collection]] = {
    GROUND_TRUTH: read_isic2019,
    **{name: partial(read_ham10000, name=name) for name in HAM10000},
    **dict.fromkeys(ISIC2018, read_isic2018),
    **{name: partial(read_isic2020, name=name) for name in GROUND_TRUTHS},
    MILK10K: read_milk10k,
    ARCHIVE: read_isic_archive,
}
READ_WITH = {GROUND_TRUTH: METADATA, ISIC2018[0]: GROUPINGS, MILK10K: MILK10K_METADATA}
"""The second table of layouts that have two."""
FOLDERS = "one folder for each class"
"""How the layout of class folders is called where several fit."""
SPREADSHEETS = {".xls", ".xlsx", ".xlsm", ".ods", ".numbers"}
COMMON_NAMES = {ARCHIVE: ARCHIVE_COLUMNS, "train.csv": ISIC2020_COLUMNS}
"""Official tables whose names say little: a file of that name counts only if it has these columns."""


def read_collection(place: str | Path) -> Collection:
    """Read a collection of labelled images in any known layout.

    Args:
        place: a folder, or the CSV table in it that names the images.

    Raises:
        LesionvizError: there is nothing there, no layout fits, several do, or the one that fits is broken.
    """
    place = Path(place)
    if place.is_file():
        if place.suffix.lower() in SUFFIXES:
            raise LesionvizError(
                f"{place.name} is one image. Give the folder or table that names the labelled images."
            )
        official = OFFICIAL.get(place.name) if _is_official(place) else None
        return official(place.parent) if official else read_csv_of_paths(place)
    if not place.is_dir():
        raise LesionvizError(f"There is no folder {place}. Give the folder that holds the images and their labels.")
    found: dict[str, Callable[[], Collection]] = {
        name: partial(reader, place) for name, reader in OFFICIAL.items() if _is_official(place / name)
    }
    walked = None
    # A table of its own counts only where no official one lies beside it: those have other tables, too.
    if not found:
        found = {
            path.name: partial(read_csv_of_paths, path)
            for path in sorted(place.iterdir())
            if path.suffix.lower() in TABLES and path.is_file() and _has_columns(path, CSV_COLUMNS)
        }
        walked = walk(place)
        if any(class_folders(walked).values()):
            found[FOLDERS] = partial(read_class_folders, place, walked)
    if not found:
        assert walked is not None
        raise LesionvizError(f"{place.resolve()} has none of the known layouts.{_seen(place, walked)} {KNOWN}")
    if len(found) > 1:
        raise LesionvizError(
            f"{place.resolve()} can be read in {len(found)} ways: {', '.join(found)}. "
            "Give the path of the table that you mean, or move the others away."
        )
    ((name, read),) = found.items()
    collection = read()
    untaken = _untaken(place, name)
    return replace(collection, notes=(*collection.notes, *untaken)) if untaken else collection


def _seen(place: Path, walked: Walk) -> str:
    """Say what is there instead of a known layout."""
    folders = [nfc(name) for name in class_folders(walked)]
    said = f" Its folders {', '.join(folders[:8])} are not named after a class." if folders else ""
    inside = {path.relative_to(place).parts[:-1] for path in walked.images}
    parents = sorted({nfc(parts[0]) for parts in inside if len(parts) > 1 and diagnosis_of(parts[1])})
    if parents:
        said += f" Folders named after a class lie one deeper: give {' or '.join(parents[:8])}."
    deeper = below(walked, [name for name in OFFICIAL if name not in COMMON_NAMES])
    if deeper:
        said += f" {deeper[0].name} lies in {walked.name_of(deeper[0].parent)}: give that folder."
    return said + "".join(f" {sentence}." for sentence in _untaken(place, ""))


def _untaken(place: Path, taken: str) -> list[str]:
    """Say of each table in a folder that was not read why it was not."""
    said = []
    for path in sorted(place.iterdir()):
        ending = path.suffix.lower()
        looks_like_one = (
            ending in TABLES | SPREADSHEETS or path.name in OFFICIAL or (path.is_file() and _meant(path.name))
        )
        if not looks_like_one or path.name in (taken, READ_WITH.get(taken)) or path.name.startswith("."):
            continue
        if ending in SPREADSHEETS:
            why = "it is a spreadsheet; save it as CSV UTF-8"
        elif path.name not in OFFICIAL and (meant := _meant(path.name)):
            other = Path(meant).stem != Path(taken).stem
            why = f"it must be plain text under the name {meant}" if other else f"{taken} is"
        else:
            why = _why_not(path, COMMON_NAMES.get(path.name, CSV_COLUMNS)) or f"{taken} is"
        said.append(f"The table {nfc(path.name)} is not taken: {why}")
    return said


def _meant(name: str) -> str:
    """Return the official table that a file's name is another spelling of, or nothing: other capitals, another ending."""
    return next(
        (
            known
            for known in OFFICIAL
            if known not in COMMON_NAMES and name.lower().startswith(Path(known).stem.lower())
        ),
        "",
    )


def _why_not(path: Path, columns: Sequence[str]) -> str:
    """Return why a file cannot be read as a table with these columns, or nothing."""
    try:
        read_table(path, columns, "")
    except LesionvizError as error:
        return re.sub(rf"^{re.escape(path.name)} ", "it ", str(error).strip().removesuffix("."))
    return ""


def _is_official(path: Path) -> bool:
    """Tell whether there is an official table; one with a common name is known by its columns."""
    return path.is_file() and (path.name not in COMMON_NAMES or _has_columns(path, COMMON_NAMES[path.name]))


def _has_columns(path: Path, columns: Sequence[str]) -> bool:
    return not _why_not(path, columns)

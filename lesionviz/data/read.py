"""``read_collection``: finds out which layout a folder has, and reads it.

Only one layout may fit; where two do, the person says which by giving the file or folder itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lesionviz.data.collection import Collection
from lesionviz.data.isic2018 import HAM10000, ISIC2018, read_ham10000, read_isic2018
from lesionviz.data.isic2019 import GROUND_TRUTH, read_isic2019
from lesionviz.data.isic2020 import GROUND_TRUTHS, read_isic2020
from lesionviz.data.isic2020 import REQUIRED as ISIC2020_COLUMNS
from lesionviz.data.isic_archive import METADATA as ARCHIVE
from lesionviz.data.isic_archive import REQUIRED as ARCHIVE_COLUMNS
from lesionviz.data.isic_archive import read_isic_archive
from lesionviz.data.milk10k import GROUND_TRUTH as MILK10K
from lesionviz.data.milk10k import read_milk10k
from lesionviz.data.plain_layouts import CSV_COLUMNS, class_folders, read_class_folders, read_csv_of_paths
from lesionviz.data.tables import SUFFIXES, read_table
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError

KNOWN = f"""Known layouts are:
  ISIC 2019            {GROUND_TRUTH} and its metadata table, images in ISIC_2019_Training_Input/
  HAM10000             {HAM10000[0]}, images anywhere below
  ISIC 2018, task 3    {ISIC2018[0]}, images anywhere below
  ISIC 2020            {GROUND_TRUTHS[0]}, images anywhere below
  MILK10k              {MILK10K} and its metadata table, images in MILK10k_Training_Input/
  ISIC Archive         {ARCHIVE} of a download, images beside or below it
  folders              one folder for each class, named {", ".join(CODES)} or by the full names
  table                a CSV with the columns {", ".join(CSV_COLUMNS)} and, if known, group"""
OFFICIAL: dict[str, Callable[[Path], Collection]] = {
    GROUND_TRUTH: read_isic2019,
    **dict.fromkeys(HAM10000, read_ham10000),
    **dict.fromkeys(ISIC2018, read_isic2018),
    **dict.fromkeys(GROUND_TRUTHS, read_isic2020),
    MILK10K: read_milk10k,
    ARCHIVE: read_isic_archive,
}
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
        name: lambda reader=reader: reader(place)  # type: ignore[misc]
        for name, reader in OFFICIAL.items()
        if _is_official(place / name)
    }
    # A table of its own counts only where no official one lies beside it: those have other tables, too.
    if not found:
        found = {
            path.name: lambda path=path: read_csv_of_paths(path)  # type: ignore[misc]
            for path in sorted(place.glob("*.csv"))
            if _has_columns(path, CSV_COLUMNS)
        }
        if any(class_folders(place).values()):
            found["one folder for each class"] = lambda: read_class_folders(place)
    if not found:
        folders = [path.name for path in class_folders(place)]
        seen = f" Its folders {', '.join(folders[:8])} are not named after a class." if folders else ""
        raise LesionvizError(f"{place.resolve()} has none of the known layouts.{seen} {KNOWN}")
    if len(found) > 1:
        raise LesionvizError(
            f"{place.resolve()} can be read in {len(found)} ways: {', '.join(found)}. "
            "Give the path of the table that you mean, or move the others away."
        )
    (read,) = found.values()
    return read()


def _is_official(path: Path) -> bool:
    """Tell whether there is an official table; one with a common name is known by its columns."""
    return path.is_file() and (path.name not in COMMON_NAMES or _has_columns(path, COMMON_NAMES[path.name]))


def _has_columns(path: Path, columns: Sequence[str]) -> bool:
    try:
        read_table(path, columns, "")
    except LesionvizError:
        return False  # some other table
    return True

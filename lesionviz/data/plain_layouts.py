"""Reads what people make themselves: one folder for each class, or a CSV of paths and labels.

Such collections rarely say which photographs show one lesion. What can be known is used: a ``group`` column,
the ISIC id in a file's name (copies made by offline augmentation are called ``590_ISIC_0055828.jpg``), and
files with the same bytes. Each other image counts as its own lesion.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.tables import SUFFIXES, diagnosis_of, first_row, read_table
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256

ISIC_ID = r"(ISIC_\d{7})"
CSV_COLUMNS = ("path", "label")
ADVICE = f"Expected are the columns {', '.join(CSV_COLUMNS)} and, if known, group (one name for each lesion)."


def class_folders(folder: Path) -> dict[Path, str | None]:
    """Return the subfolders that hold images, with the diagnosis that their names mean, or None."""
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return {path: diagnosis_of(path.name) for path in subfolders if any(_images(path))}


def read_class_folders(folder: Path) -> Collection:
    """Read images from one folder for each class, named by its code or name; others are kept aside.

    Raises:
        LesionvizError: no folder is named after a class, or two mean the same one.
    """
    classes = class_folders(folder)
    named = [code for code in classes.values() if code]
    if not named:
        raise LesionvizError(
            f"{folder.resolve()} has no folder named after a class. Name them {', '.join(CODES)}, or write the full "
            "names."
        )
    twice = {code for code in named if named.count(code) > 1}
    if twice:
        both = [path.name for path, code in classes.items() if code in twice]
        raise LesionvizError(f"The folders {' and '.join(both)} mean the same class. Put their images together.")
    rows = [
        {"path": str(path), "image": path.relative_to(folder).as_posix(), "diagnosis": code or subfolder.name}
        for subfolder, code in classes.items()
        for path in _images(subfolder)
    ]
    return _collection(pd.DataFrame(rows), None, folder, "one folder for each class")


def read_csv_of_paths(path: Path) -> Collection:
    """Read a CSV with ``path`` (relative to the CSV), ``label`` and, if known, ``group`` and ``source``.

    Raises:
        LesionvizError: a column or value is missing, a path leads out of the folder or occurs twice, no label
            means one of the four classes, or no image is there.
    """
    folder, name = path.parent, path.name
    table = read_table(path, CSV_COLUMNS, ADVICE)
    for column in (*CSV_COLUMNS, "group"):
        if column in table and table[column].isna().any():
            raise LesionvizError(f"{name}: row {first_row(table[column].isna())} has no {column}. {ADVICE}")
    written = table["path"].str.replace("\\", "/")
    outside = written.map(lambda p: PurePosixPath(p).is_absolute() or ".." in PurePosixPath(p).parts or ":" in p)
    if outside.any():
        raise LesionvizError(
            f"{name}: row {first_row(outside)} has the path {table['path'][outside].iloc[0]!r}, which leads out of "
            "the CSV's folder. Write paths relative to the CSV."
        )
    images = written.map(lambda p: PurePosixPath(p).as_posix())
    if images.duplicated().any():
        raise LesionvizError(f"{name} names {images[images.duplicated()].iloc[0]} more than once. Keep one row.")
    not_images = ~images.map(lambda p: PurePosixPath(p).suffix.lower()).isin(SUFFIXES)
    if not_images.any():
        raise LesionvizError(
            f"{name}: row {first_row(not_images)} names {images[not_images].iloc[0]!r}, which does not end like an "
            f"image ({', '.join(sorted(SUFFIXES))})."
        )
    diagnosis = table["label"].map(lambda label: diagnosis_of(label) or label)
    if not diagnosis.isin(CODES).any():
        raise LesionvizError(
            f"{name}: no label means one of the four classes; the first is {table['label'].iloc[0]!r}. "
            f"Write {', '.join(CODES)}, or their full names."
        )
    here = [str(folder / image) if (folder / image).is_file() else None for image in images]
    rows = pd.DataFrame({"path": here, "image": images, "diagnosis": diagnosis})
    if "source" in table:
        rows["source"] = table["source"].fillna("unknown")
    return _collection(rows, table.get("group"), folder, f"{name}, a table of paths and labels")


def _images(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _collection(rows: pd.DataFrame, groups: pd.Series[str] | None, folder: Path, layout: str) -> Collection:
    if rows["path"].isna().all():
        raise LesionvizError(f"None of the {len(rows):,} images is in {folder.resolve()}. Put them there.")
    if groups is None:
        groups = _groups(rows)
        layout += ", grouped by ISIC id and by content"
    collection = make_collection(rows.assign(lesion=groups, source=rows.get("source", "unknown")), folder, layout)
    if collection.present.empty:
        raise LesionvizError(f"No image of the four classes is in {folder.resolve()}. Put them there.")
    return collection


def _groups(rows: pd.DataFrame) -> pd.Series[str]:
    """Return a group for each row: its ISIC id, or else the first row with the same bytes."""
    groups = rows["image"].str.extract(ISIC_ID, expand=False)
    alone = groups.isna() & rows["path"].notna()
    contents = rows["path"][alone].map(lambda path: sha256(Path(path)))
    first = rows["image"][alone].groupby(contents).transform("first")
    return groups.fillna(first).fillna(rows["image"])

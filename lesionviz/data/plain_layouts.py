"""Reads what people make themselves: one folder for each class, or a CSV of paths and labels.

Such collections rarely say which photographs show one lesion. What can be known is used: a ``group`` column,
the ISIC id in a file's name (copies made by offline augmentation are called ``590_ISIC_0055828.jpg``), and
files with the same bytes. Each other image counts as its own lesion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from lesionviz.data.class_names import diagnosis_of, names_class
from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.folders import Walk, nfc, one_for_each, some, walk
from lesionviz.data.tables import SUFFIXES, first_row, read_table
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256
from lesionviz.imaging import pixels_of

ISIC_ID = r"(ISIC_\d{7})"
CSV_COLUMNS = ("path", "label")
TABLES = {".csv", ".tsv", ".tab"}
"""Endings of tables that may be read."""
ADVICE = f"Expected are the columns {', '.join(CSV_COLUMNS)} and, if known, group (one name for each lesion)."


def class_folders(walked: Walk) -> dict[str, str | None]:
    """Return the names of the subfolders that hold images, with the class that each means, or None."""
    return {name: diagnosis_of(name) for name in _by_subfolder(walked) if name}


def read_class_folders(folder: Path, walked: Walk | None = None) -> Collection:
    """Read images from folders named by a class or a diagnosis in it; those of others are kept aside.

    Several folders may hold diagnoses of one class, such as seborrhoeic keratosis and solar lentigo. Files that differ in
    nothing but their endings, such as a phone's HEIC and JPEG, are one image.

    Args:
        folder: what holds the folders.
        walked: what lies in it, where that is known.

    Raises:
        LesionvizError: no folder is named after a class, or two mean the same one.
    """
    walked = walked or walk(folder)
    classes = class_folders(walked)
    if not any(classes.values()):
        raise LesionvizError(
            f"{folder.resolve()} has no folder named after a class. Name them {', '.join(CODES)}, or write the full "
            "names."
        )
    named = [name for name in classes if names_class(name)]
    for name in named:
        same = [other for other in named if classes[other] == classes[name]]
        if len(same) > 1:
            raise LesionvizError(f"The folders {' and '.join(same)} mean the same class. Put their images together.")
    by_subfolder = _by_subfolder(walked)
    loose = by_subfolder.pop("", [])
    ids = {path: nfc(str(path.with_suffix(""))) for paths in by_subfolder.values() for path in paths}
    chosen, notes = one_for_each(walked, ids)
    taken = set(chosen.values())
    rows = [
        {"path": str(path), "image": walked.name_of(path), "diagnosis": classes[name] or nfc(name)}
        for name, paths in by_subfolder.items()
        for path in paths
        if path in taken
    ]
    if loose:
        notes.append(
            f"{len(loose):,} images lie in no folder of a class and are passed over: {_names(walked, loose)}"
        )
    merged = [name for name, code in classes.items() if code and not names_class(name)]
    if merged:
        notes.append("Read as a class: " + ", ".join(f"{nfc(name)} as {classes[name]}" for name in merged))
    return _collection(
        pd.DataFrame(rows), None, folder, "one folder for each class", [*notes, *walked.notes(tables_in(walked))]
    )


def tables_in(walked: Walk) -> list[Path]:
    """Return the files in a folder itself, not below it, that may be tables: whoever reads it says what became of them."""
    return [path for path in walked.files if path.parent == walked.folder and path.suffix.lower() in TABLES]


def _by_subfolder(walked: Walk) -> dict[str, list[Path]]:
    """Return the images by the name of the subfolder in which, or below which, they lie; "" for those in none."""
    found: dict[str, list[Path]] = {}
    for path in walked.images:
        first, *deeper = path.relative_to(walked.folder).parts
        found.setdefault(first if deeper else "", []).append(path)
    return found


def _names(walked: Walk, paths: Iterable[Path]) -> str:
    return some(map(walked.name_of, paths))


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
    written = table["path"].str.replace("\\", "/").map(nfc)
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
    rows = pd.DataFrame({"path": _here(folder, images), "image": images, "diagnosis": diagnosis})
    if "source" in table:
        rows["source"] = table["source"].fillna("unknown")
    return _collection(rows, table.get("group"), folder, f"{name}, a table of paths and labels")


def _here(folder: Path, images: pd.Series[str]) -> list[str | None]:
    """Return the path of each image that a table names, or None where it is not here."""
    paths = [folder / image for image in images]
    here = [str(path) if path.is_file() else None for path in paths]
    # What the table writes in one form of Unicode may have its name in the other; to know, the folder must be walked.
    if any(path is None and not image.isascii() for path, image in zip(here, images, strict=True)):
        walked = walk(folder)
        known = {walked.name_of(path): str(path) for path in walked.files}
        here = [path or known.get(image) for path, image in zip(here, images, strict=True)]
    return here


def _collection(
    rows: pd.DataFrame, groups: pd.Series[str] | None, folder: Path, layout: str, notes: Sequence[str] = ()
) -> Collection:
    if rows["path"].isna().all():
        raise LesionvizError(f"None of the {len(rows):,} images is in {folder.resolve()}. Put them there.")
    if groups is None:
        groups = _groups(rows)
        layout += ", grouped by ISIC id and by content"
    collection = make_collection(
        rows.assign(lesion=groups, source=rows.get("source", "unknown")), folder, layout, notes=notes
    )
    if collection.present.empty:
        raise LesionvizError(f"No image of the four classes is in {folder.resolve()}. Put them there.")
    return collection


def _groups(rows: pd.DataFrame) -> pd.Series[str]:
    """Return a group for each row: its ISIC id, or else the first row with the same bytes.

    Files without a picture, such as empty ones or the same error page many times, say nothing about lesions.
    """
    groups = rows["image"].str.extract(ISIC_ID, expand=False)
    alone = groups.isna() & rows["path"].notna()
    contents = rows["path"][alone].map(lambda path: sha256(Path(path)) if pixels_of(path) else path)
    first = rows["image"][alone].groupby(contents).transform("first")
    return groups.fillna(first).fillna(rows["image"])

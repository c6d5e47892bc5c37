"""Reads HAM10000 and the training part of ISIC 2018, task 3, which are the same 10,015 images.

HAM10000 (Tschandl et al. 2018, doi 10.1038/sdata.2018.161): ``HAM10000_metadata.csv`` (or without ending, or
``.tab``, as Dataverse gives it, with tabs) with ``lesion_id``, ``image_id`` and ``dx``. ISIC 2018:
``ISIC2018_Task3_Training_GroundTruth.csv``, one column a diagnosis, and
``ISIC2018_Task3_Training_LesionGroupings.csv``. Images lie anywhere below the folder.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.folders import place_images
from lesionviz.data.isic2019 import NO_LESIONS
from lesionviz.data.tables import ages, check_ids, one_hot, read_table
from lesionviz.errors import LesionvizError

HAM10000 = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
ISIC2018 = ("ISIC2018_Task3_Training_GroundTruth.csv",)
GROUPINGS = "ISIC2018_Task3_Training_LesionGroupings.csv"
LABELS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
SOURCE = "HAM"
"""The name that ISIC 2019 gives these images."""
ADVICE = "Download the official table again."


def read_ham10000(folder: Path, name: str | None = None) -> Collection:
    """Read ``HAM10000_metadata.csv`` and find the image files.

    Args:
        folder: what holds it.
        name: of the table, by default the first of ``HAM10000`` that is there.

    Raises:
        LesionvizError: the table is missing or broken, a diagnosis is unknown, or no image is there.
    """
    path = folder / name if name else _one_of(folder, HAM10000)
    table = read_table(path, ("lesion_id", "image_id", "dx"), ADVICE).rename(columns={"image_id": "image"})
    check_ids(table["image"], path.name, ADVICE)
    diagnosis = table["dx"].str.upper()
    unknown = ~diagnosis.isin(LABELS)
    if unknown.any():
        raise LesionvizError(
            f"{path.name}: image {table['image'][unknown].iloc[0]} has the diagnosis "
            f"{table['dx'][unknown].iloc[0]!r}; expected is one of {', '.join(LABELS).lower()}. {ADVICE}"
        )
    details = {name: table[column] for name, column in (("sex", "sex"), ("site", "localization")) if column in table}
    if "age" in table:
        details["age"] = ages(table["age"])
    lesions = table["lesion_id"]
    return _collection(table["image"], diagnosis, lesions, folder, "HAM10000", details, path)


def read_isic2018(folder: Path) -> Collection:
    """Read the ground truth of ISIC 2018, task 3, and find the image files.

    Raises:
        LesionvizError: the table is missing or broken, or no image is there.
    """
    path = _one_of(folder, ISIC2018)
    truth = read_table(path, ("image", *LABELS), ADVICE)
    check_ids(truth["image"], path.name, ADVICE)
    diagnosis = one_hot(truth, LABELS, path.name, ADVICE)
    layout = "ISIC 2018, task 3"
    lesions = pd.Series(pd.NA, index=truth.index, dtype="str")
    if (folder / GROUPINGS).is_file():
        groups = read_table(folder / GROUPINGS, ("image", "lesion_id"), ADVICE)
        check_ids(groups["image"], GROUPINGS, ADVICE)
        lesions = truth[["image"]].merge(groups, on="image", how="left")["lesion_id"]
    else:
        layout += f" {NO_LESIONS} ({GROUPINGS} is missing)"
    return _collection(truth["image"], diagnosis, lesions, folder, layout, {}, path, folder / GROUPINGS)


def _one_of(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise LesionvizError(f"{names[0]} is not in {folder.resolve()}. Give the folder that holds it.")


def _collection(
    images: pd.Series[str],
    diagnosis: pd.Series[str],
    lesions: pd.Series[str],
    folder: Path,
    layout: str,
    details: dict[str, pd.Series[str]],
    *tables: Path,
) -> Collection:
    paths, notes = place_images(images, folder, tables)
    rows = pd.DataFrame(
        {
            "image": images,
            "diagnosis": diagnosis,
            "lesion": lesions.fillna(images),
            "source": SOURCE,
            "path": paths,
            **details,
        }
    )
    collection = make_collection(rows, folder, layout, notes=notes)
    if collection.present.empty:
        raise LesionvizError(
            f"No image of the four classes was found in {folder.resolve()} or below. Unpack the image archives there."
        )
    return collection

"""Reads the official layout of ISIC 2019, complete or partly downloaded.

A folder with ``ISIC_2019_Training_GroundTruth.csv``, ``ISIC_2019_Training_Metadata.csv`` and the
images in ``ISIC_2019_Training_Input/``, as published at https://challenge.isic-archive.com/data/#2019.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionviz.data.collection import COLUMNS, Collection
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError

GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"
LABELS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")


def read_isic2019(folder: str | Path) -> Collection:
    """Join ground truth and metadata, keep the four classes, and find the image files.

    Photographs of one lesion share its ``lesion_id``; an image without one counts as its own lesion.
    The source is the prefix of the ``lesion_id`` (HAM, BCN or MSK4).

    Raises:
        LesionvizError: a file is missing, a column is missing, a row has no single label, ids repeat,
            or no image is there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LesionvizError(f"There is no folder {folder}. Give the folder that holds {GROUND_TRUTH}.")
    truth = _read_table(folder / GROUND_TRUTH, ("image", *LABELS[:8]))
    metadata = _read_table(folder / METADATA, ("image", "lesion_id"))

    labels = truth[[label for label in LABELS if label in truth]].apply(pd.to_numeric, errors="coerce")
    wrong = ~(labels.isin([0, 1]).all(axis=1) & (labels.sum(axis=1) == 1))
    if wrong.any():
        raise LesionvizError(
            f"{GROUND_TRUTH}: {wrong.sum()} rows do not have exactly one label of 1 and the rest 0, "
            f"the first for image {truth['image'][wrong].iloc[0]}. Download the table again."
        )
    diagnosis = labels.idxmax(axis=1)
    kept = diagnosis.isin(CODES)
    joined = truth[["image"]].assign(diagnosis=diagnosis)[kept].merge(metadata, on="image", how="left")
    lesion = joined["lesion_id"].fillna(joined["image"])
    source = joined["lesion_id"].str.extract(r"^([A-Za-z0-9]+)_", expand=False).fillna("unknown")
    table = joined.assign(lesion=lesion, source=source, path=_find_images(folder / IMAGES, joined["image"]))
    collection = Collection(
        table=table[list(COLUMNS)].sort_values("image", ignore_index=True),
        folder=folder,
        rows_in_table=len(truth),
        rows_of_other_diagnoses=int((~kept).sum()),
    )
    if collection.present.empty:
        raise LesionvizError(
            f"{folder / IMAGES} holds no image that {GROUND_TRUTH} names in the four classes. "
            "Unpack ISIC_2019_Training_Input.zip into that folder."
        )
    return collection


def _read_table(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """Read one of the two tables and check its columns and ids."""
    if not path.is_file():
        raise LesionvizError(
            f"{path.name} is not in {path.parent.resolve()}. "
            f"Give the folder that holds it, {IMAGES} and the other table."
        )
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise LesionvizError(f"{path.name} is not a readable CSV table ({error}). Download it again.") from error
    missing = [column for column in required if column not in table]
    if missing:
        raise LesionvizError(f"{path.name} has no column {', '.join(missing)}. Download the official table.")
    ids = table["image"]
    if ids.isna().any():
        raise LesionvizError(f"{path.name} has rows without an image id. Download it again.")
    if ids.duplicated().any():
        raise LesionvizError(
            f"{path.name} names {ids[ids.duplicated()].iloc[0]} more than once. Keep one row for each image."
        )
    unsafe = ids[~ids.str.fullmatch(r"[A-Za-z0-9_-]+")]
    if not unsafe.empty:
        raise LesionvizError(
            f"{path.name} has the image id {unsafe.iloc[0]!r}; letters, digits, _ and - are expected."
        )
    return table


def _find_images(folder: Path, ids: pd.Series[str]) -> list[str | None]:
    """Return the path of each image's JPEG, or None where it is not here."""
    here = {p.stem: str(p) for p in folder.glob("*.jpg")} if folder.is_dir() else {}
    return [here.get(image) for image in ids]

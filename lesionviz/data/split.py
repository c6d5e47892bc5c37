"""Lesion-grouped, stratified split into training, validation and test images.

All photographs of one lesion fall into one part. The split is made over the whole table, with or
without image files, so that a partial download gets the same parts as a full one and no one's test
image is another one's training image.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from lesionviz.data.collection import Collection
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing, sha256

PARTS = ("train", "validation", "test")
FOLDS = 20
"""The table is cut into 20 equal folds; a part is a whole number of them, so fractions step by 5 %."""
FILE = "split.csv"


@dataclass(frozen=True)
class Split:
    """Which part each image of a collection belongs to.

    Attributes:
        table: columns ``image``, ``lesion``, ``diagnosis``, ``part``; sorted by ``image``.
        seed: what the random assignment started from.
        validation, test: fractions of the images asked for.
    """

    table: pd.DataFrame
    seed: int
    validation: float
    test: float

    def to_csv(self) -> bytes:
        """Return the split as CSV; the same split gives the same bytes on every machine."""
        text: str = self.table.to_csv(index=False, lineterminator="\n")
        return text.encode("utf-8")

    def save(self, folder: Path) -> str:
        """Write ``split.csv`` and return its SHA-256."""
        with replacing(folder / FILE) as temporary:
            temporary.write_bytes(self.to_csv())
        return sha256(folder / FILE)

    def rows(self, collection: Collection, part: str) -> pd.DataFrame:
        """Return the rows of one part whose image is here, in the order of the table.

        Raises:
            LesionvizError: the part is unknown, or none of its images is here.
        """
        if part not in PARTS:
            raise LesionvizError(f"The part {part!r} is not known. Choose from: {', '.join(PARTS)}.")
        images = self.table["image"][self.table["part"] == part]
        rows = collection.present[collection.present["image"].isin(images)]
        if rows.empty:
            raise LesionvizError(f"No image of the {part} part is in {collection.folder}. Add more images.")
        return rows

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint records of the split."""
        digest = hashlib.sha256(self.to_csv()).hexdigest()
        return {"sha256": digest, "seed": self.seed, "validation": self.validation, "test": self.test}


def split_by_lesion(collection: Collection, seed: int = 2019, validation: float = 0.15, test: float = 0.15) -> Split:
    """Assign every lesion to training, validation or test.

    Stratified by diagnosis and source, with scikit-learn's ``StratifiedGroupKFold`` over 20 folds.

    Args:
        collection: what to split; rows without an image file are assigned too.
        seed: the same seed gives the same split.
        validation, test: fraction of the images in each; rounded to steps of 5 %.

    Raises:
        LesionvizError: a fraction is out of range, or a class has fewer lesions than there are parts.
    """
    folds = {"validation": round(validation * FOLDS), "test": round(test * FOLDS)}
    if min(folds.values()) < 1 or sum(folds.values()) >= FOLDS:
        raise LesionvizError(
            f"Validation {validation} and test {test} must each be at least 0.05 and leave some for training."
        )
    table = collection.table
    lesions = table.groupby("diagnosis")["lesion"].nunique()
    if lesions.min() < len(PARTS):
        raise LesionvizError(
            f"{lesions.idxmin()} has {lesions.min()} lesions; each class needs at least {len(PARTS)}, "
            "one for each part. Add images of that class."
        )
    strata = table["diagnosis"] + " " + table["source"]
    if strata.value_counts().max() < FOLDS:
        raise LesionvizError(
            f"No class has {FOLDS} images from one source, too few to split {len(table)} images. Add images."
        )
    splitter = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    fold = np.empty(len(table), dtype=int)
    with warnings.catch_warnings():
        # Said of strata with fewer than 20 images; they then miss some folds, which is as it must be.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for number, (_, rows) in enumerate(splitter.split(table["image"], strata, table["lesion"])):
            fold[rows] = number
    part = np.full(len(table), "train", dtype=object)
    part[fold < folds["test"] + folds["validation"]] = "validation"
    part[fold < folds["test"]] = "test"
    assigned = table[["image", "lesion", "diagnosis"]].assign(part=part)
    return Split(assigned, seed, validation, test)

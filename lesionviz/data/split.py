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
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from lesionviz.data.collection import Collection
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing, sha256

PARTS = ("train", "validation", "test")
KEPT_OUT = "kept out"
"""The part of images that a training took out of theirs on top of the split: nothing was learned or chosen from them."""
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
        by: ``"lesion"``, or ``"random"`` by image.
        kept_out: images of the collection, of whichever frame, that take no part whatever the table says. The table,
            and so its hash, does not depend on them.
    """

    table: pd.DataFrame
    seed: int
    validation: float
    test: float
    by: str = "lesion"
    kept_out: frozenset[str] = frozenset()

    def to_csv(self) -> bytes:
        """Return the split as CSV; the same split gives the same bytes on every machine."""
        text: str = self.table.to_csv(index=False, lineterminator="\n")
        return text.encode("utf-8")

    def save(self, folder: Path, name: str = FILE) -> str:
        """Write the table, as ``split.csv`` or under another name, and return its SHA-256."""
        with replacing(folder / name) as temporary:
            temporary.write_bytes(self.to_csv())
        return sha256(folder / name)

    def rows(self, collection: Collection, part: str, of: str = "table") -> pd.DataFrame:
        """Return the rows of one part whose image is here, in the order of the collection.

        Args:
            collection: what was split.
            part: one of ``PARTS``, or ``KEPT_OUT``.
            of: a frame of the collection. Only its four classes must have images in every part.

        Raises:
            LesionvizError: the part is unknown, or none of its images is here.
        """
        if part not in (*PARTS, KEPT_OUT):
            raise LesionvizError(f"The part {part!r} is not known. Choose from: {', '.join(PARTS)}.")
        present = collection.present_of(of)
        rows = present[self.parts_of(present) == part]
        if rows.empty and of == "table" and part != KEPT_OUT:
            raise LesionvizError(f"No image of the {part} part is in {collection.folder}. Add more images.")
        return rows

    def parts_of(self, rows: pd.DataFrame) -> pd.Series[str]:
        """Return the part of each row of the split collection, of whichever frame.

        What the table does not name, such as a lesion's close-up, goes with its lesion (or patient); lesions that the
        table does not have at all are spread by a hash of their name and the seed, in the split's fractions.
        """
        of_image = dict(zip(self.table["image"], self.table["part"], strict=True))
        of_group = dict(zip(self.table["lesion"], self.table["part"], strict=True))
        parts = [
            KEPT_OUT if image in self.kept_out else of_image.get(image) or of_group.get(group) or self._spread(group)
            for image, group in zip(rows["image"], rows["lesion"], strict=True)
        ]
        return pd.Series(parts, index=rows.index, dtype=object)

    def _spread(self, group: str) -> str:
        """Return the part of a group that the table does not have."""
        digest = hashlib.sha256(f"{self.seed} {group}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        return "test" if place < self.test else "validation" if place < self.test + self.validation else "train"

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint records of the split."""
        digest = hashlib.sha256(self.to_csv()).hexdigest()
        return {
            "sha256": digest,
            "by": self.by,
            "seed": self.seed,
            "validation": self.validation,
            "test": self.test,
            **({"kept_out": sorted(self.kept_out)} if self.kept_out else {}),
        }


def split_by_lesion(collection: Collection, seed: int = 2019, validation: float = 0.15, test: float = 0.15) -> Split:
    """Assign every lesion to training, validation or test.

    Stratified by diagnosis and source, with scikit-learn's ``StratifiedGroupKFold`` over 20 folds.

    Args:
        collection: what to split; rows without an image file are assigned too.
        seed: the same seed gives the same split.
        validation, test: fraction of the images in each; rounded to steps of 5 %.

    Raises:
        LesionvizError: a fraction is out of range, a class has fewer lesions than there are parts, or no class has as
            many images from one source as there are folds.
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
    if (most := int(strata.value_counts().max())) < FOLDS:
        raise LesionvizError(
            f"{len(table)} images are too few to learn from some and judge on others: at least one class needs {FOLDS} "
            f"images from one source, and the largest here has {most}. Add images, or ask a model that is there about "
            "all of them (lesionviz evaluate --part all)."
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


def split_at_random(collection: Collection, seed: int = 2019, validation: float = 0.15, test: float = 0.15) -> Split:
    """Assign every image at random, stratified by diagnosis, whatever lesion it shows.

    Photographs of one lesion then fall into several parts, and a test image may show a lesion that was
    trained on; :func:`leakage_report` says how often. Here only to measure what that does to figures.

    Args:
        collection: what to split.
        seed: the same seed gives the same split.
        validation, test: fraction of the images in each.

    Raises:
        LesionvizError: a fraction is out of range, or a class has too few images.
    """
    table = collection.table
    diagnosis = table["diagnosis"]
    try:
        learn, tested = train_test_split(table.index, test_size=test, stratify=diagnosis, random_state=seed)
        _, validated = train_test_split(
            learn, test_size=validation / (1 - test), stratify=diagnosis[learn], random_state=seed
        )
    except ValueError as error:
        raise LesionvizError(f"{len(table)} images cannot be split at random: {error}") from error
    part = pd.Series("train", index=table.index, dtype=object)
    part[validated], part[tested] = "validation", "test"
    return Split(table[["image", "lesion", "diagnosis"]].assign(part=part), seed, validation, test, "random")


def leakage_report(split: Split) -> pd.DataFrame:
    """Return how many test images show a lesion that is also in the training or the validation part.

    Returns:
        One row for each diagnosis and one, ``"all"``, for everything: ``images`` in the test part, ``leaked``
        of them, and ``share``, from 0 to 1.
    """
    tested = split.table[split.table["part"] == "test"]
    learned_from = split.table["lesion"][split.table["part"] != "test"]  # validation images choose the epoch
    leaked = tested["lesion"].isin(learned_from)
    by_class = leaked.groupby(tested["diagnosis"]).agg(images="size", leaked="sum")
    by_class.loc["all"] = [len(leaked), leaked.sum()]
    return by_class.assign(share=by_class["leaked"] / by_class["images"])


def leakage_text(collection: Collection, seed: int = 2019) -> str:
    """Say how many test images a random split and the lesion-grouped one would leak, and whether these can be split."""
    if collection.table["lesion"].is_unique:
        lines = ["No two images are known to show the same lesion, so a split's leakage cannot be counted."]
        try:
            split_by_lesion(collection, seed)
        except LesionvizError as error:
            lines.append(f"A model cannot be trained on these alone. {error}")
        return "\n".join(lines)
    lines = ["Test images that show a lesion which is also in the training or validation part:"]
    for name, divide in (("a split at random", split_at_random), ("the split by lesion", split_by_lesion)):
        try:
            report = leakage_report(divide(collection, seed))
        except LesionvizError as error:
            lines.append(f"  {name}: not possible. {error}")
            continue
        by_class = " · ".join(f"{code} {report['share'][code]:.0%}" for code in CODES if code in report.index)
        lines.append(f"  {name}: {report['share']['all']:.1%} ({by_class})")
    return "\n".join(lines)

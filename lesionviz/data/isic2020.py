"""Reads the training part of ISIC 2020, complete or partly downloaded.

``ISIC_2020_Training_GroundTruth_v2.csv`` (or without ``_v2``, or Kaggle's ``train.csv``), as published at
https://challenge.isic-archive.com/data/#2020 (Rotemberg et al. 2021, doi 10.1038/s41597-021-00815-z): 33,126 images of
2,056 patients, four of five of them "benign" without more. Images lie anywhere below the folder.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionviz.data.archive_labels import meaning
from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.folders import place_images
from lesionviz.data.isic_archive import GROUPED_BY, groups_of
from lesionviz.data.tables import ages, check_ids, first_row, read_table
from lesionviz.errors import LesionvizError

GROUND_TRUTHS = (
    "ISIC_2020_Training_GroundTruth_v2.csv",
    "ISIC_2020_Training_GroundTruth.csv",
    "train.csv",
)
REQUIRED = ("image_name", "patient_id", "diagnosis", "target")
DIAGNOSES = (
    "atypical melanocytic proliferation",
    "cafe-au-lait macule",
    "lentigo NOS",
    "lichenoid keratosis",
    "melanoma",
    "nevus",
    "seborrheic keratosis",
    "solar lentigo",
    "unknown",
)
"""The words of the official table; ``unknown`` is benign without more."""
SOURCE = "ISIC 2020"
ADVICE = "Download the official table again."


def read_isic2020(folder: str | Path, name: str | None = None) -> Collection:
    """Read the ground truth, and find the image files.

    Images of one patient are kept together. ``unknown`` diagnoses are undetermined.

    Args:
        folder: what holds it.
        name: of the table, by default the first of ``GROUND_TRUTHS`` that is there.

    Raises:
        LesionvizError: the table is missing or broken, a diagnosis is not one of the official words or contradicts
            ``target``, or no image is there.
    """
    folder = Path(folder)
    name = name or next((name for name in GROUND_TRUTHS if (folder / name).is_file()), None)
    if name is None:
        raise LesionvizError(f"{GROUND_TRUTHS[0]} is not in {folder.resolve()}. Give the folder that holds it.")
    table = read_table(folder / name, REQUIRED, ADVICE)
    check_ids(table["image_name"], name, ADVICE)
    diagnosis = table["diagnosis"].fillna("unknown").astype(object)
    target = table["target"]
    for wrong, what, column in (
        (~diagnosis.str.lower().isin({word.lower() for word in DIAGNOSES}), "diagnosis", diagnosis),
        (~target.isin(["0", "1", "0.0", "1.0"]), "target", target),
    ):
        if wrong.any():
            expected = ", ".join(DIAGNOSES) if what == "diagnosis" else "0 or 1"
            raise LesionvizError(
                f"{name}: row {first_row(wrong)} (image {table['image_name'][wrong].iloc[0]}) has the {what} "
                f"{column[wrong].iloc[0]!r}; expected is one of {expected}. {ADVICE}"
            )
    contradicts = (diagnosis.str.lower() == "melanoma") != target.isin(["1", "1.0"])
    if contradicts.any():
        raise LesionvizError(
            f"{name}: row {first_row(contradicts)} (image {table['image_name'][contradicts].iloc[0]}) has the diagnosis "
            f"{diagnosis[contradicts].iloc[0]!r} and the target {target[contradicts].iloc[0]}; 1 means melanoma. {ADVICE}"
        )
    found = [meaning([word]) for word in diagnosis]
    details = {
        detail: table[column]
        for detail, column in (("sex", "sex"), ("site", "anatom_site_general_challenge"))
        if column in table
    }
    if "age_approx" in table:
        details["age"] = ages(table["age_approx"])
    paths, notes = place_images(table["image_name"], folder, [folder / name])
    rows = pd.DataFrame(
        {
            "image": table["image_name"],
            "lesion": groups_of(table, "image_name"),
            "diagnosis": [label for label, _ in found],
            "source": SOURCE,
            "path": paths,
            **details,
        }
    )
    undetermined = [vague for _, vague in found]
    collection = make_collection(
        rows, folder, "ISIC 2020", undetermined=undetermined, grouped_by=GROUPED_BY, notes=notes
    )
    if collection.present.empty:
        raise LesionvizError(
            f"No image of the four classes was found in {folder.resolve()} or below. Unpack the JPEG archive there."
        )
    return collection

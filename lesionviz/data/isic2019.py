"""Reads the official layout of ISIC 2019, complete or partly downloaded.

A folder with ``ISIC_2019_Training_GroundTruth.csv``, ``ISIC_2019_Training_Metadata.csv`` and the
images in ``ISIC_2019_Training_Input/``, as published at https://challenge.isic-archive.com/data/#2019.
Without the metadata table every image counts as its own lesion, which the collection's layout says.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.folders import place_images
from lesionviz.data.tables import ages, check_ids, one_hot, read_table
from lesionviz.errors import LesionvizError

GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"
LABELS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK")
ADVICE = "Download the official table again."
NO_LESIONS = "without lesion ids, so photographs of one lesion cannot be kept together"


def read_isic2019(folder: str | Path) -> Collection:
    """Join ground truth and metadata, and find the image files.

    Photographs of one lesion share its ``lesion_id``; an image without one counts as its own lesion.
    The source is the prefix of the ``lesion_id`` (HAM, BCN or MSK4).

    Raises:
        LesionvizError: the ground truth is missing, a column is missing, a row has no single label, ids
            repeat, or no image is there.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise LesionvizError(f"There is no folder {folder}. Give the folder that holds {GROUND_TRUTH}.")
    if not (folder / GROUND_TRUTH).is_file():
        raise LesionvizError(
            f"{GROUND_TRUTH} is not in {folder.resolve()}. Give the folder that holds it, {METADATA} and {IMAGES}."
        )
    truth = read_table(folder / GROUND_TRUTH, ("image", *LABELS[:8]), ADVICE)
    check_ids(truth["image"], GROUND_TRUTH, ADVICE)
    labels = [label for label in LABELS if label in truth]
    joined = truth[["image"]].assign(diagnosis=one_hot(truth, labels, GROUND_TRUTH, ADVICE))

    layout = "ISIC 2019"
    if (folder / METADATA).is_file():
        metadata = read_table(folder / METADATA, ("image", "lesion_id"), ADVICE)
        check_ids(metadata["image"], METADATA, ADVICE)
        joined = joined.merge(metadata, on="image", how="left")
    else:
        layout += f" {NO_LESIONS} ({METADATA} is missing)"
        joined["lesion_id"] = pd.Series(pd.NA, index=joined.index, dtype="str")
    details = {
        name: joined[column] for name, column in (("sex", "sex"), ("site", "anatom_site_general")) if column in joined
    }
    if "age_approx" in joined:
        details["age"] = ages(joined["age_approx"])
    paths, notes = place_images(joined["image"], folder / IMAGES)
    rows = joined[["image", "diagnosis"]].assign(
        lesion=joined["lesion_id"].fillna(joined["image"]),
        source=joined["lesion_id"].str.extract(r"^([A-Za-z0-9]+)_", expand=False).fillna("unknown"),
        path=paths,
        **details,
    )
    collection = make_collection(rows, folder, layout, notes=notes)
    if collection.present.empty:
        raise LesionvizError(
            f"{folder / IMAGES} holds no image that {GROUND_TRUTH} names in the four classes. "
            "Unpack ISIC_2019_Training_Input.zip into that folder."
        )
    return collection

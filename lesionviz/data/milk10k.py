"""Reads the official layout of MILK10k, complete or partly downloaded.

A folder with ``MILK10k_Training_GroundTruth.csv`` (one row a lesion, one column a diagnosis),
``MILK10k_Training_Metadata.csv`` (one row an image; every lesion has a dermoscopic image and a clinical close-up) and the
images in ``MILK10k_Training_Input/<lesion>/``, as published at https://challenge.isic-archive.com/data/#milk10k
(MILK study team 2025, doi 10.34970/648456).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.folders import place_images
from lesionviz.data.tables import ages, check_ids, first_row, one_hot, read_table
from lesionviz.errors import LesionvizError

GROUND_TRUTH = "MILK10k_Training_GroundTruth.csv"
METADATA = "MILK10k_Training_Metadata.csv"
IMAGES = "MILK10k_Training_Input"
LABELS = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")
SOURCE = "MILK10k"
DERMOSCOPIC = "dermoscopic"
"""How the ISIC Archive's tables call dermoscopy; other photographs are ``clinical: …``, ``TBP …``, ``RCM …``."""
ADVICE = "Download the official table again."


def read_milk10k(folder: str | Path) -> Collection:
    """Join the labels of lesions to their images, and find the image files.

    The close-up of a lesion has the lesion's label, and is kept aside as *not dermoscopy*.

    Raises:
        LesionvizError: a table or column is missing, a lesion has no single label, an image no known lesion or
            ``image_type``, ids repeat, or no dermoscopic image is there.
    """
    folder = Path(folder)
    for name in (GROUND_TRUTH, METADATA):
        if not (folder / name).is_file():
            raise LesionvizError(
                f"{name} is not in {folder.resolve()}. Give the folder that holds it, "
                f"{METADATA if name == GROUND_TRUTH else GROUND_TRUTH} and {IMAGES}."
            )
    truth = read_table(folder / GROUND_TRUTH, ("lesion_id", *LABELS), ADVICE)
    check_ids(truth["lesion_id"], GROUND_TRUTH, ADVICE, "lesion")
    label = one_hot(truth, LABELS, GROUND_TRUTH, ADVICE, "lesion")
    of_lesion = dict(zip(truth["lesion_id"], label, strict=True))

    images = read_table(folder / METADATA, ("lesion_id", "image_type", "isic_id"), ADVICE)
    check_ids(images["isic_id"], METADATA, ADVICE)
    for column in ("lesion_id", "image_type"):
        if images[column].isna().any():
            raise LesionvizError(f"{METADATA}: row {first_row(images[column].isna())} has no {column}. {ADVICE}")
    lost = ~images["lesion_id"].isin(of_lesion)
    if lost.any():
        raise LesionvizError(
            f"{METADATA}: row {first_row(lost)} (image {images['isic_id'][lost].iloc[0]}) has the lesion "
            f"{images['lesion_id'][lost].iloc[0]}, which {GROUND_TRUTH} does not name. {ADVICE}"
        )
    details = {
        name: images[column]
        for name, column in (
            ("sex", "sex"),
            ("site", "site"),
            ("skin_tone", "skin_tone_class"),
            ("attribution", "attribution"),
            ("licence", "copyright_license"),
        )
        if column in images
    }
    if "age_approx" in images:
        details["age"] = ages(images["age_approx"])
    paths, notes = place_images(images["isic_id"], folder / IMAGES)
    rows = pd.DataFrame(
        {
            "image": images["isic_id"],
            "lesion": images["lesion_id"],
            "diagnosis": images["lesion_id"].map(of_lesion),
            "source": SOURCE,
            "path": paths,
            **details,
        }
    )
    close_up = images["image_type"] != DERMOSCOPIC
    collection = make_collection(rows, folder, "MILK10k", close_up=close_up, notes=notes)
    if collection.present.empty:
        raise LesionvizError(
            f"{folder / IMAGES} holds no dermoscopic image of the four classes that {METADATA} names. Unpack "
            f"{IMAGES}.zip into that folder."
        )
    return collection

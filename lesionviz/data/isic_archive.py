"""Reads what the ISIC Archive's download button gives: ``metadata.csv`` and the images, anywhere below the folder.

The table has one row an image (https://www.isic-archive.com): its diagnosis in steps, ``image_type``, whose it
is and under what licence, and, for some, a patient and a lesion. Institutions give what they have, so columns may be empty.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lesionviz.data.archive_labels import meaning
from lesionviz.data.collection import Collection, make_collection
from lesionviz.data.folders import place_images
from lesionviz.data.milk10k import DERMOSCOPIC
from lesionviz.data.tables import ages, check_ids, read_table
from lesionviz.errors import LesionvizError

METADATA = "metadata.csv"
STEPS = tuple(f"diagnosis_{step}" for step in range(1, 6))
REQUIRED = ("isic_id", "image_type", *STEPS[:3])
GROUPED_BY = "patients or lesions"
ADVICE = "Download the images and their metadata from the ISIC Archive again."


def read_isic_archive(folder: str | Path) -> Collection:
    """Read a download's table, and find the image files.

    Images of one patient are kept together, else those of one lesion; an image with neither counts alone.
    The source is the attribution: the institution that an image comes from.

    Raises:
        LesionvizError: the table is missing or broken, or no dermoscopic image of the four classes is there.
    """
    folder = Path(folder)
    if not (folder / METADATA).is_file():
        raise LesionvizError(
            f"{METADATA} is not in {folder.resolve()}. Give the folder that holds it and the images."
        )
    table = read_table(folder / METADATA, REQUIRED, ADVICE)
    check_ids(table["isic_id"], METADATA, ADVICE)
    without_type = table["image_type"].isna()
    # What cannot be told dermoscopy from other photographs must teach neither.
    table = table[~without_type].reset_index(drop=True)
    layout = "ISIC Archive" + (
        f" ({int(without_type.sum()):,} rows without image_type left out)" if without_type.any() else ""
    )
    steps = table[[step for step in STEPS if step in table]].astype(object)
    found = [meaning(row) for row in steps.where(steps.notna(), None).to_numpy().tolist()]
    details = {
        name: table[column]
        for name, column in (
            ("sex", "sex"),
            ("site", "anatom_site_general"),
            ("skin_tone", "fitzpatrick_skin_type"),
            ("attribution", "attribution"),
            ("licence", "copyright_license"),
        )
        if column in table
    }
    if "age_approx" in table:
        details["age"] = ages(table["age_approx"])
    paths, notes = place_images(table["isic_id"], folder, [folder / METADATA])
    rows = pd.DataFrame(
        {
            "image": table["isic_id"],
            "lesion": groups_of(table, "isic_id"),
            "diagnosis": [label for label, _ in found],
            "source": table["attribution"].fillna("unknown") if "attribution" in table else "unknown",
            "path": paths,
            **details,
        }
    )
    collection = make_collection(
        rows,
        folder,
        layout,
        close_up=table["image_type"] != DERMOSCOPIC,
        undetermined=[vague for _, vague in found],
        grouped_by=GROUPED_BY,
        notes=notes,
    )
    if collection.present.empty:
        raise LesionvizError(
            f"No dermoscopic image of the four classes was found in {folder.resolve()} or below. Put the images of the "
            f"download beside its {METADATA}."
        )
    return collection


def groups_of(table: pd.DataFrame, image: str) -> pd.Series[str]:
    """Return what keeps the rows of one patient together: ``patient_id``, else ``lesion_id``, else the image's id.

    A lesion that has its patient in one row has it in all. Columns that are not there count as empty.
    """
    nothing = pd.Series(np.nan, index=table.index, dtype=object)
    patients, lesions = (table.get(column, nothing).astype(object) for column in ("patient_id", "lesion_id"))
    of_lesion = patients.groupby(lesions).first()
    named = zip(patients, lesions.map(of_lesion), lesions, table[image], strict=True)
    groups = pd.Series([next(name for name in names if pd.notna(name)) for names in named], table.index, dtype=object)
    return groups

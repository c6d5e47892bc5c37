"""A small drawn collection on disk, in the layout of ISIC 2019: for tests, notebooks and demonstrations."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from PIL import Image

from lesionviz.data.isic2019 import GROUND_TRUTH, IMAGES, LABELS, METADATA
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.files import replacing


def write_synthetic_isic2019(
    folder: str | Path, per_class: int = 24, seed: int = 0, size: tuple[int, int] = (128, 96)
) -> None:
    """Write a small drawn collection in the official ISIC 2019 layout.

    Every third lesion has two photographs; two rows of each table have no image, two are of another
    diagnosis, and one image has no lesion id, as in the real tables.
    """
    folder = Path(folder)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    truth: list[list[Any]] = []
    metadata: list[list[Any]] = []

    def add(label: str, lesion: str, picture: Image.Image | None) -> None:
        image = f"ISIC_{len(truth):07d}"
        truth.append([image, *(float(label == other) for other in LABELS)])
        metadata.append([image, 40 + len(truth) % 40, "anterior torso", lesion, "female"])
        if picture is not None:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=90)
            (folder / IMAGES / f"{image}.jpg").write_bytes(buffer.getvalue())

    for code in CODES:
        number = 0
        while number < per_class:
            lesion = f"SYN_{code}{number:04d}"
            picture = draw_lesion(code, seed + number, size)
            add(code, lesion, picture)
            number += 1
            if number % 3 == 1 and number < per_class:  # a second photograph, turned over
                add(code, lesion, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
                number += 1
    add("NV", "", draw_lesion("NV", seed + per_class, size))
    for label in ("AK", "DF"):
        add(label, f"SYN_{label}", None)
    for label in ("MEL", "NV"):
        add(label, f"SYN_{label}_missing", None)

    for name, header, rows in (
        (GROUND_TRUTH, ["image", *LABELS], truth),
        (METADATA, ["image", "age_approx", "anatom_site_general", "lesion_id", "sex"], metadata),
    ):
        with replacing(folder / name) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])

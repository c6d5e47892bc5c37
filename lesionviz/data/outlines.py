"""Outlines of lesions, drawn by experts: ``<file>_segmentation.png``, white where the lesion is, in the image's frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from lesionviz.data.folders import nfc
from lesionviz.errors import LesionvizError

ENDING = "_segmentation.png"


def with_outline(rows: pd.DataFrame, *folders: Path) -> pd.DataFrame:
    """Return the rows whose image file has an outline in one of the folders, the outline's path as ``outline``.

    Raises:
        LesionvizError: there is no such folder, or no outline of these images in any.
    """
    rows = rows.assign(outline=find_outlines(rows["path"].tolist(), folders))
    rows = rows[rows["outline"].notna()]
    if rows.empty:
        raise LesionvizError(
            f"There is no <image>{ENDING} of any of these images in {' or '.join(map(str, folders))}."
        )
    return rows


def find_outlines(paths: Sequence[str | Path], folders: Sequence[Path]) -> list[str | None]:
    """Return for each image file the path of its outline, or None where no folder has one.

    Raises:
        LesionvizError: there is no such folder.
    """
    known: dict[str, str] = {}
    for folder in folders:
        if not folder.is_dir():
            raise LesionvizError(f"There is no folder {folder}. Give the folder that holds the outlines.")
        for path in folder.iterdir():
            if path.name.endswith(ENDING) and path.is_file():
                known.setdefault(nfc(path.name), str(path))  # of several folders, the first
    return [known.get(nfc(f"{Path(path).stem}{ENDING}")) for path in paths]


def other_frames(paths: Sequence[str | Path], outlines: Sequence[str | None]) -> dict[str, str]:
    """Return by path why outlines do not fit their images, as they have another size; only the files' headers are read.

    What is no picture is passed over: it is named as damaged.
    """
    found = {}
    for path, outline in zip(paths, outlines, strict=True):
        if outline is None:
            continue
        try:
            with Image.open(path) as image, Image.open(outline) as drawn:
                sizes = image.size, drawn.size
        except (OSError, Image.DecompressionBombError):
            continue
        if sizes[0] != sizes[1]:
            found[outline] = f"{Path(outline).name} has another size than its image: {sizes[1]}, not {sizes[0]}."
    return found

"""Does the evidence lie in the lesion? The share of a map's positive evidence inside an expert's outline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm.auto import tqdm

from lesionviz.classifier import LesionClassifier
from lesionviz.data.outlines import with_outline
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.bootstrap import Interval, mean_by_group
from lesionviz.evaluation.measures import Floats
from lesionviz.explanation.display import upsample
from lesionviz.imaging import LesionImage, open_image
from lesionviz.network import LAYERS

LAYER = LAYERS[-1]
"""Where evidence is read: there it adds up to the logit exactly."""


@dataclass(frozen=True)
class EvidenceInside:
    """Where the evidence for the answers lies.

    Attributes:
        share: mean share, over images, of the positive evidence for the answer inside the lesion's outline (Grad-CAM at
            features.8), with its interval by lesion.
        area: mean share of the network's view inside the outline: what an even map would reach.
        images: how many have an outline and some positive evidence.
        masks: the last two names of the outlines' folder.
    """

    share: Interval
    area: float
    images: int
    masks: str


def evidence_inside(classifier: LesionClassifier, rows: pd.DataFrame, masks: str | Path) -> EvidenceInside:
    """Measure where the evidence for the answers about some images lies.

    Args:
        classifier: whose evidence.
        rows: with ``image``, ``lesion`` and ``path``; those without an outline are left out.
        masks: folder with ``<image>_segmentation.png``, white where the lesion is, in the image's frame.

    Raises:
        LesionvizError: there are no outlines of these images, or one does not fit its image.
    """
    rows = with_outline(rows, Path(masks))
    maps = classifier.explain_many(rows["path"], layer=LAYER)
    shares, areas = [], []
    for path, explanation in tqdm(
        zip(rows["outline"], maps, strict=True), total=len(rows), desc="Evidence", leave=False, disable=None
    ):
        outline = read_outline(Path(path), explanation.image, classifier)
        shares.append(evidence_share(explanation.raw, outline))
        areas.append(outline.mean())
    measured = np.array(shares)
    name = "/".join(Path(masks).resolve().parts[-2:])
    interval = Interval(*mean_by_group(measured, rows["lesion"].to_numpy()))
    return EvidenceInside(interval, float(np.mean(areas)), int((~np.isnan(measured)).sum()), name)


def evidence_share(raw: npt.NDArray[Any], region: npt.NDArray[np.bool_]) -> float:
    """Return the share of a map's positive evidence in a region (H, W) of what the network sees; NaN without any."""
    spread = spread_evidence(raw, region)
    total = spread.sum()
    return float(spread[region].sum() / total) if total > 0 else float("nan")


def spread_evidence(raw: npt.NDArray[Any], region: npt.NDArray[np.bool_]) -> Floats:
    """Return a map's positive evidence at a region's size."""
    height, width = region.shape
    return upsample(raw.clip(0).astype(np.float32), width, height).astype(float)


def read_outline(path: Path, picture: LesionImage, classifier: LesionClassifier) -> npt.NDArray[np.bool_]:
    """Return the outline within the part that the network sees, (H, W), True inside the lesion.

    Raises:
        LesionvizError: it has another size than its image.
    """
    outline = open_image(path).pixels
    if outline.size != picture.pixels.size:
        raise LesionvizError(
            f"{path.name} has another size than its image: {outline.size}, not {picture.pixels.size}."
        )
    box = classifier.preprocessing.box(*outline.size)
    inside: npt.NDArray[np.bool_] = np.asarray(outline.crop(box).convert("L")) > 127
    return inside

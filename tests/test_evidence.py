"""How much of the evidence lies inside the lesion, with outlines whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.evidence import evidence_inside


def outlines(folder: Path, images: list[str], inside: tuple[slice, slice]) -> Path:
    """Write outlines of the drawn collection's size, 128 x 96."""
    folder.mkdir(parents=True)
    for image in images:
        pixels = np.zeros((96, 128), np.uint8)
        pixels[inside] = 255
        Image.fromarray(pixels).save(folder / f"{image}_segmentation.png")
    return folder


def test_an_outline_of_everything_holds_all_evidence_and_two_halves_share_it(
    classifier: LesionClassifier, drawn_folder: Path, tmp_path: Path
) -> None:
    rows = read_isic2019(drawn_folder).present[:8]
    images = rows["image"].tolist()
    everything = slice(None)
    whole, left, right = (
        evidence_inside(classifier, rows, outlines(tmp_path / name, images, (everything, columns)))
        for name, columns in (("whole", everything), ("left", slice(64)), ("right", slice(64, None)))
    )
    assert whole.share.value == pytest.approx(1)
    assert (whole.area, left.area, right.area) == (1, 0.5, 0.5)  # of the centre square, 16 to 112 of 128
    assert left.share.value + right.share.value == pytest.approx(1, abs=1e-5)
    assert left.share.low <= left.share.value <= left.share.high
    assert whole.images <= 8


@pytest.mark.heavy
def test_the_report_gives_the_share_and_the_area_to_compare_with(
    classifier: LesionClassifier, few_drawn: Path, tmp_path: Path
) -> None:
    images = read_isic2019(few_drawn).present["image"].tolist()
    masks = outlines(tmp_path / "lesion_masks" / "drawn", images, (slice(48), slice(None)))
    evaluation = evaluate(few_drawn, classifier, tmp_path / "out", part="all", masks=masks, draws=5)
    assert evaluation.evidence is not None
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert f"{evaluation.evidence.share} lies inside" in card
    assert "covers 50.0% of" in card
    assert "--masks lesion_masks/drawn" in card
    assert evaluation.to_dict()["evidence_inside_lesion"]["images"] == evaluation.evidence.images
    assert "The training asked for this" not in card


@pytest.mark.heavy
def test_a_model_that_was_trained_with_outlines_says_so_beside_the_share(
    small_checkpoint: Checkpoint, few_drawn: Path, tmp_path: Path
) -> None:
    taught = LesionClassifier(replace(small_checkpoint, recipe={"outline_weight": 0.5}))
    images = read_isic2019(few_drawn).present["image"].tolist()
    masks = outlines(tmp_path / "masks", images, (slice(48), slice(None)))
    evaluate(few_drawn, taught, tmp_path / "out", part="all", masks=masks, draws=5)
    assert "The training asked for this, on outlines of other lesions" in (tmp_path / "out/MODEL_CARD.md").read_text()


def test_missing_outlines_are_refused(classifier: LesionClassifier, drawn_folder: Path, tmp_path: Path) -> None:
    rows = read_isic2019(drawn_folder).present[:2]
    with pytest.raises(LesionvizError, match="no folder"):
        evidence_inside(classifier, rows, tmp_path / "nowhere")
    with pytest.raises(LesionvizError, match="There is no <image>_segmentation"):
        evidence_inside(classifier, rows, tmp_path)

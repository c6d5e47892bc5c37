"""Eight views: the answer does not depend on how a square picture is turned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion
from lesionviz.data.split import split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.runner import symmetries
from lesionviz.training.calibration import calibrate


@pytest.fixture(scope="module")
def eight(small_checkpoint: Checkpoint) -> LesionClassifier:
    return LesionClassifier(small_checkpoint, views=8)


def turned(picture: Image.Image) -> list[Image.Image]:
    """All eight, made by Pillow."""
    return [picture, *(picture.transpose(way) for way in Image.Transpose)]


def test_the_symmetries_of_a_square_are_eight_and_those_of_pillow() -> None:
    pixels = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy()).unsqueeze(0)
    ours = {view.numpy().tobytes() for view in (s.contiguous() for s in symmetries(batch))}
    pillows = {np.asarray(p).transpose(2, 0, 1).tobytes() for p in turned(Image.fromarray(pixels))}
    assert len(ours) == 8
    assert ours == pillows
    assert torch.equal(symmetries(batch)[0], batch)


def test_the_answer_for_a_turned_square_picture_is_the_same(
    eight: LesionClassifier, classifier: LesionClassifier
) -> None:
    pictures = turned(draw_lesion("MEL", 3, (96, 96)))  # as large as the input, so that nothing is resized
    answers = [answer.probabilities["MEL"] for answer in eight.predict_many(pictures)]
    assert answers == pytest.approx([answers[0]] * 8, abs=1e-5)
    upright = [answer.probabilities["MEL"] for answer in classifier.predict_many(pictures)]
    assert max(upright) - min(upright) > 1e-3  # one view alone depends on it


def test_logits_are_the_mean_over_the_views(eight: LesionClassifier, classifier: LesionClassifier) -> None:
    pictures = turned(draw_lesion("BKL", 5, (96, 96)))
    (each,) = classifier.outputs_of(pictures)
    (averaged,) = eight.outputs_of(pictures[:1])
    assert averaged.logits[0] == pytest.approx(each.logits.mean(axis=0), abs=1e-5)
    assert averaged.upright[0] == pytest.approx(each.logits[0], abs=1e-5)
    assert averaged.embeddings[0] == pytest.approx(each.embeddings[0], abs=1e-5)
    assert np.array_equal(each.logits, each.upright)


def test_probabilities_of_pictures_at_input_size_are_averaged_too(eight: LesionClassifier) -> None:
    picture = draw_lesion("NV", 2, (96, 96))
    batch = torch.from_numpy(np.asarray(picture).transpose(2, 0, 1).copy()).unsqueeze(0)
    assert eight.probabilities(batch, "NV")[0] == pytest.approx(eight.predict(picture).probabilities["NV"], abs=1e-6)


@pytest.mark.heavy
def test_explanations_and_refusals_are_of_the_upright_view(small_checkpoint: Checkpoint, drawn_folder: Path) -> None:
    collection = read_isic2019(drawn_folder)
    calibrated = calibrate(small_checkpoint, [Portion(collection, split_by_lesion(collection))])
    one, eight = (LesionClassifier(calibrated, views=views) for views in (1, 8))
    paths = collection.present["path"].tolist()[:12]
    assert [a.refusal for a in eight.predict_many(paths)] == [a.refusal for a in one.predict_many(paths)]
    maps = [model.explain(paths[0], "MEL").raw for model in (one, eight)]
    assert np.array_equal(*maps)


@pytest.mark.heavy
def test_an_evaluation_says_how_many_views_it_took(
    small_checkpoint: Checkpoint, few_drawn: Path, tmp_path: Path
) -> None:
    small_checkpoint.save(tmp_path / "model.pth")
    evaluation = evaluate(few_drawn, tmp_path / "model.pth", tmp_path, part="all", views=8, draws=5)
    assert evaluation.to_dict()["views"] == 8
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "--part all --views 8" in card
    assert "averaged over the eight symmetries of the square" in card


@pytest.mark.parametrize("views", [0, 2, True, "8"])
def test_other_numbers_of_views_are_refused(views: int, small_checkpoint: Checkpoint) -> None:
    with pytest.raises(LesionvizError, match="views must be 1"):
        LesionClassifier(small_checkpoint, views=views)

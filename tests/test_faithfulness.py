"""The judge of the maps, judged: on maps and outlines whose answers are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import split_by_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.bootstrap import mean_by_group
from lesionviz.evaluation.faithfulness import (
    RANDOM,
    STAGES,
    UNTRAINED,
    faithfulness,
    place,
    randomised,
    rank_agreement,
    top_cells,
)
from lesionviz.explanation.methods import METHODS
from lesionviz.preprocessing import to_tensor


def half(side: int = 40) -> np.ndarray:
    """An outline over the left half."""
    outline = np.zeros((side, side), bool)
    outline[:, : side // 2] = True
    return outline


def test_evidence_in_the_left_half_is_inside_the_left_half() -> None:
    raw = np.zeros((4, 4))
    raw[1:3, 0] = 1.0  # the left quarter, spread to the left half at most by interpolation
    found = place(raw, half())
    assert found["inside"] == pytest.approx(1)
    assert found["pointing"] == 1
    assert place(raw[:, ::-1], half())["inside"] == pytest.approx(0)
    assert place(raw[:, ::-1], half())["pointing"] == 0


def test_an_even_map_has_the_outlines_share_inside_and_the_strips_share_at_the_border() -> None:
    found = place(np.ones((5, 5)), half())
    assert found["inside"] == pytest.approx(0.5)
    assert found["border"] == pytest.approx(1 - 0.8**2)  # a strip of 10 % on every side


def test_a_map_without_positive_evidence_has_no_place() -> None:
    assert all(np.isnan(value) for value in place(-np.ones((3, 3)), half()).values())


def test_top_cells_are_the_pixels_of_the_highest_cells() -> None:
    raw = np.array([[4.0, 1.0], [3.0, 2.0]])
    assert top_cells(raw, 0.25, 6).tolist() == [[True] * 3 + [False] * 3] * 3 + [[False] * 6] * 3
    assert top_cells(raw, 0.5, 6)[:, :3].all()
    assert top_cells(raw, 0.5, 6).sum() == 18


def test_rank_agreement_of_known_maps() -> None:
    raw = np.arange(9.0).reshape(3, 3)
    assert rank_agreement(raw, raw**3) == pytest.approx(1)
    assert rank_agreement(raw, -raw) == pytest.approx(-1)
    assert np.isnan(rank_agreement(raw, np.ones((3, 3))))


def test_randomising_the_head_leaves_the_blocks_and_keeps_every_value(small_checkpoint: Checkpoint) -> None:
    changed = randomised(small_checkpoint, STAGES["head"], seed=1)
    for key, tensor in small_checkpoint.state_dict.items():
        same = torch.equal(tensor, changed.state_dict[key])
        assert same == (key != "classifier.1.weight")
        assert torch.equal(tensor.flatten().sort().values, changed.state_dict[key].flatten().sort().values)
    everything = randomised(small_checkpoint, STAGES["everything"], seed=1)
    weights = [key for key, tensor in small_checkpoint.state_dict.items() if tensor.ndim > 1]
    assert not any(torch.equal(small_checkpoint.state_dict[key], everything.state_dict[key]) for key in weights)


def test_probabilities_of_input_pictures_are_the_predictions(classifier: LesionClassifier) -> None:
    pictures = [Image.effect_noise((96, 96), 90).convert("RGB") for _ in range(5)]
    batch = torch.stack([to_tensor(picture) for picture in pictures])
    expected = [prediction.probabilities["BKL"] for prediction in classifier.predict_many(pictures)]
    assert classifier.probabilities(batch, "BKL", batch_size=2) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(LesionvizError, match="96"):
        classifier.probabilities(batch[:, :, :50], "BKL")


def test_intervals_cover_the_mean_95_times_in_100_when_photographs_share_lesions() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        lesion = random.normal(0, 1, 60)
        groups = np.repeat(np.arange(60), 3)
        _, low, high = mean_by_group(lesion[groups] + random.normal(0, 0.3, 180), groups, 500, seed=trial)
        covered += low <= 0 <= high
    assert covered / 300 == pytest.approx(0.945, abs=0.03)  # drawn by photograph it would be near 0.75


def test_missing_figures_are_left_out_of_mean_and_interval() -> None:
    assert mean_by_group(np.array([1.0, np.nan, 3.0]), np.array(["a", "b", "c"]))[0] == 2
    assert all(np.isnan(mean_by_group(np.array([np.nan]), np.array(["a"]))))


@pytest.fixture
def outlined(drawn_folder: Path, small_checkpoint: Checkpoint, tmp_path: Path) -> tuple[Path, Path]:
    """A model of the drawn collection's split, and an outline for each of its test images."""
    collection = read_isic2019(drawn_folder)
    split = split_by_lesion(collection)
    replace(small_checkpoint, split=split.describe()).save(tmp_path / "model.pth")
    for image in split.rows(collection, "test")["image"]:
        outline = Image.new("1", (128, 96))
        outline.paste(1, (32, 16, 96, 80))
        outline.save(tmp_path / f"{image}_segmentation.png")
    return tmp_path / "model.pth", tmp_path


@pytest.mark.heavy
@pytest.mark.once
def test_the_report_judges_every_method_and_layer_on_test_images_only(
    outlined: tuple[Path, Path], drawn_folder: Path, tmp_path: Path
) -> None:
    model, masks = outlined
    layers = ("features.3", "features.8")
    report = faithfulness(drawn_folder, masks, model, tmp_path / "out", images=2, layers=layers)
    collection = read_isic2019(drawn_folder)
    test_images = set(split_by_lesion(collection).rows(collection, "test")["image"])
    assert set(report.table["image"]) <= test_images
    assert report.images == report.table["image"].nunique() == 2
    assert report.lesion_area == pytest.approx(64 * 64 / 96**2)
    assert set(report.table["method"]) == {*METHODS, RANDOM, UNTRAINED}
    assert len(report.table) == 2 * 2 * 6
    for figure in ("inside", "border", "deletion", "insertion"):
        assert report.table[figure].dropna().between(0, 1).all()
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["faithfulness.csv", "faithfulness.json", "faithfulness.md", "faithfulness.png"]
    assert json.loads((tmp_path / "out" / "faithfulness.json").read_text())["images"] == 2
    assert report.to_markdown().count("\n| features.") == 12


def test_missing_outlines_are_named(outlined: tuple[Path, Path], drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="no folder"):
        faithfulness(drawn_folder, tmp_path / "lost", outlined[0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(LesionvizError, match="segmentation"):
        faithfulness(drawn_folder, tmp_path / "empty", outlined[0])

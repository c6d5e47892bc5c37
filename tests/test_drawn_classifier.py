"""The small network that was trained on drawings alone: what it knows, what it is called, and how it is made again."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import lesionviz
from lesionviz.checkpoint import BUNDLED, DRAWINGS, DRAWN, PHOTOGRAPHS, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cli import main
from lesionviz.data.drawings import STRUCTURES, draw, naming, typical
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.explanation.engine import forward_with_gradient
from lesionviz.explanation.methods import METHODS
from lesionviz.files import sha256
from lesionviz.imaging import LesionImage
from lesionviz.network import ARCHITECTURES, B0, LAYERS, SMALL, build_network, grid_size, run_blocks, run_head
from lesionviz.prediction import Prediction
from lesionviz.training.calibration import calibrate
from lesionviz.training.drawings import ALONE, FIRST_SEED, UNSURE, DrawingRecipe, lesson, train_on_drawings

SIZE = (216, 162)
"""Pixels, as of most drawings that it learned from."""
FRESH = 10_000
"""Seeds from here on were used for nothing else."""


def answers(drawings: list[tuple[frozenset[str], int]]) -> list[str]:
    pictures = (draw(structures, seed, SIZE) for structures, seed in drawings)
    return [prediction.diagnosis for prediction in drawn_classifier().predict_many(pictures)]


def drawings_of(code: str, count: int) -> list[tuple[frozenset[str], int]]:
    return [(typical(code, seed), seed) for seed in range(FRESH, FRESH + count)]


@pytest.fixture(scope="module")
def typical_answers() -> dict[str, list[Prediction]]:
    """By diagnosis, the answers to 50 typical drawings of it."""
    pictures = {code: (draw(structures, seed, SIZE) for structures, seed in drawings_of(code, 50)) for code in CODES}
    return {code: list(drawn_classifier().predict_many(each)) for code, each in pictures.items()}


# --- what it knows ---------------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.once
@pytest.mark.parametrize("code", CODES)
def test_it_names_drawings_of_seeds_that_it_never_saw(
    code: str, typical_answers: dict[str, list[Prediction]]
) -> None:
    found = [prediction.diagnosis for prediction in typical_answers[code]]
    assert found.count(code) >= 0.9 * len(found)


@pytest.mark.heavy
@pytest.mark.once
def test_its_sureness_about_typical_drawings_is_earned(typical_answers: dict[str, list[Prediction]]) -> None:
    found = [(code, each) for code, predictions in typical_answers.items() for each in predictions]
    right = np.mean([each.diagnosis == code for code, each in found])
    assert np.mean([each.confidence for _, each in found]) <= right + 0.03


@pytest.mark.heavy
@pytest.mark.once
@pytest.mark.parametrize("code", CODES)
def test_taking_away_the_structures_that_name_a_class_changes_its_answer(code: str) -> None:
    found = answers([(structures - naming(code), seed) for structures, seed in drawings_of(code, 30)])
    assert found.count(code) <= 0.1 * len(found)


@pytest.mark.heavy
@pytest.mark.once
@pytest.mark.parametrize("name", [name for name, each in STRUCTURES.items() if each.names])
def test_each_structure_alone_names_its_class_on_a_plain_lesion(name: str) -> None:
    found = answers([(frozenset({name}), seed) for seed in range(FRESH, FRESH + 30)])
    assert found.count(STRUCTURES[name].names) >= 0.65 * len(found)


def test_the_three_properties_at_a_glance() -> None:
    """A few of the drawings above, in the quick door: named rightly, and no longer once what names them is gone."""
    for code in CODES:
        drawings = drawings_of(code, 5)
        assert answers(drawings).count(code) >= 4
        assert answers([(structures - naming(code), seed) for structures, seed in drawings]).count(code) <= 1


def test_the_samples_of_the_page_are_answered_rightly_and_surely() -> None:
    for sample, diagnosis in zip(synthetic_samples(), DIAGNOSES, strict=True):
        prediction = drawn_classifier().predict(sample)
        assert prediction.diagnosis == diagnosis.code
        assert prediction.confidence > 0.8


def test_a_lesion_without_structures_gets_no_sure_answer() -> None:
    pictures = [draw(set(), seed, SIZE) for seed in range(FRESH, FRESH + 8)]
    sureness = [prediction.confidence for prediction in drawn_classifier().predict_many(pictures)]
    assert np.mean(sureness) < 0.7


# --- what it is, and what it is called -------------------------------------------------------------------------------


def test_its_file_is_small_has_its_digest_beside_it_and_says_that_it_knows_drawings_alone() -> None:
    assert DRAWN.stat().st_size <= 1_000_000
    assert DRAWN.with_name(f"{DRAWN.name}.sha256").read_text() == f"{sha256(DRAWN)}  {DRAWN.name}\n"
    checkpoint = Checkpoint.load(DRAWN)
    assert (checkpoint.subject, checkpoint.architecture) == (DRAWINGS, SMALL)
    assert checkpoint.history[0] == ALONE
    assert "knows no photographs" in ALONE
    assert "drawings" in checkpoint.licence
    assert DrawingRecipe(**checkpoint.metrics["training"]).command() in checkpoint.history[1]


def test_the_bundled_model_and_files_of_before_know_photographs() -> None:
    bundled = Checkpoint.load(BUNDLED)
    assert (bundled.subject, bundled.architecture) == (PHOTOGRAPHS, B0)
    assert "subject" not in torch.load(BUNDLED, weights_only=True)


def test_it_is_one_public_name_away_and_loaded_once() -> None:
    assert lesionviz.drawn_classifier() is lesionviz.drawn_classifier()


def test_its_blocks_are_those_of_the_large_network() -> None:
    network = drawn_classifier().checkpoint.network()
    batch = torch.randn(2, 3, 100, 100, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        blocks = run_blocks(network, batch)
        assert list(blocks) == list(LAYERS)
        assert all(output.shape[2:] == (grid_size(layer, 100),) * 2 for layer, output in blocks.items())
        assert torch.equal(run_head(network, blocks["features.8"]), network(batch))


def test_every_method_explains_every_layer_and_class_of_it() -> None:
    classifier, sample = drawn_classifier(), synthetic_samples()[2]
    case = classifier.complete(classifier.examine(sample))
    for layer, method, code in itertools.product(LAYERS, METHODS, CODES):
        assert np.isfinite(case.explanation(code, layer, method).raw).all()
    whole = case.explanation("MEL", "features.8")
    assert whole.raw.sum() + case.biases[CODES.index("MEL")] == pytest.approx(
        case.logits[CODES.index("MEL")], abs=1e-4
    )
    single = classifier.explain(sample, "MEL", "features.3")
    assert np.allclose(case.explanation("MEL", "features.3").raw, single.raw, rtol=1e-3, atol=1e-5)


def test_gradients_of_it_are_autograds() -> None:
    plain, lean = drawn_classifier().checkpoint.network(), drawn_classifier()._network
    batch = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    for layer in LAYERS[:-1]:
        expected, found = (forward_with_gradient(each, batch, layer, 2).gradient for each in (plain, lean))
        assert (found - expected).abs().max() < 1e-4 * expected.abs().max(), layer


def test_a_case_of_the_one_is_not_completed_by_the_other(classifier: LesionClassifier) -> None:
    sample = synthetic_samples()[0]
    with pytest.raises(LesionvizError, match="looked at by another model"):
        classifier.complete(drawn_classifier().examine(sample))
    with pytest.raises(LesionvizError, match="looked at by another model"):
        drawn_classifier().complete(classifier.examine(sample))


# --- hostile files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"architecture": "resnet50"}, "the architecture 'resnet50'; known are efficientnet_b0 and lesionviz_small"),
        ({"architecture": ["lesionviz_small"]}, "architecture"),
        ({"architecture": B0}, "looks like another network than torchvision's efficientnet_b0"),
        ({"subject": "people"}, "the subject 'people'; known are photographs and drawings"),
        ({"subject": None}, "subject"),
        ({"refusal": {"mean": torch.zeros(256)}}, "refusal statistics"),
        ({"state_dict": {}}, "looks like another network than the small EfficientNet"),
    ],
)
def test_spoiled_files_are_refused_by_name(spoil: dict[str, object], words: str, tmp_path: Path) -> None:
    torch.save(torch.load(DRAWN, weights_only=True) | spoil, tmp_path / "spoiled.pth")
    with pytest.raises(LesionvizError, match=words):
        Checkpoint.load(tmp_path / "spoiled.pth")


def test_weights_of_another_width_are_refused(tmp_path: Path) -> None:
    content = torch.load(DRAWN, weights_only=True)
    content["state_dict"]["features.0.0.weight"] = torch.zeros(32, 3, 3, 3)
    torch.save(content, tmp_path / "wide.pth")
    with pytest.raises(LesionvizError, match=r"features\.0\.0\.weight should have the shape \(16, 3, 3, 3\)"):
        Checkpoint.load(tmp_path / "wide.pth")


def test_it_is_not_calibrated_on_photographs() -> None:
    with pytest.raises(LesionvizError, match="fitted to an EfficientNet-B0 only"):
        calibrate(drawn_classifier().checkpoint, [])


def test_subject_and_architecture_survive_a_round_trip(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    for architecture in ARCHITECTURES:
        weights = build_network(architecture=architecture).state_dict()
        replace(small_checkpoint, state_dict=weights, architecture=architecture, subject=DRAWINGS).save(
            tmp_path / "a.pth"
        )
        loaded = Checkpoint.load(tmp_path / "a.pth")
        assert (loaded.architecture, loaded.subject) == (architecture, DRAWINGS)


# --- how it is made --------------------------------------------------------------------------------------------------


def test_lessons_are_typical_drawings_single_structures_and_lesions_without() -> None:
    taught = [(lesson(seed), CODES[seed % 4], seed) for seed in range(FIRST_SEED, FIRST_SEED + 400)]
    whole = [one for one, code, seed in taught if one.structures == typical(code, seed)]
    assert 0.3 < len(whole) / len(taught) < 0.8
    for one, code, _ in taught:
        named = {STRUCTURES[name].names for name in one.structures} - {""}
        sure = {each for each, share in zip(CODES, one.answer, strict=True) if share == 1}
        assert sum(one.answer) == pytest.approx(1)
        assert sure == (named if named <= {"NV"} else {code})
    assert any(one.answer == tuple(UNSURE.values()) for one, _, _ in taught)


@pytest.mark.parametrize("wrong", [{"pictures": 1}, {"epochs": 0}, {"seed": -1}])
def test_impossible_recipes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(LesionvizError, match=f"The {next(iter(wrong))} must be"):
        DrawingRecipe(**wrong)


@pytest.mark.heavy
@pytest.mark.once
def test_the_command_makes_such_a_file_and_the_same_one_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train-drawings", "--pictures", "32", "--epochs", "1", "--out"]
    assert main([*arguments, str(tmp_path / "a.pth")]) == 0
    said = capsys.readouterr().out
    made = Checkpoint.load(tmp_path / "a.pth")
    assert made.file_sha256 in said
    assert (made.subject, made.architecture) == (DRAWINGS, SMALL)
    again = train_on_drawings(tmp_path / "b.pth", DrawingRecipe(pictures=32, epochs=1))
    assert all(torch.allclose(made.state_dict[key], again.state_dict[key], atol=1e-3) for key in made.state_dict)


def test_what_it_gives_is_named_after_the_picture() -> None:
    picture = LesionImage(draw(typical("BCC", 1), 1, SIZE), "drawing 1")
    assert drawn_classifier().predict(picture).source == "drawing 1"

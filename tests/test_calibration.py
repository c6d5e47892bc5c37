"""Temperature, thresholds and refusal: fitted right, on validation images alone, and safe against hostile files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import log_softmax, softmax

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.collection import Collection
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion
from lesionviz.data.split import Split, split_by_lesion
from lesionviz.data.strangers import strangers
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.report.model_sections import details_parts
from lesionviz.quality import QUALITY, quality
from lesionviz.refusal import DistanceRefusal, Look, energies
from lesionviz.training.calibration import calibrate, fit_temperature, operating_points
from lesionviz.training.teach_refusal import ACCEPTED


@pytest.fixture(scope="module")
def drawn(drawn_folder: Path) -> Collection:
    return read_isic2019(drawn_folder)


@pytest.fixture(scope="module")
def calibrated(small_checkpoint: Checkpoint, drawn: Collection) -> Checkpoint:
    return calibrate(small_checkpoint, [Portion(drawn, split_by_lesion(drawn))])


def test_the_temperature_undoes_a_known_sharpening() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(scale=2, size=(20_000, 4))
    chances = softmax(logits, axis=1)
    truth = (chances.cumsum(axis=1) > random.random((len(chances), 1))).argmax(axis=1)
    assert fit_temperature(3 * logits, truth) == pytest.approx(3, rel=0.05)
    assert fit_temperature(0.5 * logits, truth) == pytest.approx(0.5, rel=0.05)


def test_no_other_temperature_has_less_cross_entropy() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 4, 300)
    logits = random.normal(scale=3, size=(300, 4)) + 3 * np.eye(4)[truth]
    best = fit_temperature(logits, truth)

    def loss(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[np.arange(300), truth].mean())

    assert all(loss(best) <= loss(best * factor) + 1e-6 for factor in (0.5, 0.9, 1.1, 2))


def test_operating_points_by_hand() -> None:
    # melanomas at 0.9, 0.6, 0.4, 0.1; others: a nevus at 0.7, keratoses at 0.5 and 0.05, a carcinoma at 0.8
    melanoma = [0.9, 0.6, 0.4, 0.1, 0.7, 0.5, 0.05, 0.8]
    truth = np.array([CODES.index(code) for code in ("MEL", "MEL", "MEL", "MEL", "NV", "BKL", "BKL", "BCC")])
    probabilities = np.zeros((8, 4))
    probabilities[:, CODES.index("MEL")] = melanoma
    points = {point["sensitivity"]: point for point in operating_points(truth, probabilities)}
    assert points[0.5] == {"sensitivity": 0.5, "threshold": 0.6, "specificity": 0.5, "benign_per_melanoma": 0.5}
    assert points[0.75]["threshold"] == 0.4  # three of four found: 0.9, 0.6, 0.4
    assert points[0.75]["specificity"] == 0.25  # of four others only the keratosis at 0.05 is left alone
    assert points[0.75]["benign_per_melanoma"] == pytest.approx(2 / 3)  # the carcinoma is not benign
    assert points[0.99]["threshold"] == 0.1
    assert operating_points(truth[4:], probabilities[4:]) == ()
    # a source whose two images count three times: the melanoma at 0.9 and the keratosis at 0.5
    weights = np.array([3.0, 1, 1, 1, 1, 3, 1, 1])
    points = {point["sensitivity"]: point for point in operating_points(truth, probabilities, weights)}
    assert points[0.5]["threshold"] == 0.9  # it alone is three of six
    assert points[0.75]["threshold"] == 0.4
    assert points[0.75]["specificity"] == pytest.approx(1 / 6)
    assert points[0.75]["benign_per_melanoma"] == pytest.approx(4 / 5)


@pytest.mark.heavy
def test_another_side_is_calibrated_for_itself_and_the_card_says_how(
    small_checkpoint: Checkpoint, drawn: Collection
) -> None:
    split = split_by_lesion(drawn)
    trained = replace(small_checkpoint, recipe={"size": 96}, metrics={"epoch": 3, "validation": {}})
    other = calibrate(trained, [Portion(drawn, split)], size=64)
    assert other.preprocessing == replace(trained.preprocessing, size=64)
    assert other.temperature != calibrate(trained, [Portion(drawn, split)]).temperature
    answers = LesionClassifier(other).predict_many(split.rows(drawn, "validation")["path"])
    truth = split.rows(drawn, "validation")["diagnosis"]
    right = np.mean([answer.diagnosis == code for answer, code in zip(answers, truth, strict=True)])
    assert other.metrics["epoch"] == 3
    assert other.metrics["validation"]["accuracy"] == pytest.approx(right)
    assert "--size 64 --out best_model.pth" in str(details_parts(other))
    assert "lesionviz calibrate" not in str(details_parts(trained))
    on_two = replace(other, split={"also": [{"name": "ISIC_2017", "test": 0.4}]})
    assert "calibrate --data ISIC_2019 --also ISIC_2017 --model" in str(details_parts(on_two))


@pytest.mark.heavy
def test_calibration_never_sees_test_images_or_their_labels(
    small_checkpoint: Checkpoint, calibrated: Checkpoint, drawn: Collection, tmp_path: Path
) -> None:
    """Every test image becomes an unreadable file with another label; nothing changes."""
    split = split_by_lesion(drawn)
    poisoned = drawn.table.copy()
    tested = poisoned["image"].isin(split.table["image"][split.table["part"] == "test"])
    assert tested.sum() > 5
    (tmp_path / "poison.jpg").write_bytes(b"no picture")
    poisoned.loc[tested & poisoned["path"].notna(), "path"] = str(tmp_path / "poison.jpg")
    poisoned.loc[tested, "diagnosis"] = "MEL"
    labels = Split(split.table.assign(diagnosis=poisoned["diagnosis"]), split.seed, split.validation, split.test)
    again = calibrate(small_checkpoint, [Portion(replace(drawn, table=poisoned), labels)])
    assert again.temperature == calibrated.temperature
    assert again.operating_points == calibrated.operating_points
    assert again.refusal.keys() == calibrated.refusal.keys()
    for key, value in calibrated.refusal.items():
        same = (
            torch.equal(value, again.refusal[key]) if isinstance(value, torch.Tensor) else value == again.refusal[key]
        )
        assert same, key


@pytest.mark.heavy
def test_the_validation_images_are_accepted_as_promised(
    calibrated: Checkpoint, drawn: Collection, tmp_path: Path
) -> None:
    calibrated.save(tmp_path / "model.pth", half=True)
    classifier = LesionClassifier(Checkpoint.load(tmp_path / "model.pth"))
    paths = split_by_lesion(drawn).rows(drawn, "validation")["path"]
    accepted = [not answer.refusal for answer in classifier.predict_many(paths)]
    assert calibrated.refusal["accepted"] >= ACCEPTED
    assert np.mean(accepted) >= calibrated.refusal["accepted"]
    one_by_one = [not classifier.predict(path).refusal for path in paths]  # batches of another size round otherwise
    assert one_by_one == accepted


def test_the_temperature_is_in_every_probability(calibrated: Checkpoint) -> None:
    picture = draw_lesion("MEL", 3, (128, 96))
    plain = LesionClassifier(replace(calibrated, temperature=1.0)).predict(picture).probabilities
    hot = LesionClassifier(replace(calibrated, temperature=2.0)).predict(picture).probabilities
    roots = {code: value**0.5 for code, value in plain.items()}
    for code in CODES:
        assert hot[code] == pytest.approx(roots[code] / sum(roots.values()))


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ["noise", "blank", "text scans", "screenshots"])
def test_drawn_strangers_get_no_diagnosis(kind: str, calibrated: Checkpoint) -> None:
    answers = list(LesionClassifier(calibrated).predict_many(strangers(6)[kind]))
    assert all(answer.refusal for answer in answers)


def test_a_model_without_statistics_refuses_nothing(small_checkpoint: Checkpoint) -> None:
    assert LesionClassifier(small_checkpoint).predict(strangers(1)["noise"][0]).refusal == ""


def test_quality_by_hand() -> None:
    picture = draw_lesion("NV", 1, (64, 64))
    blank = quality(picture.resize((1, 1)).resize((64, 64)))
    assert blank["contrast"] == pytest.approx(0, abs=1e-9)
    assert blank["flatness"] == 1
    assert blank["smoothness"] == 1
    assert blank["sharpness"] == pytest.approx(-8)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    grainy = quality(Image.fromarray(noise))
    assert abs(grainy["smoothness"]) < 0.1
    assert grainy["brightness"] == pytest.approx(noise.mean() / 255)
    assert quality(Image.new("RGB", (64, 64), (255, 0, 0)))["colour"] == 1


def simple_refusal(**changes: object) -> DistanceRefusal:
    limits = dict.fromkeys(QUALITY, (-10.0, 10.0))
    values = {"limits": limits, "mean": np.zeros(256), "precision": np.eye(256), "distance": 5.0, "energy": 0.0}
    return DistanceRefusal(**values | {"accepted": 0.95} | changes)  # type: ignore[arg-type]


def test_reasons_are_given_in_words() -> None:
    seen = draw_lesion("NV", 1, (64, 64))
    near, far = np.zeros(256), np.full(256, 0.4)  # |far| = 0.4 · 16 = 6.4
    sure, unsure = np.array([9.0, 0, 0, 0]), np.array([-5.0, -5, -5, -5])
    refusal = simple_refusal()
    assert refusal.distances(far[None])[0] == pytest.approx(6.4)
    assert energies(unsure[None])[0] == pytest.approx(5 - np.log(4))

    def reason(refusal: DistanceRefusal, size: tuple[int, int], features: np.ndarray, logits: np.ndarray) -> str:
        return refusal.judge(Look(seen, size, features, np.zeros(1280, np.float32), logits)).refusal

    assert reason(refusal, (100, 100), near, sure) == ""
    assert "unlike the dermoscopic images" in reason(refusal, (100, 100), far, sure)
    assert "unlike the dermoscopic images" in reason(refusal, (100, 100), near, unsure)
    assert reason(refusal, (31, 400), near, sure).startswith("the picture has only 31 × 400 pixels")
    brightness = quality(seen)["brightness"]
    dark = simple_refusal(limits={**refusal.limits, "brightness": (brightness + 0.1, 1.0)})
    assert reason(dark, (100, 100), near, sure) == "the picture is too dark"
    bright = simple_refusal(limits={**refusal.limits, "brightness": (0.0, brightness - 0.1)})
    assert reason(bright, (100, 100), near, sure) == "the picture is too bright"


@pytest.mark.parametrize(
    "damage",
    [
        {"limits": {}},
        {"mean": torch.zeros(3)},
        {"precision": torch.full((256, 256), torch.nan)},
        {"distance": float("nan")},
        {"energy": "much"},
        {"mean": [0.0] * 256},
    ],
)
def test_hostile_statistics_are_refused(damage: dict[str, object], small_checkpoint: Checkpoint) -> None:
    good = simple_refusal().to_dict()
    assert DistanceRefusal.from_dict(good).to_dict().keys() == good.keys()
    with pytest.raises(LesionvizError, match="refusal statistics are damaged"):
        LesionClassifier(replace(small_checkpoint, refusal=good | damage))


@pytest.mark.heavy
@pytest.mark.parametrize("points", ["x", [1], [{"sensitivity": 0.5}], [{"sensitivity": "a", "threshold": 0.1}]])
def test_hostile_operating_points_are_refused(points: object, small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    small_checkpoint.save(tmp_path / "model.pth")
    content = torch.load(tmp_path / "model.pth", weights_only=True)
    torch.save(content | {"operating_points": points}, tmp_path / "model.pth")
    with pytest.raises(LesionvizError, match="operating points"):
        Checkpoint.load(tmp_path / "model.pth")

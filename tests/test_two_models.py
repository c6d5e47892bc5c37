"""Two models on one picture: measures by hand, each by its own way of looking, and hostile files as the second."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionviz.checkpoint import DRAWN, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import open_image
from lesionviz.prediction import Prediction
from lesionviz.preprocessing import Preprocessing
from lesionviz.trust.second_model import read_second
from lesionviz.trust.two_models import (
    SAME_FILE,
    SAME_WEIGHTS,
    Model,
    TwoModels,
    compared,
    correlation,
    on_common_ground,
    overlap,
    same,
    two_models,
)

PICTURE = open_image(draw_lesion("MEL", 3, (160, 96)), "arm.jpg")


@pytest.fixture(scope="module")
def other_checkpoint(small_checkpoint: Checkpoint) -> Checkpoint:
    """Other weights, another size, geometry and temperature."""
    changed = dict(small_checkpoint.state_dict)
    head = changed["classifier.1.weight"]
    changed["classifier.1.weight"] = head.flip(0)
    return replace(small_checkpoint, state_dict=changed, preprocessing=Preprocessing(64, "stretch"), temperature=2.0)


@pytest.fixture(scope="module")
def other(other_checkpoint: Checkpoint) -> LesionClassifier:
    return LesionClassifier(other_checkpoint)


def numbers(*values: float) -> np.ndarray:
    return np.array([values], float)


# --- measures by hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "by_hand"),
    [
        ((1, 2, 3, 4), (1, 3, 2, 4), 0.8),  # deviations ±1.5, ±0.5: (2.25 − 0.25 − 0.25 + 2.25) / 5
        ((1, 2, 3, 4), (10, 20, 30, 40), 1.0),
        ((1, 2, 3, 4), (-1, -2, -3, -4), -1.0),
        ((1, 0, 0, 1), (1, 1, 0, 0), 0.0),
    ],
)
def test_the_correlation_of_two_maps_by_hand(first: tuple, second: tuple, by_hand: float) -> None:
    assert correlation(numbers(*first), numbers(*second)) == pytest.approx(by_hand)
    assert correlation(numbers(*first), numbers(*second)) == pytest.approx(np.corrcoef(first, second)[0, 1])


@pytest.mark.parametrize(
    ("first", "second", "by_hand"),
    [
        ((1, 1, 1, 1), (5, 0, 0, 0), 0.25),
        ((1, 3, 0, 0), (0, 1, 1, 0), 0.5),  # ¼ ¾ 0 0 and 0 ½ ½ 0
        ((1, 3, -7, 0), (2, 6, 0, -1), 1.0),  # what speaks against is no evidence for
        ((1, 0, 0, 0), (0, 2, 0, 0), 0.0),
    ],
)
def test_the_overlap_of_two_maps_by_hand(first: tuple, second: tuple, by_hand: float) -> None:
    assert overlap(numbers(*first), numbers(*second)) == pytest.approx(by_hand)
    assert overlap(numbers(*second), numbers(*first)) == pytest.approx(by_hand)


def test_maps_that_mark_nothing_have_no_measure() -> None:
    assert correlation(numbers(1, 1), numbers(1, 2)) is None
    assert overlap(numbers(-1, 0), numbers(1, 2)) is None


def test_neither_measure_changes_with_the_scale_of_a_networks_logits() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 8, 8))
    assert correlation(first, 40 * second) == pytest.approx(correlation(first, second))
    assert overlap(first, 40 * second) == pytest.approx(overlap(first, second))


def made(raw: list[list[float]], box: tuple[int, int, int, int]) -> Explanation:
    return Explanation(np.array(raw, np.float32), "MEL", "features.8", "gradcam", "arm.jpg", (200, 100), box)


def test_maps_of_networks_that_see_other_parts_are_read_at_the_same_points() -> None:
    whole = made([[0, 1], [0, 1]], (0, 0, 200, 100))  # squeezed: cell centres at x = 50 and 150
    middle = made([[0, 0, 0, 4]] * 4, (50, 0, 150, 100))  # cut: cell centres at x = 62.5, 87.5, 112.5, 137.5
    one, other = on_common_ground(whole, middle)
    across = 50 + 100 * (np.arange(64) + 0.5) / 64
    assert one == pytest.approx(np.tile((across - 50) / 100, (64, 1)))
    assert other == pytest.approx(np.tile(4 * np.clip((across - 112.5) / 25, 0, 1), (64, 1)))


# --- sentences ---------------------------------------------------------------------------------------------------------


def prediction(*shares: float, refusal: str = "") -> Prediction:
    by_code = dict(zip(CODES, shares, strict=True))
    best = max(by_code, key=by_code.__getitem__)
    return Prediction(best, by_code[best], by_code, "arm.jpg", refusal)


def told(first: Prediction, second: Prediction, **more: object) -> TwoModels:
    models = tuple(Model(name, sha, 224, "stretch", 1.0) for name, sha in (("ours", "a" * 64), ("theirs", "")))
    values = {"same": "", "target": "MEL", "layer": "features.8", "method": "gradcam"}
    return TwoModels(models, (first, second), **{**values, "correlation": -0.25, "overlap": 0.5, **more})  # type: ignore[arg-type]


def test_where_two_answers_differ_is_said_with_both_names_and_the_widest_difference() -> None:
    found = told(prediction(0.1, 0.1, 0.6, 0.2), prediction(0.1, 0.2, 0.15, 0.55))
    assert CODES == ("BCC", "BKL", "MEL", "NV")
    assert found.agree is False
    assert found.widest == "MEL"
    assert found.differences == pytest.approx({"BCC": 0, "BKL": 0.1, "MEL": -0.45, "NV": 0.35})
    assert found.sentences == (
        "They disagree: ours (aaaaaaaa) answers melanoma (MEL), 60.0%; theirs (never saved) answers melanocytic nevus "
        "(NV), 55.0%.",
        "They differ most in melanoma (MEL): 60.0% and 15.0%, 45.0 points.",
        "Their Grad-CAM maps for melanoma (MEL) at features.8 correlate with r = −0.25 and share 50% of their positive "
        "evidence, on the part that both saw.",
    )


def test_a_refused_answer_neither_agrees_nor_disagrees() -> None:
    found = told(prediction(0, 0, 1, 0), prediction(0, 0, 1, 0, refusal="the picture is too blurred"))
    assert found.agree is None
    assert "theirs (never saved) gives no answer, because the picture is too blurred" in found.verdict
    assert "disagree" not in found.verdict


def test_the_same_model_twice_is_called_no_second_opinion() -> None:
    found = told(prediction(0, 0, 1, 0), prediction(0, 0, 1, 0), same=SAME_FILE)
    assert found.sentences[0] == "The second model is the same file as the first, so it is no second opinion."


def test_maps_without_a_measure_are_said_to_have_none() -> None:
    found = told(prediction(0, 0, 1, 0), prediction(0, 0, 1, 0), correlation=None, overlap=None)
    assert found.in_place.endswith("cannot be compared: one of them marks nothing.")


# --- two networks ------------------------------------------------------------------------------------------------------


def test_each_model_looks_in_its_own_way_and_keeps_its_answer(
    classifier: LesionClassifier, other: LesionClassifier
) -> None:
    found = two_models(classifier, other, PICTURE, layer="features.5", names=("ours", "theirs"))
    assert found.predictions == (classifier.predict(PICTURE), other.predict(PICTURE))
    assert [(model.size, model.geometry, model.temperature) for model in found.models] == [
        (96, "centre square", 1.0),
        (64, "stretch", 2.0),
    ]
    assert found.target == classifier.predict(PICTURE).diagnosis
    maps = [one.explain(PICTURE, found.target, "features.5") for one in (classifier, other)]
    assert [len(each.raw) for each in maps] == [6, 4]
    assert found.correlation == pytest.approx(correlation(*on_common_ground(*maps)), abs=1e-4)
    with pytest.raises(FrozenInstanceError):
        found.target = "NV"  # type: ignore[misc]


def test_a_model_agrees_with_itself_wholly(classifier: LesionClassifier) -> None:
    found = two_models(classifier, classifier, PICTURE)
    assert found.agree is True
    assert found.same == SAME_WEIGHTS  # it was never saved, so there is no file to be the same
    assert set(found.differences.values()) == {0}
    assert (found.correlation, found.overlap) == (pytest.approx(1), pytest.approx(1))


def test_two_pictures_are_not_compared_as_one(classifier: LesionClassifier) -> None:
    cases = classifier.examine(PICTURE), classifier.examine(draw_lesion("NV", 4, (160, 96)))
    models = (Model.of(classifier.checkpoint, "ours"),) * 2
    with pytest.raises(LesionvizError, match="are two pictures"):
        compared(cases, models)


# --- through the one door ----------------------------------------------------------------------------------------------


def test_a_second_model_is_read_from_a_path_or_from_bytes(
    small_checkpoint: Checkpoint, other_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    other_checkpoint.save(tmp_path / "theirs.pth")
    path, data = tmp_path / "theirs.pth", (tmp_path / "theirs.pth").read_bytes()
    for second in (read_second(small_checkpoint, path), read_second(small_checkpoint, data, "theirs.pth")):
        assert second.name == "theirs.pth"
        assert second.alike == ""
        assert second.model.sha256 == Checkpoint.load(path).file_sha256
        assert second.classifier.predict(PICTURE) == LesionClassifier(other_checkpoint).predict(PICTURE)


def test_the_same_file_and_the_same_weights_are_told_apart(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    small_checkpoint.save(tmp_path / "one.pth")
    replace(small_checkpoint, temperature=3.0).save(tmp_path / "warmer.pth")
    first = Checkpoint.load(tmp_path / "one.pth")
    assert read_second(first, tmp_path / "one.pth").alike == SAME_FILE
    assert read_second(first, tmp_path / "warmer.pth").alike == SAME_WEIGHTS
    assert same(Checkpoint({}, Preprocessing()), Checkpoint({}, Preprocessing())) == ""  # facts alone say nothing


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of a stranger ran",))


@pytest.mark.parametrize("name", ["../../evil.pth", "/etc/passwd", "..", "x" * 5000, "\u0000\u202e.pth"])
def test_a_hostile_file_is_refused_as_a_second_model_and_leaves_nothing(
    name: str,
    small_checkpoint: Checkpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for data in (pickle.dumps(_Bomb()), b"PK\x03\x04 cut short", b"not a model"):
        with pytest.raises(LesionvizError):
            read_second(small_checkpoint, data, name)
    torch.save({"format": _Bomb()}, tmp_path / "evil.pth")
    data = (tmp_path / "evil.pth").read_bytes()
    (tmp_path / "evil.pth").unlink()
    with pytest.raises(LesionvizError, match=r"Expected is a best_model\.pth"):
        read_second(small_checkpoint, data, name)
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_drawings_is_no_second_model_for_photographs(small_checkpoint: Checkpoint) -> None:
    with pytest.raises(LesionvizError, match="trained on drawings and the first model on photographs"):
        read_second(small_checkpoint, DRAWN)

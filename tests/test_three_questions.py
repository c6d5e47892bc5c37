"""Can it be seen, is it dermoscopy, is it one of the four: answered by hand, taught, and safe against hostile files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageDraw

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.collection import Collection
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion
from lesionviz.data.split import split_by_lesion
from lesionviz.data.strangers import strangers
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.prediction import Prediction
from lesionviz.quality import QUALITY, quality
from lesionviz.refusal import EMBEDDING, FEATURES, Look
from lesionviz.three_questions import NOT_DERMOSCOPY, UNFAMILIAR, Detector, ThreeQuestions, entropies, read_refusal
from lesionviz.training import lessons, teach_refusal
from lesionviz.training.calibration import alike, calibrate
from lesionviz.training.teach_refusal import _quantile
from lesionviz.widgets.batch.rows import BatchRow, table
from lesionviz.widgets.case.answer import answer_html, refusal_sentence

pytestmark = pytest.mark.usefixtures("few_strangers")
SURE, UNSURE = np.array([9.0, 0, 0, 0]), np.zeros(4)


def questions(**changes: object) -> ThreeQuestions:
    """Dermoscopy is whatever has 2 more in its first feature than -1 in its first embedding takes away."""
    weights = np.zeros(FEATURES + EMBEDDING)
    weights[0], weights[FEATURES] = 2.0, -1.0
    values = {"limits": dict.fromkeys(QUALITY, (-10.0, 10.0)), "detector": Detector(weights, 0.5, 1.0)}
    values |= {"score": "entropy", "unfamiliar": 1.0, "accepted": 0.9, "warned": 0.1}
    return ThreeQuestions(**values | changes)  # type: ignore[arg-type]


def look(feature: float, embedding: float, logits: np.ndarray, size: tuple[int, int] = (100, 100)) -> Look:
    features, means = np.zeros(FEATURES), np.zeros(EMBEDDING, np.float32)
    features[0], means[0] = feature, embedding
    return Look(draw_lesion("NV", 1, (64, 64)), size, features, means, logits)


def test_entropy_by_hand() -> None:
    assert entropies(np.array([[5.0] * 4, [800.0, 0, 0, 0], [0.0, 0, -800, -800]])) == pytest.approx(
        [np.log(4), 0, np.log(2)]
    )


def test_is_it_dermoscopy_by_hand() -> None:
    assert questions().judge(look(1, 1, SURE)).refusal == ""  # 0.5 + 2 - 1 = 1.5
    assert questions().judge(look(1, 2, SURE)).refusal == NOT_DERMOSCOPY  # 0.5 + 2 - 2 = 0.5
    assert questions().judge(look(0, 0, SURE)).refusal == NOT_DERMOSCOPY  # 0.5


def test_what_is_not_one_of_the_four_is_answered_with_a_warning() -> None:
    verdict = questions().judge(look(1, 0, UNSURE))
    assert (verdict.refusal, verdict.warning) == ("", UNFAMILIAR)
    assert questions().judge(look(1, 0, SURE)).warning == ""


def test_what_cannot_be_seen_is_asked_nothing_more_and_what_is_refused_gets_no_warning() -> None:
    verdict = questions().judge(look(0, 0, UNSURE, (20, 20)))
    assert verdict.refusal.startswith("the picture has only 20 × 20 pixels")
    assert verdict.warning == ""
    assert questions().judge(look(0, 0, UNSURE)).warning == ""
    dark = questions(limits={**questions().limits, "brightness": (0.99, 1.0)})
    assert dark.judge(look(0, 0, SURE)).refusal == "the picture is too dark"


def test_a_source_of_few_images_counts_as_much_as_one_of_many() -> None:
    sources = np.array(["many"] * 90 + ["few"] * 10, object)
    values = np.concatenate([np.arange(90.0), np.full(10, 1000.0)])
    assert _quantile(values, 0.49, sources) == 88  # "many" is one half: 0.98 of 90 are 88.2, so it is the 89th
    assert _quantile(values, 0.6, sources) == 1000
    assert alike(pd.Series(sources)).tolist() == pytest.approx([100 / 90 / 2] * 90 + [100 / 10 / 2] * 10)


# --- taught ---------------------------------------------------------------------------------------------------------


def close_up(number: int) -> Image.Image:
    """Draw a far view of an arm on a sheet, nothing like a lesion that fills the picture."""
    random = np.random.default_rng(number)
    picture = Image.new("RGB", (120, 90), tuple(int(v) for v in random.integers(60, 250, 3)))
    draw = ImageDraw.Draw(picture)
    top = int(random.integers(20, 40))
    draw.rectangle((0, top, 120, top + int(random.integers(25, 40))), fill=(200, 160, int(random.integers(120, 150))))
    x, y = int(random.integers(20, 100)), top + 12
    draw.ellipse((x, y, x + 6, y + 6), fill=(90, 50, 40))
    return picture


@pytest.fixture(scope="module")
def taught_from(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Portion:
    """A drawn collection with close-ups of its lesions."""
    folder, drawn = tmp_path_factory.mktemp("close_ups"), read_isic2019(drawn_folder)
    lesions = drawn.present["lesion"].drop_duplicates().tolist()
    for number in range(len(lesions)):
        close_up(number).save(folder / f"{number}.png")
    names = [f"close_{number}" for number in range(len(lesions))]
    rows = {"image": names, "lesion": lesions, "diagnosis": "clinical", "source": "unknown"}
    close_ups = pd.DataFrame(rows | {"path": [str(folder / f"{number}.png") for number in range(len(lesions))]})
    collection = replace(drawn, close_ups=close_ups)
    return Portion(collection, split_by_lesion(collection))


@pytest.fixture(scope="module")
def few() -> Iterator[None]:
    """Teach with fewer pictures than a real model is taught with, which takes a minute."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "DRAWN", 8)
        patch.setattr(lessons, "CUT_OUT", 20)
        patch.setattr(teach_refusal, "WAYS", 1)
        yield


@pytest.fixture(scope="module")
def taught(small_checkpoint: Checkpoint, taught_from: Portion, few: None) -> Checkpoint:
    return calibrate(small_checkpoint, [taught_from])


@pytest.mark.heavy
def test_close_ups_that_it_never_saw_are_refused_and_dermoscopy_is_not(
    taught: Checkpoint, taught_from: Portion, tmp_path: Path
) -> None:
    taught.save(tmp_path / "model.pth", half=True)
    classifier = LesionClassifier(Checkpoint.load(tmp_path / "model.pth"))
    assert isinstance(read_refusal(classifier.checkpoint.refusal), ThreeQuestions)
    for part in ("validation", "test"):
        close_ups = list(classifier.predict_many(taught_from.rows(part, "close_ups")["path"]))
        assert len(close_ups) > 3
        assert all(answer.refusal for answer in close_ups)
        # Fifteen validation images span a narrow range of quality, so some others are refused for theirs.
        dermoscopy = list(classifier.predict_many(taught_from.rows(part)["path"]))
        assert sum(answer.refusal == NOT_DERMOSCOPY for answer in dermoscopy) <= 1
    answers = [answer for kind in strangers(4).values() for answer in classifier.predict_many(kind)]
    assert all(answer.refusal for answer in answers)


@pytest.mark.heavy
def test_what_it_promises_of_the_validation_images_is_so(taught: Checkpoint, taught_from: Portion) -> None:
    answers = list(LesionClassifier(taught).predict_many(taught_from.rows("validation")["path"]))
    accepted, warned = taught.refusal["accepted"], taught.refusal["warned"]
    assert np.mean([not answer.refusal for answer in answers]) == pytest.approx(accepted, abs=1e-9)
    assert np.mean([bool(answer.warning) for answer in answers]) == pytest.approx(warned, abs=1e-9)
    assert not any(answer.refusal and answer.warning for answer in answers)


@pytest.mark.slow
def test_what_the_test_part_shows_changes_nothing(
    small_checkpoint: Checkpoint, taught: Checkpoint, taught_from: Portion, few: None, tmp_path: Path
) -> None:
    """Every test image, close-ups too, becomes an unreadable file."""
    (tmp_path / "poison.jpg").write_bytes(b"no picture")
    frames = {}
    for name in ("table", "close_ups"):
        frame = taught_from.collection.frame(name)
        tested = (taught_from.split.parts_of(frame) == "test") & frame["path"].notna()
        assert tested.sum() > 3
        frames[name] = frame.assign(path=frame["path"].mask(tested, str(tmp_path / "poison.jpg")))
    poisoned = replace(taught_from, collection=replace(taught_from.collection, **frames))
    again = calibrate(small_checkpoint, [poisoned])
    assert again.temperature == taught.temperature
    for key, value in taught.refusal.items():
        other = again.refusal[key]
        assert torch.equal(value, other) if isinstance(value, torch.Tensor) else value == other, key


@pytest.mark.heavy
def test_the_calibration_images_logits_are_kept_for_later_checks(taught: Checkpoint, taught_from: Portion) -> None:
    rows = taught_from.rows("validation")
    kept = taught.calibration
    (outputs,) = LesionClassifier(replace(taught, refusal={})).outputs_of(rows["path"], len(rows))
    assert kept["logits"].numpy() == pytest.approx(outputs.logits, abs=1e-4)
    assert [CODES[index] for index in kept["truth"]] == rows["diagnosis"].tolist()
    assert pd.factorize(rows["lesion"])[0].tolist() == kept["lesion"].tolist()
    assert [kept["sources"][index] for index in kept["source"]] == [taught_from.name] * len(rows)


@pytest.mark.heavy
def test_an_evaluation_counts_close_ups_of_its_part_and_warnings(
    taught: Checkpoint, taught_from: Portion, tmp_path: Path
) -> None:
    recorded = replace(taught, split=taught_from.split.describe(), recipe={"size": 96})
    evaluation = evaluate(taught_from.collection, LesionClassifier(recorded), tmp_path, draws=5)
    lines = evaluation.silence.refusals.set_index("pictures")
    close_ups = lines.loc[f"{taught_from.name}, close-ups (not dermoscopy)"]
    assert close_ups["images"] == len(taught_from.rows("test", "close_ups"))
    assert close_ups["refused"] == close_ups["images"]
    predictions = evaluation.predictions
    assert lines.loc[f"{taught_from.name}, test", "warned"] == (predictions["warning"] == UNFAMILIAR).sum()
    assert predictions["unfamiliarity"].notna().all()
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "Is it dermoscopy" in card
    assert "| pictures | images | refused | warned | named as something benign |" in card


def test_a_warning_is_said_wherever_the_answer_stands() -> None:
    shares = dict(zip(CODES, (0.1, 0.2, 0.3, 0.4), strict=True))
    plain = Prediction("NV", 0.4, shares, "a <b>.png")
    warned = replace(plain, warning=UNFAMILIAR)
    assert "Read it with care" not in answer_html(plain)
    assert f'<p class="lv-warning">Read it with care: {UNFAMILIAR}.</p>' in answer_html(warned)
    assert "a &lt;b&gt;.png" in answer_html(warned)
    (line,) = table([BatchRow("a.png", warned)]).to_dict("records")
    assert (line["diagnosis"], line["warning"], line["refused_because"]) == ("NV", UNFAMILIAR, "")
    assert "dermatoscope" in refusal_sentence(replace(plain, refusal=NOT_DERMOSCOPY))


def test_diagnoses_that_are_never_taught_are_no_lesson(drawn_folder: Path) -> None:
    collection: Collection = read_isic2019(drawn_folder)
    others = collection.table.head(40).assign(
        image=[f"other_{n}" for n in range(40)], lesion=[f"o{n}" for n in range(40)]
    )
    others["diagnosis"] = ["AK", "VASC"] * 20
    collection = replace(collection, others=others)
    found = lessons.lessons_of([Portion(collection, split_by_lesion(collection))])
    assert set(found.dermoscopy["diagnosis"]) == {*CODES, "AK"}
    assert set(found.unknown["diagnosis"]) <= {"AK"}
    assert not found.tell_apart


# --- hostile files --------------------------------------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize(
    "damage",
    [
        {"limits": {}},
        {"limits": {name: (0.0, float("inf")) for name in QUALITY}},
        {"detector": torch.zeros(3)},
        {"detector": torch.full((FEATURES + EMBEDDING,), torch.nan)},
        {"detector": [0.0]},
        {"bias": float("nan")},
        {"threshold": "high"},
        {"score": "fame"},
        {"score": []},
        {"unfamiliar": None},
    ],
)
def test_hostile_questions_are_refused(damage: dict[str, object], small_checkpoint: Checkpoint) -> None:
    good = questions().to_dict()
    assert LesionClassifier(replace(small_checkpoint, refusal=good)).predict(draw_lesion("NV", 1, (128, 96)))
    with pytest.raises(LesionvizError, match="refusal statistics are damaged"):
        LesionClassifier(replace(small_checkpoint, refusal=good | damage))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "damage",
    [
        {"logits": torch.zeros(3, 5)},
        {"logits": torch.full((3, 4), torch.inf)},
        {"logits": torch.zeros(3, 4, dtype=torch.float64)},
        {"truth": torch.tensor([0, 1, 4], dtype=torch.uint8)},
        {"truth": [0, 1, 2]},
        {"lesion": torch.zeros(2, dtype=torch.int32)},
        {"source": torch.tensor([0, 0, 1], dtype=torch.uint8)},
        {"sources": [1]},
        {"more": 1},
    ],
)
def test_a_hostile_record_of_calibration_images_is_refused(
    damage: dict[str, object], small_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    good = {"logits": torch.zeros(3, 4), "truth": torch.tensor([0, 1, 3], dtype=torch.uint8), "sources": ["here"]}
    good |= {"lesion": torch.arange(3, dtype=torch.int32), "source": torch.zeros(3, dtype=torch.uint8)}
    replace(small_checkpoint, calibration=good).save(tmp_path / "model.pth")
    assert Checkpoint.load(tmp_path / "model.pth").calibration.keys() == good.keys()
    replace(small_checkpoint, calibration=good | damage).save(tmp_path / "model.pth")
    with pytest.raises(LesionvizError, match="damaged record of its calibration images"):
        Checkpoint.load(tmp_path / "model.pth")


def test_a_blurred_picture_is_told_from_one_that_is_no_dermoscopy() -> None:
    sharp = quality(draw_lesion("NV", 1, (64, 64)))["sharpness"]
    limits = {**questions().limits, "sharpness": (sharp + 1, 10.0)}
    assert questions(limits=limits).judge(look(1, 1, SURE)).refusal == "the picture is too blurred"

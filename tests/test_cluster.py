"""One way to ask: a far classifier answers as a near one does, and a stranger's question gets a sentence."""

from __future__ import annotations

import inspect
import logging
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionviz.checkpoint import BUNDLED, DRAWINGS, DRAWN, PHOTOGRAPHS, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import LARGEST, REQUESTS, Examiner, Far, Near, answer, name_of
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.index import make_index
from lesionviz.files import CACHE, sha256
from lesionviz.imaging import LesionImage, open_image
from lesionviz.similarity import VARIABLE
from lesionviz.trust.places import marked
from lesionviz.trust.squares import packed_mask
from lesionviz.trust.what_if import put_in
from lesionviz.wire import pack, unpack


@pytest.fixture
def picture() -> LesionImage:
    return LesionImage(draw_lesion("MEL", 3, (300, 200)), "Mrs Miller, left arm.jpg", ("made up",), "ab" * 32)


@pytest.fixture
def far(classifier: LesionClassifier) -> Far:
    return Far(lambda question: answer(classifier, question))


@pytest.fixture
def near(classifier: LesionClassifier) -> Near:
    return Near(classifier)


def question(classifier: LesionClassifier, **changes: Any) -> bytes:
    side = classifier.preprocessing.size
    content = {"name": "examine", "seen": np.zeros((side, side, 3), np.uint8), "size": [300, 200], "notes": []}
    return pack({**content, **changes})


def test_a_far_classifier_gives_the_very_case_of_a_near_one(far: Far, near: Near, picture: LesionImage) -> None:
    there, here = far.examine(picture), near.examine(picture)
    assert (there.name, there.upload, there.prediction) == (picture.name, picture.sha256, here.prediction)
    assert (there.logits, there.biases, there.box, there.size) == (here.logits, here.biases, here.box, here.size)
    assert np.array_equal(there.seen, here.seen)
    assert np.array_equal(there.embedding, here.embedding)
    assert all(np.array_equal(there.maps[key], here.maps[key]) for key in here.maps)


def test_a_far_case_is_completed_with_the_maps_of_a_near_one_and_keeps_its_own(
    far: Far, near: Near, picture: LesionImage
) -> None:
    case = far.examine(picture)
    there, here = far.complete(case), near.complete(case)
    assert there == here
    assert there.completed
    assert all(there.maps[key] is case.maps[key] for key in case.maps)
    assert far.complete(there) is there


def test_what_is_known_of_a_far_model_is_all_that_a_page_tells_of_it(far: Far, classifier: LesionClassifier) -> None:
    known, told = classifier.checkpoint, far.checkpoint
    for name in ("preprocessing", "temperature", "operating_points", "licence", "history", "file_sha256"):
        assert getattr(told, name) == getattr(known, name)
    assert told.state_dict == {}


def test_drawings_are_asked_of_the_network_that_knows_drawings_wherever_it_is(far: Far, near: Near) -> None:
    sample = synthetic_samples()[0]
    there, here = far.answering(drawn=True), near.answering(drawn=True)
    case = there.complete(there.examine(sample))
    assert case.prediction == here.examine(sample).prediction == drawn_classifier().predict(sample)
    assert case.completed
    assert (there.checkpoint.subject, there.checkpoint.architecture) == (DRAWINGS, here.checkpoint.architecture)
    assert there.checkpoint.file_sha256 == sha256(DRAWN)
    assert there.checkpoint.preprocessing == here.checkpoint.preprocessing
    assert far.checkpoint.subject == PHOTOGRAPHS
    assert far.examine(sample).prediction == near.examine(sample).prediction != case.prediction
    with pytest.raises(LesionvizError, match="another model"):
        far.complete(replace(far.examine(sample), logits=case.logits))


def test_a_model_of_drawings_answers_for_them_itself() -> None:
    near = Near(drawn_classifier())
    far = Far(lambda question: answer(drawn_classifier(), question))
    assert near.answering(drawn=True) is near
    assert far.answering(drawn=True) is far
    assert near.answering(drawn=False) is near
    assert far.answering(drawn=False) is far


def test_checks_of_a_drawing_are_asked_of_the_network_that_knows_drawings(far: Far, near: Near) -> None:
    there, here, own = far.answering(drawn=True), near.answering(drawn=True), Near(drawn_classifier())
    case = own.examine(synthetic_samples()[0])
    mask, code = marked(case.explanation().raw, case.input_size), case.prediction.diagnosis
    assert there.pointing(case, mask, code) == here.pointing(case, mask, code) == own.pointing(case, mask, code)
    assert there.stillness(case) == here.stillness(case) == own.stillness(case)
    assert there.what_if(case, case.seen) == here.what_if(case, case.seen) == own.what_if(case, case.seen)
    assert there.answer_sets is here.answer_sets is own.answer_sets is None
    with pytest.raises(LesionvizError, match="96 × 96"):
        far.stillness(case)


def test_a_far_model_makes_the_answer_sets_of_a_near_one(small_checkpoint: Checkpoint) -> None:
    calibration = Checkpoint.load(BUNDLED).calibration
    asked = LesionClassifier(replace(small_checkpoint, calibration=calibration))
    there, here = Far(lambda question: answer(asked, question)).answer_sets, Near(asked).answer_sets
    assert there is not None
    assert here is not None
    assert there.thresholds(0.9) == here.thresholds(0.9)
    assert (there.sentence(), there.sources) == (here.sentence(), here.sources)


def test_a_far_model_without_a_record_has_no_answer_sets_as_a_near_one(far: Far, near: Near) -> None:
    assert far.answer_sets is near.answer_sets is None


def test_far_checks_of_an_answer_find_what_near_ones_find(far: Far, near: Near, picture: LesionImage) -> None:
    case = near.examine(picture)
    mask = marked(case.explanation().raw, case.input_size)
    code = case.prediction.diagnosis
    assert far.pointing(case, mask, code) == near.pointing(case, mask, code)
    assert len(near.pointing(case, mask, code).random_drops[0]) == 19
    assert far.stillness(case) == near.stillness(case)
    assert near.stillness(case).confidence == pytest.approx(case.prediction.confidence, abs=1e-5)


def test_far_a_changed_square_is_answered_as_near_and_one_left_alone_as_before(
    far: Far, near: Near, picture: LesionImage
) -> None:
    case = near.examine(picture)
    changed = put_in(case.seen, "dark corner", (1, 1), 0.8)
    there, here = far.what_if(case, changed), near.what_if(case, changed)
    assert there == here
    assert there.source == picture.name
    assert dict(here.probabilities) != dict(case.prediction.probabilities)
    alone = near.what_if(case, case.seen)
    assert dict(alone.probabilities) == pytest.approx(dict(case.prediction.probabilities), abs=1e-5)


@pytest.mark.parametrize("mask", [np.zeros((95, 96), bool), np.zeros((96, 96), np.uint8), None])
def test_near_and_far_refuse_what_is_no_place_in_the_picture(
    far: Far, near: Near, picture: LesionImage, mask: Any
) -> None:
    case = near.examine(picture)
    for examiner in (far, near):
        with pytest.raises(LesionvizError, match="96 × 96"):
            examiner.pointing(case, mask, "MEL")


@pytest.mark.heavy
def test_far_similar_cases_come_with_their_pictures_and_without_their_paths(
    classifier: LesionClassifier,
    drawn_folder: Path,
    far: Far,
    near: Near,
    picture: LesionImage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    asked = LesionClassifier(classifier.checkpoint)
    far, near = Far(lambda question: answer(asked, question)), Near(asked)
    case = far.examine(picture)
    assert far.similar(case, 3) == near.similar(case, 3) == []
    make_index(drawn_folder, asked, part="all")
    there, here = far.similar(case, 3), near.similar(case, 3)
    assert [(one.image, one.diagnosis, one.similarity) for one, _ in there] == [
        (one.image, one.diagnosis, one.similarity) for one, _ in here
    ]
    assert [small for _, small in there] == [small for _, small in here]
    assert all(open_image(small).pixels.width <= 260 for _, small in there)
    assert [one.path for one, _ in there] == ["", "", ""]


def test_no_name_and_no_hash_of_a_file_goes_over_the_line(classifier: LesionClassifier, picture: LesionImage) -> None:
    heard: list[bytes] = []

    def ask(asked: bytes) -> bytes:
        heard.append(asked)
        heard.append(answer(classifier, asked))
        return heard[-1]

    far = Far(ask)
    case = far.complete(far.examine(picture))
    far.similar(case, 3)
    far.pointing(case, case.seen[..., 0] > 100, "MEL")
    far.stillness(case)
    far.what_if(case, case.seen)
    assert len(heard) == 14
    drawings = far.answering(drawn=True)
    drawings.complete(drawings.examine(picture))
    assert len(heard) == 20
    assert not any(b"Miller" in said or b"abab" in said for said in heard)


def test_what_is_wrong_there_is_said_here(far: Far, picture: LesionImage) -> None:
    with pytest.raises(LesionvizError, match="another model"):
        far.complete(replace(far.examine(picture), logits=(9.0, 9.0, 9.0, 9.0)))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "rm"},
        {"name": ["examine"]},
        {"name": None},
        {"drawn": "drawings"},
        {"drawn": 1},
        {"drawn": True},
        {"seen": np.zeros((96, 96, 4), np.uint8)},
        {"seen": np.zeros((96, 96, 3), np.float32)},
        {"seen": np.zeros((5000, 1, 3), np.uint8)},
        {"seen": b"pixels"},
        {"size": [0, 5]},
        {"size": [True, 5]},
        {"size": [1.5, 5]},
        {"size": "ab"},
        {"size": [1, 2, 3]},
        {"notes": ["x"] * 21},
        {"notes": ["x" * 501]},
        {"notes": [3]},
        {"notes": None},
        {"name": "complete"},
        {"name": "complete", "logits": [1.0, 2.0, 3.0]},
        {"name": "complete", "logits": [1, 2, 3, 4]},
        {"name": "similar", "embedding": np.zeros(3, np.float32), "k": 3},
        {"name": "similar", "embedding": np.zeros(1280, np.float64), "k": 3},
        {"name": "similar", "embedding": np.zeros(1280, np.float32), "k": 10**9},
        {"name": "similar", "embedding": np.zeros(1280, np.float32), "k": True},
        {"name": "pointing", "target": "MEL"},
        {"name": "pointing", "target": "MEL", "marked": np.zeros(1151, np.uint8)},
        {"name": "pointing", "target": "MEL", "marked": np.zeros((96, 96), np.uint8)},
        {"name": "pointing", "target": "MEL", "marked": np.zeros(1152, np.float32)},
        {"name": "pointing", "target": "rm", "marked": np.zeros(1152, np.uint8)},
        {"name": "pointing", "target": ["MEL"], "marked": np.zeros(1152, np.uint8)},
        {"name": "pointing", "target": np.zeros(4, np.float32), "marked": np.zeros(1152, np.uint8)},
        {"name": "stillness", "seen": np.zeros((97, 97, 3), np.uint8)},
        {"name": "stillness", "seen": None},
        {"name": "whatif", "size": [0, 5]},
        {"name": "whatif", "seen": np.zeros((96, 96, 4), np.uint8)},
    ],
    ids=lambda changes: " ".join(f"{key}={str(value)[:12]}" for key, value in changes.items()),
)
def test_a_strangers_question_gets_a_sentence_and_nothing_is_logged(
    classifier: LesionClassifier, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    told = unpack(answer(classifier, question(classifier, **changes)))
    assert list(told) == ["error"]
    assert "inside lesionviz failed" not in told["error"]
    assert not caplog.records


@pytest.mark.parametrize("asked", [b"", b"garbage", pickle.dumps(print), pack([1]), pack({}), b"x" * (LARGEST + 1)])
def test_what_is_no_question_gets_a_sentence(classifier: LesionClassifier, asked: bytes) -> None:
    assert list(unpack(answer(classifier, asked))) == ["error"]
    with pytest.raises(LesionvizError):
        name_of(asked)


def test_the_largest_input_fits_into_a_question() -> None:
    seen = np.zeros((1024, 1024, 3), np.uint8)
    assert len(pack({"name": "examine", "seen": seen, "size": [1024, 1024], "notes": ["x" * 500] * 20})) < LARGEST
    bits = packed_mask(np.ones((1024, 1024), bool), seen)
    assert len(pack({"name": "pointing", "seen": seen, "marked": bits, "target": "MEL"})) < LARGEST


def test_a_defect_becomes_a_sentence_and_the_log_says_nothing_of_the_question(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_self: object, square: object) -> None:
        raise ValueError(f"secret {square}")

    monkeypatch.setattr(LesionClassifier, "examine_seen", fail)
    with caplog.at_level(logging.DEBUG):
        told = unpack(answer(classifier, question(classifier)))
    assert "inside lesionviz failed" in told["error"]
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_every_request_says_what_it_costs_and_answers_come_before_what_completes_them() -> None:
    assert {name: (one.forwards, one.urgent) for name, one in REQUESTS.items()} == {
        "facts": (0, True),
        "examine": (1, True),
        "complete": (6, False),
        "similar": (0, False),
        "pointing": (41, False),
        "stillness": (24, False),
        "whatif": (1, False),
    }


def test_near_and_far_offer_the_same_doors() -> None:
    doors = {name for name, door in vars(Examiner).items() if inspect.isfunction(door) and name[0] != "_"}
    assert {"examine", "stillness"} <= doors
    for name in doors - {"answering"}:  # which gives one of its own kind
        signatures = {str(inspect.signature(getattr(one, name))) for one in (Near, Far, Examiner)}
        assert len(signatures) == 1


@pytest.mark.heavy
def test_a_page_that_asks_elsewhere_imports_neither_torch_nor_dask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path))
    synthetic_samples.cache_clear()
    synthetic_samples()  # as the server of a class does before it
    code = (
        "import sys, lesionviz.cluster, lesionviz.class_line\n"
        "from lesionviz.widgets import Explorer\n"
        "page = Explorer()\n"
        "for tab in ('compare', 'batch', 'quiz'): page._masthead.tab = tab\n"
        "print(sorted({'torch', 'torchvision', 'distributed', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    line = {"LESIONVIZ_DESK": "/nowhere/desk", "LESIONVIZ_DESK_KEY": "key", CACHE: str(tmp_path)}
    made = subprocess.run([sys.executable, "-c", code], env=line, capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "[]"

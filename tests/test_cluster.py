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

from lesionviz.checkpoint import DRAWINGS, DRAWN, PHOTOGRAPHS
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import LARGEST, REQUESTS, Examiner, Far, Near, answer, name_of
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.index import make_index
from lesionviz.files import CACHE, sha256
from lesionviz.imaging import LesionImage, open_image
from lesionviz.similarity import VARIABLE
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
    far.similar(far.complete(far.examine(picture)), 3)
    assert len(heard) == 8
    drawings = far.answering(drawn=True)
    drawings.complete(drawings.examine(picture))
    assert len(heard) == 14
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
    }


def test_near_and_far_offer_the_same_doors() -> None:
    for name in ("examine", "complete", "similar"):
        signatures = {str(inspect.signature(getattr(one, name))) for one in (Near, Far, Examiner)}
        assert len(signatures) == 1


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

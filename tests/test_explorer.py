"""The Explorer driven by its traits and by what a browser (or a stranger) would send."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging import open_image
from lesionviz.network import LAYERS
from lesionviz.quality import QUALITY
from lesionviz.refusal import FEATURES, DistanceRefusal
from lesionviz.similarity import SimilarityIndex
from lesionviz.widgets import Batch, Compare, Explorer, Quiz
from lesionviz.widgets.case.answer import NOTICE
from lesionviz.widgets.case.case_view import CHOICES, CaseView
from lesionviz.widgets.explorer.image_picker import ImagePicker
from lesionviz.widgets.parts.downloads import Downloads
from lesionviz.widgets.parts.front_end import script
from lesionviz.widgets.parts.masthead import Masthead
from lesionviz.widgets.parts.status import Status
from lesionviz.widgets.quiz.room import QuizRoom


@pytest.fixture
def explorer(classifier: LesionClassifier) -> Explorer:
    return Explorer(classifier)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "arm <b>left.jpg"
    draw_lesion("MEL", 5, (300, 200)).save(path)
    return path


def parts(box: ipywidgets.Box) -> Iterator[ipywidgets.Widget]:
    """Every widget inside a box."""
    for child in box.children:
        yield child
        if isinstance(child, ipywidgets.Box):
            yield from parts(child)


def picker(explorer: Explorer) -> ImagePicker:
    return next(part for part in parts(explorer) if isinstance(part, ImagePicker))


def view(explorer: Explorer) -> CaseView:
    return next(part for part in parts(explorer) if isinstance(part, CaseView))


def send(explorer: Explorer, content: Any, *pieces: bytes) -> None:
    """Deliver a message as the browser's side of the picker does."""
    picker(explorer)._handle_custom_msg(content, [memoryview(piece) for piece in pieces])


def upload(
    explorer: Explorer, name: str, data: bytes, piece: int = 1000, number: int = 1, second: bool = False
) -> None:
    send(explorer, {"kind": "file", "id": number, "name": name, "size": len(data), "second": second})
    for start in range(0, len(data), piece):
        send(explorer, {"kind": "piece", "id": number}, data[start : start + piece])


def page(explorer: Explorer) -> str:
    """All the HTML on view, and the sentence about the picture."""
    return (
        "".join(part.value for part in parts(explorer) if isinstance(part, ipywidgets.HTML)) + status(explorer).words
    )


def status(explorer: Explorer) -> Status:
    return next(part for part in parts(explorer) if isinstance(part, Status))


def test_setting_an_image_gives_the_classifiers_answer_and_map(
    explorer: Explorer, classifier: LesionClassifier, drawn: Path
) -> None:
    explorer.image = drawn
    expected = classifier.predict(drawn)
    assert explorer.prediction == expected
    assert explorer.explanation.target == expected.diagnosis
    assert np.allclose(explorer.explanation.raw, classifier.explain(drawn).raw, rtol=1e-4)
    assert f"{expected.confidence:.1%}" in page(explorer)


@pytest.mark.parametrize("kind", ["path", "bytes", "pil", "array"])
def test_every_kind_of_image_can_be_set(kind: str, explorer: Explorer, drawn: Path) -> None:
    with Image.open(drawn) as opened:
        opened.load()
    explorer.image = {"path": str(drawn), "bytes": drawn.read_bytes(), "pil": opened, "array": np.asarray(opened)}[
        kind
    ]
    assert explorer.error == ""
    assert explorer.prediction is not None


def test_target_and_layer_change_the_map(explorer: Explorer, classifier: LesionClassifier) -> None:
    sample = synthetic_samples()[0]
    explorer.image = sample
    explorer.target, explorer.layer = "NV", "features.3"
    expected = classifier.explain(sample, "NV", "features.3").raw
    assert np.abs(explorer.explanation.raw - expected).max() <= 1e-4 * np.abs(expected).max()
    explorer.target = None
    assert explorer.explanation.target == explorer.prediction.diagnosis


def test_taking_the_picture_away_leaves_the_page_as_it_was_found(explorer: Explorer, drawn: Path) -> None:
    found = page(explorer)
    upload(explorer, "lesion.jpg", drawn.read_bytes())
    assert explorer.prediction is not None
    send(explorer, {"kind": "removed", "id": 7, "last": False})  # another one of the filmstrip
    assert explorer.prediction is not None
    send(explorer, {"kind": "removed", "id": 1, "last": True})
    assert explorer.image is explorer.prediction is explorer.explanation is None
    assert page(explorer) == found


def test_names_and_codes_of_targets_mean_the_same(explorer: Explorer) -> None:
    explorer.target = "melanoma"
    assert explorer.target == "MEL"


@pytest.mark.parametrize(("trait", "value"), [("target", "melanom"), ("layer", "features.9")])
def test_unknown_choices_are_refused_and_change_nothing(trait: str, value: str, explorer: Explorer) -> None:
    before = getattr(explorer, trait)
    with pytest.raises(LesionvizError, match="Did you mean"):
        setattr(explorer, trait, value)
    assert getattr(explorer, trait) == before


def test_the_view_is_told_the_grid_of_every_layer(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    assert view(explorer).case["grid"] == dict(zip(LAYERS, [48, 48, 24, 12, 6, 6, 3, 3, 3], strict=True))


def test_the_name_of_the_file_is_shown_and_cannot_be_html(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    assert "arm &lt;b&gt;left.jpg" in page(explorer)
    assert "<b>left" not in page(explorer)


def test_the_notice_is_there_before_and_after(explorer: Explorer) -> None:
    assert NOTICE in page(explorer)
    explorer.image = synthetic_samples()[0]
    assert NOTICE in page(explorer)


def assert_no_result(explorer: Explorer) -> None:
    assert explorer.prediction is None
    assert explorer.explanation is None
    assert explorer._explore.answer.value == ""
    assert view(explorer).case == view(explorer).maps == {}


def test_an_unusable_image_clears_the_old_result_and_says_why(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    explorer.image = b"no picture"
    assert_no_result(explorer)
    assert "not a picture" in explorer.error
    assert explorer.error in page(explorer)
    explorer.image = synthetic_samples()[0]
    assert explorer.error == ""
    assert explorer.prediction is not None


def test_an_upload_in_pieces_arrives_whole_under_its_name(explorer: Explorer, drawn: Path) -> None:
    upload(explorer, "left arm.jpg", drawn.read_bytes())
    assert explorer.prediction.source == "left arm.jpg"


def test_a_new_upload_clears_the_old_result_before_it_has_arrived(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    send(explorer, {"kind": "file", "id": 7, "name": "next.jpg", "size": 5000})
    assert_no_result(explorer)
    assert "next.jpg" in page(explorer)


def test_a_new_upload_clears_an_old_error(explorer: Explorer) -> None:
    explorer.image = b"no picture"
    send(explorer, {"kind": "file", "id": 7, "name": "next.jpg", "size": 5000})
    assert explorer.error == ""


def test_a_corrupt_upload_is_refused_by_name(explorer: Explorer, drawn: Path) -> None:
    explorer.image = synthetic_samples()[0]
    upload(explorer, "cut.jpg", drawn.read_bytes()[:2000])
    assert_no_result(explorer)
    assert "cut.jpg is damaged" in explorer.error


def test_uploading_the_same_file_again_shows_it_again(explorer: Explorer, drawn: Path) -> None:
    for _ in range(2):
        upload(explorer, "same.jpg", drawn.read_bytes())
        assert explorer.prediction.source == "same.jpg"


def test_of_two_uploads_the_last_one_wins(explorer: Explorer, drawn: Path) -> None:
    send(explorer, {"kind": "file", "id": 1, "name": "first.jpg", "size": 1000})
    send(explorer, {"kind": "piece", "id": 1}, bytes(500))
    upload(explorer, "second.jpg", drawn.read_bytes(), number=2)
    send(explorer, {"kind": "piece", "id": 1}, bytes(500))  # a straggler of the first
    assert explorer.prediction.source == "second.jpg"


def test_an_oversize_file_is_refused_without_its_bytes(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    send(explorer, {"kind": "file", "id": 1, "name": "scan.tif", "size": 65 * 2**20})
    assert_no_result(explorer)
    assert "scan.tif" in explorer.error
    assert "64 MiB" in explorer.error


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        (None, []),
        ("file", []),
        ({"kind": "file", "id": "one", "name": 5, "size": "many"}, []),
        ({"kind": "file", "id": 1, "name": "x" * 10_000, "size": True}, []),
        ({"kind": "held"}, []),
        ({"kind": "held", "name": ["a"], "id": {}}, []),
        ({"kind": "piece"}, []),
        ({"kind": "piece", "id": 1}, [b"unannounced"]),
        ({"kind": "piece", "id": 1}, [b"one", b"two"]),
        ({"kind": "sample", "number": 99}, []),
        ({"kind": "sample", "number": -1}, []),
        ({"kind": "sample", "number": "0"}, []),
        ({"kind": "reboot"}, []),
    ],
)
def test_hostile_messages_are_ignored_or_refused(content: Any, pieces: list[bytes], explorer: Explorer) -> None:
    send(explorer, content, *pieces)
    assert_no_result(explorer)
    assert len(page(explorer)) < 20_000


def test_more_bytes_than_announced_are_refused(explorer: Explorer) -> None:
    send(explorer, {"kind": "file", "id": 1, "name": "x.jpg", "size": 10})
    send(explorer, {"kind": "piece", "id": 1}, bytes(11))
    assert "did not arrive as announced" in explorer.error


def test_every_state_tells_which_choice_of_the_person_it_belongs_to(explorer: Explorer, drawn: Path) -> None:
    said: list[tuple[str, str]] = []
    status(explorer).observe(lambda change: said.append((change.new["request"], change.new["kind"])), "state")
    data = drawn.read_bytes()
    for number, request in ((1, "one"), (2, "two")):  # two files of one name
        send(explorer, {"kind": "file", "id": number, "name": "a.jpg", "size": len(data), "request": request})
        send(explorer, {"kind": "piece", "id": number}, data)
    send(explorer, {"kind": "held", "id": 3, "name": "large.tif", "request": "three"})
    send(explorer, {"kind": "unread", "id": 3, "name": "large.tif", "request": "four"})
    assert "large.tif could not be read: it was moved, changed or taken away" in explorer.error
    send(explorer, {"kind": "sample", "number": 0, "request": "five"})
    send(explorer, {"kind": "removed", "id": 3, "last": True, "request": "six"})
    ends = dict(said)
    assert ends == {
        "one": "answered",
        "two": "answered",
        "three": "held",
        "four": "failed",
        "five": "answered",
        "six": "empty",
    }
    assert [request for request, _ in said] == sorted((request for request, _ in said), key=list(ends).index)


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pictures that the network was asked about, one for each time."""
    names: list[str] = []
    examine = LesionClassifier.examine
    monkeypatch.setattr(
        LesionClassifier, "examine", lambda self, picture: names.append(picture.name) or examine(self, picture)
    )
    return names


def choice(data: bytes, request: str, piece: int = 1000) -> Iterator[tuple[dict[str, Any], tuple[bytes, ...]]]:
    """What a browser sends for the choice of a file."""
    yield {"kind": "file", "id": 1, "name": "a.jpg", "size": len(data), "request": request}, ()
    for start in range(0, len(data), piece):
        yield {"kind": "piece", "id": 1, "start": start}, (data[start : start + piece],)


def test_what_comes_twice_under_one_name_is_looked_at_and_answered_once(
    explorer: Explorer, drawn: Path, examined: list[str]
) -> None:
    said: list[str] = []
    status(explorer).observe(lambda change: said.append(change.new["kind"]), "state")
    for _ in range(3):
        for content, pieces in choice(drawn.read_bytes(), "one"):
            send(explorer, content, *pieces)
    assert examined == ["a.jpg"]
    assert said == ["receiving", "working", "answered"]
    answer = explorer.prediction
    for _ in range(2):
        send(explorer, {"kind": "sample", "number": 0, "request": "two"})
    assert len(examined) == 2
    assert explorer.prediction is not answer
    for content, pieces in choice(drawn.read_bytes(), "three"):  # chosen anew
        send(explorer, content, *pieces)
    assert len(examined) == 3


@pytest.mark.parametrize("arrived", [1, 2, 5])
def test_a_file_that_was_cut_off_arrives_whole_when_it_is_sent_again(
    arrived: int, explorer: Explorer, drawn: Path, examined: list[str]
) -> None:
    data = drawn.read_bytes()
    whole = list(choice(data, "one"))
    assert len(whole) > 6
    for content, pieces in [*whole[:arrived], *whole[arrived + 1 :]]:  # one piece was lost, with the old connection
        send(explorer, content, *pieces)
    assert status(explorer).kind == "receiving"
    assert explorer.error == ""
    for content, pieces in whole:
        send(explorer, content, *pieces)
    assert status(explorer).kind == "answered"
    assert examined == ["a.jpg"]
    assert np.array_equal(np.asarray(explorer.image.pixels), np.asarray(open_image(data).pixels))


def test_after_a_lost_connection_everything_is_said_again_and_nothing_that_was_turned_is_turned_back(
    explorer: Explorer, drawn: Path, monkeypatch: pytest.MonkeyPatch, examined: list[str]
) -> None:
    for content, pieces in choice(drawn.read_bytes(), "one"):
        send(explorer, content, *pieces)
    said: list[tuple[object, tuple[str, ...]]] = []
    monkeypatch.setattr(ipywidgets.Widget, "send_state", lambda self, key=None: said.append((self, tuple(key or ()))))
    for message in (None, "say again", {"kind": "once more"}):
        status(explorer)._handle_custom_msg(message, [])
    assert said == []
    status(explorer)._handle_custom_msg({"kind": "say again"}, [])
    for kind in (Status, CaseView, Masthead, ipywidgets.HTML, ipywidgets.Layout):
        assert any(isinstance(widget, kind) for widget, _ in said)
    assert said[-1] == (status(explorer), ("state",))
    assert not {name for widget, names in said for name in names if isinstance(widget, CaseView)} & set(CHOICES)
    assert all(names for _, names in said)
    assert examined == ["a.jpg"]
    del said[:]
    heard: list[Any] = []
    monkeypatch.setattr(view(explorer), "send", heard.append)
    view(explorer)._handle_custom_msg({"kind": "say again"}, [])
    assert (said, heard) == ([], [{"kind": "said"}])  # the case came with the state that it belongs to


def test_silence_and_what_is_not_taken_up_are_said_within_five_seconds() -> None:
    limits = {
        name: int(number.replace("_", ""))
        for name, number in re.findall(r"^const (\w+) = ([\d_]+);", script("parts/lifeline"), re.MULTILINE)
    }
    look, ask = limits["LOOK"], limits["ASK"]
    assert ask + look + limits["ANSWER"] + look <= 5000  # the server is silent from just after a question
    assert 2 * (look + ask) <= 5000  # two questions find no way
    assert limits["APART"] + 2 * look <= 5000
    assert limits["TAKEN"] + 2 * look <= 5000
    assert limits["CUT"] > 2 * limits["GIVEN_UP"]  # questions over several connections went unanswered by then


def test_between_two_pictures_the_page_never_hears_of_a_third_state(
    explorer: Explorer, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.image = drawn
    sent: list[str] = []
    monkeypatch.setattr(status(explorer), "send_state", lambda key=None: sent.append(status(explorer).kind))
    send(explorer, {"kind": "file", "id": 1, "name": "a.jpg", "size": 99, "request": "one"})
    assert sent == ["receiving"]


@pytest.mark.parametrize("request_of", [None, 5, "x" * 65, ["one"], {"a": 1}])
def test_a_request_that_is_no_short_text_counts_as_none(request_of: Any, explorer: Explorer) -> None:
    send(explorer, {"kind": "sample", "number": 0, "request": request_of})
    assert status(explorer).state["request"] == ""


def test_a_browser_cannot_set_the_state(explorer: Explorer) -> None:
    status(explorer).set_state({"state": {"kind": "answered", "words": "<b>benign</b>"}, "sentences": {}})
    assert status(explorer).kind == "empty"
    assert "answered" in status(explorer).sentences


def test_a_second_picture_that_cannot_be_taken_leaves_the_first_on_view(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    upload(explorer, "other.jpg", drawn.read_bytes(), number=5, second=True)
    send(explorer, {"kind": "file", "id": 6, "name": "scan.tif", "size": 65 * 2**20, "second": True})
    assert "scan.tif" in part(explorer, Compare).message
    assert explorer.prediction.source == drawn.name
    assert status(explorer).kind == "answered"


def test_clicking_a_sample_shows_it_as_synthetic(explorer: Explorer) -> None:
    send(explorer, {"kind": "sample", "number": 2})
    assert explorer.prediction.source == "synthetic melanoma"


def test_whoever_waits_for_a_sample_in_a_class_sees_his_place(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def look(*_arguments: object) -> None:
        said.append(status(explorer).words)
        explorer._background.on_place(2)
        said.append(status(explorer).words)
        raise LesionvizError("It was let go.")

    monkeypatch.setattr(LesionClassifier, "examine", look)
    send(explorer, {"kind": "sample", "number": 2})
    assert said == ["Looking at synthetic melanoma …", "synthetic melanoma waits: 2 others are before it."]


def test_a_defect_becomes_one_plain_sentence_and_goes_to_the_log(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(LesionClassifier, "examine", fail)
    with caplog.at_level(logging.ERROR):
        explorer.image = synthetic_samples()[0]
    assert_no_result(explorer)
    assert "something inside lesionviz failed" in explorer.error
    assert "secret detail" not in page(explorer)
    assert "secret detail" in caplog.text


def test_without_a_classifier_the_default_is_loaded_in_the_background(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def slow() -> LesionClassifier:
        go.wait(20)
        return classifier

    monkeypatch.setattr("lesionviz.classifier.load", slow)
    explorer = Explorer()  # returns although the model is not there yet
    assert not explorer._background.ready
    go.set()
    explorer.image = synthetic_samples()[0]
    assert explorer.prediction is not None


@pytest.mark.heavy
def test_what_the_browser_gets_is_the_picture_the_network_sees_and_where_it_lies(
    explorer: Explorer, classifier: LesionClassifier
) -> None:
    big = draw_lesion("NV", 3, (1800, 1200))
    explorer.image = big
    case = view(explorer).case
    shown = Image.open(io.BytesIO(case["input"]))
    assert shown.tobytes() == classifier.preprocessing.resize(big).tobytes()
    assert Image.open(io.BytesIO(case["photo"])).size == (1600, 1067)
    assert (case["width"], case["height"], case["box"]) == (1800, 1200, [300, 0, 1500, 1200])


def test_alpha_set_from_python_reaches_the_view(explorer: Explorer) -> None:
    explorer.alpha = 0.2
    assert view(explorer).alpha == 0.2


POINT = {"sensitivity": 0.9, "threshold": 0.25, "specificity": 0.7, "benign_per_melanoma": 2.5}


@pytest.fixture
def strict(small_checkpoint: Checkpoint) -> LesionClassifier:
    """A classifier that refuses whatever is darker than a quarter of full brightness."""
    limits = dict.fromkeys(QUALITY, (-100.0, 100.0)) | {"brightness": (0.25, 100.0)}
    refusal = DistanceRefusal(limits, np.zeros(FEATURES), np.eye(FEATURES), 1e9, 1e9, 0.95)
    return LesionClassifier(replace(small_checkpoint, refusal=refusal.to_dict(), operating_points=(POINT,)))


DARK = Image.new("RGB", (120, 90), (30, 20, 10))


def test_a_refused_picture_gets_no_diagnosis_until_the_person_insists(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = DARK
    assert explorer.prediction.refusal == "the picture is too dark"
    assert "the model gives no answer, because the picture is too dark." in page(explorer)
    assert "Try a sharp dermoscopic photograph" in page(explorer)
    assert status(explorer).state["picture"].startswith(b"\xff\xd8")  # a JPEG, so that one sees what was refused
    assert explorer.prediction.diagnosis not in explorer._explore.answer.value
    assert explorer.explanation is None
    assert status(explorer).kind == "refused"  # in which the page offers the button
    explorer.target = "MEL"  # another class does not bring the map back
    assert explorer.explanation is None
    explorer._explore.insist.click()
    assert explorer.insist
    assert "Do not rely on this answer: the picture is too dark." in explorer._explore.answer.value
    assert explorer.explanation.target == "MEL"
    assert status(explorer).kind == "answered"


def test_a_class_that_is_turned_while_the_person_insists_does_not_keep_the_case_away(
    strict: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where every widget's messages have a thread of their own: the map is made before the case was sent."""
    explorer = Explorer(strict)
    explorer.image = DARK
    write = ipywidgets.HTML.notify_change

    def turn_meanwhile(html: ipywidgets.HTML, change: Any) -> None:
        write(html, change)
        if html is explorer._explore.answer and change["new"] and explorer.target is None:
            explorer.target = "MEL"

    monkeypatch.setattr(ipywidgets.HTML, "notify_change", turn_meanwhile)
    explorer.insist = True
    assert explorer.explanation.target == "MEL"
    assert view(explorer).case["predicted"] == explorer.prediction.diagnosis
    assert view(explorer).maps


def test_nothing_can_be_insisted_on_before_there_is_a_picture(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer._explore.insist.click()
    assert status(explorer).kind == "empty"
    assert_no_result(explorer)


def test_insisting_ends_with_the_picture(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = DARK
    explorer.insist = True
    explorer.image = Image.new("RGB", (120, 90), (20, 20, 20))
    assert not explorer.insist
    assert explorer._explore.answer.value == ""
    explorer.image = draw_lesion("NV", 1, (120, 90))
    assert explorer.prediction.refusal == ""
    assert explorer.explanation is not None
    assert status(explorer).kind == "answered"


def test_a_threshold_is_held_against_the_probability_of_melanoma(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = draw_lesion("NV", 1, (120, 90))
    assert "lv-threshold" not in explorer._explore.answer.value
    explorer.sensitivity = 0.9
    melanoma = explorer.prediction.probabilities["MEL"]
    side = "at or above" if melanoma >= 0.25 else "below"
    verdict = "Called" if melanoma >= 0.25 else "Not called"
    said = f"{verdict} suspicious at this threshold: melanoma {melanoma:.1%} is {side} 25.0%."
    assert said in explorer._explore.answer.value
    assert "found 90% of the melanomas, and called 2.5 benign lesions suspicious" in explorer._explore.answer.value
    assert 'class="lv-tick" style="left:25.0%"' in explorer._explore.answer.value
    with pytest.raises(LesionvizError, match="sensitivity must be one of"):
        explorer.sensitivity = 0.33
    explorer.sensitivity = None
    assert "lv-threshold" not in explorer._explore.answer.value


def test_a_model_without_thresholds_offers_none(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    assert explorer._explore.threshold.layout.display == "none"


def message(widget: ipywidgets.Widget, content: Any) -> None:
    widget._handle_custom_msg(content, [])


def part(explorer: Explorer, kind: type) -> Any:
    return next(one for one in parts(explorer) if isinstance(one, kind))


def test_the_first_maps_come_with_the_answer_and_all_others_after_it(
    classifier: LesionClassifier, drawn: Path
) -> None:
    async def open_it() -> list[list[str]]:
        explorer = Explorer(classifier)
        seen: list[list[str]] = []
        view(explorer).observe(
            lambda change: seen.append([layer["name"] for layer in change.new["gradcam"]["layers"]]), "maps"
        )
        upload(explorer, "arm.jpg", drawn.read_bytes())
        assert explorer.prediction is None  # the page answers while the network runs
        while len(seen) < 2:
            await asyncio.sleep(0.01)
        return seen

    assert asyncio.run(open_it()) == [["features.8"], list(LAYERS)]


def test_a_result_that_comes_too_late_is_dropped(classifier: LesionClassifier, drawn: Path) -> None:
    async def open_two() -> tuple[str, int]:
        explorer = Explorer(classifier)
        seen: list[Any] = []
        explorer.observe(lambda change: seen.append(change.new), "prediction")
        upload(explorer, "first.jpg", drawn.read_bytes(), number=1)
        upload(explorer, "second.jpg", drawn.read_bytes(), number=2)
        while explorer.prediction is None:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        return explorer.prediction.source, len([one for one in seen if one is not None])

    assert asyncio.run(open_two()) == ("second.jpg", 1)


async def everything_that_was_asked_for(explorer: Explorer) -> None:
    """Wait until all work that the background was given has been handed over."""
    done = asyncio.Event()
    explorer._background.submit(lambda _: None, lambda _: done.set(), lambda _: done.set())
    await done.wait()


OVERSIZE = {"kind": "file", "id": 9, "name": "scan.tif", "size": 65 * 2**20, "request": "scan"}


def test_an_answer_that_comes_after_the_next_choice_has_failed_is_dropped(
    classifier: LesionClassifier, drawn: Path
) -> None:
    async def choose_two() -> Explorer:
        explorer = Explorer(classifier)
        upload(explorer, "first.jpg", drawn.read_bytes())
        send(explorer, OVERSIZE)
        await everything_that_was_asked_for(explorer)
        return explorer

    explorer = asyncio.run(choose_two())
    assert (status(explorer).kind, status(explorer).state["request"]) == ("failed", "scan")
    assert_no_result(explorer)


def test_what_is_found_of_a_picture_after_it_has_gone_is_shown_nowhere(
    classifier: LesionClassifier, drawn: Path
) -> None:
    async def choose_two() -> Explorer:
        explorer = Explorer(classifier)
        part(explorer, Masthead).tab = "compare"
        upload(explorer, "first.jpg", drawn.read_bytes())
        while explorer.prediction is None:
            await asyncio.sleep(0.01)
        send(explorer, OVERSIZE)
        await everything_that_was_asked_for(explorer)
        return explorer

    explorer = asyncio.run(choose_two())
    assert status(explorer).kind == "failed"
    assert_no_result(explorer)
    assert part(explorer, Compare).case == part(explorer, Compare).maps == {}


def test_a_picture_from_python_that_cannot_be_used_is_one_change_of_state(
    explorer: Explorer, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.image = drawn
    sent: list[str] = []
    monkeypatch.setattr(status(explorer), "send_state", lambda key=None: sent.append(status(explorer).kind))
    explorer.image = b"no picture"
    assert sent == ["failed"]
    explorer.image = drawn
    assert sent == ["failed", "working", "answered"]


def test_the_same_mistake_twice_is_told_twice(explorer: Explorer) -> None:
    told: list[str] = []
    explorer.observe(lambda change: told.append(change.new), "error")
    for request in ("one", "two"):
        send(explorer, OVERSIZE | {"request": request})
    assert [bool(words) for words in told] == [True, False, True]
    assert told[0] == told[2]


def test_who_insists_as_soon_as_there_is_a_prediction_is_shown_the_answer(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.observe(lambda change: setattr(explorer, "insist", change.new is not None), "prediction")
    explorer.image = DARK
    assert status(explorer).kind == "answered"
    assert "Do not rely on this answer" in explorer._explore.answer.value
    assert view(explorer).case["photo"]
    assert len(view(explorer).maps["gradcam"]["layers"]) == len(LAYERS)


def test_who_turns_to_a_threshold_while_the_answer_comes_misses_nothing_of_it(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.observe(lambda _: setattr(explorer, "sensitivity", 0.9), "explanation")
    explorer.image = draw_lesion("NV", 1, (120, 90))
    assert status(explorer).kind == "answered"
    assert "lv-threshold" in explorer._explore.answer.value
    assert view(explorer).case["photo"]
    assert len(view(explorer).maps["gradcam"]["layers"]) == len(LAYERS)


def test_an_answer_that_is_no_longer_insisted_on_leaves_the_page(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    part(explorer, Masthead).tab = "compare"
    explorer.image = DARK
    explorer.insist = True
    assert part(explorer, Compare).case["source"]
    explorer.insist = False
    assert status(explorer).kind == "refused"
    assert explorer._explore.answer.value == ""
    assert view(explorer).case == view(explorer).maps == part(explorer, Compare).case == {}
    assert "got no answer, so it has no maps to compare" in part(explorer, Compare).message
    explorer.insist = True
    assert view(explorer).case["photo"]
    assert part(explorer, Compare).case["source"]


def test_nothing_about_a_refused_picture_reaches_the_view(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = DARK
    assert view(explorer).case == view(explorer).maps == {}
    explorer.insist = True
    assert view(explorer).case["refused"] == "the picture is too dark"
    assert len(view(explorer).maps["gradcam"]["layers"]) == 9


def test_what_a_person_turned_arrives_in_the_traits(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    view(explorer).set_state({"target": "BKL", "layer": "features.4", "alpha": 0.25, "method": "hirescam"})
    assert (explorer.target, explorer.layer, explorer.alpha) == ("BKL", "features.4", 0.25)
    assert (explorer.explanation.target, explorer.explanation.layer) == ("BKL", "features.4")
    assert explorer.explanation.method == explorer.method == "hirescam"


def test_a_browser_cannot_put_another_case_into_the_view(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    before = dict(view(explorer).case)
    view(explorer).set_state({"case": {"photo": b"", "source": "another"}, "maps": {}, "classes": [], "alpha": 0.7})
    assert view(explorer).case == before
    assert len(view(explorer).maps) == 1
    assert view(explorer).alpha == 0.7


@pytest.mark.parametrize("key", [key for key in METHODS if key != "gradcam"])
def test_maps_of_another_method_are_sent_when_the_browser_asks(explorer: Explorer, drawn: Path, key: str) -> None:
    explorer.image = drawn
    message(view(explorer), {"kind": "method", "key": key})
    assert set(view(explorer).maps) == {"gradcam", key}


@pytest.mark.parametrize(
    "content", [None, {"kind": "method"}, {"kind": "method", "key": ["x"]}, {"kind": "x", "key": "y"}]
)
def test_the_view_ignores_what_it_does_not_know(explorer: Explorer, drawn: Path, content: Any) -> None:
    explorer.image = drawn
    message(view(explorer), content)
    assert set(view(explorer).maps) == {"gradcam"}


def test_a_contrast_is_explained_and_ends_when_the_class_is_the_same(
    explorer: Explorer, classifier: LesionClassifier, drawn: Path
) -> None:
    explorer.image = drawn
    explorer.target, explorer.against = "MEL", "NV"
    expected = classifier.explain(drawn, "MEL", against="NV").raw
    assert np.abs(explorer.explanation.raw - expected).max() <= 1e-4 * np.abs(expected).max()
    explorer.target = "NV"
    assert explorer.explanation.against is None


def test_tabs_are_made_when_they_are_first_opened(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    masthead = part(explorer, Masthead)
    assert not [one for one in parts(explorer) if isinstance(one, (Compare, Batch, Quiz))]
    for tab, kind in (("compare", Compare), ("batch", Batch), ("quiz", QuizRoom)):
        masthead.tab = tab
        assert part(explorer, kind).layout.display == ""
        assert explorer._explore.layout.display == "none"
    assert part(explorer, Compare).case["source"] == drawn.name
    masthead.tab = "explore"
    assert explorer._explore.layout.display == ""
    assert part(explorer, QuizRoom).layout.display == "none"


def test_a_second_picture_goes_beside_the_first(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    upload(explorer, "other.jpg", drawn.read_bytes(), number=5, second=True)
    compare = part(explorer, Compare)
    assert compare.mode == "two pictures"
    assert (compare.case["source"], compare.second["source"]) == (drawn.name, "other.jpg")
    assert explorer.prediction.source == drawn.name
    explorer.image = None
    assert compare.case == compare.second == {}


def test_a_second_picture_that_comes_twice_is_looked_at_once_and_the_browser_hears_that_it_is_here(
    explorer: Explorer, drawn: Path, examined: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer.image = drawn
    heard: list[Any] = []
    monkeypatch.setattr(picker(explorer), "send", lambda content, buffers=None: heard.append(content))
    data = drawn.read_bytes()
    whole = [(content | {"second": True}, pieces) for content, pieces in choice(data, "beside")]
    for content, pieces in whole[:3]:
        send(explorer, content, *pieces)
    send(explorer, {"kind": "say again"})
    assert heard == [{"kind": "said", "settled": ["", ""]}]
    for _ in range(2):
        for content, pieces in whole:
            send(explorer, content, *pieces)
    assert heard.count({"kind": "settled", "request": "beside"}) == 1
    assert examined == [drawn.name, "a.jpg"]
    assert part(explorer, Compare).second["source"] == "a.jpg"
    send(explorer, {"kind": "say again"})
    assert heard[-1] == {"kind": "said", "settled": ["", "beside"]}


@pytest.mark.parametrize("kind", ["unread", "scan"])
def test_a_second_picture_that_cannot_be_used_is_settled_and_said_where_it_would_have_stood(
    kind: str, explorer: Explorer, drawn: Path
) -> None:
    explorer.image = drawn
    second = {"name": "other.jpg", "id": 3, "second": True, "request": "beside"}
    send(explorer, {"kind": "file", "size": 5000, **second})
    send(
        explorer,
        {"kind": "unread", **second}
        if kind == "unread"
        else {"kind": "file", "size": 2**30, **second, "request": "b"},
    )
    assert "other.jpg" in part(explorer, Compare).message
    assert part(explorer, Masthead).tab == "compare"
    assert explorer.prediction.source == drawn.name
    assert picker(explorer)._settled[True] == picker(explorer)._requests[True]


def test_a_second_picture_that_is_taken_away_while_it_is_looked_at_does_not_come(
    explorer: Explorer, drawn: Path
) -> None:
    async def compare_with(*names: str) -> str:
        one = Explorer(explorer._background.examiner.classifier)
        one.image = drawn
        for number, name in enumerate(names, 1):
            upload(one, name, drawn.read_bytes(), number=number, second=True)
            if number < len(names):
                send(one, {"kind": "removed", "id": number, "last": False})
        while part(one, Compare).waiting:
            await asyncio.sleep(0.01)
            assert part(one, Compare).second.get("source") != names[0]
        return str(part(one, Compare).second["source"])

    assert asyncio.run(compare_with("removed.jpg", "stays.jpg")) == "stays.jpg"


def test_a_refused_second_picture_is_not_shown(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = draw_lesion("NV", 1, (120, 90))
    buffer = io.BytesIO()
    DARK.save(buffer, "PNG")
    data = buffer.getvalue()
    upload(explorer, "night.png", data, number=5, second=True)
    compare = part(explorer, Compare)
    assert compare.second == {}
    assert "night.png: the model gives no answer, because the picture is too dark" in compare.message


def test_a_second_picture_that_is_taken_away_leaves_the_comparison(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    upload(explorer, "other.jpg", drawn.read_bytes(), number=5, second=True)
    compare = part(explorer, Compare)
    assert compare.second["source"] == "other.jpg"
    send(explorer, {"kind": "removed", "id": 5, "last": False})
    assert compare.second == {}
    assert compare.case["source"] == drawn.name


def test_compare_says_that_a_refused_picture_has_nothing_to_compare(strict: LesionClassifier, drawn: Path) -> None:
    explorer = Explorer(strict)
    explorer.image = DARK
    explorer._masthead.tab = "compare"
    compare = part(explorer, Compare)
    assert "got no answer, so it has no maps to compare" in compare.message
    upload(explorer, "other.jpg", drawn.read_bytes(), number=5, second=True)
    assert "got no answer, so it has no maps to compare" in compare.message
    assert compare.second == {}
    explorer.insist = True
    assert compare.message == ""
    assert compare.case["source"]


def test_a_picture_of_the_batch_opens_by_itself(explorer: Explorer, drawn: Path) -> None:
    part(explorer, Masthead).tab = "batch"
    explorer._open_from_batch("from the batch.jpg", drawn.read_bytes())
    assert part(explorer, Masthead).tab == "explore"
    assert explorer.prediction.source == "from the batch.jpg"


@pytest.mark.heavy
@pytest.mark.parametrize(("key", "begins"), [("page", b"<!doctype html>"), ("pdf", b"%PDF-"), ("png", b"\x89PNG")])
def test_a_case_is_made_into_a_file_with_its_provenance(
    explorer: Explorer, drawn: Path, key: str, begins: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []
    downloads = part(explorer, Downloads)
    monkeypatch.setattr(downloads, "send", lambda content, buffers=None: made.append((content, buffers)))
    message(downloads, {"kind": "make", "key": key})
    assert made == []  # there is nothing to keep yet
    explorer.image = drawn
    assert made.pop() == ({"kind": "problem", "words": ""}, None)  # nothing that was said of an earlier case stays
    message(downloads, {"kind": "make", "key": "../etc"})
    message(downloads, {"kind": "make", "key": key})
    ((content, buffers),) = made
    assert content["name"] == f"arm--b-left.{'html' if key == 'page' else key}"
    assert buffers[0].startswith(begins)


def test_similar_cases_stand_under_the_answer_where_there_is_an_index(
    small_checkpoint: Checkpoint, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONVIZ_INDEX", str(tmp_path))
    classifier = LesionClassifier(small_checkpoint)
    (outputs,) = classifier.outputs_of([drawn])
    SimilarityIndex.of(
        np.repeat(outputs.embeddings, 2, axis=0),
        image=np.array(["one <b>", "two"]),
        lesion=np.array(["l1", "l2"]),
        diagnosis=np.array(["MEL", "NV"]),
        path=np.array([str(drawn), str(tmp_path / "gone.jpg")]),
    ).save(classifier.index_path)
    explorer = Explorer(classifier)
    explorer.image = drawn
    assert "one &lt;b&gt;, similarity 1.00" in page(explorer)
    assert "file not found" in page(explorer)


def test_notes_on_quality_stand_in_the_answer(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = Image.new("RGB", (60, 60), (90, 70, 60))  # smaller than the 96 pixels of the input
    assert "enlarged to 96 pixels" in explorer.prediction.notes[-1]
    assert "enlarged to 96 pixels" in page(explorer)

"""The section "What if?" as a browser, or a stranger, drives it: only a copy is changed, and the last change wins."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from on_view import OnView as Looked
from PIL import Image

from lesionviz.case import Case
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Examiner, Far, answer
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage
from lesionviz.prediction import Prediction
from lesionviz.trust.what_if import KINDS
from lesionviz.widgets.checks.check import DRAWN
from lesionviz.widgets.checks.what_if import MADE, WhatIfCheck
from lesionviz.widgets.export.checked import checked_html
from lesionviz.widgets.parts.background import Background

DOT = {"kind": "paint out", "points": [[0.5, 0.5]], "size": 0.3}


@pytest.fixture(scope="module")
def looked(classifier: LesionClassifier) -> Looked:
    return Looked(classifier.examine(LesionImage(draw_lesion("MEL", 5, (300, 220)), "arm.jpg")))


@pytest.fixture
def check(classifier: LesionClassifier, looked: Looked) -> WhatIfCheck:
    check = WhatIfCheck(Background(classifier))
    check.show(looked)
    return check


class Hand:
    """A browser's side of the section, which gives each of its doings a name."""

    def __init__(self, check: WhatIfCheck) -> None:
        self.check, self.count = check, 0

    def __call__(self, kind: str, **content: Any) -> None:
        self.count += 1
        own = {"kind": kind, "case": self.check.state.get("case"), "name": f"hand-{self.count}"}
        self.check._handle_custom_msg(own | content, [])

    def change(self, **changes: Any) -> None:
        self("change", change=DOT | changes)


@pytest.fixture
def hand(check: WhatIfCheck) -> Hand:
    return Hand(check)


def opened(png: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(png)))


def test_a_stroke_changes_a_copy_and_both_answers_stand_side_by_side(
    check: WhatIfCheck, hand: Hand, looked: Looked, classifier: LesionClassifier
) -> None:
    kept = looked.case.seen.copy()
    hand("begin")
    assert np.array_equal(opened(check.before["picture"]), kept)
    hand.change()
    changed = opened(check.now["picture"])
    assert (changed != kept).any()
    assert np.array_equal(looked.case.seen, kept)
    assert check.state["shares"] == dict(looked.case.prediction.probabilities)
    by_itself = classifier.predict(Image.fromarray(changed))
    assert check.answer["shares"] == pytest.approx(dict(by_itself.probabilities), abs=1e-5)
    assert check.answer["version"] == check.now["version"]
    assert check.answer["words"].startswith("The answer ")


def test_nothing_is_asked_and_no_picture_is_sent_until_a_person_does_something(check: WhatIfCheck) -> None:
    assert check.before == {}
    assert check.now["picture"] == b""
    assert check.answer == {}
    assert check.kept() is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_in_is_answered_too(check: WhatIfCheck, hand: Hand, kind: str) -> None:
    hand.change(kind=kind, size=0.6)
    assert check.now["problem"] == ""
    assert check.answer["version"] == check.now["version"]


def test_two_hairs_at_one_place_are_not_the_same_hair(check: WhatIfCheck, hand: Hand) -> None:
    hand.change(kind="hair", size=0.6)
    first = opened(check.now["picture"])
    hand("undo")
    hand.change(kind="hair", size=0.6)
    assert not np.array_equal(opened(check.now["picture"]), first)


def test_undo_and_redo_bring_picture_and_answer_back(check: WhatIfCheck, hand: Hand) -> None:
    hand.change()
    picture, shares = check.now["picture"], check.answer["shares"]
    hand.change(kind="ink", size=0.8)
    assert (check.now["back"], check.now["forth"]) == (2, 0)
    hand("undo")
    assert (check.now["picture"], check.now["back"], check.now["forth"]) == (picture, 1, 1)
    assert check.answer["shares"] == shares
    hand("start over")
    assert (check.now["picture"], check.now["back"], check.now["forth"]) == (b"", 0, 2)
    assert check.kept() is None
    hand("redo")
    assert (check.now["picture"], check.answer["shares"]) == (picture, shares)
    assert check.answer["version"] == check.now["version"]


@pytest.mark.parametrize(
    "content",
    [
        {"change": None},
        {"change": {}},
        {"change": DOT | {"kind": "tattoo"}},
        {"change": DOT | {"points": [[0.5, float("nan")]]}},
        {"change": DOT | {"points": [[0.5, 0.5]] * 100_000}},
        {"change": DOT | {"size": 1e9}},
        {"change": DOT | {"points": [[float(x), y / 10] for y in range(11) for x in (0, 1)], "size": 0.5}},
    ],
    ids=lambda content: str(content)[:60],
)
def test_a_change_that_cannot_be_made_gets_a_sentence_and_nothing_else_happens(
    check: WhatIfCheck, hand: Hand, content: dict[str, Any]
) -> None:
    hand.change()
    before, answered = check.now, check.answer
    hand("change", **content)
    assert check.now["problem"]
    assert {**check.now, "problem": "", "heard": ""} == {**before, "problem": "", "heard": ""}
    assert check.now["heard"] == f"hand-{hand.count}"
    assert check.answer == answered
    hand.change()
    assert check.now["problem"] == ""


@pytest.mark.parametrize(
    "content",
    [
        None,
        "undo",
        {"kind": "undo"},
        {"kind": "change", "change": DOT, "name": "a"},
        {"kind": "change", "change": DOT, "name": "a", "case": "another"},
        {"kind": "change", "change": DOT, "name": "a", "case": ["x"]},
        {"kind": "change", "change": DOT, "name": 7, "case": "own"},
        {"kind": "change", "change": DOT, "name": "a" * 1000, "case": "own"},
        {"kind": "change", "change": DOT, "case": "own"},
        {"kind": ["change"], "change": DOT, "name": "b", "case": "own"},
    ],
    ids=str,
)
def test_a_strangers_message_changes_nothing(check: WhatIfCheck, content: Any) -> None:
    if isinstance(content, dict) and content.get("case") == "own":
        content = content | {"case": check.state["case"]}
    check._handle_custom_msg(content, [])
    assert check.now["back"] == 0
    assert check.answer == {}


def test_no_trait_is_taken_from_a_browser(check: WhatIfCheck) -> None:
    before = check.get_state()
    check.set_state(
        {name: {"kind": "found", "words": "It is benign."} for name in ("state", "now", "answer", "before")}
    )
    assert check.get_state() == before


def test_what_comes_twice_under_one_name_is_done_once_and_all_is_said_again_over_a_new_connection(
    check: WhatIfCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(check, "send", lambda content, buffers=None: said.append(content))
    stroke = {"kind": "change", "change": DOT, "name": "once", "case": check.state["case"]}
    for _ in range(2):
        check._handle_custom_msg(stroke, [])
    assert check.now["back"] == 1
    check._handle_custom_msg({"kind": "say again"}, [])
    assert said == [{"kind": "said", "heard": ["once"]}]


def test_another_picture_begins_unchanged_and_strokes_on_the_last_one_are_passed_over(
    check: WhatIfCheck, hand: Hand, looked: Looked, classifier: LesionClassifier
) -> None:
    hand.change()
    late = {"kind": "change", "change": DOT, "name": "late", "case": check.state["case"]}
    check.show(Looked(classifier.examine(LesionImage(draw_lesion("NV", 6, (300, 220)), "leg.jpg"))))
    assert (check.now["back"], check.now["forth"], check.before) == (0, 0, {})
    check._handle_custom_msg(late, [])
    assert check.now["back"] == 0
    check.show(None)
    assert (check.state["kind"], check.now) == ("none", {})


def test_a_drawing_is_answered_by_the_network_for_drawings_which_is_said(classifier: LesionClassifier) -> None:
    asked: list[bool] = []
    background = Background(classifier)
    near = background.examiner
    case = near.answering(True).examine(LesionImage(draw_lesion("MEL", 5, (300, 220)), "drawing"))

    class Both:
        def answering(self, drawn: bool) -> Examiner:
            asked.append(drawn)
            return near.answering(drawn)

    background._examiner = _done(Both())
    check = WhatIfCheck(background)
    check.show(Looked(case, drawn=True))
    Hand(check).change()
    assert asked == [True]
    assert check.state["words"] == DRAWN
    kept = check.kept()
    assert kept is not None
    assert DRAWN in kept.words
    assert sum(check.answer["shares"].values()) == pytest.approx(1)


def _done(examiner: Any) -> Any:
    future: Future[Any] = Future()
    future.set_result(examiner)
    return future


def test_it_is_asked_over_a_line_as_well(
    classifier: LesionClassifier, looked: Looked, check: WhatIfCheck, hand: Hand
) -> None:
    questions: list[bytes] = []
    background = Background(classifier)
    background._examiner = _done(Far(lambda question: questions.append(question) or answer(classifier, question)))
    far = WhatIfCheck(background)
    far.show(looked)
    Hand(far).change()
    hand.change()
    assert far.answer["shares"] == pytest.approx(check.answer["shares"])
    assert any(b"whatif" in question for question in questions)


def test_what_is_kept_names_the_changed_picture_as_such_with_both_pictures_and_both_answers(
    check: WhatIfCheck, hand: Hand, looked: Looked
) -> None:
    hand.change()
    hand.change(kind="ruler", size=0.6)
    kept = check.kept()
    assert kept is not None
    assert kept.words.startswith("Changed picture (painted out with 1 stroke; put in: ruler). The answer ")
    assert [code for code, _, _ in kept.shares] == ["BCC", "BKL", "MEL", "NV"]
    was, now = looked.case.prediction.probabilities, check.answer["shares"]
    assert [shares for _, *shares in kept.shares] == [[was[code], now[code]] for code, _, _ in kept.shares]
    (_, first), (caption, changed) = kept.pictures
    assert np.array_equal(opened(first), looked.case.seen)
    assert (caption, changed) == (MADE, check.now["picture"])
    assert "cannot show" in kept.limits


def test_the_kept_page_and_its_sheet_show_both_pictures_and_both_answers_and_say_which_is_changed(
    check: WhatIfCheck, hand: Hand, classifier: LesionClassifier, looked: Looked
) -> None:
    from lesionviz.widgets.export.checked_sheet import draw_checked

    for number in range(12):
        hand.change(kind=list(KINDS)[number % 5], size=0.6)
    hand.change()
    kept = check.kept()
    assert kept is not None
    page = checked_html([kept])
    shares = [f"{share:.1%}" for _, *both in kept.shares for share in both]
    for words in ("What if?", MADE, "Changed picture (painted out with 1 stroke; put in: ruler, ink, ", *shares):
        assert words in page
    for _, picture in kept.pictures:
        assert base64.b64encode(picture).decode() in page
    (sheet,) = draw_checked([kept], "arm.jpg", {"Picture": "arm.jpg", "Model": "m", "Split": "s", "Made": "now"})
    printed = " ".join(text.get_text() for text in sheet.texts)
    for words in (MADE.split(",")[0], *(f"{was:.1%}, now {now:.1%}" for _, was, now in kept.shares)):
        assert words in printed
    assert sum(bool(axes.images) for axes in sheet.axes) == 2
    heights = {text.get_text(): text.get_position()[1] for text in sheet.texts}
    assert heights["paint."] > heights["Picture"], "the last word of its limits stands above the foot"


def test_whoever_waits_for_an_answer_in_a_class_sees_his_place_until_it_is_there(
    check: WhatIfCheck, hand: Hand, looked: Looked
) -> None:
    said: list[Any] = []

    class Full:
        def answering(self, drawn: bool) -> Full:
            return self

        def what_if(self, case: Case, changed: np.ndarray) -> Prediction:
            for place in (3, 0, 1):
                check._background._running.on_place(place)
                said.append(check.answer["waits"])
            assert check.answer.get("version") != check._version, "it is not answered yet"
            return looked.case.prediction

    check._background._examiner = _done(Full())
    hand.change()
    assert said == ["This question waits: 3 others are before it.", "", "This question waits: 1 other is before it."]
    assert (check.answer["version"], "waits" in check.answer) == (check.now["version"], False)


def test_a_changed_picture_that_the_model_refuses_is_said_to_be(
    looked: Looked, classifier: LesionClassifier, check: WhatIfCheck, hand: Hand
) -> None:
    class Refusing:
        def answering(self, drawn: bool) -> Refusing:
            return self

        def what_if(self, case: Case, changed: np.ndarray) -> Prediction:
            return replace(case.prediction, refusal="the picture is too blurred")

    check._background._examiner = _done(Refusing())
    hand.change()
    assert "no answer to the changed picture, because the picture is too blurred" in check.answer["words"]


class Gate:
    """An examiner that answers with the brightness of what it is asked about, once it may."""

    def __init__(self) -> None:
        self.go, self.began, self.asked = threading.Event(), threading.Event(), 0

    def answering(self, drawn: bool) -> Gate:
        return self

    def what_if(self, case: Case, changed: np.ndarray) -> Prediction:
        self.asked += 1
        self.began.set()
        assert self.go.wait(60)
        if changed.max() == 255:
            raise LesionvizError("Too bright.")
        share = float(changed.mean()) / 255
        return Prediction("NV", share, {"BCC": 0, "BKL": 0, "MEL": 1 - share, "NV": share}, case.name)


@pytest.fixture
def gate(check: WhatIfCheck) -> Iterator[Gate]:
    gate = Gate()
    check._background._examiner = _done(gate)
    yield gate
    gate.go.set()


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(6000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def test_of_several_strokes_the_page_waits_for_none_and_the_last_one_is_answered(
    check: WhatIfCheck, hand: Hand, gate: Gate
) -> None:
    async def draw() -> None:
        answers: list[int] = []
        check.observe(lambda change: answers.append(change.new["version"]), "answer")
        hand.change()
        await until(gate.began.is_set)
        for place in (0.3, 0.4, 0.5):
            hand.change(points=[[place, 0.5]])
            assert check.answer == {}
            assert check.now["picture"], "the changed picture is there before its answer"
        gate.go.set()
        await until(lambda: bool(answers))
        assert answers == [check.now["version"]]
        assert gate.asked == 2, "those between were never asked"
        share = float(opened(check.now["picture"]).mean()) / 255
        assert check.answer["shares"]["NV"] == pytest.approx(share)

    asyncio.run(draw())


def test_an_answer_that_comes_after_the_picture_has_gone_is_dropped(
    check: WhatIfCheck, hand: Hand, gate: Gate, looked: Looked
) -> None:
    async def draw() -> None:
        hand.change()
        await until(gate.began.is_set)
        assert check.kept() is not None
        assert "not answered yet" in check.kept().words  # type: ignore[union-attr]
        check.show(None)
        gate.go.set()
        done = asyncio.Event()
        check._background.submit(lambda _: None, lambda _: done.set(), lambda _: done.set())  # comes after it
        await done.wait()
        assert check.answer == {}

    asyncio.run(draw())


def test_why_there_is_no_answer_is_said_where_it_would_stand(check: WhatIfCheck, hand: Hand) -> None:
    class Gone:
        def answering(self, drawn: bool) -> Gone:
            return self

        def what_if(self, case: Case, changed: np.ndarray) -> Prediction:
            raise LesionvizError("The class's server does not answer.")

    check._background._examiner = _done(Gone())
    hand.change()
    assert check.answer["words"] == "The class's server does not answer."
    assert check.answer["shares"] == {}
    assert check.now["back"] == 1

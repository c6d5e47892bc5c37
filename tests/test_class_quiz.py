"""A learner's page of a class's quiz: what its browser gets and when, and what a stranger or a lost class does to it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import comm
import pytest

from lesionviz.case import Case
from lesionviz.classifier import LesionClassifier
from lesionviz.errors import LesionvizError
from lesionviz.game import Verdict
from lesionviz.game.class_desk import HereDesk
from lesionviz.game.classroom import Classroom
from lesionviz.game.results import NO_ANSWER
from lesionviz.widgets.quiz import ClassQuiz
from lesionviz.widgets.quiz.class_pages import FAR


@pytest.fixture
def room() -> Classroom:
    """A class of drawn samples, in which Ben has answered nothing yet."""
    room = Classroom()
    room.join("session of Ben", "Ben")
    return room


@pytest.fixture
def desk(room: Classroom) -> HereDesk:
    return HereDesk(room, "session of Ada", patience=0.01)


@pytest.fixture
def quiz(desk: HereDesk) -> Iterator[ClassQuiz]:
    """Ada's page; without an event loop it looks when it is told to."""
    quiz = ClassQuiz(desk)
    quiz.line.look()
    yield quiz
    quiz.close()


def page(quiz: ClassQuiz) -> dict[str, Any]:
    return dict(quiz.panel.page)


def send(quiz: ClassQuiz, content: Any) -> None:
    quiz.panel._handle_custom_msg(content, [])


def answered(room: Classroom, classifier: LesionClassifier, refusal: str = "") -> Case:
    """Let the model answer the case on view."""
    wanted = room.wanted()
    assert wanted is not None
    case = classifier.examine(wanted.picture)
    case = replace(case, prediction=replace(case.prediction, refusal=refusal))
    room.enter(wanted.question, Verdict(case.prediction, case))
    return case


def test_a_learner_goes_from_name_to_result(room: Classroom, quiz: ClassQuiz, classifier: LesionClassifier) -> None:
    assert (page(quiz)["phase"], page(quiz)["running"]) == ("join", False)
    send(quiz, {"kind": "join", "learner": "Ada"})
    assert (page(quiz)["phase"], page(quiz)["learner"], page(quiz)["wished"]) == ("wait", "Ada", "")
    room.start(2)
    quiz.line.look()
    assert (page(quiz)["phase"], page(quiz)["case"], page(quiz)["answered"], page(quiz)["here"]) == (
        "question",
        1,
        0,
        2,
    )
    assert quiz.panel.photo == room.picture(1)
    send(quiz, {"kind": "commit", "case": 1, "answer": "MEL", "sure": "certain"})
    assert (page(quiz)["answer"], page(quiz)["sureness"], page(quiz)["answered"]) == ("MEL", "certain", 1)
    case = answered(room, classifier)
    room.reveal()
    quiz.line.look()
    assert page(quiz)["phase"] == "reveal"
    assert page(quiz)["tally"] == {"BCC": 0, "BKL": 0, "MEL": 1, "NV": 0}
    assert f"{case.prediction.confidence:.1%}" in page(quiz)["model"]["html"]
    assert (quiz._view.looked, quiz._view.layout.display) == (case, "")
    room.next_case()
    quiz.line.look()
    assert (page(quiz)["case"], quiz._view.case, quiz._view.layout.display) == (2, {}, "none")
    room.finish()
    quiz.line.look()
    assert (page(quiz)["phase"], page(quiz)["score"]["of"], quiz.panel.photo) == ("end", 1, b"")


def test_nothing_that_is_not_to_be_known_leaves_for_the_browser_before_the_reveal(
    room: Classroom, desk: HereDesk, classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        comm.DummyComm, "publish_msg", lambda _self, _kind, data=None, buffers=None, **_: said.append(repr(data))
    )
    quiz = ClassQuiz(desk)
    quiz.line.look()
    send(quiz, {"kind": "join", "learner": "Ada"})
    said.clear()
    room.start(1)
    answered(room, classifier)
    room.commit("session of Ben", 1, "NV", "certain")
    quiz.line.look()
    text = "".join(said)
    assert "question" in text
    for secret in ("truth", "tally", "drawn ", "verdict", "Ben", "probabilit", "'model': {'code'"):
        assert secret not in text
    room.reveal()
    quiz.line.look()
    assert "truth" in "".join(said)


def test_a_refused_answer_and_its_map_are_shown_when_the_learner_insists(
    room: Classroom, quiz: ClassQuiz, classifier: LesionClassifier
) -> None:
    send(quiz, {"kind": "join", "learner": "Ada"})
    room.start(2)
    case = answered(room, classifier, refusal="the picture is too dark")
    room.reveal()
    quiz.line.look()
    model = page(quiz)["model"]
    assert (model["code"], model["reason"], model["html"], page(quiz)["map"]) == (
        NO_ANSWER,
        "the picture is too dark",
        "",
        True,
    )
    assert quiz._view.layout.display == "none"
    send(quiz, {"kind": "insist", "case": 2})
    assert quiz._view.layout.display == "none"
    send(quiz, {"kind": "insist", "case": 1})
    assert (quiz._view.looked, quiz._view.layout.display) == (case, "")
    assert "not valid" in page(quiz)["model"]["html"]


def test_another_quiz_brings_its_own_picture_even_where_its_case_has_the_same_number(
    room: Classroom, quiz: ClassQuiz
) -> None:
    send(quiz, {"kind": "join", "learner": "Ada"})
    room.start(1, seed=1)
    quiz.line.look()
    first = quiz.panel.photo
    room.finish()
    room.start(1, seed=2)
    quiz.line.look()  # nothing was seen between the two
    assert quiz.panel.photo == room.picture(1) != first


def test_an_answer_that_comes_after_the_reveal_does_not_count(room: Classroom, quiz: ClassQuiz) -> None:
    send(quiz, {"kind": "join", "learner": "Ada"})
    room.start(2)
    quiz.line.look()
    room.reveal()  # which the page has not heard of yet
    send(quiz, {"kind": "commit", "case": 1, "answer": "MEL", "sure": ""})
    assert (page(quiz)["phase"], page(quiz)["answer"], page(quiz)["refusals"]) == ("reveal", "", 1)
    assert room.sitting.answers == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        {"kind": "commit", "case": True, "answer": "MEL"},
        {"kind": "commit", "case": 1, "answer": "<b>"},
        {"kind": "commit", "case": 2, "answer": "MEL"},
        {"kind": "commit", "case": 1, "answer": ["MEL"]},
        {"kind": "join", "learner": 7},
        {"kind": "insist", "case": 9},
        {"kind": ["join"]},
        {"kind": "reveal"},
    ],
)
def test_what_no_page_of_ours_sends_does_nothing(room: Classroom, quiz: ClassQuiz, content: Any) -> None:
    send(quiz, {"kind": "join", "learner": "Ada"})
    room.start(2)
    quiz.line.look()
    before, version = page(quiz), room.version
    send(quiz, content)
    quiz.panel.set_state({"page": {"phase": "reveal"}, "photo": b"x"})
    assert (page(quiz), room.version) == (before, version)


class Away(HereDesk):
    """A class that is away until it is told to be there, and whose views wait until something has happened."""

    def __init__(self, room: Classroom) -> None:
        super().__init__(room, "session of Ada", patience=60)
        self.there = threading.Event()

    def view(self, seen: int) -> dict[str, Any]:
        if not self.there.is_set():
            raise ConnectionRefusedError
        return super().view(seen)

    def commit(self, case: int, answer: str, sure: str, quiz: int) -> None:
        if not self.there.is_set():
            raise ConnectionRefusedError
        super().commit(case, answer, sure, quiz)


async def until(quiz: ClassQuiz, **expected: Any) -> None:
    """Wait for a page that says this; the loop is free meanwhile."""
    turned = asyncio.Event()
    quiz.panel.observe(lambda _: turned.set(), "page")
    while not expected.items() <= page(quiz).items():
        turned.clear()
        await turned.wait()


def lesson(act: Any) -> None:
    asyncio.run(asyncio.wait_for(act, 60))


def test_a_class_that_is_away_is_said_and_what_was_not_heard_can_be_said_again(
    room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionviz.widgets.quiz.class_watch.PAUSE", 0.01)

    async def act() -> None:
        desk = Away(room)
        quiz = ClassQuiz(desk)
        await until(quiz, phase="far", error=FAR)
        desk.there.set()
        room.join("session of Ada", "Ada")
        await until(quiz, phase="wait", error="")
        room.start(2)
        await until(quiz, phase="question")
        desk.there.clear()
        send(quiz, {"kind": "commit", "case": 1, "answer": "MEL", "sure": ""})
        await until(quiz, phase="question", error=FAR, refusals=1)
        desk.there.set()
        room.join("c", "Cy")  # ends the wait
        await until(quiz, phase="question", error="", answer="")
        send(quiz, {"kind": "commit", "case": 1, "answer": "MEL", "sure": ""})
        await until(quiz, answer="MEL")
        quiz.close()
        room.reveal()

    lesson(act())


def test_a_desk_that_takes_its_time_blocks_nothing(room: Classroom) -> None:
    async def act() -> None:
        desk = Away(room)
        desk.there.set()
        quiz = ClassQuiz(desk)  # its view waits for a change that only this loop makes
        await until(quiz, phase="join")
        send(quiz, {"kind": "join", "learner": "Ada"})
        await until(quiz, phase="wait")
        quiz.close()
        room.start(1)

    lesson(act())


class Full(Away):
    """A class without a free seat."""

    def join(self, name: str) -> None:
        raise LesionvizError("The class is full.")


def test_a_name_that_is_refused_says_why_and_stays_to_be_changed(room: Classroom) -> None:
    async def act() -> None:
        desk = Full(room)
        desk.there.set()
        quiz = ClassQuiz(desk)
        await until(quiz, phase="join")
        for refusals in (1, 2):
            send(quiz, {"kind": "join", "learner": "Ada"})
            await until(quiz, phase="join", error="The class is full.", refusals=refusals)
        quiz.close()
        room.start(1)

    lesson(act())


def test_over_a_new_connection_everything_is_said_again(room: Classroom, quiz: ClassQuiz) -> None:
    sent: list[Any] = []
    quiz.panel.send = sent.append  # type: ignore[method-assign]
    send(quiz, {"kind": "say again"})
    assert sent == [{"kind": "said"}]


def test_a_learners_page_needs_no_torch() -> None:
    code = (
        "import sys; from lesionviz.game.class_desk import HereDesk; from lesionviz.game.classroom import Classroom; "
        "from lesionviz.widgets.quiz import ClassQuiz; room = Classroom(); room.join('a', 'Ada'); room.start(1); "
        "quiz = ClassQuiz(HereDesk(room, 'a', 0.01)); quiz.line.look(); assert quiz.panel.page['phase'] == 'question'; "
        "assert not {'torch', 'pandas', 'sklearn', 'distributed'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

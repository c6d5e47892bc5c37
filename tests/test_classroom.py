"""A class's quiz: who sees what and when, what counts, and what is refused."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import Item, QuizSet, Verdict
from lesionviz.game.class_desk import HereDesk, handle, keep_asking, newer
from lesionviz.game.classroom import Classroom, Wanted
from lesionviz.game.results import NO_ANSWER
from lesionviz.game.seats import MAX_SEATS
from lesionviz.imaging import LesionImage
from lesionviz.prediction import Prediction

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def blank(name: str) -> LesionImage:
    return LesionImage(Image.new("RGB", (64, 48)), name)


def gone(name: str) -> LesionImage:
    raise LesionvizError(f"{name} cannot be read any more.")


def pictures(read: Callable[[str], LesionImage] = blank, each: int = 2) -> QuizSet:
    names = [(code, f"zebra {code} {number}") for code in CODES for number in range(each)]
    return QuizSet("my cases", tuple(Item(name, code, name, read) for code, name in names))


def says(code: str, refusal: str = "") -> Verdict:
    return Verdict(Prediction(code, 0.7, dict.fromkeys(CODES, 0.1) | {code: 0.7}, "x", refusal))


@pytest.fixture
def room() -> Classroom:
    """A class with Ada and Ben, and eight cases to ask about."""
    room = Classroom(now=lambda: NOON)
    room.open(pictures())
    room.join("session of Ada", "Ada")
    room.join("session of Ben", "Ben")
    return room


def truth(room: Classroom) -> str:
    assert room.sitting.question is not None
    return room.sitting.question.item.truth


def other(code: str) -> str:
    return CODES[(CODES.index(code) + 1) % 4]


def ask_model(room: Classroom, code: str) -> None:
    wanted = room.wanted()
    assert wanted is not None
    room.enter(wanted.question, says(code))


# --- nothing is given away ------------------------------------------------------------------------------------------


def test_before_the_reveal_nobodys_view_depends_on_the_truth_on_the_model_or_on_the_set() -> None:
    seen = []
    for labels in (CODES, [*CODES[1:], CODES[0]]):
        room = Classroom(now=lambda: NOON)
        room.open(QuizSet("cases", tuple(Item(f"{i}.jpg", code, str(i), blank) for i, code in enumerate(labels))))
        room.join("a", "Ada")
        room.join("b", "Ben")
        room.start(4)
        room.version = 0
        ask_model(room, labels[2])
        room.commit("a", 1, "MEL")
        before = json.dumps([room.view("a"), room.view("b"), room.teacher_view()])
        assert room.seen(1) is None
        room.reveal()
        seen.append((before, json.dumps([room.view("a"), room.view("b")])))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]  # a difference does show when there is one


def test_a_learners_view_names_no_file_no_truth_and_no_other_learner_before_the_reveal(room: Classroom) -> None:
    room.start(8)
    ask_model(room, "BKL")
    room.commit("session of Ben", 1, "NV", "certain")
    room.commit("session of Ada", 1, "MEL", "guessing")
    packed = json.dumps(room.view("session of Ada"))
    for secret in ("zebra", "truth", "Ben", "NV", "BKL", "certain", "session", "verdict", "tally"):
        assert secret not in packed.replace('"fairly sure", "certain"]', "")
    assert room.view("session of Ada")["answer"] == "MEL"
    room.reveal()
    packed = json.dumps(room.view("session of Ada"))
    assert "Ben" not in packed
    assert "zebra" not in packed
    assert room.view("session of Ada")["truth"] == truth(room)


def test_a_session_without_a_name_learns_the_phase_and_nothing_else(room: Classroom) -> None:
    room.start(8)
    room.reveal()
    assert room.view("stranger") == {"version": room.version, "phase": "revealed", "name": "", "waiting": False}


def test_the_picture_is_the_same_for_everybody_at_most_1600_pixels_and_gone_with_its_case() -> None:
    room = Classroom()
    room.open(pictures(lambda name: LesionImage(Image.new("RGB", (4000, 3000)), name)))
    room.start(2)
    assert room.wanted().picture.name == "case 1"  # type: ignore[union-attr]
    photo = Image.open(io.BytesIO(room.picture(1)))
    assert (photo.format, photo.size) == ("JPEG", (1600, 1200))
    room.reveal()
    room.next_case()
    with pytest.raises(LesionvizError, match="Case 1 is not on view any more"):
        room.picture(1)
    room.finish()
    with pytest.raises(LesionvizError, match="Case 0"):
        room.picture(0)


# --- a quiz ---------------------------------------------------------------------------------------------------------


def test_a_whole_quiz_is_revealed_together_and_counted_by_hand(room: Classroom) -> None:
    assert room.view("session of Ada")["phase"] == "waiting"
    room.start(4, seed=3)
    for number in range(1, 5):
        view = room.view("session of Ada")
        assert (view["phase"], view["case"], view["of"], view["answered"], view["here"]) == (
            "question",
            number,
            4,
            0,
            2,
        )
        right = truth(room)
        room.commit("session of Ada", number, right, "certain")
        if number != 2:
            room.commit("session of Ben", number, other(right))
        ask_model(room, "MEL")
        room.reveal(number)
        view = room.view("session of Ben")
        tally = dict.fromkeys(CODES, 0) | {right: 1} | ({other(right): 1} if number != 2 else {})
        assert (view["phase"], view["truth"], view["tally"]) == ("revealed", right, tally)
        assert view["verdict"] == {"code": "MEL", "reason": "", "failed": False}
        assert view["answer"] == ("" if number == 2 else other(right))
        room.next_case(number)
    ada, ben = room.view("session of Ada"), room.view("session of Ben")
    assert ada["phase"] == ben["phase"] == "over"
    assert (ada["score"]["right"], ada["score"]["of"], ada["score"]["model"]["right"]) == (4, 4, 1)
    assert (ben["score"]["right"], ben["score"]["of"]) == (0, 3)
    assert [table["who"] for table in ada["matrices"]] == ["learner", "class", "model"]
    assert ada["matrices"][0]["counts"] == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert sum(map(sum, ada["matrices"][1]["counts"])) == 7
    assert [table["counts"] for table in ada["matrices"][2:]] == [[[0, 0, 1, 0, 0]] * 4]
    assert [one["case"] for one in ben["cases"]] == [1, 3, 4]


def test_the_teachers_matrices_and_scores_hold_revealed_cases_only(room: Classroom) -> None:
    room.start(8)
    room.commit("session of Ada", 1, truth(room))
    view = room.teacher_view()
    assert (view["matrices"], view["counted"], view["score"]) == ([], 0, {"right": 0, "of": 0})
    assert [(one["name"], one["answered"], one["of"]) for one in view["learners"]] == [
        ("Ada", True, 0),
        ("Ben", False, 0),
    ]
    assert "truth" not in view
    room.reveal()
    view = room.teacher_view()
    assert [(one["name"], one["right"], one["of"]) for one in view["learners"]] == [("Ada", 1, 1), ("Ben", 0, 0)]
    assert [table["who"] for table in view["matrices"]] == ["class", "model"]
    assert view["image"].startswith("zebra")


def test_who_comes_late_is_at_the_present_case_and_counted_from_there(room: Classroom) -> None:
    room.start(8)
    room.reveal()
    room.next_case()
    room.join("session of Cy", "Cy")
    view = room.view("session of Cy")
    assert (view["phase"], view["case"], view["here"], view["score"]["of"]) == ("question", 2, 3, 0)
    room.commit("session of Cy", 2, truth(room))
    room.reveal()
    assert room.view("session of Cy")["score"]["right"] == 1


def test_an_answer_stands_and_the_same_said_twice_is_said_once(room: Classroom) -> None:
    room.start(8)
    room.commit("session of Ada", 1, "MEL", "certain")
    version = room.version
    room.commit("session of Ada", 1, "MEL", "certain")  # its reply was lost
    assert room.version == version
    with pytest.raises(LesionvizError, match="You have answered MEL in case 1, and that stands"):
        room.commit("session of Ada", 1, "NV")
    room.reveal()
    room.commit("session of Ada", 1, "MEL", "certain")
    assert room.view("session of Ada")["answer"] == "MEL"
    assert len(room.sitting.answers) == 1


@pytest.mark.parametrize(
    ("learner", "case", "answer", "sure", "words"),
    [
        ("session of Ada", 2, "MEL", "", "Case 2 is not on view any more"),
        ("session of Ada", 0, "MEL", "", "Case 0 is not on view"),
        ("stranger", 1, "MEL", "", "Choose a name first"),
        ("session of Ada", 1, "melanom", "", "Did you mean MEL"),
        ("session of Ada", 1, "MEL", "very", "How sure"),
    ],
)
def test_a_commit_that_does_not_fit_is_refused_in_a_sentence(
    room: Classroom, learner: str, case: int, answer: str, sure: str, words: str
) -> None:
    room.start(8)
    version = room.version
    with pytest.raises(LesionvizError, match=words):
        room.commit(learner, case, answer, sure)
    assert (room.version, room.sitting.committed) == (version, {})


def test_a_commit_after_the_reveal_is_refused(room: Classroom) -> None:
    room.start(8)
    room.reveal()
    with pytest.raises(LesionvizError, match="Case 1 was revealed already, so your answer does not count"):
        room.commit("session of Ada", 1, "MEL")


def test_an_answer_to_the_same_case_of_an_earlier_quiz_is_refused(room: Classroom) -> None:
    room.start(8)
    earlier = room.view("session of Ada")["quiz"]
    room.finish()
    room.start(8, seed=1)
    with pytest.raises(LesionvizError, match="Case 1 is not on view any more"):
        room.commit("session of Ada", 1, "MEL", quiz=earlier)


def test_a_second_click_neither_reveals_nor_skips_another_case(room: Classroom) -> None:
    room.start(8)
    room.next_case(1)  # not revealed yet
    assert (room.phase, room.case) == ("question", 1)
    room.reveal(1)
    room.next_case(1)
    room.next_case(1)
    room.reveal(1)
    assert (room.phase, room.case) == ("question", 2)


def test_ending_early_counts_what_was_revealed_and_nothing_else(room: Classroom) -> None:
    room.start(8)
    room.finish()
    assert (room.phase, room.case) == ("waiting", 0)  # nothing was revealed: there are no results
    room.start(8)
    room.commit("session of Ada", 1, truth(room))
    room.reveal()
    room.next_case()
    room.commit("session of Ada", 2, truth(room))
    room.finish()
    view = room.view("session of Ada")
    assert (view["phase"], view["score"]["of"]) == ("over", 1)
    assert len(list(csv.reader(io.StringIO(room.csv())))) == 2


def test_pictures_that_cannot_be_opened_are_left_out_and_said(room: Classroom) -> None:
    items = pictures().items
    room.open(QuizSet("my cases", tuple(replace(item, read=gone) if item.truth != "NV" else item for item in items)))
    room.start(8)
    while room.phase == "question":
        assert truth(room) == "NV"
        room.reveal()
        room.next_case()
    assert room.phase == "over"
    assert len(room.teacher_view()["problems"]) == 6
    room.open(pictures(gone))
    with pytest.raises(LesionvizError, match=r"No picture of my cases can be opened\. case 1 cannot be read"):
        room.start(8)


def test_a_set_is_exchanged_between_quizzes_only_and_read_in_place(room: Classroom, tmp_path: Path) -> None:
    for code in CODES:
        (tmp_path / code).mkdir()
        draw_lesion(code, 1, (80, 60)).save(tmp_path / code / "one.jpg")
    before = sorted(tmp_path.rglob("*"))
    room.open(tmp_path)
    assert room.teacher_view()["set"]["source"] == str(tmp_path)
    room.start(4)
    with pytest.raises(LesionvizError, match="A quiz is running"):
        room.open(None)
    with pytest.raises(LesionvizError, match="A quiz is running"):
        room.start(4)
    assert sorted(tmp_path.rglob("*")) == before
    room.finish()
    with pytest.raises(LesionvizError, match="There is no folder"):
        room.open(tmp_path / "nowhere")
    assert room.teacher_view()["set"]["name"] == tmp_path.name
    room.open(None)
    assert room.teacher_view()["set"]["drawn"] is True


@pytest.mark.parametrize(
    ("cases", "seed", "words"), [(0, 0, "cases"), (201, 0, "cases"), (4, -1, "seed"), (True, 0, "c")]
)
def test_numbers_outside_their_limits_are_refused(room: Classroom, cases: int, seed: int, words: str) -> None:
    with pytest.raises(LesionvizError, match=words):
        room.start(cases, seed)
    assert room.phase == "waiting"


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_are_cleaned_bounded_and_told_apart(room: Classroom) -> None:
    for session, wish, expected in (
        ("1", " ADA\n\u202e ", "ADA (2)"),
        ("2", "Ａda", "Ａda (3)"),
        ("3", "", "Learner 5"),
        ("4", "x" * 500, "x" * 60),
    ):
        room.join(session, wish)
        assert room.view(session)["name"] == expected


def test_who_gets_another_name_than_he_typed_learns_why_as_long_as_he_has_it(room: Classroom) -> None:
    room.join("1", " ADA\n")
    assert room.view("1")["wished"] == "ADA"  # the room has an Ada already
    assert room.view("session of Ada")["wished"] == ""
    room.join("2", "")
    assert room.view("2")["wished"] == ""  # a number was promised
    room.join("1", "Eve")
    assert (room.view("1")["name"], room.view("1")["wished"]) == ("Eve", "")


def test_a_name_can_be_changed_until_something_was_answered_under_it(room: Classroom) -> None:
    room.join("session of Ada", "Ada Lovelace")
    room.join("session of Ada", "")  # keeps it
    assert [one["name"] for one in room.teacher_view()["learners"]] == ["Ben", "Ada Lovelace"]
    room.start(8)
    room.commit("session of Ada", 1, "MEL")
    with pytest.raises(LesionvizError, match="You are in the class as Ada Lovelace, and your answers stand"):
        room.join("session of Ada", "Eve")
    room.join("session of Ada", "ada lovelace")  # the same
    room.join("session of Ben", "Ada Lovelace")  # somebody else's
    assert room.view("session of Ben")["name"] == "Ada Lovelace (2)"
    assert room.view("session of Ben")["answer"] == ""


def test_who_has_left_is_not_waited_for_and_finds_the_seat_again(room: Classroom) -> None:
    room.start(8)
    room.commit("session of Ben", 1, "MEL")
    room.leave("session of Ada")
    assert room.view("session of Ben")["here"] == 1
    room.leave("session of Ben")
    assert room.teacher_view()["here"] == 1  # an answer is there, whoever left
    room.join("thief", "Ada")
    assert room.view("thief")["name"] == "Ada (2)"
    assert room.view("session of Ada")["name"] == "Ada"
    assert [one["here"] for one in room.teacher_view()["learners"]] == [True, False, True]


def test_a_new_quiz_forgets_answers_and_who_has_gone(room: Classroom) -> None:
    room.start(8)
    room.commit("session of Ada", 1, "MEL")
    room.reveal()
    room.finish()
    room.leave("session of Ben")
    room.start(8)
    assert [one["name"] for one in room.teacher_view()["learners"]] == ["Ada"]
    assert room.sitting.answers == []


def test_deleting_leaves_no_name_and_no_answer(room: Classroom) -> None:
    room.start(8)
    room.commit("session of Ada", 1, "MEL")
    room.reveal()
    room.delete()
    assert "Ada" not in json.dumps(room.teacher_view()) + room.csv()
    assert room.view("session of Ada") == {"version": room.version, "phase": "waiting", "name": "", "waiting": False}


def test_a_class_has_an_end(room: Classroom) -> None:
    for number in range(MAX_SEATS - 2):
        room.join(f"session {number}", "")
    with pytest.raises(LesionvizError, match="The class is full"):
        room.join("one more", "Zoe")


# --- the model ------------------------------------------------------------------------------------------------------


def test_the_model_is_asked_once_for_each_case_and_a_refusal_is_neither_right_nor_wrong(room: Classroom) -> None:
    room.start(8)
    room.commit("session of Ada", 1, truth(room))
    wanted = room.wanted()
    assert wanted is not None
    room.enter(wanted.question, says(truth(room), refusal="the picture is too blurred"))
    assert room.wanted() is None
    room.enter(wanted.question, says(other(truth(room))))  # it has spoken
    room.reveal()
    view = room.view("session of Ada")
    assert view["verdict"] == {"code": NO_ANSWER, "reason": "the picture is too blurred", "failed": False}
    assert view["score"]["model"] == {"right": 0, "none": 1, "waiting": 0, "of": 1}


def test_a_verdict_that_comes_after_the_reveal_is_entered_beside_every_answer(room: Classroom) -> None:
    room.start(8)
    for session in ("session of Ada", "session of Ben"):
        room.commit(session, 1, truth(room))
    late = room.wanted()
    assert late is not None
    room.reveal()
    assert room.view("session of Ada")["verdict"] is None
    room.next_case()
    room.enter(late.question, says("MEL"))
    assert [answer["model"] for answer in room.sitting.answers] == ["MEL", "MEL"]


def test_a_verdict_about_an_earlier_quiz_is_dropped(room: Classroom) -> None:
    room.start(8)
    old = room.wanted()
    assert old is not None
    room.finish()
    room.start(8)
    room.enter(old.question, says("MEL"))
    assert room.sitting.question is not None
    assert room.sitting.question.verdict is None


def test_what_the_model_saw_is_there_from_the_reveal_to_the_next_case(room: Classroom) -> None:
    first, more = object(), object()
    room.start(8)
    wanted = room.wanted()
    assert wanted is not None
    room.enter(wanted.question, replace(says("MEL"), case=first))  # type: ignore[arg-type]
    assert room.seen(1) is None
    room.reveal()
    assert room.seen(1) is first
    room.enter(wanted.question, replace(says("MEL"), case=more))  # type: ignore[arg-type]
    assert room.seen(1) is more
    assert room.seen(2) is None
    room.next_case()
    assert wanted.question.verdict is not None
    assert wanted.question.verdict.case is None


def test_the_model_is_asked_as_soon_as_a_case_is_on_view_and_its_failure_is_an_answer(room: Classroom) -> None:
    asked: list[str] = []

    async def examine(wanted: Wanted) -> Verdict:
        asked.append(wanted.picture.name)
        if len(asked) == 2:
            raise LesionvizError("The workers are gone.")
        return says("MEL")

    async def lesson() -> None:
        asking = asyncio.create_task(keep_asking(room, examine))
        for number in (1, 2):
            room.start(8) if number == 1 else room.next_case()
            while room.sitting.question.verdict is None:  # type: ignore[union-attr]
                await newer(room, room.version)
            room.reveal()
        asking.cancel()

    asyncio.run(asyncio.wait_for(lesson(), 60))
    assert asked == ["case 1", "case 2"]
    assert room.view("session of Ada")["verdict"] == {
        "code": NO_ANSWER,
        "reason": "The workers are gone.",
        "failed": True,
    }


# --- changes are heard ----------------------------------------------------------------------------------------------


def test_every_change_grows_the_version_and_is_told_after_it_was_made(room: Classroom) -> None:
    heard: list[int] = []
    release = room.listen(lambda: heard.append(room.version))
    moves: list[Callable[[], Any]] = [
        lambda: room.join("c", "Cy"),
        lambda: room.start(8),
        lambda: room.commit("c", 1, "MEL"),
        lambda: ask_model(room, "MEL"),
        room.reveal,
        room.next_case,
        lambda: room.leave("c"),
        room.finish,
        room.delete,
    ]
    for move in moves:
        before = room.version
        move()
        assert heard[-1] == room.version > before
    assert heard == sorted(set(heard))
    release()
    room.join("d", "Di")
    assert heard[-1] < room.version


def test_a_wait_ends_with_a_change_from_another_thread_or_with_patience(room: Classroom) -> None:
    async def waits(act: Callable[[], Awaitable[None]]) -> None:
        await asyncio.wait_for(act(), 60)

    async def changed() -> None:
        waiting = asyncio.create_task(newer(room, room.version, 1000))
        await asyncio.sleep(0)
        threading.Thread(target=room.start).start()
        await waiting

    asyncio.run(waits(changed))
    assert room.phase == "question"
    asyncio.run(waits(lambda: newer(room, room.version, 0.01)))
    asyncio.run(waits(lambda: newer(room, room.version - 1, 1000)))
    assert room._listeners == []


def test_two_classrooms_do_not_begin_at_the_same_version() -> None:
    assert len({Classroom().version for _ in range(3)}) == 3  # a page of an earlier server must not wait for this one


# --- the desk -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("commit", {}),
        ("commit", {"case": 1, "answer": "MEL", "sure": ""}),
        ("commit", {"case": True, "answer": "MEL", "sure": "", "quiz": 1}),
        ("commit", {"case": 1, "answer": ["MEL"], "sure": "", "quiz": 1}),
        ("commit", {"case": 1, "answer": "x" * 2000, "sure": "", "quiz": 1}),
        ("commit", {"case": 1, "answer": "MEL", "sure": "", "quiz": 2}),
        ("join", {"name": None}),
        ("join", {"name": "x" * 1_000_000}),
        ("picture", {"case": "1"}),
        ("reveal", {}),
        ("__class__", {}),
    ],
)
def test_a_request_that_is_none_is_refused(room: Classroom, name: str, body: dict[str, Any]) -> None:
    room.start(8)
    version = room.version
    with pytest.raises(LesionvizError):
        handle(room, "session of Ada", name, body)
    assert room.version == version


def test_a_desk_speaks_for_its_own_learner_only(room: Classroom) -> None:
    desk = HereDesk(room, "session of Ada", patience=0.01)
    room.start(8)
    desk.commit(1, truth(room), "certain", desk.view(0)["quiz"])
    assert list(room.sitting.committed) == ["Ada"]
    view = desk.view(0)
    assert (view["name"], view["answer"], view["sureness"]) == ("Ada", truth(room), "certain")
    assert desk.view(view["version"]) == view  # after its patience
    assert desk.picture(1) == room.picture(1)
    assert desk.case(1) is None
    desk.join("Ada")


def test_a_class_runs_without_torch_and_without_widgets() -> None:
    code = (
        "import sys; from lesionviz.game.classroom import Classroom; room = Classroom(); room.join('a', 'Ada'); "
        "room.start(2); room.commit('a', 1, 'MEL'); room.reveal(); room.teacher_view(); room.view('a'); room.csv(); "
        "assert not {'torch', 'ipywidgets', 'anywidget', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_csv_holds_every_answer_with_its_time_and_no_formula() -> None:
    room = Classroom(now=lambda: NOON)
    room.open(pictures())
    room.join("a", "=HYPERLINK(1)")
    room.join("b", "+1")
    room.start(1)
    room.commit("a", 1, "MEL", "certain")
    room.commit("b", 1, "NV")
    ask_model(room, "BKL")
    room.reveal()
    rows = list(csv.DictReader(io.StringIO(room.csv())))
    assert [(row["learner"], row["answer"], row["sure"], row["model"], row["time"]) for row in rows] == [
        ("'=HYPERLINK(1)", "MEL", "certain", "BKL", "2026-05-04T12:00:00+00:00"),
        ("'+1", "NV", "", "BKL", "2026-05-04T12:00:00+00:00"),
    ]
    assert rows[0]["truth"] in rows[0]["image"]

"""The file of a class's quiz: it survives restarts and kills, belongs to one person, and trusts nobody's bytes."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import Verdict
from lesionviz.game.class_store import VARIABLE, ClassStore
from lesionviz.game.classroom import Classroom
from lesionviz.prediction import Prediction


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "class.sqlite"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two lesions of each class."""
    for code in CODES:
        (tmp_path / "cases" / code).mkdir(parents=True)
        for seed in (1, 2):
            draw_lesion(code, seed, (80, 60)).save(tmp_path / "cases" / code / f"zebra{seed}.jpg")
    return tmp_path / "cases"


def opened(path: Path) -> Classroom:
    return Classroom(ClassStore(path))


def close(room: Classroom) -> None:
    assert room.store is not None
    room.store.close()


def lesson(path: Path, folder: Path) -> Classroom:
    """A class in its second case: in the first Ada was right and Ben wrong, in the second Ada has answered."""
    room = opened(path)
    room.join("a", "Ada")
    room.join("b", "Ben")
    room.open(folder)
    room.start(5, seed=7)
    assert room.sitting.question is not None
    truth = room.sitting.question.item.truth
    room.commit("a", 1, truth, "certain")
    room.commit("b", 1, CODES[(CODES.index(truth) + 1) % 4])
    room.reveal()
    room.next_case()
    room.commit("a", 2, "NV", "guessing")
    return room


def problem(room: Classroom) -> str:
    found: str = room.teacher_view()["file"]["problem"]
    return found


@pytest.mark.parametrize("move", ["", "reveal", "next_case", "finish"])
def test_a_quiz_goes_on_after_a_restart_where_it_was(path: Path, folder: Path, move: str) -> None:
    before = lesson(path, folder)
    if move == "next_case":
        before.reveal()
    if move:
        getattr(before, move)()
    close(before)
    after = opened(path)
    assert (after.phase, after.case, after.source) == (before.phase, before.case, str(folder))
    assert after.sitting.answers == before.sitting.answers
    assert after.sitting.committed == before.sitting.committed
    assert [q.item.name for q in after.sitting.questions] == [q.item.name for q in before.sitting.questions]
    if before.case:
        assert after.picture(after.case) == before.picture(before.case)


def test_a_learner_takes_his_seat_again_by_his_name_and_it_is_taken_once(path: Path, folder: Path) -> None:
    close(lesson(path, folder))
    after = opened(path)
    assert [one["here"] for one in after.teacher_view()["learners"]] == [False, False]
    assert after.view("new session")["waiting"] is True
    after.join("new session", " ada ")
    view = after.view("new session")
    assert (view["name"], view["answer"], view["score"]["right"]) == ("Ada", "NV", 1)
    after.join("another", "Ada")
    assert after.view("another")["name"] == "Ada (2)"
    after.join("b's", "Ben")
    after.commit("b's", 2, "MEL")
    close(after)
    assert set(opened(path).sitting.committed) == {"Ada", "Ben"}


def test_after_a_restart_the_model_is_asked_again_about_what_counts(path: Path, folder: Path) -> None:
    close(lesson(path, folder))
    after = opened(path)
    asked = []
    while (wanted := after.wanted()) is not None:
        asked.append(wanted.picture.name)
        after.enter(wanted.question, Verdict(Prediction("MEL", 0.7, dict.fromkeys(CODES, 0.25), "x")))
    assert asked == ["case 2", "case 1"]
    assert {answer["model"] for answer in after.sitting.answers} == {"MEL"}


def test_a_quiz_whose_pictures_have_changed_does_not_go_on_and_says_so(path: Path, folder: Path) -> None:
    close(lesson(path, folder))
    for code in CODES:
        (folder / code / "zebra1.jpg").rename(folder / code / "other.jpg")
    after = opened(path)
    assert after.phase == "waiting"
    assert "The pictures are not what they were" in after.teacher_view()["lost"]
    close(after)
    for code in CODES:
        (folder / code / "other.jpg").rename(folder / code / "zebra1.jpg")
    again = opened(path)
    assert (again.phase, again.case, again.teacher_view()["lost"]) == ("question", 2, "")
    close(again)
    folder.rename(folder.parent / "moved")
    assert "There is no folder" in opened(path).teacher_view()["lost"]


def test_the_file_holds_names_choices_and_times_and_no_session_truth_or_picture(path: Path, folder: Path) -> None:
    room = opened(path)
    room.join("0123456789abcdef", "Ada")
    room.open(folder)
    room.start(8)
    room.commit("0123456789abcdef", 1, "MEL", "certain")
    room.reveal()
    close(room)
    data = b"".join(part.read_bytes() for part in path.parent.iterdir())
    assert b"Ada" in data
    assert b"MEL" in data
    for absent in (b"0123456789abcdef", b"zebra", b"BCC", b"BKL", b"NV", b"JFIF"):
        assert absent not in data


def test_the_file_and_what_lies_beside_it_belong_to_this_user_alone(path: Path, folder: Path) -> None:
    mask = os.umask(0)
    try:
        room = lesson(path, folder)
    finally:
        os.umask(mask)
    beside = list(path.parent.iterdir())
    assert len(beside) > 1  # the write-ahead log, too
    assert {stat.S_IMODE(part.stat().st_mode) for part in beside} == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    close(room)
    path.chmod(0o644)
    close(opened(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_deleting_takes_the_file_away_and_the_next_quiz_makes_another(path: Path, folder: Path) -> None:
    room = lesson(path, folder)
    room.delete()
    assert list(path.parent.iterdir()) == []
    assert problem(room) == ""
    room.join("a", "Ada")
    close(room)
    assert [seat.name for seat in opened(path).seats.all.values()] == ["Ada"]


def test_answers_to_a_case_that_was_never_revealed_are_not_kept(path: Path, folder: Path) -> None:
    room = lesson(path, folder)
    room.finish()
    close(room)
    again = opened(path)
    assert (again.phase, [answer["case"] for answer in again.sitting.answers]) == ("over", [1, 1])


CHILD = """
import itertools, sys
from pathlib import Path
from lesionviz.game.class_store import Choice, ClassStore
from lesionviz.game.classroom import Classroom
room = Classroom(ClassStore(Path(sys.argv[1])))
room.start(4)
for number in itertools.count():
    room.join(str(number), f"Learner of session {number}")
    room.commit(str(number), 1, "MEL")
    print(number, flush=True)
"""


def test_a_kill_in_the_middle_of_commits_loses_none_that_was_confirmed(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if line == "40\n":
            break
    child.send_signal(signal.SIGKILL)
    confirmed = int(["40", *child.stdout.read().split()][-1])
    child.wait()
    child.stdout.close()
    room = opened(path)
    assert problem(room) == ""
    assert (room.phase, room.case) == ("question", 1)
    names = {f"Learner of session {number}" for number in range(confirmed + 1)}
    assert names <= set(room.sitting.committed) <= {seat.name for seat in room.seats.all.values()}


def test_a_full_disk_is_said_and_the_quiz_goes_on_in_memory(path: Path) -> None:
    room = opened(path)
    room.start(4)
    assert room.store is not None
    assert room.store._db is not None
    pages = room.store._db.execute("PRAGMA page_count").fetchone()[0]
    room.store._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own way to have no room left
    for number in range(200):
        room.join(str(number), f"{number:060}")
    assert "database or disk is full" in problem(room)
    assert "goes on in memory" in problem(room)
    room.commit("199", 1, "MEL")
    room.reveal()
    assert room.view("199")["phase"] == "revealed"
    room.delete()
    assert not path.exists()
    assert problem(room) == ""


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    room = opened(tmp_path / "file" / "class.sqlite")
    room.join("a", "Ada")
    room.start(4)
    assert "cannot be written to" in problem(room)
    assert room.view("a")["phase"] == "question"


def test_a_second_server_leaves_the_file_to_the_first(path: Path, folder: Path) -> None:
    first = lesson(path, folder)
    second = opened(path)
    assert "in use by another server" in problem(second)
    second.join("x", "Eve")
    second.start(4)
    second.delete()
    first.commit("b", 2, "MEL")
    close(first)
    assert set(opened(path).sitting.committed) == {"Ada", "Ben"}


def foreign_text(path: Path) -> None:
    path.write_text("my thesis\n" * 1000)


def foreign_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE thesis (chapter TEXT)")


def write_ours(path: Path) -> None:
    store = ClassStore(path)
    store.joined("Ada", "now")
    store.close()


def with_a_trigger(path: Path) -> None:
    write_ours(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TRIGGER spy AFTER INSERT ON answer BEGIN DELETE FROM learner; END")


def with_a_strange_value(path: Path) -> None:
    write_ours(path)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO answer VALUES ('Ada', 1, '<script>', '', '')")


def cut_short(path: Path) -> None:
    write_ours(path)
    path.write_bytes(path.read_bytes()[:5000])


def link(path: Path) -> None:
    elsewhere = path.parent / "elsewhere"
    elsewhere.write_text("")
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "write", [foreign_text, foreign_database, with_a_trigger, with_a_strange_value, cut_short, link, Path.mkdir]
)
def test_a_file_that_is_not_ours_is_left_as_it_is_and_said(path: Path, write: Callable[[Path], None]) -> None:
    path.parent.mkdir()
    write(path)
    before = path.read_bytes() if path.is_file() else b""
    room = opened(path)
    assert "is not a file that lesionviz wrote" in problem(room)
    room.join("a", "Ada")
    room.start(4)
    room.commit("a", 1, "MEL")
    room.delete()
    assert path.exists()
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    room = opened(path)
    room.join("a", "Ada")
    assert problem(room) == ""
    close(room)
    assert list(opened(path).seats.all) == ["Ada"]


def test_where_the_file_lies_is_said_and_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "chosen.sqlite"))
    assert Classroom(ClassStore()).teacher_view()["file"] == {"path": str(tmp_path / "chosen.sqlite"), "problem": ""}
    assert not (tmp_path / "chosen.sqlite").exists()  # before there is anything to keep
    assert Classroom().teacher_view()["file"]["path"] == ""
    with pytest.raises(LesionvizError):
        Classroom(ClassStore()).start(0)

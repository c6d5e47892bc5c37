"""A reader study without its page: who sees what, what is kept and when, and what never comes out."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import lesionviz
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import Item, QuizSet, Verdict
from lesionviz.game.results import NO_ANSWER
from lesionviz.game.study import CONSENT, SURE, Design, StudyCase, half, misled, wrong_cases, wrong_count
from lesionviz.game.study_session import StudySession
from lesionviz.game.study_store import StudyStore
from lesionviz.game.study_table import COLUMNS, answers_csv, design_csv
from lesionviz.imaging import LesionImage
from lesionviz.prediction import Prediction

TRUTHS = st.lists(st.sampled_from(CODES), min_size=2, max_size=60)
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0, 0.5)


@dataclass
class Clock:
    """Seconds that go forward when a test says so."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def blank(name: str) -> LesionImage:
    return LesionImage(Image.new("RGB", (64, 64)), name)


def pictures(each: int = 2, read: Callable[[str], LesionImage] = blank) -> QuizSet:
    """So many lesions of each class, named after it."""
    names = [(code, f"{code} {number}") for code in CODES for number in range(each)]
    return QuizSet("my cases", tuple(Item(name, code, name, read) for code, name in names))


def says(code: str, second: str = "", refusal: str = "") -> Prediction:
    shares = dict.fromkeys(CODES, 0.1) | {code: 0.6}
    if second:
        shares[second] = 0.2
    return Prediction(code, 0.6, shares, "x", refusal)


def design(truths: list[str], seed: int, share: float) -> Design:
    wrong = wrong_cases(truths, share, seed)
    cases = tuple(StudyCase(n, f"image {n}", truth, n in wrong) for n, truth in enumerate(truths, 1))
    return Design(seed, share, CONSENT, "x", False, cases)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "study.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(path: Path, clock: Clock | None = None, each: int = 2) -> StudySession:
    return StudySession(StudyStore(path), pictures(each), clock or Clock())


def begun(path: Path, clock: Clock | None = None, share: float = 0.0, each: int = 2) -> StudySession:
    session = opened(path, clock, each)
    session.begin(8, 7, share, CONSENT)
    return session


def read_on(session: StudySession, answer: str = "", most: int = 1000, model: str = "MEL") -> None:
    """Answer the next cases, rightly where no answer is given; the model says one and the same."""
    for _ in range(most):
        if session.phase == "waiting":
            assert session.reads is not None
            session.enter(session.reads, Verdict(says(model)), "c77bbee6")
        if session.phase != "case":
            return
        assert session.reads is not None
        session.commit(answer or session.reads.case.truth, SURE[2])


def whole_reader(session: StudySession, name: str, answer: str = "") -> None:
    session.invite()
    session.agree(name)
    read_on(session, answer)
    session.leave()


def finished(path: Path, share: float = 0.0) -> StudySession:
    """A study that two readers have gone through, and that was closed."""
    session = begun(path, share=share)
    whole_reader(session, "Ada")
    whole_reader(session, "Ben", "NV")
    session.end()
    return session


# --- the design -----------------------------------------------------------------------------------------------------


@given(TRUTHS, SEEDS, SHARES, st.integers(1, 12))
def test_over_readers_each_case_is_seen_as_often_with_the_ai_as_without(
    truths: list[str], seed: int, share: float, readers: int
) -> None:
    study = design(truths, seed, share)
    seen = Counter((turn.case, turn.with_ai) for place in range(readers) for turn in study.turns(place))
    for case in study.cases:
        with_ai, without = seen[case.number, True], seen[case.number, False]
        assert with_ai + without == readers  # each reader sees each case once
        assert abs(with_ai - without) == readers % 2


@given(TRUTHS, SEEDS, SHARES, st.integers(0, 9))
def test_each_reader_sees_half_of_the_cases_with_the_ai_and_half_of_those_in_which_it_is_wrong(
    truths: list[str], seed: int, share: float, place: int
) -> None:
    study = design(truths, seed, share)
    turns = study.turns(place)
    assert sorted(turn.case for turn in turns) == list(range(1, len(truths) + 1))
    wrong = {case.number for case in study.cases if case.wrong}
    kinds = [(1, turns), (1, [turn for turn in turns if turn.case in wrong])]
    kinds += [(2 if wrong else 1, [turn for turn in turns if truths[turn.case - 1] == code]) for code in CODES]
    for most, chosen in kinds:
        with_ai = sum(turn.with_ai for turn in chosen)
        assert abs(2 * with_ai - len(chosen)) <= most


@given(TRUTHS, SEEDS, SHARES)
def test_exactly_the_share_of_cases_that_was_wished_for_has_a_wrong_ai(
    truths: list[str], seed: int, share: float
) -> None:
    found = wrong_cases(truths, share, seed)
    assert len(found) == wrong_count(len(truths), share)
    assert found <= set(range(1, len(truths) + 1))
    assert abs(len(found) - share * len(truths)) <= 0.5
    assert wrong_cases(truths, share, seed) == found  # the recorded seed makes it again


def test_shares_are_rounded_by_hand() -> None:
    assert [wrong_count(20, share) for share in (0, 0.1, 0.12, 0.125, 0.5)] == [0, 2, 2, 3, 10]


def test_another_pair_of_readers_has_another_half_and_another_order() -> None:
    study = design(list(CODES) * 6, 1, 0)
    orders = [[turn.case for turn in study.turns(place)] for place in range(4)]
    assert len({tuple(order) for order in orders}) == 4
    truths = [case.truth for case in study.cases]
    assert half(truths, (), 1, 0) != half(truths, (), 1, 1)


@given(
    st.sampled_from(CODES),
    st.permutations([0.5, 0.3, 0.15, 0.05]),
    st.sampled_from(["", "the picture is too blurred"]),
)
def test_a_wrong_ai_names_the_most_probable_false_diagnosis_whatever_the_model_says(
    truth: str, shares: list[float], refusal: str
) -> None:
    own = dict(zip(CODES, shares, strict=True))
    shown = misled(Prediction(max(own, key=own.__getitem__), 0.5, own, "x", refusal), truth)
    false = {code: share for code, share in own.items() if code != truth}
    assert shown.diagnosis == max(false, key=false.__getitem__)
    assert shown.confidence == shown.probabilities[shown.diagnosis] == 0.5
    assert sorted(shown.probabilities.values()) == sorted(shares)
    assert shown.refusal == ""


def test_a_wrong_ai_by_hand() -> None:
    shown = misled(says("MEL", second="NV"), "MEL")
    assert (shown.diagnosis, dict(shown.probabilities)) == ("NV", {"BCC": 0.1, "BKL": 0.1, "MEL": 0.2, "NV": 0.6})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cases": 1}, "cases"),
        ({"cases": True}, "cases"),
        ({"seed": -1}, "seed"),
        ({"share": 0.6}, "share"),
        ({"share": float("nan")}, "share"),
        ({"share": True}, "share"),
        ({"consent": " \n"}, "consent"),
        ({"consent": "x" * 10_001}, "consent"),
    ],
)
def test_a_study_of_other_numbers_is_refused_and_none_begins(
    options: dict[str, object], words: str, path: Path
) -> None:
    session = opened(path)
    with pytest.raises(LesionvizError, match=words):
        session.begin(**({"cases": 8, "seed": 0, "share": 0.0, "consent": "x"} | options))  # type: ignore[arg-type]
    assert session.phase == "setup"
    assert not path.exists()


def test_a_study_with_a_picture_that_cannot_be_opened_does_not_begin(path: Path) -> None:
    def gone(name: str) -> LesionImage:
        raise LesionvizError(f"{name} is damaged.")

    items = pictures().items
    broken = QuizSet("x", (*items[:-1], Item("NV 1", "NV", "NV 1", gone)))
    with pytest.raises(LesionvizError, match="NV 1 is damaged"):
        StudySession(StudyStore(path), broken).begin(8, 0, 0.0, CONSENT)
    assert not path.exists()


# --- consent and withdrawal -----------------------------------------------------------------------------------------


def test_nothing_is_recorded_before_a_reader_agrees(path: Path) -> None:
    session = begun(path)
    before = path.read_bytes()
    session.invite()
    assert session.phase == "consent"
    session.commit("MEL", SURE[0])
    session.pause()
    session.go_on(0)
    session.decline()
    assert session.phase == "desk"
    session.agree("Ada")  # not asked
    assert session.kept is not None
    assert (session.kept.readers, session.kept.readings) == ((), ())
    assert path.read_bytes() == before


@pytest.mark.parametrize("when", ["at a case", "waiting", "paused", "later", "after the debrief"])
def test_a_withdrawal_leaves_no_row_and_no_byte_of_the_name(path: Path, when: str) -> None:
    session = begun(path)
    whole_reader(session, "Ben")
    session.invite()
    session.agree("Zaphod Beeblebrox")
    while when == "waiting" and session.phase != "waiting":
        read_on(session, most=1)
    if when != "waiting":
        read_on(session, most=3)
        while session.phase != "case":
            read_on(session, most=0)
            assert session.reads is not None
            session.enter(session.reads, Verdict(says("NV")))
    if when == "paused":
        session.pause()
    if when in {"later", "after the debrief"}:
        session.leave()
    if when == "after the debrief":
        session.end()
        session.debriefed()
    assert b"Beeblebrox" in path.read_bytes()
    session.withdraw(1)
    assert session.phase == ("results" if when == "after the debrief" else "desk")
    session.store.close()
    for file in path.parent.iterdir():
        assert b"Beeblebrox" not in file.read_bytes()
    db = sqlite3.connect(path)
    for table in ("reader", "turn", "look", "answer"):
        assert db.execute(f"SELECT count(*) FROM {table} WHERE place = 1").fetchone() == (0,)
        assert db.execute(f"SELECT count(*) FROM {table} WHERE place = 0").fetchone() != (0,)
    db.close()
    again = opened(path)
    assert again.kept is not None
    assert ([reader.name for reader in again.kept.readers], again.kept.withdrawn) == (["Ben"], 1)


def test_what_a_page_still_shows_of_somebody_who_withdrew_elsewhere_is_not_kept(path: Path) -> None:
    one = begun(path)
    one.invite()
    one.agree("Ada")
    other = opened(path)
    other.withdraw(0)
    read_on(one, "NV")
    assert one.phase == "desk"
    assert one.kept is not None
    assert (one.kept.readers, one.kept.looks, one.kept.readings) == ((), {}, ())


def test_the_next_reader_takes_the_place_of_who_withdrew_so_that_the_balance_holds(path: Path) -> None:
    session = begun(path)
    for name in ("Ada", "Ben", "Cem"):
        session.invite()
        session.agree(name)
        session.leave()
    session.withdraw(1)
    session.invite()
    session.agree("Dan")
    assert session.reads is not None
    assert session.reads.reader.place == 1


def test_names_are_printable_short_and_told_apart(path: Path) -> None:
    session = begun(path)
    for wish in (" Ada\n\u202e ", "ada", "", "x" * 500):
        session.invite()
        session.agree(wish)
        session.leave()
    assert session.kept is not None
    assert [reader.name for reader in session.kept.readers] == ["Ada", "ada (2)", "Reader 3", "x" * 60]


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_reader_sees_each_case_once_and_what_was_shown_is_kept_beside_the_answer(path: Path) -> None:
    session = finished(path)
    session.debriefed()
    rows = list(csv.DictReader(io.StringIO(answers_csv(session.kept))))  # type: ignore[arg-type]
    assert list(rows[0]) == list(COLUMNS)
    for name in ("Ada", "Ben"):
        own = [row for row in rows if row["reader"] == name]
        assert sorted(int(row["case"]) for row in own) == list(range(1, 9))
        assert [int(row["position"]) for row in own] == list(range(1, 9))
        assert sum(row["with_ai"] == "True" for row in own) == 4
    for row in rows:
        shown = row["with_ai"] == "True"
        assert (row["ai"], row["model"], row["network"]) == (("MEL", "MEL", "c77bbee6") if shown else ("", "", ""))
        assert row["ai_probability"] == ("0.6" if shown else "")
        assert (row["sure"], row["ai_made_wrong"]) == ("3", "False")
        assert row["answer"] == (row["truth"] if row["reader"] == "Ada" else "NV")


def test_where_the_ai_is_made_wrong_it_is_and_elsewhere_it_says_what_the_model_says(path: Path) -> None:
    session = begun(path, share=0.25)
    for name in ("Ada", "Ben"):
        session.invite()
        session.agree(name)
        while session.phase != "done":
            if session.phase == "waiting":
                assert session.reads is not None
                session.enter(
                    session.reads, Verdict(says(session.reads.case.truth, "BKL", "the picture is too blurred"))
                )
            read_on(session, "NV", most=1)
        session.leave()
    session.end()
    session.debriefed()
    table = lesionviz.read_study(path)
    wrong = table[table["ai_made_wrong"]]
    assert (
        len(wrong) == wrong["case"].nunique() == 2
    )  # a quarter of eight, each seen with the AI by one of two readers
    assert (wrong["ai"] != wrong["truth"]).all()
    assert wrong["ai"].isin(CODES).all()  # although the model refused
    others = table[table["with_ai"] & ~table["ai_made_wrong"]]
    assert set(others["ai"]) == {NO_ANSWER}
    assert set(others["reason"]) == {"the picture is too blurred"}


def test_a_case_with_the_ai_waits_for_it_and_the_clock_begins_when_both_are_there(path: Path, clock: Clock) -> None:
    session = begun(path, clock)
    session.invite()
    session.agree("Ada")
    while session.phase != "waiting":
        clock.now += 2.5
        read_on(session, "NV", most=1)
    assert session.reads is not None
    number = session.reads.case.number
    clock.now += 60  # the model is slow
    session.commit("NV", SURE[0])
    assert session.phase == "waiting"  # nothing is on view that could be answered
    session.enter(session.reads, Verdict(failure="The model is gone."))
    clock.now += 4
    session.commit("NV", SURE[0])
    assert session.kept is not None
    assert session.kept.looks[0, number].seconds == 4
    (kept,) = [one for one in session.kept.readings if one.number == number]
    assert (kept.ai, kept.probability, kept.reason) == (NO_ANSWER, None, "The model is gone.")
    assert {look.seconds for (_, other), look in session.kept.looks.items() if other != number} <= {0.0, 2.5}


def test_the_clock_stands_while_a_reader_pauses_or_is_away_and_a_lost_page_is_counted(
    path: Path, clock: Clock
) -> None:
    session = begun(path, clock)
    session.invite()
    session.agree("Ada")
    while session.phase != "case":
        assert session.reads is not None
        session.enter(session.reads, Verdict(says("NV")))
    assert session.reads is not None
    first = session.reads.case.number
    clock.now += 3
    session.pause()
    assert session.reads.picture is None
    clock.now += 1000
    session.resume()
    clock.now += 4
    session.leave()
    clock.now += 1000
    session.go_on(0)
    while session.phase != "case":
        session.enter(session.reads, Verdict(says("NV")))
    clock.now += 5
    session.store.close()  # the page is gone, and these five seconds with it

    again = opened(path, clock)
    again.go_on(0)
    while again.phase != "case":
        assert again.reads is not None
        again.enter(again.reads, Verdict(says("NV")))
    assert again.reads is not None
    assert again.reads.case.number == first
    clock.now += 6
    again.commit("NV", SURE[4])
    assert again.kept is not None
    look = again.kept.looks[0, first]
    assert (look.seconds, look.pauses, look.lost, look.running) == (13, 2, 1, False)


def test_a_reader_goes_on_after_a_restart_with_the_cases_that_are_left(path: Path) -> None:
    session = begun(path)
    session.invite()
    session.agree("Ada")
    read_on(session, "NV", most=3)
    assert session.kept is not None
    done = {one.number for one in session.kept.readings}
    session.store.close()
    again = opened(path)
    again.go_on(0)
    read_on(again, "NV")
    assert again.phase == "done"
    assert again.kept is not None
    assert len(done) == 3
    assert sorted(one.number for one in again.kept.readings) == list(range(1, 9))


def test_an_answer_stands_and_other_words_are_refused(path: Path) -> None:
    session = begun(path)
    session.invite()
    session.agree("Ada")
    while session.phase != "case":
        assert session.reads is not None
        session.enter(session.reads, Verdict(says("NV")))
    for answer, sure, words in (
        ("melanom", SURE[0], "melanom"),
        ("MEL", "", "How sure"),
        ("MEL", "certain", "How sure"),
    ):
        with pytest.raises(LesionvizError, match=words):
            session.commit(answer, sure)
    assert session.kept is not None
    assert session.kept.readings == ()
    other = opened(path)
    other.go_on(0)
    for one, answer in ((session, "MEL"), (other, "NV")):
        while one.phase != "case":
            assert one.reads is not None
            one.enter(one.reads, Verdict(says("NV")))
        one.commit(answer, SURE[0])
    assert other.kept is not None
    assert [one.code for one in other.kept.readings] == ["MEL"]


def test_a_study_without_its_pictures_says_where_they_come_from_and_loses_nothing(path: Path) -> None:
    whole_reader(begun(path), "Ada")
    other = QuizSet("others", tuple(Item(f"other {code}", code, code, blank) for code in CODES))
    session = StudySession(StudyStore(path), other)
    assert session.missing == 8
    session.invite()
    with pytest.raises(LesionvizError, match="my cases"):
        session.agree("Ben")
    assert session.phase == "desk"
    session.pictures = pictures()
    session.go_on(1)
    read_on(session)
    assert session.phase == "done"


# --- what comes out -------------------------------------------------------------------------------------------------


def test_no_export_before_the_debrief(path: Path) -> None:
    session = begun(path)
    session.end()
    session.debriefed()
    assert session.phase == "desk"  # nobody has answered: nothing to end
    whole_reader(session, "Ada")
    for phase in ("desk", "debrief"):
        assert session.phase == phase
        assert session.kept is not None
        for export in (answers_csv, design_csv):
            with pytest.raises(LesionvizError, match="debrief"):
                export(session.kept)
        with pytest.raises(LesionvizError, match="debrief"):
            lesionviz.read_study(path)
        session.end()
    session.debriefed()
    assert session.phase == "results"
    assert len(lesionviz.read_study(path)) == 8


def test_a_closed_study_takes_no_reader_and_no_answer(path: Path) -> None:
    one = begun(path)
    one.invite()
    one.agree("Ada")
    read_on(one, most=2)
    other = opened(path)
    other.end()
    read_on(one, most=1)
    assert one.phase == "debrief"
    assert one.kept is not None
    assert len(one.kept.readings) == 2
    one.go_on(0)
    one.invite()
    assert one.phase == "debrief"
    with pytest.raises(LesionvizError, match="No study is open"):
        one.store.join("Ben", "")


def test_the_table_is_the_same_from_the_studys_file_and_from_its_csv(path: Path, tmp_path: Path) -> None:
    session = finished(path, share=0.25)
    session.debriefed()
    assert session.kept is not None
    saved = tmp_path / "answers.csv"
    saved.write_text("\ufeff" + answers_csv(session.kept), encoding="utf-8", newline="")
    own, other = lesionviz.read_study(path), lesionviz.read_study(saved)
    assert own.astype(str).to_dict() == other.astype(str).to_dict()
    assert lesionviz.study_results(own, draws=50).figures == lesionviz.study_results(other, draws=50).figures
    design_rows = {row["name"]: row["value"] for row in csv.DictReader(io.StringIO(design_csv(session.kept)))}
    assert (design_rows["seed"], design_rows["share_ai_made_wrong"], design_rows["readers"]) == ("7", "0.25", "2")
    assert len(design_rows["cases_ai_made_wrong"].split()) == 2


@pytest.mark.parametrize(
    ("column", "value"), [("with_ai", "ja"), ("ai_made_wrong", ""), ("sure", "certain"), ("seconds", "long")]
)
def test_a_table_that_somebody_has_spoilt_is_refused_by_its_column(
    column: str, value: str, path: Path, tmp_path: Path
) -> None:
    session = finished(path)
    session.debriefed()
    table = lesionviz.read_study(path).astype(str)
    table.loc[3, column] = value
    table.to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(LesionvizError, match=column):
        lesionviz.read_study(tmp_path / "answers.csv")


def test_who_saw_what_is_kept_and_not_drawn_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = finished(path)
    before.debriefed()
    table = lesionviz.read_study(path)
    monkeypatch.setattr(Design, "turns", lambda *_: [])  # as if another version of NumPy drew others
    assert lesionviz.read_study(path).equals(table)


def test_names_are_no_formulas_in_the_file(path: Path) -> None:
    session = begun(path)
    whole_reader(session, "=HYPERLINK(1)")
    session.end()
    session.debriefed()
    assert session.kept is not None
    (name,) = {row["reader"] for row in csv.DictReader(io.StringIO(answers_csv(session.kept)))}
    assert name == "'=HYPERLINK(1)"


@pytest.mark.parametrize("content", [b"", b"name,value\r\nseed,1\r\n", b"\x00\xff\x00", b"SQLite format 3\x00rest"])
def test_a_file_that_is_no_study_is_refused_in_words_and_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(LesionvizError, match=r"x\.csv"):
        lesionviz.read_study(file)
    assert file.read_bytes() == content
    with pytest.raises(LesionvizError, match="No reader study lies in"):
        lesionviz.read_study(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answer SET code = 'SCC'",
        "UPDATE answer SET sure = 9",
        "UPDATE answer SET place = place + 5",
        "UPDATE look SET seconds = -1.0",
        "UPDATE look SET seconds = 'long'",
        "UPDATE reader SET name = 'a' || char(10) || 'b'",
        "UPDATE study SET share = 2.0",
        "UPDATE study SET consent = x'00'",
        "UPDATE cases SET truth = 'SCC' WHERE number = 1",
        "DELETE FROM cases WHERE number = 1",
        "DELETE FROM turn WHERE position = 1",
        "UPDATE turn SET number = 1",
        "UPDATE turn SET place = place + 5",
        "INSERT INTO study SELECT * FROM study",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_a_file_that_somebody_has_changed_is_not_believed(path: Path, change: str) -> None:
    session = finished(path)
    session.store.close()
    db = sqlite3.connect(path)
    db.execute(change)
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(LesionvizError, match="not a file that lesionviz wrote for a reader study"):
        opened(path)
    assert path.read_bytes() == before


def test_a_study_is_deleted_only_when_it_has_ended_or_nobody_has_joined(path: Path) -> None:
    session = begun(path)
    session.invite()
    session.agree("Ada")
    session.delete()
    session.leave()
    session.delete()
    assert path.exists()
    session.withdraw(0)
    session.delete()
    assert not path.exists()
    assert session.phase == "setup"


def test_a_file_that_cannot_be_kept_is_said_and_no_answer_counts(path: Path) -> None:
    session = begun(path)
    session.invite()
    session.agree("Ada")
    read_on(session, "NV", most=2)
    while session.phase != "case":
        assert session.reads is not None
        session.enter(session.reads, Verdict(says("NV")))
    assert session.store._db is not None
    session.store._db.execute("PRAGMA query_only = ON")  # as on a disk that was mounted for reading
    with pytest.raises(LesionvizError, match="cannot be written to"):
        session.commit("NV", SURE[0])
    assert len(opened(path).kept.readings) == 2  # type: ignore[union-attr]

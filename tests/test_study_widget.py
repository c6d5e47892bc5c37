"""A reader study on its page: what a reader gets to see and when, and what a stranger may send."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lesionviz.case import Case
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import Item, QuizSet
from lesionviz.game.study import CONSENT, SURE
from lesionviz.game.study_store import VARIABLE, StudyStore
from lesionviz.imaging import LesionImage
from lesionviz.widgets import ReaderStudy
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.quiz.room import QuizRoom

BEGIN = {"kind": "begin", "cases": 8, "seed": 3, "share": 0.25, "consent": CONSENT}


def pictures(each: int = 2) -> QuizSet:
    """So many lesions of each class, each of another grey, named after it."""

    def grey(level: int) -> LesionImage:
        return LesionImage(Image.new("RGB", (64, 48), (level, 90, 80)), "x")

    def read_as(level: int) -> Any:
        return lambda name: LesionImage(grey(level).pixels, name)

    names = [(code, f"zebra {code} {number}") for code in CODES for number in range(each)]
    items = [Item(name, code, name, read_as(10 * level)) for level, (code, name) in enumerate(names)]
    return QuizSet("my cases", tuple(items))


class Counting(LesionClassifier):
    """Remembers which pictures it was asked about."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self.asked: list[str] = []

    def examine(self, image: Any) -> Case:
        self.asked.append(image.name)
        return super().examine(image)


@pytest.fixture(scope="module")
def model(small_checkpoint: Checkpoint) -> Counting:
    return Counting(small_checkpoint)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.sqlite"


@pytest.fixture
def study(model: Counting, path: Path) -> Iterator[ReaderStudy]:
    model.asked.clear()
    study = ReaderStudy(pictures(), model, path)
    yield study
    study.close()


def page(study: ReaderStudy) -> dict[str, Any]:
    return dict(study.panel.page)


def send(study: Any, content: Any) -> None:
    """Deliver a message as the browser's side does."""
    study.panel._handle_custom_msg(content, [])


def read_on(study: ReaderStudy, most: int = 1000) -> None:
    """Answer the next cases with the last steps of both scales."""
    for _ in range(most):
        if page(study)["phase"] != "case":
            return
        send(study, {"kind": "commit", "case": page(study)["case"], "answer": "NV", "sure": SURE[-1]})


def finish(study: ReaderStudy) -> None:
    """Set up a study, let two readers go through it, close it, and show the debrief."""
    send(study, BEGIN)
    for name in ("Ada", "Ben"):
        send(study, {"kind": "invite"})
        send(study, {"kind": "agree", "learner": name})
        read_on(study)
        send(study, {"kind": "leave"})
    send(study, {"kind": "end"})


def to_case(study: ReaderStudy, with_ai: bool) -> None:
    """Go on to a case that is seen in this way."""
    send(study, BEGIN)
    send(study, {"kind": "invite"})
    send(study, {"kind": "agree", "learner": "Ada"})
    while page(study)["withAi"] != with_ai:
        read_on(study, most=1)


def test_a_case_with_the_ai_shows_its_answer_bars_and_map_and_one_without_never_asks_the_model(
    study: ReaderStudy, model: Counting
) -> None:
    to_case(study, with_ai=True)
    ai = page(study)["ai"]
    assert "Probability of each class" in ai["html"]
    overlay = Image.open(io.BytesIO(ai["overlay"]))
    assert overlay.size == (64, 48)
    reads = study.session.reads  # type: ignore[union-attr]
    assert reads is not None
    assert reads.shown is not None
    assert f"evidence for {reads.shown.diagnosis}" in ai["words"]
    before = [*model.asked]
    while page(study).get("withAi"):
        read_on(study, most=1)
    asked = [*model.asked]
    assert page(study)["ai"] is None
    assert study.panel.photo
    send(study, {"kind": "pause"})
    send(study, {"kind": "resume"})
    assert model.asked == asked
    assert len(asked) >= len(before)


def test_no_page_before_the_debrief_holds_a_truth_a_file_name_or_which_ai_is_wrong(study: ReaderStudy) -> None:
    seen = [page(study)]
    study.panel.observe(lambda change: seen.append(change.new), "page")
    finish(study)
    assert {one["phase"] for one in seen} >= {"setup", "desk", "consent", "case", "done", "debrief"}
    shown = [one for one in seen if one["phase"] not in {"debrief", "results"}]
    assert "zebra" not in repr(shown)
    common = {"phase", "error", "file", "back", "case", "quiz", "of", "reader", "withAi"}
    for one in shown:
        if one["phase"] == "case":
            assert set(one) == common | {"width", "height", "sure", "ai"}
            assert (one["ai"] is None) == (not one["withAi"])
            assert one["ai"] is None or set(one["ai"]) == {"html", "overlay", "words"}
        elif one["phase"] == "waiting":
            assert set(one) == common
    debrief = seen[-1]
    assert debrief["phase"] == "debrief"
    assert len(debrief["wrong"]) == 2
    for one in debrief["wrong"]:
        assert one["image"].startswith(f"zebra {one['truth']}")
        assert one["ai"] in set(CODES) - {one["truth"]}


def test_nothing_but_the_consent_comes_before_an_agreement(study: ReaderStudy, path: Path) -> None:
    send(study, BEGIN)
    send(study, {"kind": "invite"})
    assert (page(study)["phase"], page(study)["text"], study.panel.photo) == ("consent", CONSENT, b"")
    kept = path.read_bytes()
    for content in ({"kind": "commit", "case": 1, "answer": "NV", "sure": SURE[0]}, {"kind": "decline"}):
        send(study, content)
    assert path.read_bytes() == kept
    assert page(study)["readers"] == []


def test_nothing_can_be_saved_before_the_debrief_and_three_tables_after_it(
    study: ReaderStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(study.panel, "send", sent.append)
    send(study, {"kind": "csv", "what": "answers"})
    finish(study)
    for what in ("answers", "design", "results"):
        send(study, {"kind": "csv", "what": what})
    assert sent == []
    send(study, {"kind": "told"})
    assert page(study)["phase"] == "results"
    for what in ("answers", "design", "results", "else", ["answers"], None):
        send(study, {"kind": "csv", "what": what})
    assert [one["name"] for one in sent] == ["study-answers.csv", "study-design.csv", "study-results.csv"]
    tables = [list(csv.DictReader(io.StringIO(one["text"]))) for one in sent]
    assert len(tables[0]) == 16
    assert {row["figure"] for row in tables[2]} >= {"accuracy", "Krippendorff's alpha"}
    found = page(study)["found"]
    assert found["counts"] == {"readers": 2, "cases": 8, "answers": 16}
    shares = {one["name"]: one for one in found["figures"]}
    assert shares["Right diagnosis where the AI was made wrong"]["with"][0] is not None
    assert sum(map(sum, found["matrices"][0]["counts"])) == sum(map(sum, found["matrices"][1]["counts"])) == 8


def test_a_study_goes_on_on_another_page_and_says_where_it_lies(
    study: ReaderStudy, model: Counting, path: Path
) -> None:
    send(study, BEGIN)
    send(study, {"kind": "invite"})
    send(study, {"kind": "agree", "learner": "Ada"})
    read_on(study, most=3)
    study.close()
    other = ReaderStudy(pictures(), model, path)
    assert page(other)["readers"] == [{"place": 0, "name": "Ada", "done": 3, "of": 8}]
    assert page(other)["file"] == str(path)
    send(other, {"kind": "go on", "reader": 0})
    assert page(other)["case"] == 4
    other.close()


def test_a_withdrawal_at_a_case_takes_picture_and_answer_off_the_page(study: ReaderStudy) -> None:
    to_case(study, with_ai=True)
    send(study, {"kind": "withdraw", "reader": 0})
    assert (page(study)["phase"], page(study)["readers"], page(study)["withdrawn"]) == ("desk", [], 1)
    assert study.panel.photo == b""


@pytest.mark.heavy
def test_a_withdrawal_from_the_results_computes_them_anew(study: ReaderStudy) -> None:
    finish(study)
    send(study, {"kind": "told"})
    send(study, {"kind": "withdraw", "reader": 0})
    assert page(study)["found"]["counts"] == {"readers": 1, "cases": 8, "answers": 8}
    send(study, {"kind": "withdraw", "reader": 1})
    assert (page(study)["found"], page(study)["computing"], page(study)["withdrawn"]) == (None, False, 2)


def test_a_paused_page_holds_no_picture(study: ReaderStudy) -> None:
    to_case(study, with_ai=True)
    photo = study.panel.photo
    ai = page(study)["ai"]
    send(study, {"kind": "pause"})
    assert (page(study)["phase"], "ai" in page(study), study.panel.photo) == ("paused", False, b"")
    send(study, {"kind": "resume"})
    assert (page(study)["ai"], study.panel.photo) == (ai, photo)


def test_a_model_that_fails_is_said_and_the_reader_goes_on_without_it(
    small_checkpoint: Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = LesionClassifier(small_checkpoint)

    def fail(_image: object) -> Case:
        raise LesionvizError("The model is gone.")

    monkeypatch.setattr(broken, "examine", fail)
    study = ReaderStudy(pictures(), broken, path)
    to_case(study, with_ai=True)
    assert page(study)["ai"] == {"html": "", "overlay": b"", "words": "The model is gone."}
    read_on(study)
    assert page(study)["phase"] == "done"
    study.close()


HOSTILE: list[Any] = [
    None,
    "commit",
    {"kind": ["commit"]},
    {"kind": "commit"},
    {"kind": "commit", "case": 1, "answer": "SCC", "sure": SURE[0]},
    {"kind": "commit", "case": 1, "answer": ["MEL"], "sure": SURE[0]},
    {"kind": "commit", "case": 1, "answer": "MEL", "sure": ""},
    {"kind": "commit", "case": 1, "answer": "MEL", "sure": 3},
    {"kind": "commit", "case": 2, "answer": "MEL", "sure": SURE[0]},
    {"kind": "commit", "case": True, "answer": "MEL", "sure": SURE[0]},
    {"kind": "begin", "cases": 8, "seed": 0, "share": 0.0, "consent": "x"},
    {"kind": "agree", "learner": "Eve"},
    {"kind": "invite"},
    {"kind": "decline"},
    {"kind": "go on", "reader": 0},
    {"kind": "withdraw", "reader": "0"},
    {"kind": "withdraw", "reader": True},
    {"kind": "withdraw", "reader": 7},
    {"kind": "withdraw"},
    {"kind": "end"},
    {"kind": "told"},
    {"kind": "delete"},
    {"kind": "csv", "what": "answers"},
    {"kind": "resume"},
    {"kind": "try again"},
    {"kind": "back"},
    {"kind": "debrief"},
]


def test_no_message_but_those_of_a_case_moves_a_case_on(study: ReaderStudy) -> None:
    send(study, BEGIN)
    send(study, {"kind": "invite"})
    send(study, {"kind": "agree", "learner": "Ada"})
    before = page(study)
    for content in HOSTILE:
        send(study, content)
        assert page(study) == before, content
    assert study.session is not None
    assert study.session.kept is not None
    assert study.session.kept.readings == ()


@pytest.mark.parametrize(
    "change",
    [
        {"cases": "8"},
        {"cases": True},
        {"cases": 10**9},
        {"seed": None},
        {"seed": -1},
        {"share": "0"},
        {"share": True},
        {"share": math.nan},
        {"share": 0.75},
        {"consent": ["x"]},
        {"consent": ""},
        {"consent": "x" * 10**5},
    ],
)
def test_no_study_begins_from_what_is_not_what_it_should_be(
    study: ReaderStudy, change: dict[str, Any], path: Path
) -> None:
    send(study, BEGIN | change)
    assert page(study)["phase"] == "setup"
    assert not path.exists()


def test_a_browser_can_set_no_trait_of_the_page(study: ReaderStudy) -> None:
    study.panel.set_state({"page": {"phase": "results"}, "photo": b"x"})
    assert page(study)["phase"] == "setup"


def test_a_file_of_somebody_else_is_said_and_can_be_tried_again(model: Counting, path: Path) -> None:
    path.write_text("my diary")
    study = ReaderStudy(pictures(), model, path)
    assert page(study)["phase"] == "broken"
    assert str(path) in page(study)["error"]
    for content in (BEGIN, {"kind": "invite"}, {"kind": "csv", "what": "answers"}):
        send(study, content)
    assert path.read_text() == "my diary"
    path.unlink()
    send(study, {"kind": "try again"})
    assert page(study)["phase"] == "setup"
    study.close()


def test_the_tab_turns_from_the_quiz_to_a_study_on_its_pictures_and_back(
    model: Counting, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(path))
    room = QuizRoom(Background(model))
    assert dict(room.quiz.panel.page)["study"] is True
    room.quiz.use(pictures())
    send(room.quiz, {"kind": "study"})
    assert room.study is not None
    assert (page(room.study)["set"]["name"], room.study.file) == ("my cases", path)
    assert (room.quiz.layout.display, room.study.layout.display) == ("none", "")
    send(room.study, BEGIN)
    send(room.study, {"kind": "back"})
    assert (room.quiz.layout.display, room.study.layout.display) == ("", "none")
    room.quiz.use(pictures(each=1))
    send(room.quiz, {"kind": "study"})
    assert page(room.study)["missing"] == 4
    room.quiz.start()
    send(room.quiz, {"kind": "study"})  # a round is on
    assert page(room.study)["missing"] == 4
    room.study.close()


def test_the_file_lies_in_the_users_data_folder_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from platformdirs import user_data_path

    monkeypatch.delenv(VARIABLE, raising=False)
    assert StudyStore().path == user_data_path("lesionviz") / "study.sqlite"

"""The quiz: what a learner gets to see and when, what is counted, and what a stranger may send."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import comm
import numpy as np
import pytest
from PIL import Image

from lesionviz.case import Case
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.game import results as quiz_results
from lesionviz.game import sets as quiz_set
from lesionviz.game.results import NO_ANSWER, Answer
from lesionviz.quality import QUALITY
from lesionviz.refusal import FEATURES, DistanceRefusal
from lesionviz.spreadsheet import harmless
from lesionviz.widgets import Quiz
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.quiz import folder as quiz_folder

SIZE = (80, 60)


def jpeg(code: str, seed: int) -> bytes:
    buffer = io.BytesIO()
    draw_lesion(code, seed, SIZE).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lesions of each class; one folder for each class, named in different ways."""
    folder = tmp_path_factory.mktemp("my_cases")
    for code, name in zip(CODES, ("BCC", "benign keratosis", "mel", "nevus"), strict=True):
        (folder / name).mkdir()
        for seed in (1, 2):
            (folder / name / f"zebra{seed}.jpg").write_bytes(jpeg(code, seed))
    return folder


@pytest.fixture
def quiz(folder: Path, classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch) -> Quiz:
    """A quiz whose maps cost nothing; those of the reveal are tested on a real one."""
    monkeypatch.setattr(classifier, "complete", lambda case: case)
    return Quiz(folder, classifier)


def page(quiz: Quiz) -> dict[str, Any]:
    return dict(quiz.panel.page)


def send(quiz: Quiz, content: Any, *buffers: bytes) -> None:
    """Deliver a message as the browser's side does."""
    quiz.panel._handle_custom_msg(content, [memoryview(buffer) for buffer in buffers])


def play(quiz: Quiz, wrong: set[int] = frozenset(), learner: str = "") -> None:  # type: ignore[assignment]
    """Go through a round; the learner is right but for the cases named, where the next class is answered."""
    send(quiz, {"kind": "start", "learner": learner})
    while quiz.phase == "question":
        truth = quiz.game.question.item.truth
        answer = CODES[(CODES.index(truth) + 1) % 4] if quiz.case in wrong else truth
        send(quiz, {"kind": "commit", "case": quiz.case, "answer": answer, "sure": ""})
        send(quiz, {"kind": "next", "case": quiz.case})


# --- nothing is given away ------------------------------------------------------------------------------------------


class Recorder:
    """Everything that leaves for a browser."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages: list[Any] = []

        def record(
            channel: Any, kind: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any
        ) -> None:
            self.messages.append((channel.comm_id, kind, data, [bytes(b) for b in buffers or []]))

        monkeypatch.setattr(comm.DummyComm, "publish_msg", record)

    def text(self) -> str:
        """All messages as text, widgets numbered in the order in which they appear."""
        names: dict[str, str] = {}
        lines = []
        for channel, kind, data, buffers in self.messages:
            names.setdefault(channel, f"widget {len(names)}")
            lines.append(f"{channel} {kind} {json.dumps(data, default=repr, sort_keys=True)} {buffers!r}")
        text = "\n".join(lines)
        for channel, name in names.items():
            text = text.replace(channel, name)
        return text


class Oracle(LesionClassifier):
    """Answers as it is told."""

    def __init__(self, checkpoint: Checkpoint, code: str) -> None:
        super().__init__(checkpoint)
        self.code = code

    def examine(self, image: Any) -> Case:
        shares = dict.fromkeys(CODES, 0.1) | {self.code: 0.7}
        case = super().examine(image)
        told = replace(case.prediction, diagnosis=self.code, confidence=0.7, probabilities=shares)
        return replace(case, prediction=told)


def table_of(folder: Path, labels: list[str]) -> Path:
    for index, _ in enumerate(labels):
        (folder / f"photo{index}.jpg").write_bytes(jpeg(CODES[index % 4], index))
    rows = [f"photo{index}.jpg,{label}" for index, label in enumerate(labels)]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows]))
    return folder


def test_before_the_commit_the_browser_gets_the_same_whatever_the_truth_and_the_models_answer(
    tmp_path: Path, small_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for index, labels in enumerate((list(CODES), [*CODES[1:], CODES[0]])):
        place = tmp_path / str(index) / "cases"
        place.mkdir(parents=True)
        with monkeypatch.context() as patch:
            recorder = Recorder(patch)
            quiz = Quiz(table_of(place, labels), Oracle(small_checkpoint, labels[2]))
            send(quiz, {"kind": "start"})
            assert quiz.game.question.verdict is not None  # the model has answered already
            before = recorder.text()
            send(quiz, {"kind": "commit", "case": 1, "answer": "MEL", "sure": ""})
            seen.append((before, recorder.text()[len(before) :]))
    assert seen[0][0] == seen[1][0]
    assert seen[0][1] != seen[1][1]  # the recorder does see a difference when there is one


def test_file_and_folder_names_stay_in_the_kernel_until_the_commit(
    folder: Path, classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    quiz = Quiz(folder, classifier)
    quiz.start()
    states = repr([widget.get_state() for widget in (quiz, quiz.panel, quiz._view)])
    assert "zebra" not in recorder.text() + states
    assert set(page(quiz)) == {
        *("phase", "case", "of", "learner", "width", "height", "score", "leftOut", "sure", "drawn"),
    }
    assert quiz._view.case == quiz._view.maps == {}
    quiz.commit("MEL")
    assert "zebra" in recorder.text()


def test_the_next_question_takes_the_last_ones_truth_map_and_class_away(quiz: Quiz) -> None:
    quiz.start()
    quiz.commit("NV")
    quiz._view.target = "MEL"
    assert quiz._view.case["source"] == "case 1"
    quiz.next_case()
    assert "truth" not in page(quiz)
    assert quiz._view.case == quiz._view.maps == {}
    assert quiz._view.target == ""


def test_a_browser_can_set_no_trait_of_the_page(quiz: Quiz) -> None:
    quiz.panel.set_state({"page": {"phase": "end"}, "photo": b"x", "notice": ""})
    assert page(quiz)["phase"] == "start"
    assert quiz.panel.notice


# --- a round --------------------------------------------------------------------------------------------------------


def test_the_reveal_shows_truth_answer_and_the_models_answer_with_its_map(
    folder: Path, classifier: LesionClassifier
) -> None:
    quiz = Quiz(folder, classifier)
    quiz.start("Anna")
    item = quiz.game.question.item
    quiz.commit("NV", "certain")
    expected = classifier.predict(item.read("x"))
    shown = page(quiz)
    assert (shown["truth"], shown["answer"], shown["sureness"]) == (item.truth, "NV", "certain")
    assert shown["sentence"] == DIAGNOSES[CODES.index(item.truth)].sentence
    assert shown["image"] == item.name
    assert shown["model"]["code"] == expected.diagnosis
    assert f"{expected.confidence:.1%}" in shown["model"]["html"]
    assert quiz._view.case["predicted"] == expected.diagnosis
    assert len(quiz._view.maps["gradcam"]["layers"]) == 9
    assert quiz._view.layout.display == ""
    assert quiz.answers == [
        {
            "learner": "Anna",
            "case": 1,
            "image": item.name,
            "truth": item.truth,
            "answer": "NV",
            "sure": "certain",
            "model": expected.diagnosis,
            "probability": pytest.approx(expected.confidence),
            "reason": "",
        }
    ]


def test_a_whole_round_is_counted_and_each_missed_case_can_be_looked_at_again(quiz: Quiz) -> None:
    play(quiz, wrong={2, 5, 8})
    assert (quiz.phase, quiz.score, len(quiz.answers)) == ("end", 5, 8)
    shown = page(quiz)
    assert shown["score"]["right"] == 5
    assert shown["score"]["of"] == 8
    assert [one["case"] for one in shown["cases"] if one["truth"] != one["answer"]] == [2, 5, 8]
    assert all(Image.open(io.BytesIO(one["thumbnail"])).size == SIZE for one in shown["cases"])
    send(quiz, {"kind": "look", "case": 5})
    assert (quiz.phase, page(quiz)["case"], quiz._view.case["source"]) == ("look", 5, "case 5")
    assert Image.open(io.BytesIO(quiz.panel.photo)).size == SIZE
    send(quiz, {"kind": "back"})
    assert quiz.phase == "end"
    assert quiz._view.case == {}


def test_the_learners_matrix_has_true_classes_in_rows_and_answers_in_columns(quiz: Quiz) -> None:
    quiz.start()
    while quiz.phase == "question":  # each melanoma is taken for a nevus, the rest is right
        truth = quiz.game.question.item.truth
        quiz.commit("NV" if truth == "MEL" else truth)
        quiz.next_case()
    table = quiz.confusion()
    assert table.index.tolist() == list(CODES)
    assert table.to_numpy().tolist() == [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 2], [0, 0, 0, 2]]
    assert page(quiz)["matrices"][0]["counts"] == table.to_numpy().tolist()


def answer(image: str, truth: str, given: str, model: str, learner: str = "a") -> Answer:
    row = dict.fromkeys(quiz_results.COLUMNS, "")
    return row | {"image": image, "truth": truth, "answer": given, "model": model, "learner": learner, "case": 1}


def test_the_model_counts_once_for_each_case_and_refusals_have_their_own_column() -> None:
    answers = [
        answer("1", "MEL", "MEL", "MEL"),
        answer("2", "MEL", "NV", NO_ANSWER),
        answer("3", "NV", "NV", "BKL"),
        answer("4", "BCC", "BCC", ""),  # still at it
        answer("1", "MEL", "BKL", "MEL", "b"),  # another learner's
    ]
    model = quiz_results.confusion(answers, "model")
    assert model.columns.tolist() == [*CODES, NO_ANSWER]
    assert model.to_numpy().tolist() == [[0, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 1], [0, 1, 0, 0, 0]]
    assert quiz_results.model_score(answers) == {"right": 1, "none": 1, "waiting": 1, "of": 3}
    people = quiz_results.confusion(answers, "answer")
    assert people.to_numpy().tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 1]]
    assert quiz_results.confusion([], "answer").to_numpy().sum() == 0


def test_a_class_is_pooled_over_learners_who_get_the_same_cases_in_another_order(quiz: Quiz) -> None:
    play(quiz, wrong={1}, learner="Anna")
    first = [a["image"] for a in quiz.answers]
    assert [one["who"] for one in page(quiz)["matrices"]] == ["learner", "model"]
    send(quiz, {"kind": "learner"})
    assert (quiz.phase, page(quiz)["learners"]) == ("start", [{"name": "Anna", "right": 7, "of": 8}])
    play(quiz, learner="Anna")  # a second Anna is another person
    second = [a["image"] for a in quiz.answers[8:]]
    assert sorted(first) == sorted(second)
    assert first != second
    assert quiz.learner == "Anna (2)"
    assert quiz.score == 8
    assert [one["who"] for one in page(quiz)["matrices"]] == ["learner", "class", "model"]
    assert quiz.confusion("learner").to_numpy().trace() == 8
    assert quiz.confusion("class").to_numpy().sum() == 16
    assert quiz.confusion("class").to_numpy().trace() == 15
    assert quiz.confusion("model").to_numpy().sum() == 8
    assert len(quiz.results) == 16
    assert quiz.results["right"].sum() == 15
    send(quiz, {"kind": "learner"})
    send(quiz, {"kind": "again"})
    assert quiz.answers == []


def test_a_round_can_end_early_and_counts_what_was_answered(quiz: Quiz) -> None:
    quiz.start()
    send(quiz, {"kind": "finish"})
    assert quiz.phase == "question"  # nothing to count yet
    quiz.commit(quiz.game.question.item.truth)
    quiz.next_case()
    send(quiz, {"kind": "finish"})
    assert quiz.phase == "end"
    assert page(quiz)["score"]["of"] == 1


def test_traits_can_be_observed(quiz: Quiz) -> None:
    seen: list[str] = []
    quiz.observe(lambda change: seen.append(change.new), "phase")
    play(quiz)
    assert seen == [*["question", "reveal"] * 8, "end"]
    assert quiz.cases == 8


@pytest.fixture
def strict(small_checkpoint: Checkpoint) -> LesionClassifier:
    """A classifier that refuses every picture."""
    limits = dict.fromkeys(QUALITY, (-100.0, 100.0)) | {"brightness": (99.0, 100.0)}
    refusal = DistanceRefusal(limits, np.zeros(FEATURES), np.eye(FEATURES), 1e9, 1e9, 0.95)
    return LesionClassifier(replace(small_checkpoint, refusal=refusal.to_dict()))


def test_a_refused_picture_counts_as_no_answer_and_shows_no_map_until_the_person_insists(
    folder: Path, strict: LesionClassifier
) -> None:
    quiz = Quiz(folder, strict, cases=4)
    quiz.start()
    quiz.commit("MEL")
    model = page(quiz)["model"]
    assert (model["code"], model["reason"], model["html"]) == (NO_ANSWER, "the picture is too dark", "")
    assert quiz._view.case == {}
    send(quiz, {"kind": "insist", "case": 1})
    assert "Do not rely on this answer: the picture is too dark." in page(quiz)["model"]["html"]
    assert quiz._view.layout.display == ""
    assert quiz.answers[0]["model"] == NO_ANSWER
    assert quiz.answers[0]["probability"] is None
    quiz.next_case()
    quiz.finish()
    assert page(quiz)["score"]["model"] == {"right": 0, "none": 1, "waiting": 0, "of": 1}


def test_a_failing_model_is_said_in_one_sentence_and_counts_as_no_answer(
    quiz: Quiz, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(LesionClassifier, "examine", fail)
    quiz.start()
    quiz.commit("MEL")
    assert "something inside lesionviz failed" in page(quiz)["model"]["reason"]
    assert "secret detail" not in repr(page(quiz))
    assert quiz.answers[0]["model"] == NO_ANSWER


def test_the_learner_need_not_wait_for_the_model(folder: Path, classifier: LesionClassifier) -> None:
    go = threading.Event()

    class Slow(Background):
        @property
        def classifier(self) -> LesionClassifier:
            assert go.wait(60)
            return super().classifier

    async def lesson() -> None:
        quiz = Quiz(folder, Slow(classifier))
        quiz.start()
        quiz.commit("MEL")
        assert page(quiz)["model"] is None
        quiz.next_case()
        assert quiz.phase == "question"
        assert quiz.answers[0]["model"] == ""
        go.set()
        for _ in range(600):
            await asyncio.sleep(0.05)
            if quiz.answers[0]["model"] and quiz.game.question.verdict is not None:
                break
        assert quiz.answers[0]["model"] in CODES
        assert "model" not in page(quiz)  # the second case's answer is there, and stays in the kernel
        assert page(quiz)["score"]["model"]["of"] == 1

    asyncio.run(lesson())


# --- sets -----------------------------------------------------------------------------------------------------------


def test_cases_are_chosen_evenly_one_for_each_lesion_and_the_same_by_seed(tmp_path: Path) -> None:
    labels = ["NV"] * 30 + ["MEL"] * 3 + ["BCC"] * 3
    rows = [f"p{i}.jpg,{label},{'same' if i < 10 else i}" for i, label in enumerate(labels)]
    for index in range(len(labels)):
        (tmp_path / f"p{index}.jpg").write_bytes(b"x")
    (tmp_path / "t.csv").write_text("\n".join(["path,label,group", *rows]))
    found = quiz_set.set_of(tmp_path)
    assert found.counts() == {"BCC": 3, "BKL": 0, "MEL": 3, "NV": 21}
    assert found.lesions == 27
    chosen = found.choose(10, seed=4)
    counts = [sum(item.truth == code for item in chosen) for code in CODES]
    assert counts == [3, 0, 3, 4]
    assert [item.name for item in chosen] == [item.name for item in found.choose(10, seed=4)]
    assert [item.name for item in chosen] != [item.name for item in found.choose(10, seed=5)]
    everything = found.choose(200, seed=0)
    assert len(everything) == len({item.lesion for item in everything}) == 27


def test_without_a_set_drawn_samples_are_asked_and_called_so(classifier: LesionClassifier) -> None:
    quiz = Quiz(classifier=classifier, cases=4)
    assert page(quiz)["set"]["drawn"]
    assert page(quiz)["set"]["counts"] == dict.fromkeys(CODES, 6)
    quiz.start()
    assert sorted(question.item.truth for question in quiz.game.questions) == sorted(CODES)
    quiz.commit("MEL")
    assert page(quiz)["image"].startswith("drawn ")


def test_an_unreadable_picture_is_left_out_without_its_name(tmp_path: Path, classifier: LesionClassifier) -> None:
    for code in ("MEL", "NV"):
        (tmp_path / code).mkdir()
        (tmp_path / code / "zebra.jpg").write_bytes(jpeg(code, 1) if code == "NV" else b"no picture")
    quiz = Quiz(tmp_path, classifier)
    quiz.start()
    if quiz.case == 1:
        quiz.commit("NV")
        quiz.next_case()
    else:
        assert page(quiz)["leftOut"] == 1
        quiz.commit("NV")
        quiz.next_case()
    assert quiz.phase == "end"
    assert len(quiz.answers) == 1
    (sentence,) = page(quiz)["leftOut"]
    assert "is not a picture" in sentence
    assert "zebra" not in sentence
    (tmp_path / "NV" / "zebra.jpg").unlink()
    quiz.start_again()
    with pytest.raises(LesionvizError, match=r"No picture of .* can be opened"):
        quiz.start()
    assert quiz.phase == "start"


@pytest.mark.parametrize("cases", [0, 201, True, "many", 2.5])
def test_cases_must_be_a_number_within_limits(cases: Any, classifier: LesionClassifier) -> None:
    with pytest.raises(LesionvizError, match="cases must be a whole number from 1 to 200"):
        Quiz(classifier=classifier, cases=cases)


def test_answers_outside_the_four_are_refused_in_python(quiz: Quiz) -> None:
    quiz.start()
    for wrong in ("SCC", 4, True):
        with pytest.raises(LesionvizError, match="not known"):
            quiz.commit(wrong)
    with pytest.raises(LesionvizError, match="How sure"):
        quiz.commit("MEL", "very")
    assert quiz.answers == []
    quiz.commit("melanoma")
    assert quiz.answers[0]["answer"] == "MEL"


# --- a folder sent by a browser -------------------------------------------------------------------------------------


def sent(recorder: Recorder, kind: str) -> list[dict[str, Any]]:
    return [
        data["content"]
        for _, _, data, _ in recorder.messages
        if data.get("method") == "custom" and data["content"].get("kind") == kind
    ]


def send_folder(quiz: Quiz, recorder: Recorder, files: dict[str, bytes], piece: int = 1000) -> None:
    """What quiz_set.js does: the next file when the last was taken."""
    paths = list(files)
    send(quiz, {"kind": "folder", "id": 7, "paths": paths})
    for wanted in sent(recorder, "wanted"):
        for index in wanted["files"]:
            data = files[paths[index]]
            before = len(sent(recorder, "took"))
            send(quiz, {"kind": "file", "id": index, "name": "x", "size": len(data)})
            for start in range(0, len(data), piece):
                send(quiz, {"kind": "piece", "id": index}, data[start : start + piece])
            assert sent(recorder, "took")[before:] == [{"kind": "took", "folder": 7, "file": index}]
    send(quiz, {"kind": "folder end"})


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    return Recorder(monkeypatch)  # type: ignore[return-value]


@pytest.fixture
def empty(recorder: Recorder, classifier: LesionClassifier) -> Quiz:
    return Quiz(classifier=classifier)


def test_a_folder_becomes_a_set_and_what_has_no_label_or_is_no_picture_is_named(
    empty: Quiz, recorder: Recorder
) -> None:
    files = {
        "lesson/MEL/one.jpg": jpeg("MEL", 1),
        "lesson/MEL/deep/copy.jpg": jpeg("MEL", 1),  # the same bytes: the same lesion
        "lesson/nevus/a.jpg": jpeg("NV", 1),
        "lesson/nevus/broken.jpg": jpeg("NV", 2)[:500],
        "lesson/nevus/empty.jpg": b"",
        "lesson/other/b.jpg": jpeg("NV", 3),
        "lesson/loose.jpg": jpeg("NV", 3),
        "lesson/MEL/.hidden.jpg": b"x",
        "lesson/readme.txt": b"x",
    }
    send_folder(empty, recorder, files)
    assert empty.error == ""
    shown = page(empty)["set"]
    assert (shown["name"], shown["drawn"], shown["most"]) == ("lesson", False, 2)
    assert shown["counts"] == {"BCC": 0, "BKL": 0, "MEL": 1, "NV": 1}
    text = "\n".join(shown["problems"])
    assert "lesson/nevus/broken.jpg is damaged" in text
    assert "lesson/nevus/empty.jpg is empty" in text
    assert "1 file in the folder 'other' has no label" in text
    assert "1 file in the folder 'lesson' has no label" in text
    assert len(shown["problems"]) == 4
    play(empty)
    assert empty.score == 2


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("set/BKL/a.jpg", "BKL"),
        ("set/Benign_Keratosis/deep/a.jpg", "BKL"),
        ("MEL/a.jpg", "MEL"),  # a class's own folder was chosen or dropped
        ("MEL/close up/a.jpg", "MEL"),
        ("set/deep/MEL/a.jpg", None),
        ("set/a.jpg", None),
        ("a.jpg", None),
    ],
)
def test_the_class_is_the_name_of_the_folder_below_the_chosen_one(path: str, code: str | None) -> None:
    found = quiz_folder.FolderUpload()
    found.begin({"id": 1, "paths": [path, "x/NV/known.jpg"]})
    assert found.wanted.get(0, (path, None)) == (path, code)


def test_a_folder_without_classes_is_refused_and_the_old_set_stays(empty: Quiz, recorder: Recorder) -> None:
    send_folder(empty, recorder, {"holiday/beach.jpg": b"x"})
    assert "None of the 1 pictures lies in a folder named after a class" in empty.error
    assert page(empty)["set"]["drawn"]
    assert sent(recorder, "refused")
    assert page(empty)["error"] == empty.error


def test_a_large_folder_is_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiz_folder, "MAX_IMAGES", 6)
    found = quiz_folder.FolderUpload()
    found.begin({"id": 1, "paths": [f"s/NV/{i}.jpg" for i in range(9)] + ["s/MEL/a.jpg", "s/MEL/b.jpg"]})
    assert sorted(code for _, code in found.wanted.values()) == ["MEL", "MEL", "NV", "NV", "NV", "NV"]


def test_a_set_in_memory_is_bounded(empty: Quiz, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = jpeg("MEL", 1), jpeg("NV", 1)
    monkeypatch.setattr(quiz_folder, "MAX_TOTAL", len(first) + 10)
    paths = ["s/MEL/a.jpg", "s/NV/b.jpg"]
    send(empty, {"kind": "folder", "id": 1, "paths": paths})
    send(empty, {"kind": "file", "id": 0, "name": "x", "size": len(first)})
    send(empty, {"kind": "piece", "id": 0}, first)
    send(empty, {"kind": "file", "id": 1, "name": "x", "size": len(second)})
    assert len(sent(recorder, "took")) == 2  # the browser need not send the second
    send(empty, {"kind": "piece", "id": 1}, second)
    send(empty, {"kind": "folder end"})
    assert page(empty)["set"]["most"] == 1
    assert "s/NV/b.jpg was left out" in page(empty)["set"]["problems"][0]


def test_after_a_lost_connection_a_folder_goes_on_with_the_files_that_lack(empty: Quiz, recorder: Recorder) -> None:
    folder = {"kind": "folder", "id": 7, "paths": ["s/MEL/a.jpg", "s/NV/b.jpg", "s/NV/c.jpg"]}
    for _ in range(2):
        send(empty, folder)
    assert [message["files"] for message in sent(recorder, "wanted")] == [[0, 1, 2], [0, 1, 2]]
    data = jpeg("MEL", 1)
    send(empty, {"kind": "file", "id": 0, "name": "x", "size": len(data)})
    send(empty, {"kind": "piece", "id": 0}, data)
    send(empty, {"kind": "say again"})
    assert sent(recorder, "said")[-1] == {"kind": "said", "folder": 7, "files": [1, 2]}
    send(empty, folder)
    assert sent(recorder, "wanted")[-1]["files"] == [1, 2]
    for number, index in enumerate((0, 1, 2, 2), 1):  # the first and the last come twice
        data = jpeg("NV", number)
        send(empty, {"kind": "file", "id": index, "name": "x", "size": len(data)})
        send(empty, {"kind": "piece", "id": index}, data)
    for _ in range(2):
        send(empty, {"kind": "folder end"})
    assert sent(recorder, "ended") == [{"kind": "ended", "folder": 7}]
    assert page(empty)["set"]["counts"] == {"BCC": 0, "BKL": 0, "MEL": 1, "NV": 2}
    send(empty, {"kind": "say again"})
    assert sent(recorder, "said")[-1] == {"kind": "said", "folder": -1, "files": []}


def test_what_is_said_again_before_the_commit_is_the_page_and_nothing_else(quiz: Quiz, recorder: Recorder) -> None:
    quiz.start()
    before = page(quiz)
    recorder.messages.clear()
    send(quiz, {"kind": "say again"})
    states = [data["state"] for _, _, data, _ in recorder.messages if data.get("method") == "update"]
    assert before in [state.get("page") for state in states]
    assert [state["case"] for state in states if "case" in state] == [{}]
    assert [state["maps"] for state in states if "maps" in state] == [{}]
    assert {name for state in states for name in state} == {"case", "maps", "description", "display", "page"}


def test_a_cancelled_folder_changes_nothing(empty: Quiz, recorder: Recorder) -> None:
    send(empty, {"kind": "folder", "id": 1, "paths": ["s/MEL/a.jpg"]})
    send(empty, {"kind": "folder cancel"})
    send(empty, {"kind": "file", "id": 0, "name": "x", "size": 5})
    send(empty, {"kind": "piece", "id": 0}, b"12345")
    send(empty, {"kind": "folder end"})
    assert page(empty)["set"]["drawn"]
    assert empty.error == ""


# --- hostile input --------------------------------------------------------------------------------------------------

HOSTILE: list[tuple[Any, list[bytes]]] = [
    (None, []),
    ("commit", []),
    ({"kind": ["commit"]}, []),
    ({"kind": "reveal"}, []),
    ({"kind": "commit"}, []),
    ({"kind": "commit", "case": 1, "answer": "SCC"}, []),
    ({"kind": "commit", "case": 1, "answer": ["MEL"]}, []),
    ({"kind": "commit", "case": 1, "answer": 2}, []),
    ({"kind": "commit", "case": 2, "answer": "MEL"}, []),
    ({"kind": "next", "case": 1}, []),
    ({"kind": "insist", "case": 1}, []),
    ({"kind": "look", "case": 1}, []),
    ({"kind": "back"}, []),
    ({"kind": "learner"}, []),
    ({"kind": "again"}, []),
    ({"kind": "csv"}, []),
    ({"kind": "drawn"}, []),
    ({"kind": "start", "learner": "x"}, []),
    ({"kind": "finish"}, []),
    ({"kind": "folder", "id": 1, "paths": ["s/MEL/a.jpg"]}, []),
    ({"kind": "file", "id": 0, "name": "x", "size": 5}, []),
    ({"kind": "piece", "id": 0}, [b"x"]),
    ({"kind": "unreadable", "id": 0}, []),
    ({"kind": "folder end"}, []),
    ({"kind": "say again"}, []),
]


@pytest.mark.parametrize(("content", "buffers"), HOSTILE)
def test_no_message_but_a_commit_moves_a_question_on(content: Any, buffers: list[bytes], quiz: Quiz) -> None:
    quiz.start()
    before = page(quiz)
    send(quiz, content, *buffers)
    assert page(quiz) == before
    assert quiz.phase == "question"
    assert quiz.answers == []


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "folder", "id": "x", "paths": 5},
        {"kind": "folder", "id": 1, "paths": ["s/MEL/a.jpg"] * 20_001},
        {"kind": "folder", "id": 1, "paths": [None, 5, "x" * 9999, "../../MEL"]},
        {"kind": "file", "id": 0, "size": 10},
        {"kind": "piece", "id": 0},
        {"kind": "unreadable", "id": []},
        {"kind": "look", "case": 10**9},
    ],
)
def test_broken_folders_leave_the_start_as_it_is(content: Any, empty: Quiz) -> None:
    send(empty, content)
    assert empty.phase == "start"
    assert page(empty)["set"]["drawn"]


def test_pieces_of_files_that_nobody_asked_for_are_dropped(empty: Quiz, recorder: Recorder) -> None:
    send(empty, {"kind": "folder", "id": 1, "paths": ["s/MEL/a.jpg", "s/x/b.jpg"]})
    for identity in (1, -1, True, "0", None, [0]):
        send(empty, {"kind": "file", "id": identity, "name": "x", "size": 5})
        send(empty, {"kind": "piece", "id": identity}, b"12345")
        send(empty, {"kind": "unreadable", "id": identity})
    assert sent(recorder, "took") == []
    assert empty.folder.arriving is not None
    assert list(empty.folder.arriving.wanted) == [0]


def test_committing_or_going_on_twice_does_nothing(quiz: Quiz) -> None:
    quiz.start()
    for _ in range(2):
        send(quiz, {"kind": "commit", "case": 1, "answer": "MEL"})
    assert len(quiz.answers) == 1
    for _ in range(2):
        send(quiz, {"kind": "next", "case": 1})
    assert quiz.case == 2


def test_names_are_cut_and_made_plain(quiz: Quiz) -> None:
    send(quiz, {"kind": "start", "learner": "  A\x00\n" + "b" * 500})
    assert quiz.learner == "A " + "b" * 58


# --- the file -------------------------------------------------------------------------------------------------------


def test_the_downloaded_answers_are_complete_and_safe_in_a_spreadsheet(quiz: Quiz, recorder: Recorder) -> None:
    play(quiz, learner="=HYPERLINK(1)")
    quiz.panel.send = lambda content: recorder.messages.append(("", "", {"method": "custom", "content": content}, []))
    send(quiz, {"kind": "csv"})
    (message,) = sent(recorder, "csv")
    rows = list(csv.DictReader(io.StringIO(message["text"])))
    assert list(rows[0]) == list(quiz_results.COLUMNS)
    assert len(rows) == 8
    assert {row["learner"] for row in rows} == {"'=HYPERLINK(1)"}
    assert [row["model"] for row in rows] == [a["model"] for a in quiz.answers]
    assert float(rows[0]["probability"]) == pytest.approx(quiz.answers[0]["probability"])


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n1"])
def test_a_cell_that_could_be_a_formula_is_not_one(text: str) -> None:
    assert harmless(text) == "'" + text
    assert harmless("x" + text) == "x" + text

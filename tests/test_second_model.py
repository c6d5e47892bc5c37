"""A second model on the page: loaded through one door, asked beside the first, shown wherever the first is."""

from __future__ import annotations

import csv
import io
import pickle
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lesionviz.checkpoint import Checkpoint
from lesionviz.class_line import Line
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.prediction import Prediction
from lesionviz.preprocessing import Preprocessing
from lesionviz.trust.two_models import SAME_FILE, two_models
from lesionviz.widgets import Batch, Compare, Explorer, Quiz
from lesionviz.widgets.batch.rows import COLUMNS, SECOND
from lesionviz.widgets.explorer.examined import examine_drawn
from lesionviz.widgets.explorer.second_opinion import DRAWN
from lesionviz.widgets.export.export import case_page, case_sheet
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.second.second_panel import SecondPanel

WHEN = datetime(2026, 11, 25, 17, 30)


@pytest.fixture(scope="module")
def files(small_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The first model's file, and one of another: its head turned round, so that it names other classes."""
    folder = tmp_path_factory.mktemp("models")
    changed = dict(small_checkpoint.state_dict)
    for name in ("classifier.1.weight", "classifier.1.bias"):
        changed[name] = changed[name].flip(0)
    small_checkpoint.save(folder / "first.pth")
    other = replace(small_checkpoint, state_dict=changed, preprocessing=Preprocessing(64, "stretch"), temperature=2.0)
    other.save(folder / "<b>other.pth")
    return {"first": folder / "first.pth", "other": folder / "<b>other.pth"}


@pytest.fixture(scope="module")
def first(files: Mapping[str, Path]) -> LesionClassifier:
    return LesionClassifier(Checkpoint.load(files["first"]))


@pytest.fixture(scope="module")
def other(files: Mapping[str, Path]) -> LesionClassifier:
    return LesionClassifier(Checkpoint.load(files["other"]))


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "arm.png"
    draw_lesion("MEL", 5, (300, 200)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two lesions of each class, in a folder for each."""
    for code, name in zip(CODES, ("BCC", "benign keratosis", "mel", "nevus"), strict=True):
        (tmp_path / "cases" / name).mkdir(parents=True)
        for seed in (1, 2):
            draw_lesion(code, seed, (80, 60)).save(tmp_path / "cases" / name / f"zebra{seed}.png")
    return tmp_path / "cases"


def panel(explorer: Explorer) -> SecondPanel:
    return explorer.second.panel


def upload(explorer: Explorer, name: str, data: bytes, number: int = 1) -> None:
    """Send a file as the browser's side of the panel does."""
    deliver = panel(explorer)._handle_custom_msg
    deliver({"kind": "file", "id": number, "name": name, "size": len(data)}, [])
    for start in range(0, len(data), 2**22):
        deliver({"kind": "piece", "id": number, "start": start}, [memoryview(data[start : start + 2**22])])


# --- Explore -----------------------------------------------------------------------------------------------------------


def test_an_uploaded_checkpoint_is_asked_beside_the_first_which_keeps_its_answer(
    first: LesionClassifier, other: LesionClassifier, files: Mapping[str, Path], drawn: Path
) -> None:
    explorer = Explorer(first)
    explorer.image = drawn
    before, answer = explorer.prediction, explorer._explore.answer.value
    upload(explorer, "<b>other.pth", files["other"].read_bytes())
    state = panel(explorer).state
    assert state["model"]["title"] == f"<b>other.pth ({other.checkpoint.file_sha256[:8]})"
    assert state["model"]["words"] == "64 × 64 pixels, stretch, temperature 2.00"
    assert (state["busy"], state["problem"], state["model"]["alike"]) == ("", "", "")
    assert (explorer.prediction, explorer._explore.answer.value) == (before, answer)
    by_hand = two_models(first, other, drawn)
    assert explorer.second.found is not None
    assert explorer.second.found.predictions == by_hand.predictions
    assert explorer.second.found.correlation == pytest.approx(by_hand.correlation, abs=1e-4)
    page = state["compared"]
    assert [row["shares"] for row in page["rows"]] == [
        [answer.probabilities[code] for answer in by_hand.predictions] for code in CODES
    ]
    assert "this page's model" in page["models"][0]["title"]
    assert first.checkpoint.file_sha256[:8] in page["models"][0]["title"]


def test_what_is_compared_follows_picture_class_layer_and_method(
    first: LesionClassifier, other: LesionClassifier, drawn: Path
) -> None:
    explorer = Explorer(first)
    explorer.second.load(other, "theirs")
    explorer.image = drawn
    explorer.target, explorer.layer, explorer.method = "NV", "features.4", "layercam"
    found = explorer.second.found
    assert found is not None
    assert (found.target, found.layer, found.method) == ("NV", "features.4", "layercam")
    assert found.correlation == pytest.approx(
        two_models(first, other, drawn, "NV", "features.4", "layercam").correlation, abs=1e-4
    )
    explorer.image = draw_lesion("BCC", 2, (200, 200))
    assert explorer.second.found is not None
    assert explorer.second.found.predictions[1] == other.predict(draw_lesion("BCC", 2, (200, 200)))
    explorer.image = None
    assert explorer.second.found is None
    assert panel(explorer).state["compared"] is None


def test_the_same_checkpoint_twice_says_so(first: LesionClassifier, files: Mapping[str, Path], drawn: Path) -> None:
    explorer = Explorer(first)
    explorer.image = drawn
    upload(explorer, "again.pth", files["first"].read_bytes())
    assert panel(explorer).state["model"]["alike"] == SAME_FILE
    assert explorer.second.found is not None
    assert "no second opinion" in explorer.second.found.sentences[0]
    assert set(explorer.second.found.differences.values()) == {0}


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of a stranger ran",))


@pytest.mark.parametrize("data", [pickle.dumps(_Bomb()), b"PK\x03\x04 cut short", b""])
def test_a_hostile_file_is_refused_in_words_and_the_second_model_before_it_stays(
    data: bytes, first: LesionClassifier, files: Mapping[str, Path], drawn: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explorer = Explorer(first)
    explorer.image = drawn
    upload(explorer, "other.pth", files["other"].read_bytes())
    compared = panel(explorer).state["compared"]
    upload(explorer, "../evil.pth", data, number=2)
    state = panel(explorer).state
    assert "evil.pth" in state["problem"]
    assert "Expected is a best_model.pth" in state["problem"]
    assert (state["busy"], state["compared"]) == ("", compared)
    assert state["model"]["title"].startswith("other.pth")
    assert capsys.readouterr().out == ""


def test_a_file_above_the_limit_of_models_is_refused_before_it_comes(first: LesionClassifier) -> None:
    explorer = Explorer(first)
    panel(explorer)._handle_custom_msg({"kind": "file", "id": 1, "name": "vast.pth", "size": 2**40}, [])
    assert "vast.pth has more than 256 MiB" in panel(explorer).state["problem"]


@pytest.mark.parametrize(
    "content", [None, 7, [], {}, {"kind": "file"}, {"kind": "piece"}, {"kind": "maps"}, {"kind": "remove"}]
)
def test_messages_of_strangers_change_nothing(content: Any, first: LesionClassifier) -> None:
    explorer = Explorer(first)
    panel(explorer)._handle_custom_msg(content, [])
    panel(explorer).set_state({"state": {"model": {"title": "pwned"}}})
    assert panel(explorer).state["model"] is None
    assert explorer.second.found is None


def test_taking_it_away_leaves_the_first_alone(first: LesionClassifier, other: LesionClassifier, drawn: Path) -> None:
    explorer = Explorer(first)
    explorer.second.load(other, "theirs")
    explorer.image = drawn
    explorer._masthead.tab = "compare"
    panel(explorer)._handle_custom_msg({"kind": "remove"}, [])
    assert explorer.second.found is None
    assert panel(explorer).state == {"busy": "", "problem": "", "model": None, "note": "", "compared": None}
    assert explorer._tabs.comparison.other == {}
    assert explorer.prediction == first.predict(drawn)


def test_a_drawing_is_not_shown_to_a_second_model_for_photographs(
    first: LesionClassifier, other: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = Explorer(first)
    explorer.second.load(other, "theirs")
    monkeypatch.setattr(other, "examine", lambda _: pytest.fail("it was asked about a drawing"))
    drawing = synthetic_samples()[0]
    explorer._sample_chosen(drawing.name, lambda examiner: examine_drawn(examiner, drawing))
    assert panel(explorer).state["note"] == DRAWN
    assert explorer.second.found is None


def test_in_a_class_there_is_no_second_model(monkeypatch: pytest.MonkeyPatch, other: LesionClassifier) -> None:
    monkeypatch.setattr(Line, "of_this_kernel", classmethod(lambda cls, on_place: Line("/nowhere", "key", on_place)))
    background = Background()
    with pytest.raises(LesionvizError, match="In a class other models are switched off"):
        background.stand_beside(other)
    assert Compare(background).alone is True
    explorer = Explorer()
    assert panel(explorer) not in explorer._explore.children


# --- Compare -----------------------------------------------------------------------------------------------------------


def test_both_maps_stand_side_by_side_under_compare(
    first: LesionClassifier, other: LesionClassifier, drawn: Path
) -> None:
    explorer = Explorer(first)
    explorer.image = drawn
    explorer.second.load(other, "theirs")
    explorer.target, explorer.layer = "BKL", "features.5"
    panel(explorer)._handle_custom_msg({"kind": "maps"}, [])
    compare = explorer._tabs.comparison
    assert compare is not None
    assert (compare.mode, compare.target, compare.layer) == ("two models", "BKL", "features.5")
    assert (compare.case["size"], compare.other["size"]) == (96, 64)
    assert compare.other["box"] == [0, 0, 300, 200]  # it sees the whole, squeezed; the first the middle
    assert compare.case["box"] == [50, 0, 250, 200]
    assert compare.other["predicted"] == other.predict(drawn).diagnosis
    assert [title.split(" (")[0] for title in compare.models] == ["this page's model", "theirs"]
    assert set(compare.other_maps) == {"gradcam"}
    compare._handle_custom_msg({"kind": "method", "key": "layercam"}, [])
    assert set(compare.other_maps) == {"gradcam", "layercam"}
    explorer.image = draw_lesion("NV", 1, (120, 120))
    assert compare.other["box"] == [0, 0, 120, 120]


def test_a_comparison_of_its_own_asks_both(first: LesionClassifier, other: LesionClassifier, drawn: Path) -> None:
    compare = Compare(first, second=other)
    compare.show(drawn)
    assert compare.other["predicted"] == other.predict(drawn).diagnosis
    assert compare.models[1].startswith("second model (")
    compare.clear()
    assert (compare.other, compare.other_maps, compare.models) == ({}, {}, [])


# --- Batch -------------------------------------------------------------------------------------------------------------


def test_a_batch_has_columns_of_the_second_model_and_the_row_knows_whether_they_agree(
    first: LesionClassifier, other: LesionClassifier, folder: Path
) -> None:
    batch = Batch(first, second=other)
    assert batch.second == f"second model ({other.checkpoint.file_sha256[:8]})"
    batch.add(folder)
    (folder / "broken.png").write_bytes(b"no picture")
    batch.add(folder / "broken.png")
    table = batch.table
    place = COLUMNS.index("NV") + 1
    assert list(table.columns) == [*COLUMNS[:place], *SECOND, *COLUMNS[place:]]
    pictures = table[table["error"] == ""]
    assert len(pictures) == 8
    for row, line in zip(batch.rows, pictures.itertuples(), strict=False):
        one, two = first.predict(row.origin), other.predict(row.origin)
        assert line.diagnosis == one.diagnosis
        assert (line.second_diagnosis, line.second_probability) == (two.diagnosis, pytest.approx(two.confidence))
        assert line.models_agree == ("yes" if one.diagnosis == two.diagnosis else "no")
        assert line.second_model_sha256 == other.checkpoint.file_sha256
    assert {"yes", "no"} >= set(pictures["models_agree"])
    assert "no" in set(pictures["models_agree"])
    assert table.iloc[-1]["models_agree"] == table.iloc[-1]["second_model"] == ""
    read = list(csv.DictReader(io.StringIO(batch.to_csv())))
    assert [line["models_agree"] for line in read] == list(table["models_agree"])


def test_a_batch_without_a_second_model_has_the_columns_that_it_always_had(
    first: LesionClassifier, folder: Path
) -> None:
    batch = Batch(first)
    batch.add(folder)
    assert list(batch.table.columns) == list(COLUMNS)
    assert batch.second == ""


def test_rows_before_the_second_model_lack_it_and_are_not_said_to_disagree(
    first: LesionClassifier, other: LesionClassifier, folder: Path
) -> None:
    batch = Batch(first)
    batch.add(folder / "mel")
    batch._background.stand_beside(other, "=theirs")
    batch.add(folder / "nevus")
    table = batch.table
    assert list(table["second_model"]) == ["", "", "=theirs", "=theirs"]
    assert list(table["models_agree"][:2]) == ["", ""]
    assert "'=theirs" in batch.to_csv()  # no formula for a spreadsheet


def test_a_refused_second_answer_is_no_disagreement(
    first: LesionClassifier, other: LesionClassifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Prediction("NV", 0.9, dict.fromkeys(CODES, 0.25), "x", refusal="the picture is too blurred")
    monkeypatch.setattr(other, "predict", lambda _: said)
    batch = Batch(first, second=other)
    batch.add(folder / "mel")
    line = batch.table.iloc[0]
    assert (line["models_agree"], line["second_refused_because"]) == ("", "the picture is too blurred")
    assert line["second_diagnosis"] is None


def test_a_second_model_that_fails_leaves_the_first_ones_answer(
    first: LesionClassifier, other: LesionClassifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_picture: object) -> Prediction:
        raise RuntimeError("weights of a stranger")

    monkeypatch.setattr(other, "predict", fail)
    batch = Batch(first, second=other)
    batch.add(folder / "mel")
    assert [row.outcome for row in batch.rows] == ["answered", "answered"]
    assert list(batch.table["models_agree"]) == ["", ""]


# --- Quiz --------------------------------------------------------------------------------------------------------------


def test_the_quiz_tells_the_second_answer_after_the_reveal_and_counts_it_for_nothing(
    first: LesionClassifier, other: LesionClassifier, folder: Path
) -> None:
    quiz = Quiz(folder, first, second=other)
    quiz.start()
    assert "second" not in quiz.panel.page
    item = quiz.game.question.item
    quiz.commit("NV")
    expected = other.predict(item.read("x"))
    told = quiz.panel.page["second"]
    assert (told["code"], told["reason"]) == (expected.diagnosis, "")
    assert told["first"] == f"this page's model ({first.checkpoint.file_sha256[:8]})"
    assert told["title"] == f"second model ({other.checkpoint.file_sha256[:8]})"
    alone = Quiz(folder, first)
    alone.start()
    alone.commit("NV")
    assert alone.panel.page["second"] is None
    assert (quiz.score, quiz.model_score, quiz.answers) == (alone.score, alone.model_score, alone.answers)


def test_drawings_of_the_quiz_are_not_shown_to_a_second_model(
    first: LesionClassifier, other: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other, "predict", lambda _: pytest.fail("it was asked about a drawing"))
    quiz = Quiz(None, first, second=other)
    quiz.start()
    quiz.commit("NV")
    assert quiz.panel.page["second"] is None


# --- kept --------------------------------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_a_kept_case_says_what_a_second_model_answered_and_says_nothing_where_there_was_none(
    first: LesionClassifier, other: LesionClassifier, files: Mapping[str, Path], drawn: Path
) -> None:
    explorer = Explorer(first)
    explorer.image = drawn
    case, view = explorer._state.examined.case, explorer._view
    assert explorer.second.kept(case) is None
    assert "Second" not in case_page(case, view, first.checkpoint, WHEN).split("<main")[1]
    upload(explorer, "<b>other.pth", files["other"].read_bytes())
    found = explorer.second.kept(case)
    assert found is not None
    page = case_page(case, view, first.checkpoint, WHEN, second=found).split("<main")[1]
    assert other.checkpoint.file_sha256 in page
    assert "&lt;b&gt;other.pth" in page
    assert "<b>other" not in page
    assert f"correlate with r = {found.correlation:.2f}".replace("-", "−") in page
    assert case_sheet(case, view, first.checkpoint, WHEN, "pdf", second=found).startswith(b"%PDF")
    explorer.second.remove()
    assert explorer.second.kept(case) is None

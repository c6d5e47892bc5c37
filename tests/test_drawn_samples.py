"""The page's drawn samples: the small network answers for them, says so, and never stands in for the real model."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lesionviz.checkpoint import DRAWN as DRAWN_FILE
from lesionviz.classifier import LesionClassifier
from lesionviz.data.drawings import draw, typical
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.drawn import drawn_classifier
from lesionviz.files import sha256
from lesionviz.game import drawn_set
from lesionviz.widgets import Compare, Explorer, Quiz
from lesionviz.widgets.case.answer import DRAWN
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.explorer.image_picker import ImagePicker
from lesionviz.widgets.export.export import case_page, case_sheet
from lesionviz.widgets.parts.masthead import Masthead


def part(box: Any, kind: type) -> Any:
    """The first widget of a kind inside another."""
    for child in getattr(box, "children", ()):
        found = child if isinstance(child, kind) else part(child, kind)
        if found is not None:
            return found
    return None


def choose(explorer: Explorer, number: int) -> None:
    part(explorer, ImagePicker)._handle_custom_msg({"kind": "sample", "number": number, "request": f"s{number}"}, [])


def upload(explorer: Explorer, data: bytes, second: bool = False) -> None:
    picker = part(explorer, ImagePicker)
    name = {"kind": "file", "id": 7, "name": "arm.png", "size": len(data), "second": second, "request": f"u{second}"}
    picker._handle_custom_msg(name, [])
    picker._handle_custom_msg({"kind": "piece", "id": 7}, [memoryview(data)])


@pytest.fixture
def explorer(classifier: LesionClassifier) -> Explorer:
    return Explorer(classifier)


@pytest.fixture
def photograph(tmp_path: Path) -> bytes:
    """Stands for one: whatever a person chooses is a photograph to the page."""
    draw_lesion("MEL", 5, (300, 200)).save(tmp_path / "arm.png")
    return (tmp_path / "arm.png").read_bytes()


@pytest.mark.parametrize("number", range(4))
def test_a_sample_is_answered_by_the_small_network_and_the_page_says_so(number: int, explorer: Explorer) -> None:
    choose(explorer, number)
    sample = synthetic_samples()[number]
    assert explorer.prediction == drawn_classifier().predict(sample)
    assert explorer.prediction.diagnosis == DIAGNOSES[number].code
    answer = explorer._explore.answer.value
    assert DRAWN in answer
    assert "The small network answers" in answer
    assert "The model answers" not in answer
    assert "odd answers" not in part(explorer, ImagePicker)._esm


def test_maps_of_a_sample_are_the_small_networks(explorer: Explorer) -> None:
    choose(explorer, 2)
    explorer.layer, explorer.target = "features.4", "NV"
    expected = drawn_classifier().explain(synthetic_samples()[2], "NV", "features.4").raw
    assert np.allclose(explorer.explanation.raw, expected, rtol=1e-3, atol=1e-5)
    explorer.method, explorer.against = "gradcam++", "MEL"  # no map of the case: the network is asked once more
    assert explorer.error == ""
    again = drawn_classifier().explain(synthetic_samples()[2], "NV", "features.4", "gradcam++", "MEL").raw
    assert np.allclose(explorer.explanation.raw, again, rtol=1e-3, atol=1e-5)


def test_a_photograph_after_a_sample_is_the_real_models_and_nothing_of_the_sample_stays(
    explorer: Explorer, classifier: LesionClassifier, photograph: bytes
) -> None:
    choose(explorer, 0)
    assert part(explorer, CaseView).case["drawn"] is True
    upload(explorer, photograph)
    assert part(explorer, CaseView).case["drawn"] is False
    assert explorer.prediction.probabilities == classifier.predict(photograph).probabilities
    assert DRAWN not in explorer._explore.answer.value
    choose(explorer, 1)
    assert DRAWN in explorer._explore.answer.value


def test_a_picture_set_from_python_is_asked_of_the_explorers_own_classifier(
    explorer: Explorer, classifier: LesionClassifier
) -> None:
    explorer.image = draw(typical("NV", 1), 1, (200, 150))
    assert explorer.prediction.probabilities == classifier.predict(explorer.image).probabilities
    assert DRAWN not in explorer._explore.answer.value


def test_a_sample_is_held_against_no_threshold_of_the_real_model(classifier: LesionClassifier) -> None:
    explorer = Explorer(classifier)
    explorer.sensitivity = 0.9
    choose(explorer, 2)
    assert "lv-threshold" not in explorer._explore.answer.value
    assert explorer._explore.threshold.layout.display == "none"


def test_compare_shows_the_maps_of_a_sample_alone_and_says_whose_they_are(
    explorer: Explorer, photograph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(explorer, 2)
    part(explorer, Masthead).tab = "compare"
    compare = part(explorer, Compare)
    assert compare.case["source"] == "synthetic melanoma"
    assert compare.message == DRAWN
    assert compare.case["drawn"] is True  # so that the page names the small network
    monkeypatch.setattr(LesionClassifier, "examine", lambda *_: pytest.fail("the photograph was looked at"))
    upload(explorer, photograph, second=True)
    assert "is a drawing and stands alone" in compare.message
    assert compare.second == {}
    for method in ("hirescam", "layercam"):
        compare._handle_custom_msg({"kind": "method", "key": method}, [])
        assert method in compare.maps
    assert "looked at by another model" not in compare.message


@pytest.mark.heavy
def test_what_is_kept_of_a_sample_names_the_small_network(explorer: Explorer) -> None:
    choose(explorer, 2)
    case, checkpoint = explorer._state.on_view.case, drawn_classifier().checkpoint
    kept = case_page(case, part(explorer, CaseView), checkpoint, datetime(2026, 1, 1))
    assert DRAWN in kept
    assert sha256(DRAWN_FILE) in kept
    sheet = case_sheet(case, part(explorer, CaseView), checkpoint, datetime(2026, 1, 1), "pdf")
    assert sheet.startswith(b"%PDF")
    delivered: dict[str, bytes] = {}
    keeping = explorer._explore._downloads
    keeping.deliver = lambda name, data, _kind: delivered.update({name: data})
    keeping._make("page")
    assert DRAWN.encode() in delivered["synthetic-melanoma.html"]


def test_an_explorer_of_the_small_network_says_of_every_answer_that_it_knows_drawings_alone(
    photograph: bytes,
) -> None:
    explorer = Explorer(drawn_classifier())
    assert "small EfficientNet" in part(explorer, Masthead).model_words
    assert "knows drawings alone" in part(explorer, Masthead).model_words
    upload(explorer, photograph)
    assert DRAWN in explorer._explore.answer.value


def test_the_quiz_asks_the_small_network_about_drawings_and_says_so(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[LesionClassifier] = []
    examine = LesionClassifier.examine

    def note(self: LesionClassifier, image: Any) -> Any:
        asked.append(self)
        return examine(self, image)

    monkeypatch.setattr(LesionClassifier, "examine", note)
    quiz = Quiz(classifier=classifier, cases=4)
    quiz.start()
    quiz.commit("MEL")
    assert set(asked) == {drawn_classifier()}
    assert quiz._view.case["drawn"] is True
    assert DRAWN in quiz.panel.page["model"]["html"]
    quiz.finish()
    assert quiz.panel.page["matrices"][-1]["title"].startswith("The small network")


@pytest.mark.heavy
def test_the_small_network_is_mostly_right_in_the_drawn_quiz() -> None:
    found = drawn_classifier().predict_many(item.read(item.name) for item in drawn_set().items)
    right = [prediction.diagnosis == item.truth for prediction, item in zip(found, drawn_set().items, strict=True)]
    assert len(right) == 6 * len(CODES)
    assert np.mean(right) >= 0.9


def test_a_quiz_of_a_teachers_pictures_is_the_real_models(
    classifier: LesionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in ("MEL", "NV"):
        (tmp_path / code).mkdir()
        draw_lesion(code, 1, (120, 90)).save(tmp_path / code / "a.png")
    monkeypatch.setattr("lesionviz.drawn.drawn_classifier", lambda: pytest.fail("the small network was asked"))
    quiz = Quiz(tmp_path, classifier)
    quiz.start()
    quiz.commit("MEL")
    assert quiz.panel.page["model"]["html"]
    assert quiz._view.case["drawn"] is False
    assert not re.search("small network", quiz.panel.page["model"]["html"])

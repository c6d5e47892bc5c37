"""What the page shows is a function of one state: for every state, what stands there, and that nothing else does."""

from __future__ import annotations

import io
import re
from dataclasses import fields, replace
from typing import get_args

import pytest
from PIL import Image

from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import DIAGNOSES
from lesionviz.imaging import LesionImage
from lesionviz.similarity import SimilarCase
from lesionviz.widgets.explorer.examined import Examined, examine
from lesionviz.widgets.explorer.state import Shown, State, judged, shown
from lesionviz.widgets.parts.front_end import style
from lesionviz.widgets.parts.status import Kind

KINDS: tuple[Kind, ...] = get_args(Kind)
POINT = {"sensitivity": 0.9, "threshold": 0.25, "specificity": 0.7, "benign_per_melanoma": 2.5}
WITHOUT_A_PICTURE = ("empty", "held", "receiving", "working", "failed")


@pytest.fixture(scope="module")
def picture() -> LesionImage:
    return LesionImage(draw_lesion("MEL", 5, (900, 600)), "arm <b>left.jpg")


@pytest.fixture(scope="module")
def answered(classifier: LesionClassifier, picture: LesionImage) -> Examined:
    """A picture with all that can be known of it."""
    examined = examine(classifier, picture)
    examined.similar = [(SimilarCase("one <b>", "l1", "MEL", "/nowhere/one.jpg", 0.9), b"")]
    return examined


@pytest.fixture(scope="module")
def refused(answered: Examined) -> Examined:
    """The same picture, which the model refuses."""
    prediction = replace(answered.prediction, refusal="the picture is too dark")
    return Examined(answered.picture, replace(answered.case, prediction=prediction), similar=answered.similar)


def set_parts(page: Shown) -> set[str]:
    """The parts of a page that show something."""
    nothing = Shown(page.kind)
    return {one.name for one in fields(page) if getattr(page, one.name) != getattr(nothing, one.name)}


@pytest.mark.parametrize("kind", WITHOUT_A_PICTURE)
def test_nothing_of_a_picture_stands_on_the_page_before_it_was_looked_at_or_when_it_failed(
    kind: Kind, answered: Examined
) -> None:
    page = shown(State(kind, "next.jpg", "A sentence.", answered, (POINT,), 0.9))
    assert page == Shown(kind, "next.jpg", "A sentence.")
    assert set_parts(page) == {"name", "words"}
    assert State(kind, examined=answered).on_view is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_without_a_picture_that_was_looked_at_shows_its_sentence_and_nothing_else(kind: Kind) -> None:
    assert shown(State(kind, "a.jpg")) == Shown(kind, "a.jpg")


def test_an_answer_stands_on_the_page_with_its_picture_and_what_looks_alike(answered: Examined) -> None:
    state = judged(answered, False, (), None)
    page = shown(state)
    prediction = answered.prediction
    assert (page.kind, page.name) == ("answered", "arm <b>left.jpg")
    assert page.examined is state.on_view is answered
    assert f"{prediction.confidence:.1%}" in page.answer
    assert "arm &lt;b&gt;left.jpg" in page.answer
    assert "one &lt;b&gt;, similarity 0.90" in page.similar
    assert page.label == f"{prediction.diagnosis} {prediction.confidence:.0%}"
    assert set_parts(page) == {"name", "examined", "answer", "similar", "label"}
    assert shown(state) == page


def test_a_refused_picture_shows_no_class_and_no_probability(refused: Examined) -> None:
    state = judged(refused, False, (POINT,), 0.9)
    page = shown(state)
    assert set_parts(page) == {"name", "words", "picture", "apart", "label"}
    assert state.on_view is None
    said = " ".join(str(getattr(page, part)) for part in ("name", "words", "apart", "label"))
    assert "arm <b>left.jpg: the model gives no answer, because the picture is too dark." in said
    assert "arm <b>left.jpg got no answer, so it has no maps to compare" in said
    for diagnosis in DIAGNOSES:
        assert diagnosis.code not in said
        assert diagnosis.name not in said
    assert "%" not in said
    with Image.open(io.BytesIO(page.picture)) as small:
        assert small.format == "JPEG"
        assert small.size == (520, 347)


def test_who_insists_gets_the_answer_marked_as_not_valid(refused: Examined) -> None:
    page = shown(judged(refused, True, (POINT,), 0.9))
    assert page.kind == "answered"
    assert "Do not rely on this answer: the picture is too dark." in page.answer
    assert "lv-threshold" not in page.answer
    assert (page.label, page.apart, page.picture) == ("not valid", "", b"")
    assert page.examined is refused


def test_insisting_on_an_answer_that_is_there_changes_nothing(answered: Examined) -> None:
    assert judged(answered, True, (), None) == judged(answered, False, (), None)


def test_the_chosen_threshold_stands_in_the_answer_where_the_model_has_it(answered: Examined) -> None:
    chosen = judged(answered, False, (POINT,), 0.9)
    assert chosen.point == POINT
    assert 'style="left:25.0%"' in shown(chosen).answer
    for points, sensitivity in (((POINT,), None), ((POINT,), 0.8), ((), 0.9)):
        state = judged(answered, False, points, sensitivity)
        assert state.point is None
        assert "lv-threshold" not in shown(state).answer
        assert shown(state).thresholds is bool(points)


def test_similar_cases_stand_there_only_when_there_are_some_and_an_answer(answered: Examined) -> None:
    alone = Examined(answered.picture, answered.case)
    assert shown(judged(alone, False, (), None)).similar == ""
    alone.similar = answered.similar
    assert shown(judged(alone, False, (), None)).similar != ""
    assert {kind for kind in KINDS if shown(State(kind, examined=alone)).similar} == {"answered"}


def test_the_answer_is_visible_only_when_there_is_one_and_the_button_only_for_a_refused_picture() -> None:
    css = style("explorer/explorer")
    assert re.search(r"\.lv-outcome > \* \{\s*display: none !important;", css)
    rules = re.findall(r'\[data-state="(\w+)"\] ~ \.lv-outcome > (\.[\w-]+) \{\s*display: (\w+)', css)
    assert rules == [("answered", ".lv-result", "flex"), ("refused", ".lv-insist", "block")]
    assert css.count("data-state") == len(rules)
    assert {kind for kind, *_ in rules} <= set(KINDS)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (3, "arm.jpg waits: 3 others are before it."),
        (1, "arm.jpg waits: 1 other is before it."),
        (0, "Looking at arm.jpg …"),
    ],
)
def test_a_picture_in_line_says_how_many_are_before_it(place: int, words: str) -> None:
    state = State("working", "arm.jpg").in_line(place)
    assert (state.kind, state.name, state.words) == ("working", "arm.jpg", words)
    assert shown(state).words == words

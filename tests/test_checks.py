"""Checks of the answer on view, driven by what a browser (or a stranger) would send."""

from __future__ import annotations

import io
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionviz.case import Case
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Far, Near
from lesionviz.data.synthetic import draw_lesion
from lesionviz.imaging import LesionImage
from lesionviz.trust.answer_sets import WHY_NONE
from lesionviz.trust.places import marked
from lesionviz.trust.pointing import Pointing
from lesionviz.trust.squares import Mask
from lesionviz.trust.stillness import VARIANTS, Answered, Stillness
from lesionviz.trust.what_if import painted_out
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.answer_set import AnswerSetCheck
from lesionviz.widgets.checks.check import Check
from lesionviz.widgets.checks.checks import Checks
from lesionviz.widgets.checks.pointing import GENERALLY, NOT_ONLY_THE_MAP, PointingCheck
from lesionviz.widgets.parts.background import Background

WHEN = datetime(2026, 11, 25, 17, 30)
HOSTILE = '</section><script>alert("1")</script>'


@dataclass
class OnView:
    """A picture as the page shows it."""

    case: Case
    drawn: bool = False


class Counting(Near):
    """A near model that tells what it was asked, and answers a check as a test wishes."""

    def __init__(self, classifier: LesionClassifier, **answers: Any) -> None:
        super().__init__(classifier)
        self.asked: list[str] = []
        self.answers = answers

    def answering(self, drawn: bool) -> Counting:
        self.asked += ["drawn"] * drawn
        return self

    def pointing(self, case: Case, mask: Mask, target: str) -> Pointing:
        self.asked.append(f"pointing {case.name}")
        return self._told("pointing") or super().pointing(case, mask, target)

    def stillness(self, case: Case) -> Stillness:
        self.asked.append(f"stillness {case.name}")
        return self._told("stillness") or super().stillness(case)

    def _told(self, name: str) -> Any:
        told = self.answers.get(name)
        if isinstance(told, Exception):
            raise told
        return told


def background_of(examiner: Near | Far) -> Background:
    background = Background(LesionClassifier)  # type: ignore[arg-type]  # nobody asks it
    background._examiner = Future()
    background._examiner.set_result(examiner)
    return background


@pytest.fixture(scope="module")
def picture() -> LesionImage:
    return LesionImage(draw_lesion("MEL", 5, (300, 220)), "arm.jpg")


@pytest.fixture(scope="module")
def case(classifier: LesionClassifier, picture: LesionImage) -> Case:
    return classifier.examine(picture)


@pytest.fixture(scope="module")
def recorded(small_checkpoint: Checkpoint) -> LesionClassifier:
    """A model with a record of its calibration images."""
    return LesionClassifier(replace(small_checkpoint, calibration=Checkpoint.load(BUNDLED).calibration))


def press(check: Check, content: Any = None) -> None:
    check._handle_custom_msg({"kind": "ask"} if content is None else content, [])


def holding(case: Case, diagnosis: str = "NV") -> Stillness:
    """Every variant keeps the answer but one, which is answered with another class."""
    rows = [Answered(name, diagnosis, 0.9, 0.9) for name in VARIANTS]
    rows[4] = Answered(list(VARIANTS)[4], "MEL", 0.7, 0.2)
    return Stillness(diagnosis, 0.95, tuple(rows))


# --- which diagnoses are left -----------------------------------------------------------------------------------------


def test_the_sets_of_every_share_are_there_with_the_answer_and_cost_nothing(
    recorded: LesionClassifier, case: Case
) -> None:
    examiner = Counting(recorded)
    check = AnswerSetCheck(background_of(examiner))
    check.show(OnView(case))
    sets = examiner.answer_sets
    assert sets is not None
    rows = check.state["rows"]
    assert [row["percent"] for row in rows] == list(range(80, 100))
    for row in rows:
        level = row["percent"] / 100
        assert tuple(row["codes"]) == sets.of(case.prediction.probabilities, level).codes
        assert row["words"] == sets.sentence(level)
    assert all(set(less["codes"]) <= set(more["codes"]) for less, more in pairwise(rows))
    assert (rows[10]["badge"], rows[12]["badge"], rows[19]["badge"]) == (
        "promised for each class",
        "promised for some classes",
        "promised over all classes",
    )
    assert examiner.asked == []


def test_a_set_without_any_malignant_diagnosis_says_so_and_one_with_some_names_all(
    recorded: LesionClassifier, case: Case
) -> None:
    check = AnswerSetCheck(background_of(Near(recorded)))
    sure = replace(case.prediction, probabilities={"BCC": 0.0, "BKL": 0.0, "MEL": 0.0, "NV": 1.0})
    check.show(OnView(replace(case, prediction=sure)))
    assert check.state["rows"][10]["here"] == ("Here: melanocytic nevus alone. No malignant diagnosis is left in it.")
    torn = replace(case.prediction, probabilities={"BCC": 0.0, "BKL": 0.0, "MEL": 0.51, "NV": 0.49})
    check.show(OnView(replace(case, prediction=torn)))
    assert check.state["rows"][19]["here"].startswith("Here: melanoma or melanocytic nevus")


def test_without_a_record_it_is_said_why_and_of_whose_network(classifier: LesionClassifier, case: Case) -> None:
    check = AnswerSetCheck(background_of(Counting(classifier)))
    check.show(OnView(case))
    assert check.state == {"kind": "failed", "words": WHY_NONE}
    check.show(OnView(case, drawn=True))
    assert check.state["kind"] == "failed"
    assert "The small network for drawings" in check.state["words"]
    assert check.kept() is None


def test_the_share_that_a_person_chose_is_the_one_that_is_kept(recorded: LesionClassifier, case: Case) -> None:
    check = AnswerSetCheck(background_of(Near(recorded)))
    check.show(OnView(case))
    check.set_state({"percent": 95})
    kept = check.kept()
    assert kept is not None
    assert kept.title == "Which diagnoses are left, for 95 right sets of 100?"
    assert "in about 95." in kept.words


# --- does the pointing matter? ------------------------------------------------------------------------------------------


def pointing_check(examiner: Near | Far, picture: LesionImage, case: Case) -> tuple[PointingCheck, CaseView]:
    view = CaseView()
    view.show(case, picture)
    check = PointingCheck(background_of(examiner), view)
    check.show(OnView(case))
    return check, view


def test_nothing_is_taken_away_until_a_person_asks_and_then_what_the_map_on_view_marks_is(
    classifier: LesionClassifier, picture: LesionImage, case: Case
) -> None:
    examiner = Counting(classifier)
    check, view = pointing_check(examiner, picture, case)
    assert examiner.asked == []
    view.target, view.layer = "BCC", "features.5"
    press(check)
    assert examiner.asked == ["pointing arm.jpg"]
    whole = classifier.complete(case)
    mask = marked(whole.explanation("BCC", "features.5").raw, case.input_size)
    expected = Near(classifier).pointing(case, mask, "BCC")
    state = check.state
    assert state["about"] == "Grad-CAM at features.5 for basal cell carcinoma"
    assert state["drops"] == list(expected.drops)
    assert state["random_drops"] == [list(each) for each in expected.random_drops]
    assert state["words"].startswith(expected.sentence)
    with Image.open(io.BytesIO(state["without"])) as without:
        assert np.array_equal(np.asarray(without), painted_out(case.seen, mask))


def test_a_finding_says_when_the_map_on_view_is_another_one(
    classifier: LesionClassifier, picture: LesionImage, case: Case
) -> None:
    check, view = pointing_check(Near(classifier), picture, case)
    press(check)
    assert check.state["turned"] is False
    view.method = "layercam"
    assert check.state["turned"] is True
    view.method = "gradcam"
    assert check.state["turned"] is False


@pytest.mark.parametrize(
    ("drops", "badge", "said"),
    [
        ((0.41, 0.43), "it matters", "by −42 points; random places of that size and shape: −3 ± 0."),
        ((0.01, 0.02), "not shown to matter", NOT_ONLY_THE_MAP),
        ((0.41, 0.01), "cannot be told", "Blurred and painted out do not agree"),
        ((), "cannot be told", "The map marks nothing"),
    ],
)
def test_every_verdict_says_what_it_means_and_how_often_the_check_passes(
    drops: tuple[float, ...],
    badge: str,
    said: str,
    classifier: LesionClassifier,
    picture: LesionImage,
    case: Case,
) -> None:
    told = Pointing("MEL", 0.9, 0.07, 1, drops, ((0.03,) * 19,) * len(drops))
    check, _ = pointing_check(Counting(classifier, pointing=told), picture, case)
    press(check)
    assert check.state["badge"] == badge
    assert said in check.state["words"]
    assert (NOT_ONLY_THE_MAP in check.state["words"]) is (badge == "not shown to matter")
    assert check.state["generally"] == GENERALLY
    assert bool(check.state["without"]) is bool(drops)
    kept = check.kept()
    assert kept is not None
    assert kept.badge == badge
    assert GENERALLY in kept.words


def test_checks_are_one_list_to_extend(recorded: LesionClassifier) -> None:
    checks = Checks(background_of(Near(recorded)), CaseView())
    titles = [check.texts["title"] for check in checks._checks]
    assert len(set(titles)) == len(titles) == len(checks.parts_to_say_again())
    assert all(check.texts["limits"] for check in checks._checks)

"""Checks of the answer on view, driven by what a browser (or a stranger) would send."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import threading
from dataclasses import replace
from datetime import datetime
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from on_view import OnView, background_of, press
from PIL import Image

from lesionviz.case import Case
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Far, Near
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage
from lesionviz.trust.answer_sets import WHY_NONE
from lesionviz.trust.places import marked
from lesionviz.trust.pointing import Pointing
from lesionviz.trust.squares import Mask
from lesionviz.trust.stillness import VARIANTS, Answered, Stillness, variant
from lesionviz.trust.what_if import painted_out
from lesionviz.widgets import Explorer
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.answer_set import AnswerSetCheck
from lesionviz.widgets.checks.check import DRAWN, Check, Kept
from lesionviz.widgets.checks.checks import TITLE, Fold
from lesionviz.widgets.checks.pointing import GENERALLY, NOT_ONLY_THE_MAP, PointingCheck
from lesionviz.widgets.checks.stillness import StillnessCheck
from lesionviz.widgets.export.export import case_page, case_sheet
from lesionviz.widgets.parts.downloads import Downloads

WHEN = datetime(2026, 11, 25, 17, 30)
HOSTILE = '</section><script>alert("1")</script>'


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


# --- does it hold still? ------------------------------------------------------------------------------------------------


def test_every_variant_is_told_and_the_worst_is_shown_first(classifier: LesionClassifier, case: Case) -> None:
    examiner = Counting(classifier, stillness=holding(case))
    check = StillnessCheck(background_of(examiner))
    check.show(OnView(case))
    assert (check.state["kind"], examiner.asked) == ("ready", [])
    press(check)
    worst = list(VARIANTS)[4]
    assert [each["name"] for each in check.state["variants"]] == list(VARIANTS)
    assert check.state["variants"][4]["words"] == f"{worst}: melanocytic nevus 20%, answered melanoma 70%"
    assert (check.state["worst"], check.state["shown"]) == (worst, worst)
    assert check.state["picture"] == variant(case.seen, worst)
    assert check.state["badge"] == "22 of 23 keep it"
    press(check, {"kind": "variant", "name": "upside down"})
    assert check.state["picture"] == variant(case.seen, "upside down")
    assert check.state["caption"] == "upside down: melanocytic nevus 90%"
    assert examiner.asked == ["stillness arm.jpg"]
    kept = check.kept()
    assert kept is not None
    assert kept.words == f"{check.state['words']} {check.state['generally']}"
    assert kept.rows[4] == (worst, "MEL 70%", "20%")
    assert kept.pictures == (
        (f"The worst: {worst}: melanocytic nevus 20%, answered melanoma 70%", variant(case.seen, worst)),
    )


# --- all of them --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stillness", "pointing"])
def test_a_drawing_is_asked_of_its_own_network_and_every_finding_says_so(
    kind: str, classifier: LesionClassifier, picture: LesionImage, case: Case
) -> None:
    examiner = Counting(classifier, stillness=holding(case), pointing=Pointing("MEL", 0.9, 0.1, 1, (), ()))
    check: Check
    check = (
        StillnessCheck(background_of(examiner)) if kind == "stillness" else pointing_check(examiner, picture, case)[0]
    )
    check.show(OnView(case, drawn=True))
    assert check.state["words"] == DRAWN
    press(check)
    assert examiner.asked == ["drawn", f"{kind} arm.jpg"]
    assert check.state["words"].endswith(DRAWN)


def test_what_was_asked_about_the_last_picture_is_not_told_of_the_next(
    classifier: LesionClassifier, case: Case
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Counting):
        def stillness(self, case: Case) -> Stillness:
            begun.set()
            go_on.wait()
            return super().stillness(case)

    examiner = Slow(classifier, stillness=holding(case))
    said: list[tuple[str, str]] = []

    async def play() -> None:
        found = asyncio.Event()
        check = StillnessCheck(background_of(examiner))
        check.observe(lambda change: found.set() if change.new["kind"] == "found" else None, "state")
        check.observe(lambda change: said.append((check._looked.case.name, change.new["kind"])), "state")  # type: ignore[union-attr]
        check.show(OnView(case))
        press(check)
        await asyncio.to_thread(begun.wait)
        check.show(OnView(replace(case, name="next.jpg")))
        press(check)
        go_on.set()
        await found.wait()

    asyncio.run(play())
    assert examiner.asked == ["stillness arm.jpg", "stillness next.jpg"]
    assert said == [
        ("arm.jpg", "ready"),
        ("arm.jpg", "asking"),
        ("next.jpg", "ready"),
        ("next.jpg", "asking"),
        ("next.jpg", "found"),
    ]


def test_whoever_waits_for_a_check_in_a_class_sees_his_place(classifier: LesionClassifier, case: Case) -> None:
    said: list[dict[str, Any]] = []

    class Full(Counting):
        def stillness(self, case: Case) -> Stillness:
            said.append(check.state)
            for place in (2, 1, 0):
                background._running.on_place(place)
                said.append(check.state)
            return super().stillness(case)

    background = background_of(Full(classifier, stillness=holding(case)))
    background.on_place = lambda _place: pytest.fail("it is the check that waits, not the picture")
    check = StillnessCheck(background)
    check.show(OnView(case))
    press(check)
    assert [state["kind"] for state in said] == ["asking"] * 4
    assert [state["words"] for state in said] == [
        "Asking …",
        "This question waits: 2 others are before it.",
        "This question waits: 1 other is before it.",
        "Asking …",
    ]
    assert check.state["kind"] == "found"


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (LesionvizError("The line is cut. Try again."), "The line is cut. Try again."),
        (
            ValueError("secret"),
            "arm.jpg could not be examined: something inside lesionviz failed. See the log.",
        ),
    ],
)
def test_a_failure_becomes_a_sentence(
    problem: Exception, said: str, classifier: LesionClassifier, case: Case
) -> None:
    check = StillnessCheck(background_of(Counting(classifier, stillness=problem)))
    check.show(OnView(case))
    press(check)
    assert check.state == {"kind": "failed", "words": said}
    assert check.kept() is None


@pytest.mark.parametrize(
    "content",
    [
        None,
        "ask",
        [],
        {},
        {"kind": ["ask"]},
        {"kind": "variant"},
        {"kind": "variant", "name": ["upside down"]},
        {"kind": "variant", "name": "../../etc/passwd"},
        {"kind": "reboot"},
    ],
)
def test_hostile_messages_change_nothing(
    content: Any, classifier: LesionClassifier, picture: LesionImage, case: Case
) -> None:
    examiner = Counting(classifier, stillness=holding(case))
    still, (points, _) = StillnessCheck(background_of(examiner)), pointing_check(examiner, picture, case)
    still.show(OnView(case))
    for check in (still, points):
        before = check.state
        check._handle_custom_msg(content, [])
        assert check.state == before
    press(still)
    before = still.state
    still._handle_custom_msg(content, [])
    assert still.state == before
    assert examiner.asked == ["stillness arm.jpg"]


def test_hostile_traits_change_nothing(recorded: LesionClassifier, case: Case) -> None:
    background = background_of(Near(recorded))
    fold = Fold(title=TITLE)
    fold.set_state({"title": HOSTILE})
    assert fold.title == TITLE
    for check in (AnswerSetCheck(background), StillnessCheck(background), PointingCheck(background, CaseView())):
        check.show(OnView(case))
        before = (check.state, check.texts, check.classes)
        check.set_state({"state": {"kind": "found", "words": HOSTILE}, "texts": {}, "classes": [], "layout": "x"})
        assert (check.state, check.texts, check.classes) == before
    sets = AnswerSetCheck(background)
    for percent in (79, 100, "90", None, [90]):
        with pytest.raises(Exception, match="percent"):
            sets.set_state({"percent": percent})
        assert sets.percent == 90


# --- what a person keeps ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept() -> list[Kept]:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    rows = ((HOSTILE, "NV 90%"),)
    return [
        Kept(
            f"Title {HOSTILE}",
            HOSTILE,
            f"Words {HOSTILE}",
            HOSTILE,
            (HOSTILE, "Answer"),
            rows,
            ((HOSTILE, buffer.getvalue()),),
        ),
        Kept("Another", "", "Found.", "It can show."),
    ]


def test_the_kept_page_tells_every_finding_with_its_limits_and_nothing_of_it_is_markup(
    classifier: LesionClassifier, small_checkpoint: Checkpoint, picture: LesionImage, kept: list[Kept]
) -> None:
    view = CaseView(classifier, picture)
    assert view.looked is not None
    page = case_page(view.looked, view, small_checkpoint, WHEN, None, kept)
    assert TITLE in page
    assert "Found." in page
    assert HOSTILE not in page
    assert page.count("&lt;/section&gt;&lt;script&gt;") == 7
    assert f"data:image/png;base64,{base64.b64encode(kept[0].pictures[0][1]).decode()}" in page
    assert "lv-checks-kept" not in case_page(view.looked, view, small_checkpoint, WHEN).split("<main")[1]


def test_checks_follow_the_explorers_picture_and_a_kept_case_tells_what_they_found(
    recorded: LesionClassifier, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(Downloads, "deliver", lambda _self, _name, data, _kind: made.append(data.decode()))
    explorer = Explorer(recorded)
    explorer.image = draw_lesion("NV", 3, (300, 200))
    explorer.insist = True
    page = explorer._explore
    sets, points, still = (
        next(check for check in page._checks._checks if isinstance(check, kind))
        for kind in (AnswerSetCheck, PointingCheck, StillnessCheck)
    )
    assert [check.state["kind"] for check in (sets, points, still)] == ["found", "ready", "ready"]

    def keep() -> str:
        page._downloads._handle_custom_msg({"kind": "make", "key": "page"}, [])
        return made[-1].split("<main")[1]

    kept = keep()
    assert escape(sets.texts["title"].removesuffix("?")) in kept
    assert points.texts["limits"] not in kept
    press(points)
    press(still)
    kept = keep()
    assert escape(points.state["words"]) in kept
    assert escape(still.state["words"]) in kept
    assert all(f'<th scope="row">{name}</th>' in kept for name in VARIANTS)
    explorer.image = draw_lesion("BCC", 3, (300, 200))
    explorer.insist = True
    assert still.texts["limits"] not in keep()
    explorer.image = None
    assert {check.state["kind"] for check in page._checks._checks} == {"none"}
    assert page._checks.kept() == []


@pytest.mark.heavy
def test_a_pdf_tells_the_findings_on_pages_after_the_first_three_on_each(
    classifier: LesionClassifier, small_checkpoint: Checkpoint, picture: LesionImage, kept: list[Kept]
) -> None:
    view = CaseView(classifier, picture)
    assert view.looked is not None
    for found, pages in ([], 1), (kept, 2), (kept * 2, 3):
        pdf = case_sheet(view.looked, view, small_checkpoint, WHEN, "pdf", None, found)
        assert len(re.findall(rb"/Type /Page\b", pdf)) == pages
    assert pdf == case_sheet(view.looked, view, small_checkpoint, WHEN, "pdf", None, kept * 2)


@pytest.mark.heavy
def test_the_fullest_finding_ends_above_the_foot_of_its_page() -> None:
    from lesionviz.widgets.export.checked_sheet import draw_checked

    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    long = "many words " * 300
    full = Kept(long, "a badge", long, long, pictures=(("A caption", buffer.getvalue()),))
    (page,) = draw_checked(
        [full], "a name " * 80, {"Picture": "a name " * 80, "Model": "m", "Split": "s", "Made": "now"}
    )
    foot = next(text for text in page.texts if text.get_text() == "Picture").get_position()[1]
    words = [text.get_position()[1] for text in page.texts if "many words" in text.get_text()]
    assert min(words) > foot

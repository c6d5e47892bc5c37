"""The harness for checks of an answer: every section of "Can I trust this answer?" goes through it, a new one by its class.

What one of them finds stands in a file of its own; here is what all must keep to, whatever they find.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from on_view import OnView, background_of, press

import lesionviz.widgets.checks
from lesionviz.case import Case
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Far, Near, answer
from lesionviz.cluster.requests import REQUESTS
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.check import DRAWN, REFUSED, Check
from lesionviz.widgets.checks.checks import Checks, Fold
from lesionviz.wire import unpack

for module in pkgutil.iter_modules(lesionviz.widgets.checks.__path__, f"{lesionviz.widgets.checks.__name__}."):
    importlib.import_module(module.name)  # a check that nobody lists yet is found, too
EVERY = sorted(Check.__subclasses__(), key=lambda kind: kind.__name__)
every_check = pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.__name__)
HOSTILE: list[Any] = ["ask", [], {}, {"kind": ["ask"]}, {"kind": "reboot"}, {"kind": "variant", "name": "/etc"}]


@dataclass
class Listening:
    """The line to a model, which tells what went over it, and can be cut."""

    classifier: LesionClassifier
    heard: list[str] = field(default_factory=list)
    cut: bool = False

    def __call__(self, question: bytes) -> bytes:
        if self.cut:
            raise LesionvizError("The line is cut. Try again.")
        self.heard.append(unpack(question)["name"])
        return answer(self.classifier, question)


@pytest.fixture(scope="module")
def recorded(small_checkpoint: Checkpoint) -> LesionClassifier:
    """A model with a record of its calibration images."""
    return LesionClassifier(replace(small_checkpoint, calibration=Checkpoint.load(BUNDLED).calibration))


@pytest.fixture(scope="module")
def picture() -> LesionImage:
    return LesionImage(draw_lesion("MEL", 5, (300, 220)), "arm.jpg")


@pytest.fixture(scope="module")
def case(recorded: LesionClassifier, picture: LesionImage) -> Case:
    return recorded.examine(picture)


@pytest.fixture
def line(recorded: LesionClassifier) -> Listening:
    return Listening(recorded)


@pytest.fixture
def of_kind(case: Case, picture: LesionImage) -> Callable[[type[Check], Near | Far], Check]:
    """Give the check of a kind from the list of all, beside a page that has the picture on view."""

    def of_kind(kind: type[Check], examiner: Near | Far) -> Check:
        view = CaseView()
        view.show(case, picture)
        (check,) = (one for one in Checks(background_of(examiner), view)._checks if isinstance(one, kind))
        return check

    return of_kind


def told(check: Check) -> str:
    """Every sentence of a finding: that of the section, and those of its rows."""
    return " ".join([check.state["words"], *(row.get("words", "") for row in check.state.get("rows", ()))])


def test_checks_are_one_list_to_extend(recorded: LesionClassifier) -> None:
    checks = Checks(background_of(Near(recorded)), CaseView())
    listed = [kind for check in checks._checks for kind in EVERY if isinstance(check, kind)]
    assert sorted(listed, key=EVERY.index) == EVERY, "a check is a class and a line in `Checks`"
    titles = [check.texts["title"] for check in checks._checks]
    assert len(set(titles)) == len(titles) == len(checks.parts_to_say_again())
    assert [fold.parts for fold in checks.children if isinstance(fold, Fold)] == [titles]


@every_check
def test_a_check_says_what_it_can_and_cannot_show(
    kind: type[Check], recorded: LesionClassifier, of_kind: Any
) -> None:
    texts = of_kind(kind, Near(recorded)).texts
    assert "can show" in texts["limits"]
    assert "cannot" in texts["limits"]
    assert ("button" in texts) == ("cost" in texts), "a button says what it costs"


@every_check
def test_a_check_without_a_picture_shows_and_asks_nothing(kind: type[Check], line: Listening, of_kind: Any) -> None:
    check = of_kind(kind, Far(line))
    for content in (None, *HOSTILE):
        check.show(None)
        press(check, content)
        assert check.state["kind"] == "none"
    assert check.kept() is None
    assert line.heard == []


@every_check
def test_a_browser_can_press_a_checks_buttons_and_nothing_else(
    kind: type[Check], case: Case, line: Listening, of_kind: Any
) -> None:
    check = of_kind(kind, Far(line))
    check.show(OnView(case))
    for _ in ("looked at", "asked about"):
        before, asked = (check.state, check.texts, check.classes), [*line.heard]
        for content in HOSTILE:
            press(check, content)
        check.set_state(
            {"state": {"kind": "found", "words": "All is well."}, "texts": {}, "classes": [], "layout": "x"}
        )
        assert (check.state, check.texts, check.classes) == before
        assert line.heard == asked
        press(check)


@every_check
def test_a_check_finds_the_same_wherever_the_model_is_and_costs_what_it_says(
    kind: type[Check],
    case: Case,
    recorded: LesionClassifier,
    line: Listening,
    of_kind: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forwards: list[int] = []
    shares = LesionClassifier.shares

    def counted(self: LesionClassifier, squares: np.ndarray) -> np.ndarray:
        forwards.append(len(squares))
        return shares(self, squares)

    monkeypatch.setattr(LesionClassifier, "shares", counted)
    here, there = of_kind(kind, Near(recorded)), of_kind(kind, Far(line))
    for check in (here, there):
        check.show(OnView(case))
        assert forwards == [], "nothing is asked of the network before a person asks"
        press(check)
        assert check.state["kind"] == "found"
        if "button" in check.texts:
            cost = REQUESTS[line.heard[-1]].forwards if check is there else sum(forwards)
            assert f"{cost} times" in check.texts["cost"]
        forwards.clear()
    assert here.state == there.state


@every_check
def test_a_finding_says_whose_it_is(kind: type[Check], case: Case, recorded: LesionClassifier, of_kind: Any) -> None:
    """Of the network for drawings, or about a picture that the model refuses."""

    class OneForAll(Near):
        def answering(self, drawn: bool) -> Near:
            return self

    check = of_kind(kind, OneForAll(recorded))
    refused = replace(case, prediction=replace(case.prediction, refusal="the picture is too blurred"))
    for looked, words in (OnView(case, drawn=True), DRAWN), (OnView(refused), REFUSED):
        check.show(looked)
        assert words in told(check)
        press(check)
        assert check.state["kind"] == "found"
        assert words in told(check)


@every_check
def test_a_finding_is_kept_in_words_and_a_failure_is_not(
    kind: type[Check], case: Case, line: Listening, of_kind: Any
) -> None:
    check = of_kind(kind, Far(line))
    check.show(OnView(case))
    if "button" not in check.texts:
        return  # what it finds needs nobody to ask
    assert check.kept() is None
    press(check)
    kept = check.kept()
    assert kept is not None
    assert (kept.title, kept.limits.startswith(check.texts["limits"])) == (check.texts["title"], True)
    assert check.state["words"] in kept.words
    assert kept.badge == check.state["badge"]
    line.cut = True
    press(check)
    assert check.state == {"kind": "failed", "words": "The line is cut. Try again."}
    assert check.kept() is None
    line.cut = False
    press(check)
    check.show(OnView(replace(case, name="another.jpg")))
    assert check.kept() is None, "what was found about the last picture is not kept with the next"

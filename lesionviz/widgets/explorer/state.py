"""``State``: where the picture that was chosen last stands, and, as a function of nothing else, what the page shows.

A picture is held back, received and looked at; then it is answered or refused, or it failed. The browser adds one state
of its own, "lost", while Python is away (``status.js``). Nothing here touches a widget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lesionviz.imaging.encoding import jpeg
from lesionviz.widgets.case.answer import answer_html, refusal_sentence, similar_html
from lesionviz.widgets.parts.background import waits
from lesionviz.widgets.parts.status import Kind

if TYPE_CHECKING:
    from lesionviz.prediction import Prediction
    from lesionviz.widgets.explorer.examined import Examined

REFUSED = (520, 390)
"""Pixels of a picture that gets no answer, twice what it takes of the page."""


@dataclass(frozen=True)
class State:
    """Where the picture that was chosen last stands.

    Attributes:
        kind: in one word.
        name: of the picture.
        words: the sentence to say, where the kind of state has none of its own.
        examined: the picture, once it was looked at; None before, and when it failed.
        points: the operating points of the model that answered.
        sensitivity: that of the point which the person chose, a share of 0 to 1; None for none.
    """

    kind: Kind = "empty"
    name: str = ""
    words: str | None = None
    examined: Examined | None = None
    points: Sequence[Mapping[str, float]] = ()
    sensitivity: float | None = None

    def in_line(self, place: int) -> State:
        """Return the state of a picture that is looked at elsewhere, with so many questions of others before it."""
        words = waits(self.name, place) if place else f"Looking at {self.name} …"
        return replace(self, words=words)

    @property
    def on_view(self) -> Examined | None:
        """The picture whose answer is on view."""
        return self.examined if self.kind == "answered" else None

    @property
    def point(self) -> Mapping[str, float] | None:
        """The operating point that the person chose, if the model has it."""
        return next((point for point in self.points if point["sensitivity"] == self.sensitivity), None)


@dataclass(frozen=True)
class Shown:
    """What each part of the page shows. What is not named here shows nothing.

    Attributes:
        kind: decides which parts are visible (``explorer.css``): the answer and all that belongs to it, or the button
            that asks for it in spite of a refusal, or neither.
        name: of the picture.
        words: the sentence; None for that of the kind.
        picture: a small JPEG of a picture that gets no answer.
        examined: the picture whose photograph and maps are in the view.
        answer: the answer, as HTML.
        thresholds: whether there are thresholds to choose from.
        similar: similar cases, as HTML.
        apart: what is said under Compare instead of maps.
        label: the words under the picture in the filmstrip, where there are new ones.
    """

    kind: Kind
    name: str = ""
    words: str | None = None
    picture: bytes = b""
    examined: Examined | None = None
    answer: str = ""
    thresholds: bool = False
    similar: str = ""
    apart: str = ""
    label: str = ""


def judged(
    examined: Examined, insist: bool, points: Sequence[Mapping[str, float]], sensitivity: float | None
) -> State:
    """Return the state of a picture that was looked at.

    Args:
        examined: the picture.
        insist: whether the person wants the answer although the model refuses the picture.
        points: the model's operating points.
        sensitivity: that of the point which the person chose, or None.
    """
    refused = bool(examined.prediction.refusal) and not insist
    return State(
        "refused" if refused else "answered", examined.prediction.source, None, examined, points, sensitivity
    )


def shown(state: State) -> Shown:
    """Return what the page shows in a state; nothing of any other picture is among it."""
    examined = state.examined
    if examined is not None and state.kind == "refused":
        prediction = examined.prediction
        return Shown(
            "refused",
            state.name,
            refusal_sentence(prediction),
            jpeg(examined.picture.pixels, REFUSED),
            apart=f"{prediction.source} got no answer, so it has no maps to compare. Under Explore, “Show the answer "
            "anyway” brings it here.",
            label="no answer",
        )
    if examined is not None and state.kind == "answered":
        return Shown(
            "answered",
            state.name,
            examined=examined,
            answer=answer_html(examined.prediction, state.point, examined.drawn),
            thresholds=bool(state.points),
            similar=similar_html(examined.similar) if examined.similar else "",
            label=_label(examined.prediction),
        )
    return Shown(state.kind, state.name, state.words)


def _label(prediction: Prediction) -> str:
    """Return an answer in a few words."""
    return "not valid" if prediction.refusal else f"{prediction.diagnosis} {prediction.confidence:.0%}"

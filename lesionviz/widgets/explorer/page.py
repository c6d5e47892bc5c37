"""``Page``: the parts under the tab Explore, how they stand together, and the one place where they are changed.

Which of them are visible follows from the state that is said (``explorer.css``); so what belongs to a state is put
there before the state is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ipywidgets

from lesionviz.errors import LesionvizError
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.checks import Checks
from lesionviz.widgets.explorer.examined import Examined
from lesionviz.widgets.explorer.image_picker import ImagePicker
from lesionviz.widgets.explorer.state import Shown
from lesionviz.widgets.parts.downloads import Downloads
from lesionviz.widgets.parts.recovery import Part
from lesionviz.widgets.parts.status import Status

SENSITIVITIES = (0.8, 0.85, 0.9, 0.95)
"""Shares of melanomas that a threshold should find, to choose from."""


def check_sensitivity(value: float | None) -> float | None:
    """Return one of ``SENSITIVITIES``, or None.

    Raises:
        LesionvizError: it is neither.
    """
    if value is not None and value not in SENSITIVITIES:
        choices = ", ".join(map(str, SENSITIVITIES))
        raise LesionvizError(f"The sensitivity must be one of {choices}, or None, not {value!r}.")
    return value


class Page(ipywidgets.VBox):  # type: ignore[misc]
    """Picker, sentence, and the answer with all that belongs to it.

    Args:
        picker: takes pictures in.
        view: shows picture and maps.
        checks: ask whether the answer can be trusted.
        downloads: make files of the case.
        on_insist: called when the person wants to see the answer to a picture that the model refuses.
        around: gives the parts round this one that must be said again over a new connection.

    Attributes:
        status: says where the picture stands.
        answer: the answer, as HTML.
        threshold: the choice of a sensitivity; 0 stands for none.
        insist: the button that asks for a refused picture's answer.
        similar: cases that look alike, as HTML.
    """

    def __init__(
        self,
        picker: ImagePicker,
        view: CaseView,
        checks: Checks,
        downloads: Downloads,
        on_insist: Callable[[], None],
        around: Callable[[], Iterable[Part]],
    ) -> None:
        self._picker, self._view, self._checks, self._downloads = picker, view, checks, downloads
        self._in_view: Examined | None = None  # what picture and maps were sent of
        self.status = Status(lambda: [*around(), *self._parts_to_say_again()])
        self.answer, self.similar = ipywidgets.HTML(), ipywidgets.HTML()
        self.threshold = ipywidgets.Dropdown(
            options=[("off", 0.0)] + [(f"find {s:.0%} of melanomas", s) for s in SENSITIVITIES],
            value=0.0,
            description="Threshold for melanoma",
        )
        self.insist = ipywidgets.Button(description="Show the answer anyway")
        self.insist.on_click(lambda _: on_insist())
        result = ipywidgets.VBox([self.answer, self.threshold, view, checks, downloads, self.similar])
        outcome = ipywidgets.VBox([self.insist, result])
        super().__init__([picker, self.status, outcome])
        for widget, name in (
            (self, "lv-explore"),
            (outcome, "lv-outcome"),
            (self.insist, "lv-insist"),
            (self.insist, "lv-needs-kernel"),
            (self.threshold, "lv-needs-kernel"),
            (result, "lv-result"),
            (self.answer, "lv-answer-box"),
        ):
            widget.add_class(name)

    def show(self, shown: Shown) -> bool:
        """Put onto the page what belongs to a state; return whether another picture has come into the view."""
        self.answer.value = shown.answer
        _display(self.threshold, shown.thresholds)
        self.similar.value = shown.similar
        _display(self.similar, bool(shown.similar))
        examined = shown.examined
        # Whether there is an explanation would not tell: JupyterLab may run messages of widgets in several threads
        # (subshells), so a class that was turned just before may make one meanwhile; seen in a log of calls under load.
        if examined is self._in_view:
            return False
        self._in_view = examined
        self._checks.show(examined)
        if examined is None:
            self._view.clear()
            return False
        self._downloads.clear()
        self._view.show(examined.case, examined.picture, examined.photo, examined.drawn)
        return True

    def say(self, shown: Shown) -> None:
        """Say where the picture stands, which makes the parts that belong to it visible: they are there by now."""
        self.status.say(shown.kind, shown.words, request=self._picker.request, name=shown.name, picture=shown.picture)

    def _parts_to_say_again(self) -> list[Part]:
        return [
            (self.threshold.layout, ["display"]),
            (self.similar.layout, ["display"]),
            (self.answer, ["value"]),
            (self.similar, ["value"]),
            (self._view, ["case", "maps"]),
            *self._checks.parts_to_say_again(),
        ]


def _display(widget: ipywidgets.DOMWidget, visible: bool) -> None:
    widget.layout.display = "" if visible else "none"

"""``Tabs``: Explore, Compare, Batch and Quiz; each is made when somebody first looks, so that the page comes up quickly."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from lesionviz.class_line import FarDesk
from lesionviz.widgets.batch.batch import Batch
from lesionviz.widgets.case.answer import DRAWN
from lesionviz.widgets.compare.compare import Compare
from lesionviz.widgets.explorer.examined import Examined
from lesionviz.widgets.explorer.state import Shown
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.masthead import Masthead
from lesionviz.widgets.parts.recovery import Part
from lesionviz.widgets.quiz.class_quiz import ClassQuiz
from lesionviz.widgets.quiz.room import QuizRoom


class Tabs:
    """The parts of the Explorer that stand in one another's place.

    Args:
        masthead: on which a person turns from one to the other; :meth:`turn` makes the page follow.
        explore: the first of them.
        background: shared by all.
        on_open: called with name and bytes of a file of the batch that is to be shown by itself.

    Attributes:
        room: where they stand.
        comparison: the tab Compare; None until somebody has looked at it.
    """

    def __init__(
        self,
        masthead: Masthead,
        explore: ipywidgets.DOMWidget,
        background: Background,
        on_open: Callable[[str, bytes], None],
    ) -> None:
        self.room = ipywidgets.VBox([explore])
        self.room.add_class("lv-room")
        self.comparison: Compare | None = None
        self._masthead, self._background, self._on_open = masthead, background, on_open
        self._made: dict[str, ipywidgets.DOMWidget] = {"explore": explore}
        self._shown = Shown("empty")

    def turn(self, key: str) -> None:
        """Show the tab with this key, and make it if it is the first time."""
        if key not in self._made:
            self._made[key] = self._make(key)
            self.room.children = (*self.room.children, self._made[key])
        for name, part in self._made.items():
            part.layout.display = "" if name == key else "none"

    def turn_to_compare(self) -> Compare:
        """Turn to the comparison."""
        self._masthead.tab = "compare"
        assert self.comparison is not None  # made with its tab
        return self.comparison

    @property
    def apart(self) -> str:
        """Why no second picture can be put beside the one on view; empty where one can, or there is none."""
        examined = self._shown.examined
        if examined is not None and examined.drawn:
            return f"{examined.picture.name} is a drawing and stands alone: photographs are another model's."
        return self._shown.apart

    def show(self, shown: Shown) -> None:
        """Take to the comparison what belongs to a state: it begins anew with every picture."""
        same = shown.examined is not None and shown.examined is self._shown.examined
        self._shown = shown
        if self.comparison is None or same:
            return
        self.comparison.clear()
        if shown.apart:
            self.comparison.say(shown.apart)

    def compare(self, examined: Examined) -> None:
        """Take the picture on view to the comparison, with the maps that there are.

        A drawing goes there once it has all of them: the comparison could only ask the model for photographs for more.
        """
        if self.comparison is None or (examined.drawn and not examined.case.completed):
            return
        self.comparison.put(examined.case, examined.photo, examined.drawn)
        if examined.drawn:
            self.comparison.say(DRAWN)
        self.compare_models(examined)

    def compare_models(self, examined: Examined | None) -> None:
        """Take what a second model saw in the picture on view to the comparison, or away from it."""
        if self.comparison is None:
            return
        opinion = None if examined is None or examined is not self._shown.examined else examined.opinion
        if opinion is None:
            self.comparison.clear_model()
        elif opinion.case.completed:
            self.comparison.put_model(opinion)

    def parts_to_say_again(self) -> list[Part]:
        """Return what only Python knows of the tabs."""
        return [(self.room, ["children"]), *((part.layout, ["display"]) for part in self._made.values())]

    def _make(self, key: str) -> ipywidgets.DOMWidget:
        if key == "batch":
            return Batch(self._background, on_open=self._on_open)
        if key == "quiz":
            line = self._background.line
            return QuizRoom(self._background) if line is None else ClassQuiz(FarDesk(line))
        self.comparison = Compare(self._background)
        if self._shown.apart:
            self.comparison.say(self._shown.apart)
        elif self._shown.examined is not None:
            self.compare(self._shown.examined)
        return self.comparison

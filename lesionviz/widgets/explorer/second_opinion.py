"""``SecondOpinion``: asks a second model about the picture on view, and shows how far it and the first differ.

The first model's answer is there before the second is asked, and nothing of it changes. In a class, where other models are
switched off, there is no panel and no second model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import traitlets

from lesionviz.trust.second_model import FIRST, Opinion, SecondModel, read_second
from lesionviz.trust.two_models import Model, TwoModels, compared
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.second.second_panel import SecondPanel, compared_page

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.cluster import Examiner
    from lesionviz.widgets.case.case_view import CaseView
    from lesionviz.widgets.explorer.examined import Examined
    from lesionviz.widgets.explorer.state import State
    from lesionviz.widgets.explorer.tabs import Tabs
    from lesionviz.widgets.parts.upload import Arrived

DRAWN = "A drawing is answered by the small network that knows drawings alone; no other model is asked about it."


class SecondOpinion:
    """The second model of an Explorer.

    Args:
        background: asks both.
        view: whose class, layer and method are compared.
        tabs: hold the comparison.
        state: returns where the page stands.

    Attributes:
        panel: where a person loads the second model, and sees what it says.
        found: what the two say of the picture on view; None until both have answered.
    """

    def __init__(self, background: Background, view: CaseView, tabs: Tabs, state: Callable[[], State]) -> None:
        self.panel = SecondPanel(self._read, self.remove, self._show_maps)
        self.found: TwoModels | None = None
        self._background, self._view, self._tabs, self._state = background, view, tabs, state
        self._job, self._reading = Job(), Job()
        self._asked: tuple[SecondModel, Examined] | None = None
        background.second.observe(lambda _: self._changed(), "model")

    def stand_in(self, page: traitlets.HasTraits, explanation: traitlets.HasTraits) -> None:
        """Put the panel at the end of a page, except in a class, and follow the explanation of an Explorer."""
        if self._background.line is None:
            page.set_trait("children", (*page.trait_values()["children"], self.panel))
            explanation.observe(lambda _: self.follow(), "explanation")
            self._view.observe(lambda _: self.follow(), "maps")  # all maps have come

    def load(self, source: str | Path | LesionClassifier, name: str = "") -> None:
        """Have another model asked besides: a checkpoint's path, or a classifier.

        Raises:
            LesionvizError: it is none, or is for other pictures; or the page is one of a class.
        """
        if isinstance(source, (str, Path)):
            self._background.second.model = read_second(self._background.examiner.checkpoint, source, name)
        else:
            self._background.stand_beside(source, name or "second model")

    def remove(self) -> None:
        """Ask the first model alone again."""
        self._reading.cancel()
        self._background.second.model = None
        self.panel.say(busy="")

    def follow(self) -> None:
        """Compare what is on view, now that it is another picture, class, layer or method."""
        second, examined = self._background.second.model, self._state().on_view
        self.found = None
        if second is None or examined is None or examined.drawn:
            self._job.cancel()
            self._asked = None
            self.panel.say(note=DRAWN if second is not None and examined is not None else "", compared=None)
        elif examined.opinion is None or examined.opinion.second is not second:
            if self._asked != (second, examined):
                self._ask(second, examined)
        else:
            self._compare(examined, examined.opinion)

    def kept(self, case: Case) -> TwoModels | None:
        """Return what the two say of a case that is to be kept; None where no second model has answered."""
        examined, second = self._state().on_view, self._background.second.model
        opinion = None if examined is None or examined.case.identity != case.identity else examined.opinion
        if opinion is None or second is not opinion.second:
            return None
        return self._found(case, opinion)

    def _changed(self) -> None:
        """Show another second model, or none, wherever there was one."""
        self.panel.show_model(self._background.second.model)
        self._tabs.compare_models(None)
        self.follow()

    def _read(self, arrived: Arrived) -> None:
        """Read a file from the browser as the second model; one that is refused leaves the last one where it is."""
        self._reading.cancel()

        def take(second: SecondModel) -> None:
            self._background.second.model = second

        self._reading = self._background.submit(
            lambda examiner: read_second(examiner.checkpoint, arrived.data, arrived.name),
            take,
            lambda error: self.panel.say(busy="", problem=sentence(error, arrived.name)),
        )

    def _ask(self, second: SecondModel, examined: Examined) -> None:
        """Ask the second model about a picture, and then for all its maps."""
        self._job.cancel()
        self._asked = (second, examined)
        self.panel.say(note=f"Asking {second.model.title} …", compared=None)

        def take(case: Case) -> None:
            examined.opinion = Opinion(second, case)
            if not case.completed:
                self._job = self._background.submit(lambda _: second.classifier.complete(case), take, failed)
            else:
                self._tabs.compare_models(examined)
            self._compare(examined, examined.opinion)

        def failed(error: Exception) -> None:
            self.panel.say(note=sentence(error, second.name), compared=None)

        def work(_examiner: Examiner) -> Case:
            return second.classifier.examine(examined.picture)

        self._job = self._background.submit(work, take, failed)

    def _compare(self, examined: Examined, opinion: Opinion) -> None:
        """Show what two cases say, as soon as both hold the maps on view."""
        if self._state().on_view is not examined:
            return
        layer, method = self._view.layer, self._view.method
        if examined.case.holds(layer, method) and opinion.case.holds(layer, method):
            self.found = self._found(examined.case, opinion)
            self.panel.say(note="", compared=compared_page(self.found))
        else:
            self.panel.say(note="Their maps at this layer are still being computed …", compared=None)

    def _found(self, case: Case, opinion: Opinion) -> TwoModels:
        second, view = opinion.second, self._view
        models = (Model.of(self._background.examiner.checkpoint, FIRST), second.model)
        return compared((case, opinion.case), models, second.alike, view.target or None, view.layer, view.method)

    def _show_maps(self) -> None:
        """Turn to the comparison, with both maps of the class, layer and method on view."""
        if self.found is not None:
            found, compare = self.found, self._tabs.turn_to_compare()
            compare.mode, compare.layer, compare.method = "two models", found.layer, found.method
            compare.target = self._view.target

"""``PointingCheck``: whether the place that the map on view marks matters to the answer, or any other would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging.encoding import png
from lesionviz.trust.places import marked
from lesionviz.trust.pointing import CAN_SHOW, CANNOT_SHOW, FILLINGS, FORWARDS, RULE, Pointing
from lesionviz.trust.what_if import painted_out
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.check import Check, Kept, Looked, with_remarks
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.front_end import script, style

if TYPE_CHECKING:
    from lesionviz.cluster import Examiner

GENERALLY = (
    "The bundled model in general: of 500 test images, 161 passed with Grad-CAM at features.8 (32%, 95% interval 28 to "
    "36); of 60 random places on other images, none."
)
"""From tests/benchmarks/README.md, "How often the pointing matters"."""
NOT_ONLY_THE_MAP = "That need not be the map's fault: other evidence may be enough to keep the answer."
BADGES = {"passes": "it matters", "does not pass": "not shown to matter", "cannot tell": "cannot be told"}


class PointingCheck(Check):
    """Takes away what the map on view marks, and as much elsewhere.

    Args:
        background: asks.
        view: whose class, layer and method are checked.
    """

    _esm = script("parts/dom", "checks/check", "checks/pointing")
    _css = style("parts/base", "checks/checks")

    def __init__(self, background: Background, view: CaseView) -> None:
        super().__init__(
            background,
            title="Does the pointing matter?",
            question="Take away what the map on view marks, and as much in 19 other places: does the first cost more?",
            button="Take it away",
            cost=f"Asks the network {FORWARDS} times.",
            limits=f"{CAN_SHOW} {CANNOT_SHOW}",
            rule=RULE,
        )
        self._view = view
        self._kept: Kept | None = None
        self._map = ("", "", "")
        view.observe(lambda _: self._map_turned(), ["target", "layer", "method"])

    def show(self, looked: Looked | None) -> None:
        """See :class:`Check`."""
        self._kept = None
        super().show(looked)

    def kept(self) -> Kept | None:
        """See :class:`Check`."""
        return self._kept

    def _press(self, content: dict[str, Any]) -> None:
        looked = self._looked
        if content.get("kind") != "ask" or looked is None:
            return
        case = looked.case
        self._kept, self._map = None, self._map_on_view(looked)
        target, layer, method = self._map

        def work(examiner: Examiner) -> tuple[Pointing, bytes]:
            whole = case if case.holds(layer, method) else examiner.complete(case)
            mask = marked(whole.explanation(target, layer, method).raw, case.input_size)
            found = examiner.pointing(case, mask, target)
            return found, png(Image.fromarray(painted_out(case.seen, mask))) if found.drops else b""

        self._ask(work, self._take)

    def _map_on_view(self, looked: Looked) -> tuple[str, str, str]:
        view = self._view
        return view.target or looked.case.prediction.diagnosis, view.layer, view.method

    def _take(self, looked: Looked, made: tuple[Pointing, bytes]) -> None:
        found, without = made
        target, layer, method = self._map
        about = f"{METHODS[method].name} at {layer} for {DIAGNOSES[target_index(target)].name}"
        words = with_remarks(f"{found.sentence} {_verdict(found)}", looked)
        self._kept = Kept(
            self.texts["title"],
            BADGES[found.badge],
            f"{about}: {words} {GENERALLY}",
            f"{self.texts['limits']} {RULE}",
            pictures=(("What the map marks, painted out", without),) if without else (),
        )
        self.state = {
            "kind": "found",
            "words": words,
            "badge": BADGES[found.badge],
            "verdict": found.badge,
            "about": about,
            "generally": GENERALLY,
            "fillings": list(FILLINGS),
            "drops": list(found.drops),
            "random_drops": [list(each) for each in found.random_drops],
            "without": without,
            "turned": self._map_on_view(looked) != self._map,
        }

    def _map_turned(self) -> None:
        """Say of a finding that the map on view is another one by now."""
        if self._looked is not None and self.state["kind"] == "found":
            self.state = {**self.state, "turned": self._map_on_view(self._looked) != self._map}


def _verdict(found: Pointing) -> str:
    if found.badge == "does not pass":
        return NOT_ONLY_THE_MAP
    if found.badge == "cannot tell" and not found.cannot_tell_because:
        return "Blurred and painted out do not agree, so it cannot be told."
    return ""

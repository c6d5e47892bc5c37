"""``StillnessCheck``: whether the answer holds still when the picture is turned, shifted, lit or saved otherwise."""

from __future__ import annotations

from typing import Any

from PIL import Image

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.imaging.encoding import png
from lesionviz.trust.stillness import CAN_SHOW, CANNOT_SHOW, FORWARDS, VARIANTS, Answered, Stillness, variant
from lesionviz.widgets.checks.check import Check, Kept, Looked, with_remarks
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.front_end import script, style

GENERALLY = (
    "The bundled model in general: of 500 test images, 80% keep their answer under all of them (95% interval 77 to 84). Of "
    "those, 92% are answered rightly, of the others 53%; but the answer's own probability tells right from wrong better "
    "than this."
)
"""From tests/benchmarks/README.md, "How often an answer holds still"."""


class StillnessCheck(Check):
    """Asks about variants of the picture on view that should change nothing."""

    _esm = script("parts/dom", "checks/check", "checks/stillness")
    _css = style("parts/base", "checks/checks")

    def __init__(self, background: Background) -> None:
        super().__init__(
            background,
            title="Does it hold still?",
            question=(
                f"Turn, mirror, shift, light and save the picture in {len(VARIANTS)} ways that should not matter: does the "
                "answer stay?"
            ),
            button="Try all of them",
            cost=f"Asks the network {FORWARDS} times.",
            limits=f"{CAN_SHOW} {CANNOT_SHOW}",
        )
        self._found: Stillness | None = None

    def show(self, looked: Looked | None) -> None:
        """See :class:`Check`."""
        self._found = None
        super().show(looked)

    def kept(self) -> Kept | None:
        """See :class:`Check`."""
        found, looked = self._found, self._looked
        if found is None or looked is None:
            return None
        worst = found.worst
        return Kept(
            self.texts["title"],
            _badge(found),
            f"{self.state['words']} {GENERALLY}",
            self.texts["limits"],
            ("Variant", "Answer", f"Probability of {found.diagnosis}"),
            tuple(
                (each.name, f"{each.diagnosis} {each.confidence:.0%}", f"{each.probability:.0%}")
                for each in found.variants
            ),
            ((f"The worst: {_said(worst, found)}", variant(looked.case.seen, worst.name)),),
        )

    def _press(self, content: dict[str, Any]) -> None:
        looked = self._looked
        if looked is None:
            return
        if content.get("kind") == "ask":
            self._found, case = None, looked.case
            self._ask(lambda examiner: examiner.stillness(case), self._take)
        elif content.get("kind") == "variant" and self._found is not None:
            named = [each for each in self._found.variants if each.name == content.get("name")]
            if named:
                self.state = {**self.state, **_shown(looked, named[0], self._found)}

    def _take(self, looked: Looked, found: Stillness) -> None:
        self._found = found
        self.state = {
            "kind": "found",
            "words": with_remarks(found.sentence, looked),
            "badge": _badge(found),
            "generally": GENERALLY,
            "diagnosis": found.diagnosis,
            "confidence": found.confidence,
            "kept": found.kept,
            "worst": found.worst.name,
            "variants": [_row(each, found) for each in found.variants],
            "seen": png(Image.fromarray(looked.case.seen)),
            **_shown(looked, found.worst, found),
        }


def _badge(found: Stillness) -> str:
    kept = sum(each.diagnosis == found.diagnosis for each in found.variants)
    return f"{kept} of {len(found.variants)} keep it"


def _said(each: Answered, found: Stillness) -> str:
    """Return one variant and its answer in words."""
    own = f"{each.name}: {DIAGNOSES[target_index(found.diagnosis)].name} {each.probability:.0%}"
    if each.diagnosis == found.diagnosis:
        return own
    return f"{own}, answered {DIAGNOSES[target_index(each.diagnosis)].name} {each.confidence:.0%}"


def _row(each: Answered, found: Stillness) -> dict[str, Any]:
    """Return a variant as the browser draws it."""
    own = {"name": each.name, "diagnosis": each.diagnosis, "probability": each.probability}
    return {**own, "words": _said(each, found)}


def _shown(looked: Looked, each: Answered, found: Stillness) -> dict[str, Any]:
    """Return what stands beside the strip: ``shown``, its name; ``caption``; ``picture``, PNG."""
    return {"shown": each.name, "caption": _said(each, found), "picture": variant(looked.case.seen, each.name)}

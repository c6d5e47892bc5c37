"""``AnswerSetCheck``: the diagnoses that cannot be left out, for as many right sets as a person asks for.

All that it takes is in the answer already, so that it costs no forward; the sets of every share travel at once, and the
slider is the browser's own business.
"""

from __future__ import annotations

from typing import Any

import traitlets

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.trust.answer_sets import CAN_SHOW, CANNOT_SHOW, LEVEL, WHY_NONE, AnswerSets
from lesionviz.widgets.checks.check import Check, Kept, Looked, with_remarks
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.front_end import script, style

PERCENTS = range(80, 100)
"""Shares of right sets to choose from."""
NONE_FOR_DRAWINGS = (
    "The small network for drawings keeps no record of pictures to fit sets on: drawings get no answer sets."
)


class AnswerSetCheck(Check):
    """The answer set of the picture on view.

    Attributes:
        percent: how many of a hundred sets shall hold the right diagnosis, 80 to 99; the person's to choose.
    """

    _esm = script("parts/dom", "checks/check", "checks/answer_set")
    _css = style("parts/base", "checks/checks")

    percent = traitlets.Int(round(100 * LEVEL), min=PERCENTS[0], max=PERCENTS[-1]).tag(sync=True)

    def __init__(self, background: Background) -> None:
        super().__init__(
            background,
            title="Which diagnoses are left?",
            question="",
            limits=f"{CAN_SHOW} {CANNOT_SHOW}",
        )

    def kept(self) -> Kept | None:
        """See :class:`Check`."""
        row = next((row for row in self.state.get("rows", ()) if row["percent"] == self.percent), None)
        if row is None:
            return None
        title = f"Which diagnoses are left, for {self.percent} right sets of 100?"
        return Kept(title, " or ".join(row["codes"]), f"{row['here']} {row['words']}", self.texts["limits"])

    def _begin(self, looked: Looked) -> dict[str, Any]:
        sets = self._background.examiner.answering(looked.drawn).answer_sets
        if sets is None:
            return {"kind": "failed", "words": NONE_FOR_DRAWINGS if looked.drawn else WHY_NONE}
        probabilities = looked.case.prediction.probabilities
        rows = [_row(sets, probabilities, percent, looked) for percent in PERCENTS]
        return {"kind": "found", "words": "", "rows": rows}

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take the chosen share from a browser, and nothing else."""
        super(Check, self).set_state({name: value for name, value in sync_data.items() if name == "percent"})


def _row(sets: AnswerSets, probabilities: Any, percent: int, looked: Looked) -> dict[str, Any]:
    """Return the set for one share of right ones: ``percent``, ``codes``, ``here``, ``words`` and ``badge``."""
    level = percent / 100
    found = sets.of(probabilities, level)
    names = [DIAGNOSES[target_index(code)].name for code in found.codes]
    here = f"Here: {', '.join(names[:-1])} or {names[-1]}." if len(names) > 1 else f"Here: {names[0]} alone."
    if found.without_malignant:
        here += " No malignant diagnosis is left in it."
    words = with_remarks(sets.sentence(level), looked)
    badge = _promised_for(len(sets.groups(level)))
    return {"percent": percent, "codes": list(found.codes), "here": here, "words": words, "badge": badge}


def _promised_for(groups: int) -> str:
    """Say for whom the promise holds, by how many thresholds there are."""
    if groups == len(DIAGNOSES):
        return "promised for each class"
    return "promised over all classes" if groups == 1 else "promised for some classes"

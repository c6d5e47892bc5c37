"""``EvaluationReport``: the report of an evaluation in a notebook, as ``lesionviz evaluate`` writes it to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets

if TYPE_CHECKING:
    from lesionviz.evaluation.result import Evaluation


class EvaluationReport(ipywidgets.HTML):  # type: ignore[misc]
    """The whole report, figures and tables.

    Args:
        evaluation: what :func:`lesionviz.evaluate` returned.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        from lesionviz.evaluation.report.page import report_fragment

        super().__init__(report_fragment(evaluation))

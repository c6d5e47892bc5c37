"""The report of an evaluation as HTML: one page with its figures inside, or a fragment for a notebook."""

from __future__ import annotations

from lesionviz.evaluation.report.document import to_html, to_page
from lesionviz.evaluation.report.sections import sections
from lesionviz.evaluation.result import Evaluation


def report_page(evaluation: Evaluation) -> str:
    """Return a page that needs nothing else: no script, no style sheet or picture from elsewhere."""
    return to_page(_title(evaluation), sections(evaluation))


def report_fragment(evaluation: Evaluation) -> str:
    """Return the same without the page around it."""
    return to_html(_title(evaluation), sections(evaluation))


def _title(evaluation: Evaluation) -> str:
    return f"How good is this model? {evaluation.data}, {evaluation.part}"

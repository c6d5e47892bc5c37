"""``MODEL_CARD.md``: what a checkpoint is, how it was made, how good it is; every figure is generated."""

from __future__ import annotations

from lesionviz.evaluation.report.document import to_markdown
from lesionviz.evaluation.report.sections import sections
from lesionviz.evaluation.result import Evaluation


def model_card(evaluation: Evaluation) -> str:
    """Return the card as Markdown."""
    return to_markdown("Model card", sections(evaluation))

"""``MODEL_CARD.md``: what a checkpoint is, how it was made, how good it is; every figure is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lesionviz.evaluation.document import to_markdown
from lesionviz.evaluation.sections import sections

if TYPE_CHECKING:
    from lesionviz.evaluation.evaluate import Evaluation


def model_card(evaluation: Evaluation) -> str:
    """Return the card as Markdown."""
    return to_markdown("Model card", sections(evaluation))

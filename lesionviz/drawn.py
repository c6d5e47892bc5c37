"""``drawn_classifier()``: the small classifier that learned from drawings alone, for drawings alone."""

from __future__ import annotations

from functools import cache

from lesionviz.checkpoint import DRAWN, Checkpoint
from lesionviz.classifier import LesionClassifier


@cache
def drawn_classifier() -> LesionClassifier:
    """Return the small classifier that was trained on drawings (:mod:`lesionviz.data.drawings`) and knows nothing else."""
    return LesionClassifier(Checkpoint.load(DRAWN))

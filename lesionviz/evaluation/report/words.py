"""Sentences and numbers about an evaluation, as the page, the model card and the terminal say them."""

from __future__ import annotations

import numpy as np

from lesionviz.data.folders import some
from lesionviz.evaluation.bootstrap import Interval
from lesionviz.evaluation.parts import ALL
from lesionviz.evaluation.result import Evaluation
from lesionviz.evaluation.usable import left_out


def headline(evaluation: Evaluation) -> str:
    """Say in two sentences how good the model is."""
    figures = evaluation.figures
    part = "" if evaluation.part == ALL else f"{evaluation.part} "
    return (
        f"Of {evaluation.metrics.images:,} {part}images of {evaluation.lesions:,} lesions it names "
        f"{figures['accuracy']} rightly. Over the four classes alike (balanced accuracy) it is right in "
        f"{figures['balanced_accuracy']}; of the melanomas it recognises {figures['sensitivity_MEL']}."
    )


def damaged_sentences(evaluation: Evaluation) -> list[str]:
    """Say of each judged collection which images could not be used, where there are any."""
    judged = (evaluation, *evaluation.others)
    return [f"{each.name}: {left_out(len(each.damaged))} {some(each.damaged)}" for each in judged if each.damaged]


def share(value: Interval | float) -> str:
    """Return a share in percent, with its interval where it has one; a dash where it could not be measured."""
    if isinstance(value, Interval):
        return str(value)
    return "–" if np.isnan(value) else f"{value:.1%}"

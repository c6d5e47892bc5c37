"""Figures of reports; each function returns a matplotlib figure and shows nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.metrics import Metrics

Bins: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]
FEWEST_IN_BIN = 10


def confusion_figure(metrics: Metrics) -> Figure:
    """Draw the confusion matrix: counts, coloured and labelled by the share of the true class."""
    counts = np.asarray(metrics.confusion)
    of_class = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(of_class, 1)
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}\n{shares[row, column]:.0%}",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.5 else "black",
        )
    names = [f"{code}\n(n={n:,})" for code, n in zip(CODES, of_class[:, 0], strict=True)]
    axes.set_yticks(range(len(CODES)), names)
    axes.set_xticks(range(len(CODES)), CODES)
    axes.set_ylabel("true diagnosis")
    axes.set_xlabel("predicted diagnosis")
    axes.set_title(f"{metrics.images:,} images, accuracy {metrics.accuracy:.1%}", fontsize=11)
    figure.colorbar(picture, label="share of the true class", shrink=0.85)
    return figure


def reliability_figure(before: Bins, after: Bins) -> Figure:
    """Draw confidence against the share of right answers, without and with the temperature.

    Args:
        before, after: from :func:`lesionviz.evaluation.measures.confidence_bins`.
    """
    figure = Figure(figsize=(4.4, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1, label="perfect calibration")
    for (sure, right, count), style, colour, name in (
        (before, "s--", "#999999", "without temperature"),
        (after, "o-", "#0072B2", "as shown"),
    ):
        enough = count >= FEWEST_IN_BIN  # a bin of two images is right by luck
        sure, right, count = sure[enough], right[enough], count[enough]
        axes.plot(sure, right, style, markersize=4, label=name, color=colour)
        axes.scatter(sure, right, s=10 + 300 * count / count.sum(), color=colour, alpha=0.25, linewidth=0)
    axes.set(xlim=(0.2, 1.02), ylim=(0, 1.02), xlabel="probability of the answer", ylabel="share of right answers")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)
    return figure


def roc_figure(curves: Mapping[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]]) -> Figure:
    """Draw a ROC curve for each name, from truth (N,) and probability (N,)."""
    figure = Figure(figsize=(4.4, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for (name, (truth, probability)), style in zip(curves.items(), ("-", "--", ":", "-."), strict=False):
        if truth.any() and not truth.all():
            false_alarms, found, _ = roc_curve(truth, probability)
            axes.plot(false_alarms, found, style, label=name)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def faithfulness_figure(summary: pd.DataFrame) -> Figure:
    """Draw, by layer and method, insertion minus deletion and the evidence inside the lesion's outline."""
    means = summary["mean"].unstack("figure")
    panels = {
        "insertion − deletion (higher is more faithful)": means["insertion"] - means["deletion"],
        "share of positive evidence inside the lesion": means["inside"],
    }
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, 2), panels.items(), strict=True):
        table = values.unstack("method")
        for method in [name for name in summary.index.unique("method") if name in table]:
            layers = [layer for layer in summary.index.unique("layer") if layer in table.index]
            axes.plot(
                [layer.removeprefix("features.") for layer in layers], table.loc[layers, method], "o-", label=method
            )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("layer (features.N)")
        axes.grid(alpha=0.3)
    lines, names = figure.axes[1].get_legend_handles_labels()  # the random map and the untrained network, too
    figure.legend(lines, names, loc="outside lower center", ncols=len(names), fontsize=8, frameon=False)
    return figure

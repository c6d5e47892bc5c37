"""Figures for reports and notebooks; each function returns a matplotlib figure and shows nothing itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.metrics import Metrics


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
    figure.axes[1].legend(fontsize=8)
    return figure

"""Draws how a training went, for the monitor and notebooks; shows nothing itself."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lesionviz.diagnoses import CODES


def training_figure(history: pd.DataFrame, running: pd.DataFrame | None = None, ink: str = "black") -> Figure:
    """Draw how a training went: losses on the left, validation balanced accuracy on the right.

    Args:
        history: a row for each epoch, with ``epoch``, ``train_loss``, ``validation_loss``, ``balanced_accuracy``.
        running: training loss within epochs: ``epoch`` as a fraction, and ``loss``.
        ink: colour of axes and letters.
    """
    figure = Figure(figsize=(8, 2.8), layout="constrained", facecolor="none")
    losses, accuracy = figure.subplots(1, 2)
    if running is not None and len(running):
        losses.plot(running["epoch"], running["loss"], color="#0072B2", linewidth=1, alpha=0.5)
    if len(history):
        losses.plot(history["epoch"], history["train_loss"], "o-", color="#0072B2", markersize=4, label="training")
        losses.plot(
            history["epoch"],
            history["validation_loss"],
            "s--",
            color="#D55E00",
            markersize=5,
            markerfacecolor="none",
            label="validation",
        )
        values = history[["train_loss", "validation_loss"]].to_numpy()
        losses.set_ylim(max(0, values.min() - 0.1), values.max() + 0.1)
        losses.legend(fontsize=8, frameon=False, labelcolor=ink)
        accuracy.plot(history["epoch"], history["balanced_accuracy"], "s--", color="#D55E00", markersize=4)
        best = history.loc[history["balanced_accuracy"].idxmax()]
        accuracy.annotate(
            f"best {best['balanced_accuracy']:.1%}",
            (best["epoch"], best["balanced_accuracy"]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=ink,
        )
        accuracy.axhline(1 / len(CODES), color=ink, linewidth=0.8, linestyle=":", label="chance")
        low, high = history["balanced_accuracy"].agg(["min", "max"])
        accuracy.set_ylim(max(0, low - 0.05), min(1.05, high + 0.08))
    for axes, title in ((losses, "loss"), (accuracy, "validation balanced accuracy")):
        axes.set_title(title, fontsize=10, color=ink)
        axes.set_xlabel("epoch", color=ink)
        axes.set_xlim(0, max(2, len(history), 0 if running is None else running["epoch"].max()) + 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_facecolor("none")
        axes.tick_params(colors=ink, labelsize=8)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(ink)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure

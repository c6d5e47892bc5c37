"""The sheet of a case: its pictures, the answer, what the map says, and where it all comes from, on one page.

How the page is written on is in :mod:`lesionviz.widgets.export.paper`. Lengths are in inches from the page's upper
left corner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from PIL import Image

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.explanation.display import DIVERGING
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging import LesionImage
from lesionviz.imaging.encoding import fit
from lesionviz.network import describe_grid
from lesionviz.preprocessing import Preprocessing
from lesionviz.widgets.case.answer import DRAWN, FORCED, NOTICE, refusal_sentence, threshold_sentence
from lesionviz.widgets.export.paper import ACCENT, HEIGHT, INK, LINE, SOFT, WARNING, WIDTH, Paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lesionviz.explanation.result import Explanation, Scale
    from lesionviz.prediction import Prediction

MARGIN = 0.5
GAP = 0.24
INPUT = 1.5
"""Side of the network input."""
TALLEST = 2.3
"""Height of a picture at most, so that everything stays on one page."""
LARGEST = (1400, 1400)
"""Pixels of a picture on the sheet at most: 500 to the inch."""


@dataclass(frozen=True)
class Look:
    """How the map on view is shown; see :class:`lesionviz.widgets.CaseView`."""

    scale: Scale
    colours: str
    alpha: float
    threshold: float
    fade: bool


def draw_sheet(
    explanation: Explanation,
    seen: Image.Image,
    prediction: Prediction,
    preprocessing: Preprocessing,
    look: Look,
    provenance: Mapping[str, str],
    calibrated: bool,
    point: Mapping[str, float] | None = None,
    drawn: bool = False,
) -> Figure:
    """Return the sheet of a case.

    Args:
        explanation: the map to show, on its picture; for the scale ``"shared across classes"`` with its ``shared_peak``.
        seen: what the network saw.
        prediction: the answer for the picture.
        preprocessing: how the picture became the network's input.
        look: how to show the map.
        provenance: what to print about picture, model, split and date, by name.
        calibrated: whether the probabilities are.
        point: an operating point to hold the probability of melanoma against.
        drawn: whether the network answered that knows drawings alone.
    """
    small = fit(explanation.pixels, LARGEST)
    shown = replace(
        explanation,
        image=LesionImage(small, explanation.source),
        size=small.size,
        box=preprocessing.box(small.width, small.height),
    )
    paper = Paper()
    end = _head(paper, prediction, drawn)
    end = _pictures(paper, shown, seen, explanation.pixels.size, preprocessing.size, look, end + 0.2)
    column = 5.0
    _bars(paper, prediction, point, calibrated, end + 0.3, column)
    _words(paper, shown, prediction, point, end + 0.3, MARGIN + column + 0.45)
    write_foot(paper, provenance)
    return paper.figure


def _head(paper: Paper, prediction: Prediction, drawn: bool) -> float:
    """Write name, answer or refusal."""
    whole = WIDTH - 2 * MARGIN
    paper.write("lesionviz", MARGIN, 0.36, 2, 10, ACCENT, bold=True)
    paper.write("ask a skin-lesion classifier why", MARGIN + 0.82, 0.36, 4, 10, SOFT)
    end = paper.write(prediction.source, MARGIN, 0.64, whole, 15, bold=True, lines=2)
    best = DIAGNOSES[target_index(prediction.diagnosis)]
    if prediction.refusal:
        return paper.write(refusal_sentence(prediction), MARGIN, end + 0.03, whole, 11, WARNING, lines=3)
    kind = "malignant" if best.malignant else "benign"
    who = "small network" if drawn else "model"
    answer = f"The {who} answers {best.name} ({best.code}, {kind}), probability {prediction.confidence:.1%}."
    end = paper.write(answer, MARGIN, end + 0.03, whole, 12)
    if drawn:
        end = paper.write(DRAWN, MARGIN, end + 0.03, whole, 11, WARNING)
    if prediction.warning:
        end = paper.write(f"Read it with care: {prediction.warning}.", MARGIN, end + 0.03, whole, 11, WARNING)
    return end


def _pictures(
    paper: Paper,
    shown: Explanation,
    seen: Image.Image,
    size: tuple[int, int],
    side: int,
    look: Look,
    top: float,
) -> float:
    """Draw picture, network input, heatmap with its scale, and overlay."""
    width = (WIDTH - 2 * MARGIN - INPUT - 3 * GAP) / 3
    height = min(TALLEST, width * shown.pixels.height / shown.pixels.width)
    lefts = (MARGIN, MARGIN + width + GAP, MARGIN + width + INPUT + 2 * GAP, MARGIN + 2 * width + INPUT + 3 * GAP)
    # A contrast has no other classes to share a scale with.
    scale: Scale = "per map" if shown.against and look.scale == "shared across classes" else look.scale
    heat = shown.heatmap(scale, look.colours, look.threshold)
    overlay = shown.overlay(look.alpha, scale, look.colours, look.threshold, look.fade)
    left, upper, right, lower = shown.box
    cropped = (right - left, lower - upper) != shown.pixels.size

    picture = _picture(paper, shown.pixels, lefts[0], top, width, height)
    if cropped:
        for colour, line, dashes in (("black", 2.0, "-"), ("white", 1.2, "--")):  # seen on light and on dark skin
            picture.add_patch(
                _frame(shown.box, fill=False, edgecolor=colour, linewidth=line, linestyle=dashes, zorder=2)
            )
    _picture(paper, seen, lefts[1], top, INPUT, min(INPUT, height))
    ground = _picture(paper, heat, lefts[2], top, width, height)
    ground.set_facecolor("#f1f1f1")
    ground.patch.set(hatch="////", edgecolor="#cccccc", linewidth=0)  # where the network did not look
    ground.add_patch(_frame(shown.box, facecolor="#e8e8e8", zorder=0))
    _picture(paper, overlay, lefts[3], top, width, height)

    method = METHODS[shown.method].name if shown.method in METHODS else shown.method
    below = f", nothing below {look.threshold:.0%} of the scale" if look.threshold else ""
    where = "stronger with more evidence" if look.fade else "the same everywhere"
    part = "; framed: what the network saw" if cropped else ""
    captions = (
        (f"Picture, {size[0]} × {size[1]}{part}.", width),
        (f"Network input, {side} × {side}.", INPUT),
        (f"{method} evidence for {shown.subject} at {shown.layer}, {describe_grid(shown.layer, side)}.", width),
        (f"Overlay: alpha {look.alpha:.0%}, {where}{below}.", width),
    )
    ends = [
        paper.write(text, x, top + height + 0.07, w, 8, SOFT) for x, (text, w) in zip(lefts, captions, strict=True)
    ]
    ends[2] = _colour_bar(paper, shown, scale, look, lefts[2], ends[2] + 0.06, width)
    return max(ends)


def _picture(paper: Paper, picture: Image.Image, left: float, top: float, width: float, height: float) -> Axes:
    axes = paper.axes(left, top, width, height)
    axes.imshow(picture, interpolation="none", zorder=1)
    axes.set_anchor("NW")
    return axes


def _frame(box: tuple[int, int, int, int], **style: Any) -> Rectangle:
    left, upper, right, lower = box
    return Rectangle((left - 0.5, upper - 0.5), right - left, lower - upper, **style)


def _colour_bar(
    paper: Paper, shown: Explanation, scale: Scale, look: Look, left: float, top: float, width: float
) -> float:
    """Draw what the colours mean, in units of the logit; what the threshold leaves out is hatched."""
    axes = paper.axes(left + 0.1, top, width - 0.2, 0.1)
    if scale == "signed":
        end = float(abs(shown.raw).max())
        least, name = -end, DIVERGING
    else:
        end = max(0.0, float(shown.raw.max())) if scale == "per map" else shown.shared_peak or 0.0
        least, name = 0.0, look.colours
    norm = Normalize(least if end else 0, end or 1)
    bar = paper.figure.colorbar(ScalarMappable(norm, colormaps[name]), cax=axes, orientation="horizontal")
    ticks = [least, (least + end) / 2, end] if end else [0.0]
    bar.set_ticks(ticks, labels=[_number(value) for value in ticks])
    bar.outline.set(edgecolor=LINE, linewidth=0.6)
    axes.tick_params(labelsize=7, colors=SOFT, length=2)
    hidden = look.threshold * (end or 1)
    if look.threshold:
        start = -hidden if scale == "signed" else 0.0
        axes.axvspan(start, hidden, facecolor="white", edgecolor="#888888", hatch="//////", linewidth=0)
    whose = {"per map": "this map", "shared across classes": "all four classes", "signed": "red for, blue against"}
    return paper.write(f"logit in a cell; scale: {whose[scale]}", left, top + 0.3, width, 7, SOFT)


def _number(value: float) -> str:
    """Return a short number for a tick."""
    return f"{value:.2g}".replace("-", "−") if value else "0"


def _bars(
    paper: Paper,
    prediction: Prediction,
    point: Mapping[str, float] | None,
    calibrated: bool,
    top: float,
    width: float,
) -> None:
    """Draw the four probabilities; pale when the answer is forced."""
    title = f"{'Calibrated probability' if calibrated else 'Probability (not calibrated)'} of each class"
    if prediction.refusal:
        title = "Forced answer, not valid: the model can only name one of these"
    start = paper.write(title, MARGIN, top, width, 9, bold=True) + 0.04
    names, row_height = 2.4, 0.32
    axes = paper.axes(MARGIN + names, start, width - names - 0.5, 4 * row_height)
    axes.set(xlim=(0, 1), ylim=(3.5, -0.5))
    axes.axvline(0, color=LINE, linewidth=0.8)
    for row, diagnosis in enumerate(DIAGNOSES):
        share = prediction.probabilities[diagnosis.code]
        best = diagnosis.code == prediction.diagnosis and not prediction.refusal
        axes.barh(row, 1, 0.62, color="#f0f1f2")
        axes.barh(row, share, 0.62, color="#b5b9bd" if prediction.refusal else diagnosis.colour)
        name = f"{diagnosis.code}  {diagnosis.name}{', malignant' if diagnosis.malignant else ''}"
        middle = start + (row + 0.26) * row_height
        paper.write(name, MARGIN, middle, names, 8.5, bold=best)
        paper.write(f"{share:.1%}", MARGIN + width - 0.44, middle, 0.6, 8.5, bold=best)
        if point is not None and not prediction.refusal and diagnosis.code == "MEL":
            axes.plot([point["threshold"]] * 2, [row - 0.45, row + 0.45], color=INK, linewidth=1.4)


def _words(
    paper: Paper,
    shown: Explanation,
    prediction: Prediction,
    point: Mapping[str, float] | None,
    top: float,
    left: float,
) -> None:
    """Write what the map says, and what must be said with it."""
    width = WIDTH - MARGIN - left
    end = paper.write("What the map says", left, top, width, 9, bold=True)
    end = paper.write(shown.finding or "The map says nothing more.", left, end + 0.04, width, 10.5)
    if point is not None and not prediction.refusal:
        end = paper.write(threshold_sentence(prediction.probabilities["MEL"], point), left, end + 0.08, width, 8.5)
    small = "It shows where the evidence lies, not whether the model is right."
    paper.write(small if prediction.refusal else f"{small} {FORCED}", left, end + 0.08, width, 8, SOFT)


def write_foot(paper: Paper, provenance: Mapping[str, str]) -> None:
    """Write at the end of a page where it comes from, and the notice."""
    top = HEIGHT - (1.48 if "Together" in provenance else 1.38)
    line = paper.axes(MARGIN, top, WIDTH - 2 * MARGIN, 0.01)
    line.axhline(0.5, color=LINE, linewidth=0.8)
    top += 0.08
    for name, text in provenance.items():
        paper.write(name, MARGIN, top, 0.8, 7.5, SOFT)
        top = paper.write(
            text, MARGIN + 0.7, top, WIDTH - 2 * MARGIN - 0.7, 7.5, lines={"Picture": 3, "Together": 2}.get(name, 1)
        )
    paper.write(NOTICE, MARGIN, HEIGHT - 0.38, WIDTH - 2 * MARGIN, 8, bold=True)

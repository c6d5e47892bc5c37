"""The second page of a sheet: what checks of the answer have found, a column for each; see :mod:`.sheet` for the first."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PIL import Image

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.widgets.checks.checks import TITLE
from lesionviz.widgets.export.paper import ACCENT, INK, SOFT, WIDTH, Paper
from lesionviz.widgets.export.sheet import MARGIN, write_foot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lesionviz.widgets.checks.check import Kept

COLUMNS = 3
GAP = 0.35
PICTURE = 1.25
"""Side of a picture."""
ROW = 0.24
"""Height of a class's two bars."""


def draw_checked(kept: Sequence[Kept], source: str, provenance: Mapping[str, str]) -> list[Figure]:
    """Return pages with what checks have found: as many as it takes, and none where nothing was found.

    Args:
        kept: the findings.
        source: name of the picture.
        provenance: what to print about picture, model, split and date, by name.
    """
    return [_page(kept[start : start + COLUMNS], source, provenance) for start in range(0, len(kept), COLUMNS)]


def _page(kept: Sequence[Kept], source: str, provenance: Mapping[str, str]) -> Figure:
    paper = Paper()
    whole = WIDTH - 2 * MARGIN
    paper.write("lesionviz", MARGIN, 0.36, 2, 10, ACCENT, bold=True)
    end = paper.write(f"{source}: {TITLE[0].lower()}{TITLE[1:]}", MARGIN, 0.64, whole, 15, bold=True, lines=1)
    width = (whole - (COLUMNS - 1) * GAP) / COLUMNS
    for column, each in enumerate(kept):
        _column(paper, each, MARGIN + column * (width + GAP), end + 0.2, width)
    write_foot(paper, provenance)
    return paper.figure


def _column(paper: Paper, kept: Kept, left: float, top: float, width: float) -> None:
    end = paper.write(kept.title, left, top, width, 11, bold=True, lines=2)
    if kept.badge:
        end = paper.write(kept.badge, left, end + 0.03, width, 11, ACCENT, bold=True, lines=1)
    end = paper.write(kept.words, left, end + 0.06, width, 8, INK, lines=12)
    end = _pictures(paper, kept, left, end)
    end = _bars(paper, kept, left, end, width)
    paper.write(kept.limits, left, end + 0.12, width, 7.5, SOFT, lines=9)


def _pictures(paper: Paper, kept: Kept, left: float, top: float) -> float:
    """Draw the first two pictures, beside one another."""
    ends = [top]
    for place, (caption, picture) in enumerate(kept.pictures[:2]):
        x = left + place * (PICTURE + GAP)
        with Image.open(io.BytesIO(picture)) as opened:
            axes = paper.axes(x, top + 0.12, PICTURE, PICTURE)
            axes.imshow(opened.convert("RGB"), interpolation="none")
            axes.set_anchor("NW")
        ends.append(paper.write(caption, x, top + 0.12 + PICTURE + 0.04, PICTURE + GAP / 2, 8, SOFT, lines=3))
    return max(ends)


def _bars(paper: Paper, kept: Kept, left: float, top: float, width: float) -> float:
    """Draw two bars for each class, as it is and for the changed picture."""
    if not kept.shares:
        return top
    end = paper.write("Probability: upper bar as it is, lower bar changed", left, top + 0.1, width, 8, SOFT, lines=1)
    names, numbers = 0.45, 1.1
    axes = paper.axes(left + names, end + 0.04, width - names - numbers, ROW * len(kept.shares))
    axes.set(xlim=(0, 1), ylim=(len(kept.shares) - 0.5, -0.5))
    for row, (code, was, now) in enumerate(kept.shares):
        colour = DIAGNOSES[target_index(code)].colour
        for share, place, height, alpha in ((was, row - 0.2, 0.2, 0.55), (now, row + 0.12, 0.34, 1.0)):
            axes.barh(place, 1, height, color="#f0f1f2")
            axes.barh(place, share, height, color=colour, alpha=alpha)
        middle = end + 0.04 + (row + 0.2) * ROW
        paper.write(code, left, middle, names, 8, lines=1)
        paper.write(f"{was:.1%}, now {now:.1%}", left + width - numbers + 0.08, middle, numbers, 8, lines=1)
    return end + 0.04 + ROW * len(kept.shares)

"""The second page of a sheet: what checks of the answer have found, a column for each; see :mod:`.sheet` for the first."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PIL import Image

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
    for caption, picture in kept.pictures[:1]:
        with Image.open(io.BytesIO(picture)) as opened:
            axes = paper.axes(left, end + 0.12, PICTURE, PICTURE)
            axes.imshow(opened.convert("RGB"), interpolation="none")
            axes.set_anchor("NW")
        end = paper.write(caption, left, end + 0.12 + PICTURE + 0.04, width, 8, SOFT, lines=2)
    paper.write(kept.limits, left, end + 0.12, width, 7.5, SOFT, lines=9)

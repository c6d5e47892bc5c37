"""The images that a judgement can open: all are looked at before the first answer is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lesionviz.data.damaged import damaged_among, refuse_damaged
from lesionviz.errors import LesionvizError


def look_at(paths: Iterable[str | Path], skip_damaged: bool, progress: bool = True) -> frozenset[str]:
    """Look at image files, and return the paths of those that cannot be used.

    Args:
        paths: all files that will be opened.
        skip_damaged: whether to go on without them.
        progress: show a bar where someone is looking.

    Raises:
        LesionvizError: there are some, and nobody asked to go on; the text names them all.
    """
    damaged = damaged_among(paths, progress)
    if not skip_damaged:
        refuse_damaged(damaged)
    return frozenset(damaged)


def usable_rows(rows: pd.DataFrame, damaged: frozenset[str]) -> pd.DataFrame:
    """Return the rows whose image can be used.

    Raises:
        LesionvizError: there are none.
    """
    usable = rows[~rows["path"].isin(damaged)]
    if usable.empty and len(rows):
        raise LesionvizError(f"None of the {len(rows):,} images can be used. Copy or export them again.")
    return usable


def left_out(count: int) -> str:
    """Say how many images were left out."""
    return f"{count:,} image{'' if count == 1 else 's'} could not be used and {'was' if count == 1 else 'were'} left out."

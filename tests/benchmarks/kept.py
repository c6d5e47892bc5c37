"""The table that a long benchmark keeps, picture by picture, so that a run that was stopped goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def kept(path: Path, known: Mapping[str, object], *more: str, **reading: Any) -> pd.DataFrame:
    """Return the lines about the model, part and options that are asked about.

    Args:
        path: of the table, which need not be there yet.
        known: what must stand in a line, by column.
        more: columns that an empty table has, too, besides ``known`` and ``image``.
        reading: options of ``pandas.read_csv``.
    """
    if not path.exists():
        return pd.DataFrame(columns=[*known, "image", *more])
    table = pd.read_csv(path, **reading)
    return table[np.logical_and.reduce([table[name] == value for name, value in known.items()])]


def keep(path: Path, about: Mapping[str, object], lines: Iterable[Mapping[str, object]]) -> None:
    """Add what was found about one picture, a line each that begins with ``about``."""
    pd.DataFrame([{**about, **line} for line in lines]).to_csv(path, mode="a", header=not path.exists(), index=False)

"""Validation images in two halves by lesion: one chooses the model, the other chose nothing and may calibrate it."""

from __future__ import annotations

import hashlib

import pandas as pd

SALT = "lesionviz halves 1"
"""What the halves hang on besides the lesion's name; another one would deal the lesions anew."""


def halves(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that choose and those that are left for calibration.

    A lesion's half hangs on its name alone, so it is the same in every collection, subset and run.

    Args:
        rows: validation rows with a column ``lesion``.
    """
    chooses = rows["lesion"].map(_chooses).astype(bool)
    return rows[chooses], rows[~chooses]


def _chooses(lesion: str) -> bool:
    return hashlib.sha256(f"{SALT} {lesion}".encode()).digest()[0] % 2 == 0

"""A collection: one row for each labelled image, whether its file is here or not.

Readers of particular layouts make collections; splitting, training and evaluation take them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from lesionviz.diagnoses import CODES

COLUMNS = ("image", "lesion", "diagnosis", "source", "path")
DETAILS = ("age", "sex", "site")
"""Columns that a layout may fill besides: years, ``female`` or ``male``, body site; NaN where not known."""


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


@dataclass(frozen=True)
class Collection:
    """Labelled images in the four classes, and those of other diagnoses.

    Attributes:
        table: columns ``image`` (unique id), ``lesion`` (photographs of one lesion share it),
            ``diagnosis`` (a code), ``source`` (the clinic it comes from, or ``"unknown"``) and
            ``path`` (of the file, or ``None`` where it is not here), and the ``DETAILS`` that the layout
            records; sorted by ``image``.
        folder: where it was read from.
        others: rows of other diagnoses, with the same columns and the layout's own label as
            ``diagnosis``; kept aside to test what the classifier does with what it does not know.
        layout: the layout's name, for people.
    """

    table: pd.DataFrame
    folder: Path
    others: pd.DataFrame = field(default_factory=_no_rows)
    layout: str = "images"

    @property
    def present(self) -> pd.DataFrame:
        """The rows whose image file is here."""
        return self.table[self.table["path"].notna()]

    def describe(self) -> str:
        """Say in a few lines what was found, and what is missing."""
        counts = self.present["diagnosis"].value_counts()
        missing = len(self.table) - len(self.present)
        lines = [
            f"{self.layout}: {len(self.table) + len(self.others):,} labelled rows, {len(self.table):,} of them in "
            f"the four classes ({len(self.others):,} of other diagnoses kept aside)",
            f"{len(self.present):,} images of {self.present['lesion'].nunique():,} lesions are here: "
            + " · ".join(f"{code} {counts.get(code, 0):,}" for code in CODES),
        ]
        absent = [code for code in CODES if not counts.get(code, 0)]
        if absent:
            lines.append(f"No image of {', '.join(absent)} is here")
        if missing:
            lines.append(f"{missing:,} rows have no image file here and are passed over")
        return "\n".join(lines)


def make_collection(rows: pd.DataFrame, folder: Path, layout: str) -> Collection:
    """Return a collection from rows with ``COLUMNS`` whose ``diagnosis`` may be a code or any other label."""
    columns = [column for column in (*COLUMNS, *DETAILS) if column in rows]
    known = rows["diagnosis"].isin(CODES)
    table, others = (rows[chosen][columns].sort_values("image", ignore_index=True) for chosen in (known, ~known))
    return Collection(table, folder, others, layout)

"""A collection: one row for each labelled image, whether its file is here or not.

Readers of particular layouts make collections; splitting, training and evaluation take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesionviz.diagnoses import CODES

COLUMNS = ("image", "lesion", "diagnosis", "source", "path")


@dataclass(frozen=True)
class Collection:
    """Labelled images in the four classes.

    Attributes:
        table: columns ``image`` (unique id), ``lesion`` (photographs of one lesion share it),
            ``diagnosis`` (a code), ``source`` (the clinic it comes from, or ``"unknown"``) and
            ``path`` (of the file, or ``None`` where it is not here); sorted by ``image``.
        folder: where it was read from.
        rows_in_table: labelled rows found, of any diagnosis.
        rows_of_other_diagnoses: rows left out because their diagnosis is not one of the four.
    """

    table: pd.DataFrame
    folder: Path
    rows_in_table: int
    rows_of_other_diagnoses: int

    @property
    def present(self) -> pd.DataFrame:
        """The rows whose image file is here."""
        return self.table[self.table["path"].notna()]

    def describe(self) -> str:
        """Say in a few lines what was found, and what is missing."""
        counts = self.present["diagnosis"].value_counts()
        missing = len(self.table) - len(self.present)
        lines = [
            f"{self.rows_in_table:,} labelled rows, {len(self.table):,} of them in the four classes "
            f"({self.rows_of_other_diagnoses:,} of other diagnoses left out)",
            f"{len(self.present):,} images of {self.present['lesion'].nunique():,} lesions are here: "
            + " · ".join(f"{code} {counts.get(code, 0):,}" for code in CODES),
        ]
        if missing:
            lines.append(f"{missing:,} rows have no image file here and are passed over")
        return "\n".join(lines)

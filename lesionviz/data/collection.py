"""A collection: one row for each labelled image, whether its file is here or not.

Readers of particular layouts make collections; splitting, training and evaluation take them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from lesionviz.data.folders import some
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError

COLUMNS = ("image", "lesion", "diagnosis", "source", "path")
DETAILS = ("age", "sex", "site", "skin_tone")
"""Columns that a layout may fill besides: years, ``female`` or ``male``, body site, and skin tone in the layout's own
scale (MILK10k: ``0``, very dark, to ``5``, very light; the archive: Fitzpatrick's ``I``, very light, to ``VI``); NaN where
not known."""
RIGHTS = ("attribution", "licence")
"""Columns that say whose an image is and under what licence, where a layout records it by row."""
FRAMES = ("table", "others", "close_ups", "undetermined")
"""The frames of a :class:`Collection`, by name; no image is in two."""


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


@dataclass(frozen=True)
class Collection:
    """Labelled images in the four classes, and what is kept aside from them.

    Attributes:
        table: columns ``image`` (unique id), ``lesion`` (photographs of one lesion share it, or those of one
            patient, where ``grouped_by`` says so), ``diagnosis`` (a code), ``source`` (the clinic it comes from, or
            ``"unknown"``) and ``path`` (of the file, or ``None`` where it is not here), and of ``DETAILS`` and
            ``RIGHTS`` what the layout records; sorted by ``image``.
        folder: where it was read from.
        others: dermoscopy of other diagnoses, with the same columns and the layout's own label as
            ``diagnosis``; kept aside to teach and test what the classifier does with what it does not know.
        layout: the layout's name, for people.
        close_ups: photographs that are *not dermoscopy*, clinical close-ups for one, with the same columns and the
            layout's own label.
        undetermined: dermoscopy without a definite diagnosis, such as "benign" and no more: it has no class, and is no
            unknown diagnosis either. The same columns.
        grouped_by: what ``lesion`` keeps together, for people: lesions, or patients.
        notes: sentences about what lies in the folder and was passed over.
        damaged: names of images that cannot be used and were left out: their rows are as if no file were here.
    """

    table: pd.DataFrame
    folder: Path
    others: pd.DataFrame = field(default_factory=_no_rows)
    layout: str = "images"
    close_ups: pd.DataFrame = field(default_factory=_no_rows)
    undetermined: pd.DataFrame = field(default_factory=_no_rows)
    grouped_by: str = "lesions"
    notes: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def present(self) -> pd.DataFrame:
        """The rows in the four classes whose image file is here."""
        return self.present_of("table")

    def frame(self, of: str) -> pd.DataFrame:
        """Return the frame with a name of ``FRAMES``.

        Raises:
            LesionvizError: there is none of that name.
        """
        if of not in FRAMES:
            raise LesionvizError(f"A collection has no rows called {of!r}. Choose from: {', '.join(FRAMES)}.")
        rows: pd.DataFrame = getattr(self, of)
        return rows

    def present_of(self, of: str) -> pd.DataFrame:
        """Return the rows of a frame whose image file is here."""
        rows = self.frame(of)
        return rows[rows["path"].notna()]

    def everything(self) -> pd.DataFrame:
        """Return all rows of all frames, with a column ``of`` that names the frame."""
        frames = [self.frame(of).assign(of=of) for of in FRAMES]
        filled = [rows for rows in frames if len(rows)]
        return pd.concat(filled or frames[:1], ignore_index=True)

    def without(self, paths: Mapping[str, str] | frozenset[str]) -> Collection:
        """Return the collection as if these files were not here: the rows stay, and so does every split."""
        if not paths:
            return self
        everything = self.everything()
        gone = everything["image"][everything["path"].map(lambda path: path in paths).astype(bool)]
        frames = {
            of: self.frame(of).assign(path=lambda rows: rows["path"].mask(rows["image"].isin(gone), None))
            for of in FRAMES
        }
        return replace(self, damaged=(*self.damaged, *gone), **frames)

    def describe(self) -> str:
        """Say in a few lines what was found, what is missing, and whose the images are."""
        counts = self.present["diagnosis"].value_counts()
        missing = int((self.table["path"].isna() & ~self.table["image"].isin(self.damaged)).sum())
        lines = [
            f"{self.layout}: {len(self.table) + len(self.others):,} labelled rows, {len(self.table):,} of them in "
            f"the four classes ({len(self.others):,} of other diagnoses kept aside)",
            f"{len(self.present):,} images of {self.present['lesion'].nunique():,} {self.grouped_by} are here: "
            + " · ".join(f"{code} {counts.get(code, 0):,}" for code in CODES),
        ]
        absent = [code for code in CODES if not counts.get(code, 0)]
        if absent:
            lines.append(f"No image of {', '.join(absent)} is here")
        if missing:
            lines.append(f"{missing:,} rows have no image file here and are passed over")
        for of, what in (
            ("close_ups", "photographs are not dermoscopy"),
            ("undetermined", "rows of dermoscopy have no definite diagnosis"),
        ):
            if len(self.frame(of)):
                lines.append(
                    f"{len(self.frame(of)):,} {what} and are kept aside ({len(self.present_of(of)):,} are here)"
                )
        everything = self.everything()
        here = everything[everything["path"].notna()]
        lines += [
            f"{name}: " + " · ".join(f"{value} {count:,}" for value, count in here[column].value_counts().items())
            for column, name in (("licence", "Licences"), ("attribution", "Attribution"))
            if column in here and here[column].notna().any()
        ]
        if self.damaged:
            lines.append(f"{len(self.damaged):,} images cannot be used and are left out: {some(self.damaged)}")
        return "\n".join([*lines, *self.notes])


def make_collection(
    rows: pd.DataFrame,
    folder: Path,
    layout: str,
    *,
    close_up: Sequence[bool] | None = None,
    undetermined: Sequence[bool] | None = None,
    grouped_by: str = "lesions",
    notes: Sequence[str] = (),
) -> Collection:
    """Return a collection from rows with ``COLUMNS`` whose ``diagnosis`` may be a code or any other label.

    Args:
        rows: one for each image.
        folder, layout, grouped_by, notes: as a collection has them.
        close_up: for each row, whether it is no dermoscopy; by default none is.
        undetermined: for each row, whether its diagnosis is too vague to be a class or an unknown one; by default none.
    """
    columns = [column for column in (*COLUMNS, *DETAILS, *RIGHTS) if column in rows]
    aside = pd.Series(False if close_up is None else list(close_up), index=rows.index, dtype=bool)
    vague = pd.Series(False if undetermined is None else list(undetermined), index=rows.index, dtype=bool) & ~aside
    known = rows["diagnosis"].isin(CODES) & ~aside & ~vague
    chosen = {"table": known, "others": ~(known | aside | vague), "close_ups": aside, "undetermined": vague}
    frames = {of: rows[which][columns].sort_values("image", ignore_index=True) for of, which in chosen.items()}
    return Collection(folder=folder, layout=layout, grouped_by=grouped_by, notes=tuple(notes), **frames)

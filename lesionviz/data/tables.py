"""Reads tables of text: the one door for them, whatever the layout.

Tables come from people: with a byte-order mark, tabs, semicolons, missing columns, repeated ids, empty rows at the
end. What can be read without guessing is read, anything else is refused in words.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lesionviz.errors import LesionvizError
from lesionviz.imaging import ENDINGS

SUFFIXES = ENDINGS
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_table(path: Path, required: Sequence[str], advice: str) -> pd.DataFrame:
    """Return a table as text, empty cells as missing, names of columns without surrounding blanks.

    Args:
        path: the file; UTF-8, with or without a byte-order mark, its columns separated by commas or tabs. Empty rows at
            its end do not count.
        required: columns that must be there.
        advice: what to do when something is wrong, a sentence.

    Raises:
        LesionvizError: the file cannot be read as such a table.
    """
    name = path.name
    try:
        with path.open("rb") as file:
            start = file.read(64 * 2**10)
        if start.startswith(_UTF16):
            raise LesionvizError(f"{name} is saved as UTF-16. Save it as CSV UTF-8.")
        if not start.strip():
            raise LesionvizError(f"{name} is empty. {advice}")
        header = start.decode("utf-8-sig", errors="replace").lstrip().splitlines()[0]
        if ";" in header and "," not in header:
            raise LesionvizError(f"{name} separates its columns by semicolons. Save it with commas.")
        separator = "\t" if "\t" in header and "," not in header else ","
        # As text: pandas must not turn an id into a number, or the class "NA" into nothing.
        table = pd.read_csv(
            io.StringIO(_without_empty_end(path.read_text(encoding="utf-8-sig"))),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            na_values=[""],
        )
    except UnicodeDecodeError as error:
        raise LesionvizError(f"{name} is not saved as UTF-8 ({error.reason}). Save it as CSV UTF-8.") from error
    except (ValueError, OSError) as error:
        raise LesionvizError(f"{name} is not a readable CSV table ({error}). {advice}") from error
    table.columns = table.columns.str.strip()
    missing = [column for column in required if column not in table]
    if missing:
        raise LesionvizError(
            f"{name} has no column {', '.join(missing)}; it has {', '.join(map(str, table.columns[:12]))}. {advice}"
        )
    if not isinstance(table.index, pd.RangeIndex):
        raise LesionvizError(f"{name} has more values in a row than columns in its header. {advice}")
    if len(table):
        table = table.apply(lambda column: column.str.strip().replace("", pd.NA))
        written = table.notna().any(axis=1).to_numpy().nonzero()[0]
        table = table.iloc[: int(written.max(initial=-1)) + 1]
    if table.empty:
        raise LesionvizError(f"{name} has a header and no rows. {advice}")
    return table


def _without_empty_end(text: str) -> str:
    """Return a table's text without the lines at its end that hold separators and blanks at most.

    Spreadsheets write such lines where something once stood, sometimes with more separators than there are columns.
    """
    lines = text.split("\n")
    # DOS ended files with \x1a; a crash fills them up with zeros; some programs repeat the byte-order mark.
    while lines and not lines[-1].strip(", \t\r\x1a\0\ufeff"):
        lines.pop()
    return "\n".join(lines) + "\n"


def check_ids(ids: pd.Series[str], table: str, advice: str, of: str = "image") -> None:
    """Make sure that the ids of images, or of what else a table has a row for, are there, unique and plain.

    Raises:
        LesionvizError: they are not; the text names the first wrong one.
    """
    if ids.isna().any():
        raise LesionvizError(f"{table}: row {first_row(ids.isna())} has no {of} id. {advice}")
    if ids.duplicated().any():
        raise LesionvizError(
            f"{table} names {ids[ids.duplicated()].iloc[0]} more than once. Keep one row for each {of}."
        )
    unsafe = ~ids.str.fullmatch(r"[A-Za-z0-9_-]+")
    if unsafe.any():
        raise LesionvizError(
            f"{table}: row {first_row(unsafe)} has the {of} id {ids[unsafe].iloc[0]!r}; "
            "letters, digits, _ and - are expected."
        )


def one_hot(table: pd.DataFrame, labels: Sequence[str], name: str, advice: str, of: str = "image") -> pd.Series[str]:
    """Return the label of each row, from columns of which exactly one is 1 and the others 0.

    Raises:
        LesionvizError: a row has none, several, or another value.
    """
    values = table[list(labels)].apply(pd.to_numeric, errors="coerce")
    ids = table[of if of in table else f"{of}_id"]
    for wrong, what in (
        (values.isna().any(axis=1), "has an empty or non-numeric label"),
        (~values.isin([0, 1]).all(axis=1), "has a label other than 0 and 1"),
        (values.sum(axis=1) > 1, "does not have exactly one label of 1: it has several"),
        (values.sum(axis=1) < 1, "does not have exactly one label of 1: it has none"),
    ):
        if wrong.any():
            raise LesionvizError(
                f"{name}: row {first_row(wrong)} ({of} {ids[wrong].iloc[0]}) {what}; so do "
                f"{int(wrong.sum()) - 1} others. {advice}"
            )
    return values.idxmax(axis=1)


def first_row(wrong: pd.Series[bool]) -> int:
    """Return the line of the file, counted from 1 with the header, where the first True stands."""
    return int(wrong.to_numpy().argmax()) + 2


def ages(values: pd.Series[str]) -> pd.Series[float]:
    """Return ages in years; anything that is no number is missing."""
    return pd.to_numeric(values, errors="coerce")

"""The parts become one table, and are counted on the way; no more than one row group is in memory at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionviz.archive.arrow import arrow
from lesionviz.archive.schema import COLUMNS
from lesionviz.archive.store import written
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError

GROUP_ROWS, GROUP_BYTES = 65536, 32 * 2**20
"""A row group of the table is closed when it has so many rows or bytes."""
BINS = 20
"""Of the histogram of confidence, from 0 to 1."""
NAMED = 200
"""Failures that are kept by name."""
KINDS = 50
"""Different reasons that are counted apart."""
OTHERS = "other reasons"


@dataclass
class Counts:
    """What the page says of all rows.

    Attributes:
        images: how many.
        diagnoses: answers by code; refused pictures are not among them.
        warned: of those answers, those with a warning, by code.
        refusals: refused pictures by reason, with numbers in it left out.
        confidence: (4, BINS) answers by code and confidence.
        failed: images that could not be used.
        failures: the first ``NAMED`` of them: path and reason.
        notes: how often each note was made.
    """

    images: int = 0
    diagnoses: Counter[str] = field(default_factory=Counter)
    warned: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    confidence: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((len(CODES), BINS), np.int64))
    failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)

    def add(self, table: Any) -> None:
        """Count the rows of an Arrow table."""
        self.images += table.num_rows
        columns = {
            name: table.column(name).to_pylist() for name in ("diagnosis", "refusal", "warned", "notes", "error")
        }
        confidence = table.column("confidence").to_pylist()
        for row, (diagnosis, refusal, warned, notes, error) in enumerate(zip(*columns.values(), strict=True)):
            if error is not None:
                self.failed += 1
                if len(self.failures) < NAMED:
                    self.failures.append((table.column("image")[row].as_py(), error))
            elif refusal is not None:
                _count(self.refusals, refusal)
            else:
                self.diagnoses[diagnosis] += 1
                self.warned[diagnosis] += bool(warned)
                self.confidence[CODES.index(diagnosis), min(int(confidence[row] * BINS), BINS - 1)] += 1
            for note in notes or ():
                _count(self.notes, note)


def _count(counter: Counter[str], words: str) -> None:
    """Count some words without the numbers in them, so that there are few kinds of them however many pictures there are."""
    kind = re.sub(r"\d[\d,.]*", "…", words)
    counter[kind if kind in counter or len(counter) < KINDS else OTHERS] += 1


def join(parts: Iterable[Path], table: Path, tick: Callable[[int], None]) -> Counts:
    """Write one table from parts, in their order, and count its rows.

    Args:
        parts: paths of all parts, at least one.
        table: where to; the file appears whole or not at all.
        tick: called with the number of rows that were copied.

    Raises:
        LesionvizError: a part cannot be read, or the table cannot be written.
    """
    pa, parquet = arrow()
    counts, kept, rows, size, writer = Counts(), list[Any](), 0, 0, None
    with written(table) as temporary:
        try:
            for path in parts:
                try:
                    with parquet.ParquetFile(path) as file:
                        part = file.read(use_threads=False)
                except (OSError, pa.ArrowException) as error:
                    raise LesionvizError(
                        f"The part {path} cannot be read ({error}). Remove it, and go on with --resume."
                    ) from error
                writer = writer or parquet.ParquetWriter(temporary, part.schema, compression="zstd")
                counts.add(part.select(list(COLUMNS)))
                tick(part.num_rows)
                kept, rows, size = [*kept, part], rows + part.num_rows, size + part.nbytes
                if rows >= GROUP_ROWS or size >= GROUP_BYTES:
                    writer.write_table(pa.concat_tables(kept), row_group_size=rows)
                    kept, rows, size = [], 0, 0
            if kept and writer is not None:
                writer.write_table(pa.concat_tables(kept), row_group_size=rows)
        finally:
            if writer is not None:
                writer.close()
    return counts

"""The table of a finished run over an archive, as a batch shows and saves it: its first rows, and all for pandas."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionviz.archive.arrow import arrow
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.schema import ANSWER, COLUMNS
from lesionviz.archive.store import TABLE
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.prediction import Prediction
from lesionviz.widgets.batch.rows import BatchRow, table_of

if TYPE_CHECKING:
    import pandas as pd

MOST_IN_CSV = 200_000
"""Rows that are made into CSV for a browser: about 60 MB."""
WANTED = [name for name in COLUMNS if name not in {"number", "width", "height", "refused", "warned"}]


@dataclass(frozen=True)
class Results:
    """A finished run.

    Attributes:
        folder: of the run.
        images: how many rows its table has.
        model: SHA-256 of the model's file.
        above: the folder from which its files are named.
        rows: the first of its rows.
    """

    folder: Path
    images: int
    model: str
    above: str
    rows: tuple[BatchRow, ...]

    @classmethod
    def read(cls, folder: Path, most: int) -> Results:
        """Read the first rows of a run's table.

        Raises:
            LesionvizError: there is no table, or it cannot be read.
        """
        manifest = Manifest.load(folder)
        if manifest is None:
            raise LesionvizError(f"{folder} holds no run. Begin one with: lesionviz score PATHS --out {folder}.")
        with _opened(folder) as file:
            above = _above(file)
            first = next(file.iter_batches(most, columns=WANTED), None)
            lines = [] if first is None else first.to_pylist()
            rows = tuple(_row(line, manifest.model_sha256, above) for line in lines)
            return cls(folder, file.metadata.num_rows, manifest.model_sha256, above, rows)

    def table(self, forced: bool = False) -> pd.DataFrame:
        """Return all rows as :func:`lesionviz.widgets.batch.rows.table` returns those of a batch.

        Raises:
            LesionvizError: the table cannot be read any more.
        """
        with _opened(self.folder) as file:
            read = file.read(columns=[name for name in WANTED if name not in {"sha256", "notes", "unfamiliarity"}])
            found = read.to_pandas()
        found["file"] = [_name(image, self.above) for image in found.pop("image")]
        found["model_sha256"] = [None if broken else self.model for broken in found["error"].notna()]
        words = {"refusal": "refused_because", "confidence": "probability", "forced_confidence": "forced_probability"}
        found = found.rename(columns=words)
        for name in ("refused_because", "warning", "error"):
            found[name] = found[name].fillna("")
        return table_of(found, forced)


@contextmanager
def _opened(folder: Path) -> Iterator[Any]:
    """Open the table of a run.

    Raises:
        LesionvizError: it is not there, or not what a run writes.
    """
    pa, parquet = arrow()
    path = folder / TABLE
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise LesionvizError(f"{path} is missing. Go on with the run to have it made again.") from None
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise LesionvizError(f"{path} cannot be read ({error}). Begin the run anew in another folder.") from error


def _above(file: Any) -> str:
    """Return the folder from which the files of a table are named: above the one that holds them all."""
    least, most = "", ""
    for batch in file.iter_batches(columns=["image"]):
        images = batch.column(0).to_pylist()
        least, most = min([least or images[0], *images]), max([most, *images])
    folders = [Path(least).parent, Path(most).parent]  # what the first and the last in order share, all do
    if folders[0].anchor != folders[1].anchor:
        return ""
    return str(Path(os.path.commonpath(folders)).parent)


def _name(image: str, above: str) -> str:
    return image[len(above) :].lstrip("/\\").replace("\\", "/") if image.startswith(above) else image


def _row(line: dict[str, Any], model: str, above: str) -> BatchRow:
    """Return a row of the table as a batch has it.

    Raises:
        ValueError: no run writes such a row.
    """
    image, error = str(line["image"]), line["error"]
    name = _name(image, above)
    if error is not None:
        return BatchRow(name, error=str(error), origin=Path(image), sha256=line["sha256"] or "")
    prefix = "forced_" if line["refusal"] else ""
    diagnosis, *numbers = (line[f"{prefix}{column}"] for column in ANSWER)
    if diagnosis not in CODES or not _are_shares(numbers):
        raise ValueError(f"the row of {image} holds no answer")
    confidence, *shares = numbers
    prediction = Prediction(
        diagnosis,
        confidence,
        dict(zip(CODES, shares, strict=True)),
        name,
        line["refusal"] or "",
        tuple(map(str, line["notes"] or ())),
        line["warning"] or "",
        line["unfamiliarity"],
    )
    return BatchRow(name, prediction, model=model, origin=Path(image), sha256=line["sha256"] or "")


def _are_shares(numbers: Sequence[Any]) -> bool:
    return all(isinstance(number, float) and 0 <= number <= 1 for number in numbers)

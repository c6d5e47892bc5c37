"""What a batch knows of each file, and the tables made of it: for pandas, for a spreadsheet, for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image
from lesionviz.imaging.encoding import jpeg
from lesionviz.spreadsheet import harmless

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.cluster import Examiner
    from lesionviz.prediction import Prediction

Origin: TypeAlias = "int | Path"
"""Where a file can be had again: its path, or the number that a browser gave it."""
THUMBNAIL = (96, 96)
NOTICE_SHORT = "For research and teaching; not a diagnosis."
ANSWER = ("diagnosis", "probability", *CODES)
FORCED = tuple(f"forced_{name}" for name in ANSWER)
"""Where the answers to refused pictures stand, when they are asked for: nobody counts them by accident."""
ABOUT = ("refused_because", "warning", "error", "model_sha256", "notice")
COLUMNS = ("file", *ANSWER, *ABOUT)


@dataclass(frozen=True)
class BatchRow:
    """One file and what became of it.

    Attributes:
        file: its name, with the folders below the one that was given.
        prediction: the answer; None when the file could not be examined.
        error: why it could not, in a sentence; empty otherwise.
        model: SHA-256 of the model's file; empty when it was never saved, or did not see the picture.
        thumbnail: JPEG of at most ``THUMBNAIL`` pixels; empty when there is no picture.
        origin: where the file can be had again.
        sha256: of the file's bytes when it was looked at, where that was long ago; empty for the files of today.
    """

    file: str
    prediction: Prediction | None = None
    error: str = ""
    model: str = ""
    thumbnail: bytes = field(default=b"", repr=False)
    origin: Origin = field(default=0, repr=False)
    sha256: str = field(default="", repr=False)

    @property
    def outcome(self) -> str:
        """``"answered"``, ``"refused"`` (the model gives no answer) or ``"failed"`` (no picture to look at)."""
        if self.prediction is None:
            return "failed"
        return "refused" if self.prediction.refusal else "answered"


def look(examiner: Examiner, source: bytes | Path, name: str, origin: Origin) -> BatchRow:
    """Return the row of one file; whatever is wrong with the file becomes its error."""
    try:
        picture = open_image(source, name)
    except LesionvizError as error:
        return BatchRow(name, error=str(error), origin=origin)
    return BatchRow(
        name,
        prediction=examiner.examine(picture).prediction,
        model=examiner.checkpoint.file_sha256,
        thumbnail=jpeg(picture.pixels, THUMBNAIL),
        origin=origin,
    )


def table(rows: Sequence[BatchRow], forced: bool = False) -> pd.DataFrame:
    """Return rows as a table with the columns ``COLUMNS``.

    Args:
        rows: of a batch.
        forced: add the columns ``FORCED`` with diagnosis and probabilities of refused pictures. They are not valid, and
            ``refused_because`` says why.

    Returns:
        One line for each row, in order. ``diagnosis`` and ``model_sha256`` are missing where there is none,
        probabilities are NaN there, ``refused_because``, ``warning`` and ``error`` are empty.
    """
    import pandas as pd

    lines = []
    for row in rows:
        answer = row.prediction
        line: dict[str, Any] = {
            "file": row.file,
            "refused_because": answer.refusal if answer else "",
            "warning": answer.warning if answer else "",
            "error": row.error,
            "model_sha256": row.model or None,
        }
        if answer is not None:
            values = (answer.diagnosis, answer.confidence, *(answer.probabilities[code] for code in CODES))
            line |= zip(FORCED if answer.refusal else ANSWER, values, strict=True)
        lines.append(line)
    return table_of(pd.DataFrame(lines, columns=[*COLUMNS, *FORCED]), forced)


def table_of(found: pd.DataFrame, forced: bool) -> pd.DataFrame:
    """Return the columns of :func:`table`, in their order, from a table that lacks the notice alone."""
    columns = ["file", *ANSWER, *(FORCED if forced else ()), *ABOUT]
    numbers = [name for name in columns if name.endswith(("probability", *CODES))]
    return found.assign(notice=NOTICE_SHORT)[columns].astype(dict.fromkeys(numbers, float))


def csv(found: pd.DataFrame) -> str:
    """Return a :func:`table` as CSV, six digits a probability.

    Words that a spreadsheet would take for a formula get an apostrophe in front.
    """
    safe = found.copy()
    for column in ("file", "refused_because", "warning", "error"):
        safe[column] = [harmless(words) for words in safe[column]]
    text: str = safe.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return text


def for_browser(row: BatchRow) -> dict[str, Any]:
    """Return a row as ``batch_table.js`` takes it; its thumbnail travels beside it.

    Returns:
        ``name``, ``outcome``, ``why`` (refused or failed, or what the answer should be read with), ``diagnosis`` (a code)
        and ``probabilities`` (in the order of the diagnoses; both null without an answer), ``id`` (the browser's number,
        or 0) and ``local`` (whether the kernel can read it again).
    """
    answer = row.prediction
    return {
        "name": row.file,
        "outcome": row.outcome,
        "why": (answer.refusal or answer.warning) if answer else row.error,
        "diagnosis": answer.diagnosis if answer else None,
        "probabilities": [answer.probabilities[code] for code in CODES] if answer else None,
        "id": row.origin if isinstance(row.origin, int) else 0,
        "local": isinstance(row.origin, Path),
    }

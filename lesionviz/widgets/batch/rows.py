"""What a batch knows of each file, and the tables made of it: for pandas, for a spreadsheet, for the browser."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image
from lesionviz.imaging.encoding import jpeg
from lesionviz.spreadsheet import harmless
from lesionviz.trust.two_models import agree

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.cluster import Examiner
    from lesionviz.imaging import LesionImage
    from lesionviz.prediction import Prediction
    from lesionviz.trust.second_model import SecondModel
    from lesionviz.trust.two_models import Model

LOG = logging.getLogger(__name__)
Origin: TypeAlias = "int | Path"
"""Where a file can be had again: its path, or the number that a browser gave it."""
THUMBNAIL = (96, 96)
NOTICE_SHORT = "For research and teaching; not a diagnosis."
ANSWER = ("diagnosis", "probability", *CODES)
FORCED = tuple(f"forced_{name}" for name in ANSWER)
"""Where the answers to refused pictures stand, when they are asked for: nobody counts them by accident."""
SECOND = (
    "second_diagnosis",
    "second_probability",
    "second_refused_because",
    "models_agree",
    "second_model",
    "second_model_sha256",
)
"""What a second model said; only in tables of which it has seen a row."""
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
        second: a second model's answer; None where none was asked, or it failed.
        second_model: which model that is; None where none was asked.
    """

    file: str
    prediction: Prediction | None = None
    error: str = ""
    model: str = ""
    thumbnail: bytes = field(default=b"", repr=False)
    origin: Origin = field(default=0, repr=False)
    sha256: str = field(default="", repr=False)
    second: Prediction | None = None
    second_model: Model | None = None

    @property
    def outcome(self) -> str:
        """``"answered"``, ``"refused"`` (the model gives no answer) or ``"failed"`` (no picture to look at)."""
        if self.prediction is None:
            return "failed"
        return "refused" if self.prediction.refusal else "answered"

    @property
    def agree(self) -> bool | None:
        """Whether two models name the same diagnosis; None unless both give an answer."""
        if self.prediction is None or self.second is None:
            return None
        return agree(self.prediction, self.second)


def look(
    examiner: Examiner, source: bytes | Path, name: str, origin: Origin, second: SecondModel | None = None
) -> BatchRow:
    """Return the row of one file; whatever is wrong with the file becomes its error.

    Args:
        examiner: whom to ask.
        source: the file's bytes, or where it lies.
        name: of the file.
        origin: where it can be had again.
        second: another model, asked about the same picture.
    """
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
        second=None if second is None else _second_answer(second, picture),
        second_model=None if second is None else second.model,
    )


def _second_answer(second: SecondModel, picture: LesionImage) -> Prediction | None:
    """Return a second model's answer; whatever goes wrong with it, the first one's stands."""
    try:
        return second.classifier.predict(picture)
    except Exception as error:  # a stranger's weights may do anything; the log says what
        LOG.error("the second model failed on a picture", exc_info=error)
        return None


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
        lines.append(line | _second_cells(row))
    second = SECOND if any(row.second_model for row in rows) else ()
    return table_of(pd.DataFrame(lines, columns=[*COLUMNS, *FORCED, *second]), forced)


def _second_cells(row: BatchRow) -> dict[str, Any]:
    """Return what a second model said of a row's picture, as cells of a table."""
    if row.second_model is None:
        return {}
    said, same = row.second, row.agree
    valid = said is not None and not said.refusal
    return {
        "second_diagnosis": said.diagnosis if said is not None and valid else None,
        "second_probability": said.confidence if said is not None and valid else None,
        "second_refused_because": said.refusal if said is not None else "",
        "models_agree": "" if same is None else "yes" if same else "no",
        "second_model": row.second_model.name,
        "second_model_sha256": row.second_model.sha256 or None,
    }


def table_of(found: pd.DataFrame, forced: bool) -> pd.DataFrame:
    """Return the columns of :func:`table`, in their order, from a table that lacks the notice alone."""
    second = SECOND if set(SECOND) <= set(found) else ()
    columns = ["file", *ANSWER, *(FORCED if forced else ()), *second, *ABOUT]
    numbers = [name for name in columns if name.endswith(("probability", *CODES))]
    found = (
        found.fillna(dict.fromkeys(("second_refused_because", "models_agree", "second_model"), ""))
        if second
        else found
    )
    return found.assign(notice=NOTICE_SHORT)[columns].astype(dict.fromkeys(numbers, float))


def csv(found: pd.DataFrame) -> str:
    """Return a :func:`table` as CSV, six digits a probability.

    Words that a spreadsheet would take for a formula get an apostrophe in front.
    """
    safe = found.copy()
    words = ("file", "refused_because", "warning", "error", "second_refused_because", "second_model")
    for column in (name for name in words if name in safe):
        safe[column] = [harmless(words) for words in safe[column]]
    text: str = safe.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    return text


def for_browser(row: BatchRow) -> dict[str, Any]:
    """Return a row as ``batch_table.js`` takes it; its thumbnail travels beside it.

    Returns:
        ``name``, ``outcome``, ``why`` (refused or failed, or what the answer should be read with), ``diagnosis`` (a code)
        and ``probabilities`` (in the order of the diagnoses; both null without an answer), ``id`` (the browser's number,
        or 0), ``local`` (whether the kernel can read it again), ``second`` (what a second model answers, in words; empty
        where none was asked) and ``agree`` (whether it is the same diagnosis; null unless both give an answer).
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
        "second": second_words(row),
        "agree": row.agree,
    }


def second_words(row: BatchRow) -> str:
    """Say what a second model answers; empty where none was asked."""
    if row.second_model is None:
        return ""
    said = row.second
    if said is None:
        return "Failed"
    if said.refusal:
        return f"No answer, because {said.refusal}"
    name = next(each.name for each in DIAGNOSES if each.code == said.diagnosis)
    return f"{said.diagnosis} {name}, {said.confidence:.1%}"

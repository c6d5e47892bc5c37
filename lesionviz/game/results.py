"""What came out of a quiz: answers as a table and as a file, confusion matrices, scores. Knows nothing of widgets."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from lesionviz.diagnoses import CODES
from lesionviz.spreadsheet import harmless

if TYPE_CHECKING:
    import pandas as pd

Answer: TypeAlias = dict[str, Any]
"""One committed answer: ``learner``, ``case`` (its number in the round), ``image`` (where the picture comes from),
``truth`` and ``answer`` (codes), ``sure`` (in words, or empty), ``model`` (a code, ``NO_ANSWER``, or empty while the
model is at it), ``probability`` (of the model's answer, 0 to 1, or None) and ``reason`` (why it gave none)."""
COLUMNS = ("learner", "case", "image", "truth", "answer", "sure", "model", "probability", "reason")
NO_ANSWER = "no answer"


def given(learner: str, case: int, image: str, truth: str, answer: str, sure: str) -> Answer:
    """Return an answer as it is committed: the model has said nothing beside it."""
    said = {"learner": learner, "case": case, "image": image, "truth": truth, "answer": answer, "sure": sure}
    return {**said, "model": "", "probability": None, "reason": ""}


def frame(answers: Iterable[Answer]) -> pd.DataFrame:
    """Return the answers as a table with ``COLUMNS`` and ``right``: whether the learner was."""
    import pandas as pd

    table = pd.DataFrame(list(answers), columns=list(COLUMNS))
    return table.assign(right=table["truth"] == table["answer"])


def confusion(answers: Sequence[Answer], column: str) -> pd.DataFrame:
    """Return how many cases of each true class (rows) were answered as which (columns); see :func:`matrix`."""
    import pandas as pd

    found = matrix("", answers, column)
    table = pd.DataFrame(found["counts"], index=list(CODES), columns=found["columns"])
    return table.rename_axis(index="truth", columns="answered")


def matrix(title: str, answers: Sequence[Answer], column: str = "answer") -> dict[str, Any]:
    """Return a confusion matrix as plain data: ``title``, ``columns``, and ``counts``, a row for each true class.

    Args:
        title: whose it is.
        answers: what was committed; those that the model is still at are not counted for the model.
        column: ``"answer"`` for the people, ``"model"`` for the model, each of whose cases counts once however many
            people had it. Its last column is ``NO_ANSWER``: refused pictures are neither right nor wrong.
    """
    columns = [*CODES, NO_ANSWER] if column == "model" else list(CODES)
    counted = _models(answers) if column == "model" else answers
    found = Counter((answer["truth"], answer[column]) for answer in counted)
    return {"title": title, "columns": columns, "counts": [[found[row, one] for one in columns] for row in CODES]}


def matrices(
    learner: str, own: Sequence[Answer], answers: Sequence[Answer], drawn: bool = False
) -> list[dict[str, Any]]:
    """Return the confusion matrices that a learner is shown, each with ``who`` in one word.

    Args:
        learner: his name; empty for whoever looks at the class alone.
        own: what he answered.
        answers: what all answered; they are the class when they are more than one.
        drawn: whether the pictures are drawings, which the small network answers.
    """
    people = len(learners(answers))
    tables = [{"who": "learner", **matrix(learner, own)}] if learner else []
    if people > 1 or not learner:
        title = f"The class, {people} learner{'' if people == 1 else 's'}"
        tables.append({"who": "class", **matrix(title, answers)})
    title = f"The {'small network' if drawn else 'model'}, on the same cases"
    return [*tables, {"who": "model", **matrix(title, own if learner else answers, "model")}]


def score(answers: Iterable[Answer]) -> int:
    """Return how many answers of people are right."""
    return sum(answer["truth"] == answer["answer"] for answer in answers)


def model_score(answers: Sequence[Answer]) -> dict[str, int]:
    """Return the model's ``right``, ``none`` (no answer), ``waiting`` and ``of`` over the cases, each once."""
    done = _models(answers)
    return {
        "right": sum(answer["truth"] == answer["model"] for answer in done),
        "none": sum(answer["model"] == NO_ANSWER for answer in done),
        "waiting": len({answer["image"] for answer in answers}) - len(done),
        "of": len(done),
    }


def learners(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """Return ``name``, ``right`` and ``of`` of each learner, in the order in which they came."""
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer["learner"], []).append(answer)
    return [{"name": name, "right": score(own), "of": len(own)} for name, own in found.items()]


def to_csv(answers: Iterable[Answer], columns: Sequence[str] = COLUMNS) -> str:
    """Return the answers as CSV, safe to open in a spreadsheet."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    for answer in answers:
        values = ("" if answer[name] is None else answer[name] for name in columns)
        writer.writerow([harmless(value) if isinstance(value, str) else value for value in values])
    return buffer.getvalue()


def _models(answers: Sequence[Answer]) -> list[Answer]:
    """Return one answer for each case that the model is done with."""
    return list({answer["image"]: answer for answer in answers if answer["model"]}.values())

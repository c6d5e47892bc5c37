"""Two checkpoints side by side on the same images, with intervals of the differences."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.bootstrap import DRAWS, by_lesion
from lesionviz.evaluation.measures import BY_CLASS, TITLES, Floats, measures
from lesionviz.evaluation.parts import ALL, rows_of_part
from lesionviz.evaluation.plain import to_plain
from lesionviz.evaluation.report.document import Paragraph, Section, Table, to_markdown
from lesionviz.evaluation.silence import answers_of
from lesionviz.evaluation.usable import left_out, look_at, usable_rows
from lesionviz.files import replacing

Row = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """How two classifiers did on the same images.

    Attributes:
        data, part, images, lesions: what they were asked about.
        names: of the two.
        table: by measure, ``first``, ``second`` and ``difference`` (second minus first), each an
            :class:`lesionviz.evaluation.bootstrap.Interval`; the same lesions are drawn for both.
        disagreements: on how many images they answer differently.
        damaged: how many images could not be used and were left out.
    """

    data: str
    part: str
    images: int
    lesions: int
    names: tuple[str, str]
    table: pd.DataFrame
    disagreements: int
    damaged: int = 0

    def to_markdown(self) -> str:
        """Return the comparison for people."""
        titles = TITLES | {f"{key}_{code}": f"{code}: {name}" for code in CODES for key, name in BY_CLASS.items()}
        rows = []
        for key, row in self.table.iterrows():
            change = row["difference"]
            points = "–"
            if not np.isnan(change.value):
                points = f"{100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
                points += " **sure**" if change.low > 0 or change.high < 0 else ""
            rows.append((titles[str(key)], str(row["first"]), str(row["second"]), points))
        return to_markdown(
            "Two models on the same images",
            [
                Section(
                    f"{self.names[0]} and {self.names[1]}",
                    [
                        Paragraph(
                            f"{self.images:,} images of {self.lesions:,} lesions ({self.data}, {self.part}). They answer "
                            f"differently on {self.disagreements:,}. 95 % intervals, bootstrapped by lesion, the same "
                            "lesions for both; a difference is sure where its interval does not hold zero."
                            + (f" {left_out(self.damaged)}" if self.damaged else "")
                        ),
                        Table(("figure", *self.names, "difference, points"), rows),
                    ],
                )
            ],
        )

    def save(self, out: Path) -> None:
        """Write ``comparison.md`` and ``comparison.json``."""
        content = {
            "data": self.data,
            "part": self.part,
            "images": self.images,
            "lesions": self.lesions,
            "models": list(self.names),
            "disagreements": self.disagreements,
            "damaged": self.damaged,
            "measures": self.table.to_dict("index"),
        }
        with replacing(out / "comparison.json") as temporary:
            temporary.write_text(json.dumps(to_plain(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")
        with replacing(out / "comparison.md") as temporary:
            temporary.write_text(self.to_markdown(), encoding="utf-8")


def compare(
    first: str | Path,
    second: str | Path,
    data: str | Path | Collection,
    out: str | Path | None = None,
    part: str = "test",
    draws: int = DRAWS,
    skip_damaged: bool = False,
) -> Comparison:
    """Compare two checkpoints on one part of a collection.

    Args:
        first, second: paths of checkpoints.
        data: a folder or table in a known layout, or a collection.
        out: folder for the results; by default nothing is written.
        part: ``"test"``, ``"validation"`` or ``"train"`` of their split, or ``"all"`` images.
        draws: of the bootstrap.
        skip_damaged: go on without images that cannot be used.

    Raises:
        LesionvizError: a model or the data cannot be used, or the models were trained on different splits, so that
            one's test images may be the other's training images.
    """
    models = [load(first), load(second)]
    collection = data if isinstance(data, Collection) else read_collection(data)
    rows = [rows_of_part(model.checkpoint, collection, part) for model in models]
    if not rows[0]["image"].equals(rows[1]["image"]):
        raise LesionvizError(
            "The two models were trained on different splits, so a test image of one may be a training image of the "
            f"other. Compare them on a collection that is new to both (--part {ALL})."
        )
    damaged = look_at(rows[0]["path"], skip_damaged)
    rows = [usable_rows(each, damaged) for each in rows]
    truth = rows[0]["diagnosis"].map(CODES.index).to_numpy(np.int64)
    lesions = rows[0]["lesion"].to_numpy()
    a, b = (_probabilities(model, rows[0]) for model in models)

    def both(weights: Floats) -> dict[str, float]:
        one, other = measures(truth, a, weights), measures(truth, b, weights)
        found = {("first", key): value for key, value in one.items()}
        found |= {("second", key): value for key, value in other.items()}
        found |= {("difference", key): other[key] - one[key] for key in one}
        return found  # type: ignore[return-value]

    intervals = by_lesion(both, lesions, draws, progress="Bootstrap by lesion")
    table = pd.Series({key: interval for key, interval in intervals.items()}).unstack(0)  # noqa: C416 - tuples as keys
    keys = list(measures(truth, a))
    comparison = Comparison(
        collection.folder.name,
        part,
        len(truth),
        rows[0]["lesion"].nunique(),
        _names(Path(first), Path(second)),
        table.loc[keys, ["first", "second", "difference"]],
        int((a.argmax(axis=1) != b.argmax(axis=1)).sum()),
        len(damaged),
    )
    if out is not None:
        comparison.save(Path(out))
    return comparison


def _probabilities(model: LesionClassifier, rows: pd.DataFrame) -> Floats:
    answers = answers_of(model, rows["path"], "Comparing")
    return np.array([[answer.probabilities[code] for code in CODES] for answer in answers])


def _names(first: Path, second: Path) -> tuple[str, str]:
    """Return the shortest ends of two paths that differ."""
    for depth in range(1, 1 + max(len(first.parts), len(second.parts))):
        names = tuple("/".join(path.parts[-depth:]) for path in (first, second))
        if names[0] != names[1]:
            return names[0], names[1]
    return f"{first} (first)", f"{second} (second)"

"""The figures that judge a classifier; all mathematics is scikit-learn's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    precision_recall_fscore_support,
    recall_score,
)

from lesionviz.diagnoses import CODES


@dataclass(frozen=True)
class Metrics:
    """Figures over one set of images; shares run from 0 to 1.

    Attributes:
        images: how many images were judged.
        accuracy: share of right answers.
        balanced_accuracy: mean sensitivity over the classes that occur.
        precision, recall, f1: means over classes, weighted by how often each occurs.
        sensitivity: by class, share of its images that were recognised; None where it has no image.
        specificity: by class, share of the other images not taken for it; None where there are none.
        confusion: images by true class (rows) and predicted class (columns), in the order of the classes.
    """

    images: int
    accuracy: float
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    sensitivity: dict[str, float | None]
    specificity: dict[str, float | None]
    confusion: list[list[int]]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON and checkpoints."""
        return asdict(self)


def score(truth: Sequence[int] | npt.NDArray[Any], predicted: Sequence[int] | npt.NDArray[Any]) -> Metrics:
    """Compare class indices (0 to 3) of the same length, at least one."""
    true, answer = np.asarray(truth), np.asarray(predicted)
    matrix = confusion_matrix(true, answer, labels=range(len(CODES)))
    hits, of_class, as_class = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    rejected = matrix.sum() - of_class - as_class + hits  # other classes, not taken for this one
    precision, recall, f1, _ = precision_recall_fscore_support(
        true, answer, labels=range(len(CODES)), average="weighted", zero_division=0
    )
    return Metrics(
        images=len(true),
        accuracy=float(accuracy_score(true, answer)),
        # Balanced accuracy; scikit-learn's own function warns where a class without images is answered.
        balanced_accuracy=float(recall_score(true, answer, labels=np.unique(true), average="macro")),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        sensitivity=_shares(hits, of_class),
        specificity=_shares(rejected, matrix.sum() - of_class),
        confusion=matrix.tolist(),
    )


def _shares(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> dict[str, float | None]:
    """Divide class by class; None where there is nothing to divide by."""
    return {code: float(p / w) if w else None for code, p, w in zip(CODES, part, whole, strict=True)}

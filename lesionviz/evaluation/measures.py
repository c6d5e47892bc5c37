"""Every single figure that judges a classifier, from its probabilities; scikit-learn does the mathematics.

A measure is a number from 0 to 1 under a key such as ``"balanced_accuracy"`` or ``"sensitivity_MEL"``. All take
a weight for each image, so that a bootstrap by lesion is the same functions with other weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from lesionviz.diagnoses import CODES, DIAGNOSES

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]

ISIC2019_SHARES: Mapping[str, float] = {"NV": 0.5515, "MEL": 0.1937, "BCC": 0.1423, "BKL": 0.1124}
"""Shares of the four classes in the whole of ISIC 2019, for figures that are to be held against others' there."""
MALIGNANT = np.array([diagnosis.malignant for diagnosis in DIAGNOSES])
MALIGNANT_CODES = tuple(diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant)
EQUAL_BINS = 10
BINS = 15
"""Equal bins of confidence over which the calibration error is averaged (Guo et al. 2017, arXiv 1706.04599)."""

TITLES: dict[str, str] = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "precision": "Precision (weighted)",
    "recall": "Recall (weighted)",
    "f1": "F1 (weighted)",
    "macro_f1": "F1 (macro)",
    "accuracy_at_isic2019_shares": "Accuracy at ISIC 2019 class shares",
    "malignant_sensitivity": "Malignant (MEL, BCC): sensitivity",
    "malignant_specificity": "Malignant (MEL, BCC): specificity",
    "malignant_roc_auc": "Malignant (MEL, BCC): ROC-AUC",
    "malignant_average_precision": "Malignant (MEL, BCC): average precision",
    "ece": "Expected calibration error",
}
BY_CLASS: dict[str, str] = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "roc_auc": "ROC-AUC",
    "average_precision": "average precision",
}


def measures(truth: Integers, probabilities: Floats, weights: Floats | None = None) -> dict[str, float]:
    """Return every measure.

    Args:
        truth: (N,) class indices.
        probabilities: (N, 4), rows adding up to 1.
        weights: (N,) how often each image counts; by default once.

    Returns:
        The keys of ``TITLES``, and those of ``BY_CLASS`` followed by ``_`` and a code; NaN where an image that
        the measure needs is missing.
    """
    kept = slice(None) if weights is None else weights > 0
    truth, probabilities = truth[kept], probabilities[kept]
    weight = None if weights is None else weights[kept]
    answer = probabilities.argmax(axis=1)
    # A thousand draws go through here, so the shares below are read off one confusion matrix.
    with config_context(assume_finite=True, skip_parameter_validation=True), np.errstate(invalid="ignore"):
        matrix = confusion_matrix(truth, answer, labels=range(len(CODES)), sample_weight=weight)
        of_class, called, hits, total = matrix.sum(axis=1), matrix.sum(axis=0), np.diag(matrix), matrix.sum()
        precision, recall, f1, _ = precision_recall_fscore_support(
            truth, answer, labels=range(len(CODES)), average=None, zero_division=0, sample_weight=weight
        )
        sensitivity = np.where(of_class > 0, recall, np.nan)
        specificity = (total - of_class - called + hits) / (total - of_class)
        suspicious = matrix[np.ix_(MALIGNANT, MALIGNANT)].sum(), matrix[np.ix_(~MALIGNANT, ~MALIGNANT)].sum()
        found = {
            "accuracy": hits.sum() / total,
            "balanced_accuracy": np.nanmean(sensitivity),
            "precision": np.average(precision, weights=of_class),
            "recall": np.average(recall, weights=of_class),
            "f1": np.average(f1, weights=of_class),
            "macro_f1": f1[of_class > 0].mean(),
            "malignant_sensitivity": suspicious[0] / of_class[MALIGNANT].sum(),
            "malignant_specificity": suspicious[1] / of_class[~MALIGNANT].sum(),
            "accuracy_at_isic2019_shares": sum(
                share * sensitivity[CODES.index(code)] for code, share in ISIC2019_SHARES.items()
            )
            / sum(ISIC2019_SHARES.values()),
            "ece": calibration_error(truth, probabilities, weight),
        }
        areas = {"malignant": (MALIGNANT[truth], probabilities[:, MALIGNANT].sum(axis=1))}
        areas |= {code: (truth == index, probabilities[:, index]) for index, code in enumerate(CODES)}
        for name, (is_one, probability) in areas.items():
            both = is_one.any() and not is_one.all()
            under_roc = roc_auc_score(is_one, probability, sample_weight=weight) if both else np.nan
            average = average_precision_score(is_one, probability, sample_weight=weight) if both else np.nan
            if name == "malignant":
                found |= {"malignant_roc_auc": under_roc, "malignant_average_precision": average}
            else:
                index = CODES.index(name)
                found |= {
                    f"sensitivity_{name}": sensitivity[index],
                    f"specificity_{name}": specificity[index],
                    f"roc_auc_{name}": under_roc,
                    f"average_precision_{name}": average,
                }
    return {name: float(value) for name, value in found.items()}


def confidence_bins(
    truth: Integers, probabilities: Floats, weights: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return mean confidence, share of right answers and weight of each of ``BINS`` bins that is not empty."""
    weight = np.ones(len(truth)) if weights is None else weights
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(float)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    total, sure, hits = (
        np.bincount(bins, weight * values, minlength=BINS).astype(np.float64)
        for values in (np.ones(len(truth)), confidence, right)
    )
    filled = total > 0
    return sure[filled] / total[filled], hits[filled] / total[filled], total[filled]


def equal_mass_error(truth: Integers, probabilities: Floats, bins: int = EQUAL_BINS) -> float:
    """Return the mean gap between confidence and share of right answers over bins of equally many images.

    Unlike :func:`calibration_error` it has no bin that hangs on a handful of images, so it suits small sources.
    """
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    return float(sum(len(part) * abs(confidence[part].mean() - right[part].mean()) for part in parts) / len(order))


def equal_mass_error_if_calibrated(probabilities: Floats, draws: int = 200, seed: int = 0) -> float:
    """Return the mean of :func:`equal_mass_error` that so many images of a perfectly calibrated model would show.

    Args:
        probabilities: (N, 4), taken to be true: the diagnoses are drawn from them.
        draws: how often.
        seed: of the draws.
    """
    random, cumulated = np.random.default_rng(seed), probabilities.cumsum(axis=1)
    found = []
    for _ in range(draws):
        drawn = (cumulated < random.random((len(probabilities), 1))).sum(axis=1).clip(max=probabilities.shape[1] - 1)
        found.append(equal_mass_error(drawn.astype(np.int64), probabilities))
    return float(np.mean(found))


def calibration_error(truth: Integers, probabilities: Floats, weights: Floats | None = None) -> float:
    """Return the expected calibration error: the mean gap between confidence and share of right answers."""
    sure, right, total = confidence_bins(truth, probabilities, weights)
    return float((np.abs(sure - right) * total).sum() / total.sum())

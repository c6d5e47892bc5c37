"""Makes a trained model say how sure it is, and know when to stay silent: temperature, thresholds, refusal.

Everything is fitted on the validation parts of all collections that taught, or on their halves that chose nothing where a
choice by sources used the others; what the refusal learns from is of the training parts. The test parts are not even
opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import roc_curve

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.halves import halves
from lesionviz.data.portions import Portion
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.measures import Floats
from lesionviz.evaluation.metrics import score
from lesionviz.evaluation.outputs import outputs_of
from lesionviz.evaluation.usable import left_out, look_at, usable_rows
from lesionviz.network import ARCHITECTURES, B0
from lesionviz.training.judging import named_rows
from lesionviz.training.lessons import lessons_of
from lesionviz.training.teach_refusal import fit_distance, teach

TEMPERATURES = (0.05, 20.0)
SENSITIVITIES = tuple(round(float(s), 2) for s in np.arange(0.5, 1, 0.01))
"""Sensitivities to melanoma for which a threshold is kept."""


def calibrate(
    checkpoint: Checkpoint,
    portions: Sequence[Portion],
    progress: bool = True,
    device: str | torch.device = "cpu",
    size: int | None = None,
    *,
    skip_damaged: bool = False,
    looked_at: bool = False,
) -> Checkpoint:
    """Return the checkpoint with temperature, operating points and refusal fitted.

    With clinical close-ups in a training part the refusal asks its three questions (:mod:`lesionviz.three_questions`);
    without any there is nothing to tell dermoscopy from, and it goes by distance (:mod:`lesionviz.refusal`).

    Args:
        checkpoint: trained on the training parts.
        portions: the collections that it was trained on, the main one first, with their splits.
        progress: show bars where someone is looking.
        device: where to run the network.
        size: another side of the input in pixels. Where training pictures were smaller than the recipe's input, theirs
            may suit the network better (Touvron et al. 2019, arXiv 1906.06423); ``tests/benchmarks/input_side.py``
            shows figures of several on the validation images.
        skip_damaged: go on without images that cannot be used; the checkpoint's history says how many.
        looked_at: whether training and validation images are known to be usable, as at the end of a training.

    Raises:
        LesionvizError: images of a part are missing or cannot be used, the size is out of range, or the network is not
            an EfficientNet-B0.
    """
    if checkpoint.architecture != B0:
        raise LesionvizError(
            f"The model is a {ARCHITECTURES[checkpoint.architecture]}; the refusal can be fitted to an "
            f"{ARCHITECTURES[B0]} only. Train one: lesionviz train --data DIR --out DIR."
        )
    if size is not None:
        checkpoint = replace(checkpoint, preprocessing=replace(checkpoint.preprocessing, size=size))
    classifier = LesionClassifier(replace(checkpoint, temperature=1.0, refusal={}, operating_points=()), device)
    rows = named_rows(portions, "validation")
    if checkpoint.recipe.get("choose_by") == "sources":  # half of them chose the epoch
        rows = halves(rows)[1]
    lessons = lessons_of(portions)
    # What a training did not open may still be damaged; at its end that must not cost everything.
    paths = lessons.paths() if looked_at else [*rows["path"], *lessons.paths()]
    damaged = look_at(paths, skip_damaged or looked_at, progress)
    rows, lessons = usable_rows(rows, damaged), lessons.without(damaged)
    if damaged:
        checkpoint = replace(checkpoint, history=(*checkpoint.history, f"Calibrated; {left_out(len(damaged))}"))
    rows = rows.reset_index(drop=True)
    outputs = outputs_of(classifier, rows["path"], len(rows), "Calibrating on validation images", progress)
    truth = rows["diagnosis"].map(CODES.index).to_numpy(np.int64)
    temperature = fit_temperature(outputs.logits, truth)
    metrics = dict(checkpoint.metrics)
    if size is not None:
        main = (rows["collection"] == portions[0].name).to_numpy()
        metrics["validation"] = score(truth[main], outputs.logits[main].argmax(1)).to_dict()
    way = teach if lessons.tell_apart else fit_distance
    return replace(
        checkpoint,
        metrics=metrics,
        temperature=temperature,
        operating_points=operating_points(
            truth, softmax(outputs.logits / temperature, axis=1), alike(rows["collection"])
        ),
        refusal=way(classifier, lessons, rows, outputs, progress).to_dict(),
        calibration=_kept(rows, outputs.logits, truth),
    )


def alike(sources: pd.Series[str]) -> Floats:
    """Return weights (N,), 1 on average, under which every source counts alike."""
    counts = sources.map(sources.value_counts())
    weights: Floats = (len(sources) / counts / sources.nunique()).to_numpy(np.float64)
    return weights


def _kept(rows: pd.DataFrame, logits: Floats, truth: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return what later checks of an answer are fitted on: logits, class, lesion and source of the calibration images."""
    lesions = pd.factorize(rows["collection"] + "/" + rows["lesion"].astype(str))[0]
    sources, names = pd.factorize(rows["collection"])
    return {
        "logits": torch.tensor(logits, dtype=torch.float32),
        "truth": torch.tensor(truth, dtype=torch.uint8),
        "lesion": torch.tensor(lesions, dtype=torch.int32),
        "source": torch.tensor(sources, dtype=torch.uint8),
        "sources": [str(name) for name in names],
    }


def fit_temperature(logits: Floats, truth: npt.NDArray[np.int64]) -> float:
    """Return the temperature with the least cross-entropy (Guo et al. 2017, arXiv 1706.04599).

    Args:
        logits: (N, 4).
        truth: (N,) class indices.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def operating_points(
    truth: npt.NDArray[np.int64], probabilities: Floats, weights: Floats | None = None
) -> tuple[Mapping[str, float], ...]:
    """Return, for sensitivities to melanoma, the threshold and what it costs.

    Args:
        truth: (N,) class indices.
        probabilities: (N, 4), calibrated.
        weights: (N,) how much each image counts; by default all alike.

    Returns:
        Dicts with ``sensitivity`` (that asked for), ``threshold`` (the highest probability of melanoma that
        reaches it), ``specificity`` and ``benign_per_melanoma``: benign lesions at or above the threshold for
        each melanoma found. Empty without melanoma or without others.
    """
    melanoma = truth == CODES.index("MEL")
    if melanoma.all() or not melanoma.any():
        return ()
    benign = np.array([not DIAGNOSES[index].malignant for index in truth])
    probability = probabilities[:, CODES.index("MEL")]
    weights = np.ones(len(truth)) if weights is None else weights
    false_alarms, found, thresholds = roc_curve(melanoma, probability, sample_weight=weights, drop_intermediate=False)
    points = []
    for sensitivity in SENSITIVITIES:
        first = int(np.argmax(found >= sensitivity - 1e-12))
        threshold = float(thresholds[first])
        called = probability >= threshold
        points.append(
            {
                "sensitivity": sensitivity,
                "threshold": min(threshold, 1.0),
                "specificity": float(1 - false_alarms[first]),
                "benign_per_melanoma": float(weights[called & benign].sum() / weights[called & melanoma].sum()),
            }
        )
    return tuple(points)

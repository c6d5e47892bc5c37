"""Makes a trained model say how sure it is, and know when to stay silent: temperature, thresholds, statistics.

Everything is fitted on the validation part, or on its half that chose nothing where a choice by sources used the other;
the feature statistics on the training part. The test part is not even opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_curve
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier, Outputs
from lesionviz.data.collection import Collection
from lesionviz.data.halves import halves
from lesionviz.data.split import Split
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.evaluation.metrics import score
from lesionviz.evaluation.usable import left_out, look_at, usable_rows
from lesionviz.imaging import open_image
from lesionviz.refusal import QUALITY, Refusal, energies, quality

Floats = npt.NDArray[np.float64]

ACCEPTED = 0.95
"""Share of validation images that the refusal lets pass."""
TEMPERATURES = (0.05, 20.0)
SENSITIVITIES = tuple(round(float(s), 2) for s in np.arange(0.5, 1, 0.01))
"""Sensitivities to melanoma for which a threshold is kept."""
MARGIN = 0.05
"""How far beyond the range of the validation images, in shares of it, quality is still accepted."""
BATCH = 32


def calibrate(
    checkpoint: Checkpoint,
    collection: Collection,
    split: Split,
    progress: bool = True,
    device: str | torch.device = "cpu",
    size: int | None = None,
    *,
    skip_damaged: bool = False,
    looked_at: bool = False,
) -> Checkpoint:
    """Return the checkpoint with temperature, operating points and refusal statistics fitted.

    Args:
        checkpoint: trained on the training part of the split.
        collection: where the images are.
        split: the one it was trained with.
        progress: show bars where someone is looking.
        device: where to run the network.
        size: another side of the input in pixels. Where training pictures were smaller than the recipe's input, theirs
            may suit the network better (Touvron et al. 2019, arXiv 1906.06423); ``tests/benchmarks/input_side.py``
            shows figures of several on the validation images.
        skip_damaged: go on without images that cannot be used; the checkpoint's history says how many.
        looked_at: whether all images are known to be usable, as at the end of a training.

    Raises:
        LesionvizError: images of a part are missing or cannot be used, or the size is out of range.
    """
    if size is not None:
        checkpoint = replace(checkpoint, preprocessing=replace(checkpoint.preprocessing, size=size))
    classifier = LesionClassifier(replace(checkpoint, temperature=1.0, refusal={}, operating_points=()), device)
    learned, rows = split.rows(collection, "train"), split.rows(collection, "validation")
    if checkpoint.recipe.get("choose_by") == "sources":  # half of them chose the epoch
        rows = halves(rows)[1]
    if not looked_at:
        damaged = look_at([*learned["path"], *rows["path"]], skip_damaged, progress)
        learned, rows = usable_rows(learned, damaged), usable_rows(rows, damaged)
        if damaged:
            history = (*checkpoint.history, f"Calibrated; {left_out(len(damaged))}")
            checkpoint = replace(checkpoint, history=history)
    training = outputs_of(classifier, learned, "Features of training images", progress)
    validation = outputs_of(classifier, rows, "Calibrating on validation images", progress)
    truth = rows["diagnosis"].map(CODES.index).to_numpy(np.int64)
    temperature = fit_temperature(validation.logits, truth)
    metrics = dict(checkpoint.metrics)
    if size is not None:
        metrics["validation"] = score(truth, validation.logits.argmax(1)).to_dict()
    return replace(
        checkpoint,
        metrics=metrics,
        temperature=temperature,
        operating_points=operating_points(truth, softmax(validation.logits / temperature, axis=1)),
        refusal=fit_refusal(classifier, training, validation, rows["path"].tolist()).to_dict(),
    )


def outputs_of(classifier: LesionClassifier, rows: pd.DataFrame, name: str, progress: bool) -> Outputs:
    """Run a classifier over the images of some rows and return everything in one piece."""
    parts = list(
        tqdm(
            classifier.outputs_of(rows["path"], BATCH),
            total=-(-len(rows) // BATCH),
            desc=name,
            leave=False,
            disable=None if progress else True,
        )
    )
    return Outputs(
        **{field.name: np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Outputs)}
    )


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


def operating_points(truth: npt.NDArray[np.int64], probabilities: Floats) -> tuple[Mapping[str, float], ...]:
    """Return, for sensitivities to melanoma, the threshold and what it costs.

    Args:
        truth: (N,) class indices.
        probabilities: (N, 4), calibrated.

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
    false_alarms, found, thresholds = roc_curve(melanoma, probability, drop_intermediate=False)
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
                "benign_per_melanoma": float((called & benign).sum() / (called & melanoma).sum()),
            }
        )
    return tuple(points)


def fit_refusal(classifier: LesionClassifier, training: Outputs, validation: Outputs, paths: list[str]) -> Refusal:
    """Return refusal statistics under which ``ACCEPTED`` of the validation images pass.

    Args:
        classifier: whose preprocessing the quality is judged after.
        training, validation: what it gave for both parts.
        paths: the validation images.
    """
    seen = pd.DataFrame(
        [quality(classifier.preprocessing.resize(open_image(path).pixels)) for path in paths], columns=list(QUALITY)
    )
    limits = {name: _with_margin(seen[name].to_numpy()) for name in QUALITY}
    fitted = LedoitWolf().fit(training.features)
    shape = Refusal(limits, fitted.location_, fitted.precision_, 0, 0, ACCEPTED)
    stored = Refusal.from_dict(shape.to_dict())  # with the precision that the file has
    assert stored is not None
    shape = stored
    distance, energy = shape.distances(validation.features), energies(validation.logits)

    def passing(level: float) -> float:
        """Share that passes when each of the two lets this share pass."""
        limit = np.quantile(distance, level), np.quantile(energy, level)
        return float(((distance <= limit[0]) & (energy <= limit[1])).mean())

    level = brentq(lambda x: passing(x) - ACCEPTED, ACCEPTED, 1.0) if passing(ACCEPTED) < ACCEPTED else ACCEPTED
    while passing(level) < ACCEPTED:  # the share moves in steps; end on the accepting side
        level = min(1.0, level + 0.5 / len(distance))
    return replace(
        shape,
        distance=_just_above(np.quantile(distance, level)),
        energy=_just_above(np.quantile(energy, level)),
        accepted=passing(level),
    )


def _just_above(limit: float) -> float:
    """Return a limit with room for the rounding between batches of other sizes."""
    return float(limit + 1e-3 * max(1.0, abs(limit)))


def _with_margin(values: Floats) -> tuple[float, float]:
    """Return the range of some values, a little wider; what is never negative keeps a lower limit above zero."""
    low, high = float(values.min()), float(values.max())
    room = MARGIN * (high - low)
    return (max(low - room, low / 2) if low > 0 else low - room), high + room

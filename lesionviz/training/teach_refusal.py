"""Fits what decides whether an answer counts: the three questions, or quality and distance where nothing tells apart.

What learns is taught with :mod:`lesionviz.training.lessons`; every threshold is set on validation images that chose
nothing else, all sources weighted alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from lesionviz.classifier import LesionClassifier
from lesionviz.evaluation.outputs import outputs_of
from lesionviz.imaging import ImageSource, open_image
from lesionviz.quality import QUALITY, quality
from lesionviz.refusal import DistanceRefusal, Floats, energies
from lesionviz.runner import Outputs
from lesionviz.three_questions import SCORES, Detector, ThreeQuestions
from lesionviz.training.lessons import Lessons, drawn_strangers, other_photographs, resampled, varied

ACCEPTED = 0.95
"""Share of the validation images that the distance lets pass."""
DERMOSCOPY = 0.98
"""Share of the validation images, the mean over sources, that the detector takes for dermoscopy."""
WARNED = 0.1
"""Share of the validation images, the mean over sources, that get a warning."""
MARGIN = 0.05
"""How far beyond the range of the validation images, in shares of it, quality is still accepted."""
WAYS = 2
"""How many varied copies of every lesson, beside the picture as it is."""
CROP, CLOSE_CROP = 0.5, 0.1
"""Smallest share of the area that a varied copy keeps: of dermoscopy, and of a close-up, which may come very close."""
PENALTY = 0.01
"""Inverse strength of the detector's regularisation."""


def teach(
    classifier: LesionClassifier, lessons: Lessons, rows: pd.DataFrame, outputs: Outputs, progress: bool
) -> ThreeQuestions:
    """Return the three questions, taught and with their thresholds.

    Args:
        classifier: whose network looks.
        lessons: what teaches.
        rows: the validation images, with a column ``collection``.
        outputs: what the classifier gave for them.
        progress: show bars where someone is looking.
    """
    sources = rows["collection"].to_numpy()
    detector = teach_detector(classifier, lessons, sources, outputs, progress)
    odds = detector.log_odds(outputs.features, outputs.embeddings)
    score = _best_score(classifier, lessons, sources, outputs, progress)
    strange = SCORES[score](outputs.upright)
    unfamiliar = _just_above(_quantile(strange, 1 - WARNED, sources))
    limits, passing = _limits(classifier, rows["path"].tolist())
    passing &= odds >= detector.threshold
    return ThreeQuestions(
        limits,
        detector,
        score,
        unfamiliar,
        accepted=_mean_over(sources, passing),
        warned=_mean_over(sources, passing & (strange > unfamiliar)),
    )


def fit_distance(
    classifier: LesionClassifier, lessons: Lessons, rows: pd.DataFrame, outputs: Outputs, progress: bool
) -> DistanceRefusal:
    """Return quality and distance under which ``ACCEPTED`` of the validation images pass; takes what ``teach`` does."""
    learned = lessons.known["path"]
    training = outputs_of(classifier, learned, len(learned), "Features of training images", progress)
    seen = _quality_of(classifier, rows["path"].tolist())
    limits = {name: _with_margin(seen[name].to_numpy()) for name in QUALITY}
    fitted = LedoitWolf().fit(training.features)
    shape = DistanceRefusal(limits, fitted.location_, fitted.precision_, 0, 0, ACCEPTED)
    shape = DistanceRefusal.from_dict(shape.to_dict())  # with the precision that the file has
    distance, energy = shape.distances(outputs.features), energies(outputs.logits)

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


# --- is it dermoscopy? ----------------------------------------------------------------------------------------------


def teach_detector(
    classifier: LesionClassifier,
    lessons: Lessons,
    sources: npt.NDArray[np.object_],
    outputs: Outputs,
    progress: bool,
) -> Detector:
    """Return a detector that was taught with pictures as they are and as they might have been taken elsewhere.

    Each collection's dermoscopy counts alike, and so do all of it and all that is none.

    Args:
        classifier: whose network looks.
        lessons: what teaches.
        sources: of the validation images, which the threshold is set on.
        outputs: what the classifier gave for them.
        progress: show bars where someone is looking.
    """
    side = classifier.preprocessing.size
    shown: list[tuple[Iterable[ImageSource], npt.NDArray[np.object_], bool]] = []
    for frame, dermoscopy, crop in ((lessons.dermoscopy, True, CROP), (lessons.close_ups, False, CLOSE_CROP)):
        paths, group = frame["path"].tolist(), frame["collection"].to_numpy(object)
        shown.append((paths, group, dermoscopy))
        shown += [(varied(paths, side, crop, way), group, dermoscopy) for way in range(WAYS)]
    for others in (drawn_strangers(), other_photographs()):
        shown.append((others, np.full(len(others), "others", object), False))
    found = [
        outputs_of(classifier, images, len(group), "Telling dermoscopy apart", progress) for images, group, _ in shown
    ]
    everything = np.concatenate([np.concatenate([each.features, each.embeddings], axis=1) for each in found])
    truth = np.concatenate([np.full(len(group), dermoscopy) for _, group, dermoscopy in shown])
    source = np.concatenate([group for _, group, _ in shown])
    counts = pd.Series(source).groupby([truth, source]).transform("size").to_numpy(np.float64)
    kinds = pd.Series(source).groupby(truth).transform("nunique").to_numpy(np.float64)
    scaler = StandardScaler().fit(everything, sample_weight=1 / counts)
    fitted = LogisticRegression(C=PENALTY, max_iter=2000).fit(
        scaler.transform(everything), truth, sample_weight=len(truth) / (2 * counts * kinds)
    )
    weights = fitted.coef_[0] / scaler.scale_
    bias = float(fitted.intercept_[0] - weights @ scaler.mean_)
    taught = Detector(
        weights.astype(np.float32).astype(np.float64), bias, 0.0
    )  # with the precision that the file has
    odds = taught.log_odds(outputs.features, outputs.embeddings)
    return replace(taught, threshold=_just_below(_quantile(odds, 1 - DERMOSCOPY, sources)))


# --- is it one of the four? -----------------------------------------------------------------------------------------


def _best_score(
    classifier: LesionClassifier,
    lessons: Lessons,
    sources: npt.NDArray[np.object_],
    outputs: Outputs,
    progress: bool,
) -> str:
    """Return the score that best tells taught unknown diagnoses from known ones of the same sources; else the first."""
    unknown = lessons.unknown
    known = np.isin(sources, unknown["collection"].unique())
    if unknown.empty or not known.any():
        return next(iter(SCORES))
    asked = outputs_of(classifier, unknown["path"], len(unknown), "Unknown diagnoses", progress)
    areas = {}
    for name, score in SCORES.items():
        of_each = []
        for source in np.unique(sources[known]):
            ours, theirs = sources == source, (unknown["collection"] == source).to_numpy()
            values = np.concatenate([score(outputs.upright[ours]), score(asked.upright[theirs])])
            of_each.append(roc_auc_score(np.repeat([0, 1], [ours.sum(), theirs.sum()]), values))
        areas[name] = float(np.mean(of_each))
    return max(areas, key=areas.__getitem__)


# --- can it be seen? ------------------------------------------------------------------------------------------------


def _limits(
    classifier: LesionClassifier, paths: Sequence[str]
) -> tuple[dict[str, tuple[float, float]], npt.NDArray[np.bool_]]:
    """Return the range of the validation images, resampled as users' own may be, and which of them lie in it."""
    side = classifier.preprocessing.size
    plain = _quality_of(classifier, paths)
    others = [_quality_of(classifier, resampled(paths, side, CROP, way)) for way in range(WAYS)]
    seen = pd.concat([plain, *others], ignore_index=True)
    limits = {name: _with_margin(seen[name].to_numpy()) for name in QUALITY}
    inside = [plain[name].between(*limit).to_numpy() for name, limit in limits.items()]
    return limits, np.all(inside, axis=0)


def _quality_of(classifier: LesionClassifier, images: Iterable[ImageSource]) -> pd.DataFrame:
    resize = classifier.preprocessing.resize
    return pd.DataFrame([quality(resize(open_image(image).pixels)) for image in images], columns=list(QUALITY))


def _with_margin(values: Floats) -> tuple[float, float]:
    """Return the range of some values, a little wider; what is never negative keeps a lower limit above zero."""
    low, high = float(values.min()), float(values.max())
    room = MARGIN * (high - low)
    return (max(low - room, low / 2) if low > 0 else low - room), high + room


# --- thresholds -----------------------------------------------------------------------------------------------------


def _mean_over(sources: npt.NDArray[np.object_], found: npt.NDArray[np.bool_]) -> float:
    return float(pd.Series(found).groupby(sources).mean().mean())


def _quantile(values: Floats, level: float, sources: npt.NDArray[np.object_]) -> float:
    """Return the quantile of values when every source has the same weight."""
    weights = 1 / pd.Series(sources).map(pd.Series(sources).value_counts()).to_numpy(np.float64)
    return float(np.quantile(values, level, weights=weights, method="inverted_cdf"))


def _just_above(limit: float) -> float:
    """Return a limit with room for the rounding between batches of other sizes."""
    return float(limit + 1e-3 * max(1.0, abs(limit)))


def _just_below(limit: float) -> float:
    return float(limit - 1e-3 * max(1.0, abs(limit)))

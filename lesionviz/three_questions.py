"""Three questions to a picture, each told apart in words: can it be seen, is it dermoscopy, is it one of the four?

1. *Can it be seen?* Its quality, within what validation images of every source have (:mod:`lesionviz.quality`).
2. *Is it dermoscopy?* A taught yes or no: logistic regression on the channel means of middle blocks and on what the head
   sees. A distance from one clinic's images, as format 1 has it, cannot be wide and tight at once.
3. *Is it one of the four?* A score of how little the answer stands out. Above its threshold the answer is shown with a
   warning, since a diagnosis that nobody taught looks like dermoscopy, and is.

The first two refuse; the third warns. They are fitted by :mod:`lesionviz.training.teach_refusal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionviz.errors import LesionvizError
from lesionviz.quality import Limits, notes_on, read_limits, too_poor
from lesionviz.refusal import DAMAGED, EMBEDDING, FEATURES, DistanceRefusal, Floats, Judge, Look, Verdict, energies

NOT_DERMOSCOPY = "the picture does not look like dermoscopy, a photograph of the skin through a dermatoscope"
UNFAMILIAR = "this may be a diagnosis that the model does not know"


def entropies(logits: Floats) -> Floats:
    """Return the entropy in nats of the probabilities of logits (N, 4); high is undecided."""
    logs = logits - logits.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return np.asarray(-(np.exp(logs) * logs).sum(axis=1), np.float64)


SCORES: Mapping[str, Callable[[Floats], Floats]] = {"energy": energies, "entropy": entropies}
"""Ways to say how little an answer stands out, of logits before the temperature (N, 4); high is unfamiliar."""


@dataclass(frozen=True)
class Detector:
    """Says whether pictures are dermoscopy.

    Attributes:
        weights: (FEATURES + EMBEDDING,) of the channel means.
        bias: added to their sum.
        threshold: log-odds of dermoscopy below which a picture is refused.
    """

    weights: Floats
    bias: float
    threshold: float

    def log_odds(self, features: Floats, embeddings: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return the log-odds of dermoscopy, (N,), of features (N, FEATURES) and embeddings (N, EMBEDDING)."""
        means = np.concatenate([features, embeddings], axis=1)
        return np.asarray(means @ self.weights + self.bias, np.float64)


@dataclass(frozen=True)
class ThreeQuestions:
    """What the three questions are answered with.

    Attributes:
        limits: of quality.
        detector: of dermoscopy.
        score: how unfamiliarity is measured, one of :data:`SCORES`.
        unfamiliar: the score above which the answer gets a warning.
        accepted: share of the validation images that get an answer, the mean over sources.
        warned: share of the validation images whose answer gets a warning, the mean over sources.
    """

    limits: Limits
    detector: Detector
    score: str
    unfamiliar: float
    accepted: float
    warned: float

    def judge(self, look: Look) -> Verdict:
        """Return what is to be said of one picture; what is refused gets no warning besides."""
        measured = look.quality, look.seen.width, look.original, self.limits
        refusal = too_poor(*measured)
        if (
            not refusal
            and self.detector.log_odds(look.features[None], look.embedding[None])[0] < self.detector.threshold
        ):
            refusal = NOT_DERMOSCOPY
        unfamiliarity = float(SCORES[self.score](look.logits[None])[0])
        warning = UNFAMILIAR if not refusal and unfamiliarity > self.unfamiliar else ""
        return Verdict(refusal, warning, notes_on(*measured), unfamiliarity)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""
        import torch

        return {
            "limits": {name: list(pair) for name, pair in self.limits.items()},
            "detector": torch.tensor(self.detector.weights, dtype=torch.float32),
            "bias": self.detector.bias,
            "threshold": self.detector.threshold,
            "score": self.score,
            "unfamiliar": self.unfamiliar,
            "accepted": self.accepted,
            "warned": self.warned,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ThreeQuestions:
        """Read what :meth:`to_dict` wrote.

        Raises:
            LesionvizError: a value is missing, unknown, of the wrong shape, or not finite.
        """
        try:
            limits, weights = read_limits(values["limits"]), np.asarray(values["detector"].numpy(), np.float64)
            names = ("bias", "threshold", "unfamiliar", "accepted", "warned")
            bias, threshold, unfamiliar, accepted, warned = numbers = [float(values[name]) for name in names]
            score = values["score"]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LesionvizError(f"{DAMAGED} ({error!r})") from error
        finite = np.isfinite(weights).all() and np.isfinite(numbers).all()
        if (
            weights.shape != (FEATURES + EMBEDDING,)
            or not finite
            or not isinstance(score, str)
            or score not in SCORES
        ):
            raise LesionvizError(DAMAGED)
        return cls(limits, Detector(weights, bias, threshold), score, unfamiliar, accepted, warned)


def read_refusal(values: Mapping[str, Any]) -> Judge | None:
    """Read a checkpoint's refusal, of whichever way; None where it has none.

    Raises:
        LesionvizError: it is damaged.
    """
    if not values:
        return None
    return ThreeQuestions.from_dict(values) if "detector" in values else DistanceRefusal.from_dict(values)

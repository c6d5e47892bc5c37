"""What a picture is asked before its answer counts; the statistics for it are a checkpoint's own.

This file holds what is asked with, and the way of checkpoints of format 1 and of those that were calibrated without
photographs of anything else: the quality of the picture (:mod:`lesionviz.quality`), and how far it lies from the training
images. *Distance* is that of the channel means of middle blocks (Mahalanobis; Lee et al. 2018, arXiv 1807.03888), beside
the *energy* of the logits (Liu et al. 2020, arXiv 2010.03759). Middle blocks see colour and texture, which is what a
photograph of something else differs in; the last ones only know the four classes. The other way is
:mod:`lesionviz.three_questions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from lesionviz.errors import LesionvizError
from lesionviz.quality import Limits, notes_on, quality, read_limits, too_poor

if TYPE_CHECKING:
    import torch
    from PIL import Image

Floats = npt.NDArray[np.float64]

FEATURE_LAYERS = ("features.2", "features.3", "features.4", "features.5")
FEATURES = 24 + 40 + 80 + 112
"""Their channels."""
EMBEDDING = 1280
"""Channels of ``features.8``, whose means the head sees."""
UNLIKE = "the picture is unlike the dermoscopic images that the model learned from"
DAMAGED = "The model's refusal statistics are damaged. Calibrate it again."


@dataclass(frozen=True)
class Look:
    """What the network makes of one picture, upright.

    Attributes:
        seen: the picture at input size.
        original: its size before, width and height in pixels.
        features: (FEATURES,) from :func:`features_of`.
        embedding: (EMBEDDING,) channel means of ``features.8``.
        logits: (4,).
        measured: the quality of ``seen``, where it was measured already.
    """

    seen: Image.Image
    original: tuple[int, int]
    features: Floats
    embedding: npt.NDArray[np.float32]
    logits: Floats
    measured: Mapping[str, float] | None = None

    @cached_property
    def quality(self) -> Mapping[str, float]:
        """What is measured of the picture's quality, once."""
        return quality(self.seen) if self.measured is None else self.measured


@dataclass(frozen=True)
class Verdict:
    """What is to be said before, beside or instead of an answer.

    Attributes:
        refusal: why the answer should not be used, as a clause; empty when it may be.
        warning: what the answer should be read with, as a clause; usually empty.
        notes: what is worth knowing about the picture's quality, each a few words; usually nothing.
        unfamiliarity: how little the answer stands out, which the warning hangs on; None where nobody asked.
    """

    refusal: str = ""
    warning: str = ""
    notes: tuple[str, ...] = ()
    unfamiliarity: float | None = None


class Judge(Protocol):
    """Decides whether an answer counts, and what must be said with it."""

    @property
    def accepted(self) -> float:
        """Share of the validation images that get an answer."""

    def judge(self, look: Look) -> Verdict:
        """Return what is to be said of one picture."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""


def features_of(blocks: Mapping[str, torch.Tensor]) -> Floats:
    """Return the channel means (N, FEATURES) of the middle blocks' outputs."""
    import torch

    means = torch.cat([blocks[layer].mean(dim=(2, 3)).double() for layer in FEATURE_LAYERS], dim=1)
    values: Floats = means.cpu().numpy()
    return values


def energies(logits: Floats) -> Floats:
    """Return minus the log of the summed exponentials of the logits (N, 4); high is unlike training."""
    peak = logits.max(axis=1)
    return np.asarray(-peak - np.log(np.exp(logits - peak[:, None]).sum(axis=1)), np.float64)


@dataclass(frozen=True)
class DistanceRefusal:
    """Quality and distance.

    Attributes:
        limits: of quality.
        mean: (FEATURES,) of the training images' features.
        precision: (FEATURES, FEATURES) inverse covariance of them.
        distance, energy: the highest accepted.
        accepted: share of the validation images that pass everything.
    """

    limits: Limits
    mean: Floats
    precision: Floats
    distance: float
    energy: float
    accepted: float

    def distances(self, features: Floats) -> Floats:
        """Return the Mahalanobis distance of each row of features (N, FEATURES)."""
        away = features - self.mean
        return np.asarray(np.sqrt(np.maximum(0, np.einsum("nf,fg,ng->n", away, self.precision, away))), np.float64)

    def judge(self, look: Look) -> Verdict:
        """Return what is to be said of one picture; there is never a warning."""
        measured = look.quality, look.seen.width, look.original, self.limits
        refusal = too_poor(*measured)
        if not refusal and self._unlike(look):
            refusal = UNLIKE
        return Verdict(refusal, notes=notes_on(*measured))

    def _unlike(self, look: Look) -> bool:
        away, energy = self.distances(look.features[None])[0], energies(look.logits[None])[0]
        return bool(away > self.distance or energy > self.energy)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values and tensors for a checkpoint."""
        import torch

        return {
            "limits": {name: list(pair) for name, pair in self.limits.items()},
            "mean": torch.tensor(self.mean, dtype=torch.float32),
            "precision": torch.tensor(self.precision, dtype=torch.float32),
            "distance": self.distance,
            "energy": self.energy,
            "accepted": self.accepted,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DistanceRefusal:
        """Read what :meth:`to_dict` wrote.

        Raises:
            LesionvizError: a value is missing, of the wrong shape, or not finite.
        """
        try:
            limits = read_limits(values["limits"])
            mean, precision = (np.asarray(values[key].numpy(), np.float64) for key in ("mean", "precision"))
            found = cls(limits, mean, precision, *(float(values[key]) for key in ("distance", "energy", "accepted")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LesionvizError(f"{DAMAGED} ({error!r})") from error
        numbers = np.array([found.distance, found.energy, found.accepted])
        shapes = mean.shape == (FEATURES,) and precision.shape == (FEATURES, FEATURES)
        if not shapes or not all(np.isfinite(part).all() for part in (mean, precision, numbers)):
            raise LesionvizError(DAMAGED)
        return found

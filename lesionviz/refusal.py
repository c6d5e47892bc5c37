"""When the classifier should stay silent: pictures that are too poor, or unlike anything it learned from.

Two questions, each answered with statistics from a model's own training and validation images, which the
checkpoint carries:

- *Quality* (sharpness, exposure, grain, flat areas) of the picture as the network sees it, against the range that
  the validation images span.
- *Distance*: how far the channel means of middle blocks lie from those of training images (Mahalanobis; Lee et al.
  2018, arXiv 1807.03888), and the *energy* of the logits (Liu et al. 2020, arXiv 2010.03759). Middle blocks see
  colour and texture, which is what a photograph of something else differs in; the last ones only know the
  four classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    import torch
    from PIL import Image

Floats = npt.NDArray[np.float64]

FEATURE_LAYERS = ("features.2", "features.3", "features.4", "features.5")
FEATURES = 24 + 40 + 80 + 112
"""Their channels."""
QUALITY: dict[str, tuple[str, str]] = {
    "sharpness": ("the picture is too blurred", "the picture is harsher than any photograph of a lesion"),
    "brightness": ("the picture is too dark", "the picture is too bright"),
    "contrast": (
        "the picture shows almost nothing but one colour",
        "the picture has more contrast than dermoscopy has",
    ),
    "colour": ("the picture has hardly any colour", "the picture's colours are stronger than those of dermoscopy"),
    "smoothness": ("the picture looks like noise", "the picture is smoother than a photograph"),
    "flatness": (
        "the picture has no even area at all",
        "the picture has large flat areas, like a drawing, a scan or a screenshot",
    ),
}
"""What is measured, and what to say when it is below or above what validation images have."""
NEARLY: dict[str, tuple[str, str]] = {
    "sharpness": ("rather blurred", "unusually harsh"),
    "brightness": ("rather dark", "rather bright"),
    "contrast": ("low in contrast", "high in contrast"),
    "colour": ("pale", "strongly coloured"),
    "smoothness": ("grainy", ""),
    "flatness": ("", "partly without any texture"),
}
"""What to say of a picture that is accepted, but lies at the edge of what validation images have."""
EDGE = 0.06
"""How near to a limit the edge begins, in shares of the accepted range."""
UNLIKE = "the picture is unlike the dermoscopic images that the model learned from"
SMALLEST_SHARE = 0.5
"""A picture whose shorter side has less than this share of the input's would be blown up too much."""


def quality(seen: Image.Image) -> dict[str, float]:
    """Return what is measured of a picture at input size, RGB.

    Returns:
        ``sharpness`` (log of the Laplacian's variance), ``brightness`` and ``contrast`` (mean and standard
        deviation of grey, 0 to 1), ``colour`` (mean distance of red from blue, 0 to 1), ``smoothness``
        (correlation of neighbouring pixels) and ``flatness`` (share of neighbours that are equal).
    """
    pixels = np.asarray(seen, np.float64) / 255
    grey = pixels.mean(axis=2)
    laplacian = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    left, right = grey[:, :-1].ravel(), grey[:, 1:].ravel()
    spread = left.std() * right.std()
    together = ((left - left.mean()) * (right - right.mean())).mean() / spread if spread > 0 else 1.0
    return {
        "sharpness": float(np.log10(laplacian.var() + 1e-8)),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "colour": float(np.abs(pixels[..., 0] - pixels[..., 2]).mean()),
        "smoothness": float(together),
        "flatness": float((np.asarray(seen)[:, :-1] == np.asarray(seen)[:, 1:]).all(axis=2).mean()),
    }


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
class Refusal:
    """The statistics, and the decision made with them.

    Attributes:
        limits: by name of :data:`QUALITY`, the lowest and highest accepted value.
        mean: (FEATURES,) of the training images' features.
        precision: (FEATURES, FEATURES) inverse covariance of them.
        distance, energy: the highest accepted.
        accepted: share of the validation images that pass everything.
    """

    limits: Mapping[str, tuple[float, float]]
    mean: Floats
    precision: Floats
    distance: float
    energy: float
    accepted: float

    def distances(self, features: Floats) -> Floats:
        """Return the Mahalanobis distance of each row of features (N, FEATURES)."""
        away = features - self.mean
        return np.asarray(np.sqrt(np.maximum(0, np.einsum("nf,fg,ng->n", away, self.precision, away))), np.float64)

    def reason(self, seen: Image.Image, original: tuple[int, int], features: Floats, logits: Floats) -> str:
        """Return why the classifier should stay silent about one picture, as a clause, or nothing.

        Args:
            seen: the picture at input size.
            original: its size before, width and height in pixels.
            features: (FEATURES,) from :func:`features_of`.
            logits: (4,).
        """
        if min(original) < SMALLEST_SHARE * seen.width:
            return (
                f"the picture has only {original[0]} × {original[1]} pixels, and the model looks at "
                f"{seen.width} × {seen.height}"
            )
        for name, value in quality(seen).items():
            low, high = self.limits[name]
            if value < low or value > high:
                return QUALITY[name][value > high]
        if self.distances(features[None])[0] > self.distance or energies(logits[None])[0] > self.energy:
            return UNLIKE
        return ""

    def notes(self, seen: Image.Image, original: tuple[int, int]) -> tuple[str, ...]:
        """Return what is worth knowing about the quality of a picture, each a few words; usually nothing.

        Args:
            seen: the picture at input size.
            original: its size before, width and height in pixels.
        """
        found = []
        for name, value in quality(seen).items():
            low, high = self.limits[name]
            place = (value - low) / (high - low) if high > low else 0.5
            if not EDGE <= place <= 1 - EDGE and NEARLY[name][place > 0.5]:
                found.append(NEARLY[name][place > 0.5])
        if min(original) < seen.width:
            found.append(f"smaller than what the network looks at, so enlarged to {seen.width} pixels")
        return tuple(found)

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
    def from_dict(cls, values: Mapping[str, Any]) -> Refusal | None:
        """Read what :meth:`to_dict` wrote; None where a checkpoint has no statistics.

        Raises:
            LesionvizError: a value is missing, of the wrong shape, or not finite.
        """
        if not values:
            return None
        try:
            limits = {name: (float(low), float(high)) for name, (low, high) in values["limits"].items()}
            mean, precision = (np.asarray(values[key].numpy(), np.float64) for key in ("mean", "precision"))
            found = cls(limits, mean, precision, *(float(values[key]) for key in ("distance", "energy", "accepted")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LesionvizError(f"The model's refusal statistics are damaged: {error!r}.") from error
        numbers = [*limits.values(), found.distance, found.energy, found.accepted]
        if (
            limits.keys() != QUALITY.keys()
            or mean.shape != (FEATURES,)
            or precision.shape != (FEATURES, FEATURES)
            or not all(np.isfinite(part).all() for part in (mean, precision, *map(np.asarray, numbers)))
        ):
            raise LesionvizError("The model's refusal statistics are damaged. Calibrate it again.")
        return found

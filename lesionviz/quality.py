"""Can it be seen? What is measured of a picture's quality, and what lies outside or at the edge of what is accepted.

The limits are those of a model's own validation images, which its checkpoint carries.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.float64]
Limits = Mapping[str, tuple[float, float]]
"""By name of :data:`QUALITY`, the lowest and highest accepted value."""

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
_WHITE = 3 * 255
"""Red, green and blue of white together."""
SMALLEST_SHARE = 0.5
"""A picture whose shorter side has less than this share of the input's would be blown up too much."""


def quality(seen: Image.Image) -> dict[str, float]:
    """Return what is measured of a picture at input size, RGB.

    Returns:
        ``sharpness`` (log of the Laplacian's variance), ``brightness`` and ``contrast`` (mean and standard
        deviation of grey, 0 to 1), ``colour`` (mean distance of red from blue, 0 to 1), ``smoothness``
        (correlation of neighbouring pixels) and ``flatness`` (share of neighbours that are equal).
    """
    plain = np.asarray(seen)
    # Channel by channel, as NumPy is slow along an axis of three; and in whole numbers, which are quick and exact.
    red, green, blue = (plain[..., channel].astype(np.int16) for channel in range(3))
    sums = red + green + blue
    inner = 4 * sums[1:-1, 1:-1]
    laplacian = inner - sums[:-2, 1:-1] - sums[2:, 1:-1] - sums[1:-1, :-2] - sums[1:-1, 2:]
    grey, edges = sums.astype(np.float64), laplacian.astype(np.float64)
    left, right = grey[:, :-1], grey[:, 1:]
    from_left, from_right = int(left.sum()), int(right.sum())
    spread = _spread(left, left, from_left, from_left) * _spread(right, right, from_right, from_right)
    together = _spread(left, right, from_left, from_right) / spread**0.5 if spread > 0 else 1.0
    total, bent = int(grey.sum()), int(edges.sum())
    same = (red[:, :-1] == red[:, 1:]) & (green[:, :-1] == green[:, 1:]) & (blue[:, :-1] == blue[:, 1:])
    return {
        "sharpness": float(np.log10(_spread(edges, edges, bent, bent) / _WHITE**2 + 1e-8)),
        "brightness": total / grey.size / _WHITE,
        "contrast": _spread(grey, grey, total, total) ** 0.5 / _WHITE,
        "colour": float(np.abs(red - blue).sum()) / red.size / 255,
        "smoothness": together,
        "flatness": float(np.count_nonzero(same) / same.size),
    }


def _spread(one: Floats, other: Floats, sum_of_one: int, sum_of_other: int) -> float:
    """Return the covariance of whole numbers, given their sums; exact up to the division, so no variance is below 0."""
    products = int(np.einsum("ij,ij->", one, other))
    return (products * one.size - sum_of_one * sum_of_other) / one.size**2


def too_poor(measured: Mapping[str, float], side: int, original: tuple[int, int], limits: Limits) -> str:
    """Return why a picture is too poor to be judged, as a clause, or nothing.

    Args:
        measured: by :func:`quality`.
        side: of the picture at input size, pixels.
        original: its size before, width and height in pixels.
        limits: what is accepted.
    """
    if min(original) < SMALLEST_SHARE * side:
        return f"the picture has only {original[0]} × {original[1]} pixels, and the model looks at {side} × {side}"
    for name, value in measured.items():
        low, high = limits[name]
        if value < low or value > high:
            return QUALITY[name][value > high]
    return ""


def notes_on(measured: Mapping[str, float], side: int, original: tuple[int, int], limits: Limits) -> tuple[str, ...]:
    """Return what is worth knowing about the quality of a picture, each a few words; usually nothing.

    Takes the same as :func:`too_poor`.
    """
    found = []
    for name, value in measured.items():
        low, high = limits[name]
        place = (value - low) / (high - low) if high > low else 0.5
        if not EDGE <= place <= 1 - EDGE and NEARLY[name][place > 0.5]:
            found.append(NEARLY[name][place > 0.5])
    if min(original) < side:
        found.append(f"smaller than what the network looks at, so enlarged to {side} pixels")
    return tuple(found)


def read_limits(values: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return limits as a checkpoint holds them, checked.

    Raises:
        ValueError: a limit is missing, unknown, or not finite.
    """
    limits = {name: (float(low), float(high)) for name, (low, high) in values.items()}
    if limits.keys() != QUALITY.keys() or not np.isfinite(list(limits.values())).all():
        raise ValueError("limits of quality are missing or not finite")
    return limits

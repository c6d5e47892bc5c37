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
    # Channel by channel, as NumPy is slow along an axis of three; and in whole numbers, which are quick and exact.
    red, green, blue = (np.asarray(channel).astype(np.int16) for channel in seen.split())
    same = (red[:, :-1] == red[:, 1:]) & (green[:, :-1] == green[:, 1:]) & (blue[:, :-1] == blue[:, 1:])
    sums = red + green + blue
    laplacian = 4 * sums[1:-1, 1:-1]
    for neighbours in (sums[:-2, 1:-1], sums[2:, 1:-1], sums[1:-1, :-2], sums[1:-1, 2:]):
        laplacian -= neighbours
    grey, edges = sums.astype(np.float64), laplacian.astype(np.float64)
    total, squares = _moments(grey)
    # Pixels that have a right neighbour, and those that have a left one: all but the last column, all but the first.
    left, right = ((total - one, squares - square) for one, square in (_moments(grey[:, -1:]), _moments(grey[:, :1])))
    pairs = same.size
    spread = _variance(*left, pairs) * _variance(*right, pairs)
    together = _covariance(_products(grey[:, :-1], grey[:, 1:]), left[0], right[0], pairs)
    return {
        "sharpness": float(np.log10(_variance(*_moments(edges), edges.size) / _WHITE**2 + 1e-8)),
        "brightness": total / grey.size / _WHITE,
        "contrast": _variance(total, squares, grey.size) ** 0.5 / _WHITE,
        "colour": float(np.abs(red - blue).sum()) / red.size / 255,
        "smoothness": together / spread**0.5 if spread > 0 else 1.0,
        "flatness": float(np.count_nonzero(same) / pairs),
    }


def _moments(values: Floats) -> tuple[int, int]:
    """Return the sum of whole numbers and that of their squares."""
    return int(values.sum()), _products(values, values)


def _products(one: Floats, other: Floats) -> int:
    """Return the sum of the products of whole numbers."""
    return int(np.einsum("ij,ij->", one, other))


def _variance(total: int, squares: int, size: int) -> float:
    """Return the variance of whole numbers, given what :func:`_moments` says of them."""
    return _covariance(squares, total, total, size)


def _covariance(products: int, sum_of_one: int, sum_of_other: int, size: int) -> float:
    """Return the covariance of whole numbers, given the sums; exact up to the division, so no variance is below 0."""
    return (products * size - sum_of_one * sum_of_other) / size**2


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

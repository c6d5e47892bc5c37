"""What goes into a check, looked at once: the square that the network sees, a marked place in it, a class."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from lesionviz.errors import LesionvizError

Square: TypeAlias = npt.NDArray[np.uint8]
"""What the network sees, uint8 (S, S, 3), RGB."""
Mask: TypeAlias = npt.NDArray[np.bool_]
"""A place in it, bool (S, S)."""


class Asked(Protocol):
    """Whoever answers about squares: a :class:`~lesionviz.classifier.LesionClassifier`, or a stand-in that is worked out by
    hand."""

    def shares(self, squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the probabilities (N, 4) of the four classes for squares (N, S, S, 3)."""


def check_square(square: Any) -> Square:
    """Return a square, if it is one.

    Raises:
        LesionvizError: it is not.
    """
    if (
        isinstance(square, np.ndarray)
        and square.dtype == np.uint8
        and square.ndim == 3
        and square.shape[0] == square.shape[1] > 0
        and square.shape[2] == 3
    ):
        return square
    raise LesionvizError(
        "A check needs the square that the network sees: uint8, as wide as high, red, green and blue."
    )


def check_mask(mask: Any, square: Square) -> Mask:
    """Return a place in a square, if it is one.

    Raises:
        LesionvizError: it is not.
    """
    if isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == square.shape[:2]:
        return mask
    side = len(square)
    raise LesionvizError(f"The marked place must be true or false for each of {side} × {side} pixels.")


def packed_mask(mask: Any, square: Square) -> npt.NDArray[np.uint8]:
    """Return a place in a square as one bit for each pixel, for :mod:`lesionviz.wire`.

    Raises:
        LesionvizError: it is no place in the square.
    """
    return np.packbits(check_mask(mask, square))


def unpacked_mask(bits: Any, square: Square) -> Mask:
    """Return what :func:`packed_mask` was given.

    Raises:
        LesionvizError: these are not such bits.
    """
    pixels = len(square) ** 2
    if not (isinstance(bits, np.ndarray) and bits.dtype == np.uint8 and bits.shape == (-(-pixels // 8),)):
        raise LesionvizError("The marked place must be one bit for each pixel.")
    return np.unpackbits(bits, count=pixels).astype(bool).reshape(square.shape[:2])

"""Places in a square: what a map marks, and random places that have as many pieces of the same size and shape."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lesionviz.explanation.display import upsample
from lesionviz.trust.squares import Mask

LARGEST_SHARE = 0.1
"""Of the square, that is marked at most: beside a place that is larger there is often no room for as much elsewhere."""
TRIES = 24
"""Random places that are tried for a piece before all that are free are listed."""
WHOLE_TRIES = 4
"""How often all pieces are dealt anew where one of them found no room."""


def marked(raw: npt.NDArray[np.float32], side: int, threshold: float = 0.5) -> Mask:
    """Return what a map marks: evidence of at least a share of its peak, and of that the strongest tenth of the square.

    Args:
        raw: signed map (cells, cells).
        side: of the square, pixels.
        threshold: share of the peak, above 0 up to 1, as the page's.
    """
    evidence = upsample(np.ascontiguousarray(raw, np.float32), side, side)
    peak = float(evidence.max())
    if peak <= 0:
        return np.zeros((side, side), bool)
    strongest = np.partition(evidence, -int(LARGEST_SHARE * side**2), axis=None)[-int(LARGEST_SHARE * side**2)]
    found: Mask = evidence >= max(threshold * peak, float(strongest))
    return found


def pieces(mask: Mask) -> list[Mask]:
    """Return the connected pieces of a place (corners connect), each cut out, the largest first."""
    from scipy import ndimage  # a page that only asks does without it

    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    cut = [labels[box] == number for number, box in enumerate(ndimage.find_objects(labels), 1)]
    return sorted(cut, key=lambda piece: -int(piece.sum()))


def elsewhere(mask: Mask, count: int, random: np.random.Generator) -> list[Mask]:
    """Return random places that match a place in number, size and shape of pieces, and share no pixel with it.

    Every piece is turned or mirrored at random and put anywhere in the square where it covers nothing of the marked
    place and touches no other piece.

    Args:
        mask: the marked place.
        count: how many.
        random: says where.

    Returns:
        As many as asked for; fewer where there is no room.
    """
    cut = pieces(mask)
    found = []
    for _ in range(count):
        tries = (_dealt(mask, cut, random) for _ in range(WHOLE_TRIES))
        place = next((each for each in tries if each is not None), None)
        if place is None:
            break
        found.append(place)
    return found


def _dealt(mask: Mask, cut: list[Mask], random: np.random.Generator) -> Mask | None:
    """Return one random place; None where a piece found no room."""
    place, taken = np.zeros_like(mask), mask.copy()
    for piece in cut:
        spot = next(
            (spot for turned in _turned(piece, random) if (spot := _free(taken, turned, random)) is not None), None
        )
        if spot is None:
            return None
        top, left, turned = spot
        height, width = turned.shape
        place[top : top + height, left : left + width] |= turned
        around = (slice(max(0, top - 1), top + height + 1), slice(max(0, left - 1), left + width + 1))
        taken[around] |= _grown(place[around])
    return place


def _turned(piece: Mask, random: np.random.Generator) -> Iterator[Mask]:
    """Yield a piece under the eight symmetries of the square, in a random order."""
    for number in random.permutation(8):
        turned = np.rot90(piece, number % 4)
        yield turned if number < 4 else turned[:, ::-1]


def _free(taken: Mask, piece: Mask, random: np.random.Generator) -> tuple[int, int, Mask] | None:
    """Return a random spot (top and left) where a piece covers nothing that is taken, and the piece; None without any."""
    rows, columns = (whole - own + 1 for whole, own in zip(taken.shape, piece.shape, strict=True))
    if rows < 1 or columns < 1:
        return None
    height, width = piece.shape
    for top, left in zip(random.integers(0, rows, TRIES), random.integers(0, columns, TRIES), strict=True):
        if not taken[top : top + height, left : left + width][piece].any():
            return int(top), int(left), piece
    # By a correlation: how many taken pixels the piece would cover, for every spot at once.
    spectrum = np.fft.rfft2(taken) * np.conj(np.fft.rfft2(piece, taken.shape))
    spots = np.argwhere(np.fft.irfft2(spectrum, taken.shape)[:rows, :columns] < 0.5)
    if not len(spots):
        return None
    top, left = spots[random.integers(len(spots))]
    return int(top), int(left), piece


def _grown(mask: Mask) -> Mask:
    """Return a place with one pixel more on every side."""
    padded = np.pad(mask, 1)
    rows, columns = mask.shape
    grown: Mask = np.logical_or.reduce(
        [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0
    )
    return grown

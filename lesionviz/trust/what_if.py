"""What if? A part of the picture painted out from around, or something drawn into it that photographs of skin carry.

Both change the square that the network sees, not the upload, and need no network: whoever shows the picture changes
it and has the changed square answered (the request ``whatif``, one forward, no maps).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.data.artefacts import Artefact, gel_bubble, hair, ink_ring, round_view, ruler
from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.prediction import Prediction
from lesionviz.trust.squares import Mask, Square, check_mask, check_square

CAN_SHOW = (
    "It can show that the answer hangs on something: the very same lesion without it, or with it, is answered "
    "differently."
)
CANNOT_SHOW = (
    "It cannot show what the answer would be for a lesion that really looks like this: a painted or drawn picture is "
    "one that nobody photographed, and the network may also react to the paint."
)
SMALLEST = 0.1
"""Size of what is drawn at least, as a share of the square's side."""
LARGEST_SEED = 2**32 - 1

Plane = npt.NDArray[Any]


def painted_out(square: Square, mask: Mask) -> Square:
    """Return a square in which a place is filled from what surrounds it; the rest is the same, bit for bit.

    Pull-push over a pyramid (Gortler et al. 1996, The Lumigraph, doi 10.1145/237170.237200): known pixels are averaged
    level by level until no gap is left, then each gap takes the smooth colours of the level above it. It makes no
    texture.

    Args:
        square: what the network sees.
        mask: what to paint out.

    Raises:
        LesionvizError: one is not that, or nothing is left to paint from.
    """
    square = check_square(square)
    mask = check_mask(mask, square)
    if mask.all():
        raise LesionvizError("Everything is marked, so nothing is left to paint from. Mark less.")
    filled = _filled(np.where(mask[..., None], np.float32(0), square.astype(np.float32)), ~mask)
    painted = square.copy()
    painted[mask] = np.rint(np.clip(filled[mask], 0, 255)).astype(np.uint8)
    return painted


def _filled(colours: Plane, known: Mask) -> Plane:
    """Return colours (H, W, 3) everywhere, from those of known pixels; the others are 0."""
    if known.all():
        return colours
    height, width = known.shape
    even = ((0, height % 2), (0, width % 2))
    share = _halved(np.pad(known.astype(np.float32), even))
    means = _halved(np.pad(colours, (*even, (0, 0)))) / np.maximum(share, 0.25)[..., None]
    above = _doubled(_filled(means, share > 0))[:height, :width]
    return np.where(known[..., None], colours, above)


def _halved(plane: Plane) -> Plane:
    """Return the mean of every two by two cells."""
    return (plane[0::2, 0::2] + plane[1::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 1::2]) / 4


def _doubled(plane: Plane) -> Plane:
    """Return twice as many cells each way, bilinear, cell centres staying where they are."""
    for axis in (0, 1):
        count = plane.shape[axis]
        before = plane.take(np.maximum(np.arange(count) - 1, 0), axis)
        after = plane.take(np.minimum(np.arange(count) + 1, count - 1), axis)
        pairs = np.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis + 1)
        plane = pairs.reshape(*plane.shape[:axis], -1, *plane.shape[axis + 1 :])
    return plane


def put_in(square: Square, kind: str, place: tuple[float, float], size: float, seed: int = 0) -> Square:
    """Return a square with something drawn into it; the same arguments draw the same.

    Args:
        square: what the network sees.
        kind: one of :data:`KINDS`.
        place: where its middle is, across and down, 0 to 1; a dark corner goes into the nearest corner.
        size: of the square's side, 0.1 to 1. A dark corner of size 1 reaches the middle.
        seed: of what chance has to say, such as where each hair lies.

    Raises:
        LesionvizError: the kind is not known, or a number is out of range.
    """
    square = check_square(square)
    if kind not in KINDS:
        raise LesionvizError(f"{kind!r} cannot be drawn into a picture. Choose from: {', '.join(KINDS)}.")
    if len(place) != 2 or not all(_between(one, 0, 1) for one in place):
        raise LesionvizError(f"The place must be two numbers from 0 to 1, across and down, not {place!r}.")
    if not _between(size, SMALLEST, 1):
        raise LesionvizError(f"The size must be a number from {SMALLEST} to 1, not {size!r}.")
    if type(seed) is not int or not 0 <= seed <= LARGEST_SEED:
        raise LesionvizError(f"The seed must be a whole number from 0 to {LARGEST_SEED}, not {seed!r}.")
    drawn = KINDS[kind](
        Image.fromarray(square), (float(place[0]), float(place[1])), size, np.random.default_rng(seed)
    )
    return np.array(drawn)


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


Drawing = Callable[[Image.Image, tuple[float, float], float, np.random.Generator], Image.Image]


def _within(artefact: Artefact) -> Drawing:
    """Return a way to draw an artefact into a part of a picture as if that part were the whole."""

    def draw(
        picture: Image.Image, place: tuple[float, float], size: float, random: np.random.Generator
    ) -> Image.Image:
        side, reach = picture.width, max(12, round(picture.width * size))
        left, top = (round(share * side - reach / 2) for share in place)
        changed, _ = artefact(picture.crop((left, top, left + reach, top + reach)), random)
        picture.paste(changed, (left, top))
        return picture

    return draw


def _dark_corner(
    picture: Image.Image, place: tuple[float, float], size: float, random: np.random.Generator
) -> Image.Image:
    """Set a round view, about as wide as the picture is long, off so that its rim cuts one corner."""
    side = picture.width
    radius, depth = side * random.uniform(0.9, 1.1), size * side / np.sqrt(2)
    away = (radius + depth) / np.sqrt(2)  # from the corner to the middle of the view, across and down
    across, down = (side - away if share >= 0.5 else away for share in place)
    return round_view(picture, (across, down), radius, side / 24)[0]


KINDS: Mapping[str, Drawing] = MappingProxyType(
    {
        "ruler": _within(ruler),
        "ink": _within(ink_ring),
        "hair": _within(hair),
        "dark corner": _dark_corner,
        "gel bubble": _within(gel_bubble),
    }
)
"""What can be drawn into a picture."""


def said(before: Prediction, after: Prediction) -> str:
    """Say what a change did to the answer, in one sentence."""
    name = DIAGNOSES[target_index(before.diagnosis)].name
    was, now = before.confidence, after.probabilities[before.diagnosis]
    if after.diagnosis == before.diagnosis:
        return f"The answer stays {name}: {was:.0%} before, {now:.0%} now."
    other = DIAGNOSES[target_index(after.diagnosis)].name
    return f"The answer changes from {name} ({was:.0%}, now {now:.0%}) to {other} ({after.confidence:.0%})."

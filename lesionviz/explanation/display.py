"""From raw maps to colours: scaling, upsampling, colour maps. Decides nothing about evidence."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.errors import LesionvizError

SEQUENTIAL = ("viridis", "inferno", "jet")
"""Colour maps for positive evidence; the first two are perceptually uniform, jet is not."""
DIVERGING = "RdBu_r"
"""Colour map for signed evidence: red for, white neither, blue against."""


def upsample(raw: npt.NDArray[np.float32], width: int, height: int) -> npt.NDArray[np.float32]:
    """Return a map at another size (pixels), bilinear, cell centres staying where they are.

    Pillow aligns half pixels: cell i of n covers the share i/n to (i+1)/n of the side.
    """
    resized = Image.fromarray(raw).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def colour(strength: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.uint8]:
    """Return RGB values of shape (H, W, 3) for strengths from 0 to 1 of shape (H, W)."""
    index = np.rint(np.clip(strength, 0, 1) * 255).astype(np.uint8)
    table = _table(name)
    picked: npt.NDArray[np.uint8] = table[index]
    return picked


def colour_stops(name: str, count: int = 9) -> list[str]:
    """Return evenly spaced colours of a map as ``#rrggbb``, for a legend."""
    indices = np.linspace(0, 255, count).round().astype(int)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in _table(name)[indices]]


@cache
def _table(name: str) -> npt.NDArray[np.uint8]:
    """Return 256 RGB colours of one of matplotlib's colour maps."""
    if name not in (*SEQUENTIAL, DIVERGING):
        raise LesionvizError(f"The colour map {name!r} is not known. Choose from: {', '.join(SEQUENTIAL)}.")
    from matplotlib import colormaps

    colours: npt.NDArray[np.uint8] = colormaps[name](np.arange(256), bytes=True)[:, :3]
    return colours

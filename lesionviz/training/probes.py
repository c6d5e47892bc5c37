"""Validation pictures with the artefacts that finished models are probed with: they judge epochs and teach nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pandas as pd

from lesionviz.data.artefacts import ARTEFACTS
from lesionviz.data.pixel_cache import CachedPixels
from lesionviz.imaging import open_image
from lesionviz.preprocessing import Preprocessing

IMAGES = 400
"""How many pictures are probed after an epoch, if there are so many."""
SEED = 17


def probed(rows: pd.DataFrame, images: int = IMAGES) -> npt.NDArray[np.int64]:
    """Return the positions of the rows to probe, the same each time: as many of each ``collection`` as there are."""
    order = np.random.default_rng(SEED).permutation(len(rows))
    turn = pd.Series(rows["collection"].to_numpy()[order]).groupby(rows["collection"].to_numpy()[order]).cumcount()
    chosen: npt.NDArray[np.int64] = np.sort(order[np.argsort(turn.to_numpy(), kind="stable")[:images]])
    return chosen


def draw_probes(paths: list[str], preprocessing: Preprocessing) -> CachedPixels:
    """Return every picture with every artefact, as the network will see it: the artefacts of the first picture first.

    They are drawn on the picture as it is on disk, and then resized, as someone's photograph would be.
    """

    def draw(number: int) -> npt.NDArray[np.uint8]:
        picture = open_image(paths[number]).pixels
        random = np.random.default_rng((SEED, number))
        return np.stack([np.asarray(preprocessing.resize(make(picture, random)[0])) for make in ARTEFACTS.values()])

    with ThreadPoolExecutor() as pool:
        pixels = np.concatenate(list(pool.map(draw, range(len(paths)))))
    return CachedPixels(pixels, tuple(range(len(pixels))))

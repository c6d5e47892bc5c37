"""Draws dermoscopic pictures to explain structures with: each named structure can be put in or left out.

Same seed, same lesion: skin, colour, size, place and light come from the seed alone, so a picture with a structure and one
without differ in little else, and nothing but structures tells one diagnosis from another. They are drawn from random
numbers alone, show nobody's skin, and say nothing about how often a lesion looks like that.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from PIL import Image

from lesionviz.data.drawings.canvas import Canvas
from lesionviz.data.drawings.skin import Picture, develop, photograph, plain_lesion
from lesionviz.data.drawings.structures import ASYMMETRY, HAIRS, SHARP, STRUCTURES, check_structures
from lesionviz.errors import LesionvizError

SIZE = (600, 450)
LARGEST = 2048
HAIR = 44
"""Pieces of a hair."""


def draw(structures: Collection[str], seed: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """Draw one RGB picture; same arguments, same picture.

    Args:
        structures: names from :data:`lesionviz.data.drawings.STRUCTURES`; what is not named is not there.
            ``typical("MEL", seed)`` gives those of a typical drawing of a diagnosis.
        seed: of everything that is random, 0 or more.
        size: width and height in pixels, 32 to 2048.

    Raises:
        LesionvizError: a structure is not known, or the size or the seed is no such number.
    """
    if isinstance(structures, str):
        raise LesionvizError(f"Structures are several names, such as {{{structures!r}}}, not one text.")
    chosen = check_structures(structures)
    if len(size) != 2 or not all(type(side) is int and 32 <= side <= LARGEST for side in size):
        raise LesionvizError(f"Width and height of a drawing must be 32 to {LARGEST} pixels, not {size!r}.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise LesionvizError(f"The seed must be a whole number of at least 0, not {seed!r}.")
    names = {each.name for each in chosen}
    canvas = plain_lesion(seed, *size, lopsided=ASYMMETRY in names, sharp=SHARP in names)
    plain = replace(canvas, melanin=canvas.melanin.copy(), blood=canvas.blood.copy(), over=[])
    for number, each in enumerate(STRUCTURES.values()):
        if each.paint is not None and each.name in names:
            each.paint(canvas, np.random.default_rng([seed, 6, number]))  # its own: the others do not move
    picture = develop(canvas, plain)
    if HAIRS in names:
        picture = _with_hairs(canvas, np.random.default_rng([seed, 7]), picture)
    return photograph(seed, picture)


def _with_hairs(canvas: Canvas, random: np.random.Generator, picture: Picture) -> Picture:
    """Return the picture with a few hairs across it."""
    paths = []
    for _ in range(int(random.integers(3, 9))):
        start, bend = random.uniform(-np.pi, np.pi), random.normal(0, 0.018)
        heading = start + np.pi + random.normal(0, 0.45)  # across the picture, and past the lesion's middle
        x, y = random.uniform(0.9, 1.7) * np.cos(start), random.uniform(0.9, 1.7) * np.sin(start)
        points = [(x, y)]
        for _ in range(HAIR):
            heading += bend
            x, y = x + 0.05 * np.cos(heading), y + 0.05 * np.sin(heading)
            points.append((x, y))
        wide = random.uniform(0.008, 0.013)
        paths.append((points, [wide * (1 - 0.6 * t) for t in np.linspace(0, 1, HAIR)]))
    shade = np.array(random.choice([(52, 36, 30), (96, 66, 44), (30, 24, 24)]), np.float32)
    return np.asarray(picture + 0.85 * canvas.lines(paths) * (shade[:, None, None] - picture), np.float32)

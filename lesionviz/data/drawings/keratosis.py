"""Structures of seborrhoeic keratoses: milia-like cysts, comedo-like openings, ridges and fissures."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from lesionviz.data.drawings.canvas import Canvas, step


def milia_like_cysts(canvas: Canvas, random: np.random.Generator) -> None:
    """White to yellow balls, small ones bright as stars and larger ones like clouds."""
    stars, clouds = canvas.empty(), canvas.empty()
    for number, point in enumerate(canvas.scatter(random, int(random.integers(16, 28)), 0.085, 0.86)):
        if number % 4 == 0:
            r = random.uniform(0.030, 0.042)
            canvas.stamp(clouds, point, (r, r * random.uniform(0.8, 1)), random.uniform(0, np.pi), 1.2)
        else:
            r = random.uniform(0.012, 0.020)
            canvas.stamp(clouds, point, (r * 2.2, r * 2.2), 0, 1.8, 0.35)
            canvas.stamp(stars, point, (r, r * random.uniform(0.85, 1)), random.uniform(0, np.pi), 0.7)
    canvas.cover(0.72 * clouds, (238, 222, 192))
    canvas.cover(0.92 * stars, (252, 244, 224))


def comedo_like_openings(canvas: Canvas, random: np.random.Generator) -> None:
    """Round or oval dark plugs with a sharp edge, each in a paler ring."""
    rings, plugs, cores = canvas.empty(), canvas.empty(), canvas.empty()
    for point in canvas.scatter(random, int(random.integers(9, 17)), 0.12, 0.82):
        a, turn = random.uniform(0.020, 0.036), random.uniform(0, np.pi)
        b = a * random.uniform(0.6, 1)
        canvas.stamp(rings, point, (a * 1.5, b * 1.5), turn, 0.5)
        canvas.stamp(plugs, point, (a, b), turn, 0.25)
        canvas.stamp(cores, (point[0] - a * 0.2, point[1] - a * 0.2), (a * 0.5, b * 0.5), turn, 1.0)
    canvas.cover(0.22 * rings, (222, 190, 150))
    canvas.cover(0.9 * plugs, (62, 40, 30))
    canvas.cover(0.4 * cores, (118, 84, 58))


def ridges(canvas: Canvas, random: np.random.Generator) -> None:
    """Fissures and ridges, which wind like those of a brain."""
    coarse = 2 if canvas.unit > 140 else 1
    height, width = -(-canvas.height // coarse), -(-canvas.width // coarse)
    # White noise on a grid of its own, so that every size gets the same pattern.
    wave = random.uniform(0.034, 0.044)
    cells = max(4, round(2 * canvas.unit / (wave * canvas.unit) * 1.2))
    grid = (
        max(4, round(cells * canvas.height / (2 * canvas.unit))),
        max(4, round(cells * canvas.width / (2 * canvas.unit))),
    )
    white = random.normal(0, 1, grid).astype(np.float32)
    band = gaussian_filter(white, 1.15) - gaussian_filter(white, 2.1)
    band /= float(band.std())
    smooth = zoom(band, (height / grid[0], width / grid[1]), order=3, grid_mode=True, mode="nearest")
    lines = step(np.abs(smooth[:height, :width]) - 0.26, 0.26)
    if coarse > 1:
        lines = zoom(lines, coarse, order=1, grid_mode=True, mode="nearest")[: canvas.height, : canvas.width]
    where = step(canvas.reach - 0.9, 0.12) * (0.55 + 0.6 * canvas.noise(random, 4))
    canvas.melanin += random.uniform(0.75, 1.0) * where * (lines - 0.3) * canvas.inside

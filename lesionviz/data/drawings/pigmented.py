"""Structures of melanocytic lesions: pigment network, globules, dots, streaks, blue-white veil, several colours."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, zoom

from lesionviz.data.drawings.canvas import Canvas, Plane, step


def regular_network(canvas: Canvas, random: np.random.Generator) -> None:
    """Brown lines of even width round even holes, paler towards the rim."""
    lines = _honeycomb(canvas, random, random.uniform(0.066, 0.082), 0.26, 0.0)
    fading = step(canvas.reach - random.uniform(0.80, 0.92), 0.22)
    even = 0.7 + 0.5 * canvas.noise(random, 5)
    canvas.melanin += random.uniform(0.75, 1.0) * fading * even * (lines - 0.3) * canvas.inside


def faint_network(canvas: Canvas, random: np.random.Generator) -> None:
    """A thin, faint network in a part of the lesion; a keratosis may keep one from the solar lentigo that it grew from."""
    lines = _honeycomb(canvas, random, random.uniform(0.066, 0.078), 0.26, 0.0)
    where = step(np.cos(canvas.angle - random.uniform(-np.pi, np.pi)) * -1 + 0.1, 0.8) * step(
        np.abs(canvas.reach - 0.66) - 0.26, 0.16
    )
    canvas.melanin += random.uniform(0.6, 0.75) * where * (lines - 0.2) * canvas.inside


def atypical_network(canvas: Canvas, random: np.random.Generator) -> None:
    """Dark lines of uneven width round holes of every size, in some parts only, broken off at the rim."""
    lines = _honeycomb(canvas, random, random.uniform(0.078, 0.094), 0.62, 1.0)
    patches = step(-0.06 - canvas.rough(random, 3.2), 0.10) * step(canvas.reach - 1.0, 0.05)
    canvas.melanin += random.uniform(1.1, 1.4) * patches * (lines - 0.18) * canvas.inside


def regular_globules(canvas: Canvas, random: np.random.Generator) -> None:
    """Round brown globules of one size, spread evenly."""
    size, plane = random.uniform(0.017, 0.022), canvas.empty()
    for x, y in canvas.scatter(random, 170, size * 2.9, 0.93):
        r = size * random.uniform(0.85, 1.1)
        canvas.stamp(plane, (x, y), (r, r * random.uniform(0.85, 1)), random.uniform(0, np.pi), 0.5)
    canvas.melanin += random.uniform(0.75, 0.95) * (plane - 0.12 * canvas.inside)


def irregular_globules(canvas: Canvas, random: np.random.Generator) -> None:
    """Globules of every size and shape, brown to black, crowded on one side."""
    plane, side = canvas.empty(), random.uniform(-np.pi, np.pi)
    for _ in range(int(random.integers(22, 36))):
        r = float(np.exp(random.uniform(np.log(0.012), np.log(0.042))))
        point = canvas.at(side + random.normal(0, 0.75), random.uniform(0.25, 0.95))
        canvas.stamp(
            plane, point, (r, r * random.uniform(0.6, 1)), random.uniform(0, np.pi), 0.4, random.uniform(0.5, 1)
        )
    canvas.melanin += 1.7 * plane


def dots(canvas: Canvas, random: np.random.Generator) -> None:
    """Small black points."""
    plane = canvas.empty()
    for point in canvas.scatter(random, int(random.integers(18, 40)), 0.03, 0.95):
        r = random.uniform(0.006, 0.010)
        canvas.stamp(plane, point, (r, r), 0, 0.6)
    canvas.melanin += 1.5 * plane


def streaks(canvas: Canvas, random: np.random.Generator) -> None:
    """Streaks and pseudopods: dark fingers that leave the rim in a part of it, some with a knob at the end."""
    plane, side = canvas.empty(), random.uniform(-np.pi, np.pi)
    spread = random.uniform(0.8, 1.25)
    paths = []
    angle = side - spread
    while angle < side + spread:
        start, end = random.uniform(0.72, 0.82), random.uniform(1.04, 1.15)
        bend, wide = random.normal(0, 0.05), random.uniform(0.040, 0.060)
        points = [canvas.at(angle + bend * t**2, start + (end - start) * t) for t in np.linspace(0, 1, 13)]
        knob = random.random() < 0.45
        paths.append((points, [wide * (1 - (0.4 if knob else 0.72) * t) for t in np.linspace(0, 1, 12)]))
        if knob:
            r = wide * random.uniform(0.42, 0.52)
            canvas.stamp(plane, points[-1], (r * 1.3, r), angle, 0.5)
        angle += random.uniform(0.10, 0.2)
    near = np.abs(np.angle(np.exp(1j * (canvas.angle - side)))).astype(np.float32)
    base = step(np.abs(canvas.reach - 0.84) - 0.06, 0.12) * step(near - spread, 0.3)
    fingers = np.maximum(plane, canvas.lines(paths, 0.007)) * step(0.86 - canvas.reach, 0.14)
    canvas.melanin += 1.25 * fingers * (0.75 + 0.5 * canvas.noise(random, 14)) + 0.75 * base * canvas.inside


def blue_white_veil(canvas: Canvas, random: np.random.Generator) -> None:
    """A structureless steel-blue area under a whitish haze, which hides what lies below."""
    where = off_centre(canvas, random, random.uniform(0.26, 0.34), 0.11) * canvas.inside
    canvas.cover((0.84 + 0.3 * canvas.rough(random, 9)) * where, (100, 109, 128))
    canvas.cover(0.6 * where * step(-canvas.rough(random, 5), 0.3), (178, 186, 198))


def several_colours(canvas: Canvas, random: np.random.Generator) -> None:
    """Areas of light brown, dark brown, black and red beside one another."""
    black = off_centre(canvas, random, random.uniform(0.15, 0.22), 0.07) * canvas.inside
    dark = off_centre(canvas, random, random.uniform(0.24, 0.34), 0.09) * canvas.inside
    red = off_centre(canvas, random, random.uniform(0.2, 0.28), 0.14) * canvas.inside
    pale = off_centre(canvas, random, random.uniform(0.2, 0.3), 0.14) * canvas.inside
    canvas.melanin *= 1 - 0.42 * pale
    canvas.melanin *= 1 - 0.4 * red
    canvas.blood += 0.4 * red
    canvas.melanin += 0.5 * dark + 1.0 * black * (0.7 + 0.5 * canvas.noise(random, 14))


def off_centre(canvas: Canvas, random: np.random.Generator, size: float, softness: float) -> Plane:
    """Return an irregular area that lies to one side, 1 inside and 0 outside."""
    x, y = canvas.at(random.uniform(-np.pi, np.pi), random.uniform(0.3, 0.6))
    far = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
    return step(far - np.float32(size) + np.float32(0.62) * canvas.rough(random, 5), softness)


def _honeycomb(canvas: Canvas, random: np.random.Generator, cell: float, jitter: float, uneven: float) -> Plane:
    """Return lines between cells, 1 on them and 0 in the holes.

    Args:
        canvas: what they are for.
        random: where the middles of the cells come from.
        cell: from one middle to the next.
        jitter: how far a middle may be from its place in an even honeycomb, in cells.
        uneven: 0 for lines of one width, 1 for lines of very different ones.
    """
    # Half the resolution in both directions is enough, and four times as fast.
    coarse = 2 if canvas.unit > 140 else 1
    height, width = -(-canvas.height // coarse), -(-canvas.width // coarse)
    pitch = cell * canvas.unit / coarse
    rows, columns = int(height / pitch / 0.866) + 3, int(width / pitch) + 3
    row, column = np.mgrid[-1 : rows - 1, -1 : columns - 1]
    shift = random.normal(0, jitter, (2, rows, columns)) * 0.6
    middle_x = ((column + 0.5 * (row % 2) + shift[0]) * pitch).astype(int)
    middle_y = ((row * 0.866 + shift[1]) * pitch).astype(int)
    kept = (middle_x >= 0) & (middle_x < width) & (middle_y >= 0) & (middle_y < height)
    if uneven:
        kept &= random.random(kept.shape) < 0.8
    points = np.ones((height, width), bool)
    points[middle_y[kept], middle_x[kept]] = False
    nearest = distance_transform_edt(points, return_distances=False, return_indices=True)
    owner = nearest[0] * width + nearest[1]
    border = np.ones((height, width), bool)
    border[:-1] &= owner[:-1] == owner[1:]
    border[:, :-1] &= owner[:, :-1] == owner[:, 1:]
    far = distance_transform_edt(border).astype(np.float32) * np.float32(coarse / canvas.unit)
    if uneven:
        far /= 0.45 + 1.5 * canvas.noise(random, 7)[::coarse, ::coarse] ** 1.5
    lines = np.exp(-((far * np.float32(1 / (cell * 0.165))) ** 2))
    if coarse > 1:
        lines = zoom(lines, coarse, order=1, grid_mode=True, mode="nearest")[: canvas.height, : canvas.width]
    return np.asarray(lines, np.float32)

"""Structures of basal cell carcinomas: arborizing vessels, blue-grey ovoid nests, leaf-like areas, ulceration."""

from __future__ import annotations

import numpy as np

from lesionviz.data.drawings.canvas import Canvas, Point, step

Branch = tuple[list[Point], list[float]]


def arborizing_vessels(canvas: Canvas, random: np.random.Generator) -> None:
    """Sharp, bright red stems that branch like trees into ever thinner vessels."""
    paths: list[Branch] = []
    turn = random.uniform(-np.pi, np.pi)
    count = int(random.integers(3, 6))
    for number in range(count):
        angle = turn + 2 * np.pi * number / count + random.normal(0, 0.3)
        _grow(canvas, random, paths, canvas.at(angle, random.uniform(0.85, 1.05)), angle + np.pi, 0.021, 34)
    where = canvas.lines(paths) * step(canvas.reach - 1.12, 0.12)
    canvas.blood += 0.3 * canvas.blurred(where, 0.014)
    canvas.cover(where * (0.72 + 0.28 * canvas.noise(random, 10)), (164, 38, 44))


def ovoid_nests(canvas: Canvas, random: np.random.Generator) -> None:
    """Large, well-defined blue-grey ovals, close together but apart."""
    plane = canvas.empty()
    for x, y in canvas.scatter(random, int(random.integers(4, 9)), 0.2, 0.82):
        a = random.uniform(0.065, 0.12)
        canvas.stamp(plane, (x, y), (a, a * random.uniform(0.55, 0.8)), random.uniform(0, np.pi), 0.5)
    for x, y in canvas.scatter(random, int(random.integers(6, 14)), 0.1, 0.85):
        r = random.uniform(0.016, 0.026)
        canvas.stamp(plane, (x, y), (r, r), 0, 0.4)
    canvas.cover(plane * (0.76 + 0.6 * canvas.rough(random, 9)), (88, 92, 110))


def leaf_like_areas(canvas: Canvas, random: np.random.Generator) -> None:
    """Brown-grey lobes that fan out from a common base near the rim, like a maple leaf."""
    plane = canvas.empty()
    base_angle = random.uniform(-np.pi, np.pi)
    for _ in range(int(random.integers(2, 4))):
        base_angle += random.uniform(1.4, 2.4)
        base, lobes = canvas.at(base_angle, 0.74), int(random.integers(4, 7))
        canvas.stamp(plane, base, (0.065, 0.05), base_angle, 0.5)
        for lobe in range(lobes):
            heading = base_angle + (lobe - (lobes - 1) / 2) * random.uniform(0.38, 0.5) + random.normal(0, 0.1)
            length, wide = random.uniform(0.10, 0.20), random.uniform(0.75, 1.15)
            for t in np.linspace(0.2, 1, 7):
                point = (base[0] + length * t * np.cos(heading), base[1] + length * t * np.sin(heading))
                r = wide * (0.018 + 0.016 * t)
                canvas.stamp(plane, point, (r * 1.15, r * 0.9), heading, 0.6)
    canvas.cover(plane * (0.7 + 0.5 * canvas.rough(random, 8)), (106, 88, 82))


def ulceration(canvas: Canvas, random: np.random.Generator) -> None:
    """A raw, dark red area with a yellow crust and wet highlights."""
    x, y = canvas.at(random.uniform(-np.pi, np.pi), random.uniform(0.1, 0.5))
    far = np.hypot(canvas.x - np.float32(x), canvas.y - np.float32(y))
    size = np.float32(random.uniform(0.15, 0.21))
    edge = far - size + np.float32(0.34) * canvas.rough(random, 6)
    canvas.cover(0.6 * step(edge - 0.03, 0.05), (196, 128, 92))
    canvas.cover(0.9 * step(edge, 0.03), (150, 48, 42))
    canvas.cover(0.8 * step(-0.02 - canvas.rough(random, 9), 0.10) * step(edge + 0.02, 0.04), (88, 22, 24))
    canvas.cover(0.75 * step(0.07 - canvas.rough(random, 11), 0.05) * step(edge - 0.01, 0.03), (206, 154, 90))
    shine = canvas.empty()
    for _ in range(7):
        r = random.uniform(0.004, 0.009)
        point = (x + random.normal(0, size / 2.5), y + random.normal(0, size / 2.5))
        canvas.stamp(shine, point, (r * 2, r), random.uniform(0, np.pi), 0.5)
    canvas.cover(0.85 * shine, (255, 244, 236))


def _grow(
    canvas: Canvas,
    random: np.random.Generator,
    paths: list[Branch],
    start: Point,
    heading: float,
    width: float,
    steps: int,
) -> None:
    """Add a vessel, and those that branch from it."""
    points, widths = [start], []
    swing, phase = random.uniform(0.10, 0.22), random.uniform(0, 2 * np.pi)
    side = 1 if random.random() < 0.5 else -1
    for number in range(steps):
        heading += swing * np.cos(phase + 0.55 * number) + random.normal(0, 0.07)
        x, y = points[-1]
        points.append((x + 0.024 * np.cos(heading), y + 0.024 * np.sin(heading)))
        widths.append(width * (1 - 0.55 * number / steps))
        if number > 3 and width > 0.006 and random.random() < 0.15:
            side = -side
            away = heading + side * random.uniform(0.5, 0.95)
            _grow(canvas, random, paths, points[-1], away, widths[-1] * 0.62, int(steps * random.uniform(0.4, 0.62)))
    paths.append((points, widths))

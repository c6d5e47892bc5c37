"""Draws simple synthetic dermoscopic pictures to test with; those to look at are :mod:`lesionviz.data.drawings`.

They imitate what textbooks name for each diagnosis (network, globules, vessels, cysts), are drawn from
random numbers alone, show nobody's skin, and say nothing about medicine. Same seed, same picture.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.files import cache_folder, replacing
from lesionviz.imaging import LesionImage, open_image

Plane: TypeAlias = npt.NDArray[np.float64]
"""Values of shape (H, W), usually 0 to 1."""

SAMPLE_SIZE = (600, 450)
PENS = Path(__file__).parent / "drawings"
"""What draws the samples."""


@cache
def synthetic_samples() -> tuple[LesionImage, ...]:
    """Return a typical drawing of each diagnosis (:mod:`lesionviz.data.drawings`), 600 × 450, named as synthetic."""
    seeds = {"BCC": 11, "BKL": 5, "MEL": 14, "NV": 0}
    return tuple(LesionImage(_kept_sample(d.code, seeds[d.code]), f"synthetic {d.name}") for d in DIAGNOSES)


def _kept_sample(code: str, seed: int) -> Image.Image:
    """Return a sample from the user's cache folder, or draw it and keep it there: a page would wait for it every time."""
    pens = sorted(PENS.glob("*.py"))
    version = hashlib.sha256(b"".join(pen.read_bytes() for pen in pens)).hexdigest()[:16]
    path = cache_folder() / "samples" / f"{code} {seed} {version}.png"
    with suppress(LesionvizError):
        if path.is_file() and (kept := open_image(path).pixels).size == SAMPLE_SIZE:
            return kept
    from lesionviz.data.drawings import draw, typical  # SciPy is loaded only where something is drawn

    drawn = draw(typical(code, seed), seed, SAMPLE_SIZE)
    with suppress(LesionvizError, OSError), replacing(path) as temporary:
        drawn.save(temporary, "PNG")
    return drawn


def draw_lesion(code: str, seed: int, size: tuple[int, int]) -> Image.Image:
    """Draw one RGB picture.

    Args:
        code: the diagnosis to imitate.
        seed: of the random numbers.
        size: width and height in pixels.
    """
    canvas = _Canvas(np.random.default_rng([seed, CODES.index(code)]), *size)
    _STYLES[code](canvas)
    return canvas.finish()


@dataclass
class _Canvas:
    """Skin to draw on; coordinates run from -1 to 1 across the shorter side."""

    random: np.random.Generator
    width: int
    height: int

    def __post_init__(self) -> None:
        unit = min(self.width, self.height) / 2
        y, x = np.mgrid[: self.height, : self.width]
        self.unit = unit
        self.x: Plane = (x - self.width / 2) / unit
        self.y: Plane = (y - self.height / 2) / unit
        skin = np.array([226.0, 178, 160]) + self.random.normal(0, 8, 3)
        self.colour: npt.NDArray[np.float64] = np.empty((self.height, self.width, 3))
        self.colour[:] = skin
        self.colour += 14 * (self.noise(4)[..., None] - 0.5)
        self.colour += 10 * (self.noise(60)[..., None] - 0.5)

    def noise(self, cells: int) -> Plane:
        """Smooth random values from 0 to 1, about ``cells`` bumps across."""
        grid = self.random.random((max(2, cells * 3 // 4), cells)).astype(np.float32)
        smooth = Image.fromarray(grid).resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.clip(np.asarray(smooth, dtype=np.float64), 0, 1)

    def blob(self, radius: float, ragged: float, softness: float, lopsided: float = 0.0) -> Plane:
        """The lesion's shape, 1 inside and 0 outside, with a ragged or soft rim."""
        angle = np.arctan2(self.y, self.x)
        rim = radius * (1 + lopsided * np.cos(angle - self.random.uniform(0, 6.3)))
        for waves in range(2, 9):
            rim = rim + radius * ragged / waves * self.random.normal() * np.cos(
                waves * angle + self.random.uniform(0, 6.3)
            )
        rim = rim * (1 + ragged * 0.6 * (self.noise(14) - 0.5))
        distance = np.hypot(self.x * 0.92, self.y * 1.05) - rim
        return 1 / (1 + np.exp(np.clip(distance / softness, -40, 40)))

    def paint(self, where: Plane, colour: tuple[int, int, int], strength: float = 1.0) -> None:
        """Blend a colour in where ``where`` is near 1."""
        share = np.clip(where * strength, 0, 1)[..., None]
        self.colour = self.colour * (1 - share) + np.array(colour, dtype=np.float64) * share

    def dots(self, count: int, radius: tuple[float, float], inside: Plane, spread: float) -> Plane:
        """Round dots scattered over the lesion."""
        plane = Image.new("L", (self.width, self.height))
        pen = ImageDraw.Draw(plane)
        for _ in range(count):
            x, y = self.random.normal(0, spread, 2) * self.unit + (self.width / 2, self.height / 2)
            r = self.random.uniform(*radius) * self.unit
            pen.ellipse((x - r, y - r * 0.9, x + r, y + r * 0.9), fill=255)
        return self._soft(plane, 0.006) * inside

    def vessels(self, count: int, inside: Plane) -> Plane:
        """Branching lines that grow thinner, as arborising vessels do."""
        plane = Image.new("L", (self.width, self.height))
        pen = ImageDraw.Draw(plane)
        stems = [(*self.random.normal(0, 0.25, 2), self.random.uniform(0, 6.3), 0.022, 40) for _ in range(count)]
        while stems:
            x, y, heading, thickness, steps = stems.pop()
            for step in range(int(steps)):
                heading += self.random.normal(0, 0.22)
                nx, ny = x + 0.022 * np.cos(heading), y + 0.022 * np.sin(heading)
                centre = np.array([self.width / 2, self.height / 2])
                line = [tuple(np.array(p) * self.unit + centre) for p in ((x, y), (nx, ny))]
                pen.line(line, fill=255, width=max(1, round(thickness * self.unit)))
                x, y = nx, ny
                if step > 4 and thickness > 0.006 and self.random.random() < 0.12:
                    turn = self.random.choice([-0.7, 0.7])
                    stems.append((x, y, heading + turn, thickness * 0.6, steps * 0.6))
        return self._soft(plane, 0.004) * inside

    def network(self, cells: float, inside: Plane) -> Plane:
        """A honeycomb of thin lines, as a pigment network."""
        x = self.x + 0.16 * (self.noise(9) - 0.5)
        y = self.y + 0.16 * (self.noise(9) - 0.5)
        waves = sum(np.cos(cells * (x * np.cos(a) + y * np.sin(a))) for a in (0.0, np.pi / 3, 2 * np.pi / 3))
        faded = 0.35 + 0.65 * self.noise(7)  # the lines are not equally dark everywhere
        return np.clip(0.15 - np.asarray(waves) / 1.5, 0, 1) * faded * inside

    def _soft(self, plane: Image.Image, radius: float) -> Plane:
        blurred = plane.filter(ImageFilter.GaussianBlur(max(0.5, radius * self.unit)))
        return np.asarray(blurred, dtype=np.float64) / 255

    def hairs(self, count: int) -> None:
        """A few hairs across the picture."""
        plane = Image.new("L", (self.width, self.height))
        pen = ImageDraw.Draw(plane)
        for _ in range(count):
            start = self.random.uniform(0, (self.width, self.height))
            heading, bend = self.random.uniform(0, 6.3), self.random.normal(0, 0.012)
            points = [tuple(start)]
            for _ in range(30):
                heading += bend
                start = start + 0.06 * self.unit * np.array([np.cos(heading), np.sin(heading)])
                points.append(tuple(start))
            pen.line(points, fill=255, width=max(1, round(0.007 * self.unit)))
        self.paint(self._soft(plane, 0.002), (70, 48, 40), 0.8)

    def finish(self) -> Image.Image:
        """Add the fall of light and the grain of a photograph."""
        light = 1.03 - 0.09 * (self.x**2 + self.y**2)
        grain = self.random.normal(0, 2.0, self.colour.shape)
        values = np.clip(self.colour * light[..., None] + grain, 0, 255)
        return Image.fromarray(values.astype(np.uint8))


def _draw_nevus(canvas: _Canvas) -> None:
    inside = canvas.blob(canvas.random.uniform(0.42, 0.58), 0.05, 0.05)
    canvas.paint(inside, (156, 100, 72), 0.85)
    canvas.paint(canvas.blob(0.25, 0.08, 0.10), (118, 70, 50), 0.55)
    canvas.paint(canvas.network(64, inside), (84, 48, 36), 0.75)
    canvas.hairs(2)


def _draw_melanoma(canvas: _Canvas) -> None:
    inside = canvas.blob(canvas.random.uniform(0.52, 0.68), 0.22, 0.02, lopsided=0.22)
    canvas.paint(inside, (110, 66, 50), 0.95)
    for colour, strength in (((52, 32, 30), 1.0), ((84, 88, 112), 0.75), ((150, 70, 62), 0.6)):
        patch = np.clip((canvas.noise(5) - 0.52) * 6, 0, 1) * inside
        canvas.paint(patch, colour, strength)
    canvas.paint(canvas.network(52, inside) * canvas.noise(5), (40, 25, 24), 0.8)
    canvas.paint(canvas.dots(26, (0.012, 0.035), inside, 0.38), (34, 22, 24), 0.9)
    canvas.hairs(3)


def _draw_carcinoma(canvas: _Canvas) -> None:
    inside = canvas.blob(canvas.random.uniform(0.5, 0.62), 0.1, 0.05)
    canvas.paint(inside, (224, 152, 146), 0.9)
    canvas.paint(np.clip((canvas.noise(6) - 0.6) * 5, 0, 1) * inside, (238, 204, 200), 0.6)
    canvas.paint(canvas.dots(7, (0.04, 0.09), inside, 0.3), (104, 102, 122), 0.75)
    canvas.paint(canvas.vessels(5, inside), (176, 40, 48), 0.9)
    canvas.paint(canvas.dots(1, (0.09, 0.12), inside, 0.15), (136, 42, 36), 0.8)


def _draw_keratosis(canvas: _Canvas) -> None:
    inside = canvas.blob(canvas.random.uniform(0.48, 0.62), 0.12, 0.012)
    canvas.paint(inside, (170, 128, 92), 0.95)
    canvas.paint(np.clip((canvas.noise(16) - 0.45) * 4, 0, 1) * inside, (138, 98, 70), 0.7)
    canvas.paint(canvas.dots(22, (0.014, 0.03), inside, 0.3), (240, 224, 192), 0.9)
    canvas.paint(canvas.dots(14, (0.016, 0.034), inside, 0.3), (74, 50, 38), 0.9)
    canvas.hairs(1)


_STYLES = {"BCC": _draw_carcinoma, "BKL": _draw_keratosis, "MEL": _draw_melanoma, "NV": _draw_nevus}

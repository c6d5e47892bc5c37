"""``Canvas``: skin with one plain lesion on it, in pigment, blood and light, on which structures are painted.

Colours come from what absorbs light, as in skin: melanin takes blue before green before red, so more of it is brown and
then black; blood leaves red. What lies deeper or on the surface is a colour of its own, laid over. Lengths are in halves
of the picture's shorter side, so that a drawing looks the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter

Plane: TypeAlias = npt.NDArray[np.float32]
"""Values of shape (H, W), usually 0 to 1."""
Colour: TypeAlias = tuple[float, float, float]
Point: TypeAlias = tuple[float, float]

MELANIN = (0.60, 0.88, 1.13)
ASHEN = (0.20, 0.0, -0.24)
BLOOD = (0.14, 0.78, 0.64)
"""How much of red, green and blue light one unit takes away (natural logarithm); what is ashen of melanin, besides."""
FINE = 3
"""Thin lines are drawn so many times larger, and made smaller, which smooths them."""


def noise(random: np.random.Generator, width: int, height: int, cells: float) -> Plane:
    """Return smooth random values from 0 to 1, about ``cells`` bumps along the shorter side."""
    unit = min(width, height) / cells
    shape = (max(2, round(height / unit)) + 1, max(2, round(width / unit)) + 1)
    grid = Image.fromarray(random.random(shape, dtype=np.float32))
    if cells <= 8 and unit > 32:  # no detail to lose: a quarter of the size first
        grid = grid.resize((width // 4, height // 4), Image.Resampling.BICUBIC)
        smooth = np.asarray(grid.resize((width, height), Image.Resampling.BILINEAR))
    else:
        smooth = np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
    return np.asarray(np.clip(smooth, 0, 1), np.float32)


def rough(random: np.random.Generator, width: int, height: int, cells: float) -> Plane:
    """Return random values about 0, from -0.5 to 0.5, with detail down to a fifth of the largest bumps."""
    large, middle, fine = (noise(random, width, height, cells * factor) for factor in (1, 2.3, 5))
    return np.asarray(0.55 * large + 0.28 * middle + 0.17 * fine - 0.5, np.float32)


def step(values: Plane, softness: float) -> Plane:
    """Return 1 where values are well below zero, 0 where they are well above, and a smooth fall between."""
    ramp = np.clip(np.float32(0.5) - values * np.float32(1 / (2 * softness)), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


@dataclass
class Canvas:
    """What is being drawn.

    Attributes:
        width, height: in pixels.
        x, y: place of each pixel, 0 in the middle of the lesion, from which y runs down.
        reach: how far each pixel is from the middle, in parts of the way to the rim; 1 on the rim.
        angle: of each pixel about the middle, -π to π.
        inside: 1 in the lesion, 0 on the skin round it.
        middle: of the lesion, from the middle of the picture.
        rim: how far the rim is from the middle, for each of the angles of ``numpy.linspace(-π, π, len(rim))``.
        melanin, blood: what lies in the skin.
        ashen: how grey its melanin is, from -1, reddish brown, to 1, violet grey.
        over: colours that cover it and how much, in the order of painting.
    """

    width: int
    height: int
    x: Plane
    y: Plane
    reach: Plane
    angle: Plane
    inside: Plane
    middle: Point
    rim: Plane
    melanin: Plane
    blood: Plane
    ashen: float
    over: list[tuple[Plane, Colour]] = field(default_factory=list)

    def thinned(self, every: int) -> Canvas:
        """Return a canvas of every so manieth pixel, to count on."""
        thin = (slice(None, None, every),) * 2
        return replace(
            self,
            inside=self.inside[thin],
            reach=self.reach[thin],
            melanin=self.melanin[thin],
            blood=self.blood[thin],
            over=[(where[thin], colour) for where, colour in self.over],
        )

    @property
    def unit(self) -> float:
        """Pixels of one unit of length."""
        return min(self.width, self.height) / 2

    def radius(self, angle: float) -> float:
        """Return how far the rim is from the middle in a direction."""
        place = (angle + np.pi) % (2 * np.pi) / (2 * np.pi) * (len(self.rim) - 1)
        return float(np.interp(place, np.arange(len(self.rim)), self.rim))

    def at(self, angle: float, reach: float) -> Point:
        """Return the point in a direction, so far along the way to the rim."""
        r = self.radius(angle) * reach
        return (r * np.cos(angle), r * np.sin(angle))

    def scatter(
        self, random: np.random.Generator, count: int, apart: float, reach: float = 0.85, start: float = 0.0
    ) -> list[Point]:
        """Return up to so many points inside the lesion that keep a distance from one another.

        Args:
            random: where they come from.
            count: how many.
            apart: how far.
            reach: how near to the rim, 1 on it.
            start: how near to the middle.
        """
        found: list[Point] = []
        for angle, share in zip(
            random.uniform(-np.pi, np.pi, count * 8), random.uniform(start**2, 1, count * 8), strict=True
        ):
            x, y = self.at(float(angle), reach * float(np.sqrt(share)))
            if all((x - a) ** 2 + (y - b) ** 2 > apart**2 for a, b in found):
                found.append((x, y))
                if len(found) == count:
                    break
        return found

    def noise(self, random: np.random.Generator, cells: float) -> Plane:
        """Return smooth random values from 0 to 1, about ``cells`` bumps along the shorter side."""
        return noise(random, self.width, self.height, cells)

    def rough(self, random: np.random.Generator, cells: float) -> Plane:
        """Return random values from -0.5 to 0.5 with fine detail, the largest bumps ``cells`` along the shorter side."""
        return rough(random, self.width, self.height, cells)

    def pixel(self, point: Point) -> Point:
        """Return where a point of the lesion is in the picture, in pixels."""
        return (
            (point[0] + self.middle[0]) * self.unit + self.width / 2,
            (point[1] + self.middle[1]) * self.unit + self.height / 2,
        )

    def empty(self) -> Plane:
        """Return a plane of zeros."""
        return np.zeros((self.height, self.width), np.float32)

    def stamp(
        self, plane: Plane, point: Point, radius: Point, turn: float = 0.0, soft: float = 0.35, strength: float = 1.0
    ) -> None:
        """Put an oval into a plane.

        Args:
            plane: what it is put into; it keeps the larger value.
            point: its middle.
            radius: its half axes.
            turn: the angle of the first of them.
            soft: the width of its edge in parts of its radius; 2 is a cloud.
            strength: its value.
        """
        x, y = self.pixel(point)
        a, b = max(radius[0] * self.unit, 0.6), max(radius[1] * self.unit, 0.6)
        r = max(a, b) * (1 + soft) + 1
        left, right = max(0, int(x - r)), min(self.width, int(x + r) + 2)
        top, bottom = max(0, int(y - r)), min(self.height, int(y + r) + 2)
        if left >= right or top >= bottom:
            return
        dx = np.arange(left, right, dtype=np.float32)[None] + np.float32(0.5 - x)
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        far = np.sqrt(((dx * cos + dy * sin) / np.float32(a)) ** 2 + ((dy * cos - dx * sin) / np.float32(b)) ** 2)
        window = plane[top:bottom, left:right]
        np.maximum(window, strength * step(far - 1, max(soft, 1.0 / min(a, b)) / 2), out=window)

    def lines(self, paths: list[tuple[list[Point], list[float]]], blur: float = 0.0) -> Plane:
        """Return a plane with lines, each of points and the width at each of them."""
        image = Image.new("L", (self.width * FINE, self.height * FINE))
        pen = ImageDraw.Draw(image)
        for points, widths in paths:
            places = [tuple(FINE * value for value in self.pixel(point)) for point in points]
            for start, end, width in zip(places, places[1:], widths, strict=False):
                wide = width * self.unit * FINE
                pen.line((start, end), fill=255, width=max(1, round(wide)))
                if wide > 3:  # a round joint
                    r = wide / 2 - 0.5
                    pen.ellipse((end[0] - r, end[1] - r, end[0] + r, end[1] + r), fill=255)
        return self.soft(image.reduce(FINE), blur)

    def soft(self, image: Image.Image, blur: float) -> Plane:
        """Return a grey picture as a plane, blurred."""
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.unit))
        return np.asarray(np.asarray(image, np.float32) * np.float32(1 / 255), np.float32)

    def blurred(self, plane: Plane, blur: float) -> Plane:
        """Return a plane without its fine detail."""
        return np.asarray(gaussian_filter(plane, blur * self.unit, truncate=2.5), np.float32)

    def cover(self, where: Plane, colour: Colour) -> None:
        """Lay a colour over everything below, as far as ``where`` is near 1."""
        self.over.append((np.clip(where, 0, 1), colour))

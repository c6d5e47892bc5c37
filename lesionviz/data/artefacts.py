"""Draws on a picture what photographs of skin often carry beside the lesion: ruler, ink, hair, vignette, bubble.

Used to ask whether a classifier's answer hangs on such things. Each function takes an RGB picture and a
random generator, and returns the changed picture and where it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Artefact: TypeAlias = Callable[[Image.Image, np.random.Generator], tuple[Image.Image, npt.NDArray[np.bool_]]]
"""The mask returned has shape (H, W) and is True where the picture was drawn on."""


def ruler(picture: Image.Image, random: np.random.Generator) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """A millimetre scale along one of the four sides."""
    width, height = picture.size
    plane = Image.new("L", picture.size)
    pen = ImageDraw.Draw(plane)
    unit = max(4, min(width, height) // 24)
    for number, x in enumerate(range(unit, width - unit // 2, unit)):
        length = unit * (2 if number % 5 == 0 else 1)
        pen.line((x, height - length, x, height), fill=255, width=max(1, unit // 5))
    turned = plane.rotate(90 * int(random.integers(4)), expand=True).resize(picture.size)
    return _paint(picture, turned, (32, 30, 34), 0.9)


def ink_ring(picture: Image.Image, random: np.random.Generator) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """A surgeon's violet mark around the middle."""
    width, height = picture.size
    side = min(width, height)
    plane = Image.new("L", picture.size)
    pen = ImageDraw.Draw(plane)
    for dash in range(40):
        radius = side * (0.42 + 0.01 * random.normal())
        box = (width / 2 - radius, height / 2 - radius, width / 2 + radius, height / 2 + radius)
        pen.arc(box, dash * 9, dash * 9 + 8, fill=255, width=max(2, side // 45))
    return _paint(picture, plane, (74, 46, 130), 0.75)


def hair(picture: Image.Image, random: np.random.Generator) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """A dozen dark hairs across the whole picture."""
    width, height = picture.size
    side = min(width, height)
    plane = Image.new("L", picture.size)
    pen = ImageDraw.Draw(plane)
    for _ in range(12):
        point, heading, bend = random.uniform(0, (width, height)), random.uniform(0, 6.3), random.normal(0, 0.03)
        points = [tuple(point)]
        for _ in range(30):
            heading += bend
            point = point + side / 25 * np.array([np.cos(heading), np.sin(heading)])
            points.append(tuple(point))
        pen.line(points, fill=255, width=max(1, side // 110))
    return _paint(picture, plane, (48, 34, 28), 0.85)


def vignette(picture: Image.Image, random: np.random.Generator) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """The black corners of a dermoscope's round view."""
    width, height = picture.size
    half = min(width, height) / 2
    return round_view(picture, (width / 2, height / 2), half * random.uniform(0.98, 1.04), half / 12)


def round_view(
    picture: Image.Image, middle: tuple[float, float], radius: float, rim: float
) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """Black outside a circle, over the width of a soft rim; all in pixels."""
    width, height = picture.size
    y, x = np.mgrid[:height, :width]
    dark = np.clip((np.hypot(x - middle[0], y - middle[1]) - radius) / rim, 0, 1)
    return _paint(picture, Image.fromarray((dark * 255).astype(np.uint8)), (8, 6, 8), 1.0)


def gel_bubble(picture: Image.Image, random: np.random.Generator) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """A bubble of air in the gel under the glass: a bright rim and a glint."""
    width, height = picture.size
    side = min(width, height)
    radius, thin = side * random.uniform(0.36, 0.42), max(1, side // 30)
    plane = Image.new("L", picture.size)
    pen = ImageDraw.Draw(plane)
    middle = np.array([width / 2, height / 2])
    pen.ellipse((*(middle - radius), *(middle + radius)), fill=40, outline=255, width=thin)
    turn = random.uniform(0, 2 * np.pi)
    glint = middle + radius * 0.55 * np.array([np.cos(turn), np.sin(turn)])
    pen.ellipse((*(glint - radius / 7), *(glint + radius / 7)), fill=255)
    return _paint(picture, plane, (250, 248, 245), 0.8)


ARTEFACTS: dict[str, Artefact] = {"ruler": ruler, "ink ring": ink_ring, "hair": hair, "dark vignette": vignette}
"""Those that ``lesionviz shortcuts`` asks about."""


def _paint(
    picture: Image.Image, plane: Image.Image, colour: tuple[int, int, int], strength: float
) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """Blend a colour in where the plane is bright."""
    soft = plane.filter(ImageFilter.GaussianBlur(0.6)).point(lambda value: value * strength)
    painted = Image.composite(Image.new("RGB", picture.size, colour), picture, soft)
    touched: npt.NDArray[np.bool_] = np.asarray(soft) > 0
    return painted, touched

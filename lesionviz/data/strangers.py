"""Drawn pictures that no skin-lesion classifier should answer: noise, blank ones, text scans, screenshots.

They measure the refusal, with any model and without anyone's photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

SIZE = (600, 450)
WORDS = ("the", "quick", "brown", "fox", "reads", "what", "nobody", "wrote", "about", "a", "lesion", "and", "jumps")


def strangers(count: int = 50, seed: int = 0) -> dict[str, list[Image.Image]]:
    """Return so many RGB pictures of each kind, 600 x 450; the same seed gives the same pictures."""
    kinds: dict[str, Callable[[np.random.Generator], Image.Image]] = {
        "noise": _noise,
        "blank": _blank,
        "text scans": _text_scan,
        "screenshots": _screenshot,
    }
    return {
        name: [draw(np.random.default_rng([seed, kind, number])) for number in range(count)]
        for kind, (name, draw) in enumerate(kinds.items())
    }


def _noise(random: np.random.Generator) -> Image.Image:
    """White noise, coarse or fine, around skin's or any other colour."""
    grain = int(random.integers(1, 5))
    small = random.normal(random.uniform(60, 200, 3), random.uniform(20, 80), (SIZE[1] // grain, SIZE[0] // grain, 3))
    return Image.fromarray(small.clip(0, 255).astype(np.uint8)).resize(SIZE, Image.Resampling.NEAREST)


def _blank(random: np.random.Generator) -> Image.Image:
    """One colour, or a soft gradient between two, with a sensor's grain."""
    one, other = random.uniform(0, 255, (2, 3))
    other = one + (other - one) * random.choice([0.0, 0.05, 0.1])
    along = np.linspace(0, 1, SIZE[0])[None, :, None]
    pixels = one + (other - one) * along + random.normal(0, random.uniform(0, 2), (SIZE[1], SIZE[0], 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _text_scan(random: np.random.Generator) -> Image.Image:
    """Lines of dark words on paper, slightly turned."""
    paper = tuple(int(v) for v in random.integers(225, 256, 3))
    page = Image.new("RGB", SIZE, paper)
    _write(ImageDraw.Draw(page), random, (30, 25, SIZE[0] - 30, SIZE[1] - 25), (30, 30, 30))
    return page.rotate(random.uniform(-2, 2), Image.Resampling.BILINEAR, fillcolor=paper)


def _screenshot(random: np.random.Generator) -> Image.Image:
    """A window with bars, boxes, buttons and text."""
    colours = [tuple(int(v) for v in random.integers(20, 256, 3)) for _ in range(4)]
    screen = Image.new("RGB", SIZE, (250, 250, 250) if random.random() < 0.5 else (32, 34, 40))
    draw = ImageDraw.Draw(screen)
    draw.rectangle((0, 0, SIZE[0], 30), fill=colours[0])
    draw.rectangle((0, 30, 130, SIZE[1]), fill=colours[1])
    for top in range(60, SIZE[1] - 40, 90):
        box = (150, top, SIZE[0] - 20, top + 75)
        draw.rectangle(box, outline=colours[2], width=2)
        _write(draw, random, (box[0] + 8, box[1] + 6, box[2] - 8, box[3] - 8), colours[2])
    draw.rounded_rectangle((SIZE[0] - 110, SIZE[1] - 36, SIZE[0] - 20, SIZE[1] - 10), 6, fill=colours[3])
    return screen


def _write(
    draw: ImageDraw.ImageDraw, random: np.random.Generator, box: tuple[int, int, int, int], ink: tuple[int, ...]
) -> None:
    """Fill a box with words."""
    for top in range(box[1], box[3] - 10, 16):
        line, length = "", 0.0
        while length < (box[2] - box[0]) * 0.9:
            word = WORDS[int(random.integers(len(WORDS)))] + " "
            line, length = line + word, length + _length(word)
        draw.text((box[0], top), line.strip(), fill=ink)


@cache
def _length(word: str) -> float:
    """Return the width of a word in pixels; measuring anew would take most of the time of a drawing."""
    return ImageDraw.Draw(Image.new("RGB", (1, 1))).textlength(word)

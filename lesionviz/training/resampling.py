"""What a picture went through between the camera and here: cut, resized by this filter or that, sharpened, compressed.

Published copies of one photograph differ in nothing but this, and a model that learned from one way of resizing
answers otherwise after another. This half of the augmentation runs in the loader, on the picture's 8-bit pixels;
:mod:`lesionviz.training.clinics` is the other half.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from lesionviz.preprocessing import RESAMPLING, to_tensor

KERNELS = tuple(getattr(Image.Resampling, name) for name in ("BILINEAR", "BICUBIC", "LANCZOS", "BOX", "HAMMING"))
ENLARGING = KERNELS[:3]
"""The other two make blocks of what they enlarge."""
SMALLER, SMALLEST = 0.35, 0.45
"""Share of the pictures that were smaller once, and the least side they had, in shares of the side they have now."""
BLURRED, SHARPENED = 0.15, 0.15
"""Shares of the pictures that are blurred and that are sharpened."""
COMPRESSED = 0.35
"""Share of the pictures that are compressed as JPEG."""
QUALITIES = (35, 95)
RATIOS = (0.8, 1.25)
"""Width over height of a crop before it becomes a square."""


class Resampled:
    """The random way of a picture from the cache to the batch.

    What is drawn hangs on seeds and index alone, so it is the same however many processes read images.

    Args:
        side: of what comes out, in pixels.
        smallest_crop: smallest share of the picture's area that a crop may keep.
        seeds: whole numbers, at least 0, that name recipe and epoch.
    """

    def __init__(self, side: int, smallest_crop: float, *seeds: int) -> None:
        self._side, self._smallest_crop, self._seeds = side, smallest_crop, seeds

    def __call__(self, picture: Image.Image, outline: Image.Image | None = None, index: int = 0) -> Any:
        """Return the tensor of a picture, or of a picture and of its outline."""
        random = np.random.default_rng((*self._seeds, index))
        box = self._box(random, *picture.size)
        pixels = to_tensor(self._camera(random, picture, box))
        if outline is None:
            return pixels
        return pixels, to_tensor(outline.resize((self._side, self._side), RESAMPLING, box))[:1]

    def _box(self, random: np.random.Generator, width: int, height: int) -> tuple[float, float, float, float]:
        """Return the crop: left, top, right, bottom in pixels and fractions of them."""
        area = width * height * random.uniform(self._smallest_crop, 1)
        ratio = np.exp(random.uniform(*np.log(RATIOS)))
        wide, high = min(width, np.sqrt(area * ratio)), min(height, np.sqrt(area / ratio))
        left, top = random.uniform(0, width - wide), random.uniform(0, height - high)
        return left, top, min(width, left + wide), min(height, top + high)

    def _camera(
        self, random: np.random.Generator, picture: Image.Image, box: tuple[float, float, float, float]
    ) -> Image.Image:
        """Return the crop after resizing, sharpening or blurring, and compressing."""
        side, kernel = (self._side, self._side), KERNELS[random.integers(len(KERNELS))]
        if random.random() < SMALLER:
            once = round(self._side * random.uniform(SMALLEST, 1))
            enlarging = ENLARGING[random.integers(len(ENLARGING))]
            picture = picture.resize((once, once), kernel, box).resize(side, enlarging)
        else:
            picture = picture.resize(side, kernel, box)
        lot, unit = random.random(), self._side / 160  # radii are in pixels of a picture of 160
        if lot < BLURRED:
            picture = picture.filter(ImageFilter.GaussianBlur(unit * random.uniform(0.3, 1.2)))
        elif lot < BLURRED + SHARPENED:
            radius, percent = unit * random.uniform(0.5, 2), int(random.integers(40, 161))
            picture = picture.filter(ImageFilter.UnsharpMask(radius, percent, threshold=0))
        return _compressed(random, picture) if random.random() < COMPRESSED else picture


def _compressed(random: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Return what a JPEG of random quality keeps of a picture."""
    buffer = io.BytesIO()
    low, high = QUALITIES
    picture.save(buffer, "JPEG", quality=int(random.integers(low, high + 1)), subsampling=int(random.integers(3)))
    with Image.open(buffer, formats=["JPEG"]) as file:
        file.load()
        return file.convert("RGB")

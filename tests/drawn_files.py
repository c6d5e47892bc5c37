"""Pictures and their files for the tests of :mod:`lesionviz.imaging`, all made here."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image


def picture(width: int = 64, height: int = 48) -> Image.Image:
    """Smooth colours, as photographs have them: red grows to the right, green to the bottom."""
    across, down = np.meshgrid(np.linspace(20, 230, width), np.linspace(30, 200, height))
    return Image.fromarray(np.stack([across, down, np.full_like(down, 90)], axis=-1).astype(np.uint8))


def noise(width: int = 64, height: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return float(np.abs(np.asarray(one, int) - np.asarray(other, int)).mean())


def ramp(bits: int, channels: int = 3, highest: float = 1.0) -> npt.NDArray[np.uint16]:
    """From black to a share of white in so many bits; a fourth channel is full."""
    line = np.linspace(0, highest * (2**bits - 1), 64).astype(np.uint16)
    values = np.repeat(np.tile(line, (40, 1))[..., None], channels, axis=2)
    if channels == 4:
        values[..., 3] = 65535
    return values[..., 0] if channels == 1 else values

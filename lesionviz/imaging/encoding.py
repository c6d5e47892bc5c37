"""Pictures as bytes for a browser, at a size that a screen can show."""

from __future__ import annotations

import io

from PIL import Image

LARGEST = (1600, 1600)
"""Width and height in pixels of the largest picture that travels to a browser."""


def fit(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a copy that fits into a width and height, proportions kept, never enlarged."""
    copy = picture.copy()
    copy.thumbnail(size, Image.Resampling.HAMMING, reducing_gap=2.0)  # sharp enough, in a third of the time
    return copy


def jpeg(picture: Image.Image, size: tuple[int, int]) -> bytes:
    """Return an RGB picture as JPEG, fitted into a width and height."""
    return _encode(fit(picture, size), "JPEG", quality=92)


def png(picture: Image.Image) -> bytes:
    """Return a picture as PNG, pixel for pixel."""
    return _encode(picture, "PNG", compress_level=3)


def _encode(picture: Image.Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()

"""More than eight bits a channel: how bright is white?

A PNG says that its largest possible value is white. Cameras and microscopes put 10, 12 or 14 bits into the 16 of a TIFF
and seldom say so; taken for 16 bits such a picture is nearly black.
"""

from __future__ import annotations

import io
import sys

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.errors import LesionvizError

FULL = 65535
"""White in 16 bits."""
_BITS_PER_SAMPLE, _MAX_SAMPLE_VALUE, _PLANES, _TILE_WIDTH = 258, 281, 284, 322
_DEEP = ("RGB;16", "RGBA;16", "RGBX;16")
_OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def eight_bits(image: Image.Image, name: str, data: bytes = b"") -> tuple[Image.Image, str]:
    """Return a decoded picture with 8 bits a channel, and a note where the brightness of white had to be concluded.

    White is what the file says (MaxSampleValue, BitsPerSample), else, in a TIFF, the next power of two above every
    value; never the picture's own maximum, which would make a dark picture bright.

    Args:
        image: of any mode; those of 8 bits come back as they are.
        name: what to call it.
        data: its file, where there is one: Pillow keeps the upper byte of 16-bit colours only.

    Raises:
        LesionvizError: it holds values that no picture of 16 bits has.
    """
    values: npt.NDArray[np.integer]
    if image.mode == "F":
        raise LesionvizError(f"{name} holds floating-point values. Export it as an 8-bit image.")
    if image.mode.startswith("I"):  # grey, in one of Pillow's spellings
        values = np.asarray(image)
        if values.min() < 0 or values.max() > FULL:
            raise LesionvizError(f"{name} holds grey values outside 0 to {FULL}. Export it as an 8-bit image.")
    elif data and image.format == "TIFF" and image.mode in {"RGB", "RGBA"} and _bits(image) == 16:
        found = _planes(image, data, name) if _largest(image, _PLANES) == 2 else _both_bytes(image, data)
        if found is None:  # what Pillow kept is right already
            return image, ""
        values = found
    else:
        return image, ""
    white, concluded = _white(image, int((values if values.ndim == 2 else values[..., :3]).max()))
    shallow = Image.fromarray(np.minimum(values.astype(np.uint32) * 256 // (white + 1), 255).astype(np.uint8))
    shallow.info = dict(image.info)
    note = f"read as {white.bit_length()} bits a channel, because no value is above {white:,}"
    return shallow, note if concluded else ""


def _white(image: Image.Image, highest: int) -> tuple[int, bool]:
    """Return the value of white, and whether it was concluded from the highest one."""
    if image.format != "TIFF":
        return FULL, False
    stated = _stated(image)
    if stated is not None and highest <= stated <= FULL:
        return stated, False
    if 8 < _bits(image) < 16:
        return 2 ** _bits(image) - 1, False
    white = max(255, 2 ** highest.bit_length() - 1)
    return white, white < FULL


def _bits(image: Image.Image) -> int:
    return _largest(image, _BITS_PER_SAMPLE) or 0


def _stated(image: Image.Image) -> int | None:
    """Return what a TIFF calls its largest sample value, if it says so."""
    return _largest(image, _MAX_SAMPLE_VALUE)


def _largest(image: Image.Image, tag: int) -> int | None:
    """Return the largest of a TIFF tag's whole numbers, of which there may be one for each channel."""
    value = getattr(image, "tag_v2", {}).get(tag)
    numbers = [each for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, int)]
    return max(numbers, default=None)


def _both_bytes(image: Image.Image, data: bytes) -> npt.NDArray[np.integer] | None:
    """Return the values of a 16-bit colour TIFF; None where the upper bytes alone say it all."""
    upper = np.asarray(image)
    lower = None if _reaches_up(image) else _lower_bytes(data)
    return None if lower is None else upper.astype(np.uint16) << 8 | lower


def _reaches_up(image: Image.Image) -> bool:
    """Return whether what Pillow kept of 16 bits, their upper eight, is bright enough to be a picture of 16 bits."""
    return bool(np.asarray(image)[..., :3].max() > 127) and _stated(image) is None


def _planes(image: Image.Image, data: bytes, name: str) -> npt.NDArray[np.uint16] | None:
    """Return the values of a 16-bit TIFF that keeps each colour apart, which Pillow takes for one of 8 bits.

    Where they are compressed, it reads the upper bytes rightly and the lower ones not at all.

    Raises:
        LesionvizError: the lower ones are needed, or the planes are cut into tiles.
    """
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as again:
        parts = [(part.extents or (0, 0, 0, 0), part.offset, part.args) for part in again.tile]
        compressed = any(part.codec_name != "raw" for part in again.tile)
    if compressed and _reaches_up(image):
        return None
    if compressed or _largest(image, _TILE_WIDTH):
        raise LesionvizError(
            f"{name} keeps each colour apart, in 16 bits, in a way that cannot be read here. Export it as an 8-bit image."
        )
    values = np.zeros(np.asarray(image).shape, np.uint16)
    for (left, top, right, bottom), offset, spelling in parts:
        shape = bottom - top, right - left
        colour = "RGBA".index(str(spelling[0] if spelling else ""))
        plane = np.frombuffer(data, ">u2" if data[:2] == b"MM" else "<u2", shape[0] * shape[1], offset)
        values[top:bottom, left:right, colour] = plane.reshape(shape)
    return values


def _lower_bytes(data: bytes) -> npt.NDArray[np.uint8] | None:
    """Return the lower byte of each value of a 16-bit colour TIFF, by having it read in the other byte order."""
    with Image.open(io.BytesIO(data), formats=("TIFF",)) as image:
        turned = []
        for tile in image.tile:
            spelling, *more = tile.args if isinstance(tile.args, tuple) else ("",)
            if not str(spelling).startswith(_DEEP):
                return None
            turned.append(tile._replace(args=(spelling[:-1] + _OTHER_BYTE[spelling[-1]], *more)))
        image.tile = turned
        image.load()
        return np.asarray(image)

"""The door itself: every check that a picture must pass, and the way from bytes to 8-bit RGB.

Whatever comes from a disk, a browser or a caller becomes a :class:`LesionImage` here, or is refused
with a sentence that a person understands. Formats: JPEG, PNG, WebP, TIFF and BMP. Other rooms never
open an image file themselves.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from lesionviz.errors import LesionvizError
from lesionviz.imaging.colour import to_srgb
from lesionviz.imaging.orientation import upright

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
MAX_BYTES = 64 * 2**20
"""Largest file that is read, in bytes."""
MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, in pixels: about 150 MB once it is RGB."""
DECODER = 2
"""Counts up whenever the same file gives other pixels than before, so that what was kept of it is made anew."""
MIN_SIDE = 32
"""Smallest side in pixels: below it a picture holds less than the coarsest feature map needs."""

ImageSource: TypeAlias = (
    "str | Path | bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.uint8] | LesionImage"
)


@dataclass(frozen=True, eq=False)
class LesionImage:
    """A picture that passed every check. Two are equal only when they are the same object.

    Attributes:
        pixels: mode ``RGB``, upright (EXIF rotation applied), sRGB, 8 bits a channel.
        name: what to call it in front of a person; a file's name without its folder.
        notes: what happened to it on the way, where that is worth knowing: a few words each that go on from "the
            picture is"; usually nothing.
    """

    pixels: Image.Image
    name: str
    notes: tuple[str, ...] = ()


def open_image(source: ImageSource, name: str | None = None) -> LesionImage:
    """Check and decode a picture.

    Args:
        source: a path, the bytes of a file, a PIL image, or a uint8 array of shape (H, W, 3), RGB.
        name: what to call it; by default the file's name, or ``"image"``.

    Returns:
        The first frame of an animation, the first page of a TIFF; transparency laid on white, CMYK,
        grey, palette and 16-bit pictures turned into 8-bit RGB (16 bits keep their upper eight). Colours with a
        profile are converted to sRGB, others taken for it.

    Raises:
        LesionvizError: it is missing, too large, too small, damaged, or not a picture of these formats.
    """
    if isinstance(source, LesionImage):
        return source if name is None else replace(source, name=name)
    if isinstance(source, (str, Path)):
        path = Path(source)
        name = name or path.name or str(path)
        return _decode(read_file(path, name), name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(bytes(source), name or "image")
    if isinstance(source, Image.Image):
        name = name or Path(str(getattr(source, "filename", "") or "image")).name
        with _decoding(name):  # a PIL image opened from a file decodes only now
            return _finish(source, name)
    if isinstance(source, np.ndarray):
        return _finish(_from_array(source, name or "image"), name or "image")
    raise LesionvizError(
        f"An image can be a path, bytes, a PIL image or a uint8 array of shape (height, width, 3), "
        f"not {type(source).__name__}."
    )


def read_file(path: Path, name: str) -> bytes:
    """Return a file's bytes, read only after its size is known to be acceptable; whether it is a picture is not checked.

    Raises:
        LesionvizError: it is missing, a folder, above ``MAX_BYTES``, or cannot be read.
    """
    if path.is_dir():
        raise LesionvizError(f"{name} is a folder. Give the path of one image.")
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _too_many_bytes(name, size)
        return path.read_bytes()
    except FileNotFoundError:
        raise LesionvizError(f"There is no file {path}. Check the path and its spelling.") from None
    except (OSError, ValueError) as error:
        raise LesionvizError(f"{name} cannot be read ({error}). Check that you may open it.") from error


def _too_many_bytes(name: str, size: int) -> LesionvizError:
    return LesionvizError(
        f"{name} has {size / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read. "
        "Save it as a JPEG or at a smaller size."
    )


def _decode(data: bytes, name: str) -> LesionImage:
    """Decode the bytes of a file; dimensions are checked before any pixel is decoded."""
    if not data:
        raise LesionvizError(f"{name} is empty. Choose a file that holds a picture.")
    if len(data) > MAX_BYTES:
        raise _too_many_bytes(name, len(data))
    with _decoding(name), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return _finish(image, name)


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into a sentence about the picture."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata and large pictures; the checks in _finish decide instead.
            warnings.simplefilter("ignore")
            yield
    except LesionvizError:
        raise
    except UnidentifiedImageError:
        raise LesionvizError(
            f"{name} is not a picture that can be read here. Use a JPEG, PNG, WebP, TIFF or BMP file."
        ) from None
    except Image.DecompressionBombError:
        raise LesionvizError(
            f"{name} claims more than {MAX_PIXELS / 1e6:.0f} million pixels. Save it at a smaller size."
        ) from None
    except Exception as error:
        # A decoder meeting hostile bytes may raise nearly anything (OSError, SyntaxError, struct.error,
        # ValueError, MemoryError...); for the person they all mean the same, the cause is kept for the log.
        raise LesionvizError(
            f"{name} is damaged or incomplete and cannot be decoded. Copy or export it again."
        ) from error


def _finish(image: Image.Image, name: str) -> LesionImage:
    """Check the dimensions, decode, turn upright, and convert to 8-bit RGB."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise LesionvizError(
            f"{name} has {width} × {height} pixels; at most {MAX_PIXELS / 1e6:.0f} million are decoded. "
            "Save it at a smaller size."
        )
    if min(width, height) < MIN_SIDE:
        raise LesionvizError(
            f"{name} has {width} × {height} pixels; each side needs at least {MIN_SIDE}. "
            "Use the original photograph instead of a thumbnail."
        )
    image.load()
    pixels, note = _to_rgb(upright(image), name)
    return LesionImage(pixels, name, (note,) if note else ())


def _to_rgb(image: Image.Image, name: str) -> tuple[Image.Image, str]:
    """Return a new 8-bit RGB picture that shares no memory with the caller's, and a note about its colours, or nothing."""
    if image.mode.startswith("I"):  # 16-bit grey, in one of Pillow's spellings
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise LesionvizError(f"{name} holds grey values outside 0 to 65535. Export it as an 8-bit image.")
        profile = image.info.get("icc_profile")
        image = Image.fromarray((values.astype(np.uint32) >> 8).astype(np.uint8))
        image.info["icc_profile"] = profile
    if image.mode == "F":
        raise LesionvizError(f"{name} holds floating-point values. Export it as an 8-bit image.")
    alpha = None
    if image.has_transparency_data:
        grey = image.mode in {"LA", "La"}
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("L" if grey else "RGB")
    elif image.mode not in {"L", "RGB", "CMYK", "LAB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    colours, note = to_srgb(image)
    clean = Image.new("RGB", image.size, "white")  # leaves EXIF, colour profile and file handle behind
    clean.paste(colours, mask=alpha)
    return clean, note


def _from_array(array: npt.NDArray[Any], name: str) -> Image.Image:
    """Wrap an array after its dtype and shape are known to be right."""
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise LesionvizError(
            f"{name} is an array of {array.dtype} with shape {array.shape}; "
            "it must be uint8 with shape (height, width, 3), values 0 to 255, in the order red, green, blue."
        )
    return Image.fromarray(np.ascontiguousarray(array))

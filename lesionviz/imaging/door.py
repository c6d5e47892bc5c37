"""The door itself: every check that a picture must pass, and the way from bytes to 8-bit RGB.

Whatever comes from a disk, a browser or a caller becomes a :class:`LesionImage` here, or is refused
with a sentence that a person understands. Formats: JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF and DICOM. Other
rooms never open an image file themselves.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from lesionviz.errors import LesionvizError, TooManyPixelsError
from lesionviz.imaging.colour import to_srgb
from lesionviz.imaging.containers import WORDS, check_no_preview, formats_of, is_dicom
from lesionviz.imaging.depth import eight_bits
from lesionviz.imaging.dicom import Photograph
from lesionviz.imaging.jpeg import without_end
from lesionviz.imaging.orientation import upright

MAX_BYTES = 64 * 2**20
"""Largest file that is read, in bytes."""
MAX_PIXELS = 8192 * 6144
"""Largest picture that is decoded, in pixels: what cameras call 50 megapixels, about 150 MB once it is RGB. Of a larger
JPEG a smaller copy is decoded."""
DECODER = 3
"""Counts up whenever the same file gives other pixels than before, so that what was kept of it is made anew."""
MIN_SIDE = 32
"""Smallest side in pixels: below it a picture holds less than the coarsest feature map needs."""

_SMALLER = "Send a smaller copy: 4,000 pixels along the longer side are plenty."


@dataclass(frozen=True, eq=False)
class LesionImage:
    """A picture that passed every check. Two are equal only when they are the same object.

    Attributes:
        pixels: mode ``RGB``, upright (EXIF rotation applied), sRGB, 8 bits a channel.
        name: what to call it in front of a person; a file's name without its folder.
        notes: what happened to it on the way, where that is worth knowing: a few words each that go on from "the
            picture is"; usually nothing.
        file_sha256: hexadecimal hash of the file's bytes; empty where it was no file.
    """

    pixels: Image.Image
    name: str
    notes: tuple[str, ...] = ()
    file_sha256: str = ""

    @property
    def sha256(self) -> str:
        """Hash of the file or, where it was none, of width, height and pixels."""
        if self.file_sha256:
            return self.file_sha256
        width, height = self.pixels.size
        return hashlib.sha256(f"{width} {height} ".encode() + self.pixels.tobytes()).hexdigest()


ImageSource: TypeAlias = (
    str | Path | bytes | bytearray | memoryview | Image.Image | npt.NDArray[np.uint8] | LesionImage
)


def open_image(source: ImageSource, name: str | None = None) -> LesionImage:
    """Check and decode a picture.

    Args:
        source: a path, the bytes of a file, a PIL image, or a uint8 array of shape (H, W, 3), RGB.
        name: what to call it; by default the file's name, or ``"image"``.

    Returns:
        The first frame of an animation, the first page of a TIFF; transparency laid on white, CMYK,
        grey, palette and 16-bit pictures turned into 8-bit RGB. Colours with a profile are converted to sRGB,
        others taken for it. A JPEG of more than ``MAX_PIXELS`` is decoded at a half, a quarter or an eighth.

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


def open_groups(images: Iterable[ImageSource], size: int) -> Iterator[list[LesionImage]]:
    """Open images in groups of ``size``, so that no more than one group is in memory.

    Raises:
        LesionvizError: as :func:`open_image`.
    """
    remaining = iter(images)
    while group := [open_image(image) for image in islice(remaining, size)]:
        yield group


def open_small(path: str | Path, smallest: int) -> LesionImage:
    """Check a picture's file as :func:`open_image` does; a JPEG is decoded small and fast, no side below ``smallest``.

    Raises:
        LesionvizError: as :func:`open_image`.
    """
    name = Path(path).name
    return _decode(read_file(Path(path), name), name, smallest)


def open_thumbnail(path: str | Path, side: int) -> Image.Image:
    """Check a picture's file and return its centre square, grey, ``side`` pixels wide; fast, as JPEG is decoded small.

    Raises:
        LesionvizError: as :func:`open_image`.
    """
    pixels = open_small(path, 2 * side).pixels.convert("L")
    short = min(pixels.size)
    left, top = (pixels.width - short) // 2, (pixels.height - short) // 2
    return pixels.resize((side, side), Image.Resampling.BOX, (left, top, left + short, top + short))


def pixels_of(path: str | Path) -> int:
    """Return how many pixels a file's header claims, 0 where it is no picture; nothing is decoded, so it may be damaged."""
    path = Path(path)
    try:
        with _decoding(path.name), path.open("rb") as file:
            start = file.read(512)
            if is_dicom(start):
                width, height = Photograph(read_file(path, path.name), path.name).size
            else:
                with Image.open(path, formats=formats_of(start, path.name)) as image:
                    width, height = image.size
    except LesionvizError:  # whoever opens it is told why
        return 0
    return width * height


def read_file(path: Path, name: str) -> bytes:
    """Return a file's bytes, read only after its size is known to be acceptable; whether it is a picture is not checked.

    Raises:
        LesionvizError: it is missing, a folder, above ``MAX_BYTES``, or cannot be read.
    """
    if path.is_dir():
        raise LesionvizError(f"{name} is a folder. Give the path of one image.")
    try:
        check_size(path.stat().st_size, name)
        return path.read_bytes()
    except FileNotFoundError:
        raise LesionvizError(f"There is no file {path}. Check the path and its spelling.") from None
    except (OSError, ValueError) as error:
        raise LesionvizError(f"{name} cannot be read ({error}). Check that you may open it.") from error


def check_size(size: int, name: str) -> None:
    """Make sure that a file of ``size`` bytes may be read.

    Raises:
        LesionvizError: it is empty, or above ``MAX_BYTES``.
    """
    if size <= 0:
        raise LesionvizError(f"{name} is empty: it has no bytes. Choose a file that holds a picture.")
    if size > MAX_BYTES:
        raise LesionvizError(
            f"{name} has more than {MAX_BYTES // 2**20} MiB, the most that is read (it has {size / 2**20:,.1f}). "
            "Save it as a JPEG or at a smaller size."
        )


def _decode(data: bytes, name: str, smallest: int = 0) -> LesionImage:
    """Decode the bytes of a file; dimensions are checked before any pixel is decoded. For ``smallest`` see _finish."""
    check_size(len(data), name)
    with _decoding(name):
        if is_dicom(data):
            photograph = Photograph(data, name)
            _check_dimensions(photograph.size, name)
            return replace(_finish(photograph.decode(), name), file_sha256=hashlib.sha256(data).hexdigest())
        with Image.open(io.BytesIO(data), formats=formats_of(data, name)) as image:
            check_no_preview(image, data, name)
            return _finish(image, name, data, smallest)


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
        raise LesionvizError(f"{name} is not a picture that can be read here. Use a {WORDS} file.") from None
    except Image.DecompressionBombError:
        raise TooManyPixelsError(
            f"{name} claims several times {MAX_PIXELS / 1e6:.0f} million pixels. {_SMALLER}"
        ) from None
    except Exception as error:
        # A decoder meeting hostile bytes may raise nearly anything (OSError, SyntaxError, struct.error,
        # ValueError, MemoryError...); for the person they all mean the same, the cause is kept for the log.
        raise LesionvizError(
            f"{name} is damaged or incomplete and cannot be decoded. Copy or export it again."
        ) from error


def _finish(image: Image.Image, name: str, data: bytes = b"", smallest: int = 0) -> LesionImage:
    """Check the dimensions, decode, turn upright, and convert to 8-bit sRGB; ``data`` is the file, if there is one.

    With ``smallest`` a JPEG is decoded at a half, a quarter or an eighth of its size, no side below so many pixels.
    """
    smaller, note = _draft(image) if data else (None, "")
    _check_dimensions(image.size, name)
    if smallest and smaller is None:
        smaller = smallest, smallest
        image.draft(None, smaller)
    notes = [note]
    try:
        image.load()
    except OSError:
        whole = without_end(data, smaller) if data and image.format in {"JPEG", "MPO"} else None
        if whole is None:
            raise
        image = whole
    image, note = eight_bits(image, name, data)
    notes.append(note)
    pixels, note = _to_rgb(upright(image))
    digest = hashlib.sha256(data).hexdigest() if data else ""
    return LesionImage(pixels, name, tuple(filter(None, [*notes, note])), digest)


def _draft(image: Image.Image) -> tuple[tuple[int, int] | None, str]:
    """Have a JPEG that is too large decoded at a half, a quarter or an eighth, which the format offers at no cost.

    Returns:
        The size that was asked for, and a note about it; None and nothing where the picture is decoded as it is.
    """
    width, height = image.size
    if width * height <= MAX_PIXELS or image.format not in {"JPEG", "MPO"}:
        return None, ""
    for share, words in ((2, "a half"), (4, "a quarter"), (8, "an eighth")):
        smaller = width // share, height // share
        if smaller[0] * smaller[1] <= MAX_PIXELS:
            image.draft(None, smaller)
            return smaller, (
                f"read at {words} of its width and height, because it has {width * height / 1e6:.0f} million pixels"
            )
    return None, ""


def _check_dimensions(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise TooManyPixelsError(
            f"{name} has {width} × {height} pixels; at most {MAX_PIXELS / 1e6:.0f} million are decoded. {_SMALLER}"
        )
    if min(width, height) < MIN_SIDE:
        raise LesionvizError(
            f"{name} has {width} × {height} pixels; each side needs at least {MIN_SIDE}. "
            "Use the original photograph instead of a thumbnail."
        )


def _to_rgb(image: Image.Image) -> tuple[Image.Image, str]:
    """Return a new 8-bit RGB picture that shares no memory with the caller's, and a note about its colours, or nothing."""
    alpha = None
    if image.has_transparency_data:
        grey = image.mode in {"LA", "La"}
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        image = image.convert("L" if grey else "RGB")
    elif image.mode not in {"L", "RGB", "CMYK", "LAB"}:
        image = image.convert("L" if image.mode == "1" else "RGB")
    colours, note = to_srgb(image)
    clean = Image.new(
        "RGB", image.size, "white" if alpha else None
    )  # leaves EXIF, colour profile and file handle behind
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

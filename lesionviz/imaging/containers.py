"""What kind of file the first bytes announce, and which reader of Pillow it needs."""

from __future__ import annotations

from PIL import Image, features

from lesionviz.errors import LesionvizError

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
"""What every Pillow reads."""
WORDS = "JPEG, PNG, WebP, TIFF, BMP, HEIC, AVIF or DICOM"
ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp"}
    | {".heic", ".heif", ".hif", ".avif", ".dcm"}
)
"""How names of pictures end, in small letters; what a file is, its bytes say."""
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"}
_AVIF = {b"avif", b"avis"}
_NEW_SUBFILE_TYPE, _REDUCED, _DNG_VERSION = 254, 1, 50706


def is_dicom(data: bytes) -> bool:
    """Return whether a file is DICOM: a preamble of 128 bytes, then its mark (PS3.10, 7.1)."""
    return data[128:132] == b"DICM"


def formats_of(data: bytes, name: str) -> tuple[str, ...]:
    """Return the formats that Pillow should try.

    Raises:
        LesionvizError: it is of a kind that this installation cannot read.
    """
    if data[4:8] != b"ftyp":  # the box with which HEIF, AVIF and films begin (ISO/IEC 14496-12)
        return FORMATS
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[place : place + 4] for place in range(16, length, 4))}
    if brands & _AVIF:
        if not features.check("avif"):
            raise LesionvizError(
                f"{name} is an AVIF picture, which the installed Pillow cannot read. "
                "Install a newer one (pip install --upgrade pillow), or save the picture as a JPEG."
            )
        return ("AVIF",)
    if brands & _HEIF:
        _add_heif(name)
        return ("HEIF",)
    return ()  # a film, most likely


def check_no_preview(image: Image.Image, data: bytes, name: str) -> None:
    """Make sure that the first picture of a TIFF is the photograph.

    Cameras' raw files are TIFF inside, and begin with a preview as small as a stamp; it would be answered for.

    Raises:
        LesionvizError: it is a preview, or the raw data of a camera.
    """
    if image.format != "TIFF":
        return
    tags = getattr(image, "tag_v2", {})
    kind = tags.get(_NEW_SUBFILE_TYPE)
    if data[8:10] == b"CR" or _DNG_VERSION in tags or (isinstance(kind, int) and kind & _REDUCED):
        raise LesionvizError(
            f"{name} begins with a preview, as the raw files of cameras do, and what is behind it cannot be read here. "
            "Export the photograph as a JPEG."
        )


def _add_heif(name: str) -> None:
    """Teach Pillow to read what iPhones save."""
    if "HEIF" in Image.OPEN:
        return
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise LesionvizError(
            f"{name} is a HEIC picture, and what reads those is missing here ({error}). "
            "Install it (pip install pillow-heif), or save the picture as a JPEG."
        ) from error
    register_heif_opener()

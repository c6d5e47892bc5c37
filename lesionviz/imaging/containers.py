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

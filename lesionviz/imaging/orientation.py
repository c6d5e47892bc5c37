"""Which way up a picture is: the orientation value of its EXIF data, read alone.

Cameras and editors write odd things into the other tags: resolutions of −1/0, lengths beyond the end of the file.
Pillow's ``exif_transpose`` writes all of them anew and fails where it cannot; none of them turns a picture.
"""

from __future__ import annotations

import re
import struct

from PIL import Image

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by orientation (EXIF 2.3, tag 274); 1 is upright, anything else counts as that."""
TAG = 0x0112
_BYTE, _SHORT, _LONG = 1, 3, 4
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def upright(image: Image.Image) -> Image.Image:
    """Return a decoded picture as it should be looked at; the same object when it is upright already."""
    turn = TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """Return the orientation that a picture carries, 1 to 8; Pillow turns TIFF files itself when it decodes them."""
    info = image.info
    exif = info.get("exif") or _hexadecimal(info.get("Raw profile type exif"))
    if isinstance(exif, bytes):
        found = read_orientation(exif)
    else:  # a picture made in Python has its tags in no file
        found = image.getexif().get(TAG) if image.format is None else None
    if found is None:
        xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or b""
        match = _XMP.search(xmp.encode() if isinstance(xmp, str) else xmp)
        found = int(match[1]) if match else None
    return found if found in TURNS else 1


def read_orientation(exif: bytes) -> int | None:
    """Return the orientation in EXIF data, with or without its ``Exif`` prefix; None where there is none to be read."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return None
    (start,) = struct.unpack_from(f"{order}L", exif, 4)
    if start + 2 > len(exif):
        return None
    (entries,) = struct.unpack_from(f"{order}H", exif, start)
    # Twelve bytes each: tag, type, count, and the value, or where it stands.
    for place in range(start + 2, min(start + 2 + 12 * entries, len(exif) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHL", exif, place)
        form = {_BYTE: "B", _SHORT: "H", _LONG: "L"}.get(kind)
        if tag == TAG and count == 1 and form:
            (value,) = struct.unpack_from(order + form, exif, place + 8)
            return int(value) if 1 <= value <= 8 else None
    return None


def _hexadecimal(profile: object) -> bytes | None:
    """Return EXIF data as older programs write it into a PNG: text, three lines of heading and then digits."""
    try:
        return bytes.fromhex("".join(profile.split("\n")[3:])) if isinstance(profile, str) else None
    except ValueError:
        return None

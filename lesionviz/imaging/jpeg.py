"""JPEG files that stop before their end marker: whole all the same, as long as no pixel is missing.

Some cameras and many rescued cards leave the last two bytes out. Whether anything else is missing is not asked of the
decoder, which fills gaps silently, but of the picture: it is whole when what follows the file cannot change it.
"""

from __future__ import annotations

import io
import re

from PIL import Image

END = b"\xff\xd9"
_RESTARTS = b"\xff\xd0\xff\xd1\xff\xd2\xff\xd3\xff\xd4\xff\xd5\xff\xd6\xff\xd7"
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_COEFFICIENTS = 64


def without_end(data: bytes, size: tuple[int, int] | None = None) -> Image.Image | None:
    """Return the decoded picture of a JPEG file that lacks its end marker; None when more than that is missing.

    Args:
        data: the file.
        size: decode at the next larger size that the file offers, as ``draft`` of Pillow does.
    """
    data = data.rstrip(b"\xff")  # half of an end marker
    if not _has_all_scans(data):
        return None
    picture = _decoded(data + END, size)
    pixels = picture.tobytes()
    # A decoder that still needs bits takes them from here, after a restart marker where it expects one.
    for first, step in ((0xFE, 73), (0x80, 101), (0x55, 151)):  # the end marker alone stands for zeros
        noise = bytes([first, *(1 + place * step % 251 for place in range(256))])
        tail = noise + b"".join(_RESTARTS[i : i + 2] + noise for i in range(0, len(_RESTARTS), 2)) * 2
        if _decoded(data + tail + END, size).tobytes() != pixels:
            return None
    return picture


def _decoded(data: bytes, size: tuple[int, int] | None) -> Image.Image:
    image = Image.open(io.BytesIO(data), formats=("JPEG",))
    if size is not None:
        image.draft(None, size)
    image.load()
    return image


def _has_all_scans(data: bytes) -> bool:
    """Return whether the scans that are there describe every coefficient of every component to its last bit.

    Progressive files refine a picture scan by scan (ITU-T T.81, G); a file that stops between two of them decodes
    without an error, only coarser.
    """
    components: set[int] = set()
    known: dict[tuple[int, int], int] = {}  # for each coefficient of a component, the bits that are still missing
    place = 2
    while (found := _NEXT_MARKER.search(data, place)) is not None:
        marker, start = data[found.start() + 1], found.end()
        length = int.from_bytes(data[start : start + 2], "big")
        segment = data[start + 2 : start + length]
        place = start + length
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC} and len(segment) >= 6:
            components = set(segment[6::3])
        elif marker == 0xDA and len(segment) >= 6:
            first, last, bits = segment[-3:]
            for component in segment[1 : 1 + 2 * segment[0] : 2]:
                known |= {(component, k): bits & 15 for k in range(first, last + 1)}
    return bool(components) and all(
        known.get((component, k)) == 0 for component in components for k in range(_COEFFICIENTS)
    )

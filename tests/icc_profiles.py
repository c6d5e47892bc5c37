"""Colour profiles made by hand (ICC.1:2001-04), so that tests know to the digit what each of them means."""

from __future__ import annotations

import struct
from collections.abc import Sequence

D50 = (0.9642, 1.0, 0.8249)
DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))
"""XYZ of red, green and blue, adapted to D50, from Apple's profile."""
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
"""From the profile that the ICC publishes."""


def _fixed(values: Sequence[float]) -> bytes:
    return struct.pack(f">{len(values)}l", *(round(value * 65536) for value in values))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">LHxx", 1, round(value * 256))


def _profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ", kind: bytes = b"mntr") -> bytes:
    """Put a header of 128 bytes and the table of tags before the tags themselves."""
    text = b"drawn for a test\0"
    tags = tags | {
        b"desc": b"desc\0\0\0\0" + struct.pack(">L", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": _xyz(D50),
    }
    place, table, data = 128 + 4 + 12 * len(tags), struct.pack(">L", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">LL", place + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">L4sL4s4s4s12s4s", place + len(data), b"lcms", 0x02100000, kind, space, connection, b"", b"acsp"
    )
    return (head + bytes(28) + _fixed(D50)).ljust(128, b"\0") + table + data


def rgb_profile(primaries: Sequence[Sequence[float]], gamma: float) -> bytes:
    """A colour space of three primaries and one exponent."""
    tags = {name: _xyz(xyz) for name, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)}
    return _profile(b"RGB ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma)))


def grey_profile(gamma: float) -> bytes:
    """Greys of one exponent."""
    return _profile(b"GRAY", {b"kTRC": _gamma(gamma)})


def cmyk_profile(paper: tuple[int, int, int], ink: tuple[int, int, int]) -> bytes:
    """A printing press on which any ink at all, at full strength, gives one colour.

    Args:
        paper: the colour without ink, CIELAB in bytes: L from 0 to 255, a and b from −128 at 0.
        ink: the colour of every mixture with a full channel.
    """
    straight = bytes(range(256))
    corners = [paper, *[ink] * 15]  # two grid points for each of the four inks
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    table += straight * 4 + b"".join(map(bytes, corners)) + straight * 3
    return _profile(b"CMYK", {b"A2B0": table, b"A2B1": table}, b"Lab ", b"prtr")

"""Pictures of more than eight bits a channel, in TIFF files written by hand."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from drawn_files import encoded, ramp
from PIL import Image

from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image


def tiff(
    values: npt.NDArray[np.integer[Any]],
    *,
    packed: bool = False,
    order: str = "<",
    white: int | None = None,
    apart: int = 0,
) -> bytes:
    """A 16-bit TIFF (TIFF 6.0), grey or of three or four channels, which Pillow cannot write.

    It has one strip, or ``apart`` of them for each channel, which are then kept apart.
    """
    height, width, *channels = values.shape
    count = channels[0] if channels else 1
    rows = -(-height // apart) if apart else height
    planes = [values[..., channel] for channel in range(count)] if apart else [values]
    strips = [plane[top : top + rows] for plane in planes for top in range(0, height, rows)]
    parts = [strip.astype(f"{order}u2").tobytes() for strip in strips]
    parts = [zlib.compress(part) for part in parts] if packed else parts
    pixels = b"".join(parts)
    entries: list[tuple[int, str, list[int]]] = [
        (256, "H", [width]),
        (257, "H", [height]),
        (258, "H", [16] * count),
        (259, "H", [8 if packed else 1]),
        (262, "H", [2 if count > 1 else 1]),
        (273, "L", [0] * len(parts)),
        (277, "H", [count]),
        (278, "H", [rows]),
        (279, "L", [len(part) for part in parts]),
    ]
    entries += [(281, "H", [white] * count)] if white else []
    entries += [(284, "H", [2])] if apart else []
    entries += [(338, "H", [2])] if count == 4 else []
    listed, behind, start = b"", b"", 8 + 2 + 12 * len(entries) + 4
    sizes = [struct.calcsize(f"={len(numbers)}{code}") for _, code, numbers in entries]
    longer = sum(size for size in sizes if size > 4)
    for tag, code, numbers in entries:
        if tag == 273:
            numbers = [start + longer + sum(map(len, parts[:index])) for index in range(len(parts))]
        raw = struct.pack(f"{order}{len(numbers)}{code}", *numbers)
        place = raw.ljust(4, b"\0") if len(raw) <= 4 else struct.pack(f"{order}L", start + len(behind))
        behind += raw if len(raw) > 4 else b""
        listed += struct.pack(f"{order}HHL", tag, {"H": 3, "L": 4}[code], len(numbers)) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}LH", 8, len(entries)) + listed + bytes(4) + behind + pixels


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_fewer_bits_in_sixteen_are_read_at_their_own_depth(
    bits: int, channels: int, packed: bool, order: str
) -> None:
    values = ramp(bits, channels)
    opened = open_image(tiff(values, packed=packed, order=order))
    grey = values if values.ndim == 2 else values[..., 0]
    assert np.array_equal(np.asarray(opened.pixels)[..., 0], grey >> (bits - 8))  # the upper eight, exactly
    assert [f"read as {bits} bits a channel" in note for note in opened.notes] == ([True] if bits < 16 else [])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_dark_picture_stays_dark(channels: int) -> None:
    dark = ramp(12, channels, highest=0.6)
    opened = open_image(tiff(dark))
    assert np.asarray(opened.pixels).max() == 0.6 * 4095 // 16  # not stretched to 255
    assert "no value is above 4,095" in opened.notes[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_white_is_what_the_file_says(channels: int) -> None:
    dark = ramp(12, channels, highest=0.1)
    by_tag = open_image(tiff(dark, white=4095))
    assert np.asarray(by_tag.pixels).max() == 409 // 16
    assert by_tag.notes == ()
    full = open_image(tiff(dark, white=65535))
    assert np.asarray(full.pixels).max() == 409 // 256
    odd = open_image(tiff(ramp(12, channels), white=4095 * 2))
    assert np.asarray(odd.pixels).max() == 127


def test_a_stated_white_below_the_highest_value_is_not_believed() -> None:
    opened = open_image(tiff(ramp(12, 3), white=255))
    assert np.asarray(opened.pixels).max() == 255
    assert np.asarray(opened.pixels)[0, 32, 0] == ramp(12)[0, 32, 0] >> 4


def test_a_png_says_itself_what_white_is() -> None:
    opened = open_image(encoded(Image.fromarray(ramp(12, 1)), "PNG"))
    assert np.asarray(opened.pixels).max() == 4095 >> 8
    assert opened.notes == ()


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("strips", [1, 7])
def test_colours_that_are_kept_apart_are_read_as_those_that_are_not(
    bits: int, channels: int, order: str, strips: int
) -> None:
    values = ramp(bits, channels)
    values[..., 1] = values[:, ::-1, 1]
    values[:20, :, 2] = 0
    whole, apart = (open_image(tiff(values, order=order, apart=each)) for each in (0, strips))
    assert apart.pixels.tobytes() == whole.pixels.tobytes()
    assert apart.notes == whole.notes


def test_packed_colours_that_are_kept_apart_are_read_where_their_upper_bytes_are_enough() -> None:
    values = ramp(16, 3)
    assert (
        open_image(tiff(values, packed=True, apart=1)).pixels.tobytes() == open_image(tiff(values)).pixels.tobytes()
    )
    with pytest.raises(LesionvizError, match=r"deep\.tif keeps each colour apart, in 16 bits.*8-bit image"):
        open_image(tiff(ramp(12, 3), packed=True, apart=1), "deep.tif")


def test_a_cut_file_of_colours_that_are_kept_apart_is_refused_in_words() -> None:
    with pytest.raises(LesionvizError, match="damaged"):
        open_image(tiff(ramp(16, 3), apart=1)[:-100])

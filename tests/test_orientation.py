"""Pictures are turned by their orientation alone, whatever else a camera wrote; EXIF data made by hand."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionviz.imaging import open_image
from lesionviz.imaging.orientation import read_orientation

Entry = tuple[int, int, int, bytes]
"""Tag, type, count, and the value's bytes."""
SIZES = {1: (64, 48), 2: (64, 48), 3: (64, 48), 4: (64, 48), 5: (48, 64), 6: (48, 64), 7: (48, 64), 8: (48, 64)}
CORNERS = {1: "rgbw", 2: "grwb", 3: "wbgr", 4: "bwrg", 5: "rbgw", 6: "brwg", 7: "wgbr", 8: "gwrb"}
"""Colours of the corners once upright: top left, top right, bottom left, bottom right."""
LETTERS = {(255, 0, 0): "r", (0, 255, 0): "g", (0, 0, 255): "b", (255, 255, 255): "w"}
ODD = {
    "-1/0": (10, "ll", (-1, 0)),
    "-1/1": (10, "ll", (-1, 1)),
    "1/-5": (10, "ll", (1, -5)),
    "0/0": (5, "LL", (0, 0)),
    "1/0": (5, "LL", (1, 0)),
    "4294967295/0": (5, "LL", (2**32 - 1, 0)),
    "-2147483648/-1": (10, "ll", (-(2**31), -1)),
}


def exif_of(orientation: int, *others: Entry, order: str = "<", kind: int = 3) -> bytes:
    """EXIF data with an orientation and other tags, each value that takes more than four bytes behind the list."""
    value = struct.pack(order + {1: "Bxxx", 3: "Hxx", 4: "L"}[kind], orientation)
    entries = sorted([(0x0112, kind, 1, value), *others])
    behind, listed = b"", b""
    for tag, form, count, raw in entries:
        place = struct.pack(f"{order}L", 8 + 2 + 12 * len(entries) + 4 + len(behind))
        listed += struct.pack(f"{order}HHL", tag, form, count) + (raw.ljust(4, b"\0") if len(raw) <= 4 else place)
        behind += raw if len(raw) > 4 else b""
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}L", 8)
    return b"Exif\0\0" + start + struct.pack(f"{order}H", len(entries)) + listed + bytes(4) + behind


def encoded(kind: str, exif: bytes, **options: object) -> bytes:
    quarters = Image.new("RGB", (64, 48), "white")
    for colour, box in (("red", (0, 0, 32, 24)), ("#0f0", (32, 0, 64, 24)), ("blue", (0, 24, 32, 48))):
        quarters.paste(colour, box)
    buffer = io.BytesIO()
    quality = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    quarters.save(buffer, kind, exif=exif, **quality, **options)
    return buffer.getvalue()


def corners(pixels: Image.Image) -> str:
    width, height = pixels.size
    places = [(8, 8), (width - 8, 8), (8, height - 8), (width - 8, height - 8)]
    near = [tuple(255 if value > 127 else 0 for value in pixels.getpixel(place)) for place in places]
    return "".join(LETTERS[colour] for colour in near)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(kind: str, orientation: int) -> None:
    opened = open_image(encoded(kind, exif_of(orientation))).pixels
    assert (opened.size, corners(opened)) == (SIZES[orientation], CORNERS[orientation])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_tiff_pictures_are_turned_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_image(encoded("TIFF", exif.tobytes())).pixels
    assert (opened.size, corners(opened)) == (SIZES[orientation], CORNERS[orientation])


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tag", [0x011A, 0x011B, 0x829A], ids=["XResolution", "YResolution", "ExposureTime"])
def test_odd_rationals_in_other_tags_never_matter(odd: str, kind: str, tag: int) -> None:
    form, code, value = ODD[odd]
    for order, orientation in (("<", 6), (">", 3), ("<", 1)):
        other = (tag, form, 1, struct.pack(order + code, *value))
        opened = open_image(encoded(kind, exif_of(orientation, other, order=order))).pixels
        assert (opened.size, corners(opened)) == (SIZES[orientation], CORNERS[orientation])


@pytest.mark.parametrize(
    "other",
    [
        (0x010F, 2, 2**31, b"\xff\xff\xff\x7f"),  # a maker's name of two gigabytes
        (0x010E, 99, 1, b"odd"),  # a type that does not exist
        (0x010E, 2, 0, b""),
        (0x8769, 4, 1, b"\xff\xff\xff\xff"),  # camera settings that stand beyond the end
        (0x8825, 4, 1, b"\x08\0\0\0"),  # a place that points back at the list itself
    ],
    ids=["length", "type", "count", "settings", "loop"],
)
def test_broken_tags_beside_it_never_matter(other: Entry) -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        opened = open_image(encoded(kind, exif_of(6, other))).pixels
        assert (opened.size, corners(opened)) == (SIZES[6], CORNERS[6])


@pytest.mark.parametrize("kind", [1, 3, 4], ids=["byte", "short", "long"])
def test_the_orientation_is_read_in_every_whole_number_type(kind: int) -> None:
    for order in "<>":
        assert read_orientation(exif_of(8, order=order, kind=kind)) == 8
        assert read_orientation(exif_of(8, order=order, kind=kind).removeprefix(b"Exif\0\0")) == 8


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(orientation: int) -> None:
    opened = open_image(encoded("JPEG", exif_of(orientation))).pixels
    assert corners(opened) == "rgbw"


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"XX*\0abcdefgh"]
)
def test_what_is_no_exif_data_turns_nothing(exif: bytes) -> None:
    assert read_orientation(exif) is None
    assert corners(open_image(encoded("JPEG", exif)).pixels) == "rgbw"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 40))
def test_any_bytes_give_an_orientation_or_none(data: bytes, cut: int) -> None:
    whole = exif_of(6, (0x010F, 2, 20, b"a maker of cameras.\0"))
    for exif in (data, whole[: len(whole) - cut], whole[:cut] + data):
        assert read_orientation(exif) in {None, *range(1, 9)}


def test_pictures_of_pillow_are_turned_by_the_tag_that_they_carry() -> None:
    made = Image.open(io.BytesIO(encoded("PNG", b""))).convert("RGB")
    made.getexif()[0x0112] = 6
    assert corners(open_image(made).pixels) == CORNERS[6]
    opened = Image.open(io.BytesIO(encoded("PNG", exif_of(8))))
    assert corners(open_image(opened).pixels) == CORNERS[8]
    assert corners(open_image(opened.convert("RGB")).pixels) == CORNERS[8]


def test_older_programs_exif_text_in_a_png_is_read() -> None:
    data = exif_of(6)
    text = Image.open(io.BytesIO(encoded("PNG", b"")))
    text.load()
    text.info["Raw profile type exif"] = f"\nexif\n{len(data):8}\n{data.hex()}\n"
    assert corners(open_image(text).pixels) == CORNERS[6]
    text.info["Raw profile type exif"] = "\nexif\n 9\nno digits\n"
    assert corners(open_image(text).pixels) == "rgbw"


def test_the_orientation_of_xmp_counts_where_there_is_no_other() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="8"/></x:xmpmeta>'
    assert corners(open_image(encoded("WEBP", b"", xmp=xmp)).pixels) == CORNERS[8]
    assert corners(open_image(encoded("WEBP", exif_of(3), xmp=xmp)).pixels) == CORNERS[3]

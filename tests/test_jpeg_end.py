"""JPEG files without their end marker: whole when no pixel is missing, refused otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from drawn_files import encoded, noise, picture
from PIL import Image

from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image
from lesionviz.imaging.jpeg import without_end

WAYS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 4},
    "fine": {"quality": 98, "subsampling": 0},
    "optimised": {"optimize": True},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("image", [picture(), noise(), picture().convert("L"), noise().convert("CMYK")])
def test_a_jpeg_without_its_end_marker_gives_every_pixel(way: str, image: Image.Image) -> None:
    data = encoded(image, "JPEG", **WAYS[way])
    assert data.endswith(b"\xff\xd9")
    for cut in (data[:-2], data[:-1], data[:-2] + bytes(512)):  # gone, half, or overwritten with zeros
        opened = open_image(cut)
        assert opened.pixels.tobytes() == open_image(data).pixels.tobytes()
        assert opened.notes == ()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("image", [picture(), noise()], ids=["smooth", "noise"])
def test_a_jpeg_that_lacks_more_is_refused(way: str, image: Image.Image) -> None:
    data = encoded(image, "JPEG", **WAYS[way])
    whole = open_image(data).pixels.tobytes()
    start = data.rindex(b"\xff\xda") + 12
    refused = 0
    for length in {*range(start, len(data) - 2, max(1, (len(data) - start) // 40)), len(data) - 4, len(data) - 6}:
        try:
            opened = open_image(data[:length], "cut.jpg")
        except LesionvizError:
            refused += 1
        else:  # the last byte may hold nothing but filling
            assert opened.pixels.tobytes() == whole
            assert length >= len(data) - 4
    assert refused >= 20


def test_a_progressive_jpeg_that_stops_between_two_scans_is_refused() -> None:
    data = encoded(noise(), "JPEG", progressive=True)
    scans = [place for place in range(len(data)) if data[place : place + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for place in scans[1:]:
        # Tables for the next scan come before its start; cutting there leaves whole scans only.
        end = data.rfind(b"\xff\xc4", 0, place)
        for cut in (place, end if end > scans[0] else place):
            assert without_end(data[:cut]) is None


def test_a_jpeg_cut_at_a_restart_marker_is_refused() -> None:
    data = encoded(noise(), "JPEG", restart_marker_blocks=4)
    places = [i for i in range(len(data)) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]
    assert places
    for place in places:
        for cut in (place, place + 2):
            assert without_end(data[:cut]) is None

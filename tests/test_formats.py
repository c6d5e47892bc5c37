"""Files as phones write them, and their names and sizes; every one is made here."""

from __future__ import annotations

import io
import re
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from drawn_files import difference, encoded, picture
from icc_profiles import DISPLAY_P3, rgb_profile
from PIL import Image, features

from lesionviz.data.tables import SUFFIXES
from lesionviz.errors import LesionvizError, TooManyPixelsError
from lesionviz.imaging import ENDINGS, MAX_PIXELS, check_size, containers, door, open_image
from lesionviz.widgets.parts.upload import Upload

pillow_heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif, a dependency of lesionviz")
WIDGETS = Path(door.__file__).parents[1] / "widgets"


@pytest.fixture(scope="module")
def heic() -> bytes:
    pillow_heif.register_heif_opener()
    return encoded(picture(), "HEIF", quality=95, chroma=444)


def test_what_iphones_save_is_read(heic: bytes, tmp_path: Path) -> None:
    for ending in ("heic", "HEIC", "heif", "hif", "jpg"):  # the bytes say what it is, not the name
        path = tmp_path / f"IMG_0001.{ending}"
        path.write_bytes(heic)
        opened = open_image(path)
        assert opened.name == path.name
        assert difference(opened.pixels, picture()) < 4


def test_colours_and_turns_of_a_heic_are_those_of_any_file() -> None:
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(
        picture(), "HEIF", quality=95, chroma=444, exif=exif.tobytes(), icc_profile=rgb_profile(DISPLAY_P3, 2.2)
    )
    png = encoded(picture(), "PNG", exif=exif, icc_profile=rgb_profile(DISPLAY_P3, 2.2))
    opened, expected = open_image(data), open_image(png)
    assert opened.pixels.size == (48, 64)
    assert difference(opened.pixels, expected.pixels) < 4
    assert opened.notes == ()


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_cut_heic_is_refused_in_words(heic: bytes, share: float) -> None:
    with pytest.raises(LesionvizError, match=r"IMG\.heic is (damaged|not a picture)"):
        open_image(heic[: int(share * len(heic))], "IMG.heic")


def test_without_its_reader_a_heic_is_named_as_one(heic: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(LesionvizError, match=r"IMG\.heic is a HEIC picture.*pip install pillow-heif.*JPEG"):
        open_image(heic, "IMG.heic")


def test_avif_is_read_where_pillow_has_it() -> None:
    if not (hasattr(features, "check_module") and "avif" in features.modules and features.check("avif")):
        pytest.skip("needs a Pillow with AVIF (11.3 or newer)")
    exif = Image.Exif()
    exif[0x0112] = 8
    opened = open_image(encoded(picture(), "AVIF", quality=95, exif=exif))
    assert opened.pixels.size == (48, 64)
    assert difference(opened.pixels, picture().transpose(Image.Transpose.ROTATE_90)) < 6


@pytest.mark.parametrize("brands", [b"avif\0\0\0\0mif1", b"mif1\0\0\0\0avif", b"avis\0\0\0\0msf1"])
def test_where_pillow_has_no_avif_that_is_said(brands: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers.features, "check", lambda _name: False)
    data = struct.pack(">L", 8 + len(brands)) + b"ftyp" + brands + bytes(100)
    with pytest.raises(LesionvizError, match=r"a\.avif is an AVIF picture.*pip install --upgrade pillow.*JPEG"):
        open_image(data, "a.avif")


@pytest.mark.parametrize("brand", [b"isom", b"mp42", b"qt  ", b"crx "])
def test_films_and_raw_files_are_no_pictures(brand: bytes) -> None:
    data = struct.pack(">L", 20) + b"ftyp" + brand + bytes(4) + b"mp41" + bytes(100)
    with pytest.raises(LesionvizError, match=r"not a picture that can be read here\. Use a JPEG, PNG, .* HEIC"):
        open_image(data, "film.mov")


def large_jpeg(width: int, height: int, **options: Any) -> bytes:
    """One colour, so that it is made and read quickly."""
    return encoded(Image.new("L", (width, height), 120), "JPEG", **options)


def test_a_fifty_megapixel_photograph_passes_in_full() -> None:
    opened = open_image(large_jpeg(8192, 6144))
    assert opened.pixels.size == (8192, 6144)
    assert opened.notes == ()


@pytest.mark.parametrize(
    ("size", "limit", "read", "words"),
    [
        ((800, 600), 479_999, (400, 300), "a half"),
        ((801, 601), 150_000, (401, 301), "a half"),  # rounded up
        ((800, 600), 60_000, (200, 150), "a quarter"),
        ((800, 600), 20_000, (100, 75), "an eighth"),
    ],
)
def test_of_a_larger_jpeg_a_smaller_copy_is_read_and_that_is_said(
    size: tuple[int, int], limit: int, read: tuple[int, int], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MAX_PIXELS", limit)
    for data in (encoded(picture(*size), "JPEG", quality=95), encoded(picture(*size), "JPEG", quality=95)[:-2]):
        opened = open_image(data)
        assert opened.pixels.size == read
        assert difference(opened.pixels, picture(*size).resize(read, Image.Resampling.BOX)) < 2
        assert len(opened.notes) == 1
        assert opened.notes[0].startswith(f"read at {words} of its width and height")


def test_a_callers_picture_is_never_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_PIXELS", 100_000)
    mine = Image.open(io.BytesIO(encoded(picture(400, 300), "JPEG")))
    with pytest.raises(LesionvizError, match="400 × 300"):
        open_image(mine)
    assert mine.size == (400, 300)


@pytest.mark.parametrize("tag", [{50706: b"\1\4\0\0"}, {254: 1}, {254: 3}])
def test_the_preview_of_a_cameras_raw_file_is_not_taken_for_the_photograph(tag: dict[int, Any]) -> None:
    data = encoded(picture(), "TIFF", tiffinfo=tag)
    with pytest.raises(LesionvizError, match=r"IMG_1\.DNG begins with a preview.*Export the photograph as a JPEG"):
        open_image(data, "IMG_1.DNG")
    assert open_image(encoded(picture(), "TIFF", tiffinfo={254: 2})).pixels.size == picture().size


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "HEIF"])
def test_other_formats_above_the_limit_get_the_way_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif.register_heif_opener()
    monkeypatch.setattr(door, "MAX_PIXELS", 1000)
    with pytest.raises(TooManyPixelsError, match=r"phone has 64 × 48 pixels.*Send a smaller copy: 4,000 pixels"):
        open_image(encoded(picture(), kind), "phone")
    assert MAX_PIXELS == 8192 * 6144


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JPG", ".jpeg"])
def test_every_spelling_of_jpeg_is_known(ending: str, tmp_path: Path) -> None:
    assert ending.lower() in ENDINGS
    path = tmp_path / f"lesion{ending}"
    path.write_bytes(encoded(picture(), "JPEG"))
    assert open_image(path).name == path.name


def test_collections_and_the_page_take_files_of_every_ending() -> None:
    assert SUFFIXES == ENDINGS
    script = (WIDGETS / "parts" / "upload.js").read_text()
    (accepted,) = re.findall(r'const ACCEPTED = "([^"]+)"', script)
    assert set(accepted.split(",")) == ENDINGS
    (pattern,) = re.findall(r"/(\S+)/i\.test\(file\.name\)", script)
    assert all(re.search(pattern, f"lesion{ending}") for ending in ENDINGS)
    assert not re.search(pattern, "lesion.txt")


def test_empty_and_too_large_are_two_sentences(tmp_path: Path) -> None:
    (tmp_path / "nothing.jpg").touch()
    for empty in (tmp_path / "nothing.jpg", b""):
        with pytest.raises(LesionvizError, match="is empty: it has no bytes") as caught:
            open_image(empty)
        assert "MiB" not in str(caught.value)
    with pytest.raises(LesionvizError, match=r"a\.tif has more than 64 MiB.*it has 65\.0") as caught:
        check_size(65 * 2**20, "a.tif")
    assert "empty" not in str(caught.value)
    check_size(64 * 2**20, "a.tif")


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "is empty"), (-1, "is empty"), (65 * 2**20, "more than 64 MiB"), (None, "without its size"), (1.5, "size")],
)
def test_uploads_are_refused_by_the_same_sentences(size: object, words: str) -> None:
    with pytest.raises(LesionvizError, match=rf"mole\.jpg .*{words}"):
        Upload().begin({"id": 1, "name": "mole.jpg", "size": size})

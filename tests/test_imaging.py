"""Every way a picture can come in, and every way it can be wrong."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage, door, open_image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def quarters() -> Image.Image:
    """64 × 48: top left red, top right green, bottom left blue, bottom right white."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32, 0] = pixels[:24, 32:, 1] = pixels[24:, :32, 2] = 255
    pixels[24:, 32:] = 255
    return Image.fromarray(pixels)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_lossless_formats_return_the_pixels_bit_for_bit(kind: str, quarters: Image.Image) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    opened = open_image(encoded(quarters, kind, **options))
    assert opened.pixels.mode == "RGB"
    assert opened.pixels.tobytes() == quarters.tobytes()


def test_jpeg_comes_within_a_few_grey_levels(quarters: Image.Image) -> None:
    opened = np.asarray(open_image(encoded(quarters, "JPEG", quality=95, subsampling=0)).pixels, int)
    assert np.abs(opened - np.asarray(quarters, int))[4:20, 4:28].max() < 12


@pytest.mark.parametrize(
    ("orientation", "top_left", "size"),
    [(1, "red", (64, 48)), (3, "white", (64, 48)), (6, "blue", (48, 64)), (8, "green", (48, 64))],
)
def test_exif_rotation_is_applied(
    orientation: int, top_left: str, size: tuple[int, int], quarters: Image.Image
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    opened = open_image(encoded(quarters, "PNG", exif=exif)).pixels
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
    assert opened.size == size
    assert opened.getpixel((4, 4)) == colours[top_left]


def test_cmyk_jpeg_becomes_rgb() -> None:
    cyan = Image.new("CMYK", (40, 40), (255, 0, 0, 0))
    red, green, blue = open_image(encoded(cyan, "JPEG", quality=95)).pixels.getpixel((20, 20))
    assert red < 40
    assert green > 200
    assert blue > 200


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_upper_eight_bits(kind: str) -> None:
    values = np.full((40, 40), 0xAB12, np.uint16)
    opened = open_image(encoded(Image.fromarray(values), kind))
    assert opened.pixels.getpixel((0, 0)) == (0xAB, 0xAB, 0xAB)


def test_transparency_is_laid_on_white() -> None:
    half = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    half.paste((0, 0, 255, 255), (0, 0, 20, 40))
    opened = open_image(encoded(half, "PNG")).pixels
    assert opened.getpixel((5, 5)) == (0, 0, 255)
    assert opened.getpixel((35, 5)) == (255, 255, 255)


def test_palette_picture_with_a_transparent_colour_is_laid_on_white() -> None:
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([10, 20, 30, 200, 0, 0])
    palette.paste(0, (0, 0, 20, 40))
    opened = open_image(encoded(palette, "PNG", transparency=0)).pixels
    assert opened.getpixel((5, 5)) == (255, 255, 255)
    assert opened.getpixel((35, 5)) == (200, 0, 0)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "PNG"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert open_image(data).pixels.getpixel((1, 1)) == (255, 0, 0)


def test_array_path_bytes_and_pil_give_the_same_pixels(quarters: Image.Image, tmp_path: Path) -> None:
    path = tmp_path / "naevus.png"
    quarters.save(path)
    opened = [open_image(source) for source in (path, str(path), path.read_bytes(), quarters, np.asarray(quarters))]
    assert {image.pixels.tobytes() for image in opened} == {quarters.tobytes()}
    assert [image.name for image in opened] == ["naevus.png", "naevus.png", "image", "image", "image"]


def test_the_result_shares_no_memory_with_the_caller(quarters: Image.Image) -> None:
    opened = open_image(quarters)
    quarters.putpixel((0, 0), (9, 9, 9))
    assert opened.pixels.getpixel((0, 0)) == (255, 0, 0)


def test_an_opened_picture_passes_through_unchanged(quarters: Image.Image) -> None:
    opened = open_image(quarters, "one")
    assert open_image(opened) is opened
    assert open_image(opened, "two").name == "two"
    assert isinstance(opened, LesionImage)


def huge_png(width: int, height: int) -> bytes:
    """A PNG header that claims any size, with no pixels behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8_000, 60_000])
def test_too_many_pixels_are_refused_before_any_is_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: Image.Image) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decode)
    with pytest.raises(LesionvizError, match=r"bomb\.png .*million"):
        open_image(huge_png(side, side), "bomb.png")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"%PDF-1.7 report", "not a picture"),
        (b"GIF89a" + bytes(100), "not a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "(not a picture|damaged)"),
    ],
)
def test_foreign_bytes_are_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(LesionvizError, match=words) as caught:
        open_image(data, "upload.jpg")
    assert "upload.jpg" in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_truncated_files_are_refused_in_words(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(LesionvizError, match=r"damaged|not a picture"):
        open_image(data[: len(data) // 2], "cut")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_flipped_bytes_give_a_picture_or_a_refusal_and_nothing_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "BMP"]))
    broken = bytearray(encoded(Image.new("RGB", (40, 33), (120, 80, 60)), kind))
    for _ in range(data.draw(st.integers(1, 12))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(LesionvizError):
        assert open_image(bytes(broken)).pixels.mode == "RGB"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((40, 40), np.uint8), "shape"),
        (np.zeros((40, 40, 3), np.float32), "uint8"),
        (np.zeros((40, 40, 4), np.uint8), "shape"),
        (np.zeros((8, 400, 3), np.uint8), "at least 32"),
        (Image.new("F", (40, 40)), "floating-point"),
        (17, "int"),
        (None, "NoneType"),
    ],
)
def test_unusable_objects_are_refused_in_words(source: object, words: str) -> None:
    with pytest.raises(LesionvizError, match=words):
        open_image(source)  # type: ignore[arg-type]


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match=r"no file .*lost\.jpg"):
        open_image(tmp_path / "lost.jpg")
    with pytest.raises(LesionvizError, match="is a folder"):
        open_image(tmp_path)


def test_a_file_beyond_the_byte_limit_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_BYTES", 1000)
    path = tmp_path / "big.bmp"
    path.write_bytes(bytes(1001))
    with pytest.raises(LesionvizError, match=r"big\.bmp has"):
        open_image(path)
    with pytest.raises(LesionvizError, match="image has"):
        open_image(bytes(1001))

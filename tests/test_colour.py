"""Colours of pictures with profiles, against the formulas of their colour spaces; the profiles are made by hand."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from icc_profiles import ADOBE_RGB, DISPLAY_P3, SRGB, cmyk_profile, grey_profile, rgb_profile
from PIL import Image, ImageCms

from lesionviz.classifier import LesionClassifier
from lesionviz.imaging import colour, open_image
from lesionviz.imaging.colour import BROKEN, FOREIGN, NO_LITTLECMS
from lesionviz.widgets.case.bundle import photo_of

SKIN = (200, 140, 120)
RED = (138, 209, 198)
"""The red of sRGB in CIELAB, D50: 54.3, 80.8 and 69.9, in bytes (L* × 2.55, a* and b* + 128)."""


def encoded(image: Image.Image, kind: str, profile: bytes | None, **options: object) -> bytes:
    buffer = io.BytesIO()
    best = {"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(kind, {})
    image.save(buffer, kind, icc_profile=profile, **best, **options)
    return buffer.getvalue()


def srgb(linear: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IEC 61966-2-1: light from 0 to 1 as values from 0 to 255."""
    bent = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055)
    return 255 * np.clip(bent, 0, 1)


def by_formula(
    pixel: tuple[int, ...], primaries: tuple[tuple[float, ...], ...], gamma: float
) -> npt.NDArray[np.float64]:
    light = (np.array(pixel) / 255) ** gamma
    return srgb(np.linalg.inv(np.array(SRGB).T) @ np.array(primaries).T @ light)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("primaries", "gamma"), [(DISPLAY_P3, 2.2), (ADOBE_RGB, 2.19921875), (SRGB, 1.0)], ids=["P3", "Adobe", "linear"]
)
def test_colours_are_converted_by_the_formula_of_their_space(
    kind: str, primaries: tuple[tuple[float, ...], ...], gamma: float
) -> None:
    for pixel in (SKIN, (90, 60, 50), (150, 150, 150)):
        data = encoded(Image.new("RGB", (40, 40), pixel), kind, rgb_profile(primaries, gamma))
        opened = open_image(data)
        assert opened.notes == ()
        assert np.abs(np.array(opened.pixels.getpixel((9, 9))) - by_formula(pixel, primaries, gamma)).max() < 2.6


def test_the_same_skin_saved_in_two_spaces_gives_the_same_picture() -> None:
    light = np.linalg.inv(np.array(DISPLAY_P3).T) @ np.array(SRGB).T @ ((np.array(SKIN) / 255) ** 2.2)
    as_p3 = tuple(np.round(255 * light ** (1 / 2.2)).astype(int).tolist())
    assert as_p3 != SKIN
    pixels = [
        open_image(encoded(Image.new("RGB", (40, 40), value), "PNG", rgb_profile(primaries, 2.2))).pixels
        for value, primaries in ((SKIN, SRGB), (as_p3, DISPLAY_P3))
    ]
    first, second = (np.array(picture.getpixel((5, 5))) for picture in pixels)
    assert np.abs(first - second).max() <= 1


def test_greys_are_converted_by_the_exponent_of_theirs() -> None:
    expected = srgb(np.array(100 / 255) ** 1.0)  # linear light: 100 becomes 168
    for image, kind in (
        (Image.new("L", (40, 40), 100), "PNG"),
        (Image.new("L", (40, 40), 100), "JPEG"),
        (Image.new("LA", (40, 40), (100, 255)), "PNG"),
        (Image.fromarray(np.full((40, 40), 100 << 8, np.uint16)), "PNG"),
    ):
        opened = open_image(encoded(image, kind, grey_profile(1.0)))
        assert opened.pixels.getpixel((5, 5)) == pytest.approx((expected,) * 3, abs=1.5)
        assert opened.notes == ()


def test_a_grey_picture_may_have_the_profile_of_a_colour_one() -> None:
    data = encoded(Image.new("L", (40, 40), 100), "JPEG", rgb_profile(SRGB, 1.0))
    opened = open_image(data)
    assert opened.pixels.getpixel((5, 5)) == pytest.approx((168,) * 3, abs=1.5)
    assert opened.notes == ()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_printing_inks_are_converted_by_the_table_of_their_press(kind: str) -> None:
    profile = cmyk_profile(paper=(255, 128, 128), ink=RED)
    for inks, expected in (((0, 0, 0, 0), (255, 255, 255)), ((255, 0, 0, 0), (255, 0, 0))):
        opened = open_image(encoded(Image.new("CMYK", (40, 40), inks), kind, profile))
        assert np.abs(np.array(opened.pixels.getpixel((5, 5))) - expected).max() <= 4
        assert opened.notes == ()


def test_transparent_and_palette_pictures_are_converted_before_they_are_laid_on_white() -> None:
    profile = rgb_profile(DISPLAY_P3, 2.2)
    clear = Image.new("RGBA", (40, 40), (*SKIN, 255))
    clear.paste((*SKIN, 0), (0, 0, 20, 40))
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([0, 0, 0, *SKIN])
    palette.paste(0, (0, 0, 20, 40))
    for image, more in ((clear, {}), (palette, {"transparency": 0})):
        opened = open_image(encoded(image, "PNG", profile, **more)).pixels
        assert opened.getpixel((5, 5)) == (255, 255, 255)
        assert np.abs(np.array(opened.getpixel((35, 5))) - by_formula(SKIN, DISPLAY_P3, 2.2)).max() < 1.6


def test_a_lab_picture_needs_no_profile() -> None:
    red = Image.new("LAB", (40, 40), RED)
    assert np.abs(np.array(open_image(encoded(red, "TIFF", None)).pixels.getpixel((5, 5))) - (255, 0, 0)).max() <= 6


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_profile_that_is_srgb_changes_no_bit_and_costs_no_conversion(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    image = Image.fromarray(noise).convert(mode)
    data = encoded(image, "PNG", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    open_image(data)  # the profile is looked at once
    monkeypatch.setattr(ImageCms, "applyTransform", None)
    opened = open_image(data)
    assert opened.pixels.tobytes() == image.convert("RGB").tobytes()
    assert opened.notes == ()


def test_a_profile_is_taken_by_what_it_does_and_not_by_its_name() -> None:
    named = rgb_profile(DISPLAY_P3, 2.2).replace(b"drawn for a test", b"sRGB IEC61966-2.")
    opened = open_image(encoded(Image.new("RGB", (40, 40), SKIN), "PNG", named)).pixels
    assert opened.getpixel((5, 5)) != SKIN


def test_a_profile_in_several_parts_is_put_together_and_one_that_is_missing_is_said() -> None:
    profile = rgb_profile(DISPLAY_P3, 2.2) + bytes(150_000)  # more than the 64 KB of one part
    profile = struct.pack(">L", len(profile)) + profile[4:]
    skin = Image.new("RGB", (64, 48), SKIN)
    data, one = (encoded(skin, "JPEG", each) for each in (profile, rgb_profile(DISPLAY_P3, 2.2)))
    assert open_image(data).pixels.tobytes() == open_image(one).pixels.tobytes()
    second = data.index(b"ICC_PROFILE\0\2") - 4  # its marker and length
    (length,) = struct.unpack_from(">H", data, second + 2)
    cut = open_image(data[:second] + data[second + 2 + length :])
    assert cut.notes == (BROKEN,)
    assert cut.pixels.tobytes() == open_image(encoded(skin, "JPEG", None)).pixels.tobytes()


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        bytes(200),
        rgb_profile(DISPLAY_P3, 2.2)[:150],
        rgb_profile(DISPLAY_P3, 2.2).replace(b"rXYZ", b"nope"),
        cmyk_profile((255, 128, 128), (0, 128, 128)).replace(b"mft1", b"nope"),
    ],
    ids=["text", "zeros", "cut", "without red", "without table"],
)
def test_a_damaged_profile_is_left_out_and_said(profile: bytes) -> None:
    image = Image.new(
        "CMYK" if b"CMYK" in profile else "RGB", (40, 40), (30, 60, 90, 0)[: 4 if b"CMYK" in profile else 3]
    )
    opened = open_image(encoded(image, "JPEG", profile))
    assert opened.notes == (BROKEN,)
    assert opened.pixels.tobytes() == open_image(encoded(image, "JPEG", None)).pixels.tobytes()


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", grey_profile(1.0)),
        ("RGB", cmyk_profile((255, 128, 128), (0, 128, 128))),
        ("CMYK", rgb_profile(SRGB, 1.0)),
        ("L", cmyk_profile((255, 128, 128), (0, 128, 128))),
    ],
)
def test_a_profile_of_other_colours_is_left_out_and_said(mode: str, profile: bytes) -> None:
    image = Image.new(mode, (40, 40))
    opened = open_image(encoded(image, "JPEG", profile))
    assert opened.notes == (FOREIGN,)
    assert opened.pixels.tobytes() == open_image(encoded(image, "JPEG", None)).pixels.tobytes()


def test_without_littlecms_the_picture_is_shown_as_it_is_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour.features, "check", lambda _name: False)
    opened = open_image(encoded(Image.new("RGB", (40, 40), SKIN), "PNG", rgb_profile(DISPLAY_P3, 2.2)))
    assert opened.notes == (NO_LITTLECMS,)
    assert opened.pixels.getpixel((5, 5)) == SKIN


def test_the_picture_that_is_shown_and_asked_about_is_the_converted_one(classifier: LesionClassifier) -> None:
    data = encoded(Image.new("RGB", (200, 150), SKIN), "PNG", rgb_profile(ADOBE_RGB, 2.2))
    opened = open_image(data)
    shown = Image.open(io.BytesIO(photo_of(opened))).getpixel((50, 50))
    expected = by_formula(SKIN, ADOBE_RGB, 2.2)
    assert np.abs(np.array(shown) - expected).max() < 4
    assert np.abs(classifier.examine(opened).seen[50, 50].astype(int) - expected).max() < 2
    assert "icc_profile" not in opened.pixels.info


def test_a_note_about_the_colours_arrives_with_the_answer(classifier: LesionClassifier) -> None:
    data = encoded(Image.new("RGB", (200, 150), SKIN), "PNG", b"broken")
    assert BROKEN in classifier.predict(data).notes
    assert BROKEN in classifier.examine(data).prediction.notes


def test_many_threads_convert_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (120, 160, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "PNG", rgb_profile(DISPLAY_P3, 1.8))
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: open_image(data).pixels.tobytes(), range(32)))) == 1

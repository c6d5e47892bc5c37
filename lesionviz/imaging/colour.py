"""Colours as they were meant: whatever profile a picture carries, converted to sRGB by LittleCMS.

Phones save Display P3, photographers Adobe RGB or ProPhoto RGB. Read as sRGB such pictures look pale, and the
classifier, which learned from sRGB, is asked about colours that nobody saw.
"""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms, features

BROKEN = "shown without its colour profile, which is damaged"
FOREIGN = "shown without its colour profile, which does not fit its kind of colours"
NO_LITTLECMS = "shown without its colour profile, because Pillow was installed without LittleCMS here"
MODES = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK", "Lab ": "LAB"}
"""What Pillow calls a profile's colour space."""
_NEAR = 1
"""Grey levels of 255 by which a profile may differ from sRGB and still be taken for it."""


def to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """Return a picture in sRGB, and a note where its profile could not be followed.

    Args:
        image: decoded, of mode L, RGB, CMYK or LAB, with its profile, if any, in ``info["icc_profile"]``.

    Returns:
        Mode RGB, the picture itself where it is that already, and a few words that go on from "the picture is", or nothing.
    """
    profile = image.info.get("icc_profile")
    if not profile and image.mode == "LAB":
        profile = _lab_profile()
    if not isinstance(profile, bytes) or not profile:
        # Pillow knows of a profile and has none: of a JPEG whose profile is in several parts, one is missing.
        lost = profile is None and "icc_profile" in image.info
        return image if image.mode == "RGB" else image.convert("RGB"), BROKEN if lost else ""
    if not features.check("littlecms2"):
        return image.convert("RGB"), NO_LITTLECMS
    space = _space(profile)
    if space is None:
        return image.convert("RGB"), BROKEN
    if image.mode == "L" and space == "RGB":  # many programs give a grey picture the profile of a colour one
        image = image.convert("RGB")
    if image.mode != space:
        return image.convert("RGB"), FOREIGN
    try:
        transform = _transform(profile, space)
        return (image.convert("RGB") if transform is None else _apply(transform, image)), ""
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB"), BROKEN


@lru_cache(maxsize=64)
def _space(profile: bytes) -> str | None:
    """Return the mode of pictures that a profile is for; None when it cannot be read."""
    try:
        return MODES.get(ImageCms.getOpenProfile(io.BytesIO(profile)).profile.xcolor_space, "other")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the way from a profile to sRGB; None for a profile that is sRGB itself, by what it does, not by its name.

    Raises:
        ImageCms.PyCMSError, OSError, ValueError: the profile is damaged.
    """
    transform = ImageCms.buildTransform(
        ImageCms.getOpenProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        # Several threads use it at once, so it may keep nothing between two pixels.
        ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOCACHE,
    )
    if mode in {"L", "RGB"}:
        probe = _probe(mode)
        before, after = (np.asarray(each.convert("RGB"), int) for each in (probe, _apply(transform, probe)))
        if np.abs(after - before).max() <= _NEAR:
            return None
    return transform


def _apply(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # it is None only where the picture itself is changed
    return converted


def _probe(mode: str) -> Image.Image:
    """Return every grey, and for colours a grid of seventeen values in each channel."""
    greys = np.arange(256, dtype=np.uint8)
    if mode == "L":
        return Image.fromarray(greys[None])
    steps = np.linspace(0, 255, 17).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(np.concatenate([grid, np.repeat(greys[None, :, None], 3, axis=2)], axis=1))


@lru_cache(maxsize=1)
def _lab_profile() -> bytes:
    """Return the profile of CIELAB itself, which a Lab picture needs no profile to be in."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()

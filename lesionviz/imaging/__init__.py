"""Untrusted bytes to a checked RGB image: the only room through which pictures enter.

:mod:`lesionviz.imaging.door` checks and decodes; the other files each know one thing that real files bring along.
"""

from lesionviz.imaging.containers import ENDINGS
from lesionviz.imaging.door import (
    DECODER,
    MAX_BYTES,
    MAX_PIXELS,
    MIN_SIDE,
    ImageSource,
    LesionImage,
    check_size,
    open_groups,
    open_image,
    open_small,
    open_thumbnail,
    pixels_of,
    read_file,
)

__all__ = [
    "DECODER",
    "ENDINGS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "ImageSource",
    "LesionImage",
    "check_size",
    "open_groups",
    "open_image",
    "open_small",
    "open_thumbnail",
    "pixels_of",
    "read_file",
]

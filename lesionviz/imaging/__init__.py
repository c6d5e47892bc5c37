"""Untrusted bytes to a checked RGB image: the only room through which pictures enter.

:mod:`lesionviz.imaging.door` checks and decodes; the other files each know one thing that real files bring along.
"""

from lesionviz.imaging.door import (
    DECODER,
    FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    MIN_SIDE,
    ImageSource,
    LesionImage,
    open_image,
    read_file,
)

__all__ = [
    "DECODER",
    "FORMATS",
    "MAX_BYTES",
    "MAX_PIXELS",
    "MIN_SIDE",
    "ImageSource",
    "LesionImage",
    "open_image",
    "read_file",
]

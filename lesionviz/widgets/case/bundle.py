"""A case as the browser takes it: picture, network input, answer in short, and raw maps.

Maps are sent once, not pictures of maps: the browser upsamples, colours and blends them itself. All 36 maps of a
method (nine layers, four classes) take 2 bytes a cell: 121 kB at an input of 160 pixels, 236 kB at 224.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.explanation.display import DIVERGING, SEQUENTIAL, colour
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging.encoding import LARGEST, jpeg, png
from lesionviz.network import LAYERS, grid_size

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.imaging import LesionImage

Bundle: TypeAlias = dict[str, Any]
FULL = 32767
"""What a map's largest magnitude becomes. Fixed point keeps 2e-5 of it everywhere; half precision, of the same
size, only 2e-4 near the largest."""


def case_bundle(case: Case, photo: bytes, drawn: bool = False) -> Bundle:
    """Return what the browser must know of a case besides its maps.

    Args:
        case: what the classifier looked at.
        photo: :func:`photo_of` the picture; empty where it will follow.
        drawn: whether the network answered that knows drawings alone.

    Returns:
        ``id`` (of this case), ``photo`` (JPEG bytes, at most ``LARGEST``), ``input`` (PNG bytes, pixel for pixel what
        the network saw), ``source`` (its name), ``width`` and ``height`` (of the upload, pixels), ``box`` (the part
        that the network saw: left, top, right, bottom in these), ``size`` (side of the input, pixels), ``predicted``
        (a code), ``refused`` (why the answer should not be used, or empty), ``drawn``, ``grid`` (cells along a side, by
        layer) and ``methods`` (``key``, ``name``, and ``linear``: whether two maps' difference is that difference's map).
    """
    width, height = case.size
    return {
        "id": case.identity,
        "photo": photo,
        "input": png(Image.fromarray(case.seen)),
        "source": case.name,
        "width": width,
        "height": height,
        "box": list(case.box),
        "size": case.input_size,
        "predicted": case.prediction.diagnosis,
        "refused": case.prediction.refusal,
        "drawn": drawn,
        "grid": {layer: grid_size(layer, case.input_size) for layer in LAYERS},
        "methods": [{"key": m.key, "name": m.name, "linear": m.linear} for m in METHODS.values()],
    }


def photo_of(picture: LesionImage) -> bytes:
    """Return the picture as the browser shows it: JPEG, in its own geometry."""
    return jpeg(picture.pixels, LARGEST)


def pack_maps(case: Case, method: str) -> Bundle:
    """Return the maps of a method that a case holds, as the browser takes them.

    Returns:
        ``layers``: a list, in the network's order, of dicts with ``name``, ``cells`` (along a side) and, a value for
        each class in the order of the diagnoses, ``high`` and ``low`` (largest and smallest value of the map, in
        units of the logit) and ``words`` (what it says). ``values``: the maps one after the other, by layer and
        class, row by row, little-endian int16, ``FULL`` being the larger of ``high`` and ``-low``.
    """
    layers, values = [], []
    for name in (layer for layer in LAYERS if (method, layer) in case.maps):
        explanations = [case.explanation(code, name, method) for code in CODES]
        layers.append(
            {
                "name": name,
                "cells": len(explanations[0].raw),
                "high": [float(e.raw.max()) for e in explanations],
                "low": [float(e.raw.min()) for e in explanations],
                "words": [e.finding for e in explanations],
            }
        )
        for explanation in explanations:
            largest = float(np.abs(explanation.raw).max()) or 1.0
            values.append(np.rint(explanation.raw.astype(np.float64) / largest * FULL).astype("<i2").tobytes())
    return {"layers": layers, "values": b"".join(values)}


@cache
def colour_tables() -> Mapping[str, bytes]:
    """Return 256 RGB colours, 768 bytes, of each colour map; the diverging one is called ``signed``."""
    steps = np.linspace(0, 1, 256, dtype=np.float32)[None]
    names = {name: name for name in SEQUENTIAL} | {"signed": DIVERGING}
    return {key: colour(steps, name).tobytes() for key, name in names.items()}


def classes() -> list[dict[str, str]]:
    """Return code, name and colour of the four classes."""
    return [{"code": d.code, "name": d.name, "colour": d.colour} for d in DIAGNOSES]

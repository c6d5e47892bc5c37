"""One case as it travels to the browser: picture, network input, answer in short, and raw maps.

Maps are sent once, not pictures of maps: the browser upsamples, colours and blends them itself. All 36 maps of a
method (nine layers, four classes) take 2 bytes a cell: 121 kB at an input of 160 pixels, 236 kB at 224.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

import numpy as np

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.explanation.display import DIVERGING, SEQUENTIAL, colour
from lesionviz.explanation.methods import METHODS
from lesionviz.network import LAYERS, grid_size
from lesionviz.widgets.encoding import jpeg, png

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier, Prediction
    from lesionviz.explanation.result import Explanation
    from lesionviz.imaging import LesionImage

Bundle: TypeAlias = dict[str, Any]
LARGEST = (1600, 1600)
"""Width and height in pixels of the largest picture that travels to the browser."""
FULL = 32767
"""What a map's largest magnitude becomes. Fixed point keeps 2e-5 of it everywhere; half precision, of the same
size, only 2e-4 near the largest."""


def case_bundle(
    picture: LesionImage, prediction: Prediction, classifier: LesionClassifier, photo: bytes | None = None
) -> Bundle:
    """Return what the browser must know of a case besides its maps.

    Args:
        picture: what was examined.
        prediction: the answer for it.
        classifier: that gave it.
        photo: :func:`photo_of` the picture, where it was made already; empty where it will follow.

    Returns:
        ``id`` (of this case), ``photo`` (JPEG bytes, at most ``LARGEST``), ``input`` (PNG bytes, pixel for pixel what
        the network sees), ``source`` (its name), ``width`` and ``height`` (of the upload, pixels), ``box`` (the part
        that the network sees: left, top, right, bottom in these), ``size`` (side of the input, pixels), ``predicted``
        (a code), ``refused`` (why the answer should not be used, or empty), ``grid`` (cells along a side, by layer) and
        ``methods`` (``key``, ``name``, and ``linear``: whether two maps' difference is the map of the difference).
    """
    preprocessing = classifier.preprocessing
    width, height = picture.pixels.size
    return {
        "id": uuid4().hex,
        "photo": photo_of(picture) if photo is None else photo,
        "input": png(classifier.network_input(picture)),
        "source": picture.name,
        "width": width,
        "height": height,
        "box": list(preprocessing.box(width, height)),
        "size": preprocessing.size,
        "predicted": prediction.diagnosis,
        "refused": prediction.refusal,
        "grid": {layer: grid_size(layer, preprocessing.size) for layer in LAYERS},
        "methods": [{"key": m.key, "name": m.name, "linear": m.linear} for m in METHODS.values()],
    }


def photo_of(picture: LesionImage) -> bytes:
    """Return the picture as the browser shows it: JPEG, in its own geometry."""
    return jpeg(picture.pixels, LARGEST)


def last_layer_maps(picture: LesionImage, classifier: LesionClassifier, method: str) -> Bundle:
    """Return the maps of the four classes at ``features.8``, which cost nothing after the answer."""
    return pack_maps({(LAYERS[-1], code): classifier.explain(picture, code, method=method) for code in CODES})


def all_maps(picture: LesionImage, classifier: LesionClassifier, method: str) -> Bundle:
    """Return the maps of all layers and classes; about five forwards for the first method of a picture."""
    return pack_maps(classifier.explain_all(picture, method))


def pack_maps(explanations: Mapping[tuple[str, str], Explanation]) -> Bundle:
    """Return maps as the browser takes them.

    Args:
        explanations: by layer and code, all four codes of each layer that occurs.

    Returns:
        ``layers``: a list, in the network's order, of dicts with ``name``, ``cells`` (along a side) and, a value for
        each class in the order of the diagnoses, ``high`` and ``low`` (largest and smallest value of the map, in
        units of the logit) and ``words`` (what it says). ``values``: the maps one after the other, by layer and
        class, row by row, little-endian int16, ``FULL`` being the larger of ``high`` and ``-low``.
    """
    layers, values = [], []
    for name in (layer for layer in LAYERS if (layer, CODES[0]) in explanations):
        maps = [explanations[name, code] for code in CODES]
        layers.append(
            {
                "name": name,
                "cells": len(maps[0].raw),
                "high": [float(e.raw.max()) for e in maps],
                "low": [float(e.raw.min()) for e in maps],
                "words": [e.finding for e in maps],
            }
        )
        for explanation in maps:
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

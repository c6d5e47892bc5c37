"""The named structures: what each is, which diagnosis it names, and which of them a typical drawing has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from lesionviz.data.drawings import carcinoma, keratosis, pigmented
from lesionviz.data.drawings.canvas import Canvas
from lesionviz.diagnoses import CODES, target_index
from lesionviz.errors import LesionvizError

Paint: TypeAlias = Callable[[Canvas, np.random.Generator], None]


@dataclass(frozen=True)
class Structure:
    """Something that dermoscopy has a name for.

    Attributes:
        name: as in textbooks.
        names: code of the diagnosis that it stands for in these drawings; empty where it stands for none.
        sentence: what it looks like.
        paint: draws it into the plain lesion; None for what the lesion is drawn with from the start, or ends with.
    """

    name: str
    names: str
    sentence: str
    paint: Paint | None = None


def _painted(name: str, names: str, paint: Paint) -> Structure:
    return Structure(name, names, " ".join((paint.__doc__ or "").split()), paint)


ASYMMETRY, SHARP, HAIRS = "asymmetric outline", "sharp border", "hairs"
_ALL = (
    Structure(ASYMMETRY, "", "One half of the outline is not the mirror image of the other."),
    Structure(SHARP, "", "The lesion ends abruptly, as if it were stuck on."),
    # From here on in the order of painting: pigment, what lies deep, vessels, what lies on the surface.
    _painted("several colours", "MEL", pigmented.several_colours),
    _painted("regular network", "NV", pigmented.regular_network),
    _painted("faint network", "NV", pigmented.faint_network),
    _painted("regular globules", "NV", pigmented.regular_globules),
    _painted("atypical network", "MEL", pigmented.atypical_network),
    _painted("irregular globules", "MEL", pigmented.irregular_globules),
    _painted("dots", "", pigmented.dots),
    _painted("ridges", "BKL", keratosis.ridges),
    _painted("streaks", "MEL", pigmented.streaks),
    _painted("leaf-like areas", "BCC", carcinoma.leaf_like_areas),
    _painted("ovoid nests", "BCC", carcinoma.ovoid_nests),
    _painted("blue-white veil", "MEL", pigmented.blue_white_veil),
    _painted("arborizing vessels", "BCC", carcinoma.arborizing_vessels),
    _painted("ulceration", "BCC", carcinoma.ulceration),
    _painted("comedo-like openings", "BKL", keratosis.comedo_like_openings),
    _painted("milia-like cysts", "BKL", keratosis.milia_like_cysts),
    Structure(HAIRS, "", "A few hairs lie across the picture."),
)
STRUCTURES: MappingProxyType[str, Structure] = MappingProxyType({each.name: each for each in _ALL})
"""By name, in the order in which they are drawn."""

_LIKELY: dict[str, dict[str, float]] = {
    "BCC": {"arborizing vessels": 0.9, "ovoid nests": 0.7, "leaf-like areas": 0.4, "ulceration": 0.4},
    "BKL": {"milia-like cysts": 0.9, "comedo-like openings": 0.8, "ridges": 0.6},
    "MEL": {
        "atypical network": 0.85,
        "blue-white veil": 0.7,
        "streaks": 0.6,
        "several colours": 0.7,
        "irregular globules": 0.5,
    },
    "NV": {"regular network": 0.65, "regular globules": 0.4},
}
"""How often a typical drawing of a diagnosis has each of the structures that name it."""
_LEAST = {"BCC": 2, "BKL": 2, "MEL": 3, "NV": 1}
"""How many of them it has at least."""


def naming(code: str) -> frozenset[str]:
    """Return the structures that name a diagnosis.

    Raises:
        LesionvizError: there is no such diagnosis.
    """
    code = CODES[target_index(code)]
    return frozenset(_LIKELY[code])


def typical(code: str, seed: int) -> frozenset[str]:
    """Return the structures of a typical drawing of a diagnosis.

    Outline and hairs are the same for every diagnosis with this seed. A keratosis keeps a faint network, the remains of
    the solar lentigo that it grew from.

    Raises:
        LesionvizError: there is no such diagnosis.
    """
    code = CODES[target_index(code)]
    anybody, own = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 5, CODES.index(code)])
    chance = anybody.random(2)
    found = {
        name for name, share in ((ASYMMETRY, 0.4), (HAIRS, 0.25)) if chance[(ASYMMETRY, HAIRS).index(name)] < share
    }
    likely = _LIKELY[code]
    urge = {name: own.random() - share for name, share in likely.items()}
    order = sorted(urge, key=lambda name: urge[name])
    found |= {name for place, name in enumerate(order) if urge[name] < 0 or place < _LEAST[code]}
    if own.random() < {"BKL": 0.9}.get(code, 0.25):
        found.add(SHARP)
    if code in ("MEL", "NV") and own.random() < 0.35:
        found.add("dots")
    if code == "BKL":
        found.add("faint network")
    return frozenset(found)


def check_structures(structures: Collection[str]) -> list[Structure]:
    """Return structures in the order in which they are drawn.

    Raises:
        LesionvizError: one is not known; the text lists those that are.
    """
    for name in structures:
        if name not in STRUCTURES:
            near = difflib.get_close_matches(str(name), STRUCTURES, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise LesionvizError(f"The structure {name!r} is not known.{hint} Choose from: {', '.join(STRUCTURES)}.")
    return [each for each in _ALL if each.name in structures]

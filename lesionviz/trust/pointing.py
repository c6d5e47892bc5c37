"""Does the pointing matter? What a map marks is taken away, and as much elsewhere: only the first should cost much.

A randomisation test: nineteen random places that match the marked one in number, size and shape of pieces
(:mod:`lesionviz.trust.places`), each taken away by blurring and by painting it out from around. Were the marked place
like any other, it would cost more than all nineteen once in twenty times. Taking pixels away as a test of maps: Samek
et al. 2017 (doi 10.1109/TNNLS.2016.2599820), Petsiuk et al. 2018 (arXiv 1806.07421); that what is put there instead
speaks, too, is why both fillings must agree: Sturmfels et al. 2020 (doi 10.23915/distill.00022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

import numpy as np
from PIL import Image, ImageFilter

from lesionviz.diagnoses import CODES, DIAGNOSES, Target, target_index
from lesionviz.trust.places import elsewhere, pieces
from lesionviz.trust.squares import Asked, Mask, Square, check_mask, check_square
from lesionviz.trust.what_if import painted_out

CAN_SHOW = (
    "It can show that the marked place matters: without it the class loses far more than without as much anywhere "
    "else."
)
CANNOT_SHOW = (
    "It cannot show that the place matters for a good reason, nor that nothing else does: other evidence may be enough "
    "to keep the answer when the marked place is gone."
)
RULE = (
    "It passes when, blurred and painted out alike, the marked place costs the class at least 5 points and more than "
    "each of 19 random places; it does not pass when this holds for neither; otherwise it cannot be told."
)
PLACES = 19
"""Random places: the marked one beats them all by chance once in twenty times."""
LEAST_DROP = 0.05
"""Of probability, that the marked place must cost at least."""
LEAST_BEFORE = 0.1
"""Probability of the class, below which there is too little to take away."""
FILLINGS = ("blurred", "painted out")
FORWARDS = 1 + len(FILLINGS) * (1 + PLACES)
SEED = 20191
Badge: TypeAlias = Literal["passes", "does not pass", "cannot tell"]


@dataclass(frozen=True)
class Pointing:
    """What taking the marked place away does, beside random places.

    Attributes:
        target: code of the class. before: its probability with everything there. area: share of the square that is
        marked. pieces: connected pieces of what is marked, also of each random place. drops: for each of
        :data:`FILLINGS`, what the class loses without the marked place; empty where nothing is marked. random_drops:
        for each of them, what it loses without each of the random places; fewer than 19 where there was no
            room for more.
    """

    target: str
    before: float
    area: float
    pieces: int
    drops: tuple[float, ...]
    random_drops: tuple[tuple[float, ...], ...]

    @property
    def cannot_tell_because(self) -> str:
        """What stands in the way of a verdict before any drop is looked at, as a sentence; usually empty."""
        if not self.drops:
            return "The map marks nothing for this class, or marks everything."
        if len(self.random_drops[0]) < PLACES:
            return "Beside what is marked there is no room for as much elsewhere."
        if self.before < LEAST_BEFORE:
            return f"The class has a probability of {self.before:.0%} only, too little to lose."
        return ""

    @property
    def badge(self) -> Badge:
        """The verdict, by :data:`RULE`."""
        if self.cannot_tell_because:
            return "cannot tell"
        held = [
            drop >= LEAST_DROP and drop > max(others)
            for drop, others in zip(self.drops, self.random_drops, strict=True)
        ]
        return "passes" if all(held) else "cannot tell" if any(held) else "does not pass"

    @property
    def sentence(self) -> str:
        """The finding in words: means over both fillings, and over the random places with their standard deviation."""
        name = DIAGNOSES[target_index(self.target)].name
        if why := self.cannot_tell_because:
            return why
        others = 100 * np.mean(self.random_drops, axis=0)
        own, random = _points(-100 * float(np.mean(self.drops))), _points(-float(others.mean()))
        gain = " (+ is a gain)" if "+" in own + random else ""
        return (
            f"Taking away what the map marks ({self.area:.0%} of what the network sees) changes {name} by "
            f"{own} points; random places of that size and shape: {random} ± {others.std(ddof=1):.0f}{gain}."
        )

    def to_plain(self) -> dict[str, Any]:
        """Return what :mod:`lesionviz.wire` packs."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Pointing:
        """Return what :meth:`to_plain` was made of."""
        random_drops = tuple(tuple(drops) for drops in plain["random_drops"])
        return cls(**{**plain, "drops": tuple(plain["drops"]), "random_drops": random_drops})


def pointing(asked: Asked, square: Square, mask: Mask, target: Target, seed: int = SEED) -> Pointing:
    """Take a marked place away from a square, and as much in random places: 41 forwards.

    Args:
        asked: who answers.
        square: what the network sees.
        mask: the marked place: a map's (:func:`lesionviz.trust.places.marked`), or one that a person drew.
        target: the class that it is marked for.
        seed: of the random places; the same one finds the same.

    Raises:
        LesionvizError: the class is not known, or the others are no square and no place in it.
    """
    square, index = check_square(square), target_index(target)
    mask = check_mask(mask, square)
    some = bool(mask.any() and not mask.all())
    places = [mask, *elsewhere(mask, PLACES, np.random.default_rng(seed))] if some else []
    blurred = np.asarray(Image.fromarray(square).filter(ImageFilter.GaussianBlur(len(square) / 10)))
    batch = [square]
    batch += [np.where(place[..., None], blurred, square) for place in places]
    batch += [painted_out(square, place) for place in places]
    shares = asked.shares(np.stack(batch))[:, index]
    drops = (shares[0] - shares[1:]).reshape(len(FILLINGS), -1).tolist() if some else []
    return Pointing(
        target=CODES[index],
        before=float(shares[0]),
        area=float(mask.mean()),
        pieces=len(pieces(mask)),
        drops=tuple(each[0] for each in drops),
        random_drops=tuple(tuple(each[1:]) for each in drops),
    )


def _points(change: float) -> str:
    said = f"{change:+.0f}".replace("-", "−")
    return "0" if said[1:] == "0" else said

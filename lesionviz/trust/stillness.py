"""Does it hold still? The answer under what should not matter: turning, mirroring, shifting, zoom, light, sharpness, JPEG.

Twenty-three variants of the square that the network sees, each made by its name alone, beside the square as it is.
They act on that square and not on the upload, since only the square reaches the network's process: a shift or a
smaller zoom brings a reflected rim into view instead of more skin, and JPEG is that of a picture of the square's
size.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from lesionviz.diagnoses import CODES, DIAGNOSES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.imaging.encoding import png
from lesionviz.trust.squares import Asked, Square, check_square

CAN_SHOW = (
    "It can show that the answer hangs on how the photograph was taken: the same lesion, held, lit or saved a little "
    "otherwise, gets another one."
)
CANNOT_SHOW = (
    "It cannot show that an answer is right: a network may be wrong and hold perfectly still. And these variants are "
    "computed from one photograph; a second photograph differs in more than that."
)

Change = Callable[[Square], Square]


def _turned(quarters: int, mirrored: bool) -> Change:
    def change(square: Square) -> Square:
        return np.rot90(square[:, ::-1] if mirrored else square, quarters)

    return change


def _shifted(across: int, down: int) -> Change:
    """Move the picture by twenty-fifths of its side; a reflected rim fills the gap."""

    def change(square: Square) -> Square:
        side = len(square)
        reach = side // 25
        wide = np.pad(square, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
        top, left = reach * (1 - down), reach * (1 - across)
        return wide[top : top + side, left : left + side]

    return change


def _zoomed(scale: float) -> Change:
    def change(square: Square) -> Square:
        side = len(square)
        view = round(side / scale)
        rim = max(0, -(-(view - side) // 2))
        wide = np.pad(square, ((rim, rim), (rim, rim), (0, 0)), mode="reflect")
        corner = (len(wide) - view) // 2
        seen = Image.fromarray(wide[corner : corner + view, corner : corner + view])
        return np.asarray(seen.resize((side, side), Image.Resampling.BILINEAR))

    return change


def _lit(red: float, green: float, blue: float) -> Change:
    def change(square: Square) -> Square:
        gains = np.array([red, green, blue], np.float32)
        lit: Square = np.rint(np.clip(square * gains, 0, 255)).astype(np.uint8)
        return lit

    return change


def _filtered(how: ImageFilter.Filter) -> Change:
    def change(square: Square) -> Square:
        return np.asarray(Image.fromarray(square).filter(how))

    return change


def _saved(quality: int) -> Change:
    def change(square: Square) -> Square:
        buffer = io.BytesIO()
        Image.fromarray(square).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer))

    return change


VARIANTS: Mapping[str, Change] = MappingProxyType(
    {
        "a quarter turn to the left": _turned(1, False),
        "upside down": _turned(2, False),
        "a quarter turn to the right": _turned(3, False),
        "mirrored left to right": _turned(0, True),
        "mirrored and a quarter turn to the left": _turned(1, True),
        "mirrored top to bottom": _turned(2, True),
        "mirrored and a quarter turn to the right": _turned(3, True),
        "shifted to the left by 4 %": _shifted(-1, 0),
        "shifted to the right by 4 %": _shifted(1, 0),
        "shifted up by 4 %": _shifted(0, -1),
        "shifted down by 4 %": _shifted(0, 1),
        "10 % larger": _zoomed(1.1),
        "10 % smaller": _zoomed(0.9),
        "15 % brighter": _lit(1.15, 1.15, 1.15),
        "15 % darker": _lit(0.85, 0.85, 0.85),
        "warmer light": _lit(1.06, 1.0, 0.92),
        "cooler light": _lit(0.94, 1.0, 1.08),
        "a little blurred": _filtered(ImageFilter.GaussianBlur(0.7)),
        "more blurred": _filtered(ImageFilter.GaussianBlur(1.2)),
        "sharpened": _filtered(ImageFilter.UnsharpMask(radius=1.0, percent=80, threshold=0)),
        "saved as JPEG of quality 75": _saved(75),
        "saved as JPEG of quality 50": _saved(50),
        "saved as JPEG of quality 30": _saved(30),
    }
)
"""What should not matter, by name; all eight symmetries of the square, with the picture as it is."""
FORWARDS = 1 + len(VARIANTS)


@dataclass(frozen=True)
class Answered:
    """The answer to one variant.

    Attributes:
        name: of the variant, from :data:`VARIANTS`.
        diagnosis: code of its most probable class.
        confidence: the probability of that class.
        probability: of the class that the picture as it is was answered with.
    """

    name: str
    diagnosis: str
    confidence: float
    probability: float


@dataclass(frozen=True)
class Stillness:
    """The answers to all variants.

    Attributes:
        diagnosis: code of the answer to the picture as it is.
        confidence: its probability.
        variants: the answers to the others, in the order of :data:`VARIANTS`.
    """

    diagnosis: str
    confidence: float
    variants: tuple[Answered, ...]

    @property
    def kept(self) -> float:
        """Share of the variants that keep the diagnosis."""
        return sum(each.diagnosis == self.diagnosis for each in self.variants) / len(self.variants)

    @property
    def worst(self) -> Answered:
        """The variant that leaves the diagnosis the least probability; :func:`variant` makes its picture."""
        return min(self.variants, key=lambda each: each.probability)

    @property
    def sentence(self) -> str:
        """The finding in words."""
        name, worst = DIAGNOSES[target_index(self.diagnosis)].name, self.worst
        same = sum(each.diagnosis == self.diagnosis for each in self.variants)
        end = (
            ""
            if worst.diagnosis == self.diagnosis
            else f", and the answer is {DIAGNOSES[target_index(worst.diagnosis)].name}"
        )
        return (
            f"{same} of {len(self.variants)} variants keep {name} ({self.confidence:.0%} for the picture as it is). "
            f"The worst: {worst.name}, where {name} has {worst.probability:.0%}{end}."
        )

    def to_plain(self) -> dict[str, Any]:
        """Return what :mod:`lesionviz.wire` packs."""
        rows = [[each.name, each.diagnosis, each.confidence, each.probability] for each in self.variants]
        return {"diagnosis": self.diagnosis, "confidence": self.confidence, "variants": rows}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Stillness:
        """Return what :meth:`to_plain` was made of."""
        return cls(plain["diagnosis"], plain["confidence"], tuple(Answered(*row) for row in plain["variants"]))


def stillness(asked: Asked, square: Square) -> Stillness:
    """Ask about a square and all its variants, in one batch: 24 forwards.

    Args:
        asked: who answers.
        square: what the network sees.

    Raises:
        LesionvizError: it is no square.
    """
    square = check_square(square)
    shares = asked.shares(np.stack([square, *(change(square) for change in VARIANTS.values())]))
    best = shares.argmax(axis=1)
    kept = shares[:, best[0]]
    rows = zip(VARIANTS, best[1:], shares[1:], kept[1:], strict=True)
    return Stillness(
        CODES[best[0]],
        float(kept[0]),
        tuple(Answered(name, CODES[index], float(row[index]), float(left)) for name, index, row, left in rows),
    )


def variant(square: Square, name: str) -> bytes:
    """Return the picture of a variant as PNG.

    Args:
        square: what the network saw.
        name: one of :data:`VARIANTS`.

    Raises:
        LesionvizError: there is no such variant, or it is no square.
    """
    if name not in VARIANTS:
        raise LesionvizError(f"There is no variant {name!r}. Choose from: {', '.join(VARIANTS)}.")
    return png(Image.fromarray(np.ascontiguousarray(VARIANTS[name](check_square(square)))))

"""``Changes``: what a person painted out of a picture and put into it, one thing after the other, with undo and redo.

A change is plain data that may come from anybody, and is looked at here before it touches a picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

import numpy as np
from PIL import Image, ImageDraw

from lesionviz.errors import LesionvizError
from lesionviz.trust.squares import Mask, Square, check_square
from lesionviz.trust.what_if import KINDS, painted_out, put_in

PAINT_OUT = "paint out"
BRUSHES = (0.01, 0.5)
"""How wide a brush is at least and at most, as a share of the square's side."""
POINTS = 512
"""Points of a stroke at most."""
MOST = 50
"""Changes of one picture at most: each keeps a square in memory."""

Point: TypeAlias = tuple[float, float]
"""Across and down, 0 to 1."""


@dataclass(frozen=True)
class Stroke:
    """Paint out what a round brush goes over.

    Attributes:
        points: where it goes, one after the other; one point is a dot.
        size: how wide it is, as a share of the square's side.
    """

    points: tuple[Point, ...]
    size: float


@dataclass(frozen=True)
class Thing:
    """Put something in; the attributes are the arguments of :func:`lesionviz.trust.what_if.put_in`."""

    kind: str
    place: Point
    size: float
    seed: int = 0


Change: TypeAlias = Stroke | Thing


def read_change(content: object, seed: int = 0) -> Change:
    """Return the change that some plain data asks for.

    Args:
        content: ``kind`` (:data:`PAINT_OUT`, or what to put in), ``points`` (each two numbers from 0 to 1) and ``size``;
            of what is put in, the last point is the place.
        seed: of what chance has to say of a thing.

    Raises:
        LesionvizError: it asks for none. Whether a thing of that kind and size can be put in is asked later.
    """
    if not isinstance(content, Mapping):
        raise LesionvizError("This is no change of a picture: it needs kind, points and size.")
    kind, points, size = (content.get(name) for name in ("kind", "points", "size"))
    if kind != PAINT_OUT and not (isinstance(kind, str) and kind in KINDS):
        raise LesionvizError(f"A picture can be changed in these ways: {', '.join((PAINT_OUT, *KINDS))}.")
    if not (isinstance(points, list) and 0 < len(points) <= POINTS and all(map(_is_point, points))):
        raise LesionvizError(f"A stroke has 1 to {POINTS} points, each two numbers from 0 to 1, across and down.")
    least, most = BRUSHES if kind == PAINT_OUT else (0, 1)
    if not (_is_number(size) and least <= size <= most):
        raise LesionvizError(f"The size must be a number from {least} to {most}.")
    if kind == PAINT_OUT:
        return Stroke(tuple((float(x), float(y)) for x, y in points), float(size))
    return Thing(kind, (float(points[-1][0]), float(points[-1][1])), float(size), seed)


def _is_point(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(_is_number(one) and 0 <= one <= 1 for one in value)
    )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def covered(stroke: Stroke, side: int) -> Mask:
    """Return what a stroke goes over, in a square of some pixels."""
    plane = Image.new("1", (side, side))
    pen = ImageDraw.Draw(plane)
    radius = max(1.0, stroke.size * side / 2)
    points = [(x * side - 0.5, y * side - 0.5) for x, y in stroke.points]
    if len(points) > 1:
        pen.line(points, fill=1, width=max(1, round(2 * radius)))
    for x, y in points:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=1)
    return np.array(plane, bool)


@dataclass(frozen=True)
class _Step:
    """A change that was made, and what came of it: the square, and all that the strokes in a row up to it cover."""

    change: Change
    square: Square
    mask: Mask | None


class Changes:
    """A square, and what was changed in it; the square itself stays as it was.

    Strokes one after the other are one place that is painted out at once: else the second would be filled with what is
    left of the lesion beside the first.

    Args:
        square: what the network saw.
    """

    def __init__(self, square: Square) -> None:
        self.before = check_square(square).copy()
        self.before.flags.writeable = False
        self._steps: list[_Step] = []
        self._at = 0

    @property
    def done(self) -> tuple[Change, ...]:
        """What was changed, without what was undone."""
        return tuple(step.change for step in self._steps[: self._at])

    @property
    def undone(self) -> int:
        """How many changes can be made again."""
        return len(self._steps) - self._at

    @property
    def square(self) -> Square:
        """What came of it."""
        return self._steps[self._at - 1].square if self._at else self.before

    def make(self, change: Change) -> None:
        """Make a change; what was undone is forgotten.

        Raises:
            LesionvizError: it cannot be made, or there are :data:`MOST` already; everything stays as it was.
        """
        if self._at >= MOST:
            raise LesionvizError(f"A picture can be changed {MOST} times. Undo something first.")
        step = self._stroke(change) if isinstance(change, Stroke) else self._thing(change)
        step.square.flags.writeable = False
        self._steps[self._at :] = [step]
        self._at += 1

    def undo(self) -> None:
        """Take the last change back, if there is one."""
        self._at = max(0, self._at - 1)

    def redo(self) -> None:
        """Make the change again that was taken back last, if there is one."""
        self._at = min(len(self._steps), self._at + 1)

    def start_over(self) -> None:
        """Take all changes back; they can be made again, one after the other."""
        self._at = 0

    def _stroke(self, stroke: Stroke) -> _Step:
        mask, at = covered(stroke, len(self.before)), self._at
        if at and (earlier := self._steps[at - 1].mask) is not None:
            mask = mask | earlier
        while at and self._steps[at - 1].mask is not None:
            at -= 1
        ground = self._steps[at - 1].square if at else self.before
        return _Step(stroke, painted_out(ground, mask), mask)

    def _thing(self, thing: Thing) -> _Step:
        return _Step(thing, put_in(self.square, thing.kind, thing.place, thing.size, thing.seed), None)


def in_words(changes: tuple[Change, ...]) -> str:
    """Say what was changed, in a few words: "painted out with 2 strokes; put in: ruler, hair"."""
    strokes = sum(isinstance(change, Stroke) for change in changes)
    things = [change.kind for change in changes if isinstance(change, Thing)]
    parts = [f"painted out with {strokes} stroke{'s' if strokes > 1 else ''}"] if strokes else []
    parts += [f"put in: {', '.join(things)}"] if things else []
    return "; ".join(parts) or "nothing"

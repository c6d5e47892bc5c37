"""What lies on the skin or on the glass beside the lesion, drawn as smooth formulas on the device that trains.

Each function draws for N images at once, from distances to curves: no loop over pixels. Lengths are in half sides
of the picture, so x and y run from -1 to 1. Ranges are wide on purpose: any grey of hair, any pitch of a ruler, five
colours of ink. Nothing here knows the drawings that a finished model is probed with.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch

from lesionviz.training.dice import Dice

HAIRS = (2, 14)
BUBBLES = (2, 14)
STROKES = 4
"""At most."""
SPAN = (60, 360)
"""Degrees of an arc of ink."""
INKS = (
    (0.36, 0.16, 0.62),  # gentian violet
    (0.10, 0.26, 0.62),  # blue
    (0.07, 0.07, 0.09),  # black
    (0.08, 0.42, 0.30),  # green
    (0.66, 0.10, 0.16),  # red
)


@dataclass(frozen=True)
class Paint:
    """What a mark puts on pictures.

    Attributes:
        cover: (N, 1, S, S), from 0, where the picture stays as it is to the bit, to 1.
        colour: (N, 3, S, S) or (N, 3, 1, 1), from 0 to 1.
        clear: (N, 1, 1, 1), from 0 to 1: how far the colour is a filter, as ink is, through which the skin is seen.
    """

    cover: torch.Tensor
    colour: torch.Tensor
    clear: torch.Tensor | None = None

    def on(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return pictures (N, 3, S, S), values 0 to 1, with the mark on them."""
        colour = self.colour
        if self.clear is not None:
            bright = pictures.mean((1, 2, 3), keepdim=True).clamp(min=0.1)
            colour = torch.lerp(colour.expand_as(pictures), (colour * pictures / bright).clamp(0, 1), self.clear)
        return torch.lerp(pictures, colour.expand_as(pictures), self.cover)


Mark: TypeAlias = Callable[[Dice, int, int], Paint]
"""Takes the dice, how many images, and their side in pixels."""


def frame(dice: Dice, count: int, side: int) -> Paint:
    """The dark surround of a round field of view: of any size, softness and darkness, seldom quite in the middle."""
    x, y = _grid(side, dice)
    across, down = dice.normal(0.08, 2, count, 1, 1, 1)
    radius, soft = dice.ratio(0.74, 1.38, count, 1, 1, 1), dice.ratio(0.008, 0.35, count, 1, 1, 1)
    wide = dice.ratio(0.94, 1.06, count, 1, 1, 1)
    outside = torch.hypot((x - across) / wide, (y - down) * wide) - radius
    dark = dice.uniform(0, 0.12, count, 1, 1, 1) * dice.uniform(0.7, 1, count, 3, 1, 1)
    return Paint(_within(outside, soft) * dice.uniform(0.85, 1, count, 1, 1, 1), dark)


def hair(dice: Dice, count: int, side: int) -> Paint:
    """Two to fourteen hairs of any grey, blond or brown; mostly combed one way, bent, thinner towards the tip."""
    most = HAIRS[1]
    shown = torch.arange(most, device=dice.device) < dice.whole(*HAIRS, count, 1)
    way = dice.uniform(0, 2 * math.pi, count, 1) + dice.ratio(0.08, 1.5, count, 1) * dice.normal(1, count, most)
    bend = dice.normal(0.3, count, 1) + dice.normal(0.2, count, most)
    thick = dice.ratio(0.005, 0.02, count, 1) * dice.ratio(0.6, 1.4, count, most)
    half = dice.ratio(0.35, 1.6, count, most)
    lines = _lines(dice, side, way, bend, thick, half, tip=0.7)
    cover = lines * _last(shown * dice.uniform(0.55, 1, count, most))
    grey = dice.uniform(0.03, 0.85, count, 1, 1) + dice.normal(0.05, count, most, 1)
    warm = dice.uniform(0, 1, count, 1, 1) * torch.tensor([0.0, 0.22, 0.45], device=dice.device)
    return _mixed(cover, (grey * (1 - warm)).clamp(0, 1))


def ruler(dice: Dice, count: int, side: int) -> Paint:
    """A scale of any pitch along any side, dark or light, longer ticks at fives and tens, sometimes on a paper strip."""
    x, y = _grid(side, dice)
    angle = dice.whole(0, 3, count, 1, 1, 1) * (math.pi / 2) + dice.normal(0.06, count, 1, 1, 1)
    along, inwards = x * angle.cos() + y * angle.sin(), 1 + x * angle.sin() - y * angle.cos()
    start, pitch = dice.uniform(-0.05, 0.3, count, 1, 1, 1), dice.ratio(0.04, 0.26, count, 1, 1, 1)
    length = (pitch * dice.ratio(0.6, 2, count, 1, 1, 1)).clamp(0.05, 0.2)
    thick, pixel = pitch * dice.uniform(0.04, 0.12, count, 1, 1, 1), 2 / side
    shifted = along / pitch + dice.uniform(0, 1, count, 1, 1, 1)
    tick = (shifted + 0.5).floor()
    reach = length * (1 + 0.5 * (tick % 5 == 0) + 0.5 * (tick % 10 == 0))
    part = _within(_half(along - dice.normal(0.4, count, 1, 1, 1), dice.ratio(0.5, 3, count, 1, 1, 1)), pixel)
    near = _within(_half((shifted - tick) * pitch, thick.clamp(min=0.4 * pixel)), pixel)
    ticks = near * _within(_half(inwards - start - reach / 2, reach / 2), pixel)
    base = _within(_half(inwards - start, thick), pixel) * dice.chance(0.5, count, 1, 1, 1)
    strength = dice.uniform(0.5, 1, count, 1, 1, 1)
    lines = torch.maximum(ticks, base) * part * strength
    room = length * dice.uniform(1, 1.4, count, 1, 1, 1)
    strip = _within(_half(inwards - start - 0.9 * room, 1.3 * room), pixel) * part * strength
    strip = strip * dice.chance(0.4, count, 1, 1, 1)
    light = dice.chance(0.5, count, 1, 1, 1)
    bright, dark = dice.uniform(0.7, 1, count, 3, 1, 1), dice.uniform(0, 0.3, count, 3, 1, 1)
    pen, paper = torch.where(light, bright, dark), torch.where(light, dark, bright)
    return Paint(torch.maximum(lines, strip), torch.lerp(paper.expand(-1, -1, side, side), pen, lines))


def bubbles(dice: Dice, count: int, side: int) -> Paint:
    """Air in the gel: round, a rim that is bright towards the lamp and dark away from it, a glint inside."""
    most = BUBBLES[1]
    x, y = _grid(side, dice)
    shown = torch.arange(most, device=dice.device) < dice.whole(*BUBBLES, count, 1)
    home = dice.normal(0.5, 2, count, 1) + dice.ratio(0.15, 1, count, 1) * dice.normal(0.8, 2, count, most)
    across, down = x - _last(home[0]), y - _last(home[1])
    radius = _last(dice.ratio(0.02, 0.08, count, 1) * dice.ratio(0.4, 3, count, most))
    far = torch.hypot(across, down)
    lamp = dice.uniform(0, 2 * math.pi, count, 1, 1, 1)
    towards = ((across * lamp.cos() + down * lamp.sin()) / far.clamp(min=1e-3)).clamp(-1, 1)
    pixel = 2 / side
    rim = _within(_half(far - radius, radius * dice.uniform(0.08, 0.2, count, 1, 1, 1)), pixel)
    glint = torch.hypot(across - 0.45 * radius * lamp.cos(), down - 0.45 * radius * lamp.sin())
    spot = _within(radius * 0.18 - glint, pixel) * dice.chance(0.6, count, 1, 1, 1)
    inside = _within(radius - far, pixel)
    strength = _last(shown * dice.uniform(0.5, 1, count, most))
    cover = torch.maximum(torch.maximum(rim * (0.25 + 0.7 * towards.abs()), spot), 0.12 * inside) * strength
    level = torch.maximum(0.15 + 0.8 * (0.5 + 0.5 * towards) ** 0.7, spot)
    weight = cover.sum(1, keepdim=True).clamp(min=1e-4)
    colour = (cover * level).sum(1, keepdim=True) / weight
    return Paint(cover.amax(1, keepdim=True), colour * dice.uniform(0.88, 1, count, 3, 1, 1))


def ink(dice: Dice, count: int, side: int) -> Paint:
    """A surgeon's pen in one of five colours: an arc of 60 to 360 degrees, or strokes; patchy, and skin shines through."""
    arcs = dice.chance(0.6, count, 1, 1, 1)
    cover = torch.where(arcs, _arc(dice, count, side), _strokes(dice, count, side))
    patchy = 1 - dice.uniform(0, 0.6, count, 1, 1, 1) * _clouds(dice, count, side)
    colour = torch.tensor(INKS, device=dice.device)[dice.whole(0, len(INKS) - 1, count)].view(count, 3, 1, 1)
    colour = (colour + dice.normal(0.05, count, 3, 1, 1)).clamp(0, 1)
    return Paint(cover * patchy * dice.uniform(0.5, 1, count, 1, 1, 1), colour, dice.uniform(0, 0.8, count, 1, 1, 1))


def chip(dice: Dice, count: int, side: int) -> Paint:
    """A coloured patch at the rim, as some clinics stick beside the lesion: round to nearly square, any colour."""
    x, y = _grid(side, dice)
    way, far = dice.uniform(0, 2 * math.pi, count, 1, 1, 1), dice.uniform(0.85, 1.25, count, 1, 1, 1)
    turn, wide = dice.uniform(0, math.pi, count, 1, 1, 1), dice.ratio(0.7, 1.4, count, 1, 1, 1)
    across, down = x - far * way.cos(), y - far * way.sin()
    radius, power = dice.ratio(0.18, 0.45, count, 1, 1, 1), dice.ratio(2, 7, count, 1, 1, 1)
    u = (across * turn.cos() + down * turn.sin()).abs() / wide
    v = (down * turn.cos() - across * turn.sin()).abs() * wide
    away = radius * ((u / radius).pow(power) + (v / radius).pow(power)).pow(1 / power)
    soft = dice.ratio(2 / side, 0.06, count, 1, 1, 1)
    colour = dice.uniform(0.05, 1, count, 3, 1, 1)
    rim = _within(_half(away - radius, 0.05 * radius), soft) * dice.chance(0.3, count, 1, 1, 1)
    shade = 1 - 0.15 * _clouds(dice, count, side)
    pale = torch.lerp(colour * shade, dice.uniform(0.6, 1, count, 1, 1, 1), rim)
    return Paint(_within(radius - away, soft) * dice.uniform(0.7, 1, count, 1, 1, 1), pale)


MARKS: tuple[Mark, ...] = (frame, hair, ruler, bubbles, ink, chip)


def _grid(side: int, dice: Dice) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x (1, 1, 1, S) and y (1, 1, S, 1) of the pixels' centres, -1 to 1 over the picture."""
    line = (torch.arange(side, device=dice.device) * 2 + 1) / side - 1
    return line.view(1, 1, 1, -1), line.view(1, 1, -1, 1)


def _last(values: torch.Tensor) -> torch.Tensor:
    """Return values (N, K) as (N, K, 1, 1), one for each thing drawn in each image."""
    return values[..., None, None]


def _within(depth: torch.Tensor, soft: torch.Tensor | float) -> torch.Tensor:
    """Return 1 well inside, 0 well outside, and a ramp of this width where the depth is about 0."""
    return (depth / soft + 0.5).clamp(0, 1)


def _half(distance: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """Return how deep inside a band on both sides of a line something lies; negative outside."""
    return reach - distance.abs()


def _lines(
    dice: Dice,
    side: int,
    way: torch.Tensor,
    bend: torch.Tensor,
    thick: torch.Tensor,
    half: torch.Tensor,
    tip: float,
) -> torch.Tensor:
    """Return how far each pixel (N, K, S, S) is covered by bent lines.

    A line is a cubic over its own axis; its distance is the offset from the cubic, made shorter by the slope.

    Args:
        dice: draws where the lines lie.
        side: of the pictures in pixels.
        way: (N, K) direction in radians.
        bend: (N, K) curvature.
        thick: (N, K) half of the thickness.
        half: (N, K) half of the length.
        tip: how much thinner a line ends than it begins, 0 to 1.
    """
    x, y = _grid(side, dice)
    count, most = way.shape
    across, down = dice.uniform(-0.9, 0.9, 2, count, most)
    x, y = x - _last(across), y - _last(down)
    along = x * _last(way.cos()) + y * _last(way.sin())
    offset = y * _last(way.cos()) - x * _last(way.sin())
    second, third = _last(bend), _last(dice.normal(0.15, count, most))
    offset = offset - (second + third * along) * along.square()
    slope = (2 * second + 3 * third * along) * along
    half, pixel = _last(half), 2 / side
    width = _last(thick) * (1 - tip * (0.5 + 0.5 * along / half).clamp(0, 1))
    soft = pixel * _last(dice.uniform(1, 2.2, count, 1))
    # A line thinner than a pixel covers only a part of it.
    share = (2 * width / soft).clamp(max=1)
    away = offset.abs() * torch.rsqrt(1 + slope.square())
    return _within(torch.maximum(width, soft / 2) - away, soft) * share * _within(_half(along, half), soft)


def _mixed(cover: torch.Tensor, colours: torch.Tensor) -> Paint:
    """Return the paint of things that lie over each other.

    Args:
        cover: (N, K, S, S) of each thing.
        colours: (N, K, 3).
    """
    mixed = torch.einsum("nkhw,nkc->nchw", cover, colours) / cover.sum(1, keepdim=True).clamp(min=1e-4)
    return Paint(cover.amax(1, keepdim=True), mixed.clamp(0, 1))


def _arc(dice: Dice, count: int, side: int) -> torch.Tensor:
    """Return the cover of an uneven ring, whole or in part, sometimes in dashes."""
    x, y = _grid(side, dice)
    across, down = dice.normal(0.15, 2, count, 1, 1, 1)
    wide = dice.ratio(0.8, 1.25, count, 1, 1, 1)
    x, y = (x - across) / wide, (y - down) * wide
    around = torch.atan2(y, x)
    first, second, turn = dice.uniform(0, 2 * math.pi, 3, count, 1, 1, 1)
    uneven = dice.uniform(0, 0.06, 2, count, 1, 1, 1)
    radius = dice.ratio(0.4, 1.05, count, 1, 1, 1)
    radius = radius * (1 + uneven[0] * (2 * around + first).sin() + uneven[1] * (3 * around + second).sin())
    soft = (2 / side) * dice.uniform(1, 4, count, 1, 1, 1)
    ring = _within(_half(torch.hypot(x, y) - radius, dice.ratio(0.012, 0.06, count, 1, 1, 1)), soft)
    span = dice.uniform(*SPAN, count, 1, 1, 1) * (math.pi / 180)
    begun = (around - turn) % (2 * math.pi)
    ring = ring * _within(span - begun, 0.05) * _within(begun, 0.02)
    dashes = ((around * dice.whole(6, 24, count, 1, 1, 1)).sin() * 4 + 1).clamp(0, 1)
    return torch.where(dice.chance(0.3, count, 1, 1, 1), ring * dashes, ring)


def _strokes(dice: Dice, count: int, side: int) -> torch.Tensor:
    """Return the cover of one to four strokes of a pen."""
    shown = torch.arange(STROKES, device=dice.device) < dice.whole(1, STROKES, count, 1)
    way = dice.uniform(0, 2 * math.pi, count, STROKES)
    thick = dice.ratio(0.012, 0.05, count, 1).expand(-1, STROKES)
    half = dice.ratio(0.08, 0.7, count, STROKES)
    lines = _lines(dice, side, way, dice.normal(0.5, count, STROKES), thick, half, tip=0.2)
    return (lines * _last(shown.float())).amax(1, keepdim=True)


def _clouds(dice: Dice, count: int, side: int) -> torch.Tensor:
    """Return smooth noise (N, 1, S, S) from 0 to 1."""
    coarse = dice.uniform(0, 1, count, 1, 10, 10)
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=False)

"""The skin, the plain lesion on it, and the light of the photograph: what a class never decides.

Colour, size, place, symmetry and light come from the seed alone: the same seed gives every diagnosis the same lesion, and
only structures differ.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from lesionviz.data.drawings.canvas import ASHEN, BLOOD, MELANIN, Canvas, Plane, noise, rough, step

SKIN = (238.0, 204.0, 188.0)
RIM = 361
"""Angles at which the outline is known."""
Picture = npt.NDArray[np.float32]
"""Red, green and blue, 0 to 255, of shape (3, H, W)."""


def plain_lesion(seed: int, width: int, height: int, lopsided: bool, sharp: bool) -> Canvas:
    """Return skin with a lesion that has no structure.

    Args:
        seed: of all that is random.
        width, height: in pixels.
        lopsided: whether its outline is asymmetric.
        sharp: whether it ends abruptly.
    """
    random = np.random.default_rng([seed, 2])
    unit = min(width, height) / 2
    middle = (random.normal(0, 0.05), random.normal(0, 0.05))
    along = ((np.arange(width) + 0.5 - width / 2) / unit - middle[0]).astype(np.float32)[None]
    down = ((np.arange(height) + 0.5 - height / 2) / unit - middle[1]).astype(np.float32)[:, None]
    x, y = np.broadcast_to(along, (height, width)), np.broadcast_to(down, (height, width))
    angle: Plane = np.arctan2(y, x)
    far: Plane = np.hypot(x, y)
    rim = _rim(np.random.default_rng([seed, 3]), lopsided)
    around = np.interp(angle.ravel(), np.linspace(-np.pi, np.pi, RIM), rim)
    radius: Plane = around.reshape(angle.shape).astype(np.float32)
    wobble = np.float32(0.10) * rough(random, width, height, 9)
    soft = random.uniform(0.05, 0.10)  # asked for in any case: what is drawn next must not depend on the border
    inside = step(far - radius + wobble, 0.016 if sharp else soft)

    texture = _texture(random, width, height)
    skin_melanin, redness = random.uniform(0.03, 0.22), random.uniform(0.0, 0.11)
    melanin = skin_melanin * (0.75 + 0.5 * noise(random, width, height, 3)) + texture
    blood = redness * (0.4 + 1.2 * noise(random, width, height, 5)) + texture
    depth = random.uniform(0.34, 0.74)
    lean, slope = random.uniform(0, 2 * math.pi), random.uniform(0, 1.0)
    tilt = 1 + (slope * math.cos(lean)) * x + (slope * math.sin(lean)) * y
    paler = 1 - random.uniform(0, 0.3) * np.minimum(far / radius, 1.2) ** 2  # towards the rim
    blot = random.uniform(0, 1.6) * step(rough(random, width, height, 2.2) - random.uniform(-0.2, 0), 0.12)
    uneven = 1 + 0.8 * rough(random, width, height, 4) + blot
    melanin += depth * inside * uneven * tilt * paler
    blood += random.uniform(0.0, 0.24) * inside * (0.5 + noise(random, width, height, 6))
    ashen = random.uniform(-1, 0.4)
    return Canvas(width, height, x, y, far / radius, angle, inside, middle, rim, melanin, blood, ashen)


def develop(canvas: Canvas, plain: Canvas | None = None) -> Picture:
    """Return the colours of a canvas.

    Args:
        canvas: what was drawn.
        plain: the same lesion before anything was drawn on it. The lesion is then made lighter or darker, and its hue
            moved a little, so that its mean colour stays near that of the plain one: a mean colour must not tell which
            structures there are.
    """
    if plain is None:
        return _colours(canvas, canvas.melanin)
    # Every fourth pixel tells the mean well enough.
    part, goal = canvas.thinned(4), _mean(plain.thinned(4))
    skin = np.float32(np.median(part.melanin[part.reach > 1.2])) if (part.reach > 1.2).any() else np.float32(0.1)
    low, high = 0.4, 1.8
    for _ in range(7):
        factor = (low + high) / 2
        darker = _mean(part, skin + (part.melanin - skin) * (1 + (factor - 1) * part.inside))
        low, high = (factor, high) if darker.sum() > goal.sum() else (low, factor)
    melanin = canvas.melanin + (canvas.melanin - skin) * np.float32(factor - 1) * canvas.inside
    picture = _colours(canvas, melanin)
    moved = (goal - _mean(canvas, picture=picture)) * 0.75
    picture += moved.astype(np.float32)[:, None, None] * canvas.inside
    return picture


def photograph(seed: int, picture: Picture) -> Image.Image:
    """Return the picture as a camera takes it: not quite sharp, under uneven light, with grain."""
    random = np.random.default_rng([seed, 4])
    height, width = picture.shape[1:]
    unit = min(width, height) / 2
    blur = random.uniform(0.0020, 0.0040) * unit
    if blur > 0.25:
        picture = np.stack([gaussian_filter(each, blur, truncate=2.5) for each in picture])
    x = ((np.arange(width) - width / 2) / unit - random.normal(0, 0.15)).astype(np.float32)[None]
    y = ((np.arange(height) - height / 2) / unit - random.normal(0, 0.15)).astype(np.float32)[:, None]
    light = random.uniform(0.97, 1.07) - random.uniform(0.05, 0.12) * (x**2 + y**2)
    tint = (1 + random.normal(0, 0.022, 3)).astype(np.float32)
    values = picture * light * tint[:, None, None]
    values += 2.0 * random.standard_normal((height, width), np.float32)
    return Image.fromarray(np.ascontiguousarray(np.clip(values, 0, 255).astype(np.uint8).transpose(1, 2, 0)))


def _colours(canvas: Canvas, melanin: Plane) -> Picture:
    """Return the colours of a canvas with so much melanin instead of its own."""
    picture = np.empty((3, *melanin.shape), np.float32)
    for channel, (skin, brown, grey, red) in enumerate(zip(SKIN, MELANIN, ASHEN, BLOOD, strict=True)):
        one, brown = picture[channel], brown + canvas.ashen * grey
        np.exp(melanin * np.float32(-brown) - canvas.blood * np.float32(red), out=one)
        one *= np.float32(skin)
        for where, colour in canvas.over:
            one += where * (np.float32(colour[channel]) - one)
    return picture


def _mean(canvas: Canvas, melanin: Plane | None = None, picture: Picture | None = None) -> npt.NDArray[np.float64]:
    """Return the mean colour of the lesion."""
    if picture is None:
        picture = _colours(canvas, canvas.melanin if melanin is None else melanin)
    return np.asarray((picture * canvas.inside).sum((1, 2)) / max(float(canvas.inside.sum()), 1.0), np.float64)


def _rim(random: np.random.Generator, lopsided: bool) -> Plane:
    """Return how far the rim is from the middle, for each angle from -π to π."""
    angle = np.linspace(-np.pi, np.pi, RIM)
    size, ratio, turn = random.uniform(0.56, 0.76), random.uniform(0.78, 1.0), random.uniform(0, np.pi)
    rim = size * np.sqrt(ratio) / np.sqrt((ratio * np.cos(angle - turn)) ** 2 + np.sin(angle - turn) ** 2)
    waves, phases = random.normal(0, 1, 12), random.uniform(0, 2 * np.pi, 12)
    for k in range(2, 12):
        rim *= 1 + 0.022 / (k - 1) ** 0.5 * waves[k] * np.cos(k * angle + phases[k])
    if lopsided:
        rim *= 1 + 0.12 * np.cos(angle - phases[0])
        rim *= 1 + 0.09 * np.cos(3 * angle - phases[1]) + 0.045 * np.cos(5 * angle - phases[2])
        notch = np.angle(np.exp(1j * (angle - phases[3])))
        rim *= 1 - 0.24 * np.exp(-((notch / 0.3) ** 2))
    return np.asarray(np.clip(rim, 0.2, 0.88), np.float32)


def _texture(random: np.random.Generator, width: int, height: int) -> Plane:
    """Return what the fine lines of the skin, which cross in rhombs, and its grain absorb."""
    unit = min(width, height) / 2
    x = np.arange(width, dtype=np.float32)[None] / np.float32(unit)
    y = np.arange(height, dtype=np.float32)[:, None] / np.float32(unit)
    turn, many = random.uniform(0, np.pi), random.uniform(60, 85)
    bend, strength = 6 * noise(random, width, height, 6), noise(random, width, height, 8)
    lines = np.zeros((height, width), np.float32)
    for side, other in ((0.0, 1), (1.15, -1)):
        cos, sin = np.float32(many * np.cos(turn + side)), np.float32(many * np.sin(turn + side))
        wave = np.maximum(np.cos(x * cos + y * sin + other * bend), 0)
        lines += wave * wave * wave * strength
    return np.asarray(0.014 * lines + 0.03 * (noise(random, width, height, 42) - 0.5), np.float32)

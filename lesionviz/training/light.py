"""Lamps and sensors: white balance, exposure, gamma, saturation, hue, uneven light and grain, drawn for each image.

The ranges are what dermoscopes do: polarised or not, warm or cold light, a phone's automatic exposure. A melanoma
stays brown: hue turns by some five degrees of the colour circle, and by eleven at most.
"""

from __future__ import annotations

import math

import torch

from lesionviz.training.dice import Dice

GREYED, GAMMA, SHADED, GRAINY = 0.25, 0.5, 0.5, 0.15
"""Shares of the images with a corrected white balance, another gamma, uneven light, and grain."""
LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""
NORM = 6
"""Of shades of grey: 1 would be the grey world, infinity the brightest spot (Finlayson & Trezzi 2004)."""


def relit(pictures: torch.Tensor, dice: Dice) -> torch.Tensor:
    """Return pictures (N, 3, S, S), values 0 to 1, under other lamps; each has its own."""
    count, _, height, width = pictures.shape
    greyed = dice.some(GREYED, count)
    if len(greyed):
        corrected = _balanced(pictures[greyed], dice.uniform(0.2, 0.7, len(greyed), 1, 1, 1))
        pictures = pictures.index_copy(0, greyed, corrected)
    matrix = _colour_matrix(dice, count)
    contrast = dice.ratio(0.78, 1.28, count, 1, 1)
    flat = torch.bmm(matrix, pictures.reshape(count, 3, -1))
    middle = flat.mean((1, 2), keepdim=True)
    pictures = torch.baddbmm(middle * (1 - contrast), matrix * contrast, pictures.reshape(count, 3, -1))
    pictures = pictures.reshape(count, 3, height, width).clamp_(0, 1)
    bent = dice.some(GAMMA, count)
    if len(bent):
        pictures[bent] = pictures[bent].pow(dice.ratio(0.7, 1.4, len(bent), 1, 1, 1))
    shaded = dice.some(SHADED, count)
    if len(shaded):
        pictures[shaded] = pictures[shaded] * _shading(dice, len(shaded), height)
    grainy = dice.some(GRAINY, count)
    if len(grainy):
        grain = dice.normal(1, len(grainy), 3, height, width) * dice.ratio(0.005, 0.03, len(grainy), 1, 1, 1)
        pictures[grainy] = pictures[grainy] + grain
    return pictures.clamp_(0, 1)


def _balanced(pictures: torch.Tensor, strength: torch.Tensor) -> torch.Tensor:
    """Return pictures with the colour of the light taken out, so far as the strength (0 to 1) says; as bright as before."""
    light = pictures.square().pow(NORM // 2).mean((2, 3), keepdim=True).pow(1 / NORM).clamp(min=1e-3)
    return pictures * (light.mean(1, keepdim=True) / light).clamp(0.5, 2).pow(strength)


def _colour_matrix(dice: Dice, count: int) -> torch.Tensor:
    """Return (N, 3, 3): gains of the three channels, then saturation, then a turn about the axis of greys."""
    warm, tint = dice.normal(0.06, count), dice.normal(0.025, count)  # lamps differ from blue to red, hardly in green
    gains = torch.stack([warm, tint, -warm], 1).exp().view(count, 1, 3) * dice.ratio(0.8, 1.25, count, 1, 1)
    keep = dice.ratio(0.65, 1.32, count, 1, 1)
    unit = torch.eye(3, device=dice.device)
    saturation = keep * unit + (1 - keep) * torch.tensor(LUMINANCE, device=dice.device).expand(3, 3)
    angle = dice.normal(0.08, count, 1, 1)
    across = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]], device=dice.device) / math.sqrt(3)
    turn = angle.cos() * unit + (1 - angle.cos()) / 3 + angle.sin() * across  # Rodrigues' formula
    return turn @ saturation * gains


def _shading(dice: Dice, count: int, side: int) -> torch.Tensor:
    """Return (N, 1, S, S): brighter on one side, darker towards the rim."""
    line = torch.linspace(-1, 1, side, device=dice.device)
    x, y = line.view(1, 1, 1, -1), line.view(1, 1, -1, 1)
    right, down = dice.normal(0.1, count, 1, 1, 1), dice.normal(0.1, count, 1, 1, 1)
    return 1 + right * x + down * y - dice.uniform(0, 0.25, count, 1, 1, 1) * (x.square() + y.square())

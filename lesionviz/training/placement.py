"""How a camera is held: turned over, turned a little, nearer or farther, a lesion's outline along with its picture."""

from __future__ import annotations

import math

import torch

from lesionviz.training.dice import Dice

TILTED = 0.5
"""Share of the images that are turned by another angle than a quarter; the others keep their pixels exactly."""
ANGLE = math.radians(25)
NEARER, FARTHER = 0.87, 1.12
"""Range of how much more is seen than before: below 1 the picture is magnified."""


def placed(planes: torch.Tensor, dice: Dice, seen: torch.Tensor) -> torch.Tensor:
    """Return planes (N, C, S, S) in one of the eight symmetries of the square, some turned and magnified besides.

    Args:
        planes: pictures, with or without outlines as a fourth plane.
        dice: draws for each image.
        seen: (N,) how much more of each image is to be seen than before, 1 for as much; what lies beyond its rim is
            its mirror image.
    """
    count = len(planes)
    tilted = dice.chance(TILTED, count)
    angle = torch.where(tilted, dice.uniform(-ANGLE, ANGLE, count), 0.0)
    zoom = seen * torch.where(tilted, dice.ratio(NEARER, FARTHER, count), 1.0)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(count, 2, 2)
    matrix = zoom.view(count, 1, 1) * turn @ _symmetries(dice, count)
    grid = torch.nn.functional.affine_grid(
        torch.cat([matrix, torch.zeros(count, 2, 1, device=dice.device)], 2), list(planes.shape), align_corners=False
    )
    return torch.nn.functional.grid_sample(planes, grid, padding_mode="reflection", align_corners=False)


def _symmetries(dice: Dice, count: int) -> torch.Tensor:
    """Return (N, 2, 2): the axes exchanged or not, each of them turned over or not."""
    flips = torch.diag_embed(dice.whole(0, 1, count, 2) * 2.0 - 1)
    exchanged = dice.chance(0.5, count).view(count, 1, 1)
    return torch.where(exchanged, flips.flip(1), flips)

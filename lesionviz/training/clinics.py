"""What differs between clinics: how the camera is held, its light, its frame, and what lies on the skin beside the lesion.

It runs on whole batches, on the device that trains, and draws every parameter for each image; transforms of
torchvision's v2 would give all images of a batch the same ones. :mod:`lesionviz.training.resampling` is the half
that runs in the loader. The drawings of :mod:`lesionviz.training.marks` are none of those that a finished model is
probed with, so that what the probes find has been learned, not learned by heart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lesionviz.training.dice import Dice
from lesionviz.training.light import relit
from lesionviz.training.marks import MARKS, frame
from lesionviz.training.placement import placed

FRAME = MARKS.index(frame)
WEIGHTS = tuple(2.0 if mark is frame else 1.0 for mark in MARKS)
"""How often each kind of mark is drawn, in proportion; dark frames are the commonest in the clinic too."""
ROOM = (1.0, 1.3)
"""How much more is seen of an image that gets a dark frame, so that the frame does not hide what it was cut to."""


def as_elsewhere(
    pictures: torch.Tensor, outlines: Sequence[torch.Tensor], dice: Dice, marked_share: float
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return a batch as other clinics might have taken it.

    Args:
        pictures: uint8 (N, 3, S, S).
        outlines: nothing, or one uint8 tensor (N, 1, S, S), 255 inside the lesion; it is moved as its picture.
        dice: draws for each image.
        marked_share: share of the images that get one mark: a dark frame, hair, a ruler, bubbles, ink, a chip.

    Returns:
        Both in the same form.
    """
    planes = torch.cat([pictures, *outlines], 1).float().div_(255)
    marked, kinds = _lots(dice, len(pictures), marked_share)
    seen = torch.ones(len(pictures), device=dice.device)
    framed = _positions(marked, kinds, FRAME, dice)
    seen[framed] = dice.uniform(*ROOM, len(framed))
    planes = placed(planes, dice, seen)
    moved = planes[:, :3]
    for number, mark in enumerate(MARKS):
        chosen = _positions(marked, kinds, number, dice)
        if len(chosen):
            moved[chosen] = mark(dice, len(chosen), moved.shape[-1]).on(moved[chosen])
    return _bytes(relit(moved, dice)), [_bytes(planes[:, 3:]) for _ in outlines]


def _lots(dice: Dice, count: int, share: float) -> tuple[list[int], list[int]]:
    """Return the positions of the images that get a mark, and the number of the mark of each."""
    marked = [position for position, lot in enumerate(dice.lots(count)) if lot < share]
    return marked, dice.kinds(WEIGHTS, len(marked)) if marked else []


def _positions(marked: list[int], kinds: list[int], kind: int, dice: Dice) -> torch.Tensor:
    chosen = [position for position, its in zip(marked, kinds, strict=True) if its == kind]
    return torch.tensor(chosen, dtype=torch.long, device=dice.device)


def _bytes(planes: torch.Tensor) -> torch.Tensor:
    return planes.clamp(0, 1).mul(255).round().to(torch.uint8)

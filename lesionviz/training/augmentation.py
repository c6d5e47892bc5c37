"""What a training image goes through on its way to the network, and what an evaluation image does.

Two separate objects make the two ways, so that neither can overwrite the other: in the notebook that
this project learns from, the last transform set on a shared dataset won, and no training image was
ever augmented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import v2

from lesionviz.imaging import open_image
from lesionviz.preprocessing import RESAMPLING, Preprocessing, to_tensor
from lesionviz.training.recipe import Recipe

Transform: TypeAlias = Callable[[Image.Image], torch.Tensor]
"""An RGB picture to a uint8 tensor (3, size, size)."""


def augmented(recipe: Recipe) -> Transform:
    """Return the random way: crop, the eight symmetries of the square, light and colour.

    A lesion has no upright position, so all flips and quarter turns are as likely as the photograph.
    """
    transform: Transform = v2.Compose(
        [
            v2.RandomResizedCrop(
                recipe.size, scale=(recipe.smallest_crop, 1), ratio=(0.8, 1.25), interpolation=RESAMPLING
            ),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03),
            to_tensor,
        ]
    )
    return transform


def plain(preprocessing: Preprocessing) -> Transform:
    """Return the one fixed way, the same that the finished classifier uses."""
    return lambda picture: to_tensor(preprocessing.resize(picture))


class LabelledImages(Dataset[tuple[torch.Tensor, int]]):
    """Image files with class indices, decoded and transformed one at a time.

    Args:
        paths: image files; opened through :func:`lesionviz.imaging.open_image`.
        labels: class indices, as many as paths.
        transform: one of the two ways above.
    """

    def __init__(self, paths: Sequence[str], labels: Sequence[int], transform: Transform) -> None:
        self._paths, self._labels, self._transform = list(paths), list(labels), transform

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self._transform(open_image(self._paths[index]).pixels), self._labels[index]

"""What a training image goes through on its way to the network, and what an evaluation image does.

Two separate objects make the two ways, so that neither can overwrite the other: in the notebook that
this project learns from, the last transform set on a shared dataset won, and no training image was
ever augmented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import v2

from lesionviz.data.pixel_cache import CachedPixels
from lesionviz.imaging import open_image
from lesionviz.preprocessing import RESAMPLING, Preprocessing, to_tensor
from lesionviz.recipe import Recipe

Transform: TypeAlias = Callable[[Image.Image], torch.Tensor]
"""An RGB picture to a uint8 tensor (3, size, size)."""


def augmented(recipe: Recipe, epoch: int = -1) -> Transform:
    """Return the random way: crop, the eight symmetries of the square, light and colour.

    A lesion has no upright position, so all flips and quarter turns are as likely as the photograph.

    Args:
        recipe: what decides sides and crops.
        epoch: counted from 0; by default the last one.
    """
    side = recipe.training_side(epoch % recipe.epochs)
    transform: Transform = v2.Compose(
        [
            v2.RandomResizedCrop(side, scale=(recipe.smallest_crop, 1), ratio=(0.8, 1.25), interpolation=RESAMPLING),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
            v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5),
            v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03),
            to_tensor,
        ]
    )
    return transform


def training_way(recipe: Recipe, epoch: int) -> Transform:
    """Return the way of the training pictures in an epoch (counted from 0)."""
    if recipe.augmentation == "full":
        return augmented(recipe, epoch)
    return plain(replace(recipe.preprocessing, size=recipe.training_side(epoch)))


def plain(preprocessing: Preprocessing) -> Transform:
    """Return the one fixed way, the same that the finished classifier uses."""
    return lambda picture: to_tensor(preprocessing.resize(picture))


class LabelledImages(Dataset[tuple[torch.Tensor, int]]):
    """Pictures with class indices, transformed one at a time.

    Args:
        pictures: paths of image files, decoded each time through :func:`lesionviz.imaging.open_image`, or
            the pixels of a cache.
        labels: class indices, as many as pictures.
        transform: one of the two ways above; may be exchanged between epochs.
    """

    def __init__(self, pictures: Sequence[str] | CachedPixels, labels: Sequence[int], transform: Transform) -> None:
        self._pictures, self._labels, self.transform = pictures, list(labels), transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = self._pictures[index]
        pixels = open_image(picture).pixels if isinstance(picture, str) else picture
        return self.transform(pixels), self._labels[index]

"""What a training image goes through in the loader on its way to the network, and what an evaluation image does.

Separate objects make the ways, so that neither can overwrite the other: in the notebook that
this project learns from, the last transform set on a shared dataset won, and no training image was
ever augmented.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import v2
from torchvision.tv_tensors import Mask

from lesionviz.data.pixel_cache import CachedPixels
from lesionviz.imaging import open_image
from lesionviz.preprocessing import RESAMPLING, Preprocessing, to_tensor
from lesionviz.recipe import Recipe
from lesionviz.training.resampling import Resampled

Transform: TypeAlias = Callable[[Image.Image, Image.Image | None, int], Any]
"""An RGB picture to a uint8 tensor (3, size, size); with its outline (RGB, white inside) to that and (1, size, size).

The third argument is the picture's number, for ways that draw by it.
"""
Pictures: TypeAlias = Sequence[str] | CachedPixels
"""Paths of image files, decoded each time, or the pixels of a cache."""


class Augmented:
    """The random way: crop, the eight symmetries of the square, light and colour.

    A lesion has no upright position, so all flips and quarter turns are as likely as the photograph. An outline is cut
    and turned with its picture.

    Args:
        side: of what comes out, in pixels.
        smallest_crop: smallest share of the picture's area that a crop may keep.
    """

    def __init__(self, side: int, smallest_crop: float) -> None:
        self._place = v2.Compose(
            [
                v2.RandomResizedCrop(side, scale=(smallest_crop, 1), ratio=(0.8, 1.25), interpolation=RESAMPLING),
                v2.RandomHorizontalFlip(),
                v2.RandomVerticalFlip(),
                v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5),
            ]
        )
        self._colour = v2.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.2, hue=0.03)

    def __call__(self, picture: Image.Image, outline: Image.Image | None = None, _index: int = 0) -> Any:
        """Return the tensor of a picture, or of a picture and of its outline."""
        if outline is None:
            return to_tensor(self._colour(self._place(picture)))
        picture, mask = self._place(picture, Mask(_outline_tensor(outline)))
        return to_tensor(self._colour(picture)), mask.as_subclass(torch.Tensor)


class Plain:
    """The one fixed way, the same that the finished classifier uses.

    Args:
        preprocessing: of the classifier.
    """

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._preprocessing = preprocessing

    def __call__(self, picture: Image.Image, outline: Image.Image | None = None, _index: int = 0) -> Any:
        """Return the tensor of a picture, or of a picture and of its outline."""
        pixels = to_tensor(self._preprocessing.resize(picture))
        return pixels if outline is None else (pixels, _outline_tensor(self._preprocessing.resize(outline)))


def augmented(recipe: Recipe, epoch: int = -1) -> Transform:
    """Return the random way of an epoch (counted from 0; by default the last one)."""
    return Augmented(recipe.training_side(epoch % recipe.epochs), recipe.smallest_crop)


def training_way(recipe: Recipe, epoch: int) -> Transform:
    """Return the way of the training pictures in an epoch (counted from 0), so far as the loader takes it."""
    if recipe.augmentation == "full":
        return augmented(recipe, epoch)
    if recipe.augmentation == "clinics":  # the rest is done on whole batches: lesionviz.training.clinics
        return Resampled(recipe.training_side(epoch), recipe.smallest_crop, recipe.seed, epoch)
    return Plain(replace(recipe.preprocessing, size=recipe.training_side(epoch)))


@dataclass(frozen=True)
class Outlines:
    """The outlines of some pictures.

    Attributes:
        pictures: where the outlines' pixels come from.
        positions: for each picture, the position of its outline there, or None where it has none.
    """

    pictures: Pictures
    positions: Sequence[int | None]

    def of(self, index: int, size: tuple[int, int]) -> Image.Image:
        """Return the outline of a picture of this size; without one, everything is inside."""
        position = self.positions[index]
        return Image.new("RGB", size, "white") if position is None else _pixels(self.pictures, position)


class LabelledImages(Dataset[tuple[Any, ...]]):
    """Pictures with class indices, transformed one at a time; with outlines, where these are given.

    Args:
        pictures: where their pixels come from.
        labels: class indices, as many as pictures.
        transform: one of the two ways above; may be exchanged between epochs.
        outlines: what the pictures' outlines are, as many as pictures.
    """

    def __init__(
        self, pictures: Pictures, labels: Sequence[int], transform: Transform, outlines: Outlines | None = None
    ) -> None:
        self._pictures, self._labels, self.transform, self._outlines = pictures, list(labels), transform, outlines

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        picture, label = _pixels(self._pictures, index), self._labels[index]
        if self._outlines is None:
            return self.transform(picture, None, index), label
        pixels, outline = self.transform(picture, self._outlines.of(index, picture.size), index)
        return pixels, label, outline


def _pixels(pictures: Pictures, index: int) -> Image.Image:
    picture = pictures[index]
    return open_image(picture).pixels if isinstance(picture, str) else picture


def _outline_tensor(outline: Image.Image) -> torch.Tensor:
    """Return an outline as a uint8 tensor of shape (1, H, W), 255 inside."""
    return to_tensor(outline)[:1]

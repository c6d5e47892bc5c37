"""From rows to batches: pictures from the cache or from files, and the loaders that hand them out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch.utils.data import DataLoader

from lesionviz.data.damaged import damaged_among
from lesionviz.data.outlines import find_outlines, other_frames
from lesionviz.data.pixel_cache import PixelCache
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Preprocessing
from lesionviz.recipe import Recipe
from lesionviz.training.augmentation import LabelledImages, Outlines, Pictures, Plain
from lesionviz.training.balance import Balancing
from lesionviz.training.outliers import OUTLIER


class Loaders:
    """Makes the loaders of one training.

    Args:
        recipe: of the training.
        accelerator: which process this is, and of how many.
        workers: processes that read images beside each training process.
    """

    def __init__(self, recipe: Recipe, accelerator: Accelerator, workers: int) -> None:
        self._recipe, self._accelerator, self._workers = recipe, accelerator, workers
        self.passed_over = frozenset[str]()
        """Paths of outlines that cannot be used."""

    def training(
        self, pictures: LabelledImages, balancing: Balancing, order: torch.Generator
    ) -> DataLoader[tuple[Any, ...]]:
        """Return the loader of the training images, in an order that the generator draws."""
        sampler = balancing.sampler(order)
        return DataLoader(
            pictures,
            batch_size=self._recipe.batch_size,
            sampler=sampler,
            shuffle=sampler is None,
            # A last batch of one image would break batch norm.
            drop_last=len(pictures) > self._recipe.batch_size,
            num_workers=self._workers,
            generator=order,
        )

    def judging(self, pictures: Pictures) -> DataLoader[tuple[Any, ...]]:
        """Return a loader of pictures as the finished classifier sees them, each with its position."""
        return DataLoader(
            LabelledImages(pictures, range(len(pictures)), Plain(self._recipe.preprocessing)),
            batch_size=2 * self._recipe.batch_size,
            num_workers=self._workers,
        )

    def pictures(self, paths: Iterable[str], preprocessing: Preprocessing) -> Pictures:
        """Return the pictures of some files: from the cache, or their paths to decode anew each time."""
        if not self._recipe.cache:
            return list(paths)
        with self._accelerator.main_process_first():  # one process decodes, the others find it done
            return PixelCache(preprocessing).get(list(paths), self._accelerator.is_main_process)

    def damaged(self, paths: Iterable[str], preprocessing: Preprocessing) -> dict[str, str]:
        """Return by path why some files cannot be used; with the cache, the pixels of all others are then in it."""
        main = self._accelerator.is_main_process
        if self._recipe.cache:
            with self._accelerator.main_process_first():
                return PixelCache(preprocessing).damaged(list(paths), main)
        found = [damaged_among(paths) if main else {}]
        broadcast_object_list(found)
        return found[0]

    def damaged_outlines(self, paths: Sequence[str], folders: Sequence[Path]) -> dict[str, str]:
        """Return by path why some outlines of these images cannot be used; :meth:`outlines` passes them over.

        Raises:
            LesionvizError: there is no such folder.
        """
        found = find_outlines(paths, folders) if self._recipe.outline_weight else []
        damaged = self.damaged(filter(None, found), self._recipe.cached_training) if any(found) else {}
        damaged |= other_frames(paths, found) if found else {}
        self.passed_over = frozenset(damaged)
        return damaged

    def outlines(self, paths: list[str], folders: Sequence[Path]) -> Outlines | None:
        """Return the outlines of the training images, where the recipe asks for them.

        Raises:
            LesionvizError: outlines and their weight are not given together, or no image has one.
        """
        if not self._recipe.outline_weight and not folders:
            return None
        if not self._recipe.outline_weight or not folders:
            raise LesionvizError(
                "Outlines and their weight belong together: give the folders (--outlines) and how much they count "
                "(--outline-weight, 0.5 for one), or neither."
            )
        found = [None if path in self.passed_over else path for path in find_outlines(paths, folders)]
        have = [path for path in found if path is not None]
        if not have:
            raise LesionvizError(
                f"No training image has an outline that can be used in {' or '.join(map(str, folders))}."
            )
        places = iter(range(len(have)))
        positions = [None if path is None else next(places) for path in found]
        return Outlines(self.pictures(have, self._recipe.cached_training), positions)


def labels_of(rows: pd.DataFrame) -> list[int]:
    """Return the class index of each row's diagnosis, ``OUTLIER`` for those that have none."""
    return [CODES.index(code) if code in CODES else OUTLIER for code in rows["diagnosis"]]

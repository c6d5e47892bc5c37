"""The batches of one training: those that it learns from, those that judge it, and the drawings that probe it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator

from lesionviz.recipe import Recipe
from lesionviz.training.augmentation import LabelledImages, training_way
from lesionviz.training.balance import Balancing
from lesionviz.training.judging import Judge
from lesionviz.training.loaders import Loaders, labels_of
from lesionviz.training.probes import draw_probes


class Batches:
    """Hands out the batches of one training; :meth:`begin` an epoch before taking those to learn from.

    Args:
        recipe: of the training.
        accelerator: shares the batches between processes.
        loaders: make the loaders.
        learned: the training images, and those of unknown diagnoses where they teach, the portion's name as
            ``collection``.
        judge: knows the validation images, and which of them are drawn on.
        outlines: folders of lesions' outlines.

    Attributes:
        training: pictures, labels and, where they teach, outlines.
        validation: pictures and their positions among the judge's rows.
        probes: drawings on some of those, where sources choose, else None.
        order: draws the order of the training images.
        balancing: weighs the classes in the loss.
        outlined: how many training images came with an outline; None where outlines do not teach.

    Raises:
        LesionvizError: outlines and their weight are not given together, or no image has one.
    """

    def __init__(
        self,
        recipe: Recipe,
        accelerator: Accelerator,
        loaders: Loaders,
        learned: pd.DataFrame,
        judge: Judge,
        outlines: Sequence[Path],
    ) -> None:
        self._recipe = recipe
        self.order = torch.Generator()
        labels, paths = labels_of(learned), learned["path"].tolist()
        self.balancing = Balancing.of(
            labels,
            recipe.balance,
            recipe.balance_power,
            (learned["collection"] + " " + learned["source"]).tolist(),
            recipe.source_power,
        ).to(accelerator.device)
        drawn = loaders.outlines(paths, outlines)
        self.outlined = None if drawn is None else sum(position is not None for position in drawn.positions)
        self._pictures = LabelledImages(
            loaders.pictures(paths, recipe.cached_training), labels, training_way(recipe, epoch=0), drawn
        )
        training = loaders.training(self._pictures, self.balancing, self.order)
        validated = judge.rows["path"]
        validation = loaders.judging(loaders.pictures(validated, recipe.preprocessing))
        self.training, self.validation = accelerator.prepare(training, validation)
        self.probes: Any = None
        if judge.by_sources:
            drawings = draw_probes(validated.iloc[judge.probed].tolist(), recipe.preprocessing)
            self.probes = accelerator.prepare(loaders.judging(drawings))

    def begin(self, epoch: int) -> None:
        """Set order and augmentation of an epoch, counted from 0; the same epoch always gets the same."""
        self.order.manual_seed(self._recipe.seed + epoch + 1)
        self._pictures.transform = training_way(self._recipe, epoch)

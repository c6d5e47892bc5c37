"""What a checkpoint says of its training: which weights and images it was made of, and what it may be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.collection import Collection
from lesionviz.data.plain_layouts import ISIC_ID
from lesionviz.data.portions import Portion
from lesionviz.evaluation.metrics import Metrics
from lesionviz.evaluation.usable import left_out
from lesionviz.network import Network
from lesionviz.recipe import Recipe
from lesionviz.training.choice import SCORE
from lesionviz.training.initial_weights import SCRATCH, starts_from_imagenet


@dataclass(frozen=True)
class Record:
    """What all checkpoints of one training have in common.

    Attributes:
        recipe: every number that decided the outcome.
        options: what else belongs to the command that trains this model.
        split: which images were trained on.
        origin: a sentence on the weights that it started from.
        trained_on: sentences on the images.
        licence: what the weights may be used for.
    """

    recipe: Recipe
    options: Mapping[str, Any]
    split: Mapping[str, Any]
    origin: str
    trained_on: str
    licence: str

    def checkpoint(self, network: Network, epoch: int, metrics: Metrics, more: Mapping[str, float]) -> Checkpoint:
        """Return the checkpoint of an epoch.

        Args:
            network: as it is to be saved.
            epoch: counted from 1.
            metrics: on the validation images of the main collection.
            more: further columns of the epoch's row in the history.
        """
        return Checkpoint(
            state_dict=network.state_dict(),
            preprocessing=self.recipe.preprocessing,
            recipe={**self.recipe.to_dict(), **self.options},
            split=self.split,
            metrics={"epoch": epoch, "validation": metrics.to_dict()} | ({"choice": more} if SCORE in more else {}),
            licence=self.licence,
            history=(self.origin, self.trained_on),
        )


def options_of(data: str, init: str | Path, half: bool, outlines: Sequence[Path]) -> dict[str, Any]:
    """Return what a checkpoint records of a training's options besides the recipe.

    Args:
        data: name of the main collection's folder.
        init: where the weights started from.
        half: whether they are stored in half precision.
        outlines: folders of lesions' outlines.
    """
    options: dict[str, Any] = {"data": data, "init": Path(init).name, "half": half}
    # Folders of outlines are often called like the images': the last two names tell which they are.
    names = ["/".join(folder.resolve().parts[-2:]) for folder in outlines]
    return options | ({"outlines": names} if names else {})


def images_told(
    recipe: Recipe, portions: Sequence[Portion], learned: pd.DataFrame, choosing: pd.DataFrame, caution: str
) -> str:
    """Say on which images a model was fine-tuned, and which chose the epoch.

    Args:
        recipe: of the training.
        portions: all collections.
        learned: the training images.
        choosing: the validation images that choose.
        caution: what the figures mean where classes are missing, or nothing.
    """
    several = f" from {' and '.join(each.name for each in portions)}" if len(portions) > 1 else ""
    others = "other lesions." if recipe.split_by == "lesion" else "lesions, which training may have seen too."
    damaged = sum(len(each.collection.damaged) for each in portions)
    sentences = [
        f"Fine-tuned on {len(learned):,} images of {learned['lesion'].nunique():,} lesions{several}, the epoch chosen on "
        f"{len(choosing):,} images of {choosing['lesion'].nunique():,} {others}",
        left_out(damaged) if damaged else "",
        caution,
    ]
    return " ".join(filter(None, sentences))


def unknown_told(unknown: pd.DataFrame) -> str:
    """Say what images of diagnoses that the model does not know taught it."""
    kinds = ", ".join(sorted(set(unknown["diagnosis"])))
    return f"{len(unknown):,} images of other diagnoses ({kinds}) taught it to prefer none of the four."


def outlines_told(outlined: int, lost: int) -> str:
    """Say how many training images came with an outline, and how many outlines could not be used."""
    told = f"{outlined:,} training images came with an outline of the lesion, inside which the evidence should lie."
    return told + (f" {lost:,} outline{'s' if lost > 1 else ''} could not be used." if lost else "")


def licence_of(collections: Sequence[Collection], init: str | Path) -> str:
    """Say what the weights may be used for, from what they were made of."""
    images = " and ".join(dict.fromkeys(map(_source, collections)))
    archive = "ISIC" in images or "HAM" in images or "NC" in images
    start = "random weights" if str(init) == SCRATCH else "other weights, whose terms hold too"
    start = "ImageNet weights" if starts_from_imagenet(init) else start
    sentence = f"For research and teaching, not for diagnosis. Trained on {images} from {start}"
    return sentence + (": not for commercial use." if archive or str(init) != SCRATCH else ".")


def _source(collection: Collection) -> str:
    """Say whose images a collection holds, and under what licence."""
    if "licence" in collection.table and collection.table["licence"].notna().any():
        licences = ", ".join(sorted(collection.table["licence"].dropna().unique()))
        return f"{collection.layout.split(' (')[0]} images ({licences})"
    if collection.layout.startswith(("ISIC", "HAM")):
        return f"{collection.layout.split(' without')[0]} images (CC BY-NC 4.0)"
    if len(collection.table) and collection.table["image"].str.extract(ISIC_ID, expand=False).notna().all():
        return f"ISIC archive images ({collection.folder.resolve().name}, research use)"
    return "the trainer's own images"

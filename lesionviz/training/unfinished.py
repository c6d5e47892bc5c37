"""What a training saves after every epoch to go on from, and how it is read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from lesionviz.errors import LesionvizError
from lesionviz.files import replacing
from lesionviz.recipe import Recipe
from lesionviz.weights.read import read_tensors

UNFINISHED = "unfinished.pth"


@dataclass(frozen=True)
class Unfinished:
    """A training between two epochs.

    Attributes:
        recipe: of the training.
        split: what the checkpoint records of it.
        origin: a sentence on the weights that it started from.
        history: a row for each epoch.
        best_epoch: the one that is kept, counted from 1.
        parts: the state of the moving parts (:meth:`lesionviz.training.moving_parts.MovingParts.state`).
    """

    recipe: Recipe
    split: Mapping[str, Any]
    origin: str
    history: list[dict[str, Any]]
    best_epoch: int
    parts: Mapping[str, Any]

    def save(self, path: Path) -> None:
        """Write it into one file."""
        content = {
            "recipe": self.recipe.to_dict(),
            "split": self.split,
            "origin": self.origin,
            "history": self.history,
            "best_epoch": self.best_epoch,
            **self.parts,
        }
        with replacing(path) as temporary:
            torch.save(content, temporary)

    @classmethod
    def read(cls, path: Path, recipe: Recipe, split: Mapping[str, Any]) -> Unfinished:
        """Read what :meth:`save` wrote.

        Raises:
            LesionvizError: it was started with another recipe or split than these.
        """
        state = read_tensors(path)
        its_recipe = Recipe.from_dict(state.get("recipe", {})).to_dict()  # of an earlier version, with what it meant
        for key, its, mine in (("recipe", its_recipe, recipe.to_dict()), ("split", state.get("split"), split)):
            if its != mine:
                raise LesionvizError(
                    f"The unfinished training in {path.parent} has another {key}: {its}. "
                    "Resume it with the same options and images, or choose another folder."
                )
        own = {each.name for each in fields(cls)}
        parts = {key: value for key, value in state.items() if key not in own}
        return cls(recipe, split, state["origin"], state["history"], state["best_epoch"], parts)

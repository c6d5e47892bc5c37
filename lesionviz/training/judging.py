"""What an epoch's answers to the validation images say: the figures of its row in the history, and which one chooses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from lesionviz.data.halves import halves
from lesionviz.data.portions import Portion, rows_of
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.measures import Floats
from lesionviz.evaluation.metrics import Metrics, score
from lesionviz.recipe import Recipe
from lesionviz.training.choice import SCORE, choice_score, mean_flips
from lesionviz.training.loaders import labels_of
from lesionviz.training.probes import probed


class Judge:
    """Judges the epochs of one training.

    Args:
        recipe: says what chooses.
        portions: the main collection, then the additional ones.

    Attributes:
        rows: all validation images, those of the main collection first, the portion's name as ``collection``.
        choosing: positions of the images that choose by sources; the others are left for calibration.
        probed: positions of those on which artefacts are drawn; none where sources do not choose.

    Raises:
        LesionvizError: sources are to choose, and the validation lesions cannot be halved.
    """

    def __init__(self, recipe: Recipe, portions: Sequence[Portion]) -> None:
        self.rows = named_rows(portions, "validation")
        self._main = int((self.rows["collection"] == portions[0].name).sum())
        self.by_sources = recipe.choose_by == "sources"
        self.choosing = _choosing(self.rows) if self.by_sources else np.arange(self._main)
        self.probed = self.choosing[probed(self.rows.iloc[self.choosing])] if self.by_sources else np.arange(0)

    def figures(self, logits: Floats, drawn: Floats | None) -> tuple[float, Metrics, dict[str, float]]:
        """Return mean cross-entropy and figures over the main collection's images, and further columns of the history.

        Args:
            logits: (N, 4) of all rows.
            drawn: (probed × artefacts, 4) of the probed rows with every artefact, where sources choose.
        """
        truth, answers = np.array(labels_of(self.rows)), logits.argmax(1)
        main, also = slice(self._main), slice(self._main, None)
        more = dict[str, float]()
        if len(truth[also]):
            more["also_balanced_accuracy"] = score(truth[also], answers[also]).balanced_accuracy
        if drawn is not None:
            flips = mean_flips(logits[self.probed], drawn.reshape(len(self.probed), -1, len(CODES)))
            more |= choice_score(self.rows.iloc[self.choosing], logits[self.choosing], flips)
        loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits[main]), torch.from_numpy(truth[main]))
        return loss.item(), score(truth[main], answers[main]), more


def chosen_figure(columns: Iterable[str]) -> str:
    """Return the column of a history whose highest value tells the epoch that is kept."""
    return SCORE if SCORE in columns else "balanced_accuracy"


def named_rows(portions: Sequence[Portion], part: str) -> pd.DataFrame:
    """Return the rows of a part of every portion, the name of the portion as ``collection``."""
    named = [rows_of([portion], part).assign(collection=portion.name) for portion in portions]
    return pd.concat(named, ignore_index=True)


def _choosing(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the positions of the rows that choose; both halves have some."""
    chooses, calibrates = halves(rows)
    if chooses.empty or calibrates.empty:
        raise LesionvizError(
            f"{rows['lesion'].nunique()} validation lesions cannot be halved for choice and calibration. Add images, or "
            'choose by "balanced accuracy" (--choose-by).'
        )
    positions: npt.NDArray[np.int64] = np.flatnonzero(rows.index.isin(chooses.index))
    return positions

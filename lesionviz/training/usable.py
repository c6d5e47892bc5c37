"""What a training can learn from: images that can be opened, and a word of caution where classes are missing.

The cache decodes every image anyway, so the look at all of them costs nothing there; without it they are looked at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lesionviz.data.damaged import ADVICE, refuse_damaged
from lesionviz.data.portions import Division
from lesionviz.diagnoses import CODES
from lesionviz.recipe import Recipe
from lesionviz.training.judging import named_rows
from lesionviz.training.loaders import Loaders
from lesionviz.training.outliers import outlier_rows

CAUTION = "Caution: "
"""How the sentences begin that say why a training's figures may mean nothing."""
OUTLINES = (
    "Copy or export them again, or go on without them (--skip-damaged): images are then learned from without outline."
)
"""What to do where outlines alone cannot be used."""


def usable_division(
    division: Division, recipe: Recipe, loaders: Loaders, skip_damaged: bool, outlines: Sequence[Path] = ()
) -> Division:
    """Return the division without the images that cannot be used; who is in which part stays as it is.

    Only what the training opens is looked at: no image of a test part. Outlines that cannot be used are passed over by
    the loaders; their images stay.

    Raises:
        LesionvizError: there are some, and nobody asked to go on without them; the text names them all.
    """
    portions = division.portions
    learned = named_rows(portions, "train")["path"].tolist()
    if recipe.outlier_weight:
        learned += outlier_rows(portions)["path"].tolist()
    damaged = loaders.damaged(learned, recipe.cached_training)
    damaged |= loaders.damaged(named_rows(portions, "validation")["path"], recipe.preprocessing)
    drawn = loaders.damaged_outlines(learned, outlines)
    if not skip_damaged:
        refuse_damaged(damaged | drawn, ADVICE if damaged else OUTLINES)
    if not damaged:
        return division
    main, *also = (replace(each, collection=each.collection.without(damaged)) for each in portions)
    return replace(division, main=main, also=tuple(also))


def caution(learned: pd.DataFrame, judged: pd.DataFrame) -> str:
    """Say what the figures of a training without some of the classes mean, or nothing where it has all.

    Args:
        learned: the training images.
        judged: the validation images that choose the epoch.
    """
    missing, unjudged = ([code for code in CODES if code not in set(rows["diagnosis"])] for rows in (learned, judged))
    if len(missing) == len(CODES) - 1:
        return (
            f"All {len(learned):,} training images are of one class, {learned['diagnosis'].iloc[0]}. Whoever has seen one "
            "class alone answers nothing else, so the figures mean nothing, however good they look."
        )
    if missing:
        return (
            f"No training image is of {' or '.join(missing)}: what it has never seen it cannot name, and figures over the "
            "other classes do not say so."
        )
    if unjudged:
        return (
            f"No validation image is of {' or '.join(unjudged)}: the epoch is chosen, and the figures are made, without "
            "asking for that."
        )
    return ""

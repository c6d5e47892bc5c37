"""Outlier exposure: images of diagnoses that the classifier has no class for teach it to have no favourite.

Hendrycks et al. 2019, arXiv 1812.04606. Only the kinds in :data:`lesionviz.diagnoses.TAUGHT_UNKNOWN` take part, and of
them only the training part; what becomes of the other kinds then says whether anything general was learned.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch

from lesionviz.data.portions import Portion, rows_of
from lesionviz.diagnoses import TAUGHT_UNKNOWN
from lesionviz.errors import LesionvizError

OUTLIER = -1
"""The label of such an image."""


def outlier_rows(portions: Sequence[Portion]) -> pd.DataFrame:
    """Return the training rows of the diagnoses that are taught as unknown, the portion's name as ``collection``.

    Raises:
        LesionvizError: there are none.
    """
    rows = pd.concat([rows_of([each], "train", of="others").assign(collection=each.name) for each in portions])
    rows = rows[rows["diagnosis"].isin(TAUGHT_UNKNOWN)]
    if rows.empty:
        names = " or ".join(portion.name for portion in portions)
        raise LesionvizError(
            f"No training image of {', '.join(TAUGHT_UNKNOWN)} is in {names}, so there is nothing that could teach what is "
            "unknown. Train with --outlier-weight 0, or add a collection that has some."
        )
    return rows


def outlier_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy of the outliers to four equal probabilities, summed and divided by all images.

    Over all, so that the mean of the parts of a batch, on several processes, is the mean of the batch.

    Args:
        logits: (N, 4).
        labels: (N), ``OUTLIER`` for those that count here.
    """
    flatness = -torch.log_softmax(logits, 1).mean(1)
    return flatness[labels == OUTLIER].sum() / len(labels)

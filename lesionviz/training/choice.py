"""Which epoch is kept: one rule, written down before anything was trained by it.

**The rule.** A source's mark is (balanced accuracy + ROC-AUC of melanoma) / 2. The score of an epoch is the mean of the
marks over sources, minus half the mean share of answers that a drawn artefact changes.

- Only validation images count, and of these only the half that chooses (:mod:`lesionviz.data.halves`).
- A source is an institution of a collection with at least ``FEWEST`` images and at least two classes. Those with less are
  put together to one. Every collection has one vote, which its sources share alike.
- In a source a class counts with at least ``FEWEST_OF_CLASS`` images, where two classes have so many. Where ROC-AUC cannot
  be known, since melanomas or all others are missing, the balanced accuracy stands alone.
- The artefacts are those that finished models are probed with. They judge here, and are never trained with.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import softmax

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.measures import Floats, measures

FEWEST = 20
FEWEST_OF_CLASS = 5
FLIPS_COUNT = 0.5
SCORE = "score"
FLIPS = "flips"
"""Columns of the history: the score, and the mean share of changed answers."""
BALANCED_ACCURACY, ROC_AUC = "balanced_accuracy_", "roc_auc_MEL_"
"""Columns of the history, each followed by a collection's name."""


def choice_score(rows: pd.DataFrame, logits: Floats, flips: float) -> dict[str, float]:
    """Return the columns that an epoch adds to the history.

    Args:
        rows: of the images that choose: ``collection``, ``source`` and ``diagnosis`` (a code).
        logits: (N, 4) of the same images.
        flips: mean share of answers that an artefact changes, 0 to 1.
    """
    figures, marks = dict[str, float](), list[float]()
    for name, positions in rows.reset_index(drop=True).groupby("collection", sort=False).indices.items():
        of_sources = np.array([_figures(*source) for source in _sources(rows.iloc[positions], logits[positions])])
        accuracy, area = of_sources.T
        marks.append(float(np.nanmean(of_sources, axis=1).mean()))
        figures[f"{BALANCED_ACCURACY}{name}"] = float(accuracy.mean())
        figures[f"{ROC_AUC}{name}"] = float(np.nanmean(area)) if np.isfinite(area).any() else np.nan
    return {SCORE: float(np.mean(marks)) - FLIPS_COUNT * flips, FLIPS: flips, **figures}


def mean_flips(plain: Floats, drawn: Floats) -> float:
    """Return the share of answers that artefacts change.

    Args:
        plain: (N, 4) logits of the pictures as they are.
        drawn: (N, artefacts, 4) of the same pictures with each artefact.
    """
    return float((drawn.argmax(2) != plain.argmax(1)[:, None]).mean())


def _sources(rows: pd.DataFrame, logits: Floats) -> list[tuple[pd.DataFrame, Floats]]:
    """Return the sources of one collection; all of it is one where no institution is large enough."""
    of_each = rows.groupby("source")["diagnosis"]
    large = (of_each.transform("size") >= FEWEST) & (of_each.transform("nunique") >= 2)
    names = rows["source"].where(large, other=None).to_numpy()
    rest = pd.isna(names)
    parts = [names == name for name in dict.fromkeys(names[~rest])]
    if not parts or (rest.sum() >= FEWEST and rows["diagnosis"][rest].nunique() >= 2):
        parts.append(rest)
    return [(rows[part], logits[part]) for part in parts]


def _figures(rows: pd.DataFrame, logits: Floats) -> tuple[float, float]:
    """Return balanced accuracy and ROC-AUC of melanoma, which may be NaN, of one source."""
    counts = rows["diagnosis"].value_counts()
    counted = counts.index[counts >= FEWEST_OF_CLASS]
    kept = rows["diagnosis"].isin(counted if len(counted) >= 2 else counts.index).to_numpy()
    truth = rows["diagnosis"][kept].map(CODES.index).to_numpy(np.int64)
    found = measures(truth, softmax(logits[kept], axis=1))
    return found["balanced_accuracy"], found["roc_auc_MEL"]

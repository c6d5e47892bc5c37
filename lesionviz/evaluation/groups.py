"""How a classifier does on parts of the images: by source, sex, age and body site, as far as a collection records them.

Skin tone is not recorded in ISIC, so no table can say how the model does on dark skin; the report says so.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval, by_lesion
from lesionviz.evaluation.measures import Floats, measures

COLUMNS = {"source": "source", "sex": "sex", "age": "age in years", "site": "body site"}
AGES = {
    "under 30": (0, 30),
    "30 to 44": (30, 45),
    "45 to 59": (45, 60),
    "60 to 74": (60, 75),
    "75 and over": (75, 200),
}
NOT_RECORDED = "not recorded"
SHOWN = ("accuracy", "balanced_accuracy", "sensitivity_MEL", "roc_auc_MEL")
FEWEST = 20
"""Images under which a group is counted, but not judged."""
FEWEST_OF_CLASS = 10
"""Images of a class under which a figure about that class is not given: its interval would feign certainty."""
DRAWS = 200


def group_table(predictions: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """Return figures for each group.

    Args:
        predictions: one row for each image: ``lesion``, ``diagnosis``, the probability of each class, and any of
            the columns of ``COLUMNS``.
        draws: of the bootstrap.

    Returns:
        Rows indexed by ``by`` and ``group``: ``images``, ``lesions``, ``melanomas`` and an :class:`Interval` for
        each of ``SHOWN``; NaN where the group is too small.
    """
    rows = []
    for column, name in COLUMNS.items():
        if column not in predictions:
            continue
        groups = age_bands(predictions[column]) if column == "age" else predictions[column].fillna(NOT_RECORDED)
        order = [*AGES, NOT_RECORDED] if column == "age" else groups.value_counts().index.tolist()
        for group in order:
            part = predictions[groups == group]
            if len(part):
                rows.append({"by": name, "group": str(group), **_figures(part, draws)})
    return pd.DataFrame(rows).set_index(["by", "group"]) if rows else pd.DataFrame()


def age_bands(ages: pd.Series[float]) -> pd.Series[str]:
    """Return the name of the band that each age lies in."""
    bands = pd.Series(NOT_RECORDED, index=ages.index, dtype=object)
    for name, (low, high) in AGES.items():
        bands[(ages >= low) & (ages < high)] = name
    return bands


def _figures(part: pd.DataFrame, draws: int) -> dict[str, object]:
    counts = {
        "images": len(part),
        "lesions": part["lesion"].nunique(),
        "melanomas": int((part["diagnosis"] == "MEL").sum()),
    }
    if len(part) < FEWEST:
        return counts | dict.fromkeys(SHOWN, Interval(np.nan, np.nan, np.nan))
    truth = part["diagnosis"].map(CODES.index).to_numpy(np.int64)
    probabilities = part[list(CODES)].to_numpy()

    def figures(weights: Floats) -> dict[str, float]:
        found = measures(truth, probabilities, weights)
        return {key: found[key] for key in SHOWN}

    found = dict(by_lesion(figures, part["lesion"].to_numpy(), draws))
    by_class = np.bincount(truth, minlength=len(CODES))
    unknown = Interval(np.nan, np.nan, np.nan)
    if by_class[CODES.index("MEL")] < FEWEST_OF_CLASS:
        found |= {"sensitivity_MEL": unknown, "roc_auc_MEL": unknown}
    if by_class[by_class > 0].min() < FEWEST_OF_CLASS:
        found["balanced_accuracy"] = unknown
    return counts | found

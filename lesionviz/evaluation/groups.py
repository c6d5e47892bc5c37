"""How a classifier does on parts of the images: by source, sex, age, body site and skin tone, as far as they are recorded.

Most of ISIC records no skin tone; where a collection does, it is told in two groups, since more would be too small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval, by_lesion
from lesionviz.evaluation.measures import Floats, measures

SKIN_TONE = "skin tone"
COLUMNS = {"source": "source", "sex": "sex", "age": "age in years", "site": "body site", "skin_tone": SKIN_TONE}
AGES = {
    "under 30": (0, 30),
    "30 to 44": (30, 45),
    "45 to 59": (45, 60),
    "60 to 74": (60, 75),
    "75 and over": (75, 200),
}
DARKER, LIGHTER = "darker (MILK10k 0 to 2, Fitzpatrick IV to VI)", "lighter (MILK10k 3 to 5, Fitzpatrick I to III)"
TONES = dict.fromkeys(("0", "1", "2", "IV", "V", "VI"), DARKER) | dict.fromkeys(
    ("3", "4", "5", "I", "II", "III"), LIGHTER
)
"""MILK10k's scale runs from very dark, 0, to very light, 5: in its close-ups, which show skin around the lesion, the
corners get lighter from 0 to 5. Fitzpatrick's runs the other way."""
FEWEST_MELANOMAS = 20
"""Melanomas under which a group by skin tone is counted, but not judged."""
NOT_RECORDED = "not recorded"
SHOWN = ("accuracy", "balanced_accuracy", "sensitivity_MEL", "roc_auc_MEL")
FEWEST = 20
"""Images under which a group is counted, but not judged."""
FEWEST_OF_CLASS = 10
"""Images of a class under which a figure about that class is not given: its interval would feign certainty."""
DRAWS = 200
UNKNOWN = Interval(np.nan, np.nan, np.nan)


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
        groups, order = _groups(column, predictions[column])
        for group in order:
            part = predictions[groups == group]
            if len(part):
                figures = _figures(part, draws)
                if name == SKIN_TONE and figures["melanomas"] < FEWEST_MELANOMAS:
                    figures |= dict.fromkeys(SHOWN, UNKNOWN)
                rows.append({"by": name, "group": str(group), **figures})
    return pd.DataFrame(rows).set_index(["by", "group"]) if rows else pd.DataFrame()


def _groups(column: str, values: pd.Series[Any]) -> tuple[pd.Series[str], list[str]]:
    """Return the group of each image, and the groups in the order of the table."""
    if column == "age":
        return age_bands(values), [*AGES, NOT_RECORDED]
    if column == "skin_tone":
        return values.map(TONES).fillna(NOT_RECORDED), [DARKER, LIGHTER] if values.isin(list(TONES)).any() else []
    named = values.fillna(NOT_RECORDED)
    return named, [str(name) for name in named.value_counts().index]


def age_bands(ages: pd.Series[float]) -> pd.Series[str]:
    """Return the name of the band that each age lies in."""
    bands = pd.Series(NOT_RECORDED, index=ages.index, dtype=object)
    for name, (low, high) in AGES.items():
        bands[(ages >= low) & (ages < high)] = name
    return bands


def _figures(part: pd.DataFrame, draws: int) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "images": len(part),
        "lesions": part["lesion"].nunique(),
        "melanomas": int((part["diagnosis"] == "MEL").sum()),
    }
    if len(part) < FEWEST:
        return counts | dict.fromkeys(SHOWN, UNKNOWN)
    truth = part["diagnosis"].map(CODES.index).to_numpy(np.int64)
    probabilities = part[list(CODES)].to_numpy()

    def figures(weights: Floats) -> dict[str, float]:
        found = measures(truth, probabilities, weights)
        return {key: found[key] for key in SHOWN}

    found = dict(by_lesion(figures, part["lesion"].to_numpy(), draws))
    by_class = np.bincount(truth, minlength=len(CODES))
    if by_class[CODES.index("MEL")] < FEWEST_OF_CLASS:
        found |= {"sensitivity_MEL": UNKNOWN, "roc_auc_MEL": UNKNOWN}
    if by_class[by_class > 0].min() < FEWEST_OF_CLASS:
        found["balanced_accuracy"] = UNKNOWN
    return counts | found

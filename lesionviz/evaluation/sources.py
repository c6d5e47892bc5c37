"""Source by source: how a classifier does at each clinic that it is judged on, and how often it is silent or warns there.

One line is one source: the part of a collection that was judged, or one clinic of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lesionviz.diagnoses import CODES, TAUGHT_UNKNOWN
from lesionviz.evaluation.bootstrap import Interval, by_lesion
from lesionviz.evaluation.measures import Floats, equal_mass_error, equal_mass_error_if_calibrated, measures

FEWEST = 20
"""Images of a class under which it is not among those that the balanced accuracy is the mean over."""
MEL, BCC = CODES.index("MEL"), CODES.index("BCC")


def source_figures(predictions: pd.DataFrame, draws: int) -> dict[str, Interval | float | int]:
    """Return the line of one source.

    Args:
        predictions: one row for each image: ``lesion``, ``diagnosis``, the probability of each class, ``refusal`` and
            ``warning``.
        draws: of the bootstrap by lesion.

    Returns:
        ``images`` and ``melanomas`` as counts; ``balanced_accuracy`` over the classes with at least ``FEWEST`` images,
        ``roc_auc_MEL``, ``sensitivity_MEL``, ``sensitivity_BCC``, ``called_BCC`` (share of the others called BCC),
        ``refused`` and ``warned`` (of those answered) as intervals; ``ece`` and ``ece_if_calibrated`` over ten bins of
        equally many images. NaN where there is nothing to measure on.
    """
    truth = predictions["diagnosis"].map(CODES.index).to_numpy(np.int64)
    probabilities = predictions[list(CODES)].to_numpy(np.float64)
    answers = probabilities.argmax(axis=1)
    refused, warned = ((predictions[name] != "").to_numpy() for name in ("refusal", "warning"))
    counted = np.flatnonzero(np.bincount(truth, minlength=len(CODES)) >= FEWEST)

    def figures(weights: Floats) -> dict[str, float]:
        found = measures(truth, probabilities, weights)
        kept = [found[f"sensitivity_{CODES[index]}"] for index in counted]
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "balanced_accuracy": float(np.mean(kept)) if len(kept) >= 2 else np.nan,
                "roc_auc_MEL": found["roc_auc_MEL"] if MEL in counted else np.nan,
                "sensitivity_MEL": found["sensitivity_MEL"] if MEL in counted else np.nan,
                "sensitivity_BCC": found["sensitivity_BCC"] if BCC in counted else np.nan,
                "called_BCC": float(np.average(answers == BCC, weights=weights * (truth != BCC)))
                if (weights * (truth != BCC)).sum()
                else np.nan,
                "refused": float(np.average(refused, weights=weights)),
                "warned": float(np.average(warned, weights=weights * ~refused))
                if (weights * ~refused).sum()
                else np.nan,
            }

    return {
        "images": len(truth),
        "melanomas": int((truth == MEL).sum()),
        **by_lesion(figures, predictions["lesion"].to_numpy(), draws),
        "ece": equal_mass_error(truth, probabilities),
        "ece_if_calibrated": equal_mass_error_if_calibrated(probabilities),
    }


def unknown_figures(known: pd.DataFrame, unknown: pd.DataFrame) -> pd.DataFrame:
    """Return how unknown diagnoses fare beside known ones of the same source.

    Args:
        known, unknown: one row for each image: ``diagnosis``, ``refusal``, ``warning`` and ``unfamiliarity``.

    Returns:
        Rows for the kinds that were taught as unknown, for those that never were, and for each label: ``kind``,
        ``images``, ``refused``, ``warned`` (shares) and ``roc_auc``, of unknown against known by unfamiliarity; NaN where
        the model does not ask. Empty without unknown ones.
    """
    taught = unknown["diagnosis"].isin(TAUGHT_UNKNOWN)
    kinds = {"taught as unknown": unknown[taught], "never seen": unknown[~taught]}
    kinds |= {str(label): rows for label, rows in unknown.groupby("diagnosis")}
    lines = []
    for kind, rows in kinds.items():
        if rows.empty:
            continue
        values = pd.concat([known["unfamiliarity"], rows["unfamiliarity"]]).astype(float).to_numpy()
        labels = np.repeat([0, 1], [len(known), len(rows)])
        lines.append(
            {
                "kind": kind,
                "images": len(rows),
                "refused": float((rows["refusal"] != "").mean()),
                "warned": float((rows["warning"] != "").mean()),
                "roc_auc": float(roc_auc_score(labels, values)) if np.isfinite(values).all() else np.nan,
            }
        )
    return pd.DataFrame(lines)

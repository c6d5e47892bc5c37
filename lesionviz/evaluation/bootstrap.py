"""Intervals by resampling lesions: photographs of one lesion are not independent of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def mean_by_group(
    values: npt.NDArray[np.float64], groups: npt.NDArray[Any], draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of some values and its 95 % percentile interval.

    Args:
        values: numbers; NaN counts as not measured.
        groups: the lesion of each value; whole lesions are drawn with replacement (cluster bootstrap).
        draws: how many samples.
        seed: of the draws.

    Returns:
        Mean, lower and upper bound; NaN when nothing was measured.
    """
    measured = ~np.isnan(values)
    if not measured.any():
        return float("nan"), float("nan"), float("nan")
    _, index = np.unique(groups[measured], return_inverse=True)
    sums, counts = np.bincount(index, values[measured]), np.bincount(index)
    picks = np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values[measured].mean()), float(low), float(high)

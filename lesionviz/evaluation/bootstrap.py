"""Intervals by resampling lesions: photographs of one lesion are not independent of each other.

Lesions are drawn with replacement, whole (cluster bootstrap), and the 2.5th and 97.5th percentile of a figure over
the draws bound its 95 % interval (Davison & Hinkley 1997, section 3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm.auto import tqdm

DRAWS = 1000
"""How many samples are drawn, unless told otherwise."""
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True)
class Interval:
    """A figure and the bounds of its 95 % interval; NaN where it could not be measured."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return "–" if np.isnan(self.value) else f"{self.value:.1%} ({100 * self.low:.1f}–{100 * self.high:.1f})"


def by_lesion(
    figures: Callable[[npt.NDArray[np.float64]], Mapping[str, float]],
    lesions: npt.NDArray[Any],
    draws: int = DRAWS,
    seed: int = 0,
    progress: str = "",
) -> dict[str, Interval]:
    """Return figures with their intervals.

    Args:
        figures: from a weight for each image (N,), how often its lesion was drawn, to figures by name.
        lesions: (N,) the lesion of each image.
        draws: how many samples.
        seed: of the draws; the same seed pairs two models on the same images.
        progress: name of a bar, where someone is looking.
    """
    weights = _weights(lesions, draws, seed)
    shown = tqdm(weights, total=draws, desc=progress, leave=False, disable=None if progress else True)
    return _intervals(figures, len(lesions), shown)


def by_both(
    figures: Callable[[npt.NDArray[np.float64]], Mapping[str, float]],
    readers: npt.NDArray[Any],
    cases: npt.NDArray[Any],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return figures about readers who each read several cases, with intervals for other readers *and* other cases.

    In each draw, readers and cases are drawn with replacement, independently, and an answer counts as often as its reader
    times as its case (Owen 2007, The pigeonhole bootstrap, doi:10.1214/07-AOAS122).

    Args:
        figures: from a weight for each answer (N,) to figures by name.
        readers, cases: (N,) of each answer.
        draws: how many samples.
        seed: of the draws.
    """
    pairs = zip(_weights(readers, draws, seed), _weights(cases, draws, seed + 1), strict=True)
    return _intervals(figures, len(readers), (of_reader * of_case for of_reader, of_case in pairs))


def mean_by_group(
    values: npt.NDArray[np.float64], groups: npt.NDArray[Any], draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of some values and its 95 % interval, all draws at once.

    Args:
        values: numbers; NaN counts as not measured.
        groups: the lesion of each value.
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
    low, high = _bounds(sums[picks].sum(axis=1) / counts[picks].sum(axis=1))
    return float(values[measured].mean()), low, high


def _intervals(
    figures: Callable[[npt.NDArray[np.float64]], Mapping[str, float]],
    count: int,
    weights: Iterable[npt.NDArray[np.float64]],
) -> dict[str, Interval]:
    """Return figures with the bounds of their draws."""
    here = figures(np.ones(count))
    drawn: dict[str, list[float]] = {name: [] for name in here}
    for weight in weights:
        for name, value in figures(weight).items():
            drawn[name].append(value)
    return {name: Interval(here[name], *_bounds(np.array(values))) for name, values in drawn.items()}


def _weights(lesions: npt.NDArray[Any], draws: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield, for each draw, how often the lesion of each image was drawn."""
    _, index = np.unique(lesions, return_inverse=True)
    random = np.random.default_rng(seed)
    count = int(index.max()) + 1
    for _ in range(draws):
        picked = np.bincount(random.integers(0, count, count), minlength=count)
        yield picked[index].astype(float)


def _bounds(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    measured = values[np.isfinite(values)]  # a draw may miss a rare class altogether
    if not len(measured):
        return float("nan"), float("nan")
    low, high = np.percentile(measured, PERCENTILES)
    return float(low), float(high)

"""What came out of a reader study: people with the AI against people without, and how far they agree.

Of the same readers and the same cases, with minus without: each case was seen with the AI by one half of the readers and
without by the other. (Tschandl et al. 2020, doi:10.1038/s41591-020-0942-0, ask it of readers who saw each picture twice.)
Intervals are for other readers and other cases. Cases in which the AI was made wrong stand apart, in both arms: they count
in a figure of their own and in no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.bootstrap import Interval, by_both, by_lesion

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
DRAWS = 2000
MALIGNANT = frozenset(diagnosis.code for diagnosis in DIAGNOSES if diagnosis.malignant)
NEEDED = ("reader", "case", "truth", "with_ai", "answer", "sure", "seconds", "ai_made_wrong")
ARMS = ("without", "with", "difference")
FIGURES = ("accuracy", "sensitivity", "specificity", "sure", "seconds", "accuracy, AI made wrong")
"""``sensitivity``: malignant cases that were given a malignant diagnosis; ``specificity``: benign ones, a benign one."""


@dataclass(frozen=True)
class StudyResults:
    """What came out of a reader study.

    Attributes:
        readers, cases, answers: how many there are in the table.
        figures: by name of ``FIGURES`` and by arm of ``ARMS``, with 95 % intervals over readers and cases; NaN where a
            figure could not be measured.
        agreement: Krippendorff's alpha of the diagnoses, ``"all"``, ``"without"`` and ``"with"``, with 95 % intervals over
            cases.
        by_reader: accuracy of each reader without and with the AI, and how many answers these are of.
    """

    readers: int
    cases: int
    answers: int
    figures: Mapping[tuple[str, str], Interval]
    agreement: Mapping[str, Interval]
    by_reader: pd.DataFrame

    def frame(self) -> pd.DataFrame:
        """Return all figures as a table: ``figure``, ``arm``, ``value``, ``low``, ``high``."""
        import pandas as pd

        named = [
            *((name, arm, one) for (name, arm), one in self.figures.items()),
            *(("Krippendorff's alpha", arm, one) for arm, one in self.agreement.items()),
        ]
        rows = [(name, arm, one.value, one.low, one.high) for name, arm, one in named]
        return pd.DataFrame(rows, columns=["figure", "arm", "value", "low", "high"])


def study_results(table: pd.DataFrame, draws: int = DRAWS, seed: int = 0) -> StudyResults:
    """Return what came out of a reader study.

    Args:
        table: of its answers, from :func:`lesionviz.read_study`.
        draws: samples of the intervals.
        seed: of the draws.

    Raises:
        LesionvizError: the table lacks a column, or has no row.
    """
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise LesionvizError(
            f"The table of a reader study has no column {missing[0]}. Take one from lesionviz.read_study."
        )
    if table.empty:
        raise LesionvizError("The table of the reader study has no row: nobody has answered.")
    readers, cases = table["reader"].to_numpy(), table["case"].to_numpy()
    codes = np.array([CODES.index(code) for code in table["answer"]])
    with_ai = table["with_ai"].to_numpy(bool)
    measured = _measures(table)

    def figures(weights: Floats) -> dict[str, float]:
        found: dict[tuple[str, str], float] = {}
        for name, (values, counts) in measured.items():
            arms = [_mean(values, weights * (counts & (with_ai == arm))) for arm in (False, True)]
            found |= dict(zip(((name, arm) for arm in ARMS), (*arms, arms[1] - arms[0]), strict=True))
        return {f"{name}|{arm}": value for (name, arm), value in found.items()}

    units = np.unique(cases, return_inverse=True)[1]
    chosen = {"all": np.ones(len(cases), bool), "without": ~with_ai, "with": with_ai}

    def alphas(weights: Floats) -> dict[str, float]:
        return {
            name: krippendorff_alpha(codes[rows], units[rows], _by_unit(units, weights))
            for name, rows in chosen.items()
        }

    intervals = by_both(figures, readers, cases, draws, seed)
    return StudyResults(
        readers=len(set(readers)),
        cases=len(set(cases)),
        answers=len(table),
        figures={(name, arm): intervals[f"{name}|{arm}"] for name in measured for arm in ARMS},
        agreement=by_lesion(alphas, cases, draws, seed),
        by_reader=_by_reader(table),
    )


def krippendorff_alpha(values: npt.NDArray[Any], units: npt.NDArray[Any], weights: Floats | None = None) -> float:
    """Return Krippendorff's alpha for nominal values: 1 is full agreement, 0 what chance would give.

    Fleiss' kappa wants every case read by equally many; here readers may stop, and each case has two arms. From the
    coincidence matrix (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, University of Pennsylvania): a unit
    with m values gives each of its ordered pairs 1 / (m − 1), and units with one value give nothing.

    Args:
        values: (N,) what was said, whole numbers from 0.
        units: (N,) about which case, whole numbers from 0.
        weights: how often each case counts, by its number; once, by default.

    Returns:
        Alpha; NaN where nothing can be compared, or all values are the same.
    """
    if not len(values):
        return float("nan")
    counts = np.zeros((int(units.max()) + 1, int(values.max()) + 1))
    np.add.at(counts, (units, values), 1)
    many = counts.sum(axis=1)
    share = np.where(many > 1, 1 / np.maximum(many - 1, 1), 0.0)
    if weights is not None:
        share = share * weights[: len(share)]
    coincidences = (counts * share[:, None]).T @ counts - np.diag((counts * share[:, None]).sum(axis=0))
    totals = coincidences.sum(axis=0)
    pairs = totals.sum()
    by_chance = pairs**2 - (totals**2).sum()
    if pairs <= 1 or by_chance <= 0:
        return float("nan")
    return float(1 - (pairs - 1) * (pairs - np.trace(coincidences)) / by_chance)


def _measures(table: pd.DataFrame) -> dict[str, tuple[Floats, npt.NDArray[np.bool_]]]:
    """Return by name of ``FIGURES`` a number for each answer, and which answers count."""
    right = (table["truth"] == table["answer"]).to_numpy(float)
    malignant, called = (table[name].isin(MALIGNANT).to_numpy() for name in ("truth", "answer"))
    wrong_cases = set(table.loc[table["ai_made_wrong"].astype(bool), "case"])
    apart = table["case"].isin(wrong_cases).to_numpy()
    seconds = table["seconds"].to_numpy(float)
    values = (
        (right, ~apart),
        (called.astype(float), malignant & ~apart),
        ((~called).astype(float), ~malignant & ~apart),
        (table["sure"].to_numpy(float), ~apart),
        (np.nan_to_num(seconds), ~np.isnan(seconds) & ~apart),
        (right, apart),
    )
    return dict(zip(FIGURES, values, strict=True))


def _by_reader(table: pd.DataFrame) -> pd.DataFrame:
    """Return ``reader``, and of each arm the accuracy and the number of answers, wrong AIs apart."""
    import pandas as pd

    right, counts = _measures(table)["accuracy"]
    rows = []
    for reader in dict.fromkeys(table["reader"]):
        own = (table["reader"] == reader).to_numpy() & counts
        arms = [own & (table["with_ai"].to_numpy(bool) == arm) for arm in (False, True)]
        rows.append((reader, *(each for arm in arms for each in (_mean(right, arm.astype(float)), int(arm.sum())))))
    return pd.DataFrame(rows, columns=["reader", "without", "of_without", "with", "of_with"])


def _by_unit(units: npt.NDArray[Any], weights: Floats) -> Floats:
    """Return the weight of each unit; all its rows have the same."""
    found = np.zeros(int(units.max()) + 1)
    found[units] = weights
    return found


def _mean(values: Floats, weights: Floats) -> float:
    total = weights.sum()
    return float((values * weights).sum() / total) if total else float("nan")

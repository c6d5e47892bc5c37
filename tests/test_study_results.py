"""What comes out of a reader study: agreement and intervals, against values by hand, the source's own, and SciPy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lesionviz
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.bootstrap import by_both
from lesionviz.evaluation.readers import krippendorff_alpha


def alpha(*observers: str) -> float:
    """Alpha of observers who each say a digit about each unit, or nothing: a dot."""
    said = [(int(value), unit) for row in observers for unit, value in enumerate(row) if value != "."]
    values, units = np.array(said).T
    return krippendorff_alpha(values, units)


def answers(*rows: tuple[str, int, str, bool, str], **more: Any) -> pd.DataFrame:
    """A table of reader, case, truth, whether with the AI, and answer."""
    table = pd.DataFrame(rows, columns=["reader", "case", "truth", "with_ai", "answer"])
    return table.assign(**({"sure": 3, "seconds": 10.0, "ai_made_wrong": False} | more))


def test_alpha_is_that_of_the_sources_own_examples() -> None:
    # Krippendorff 2011, Computing Krippendorff's Alpha-Reliability: B, two observers; C, four with missing values
    assert alpha("0100000010", "1110010000") == pytest.approx(0.095, abs=5e-4)
    observers = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    assert alpha(*observers) == pytest.approx(0.743, abs=5e-4)


def test_alpha_by_hand() -> None:
    # Three readers, units 001, 11., 0..: the first gives its six ordered pairs 1/2 each, the second two pairs 1 each, the
    # third none. Coincidences 00: 1, 01: 1, 10: 1, 11: 2; totals 2 and 3 of 5; alpha = 1 - 4 * 2 / (2 * 2 * 3).
    assert alpha("010", "01.", "1..") == pytest.approx(1 - 4 * 2 / 12)


@pytest.mark.parametrize("observers", [("12.", "..3"), ("111", "111"), ("1", ".")])
def test_alpha_is_unknown_where_nothing_can_be_compared(observers: tuple[str, ...]) -> None:
    assert np.isnan(alpha(*observers))


def test_alpha_counts_a_case_as_often_as_its_weight_says() -> None:
    once = krippendorff_alpha(np.array([0, 0, 1, 1, 0, 1]), np.array([0, 0, 1, 1, 2, 2]), np.array([2.0, 0.0, 1.0]))
    assert once == alpha("000", "001")


def test_figures_by_hand() -> None:
    table = answers(
        ("Ada", 1, "MEL", False, "MEL"),
        ("Ada", 2, "NV", False, "MEL"),
        ("Ada", 3, "BCC", True, "MEL"),
        ("Ada", 4, "NV", True, "NV"),
        ("Ben", 1, "MEL", True, "MEL"),
        ("Ben", 2, "NV", True, "BKL"),
        ("Ben", 3, "BCC", False, "NV"),
        ("Ben", 4, "NV", False, "NV"),
        sure=[1, 2, 3, 4, 5, 5, 1, 2],
        seconds=[10.0, 20, 3, 5, 7, np.nan, 30, 40],
    )
    found = lesionviz.study_results(table, draws=20)
    assert (found.readers, found.cases, found.answers) == (2, 4, 8)
    values = {key: one.value for key, one in found.figures.items()}
    assert [values["accuracy", arm] for arm in ("without", "with", "difference")] == [2 / 4, 2 / 4, 0]
    # malignant without: 1 found, 3 not; with: 3 and 1 called malignant. Benign without: 2 called malignant, 4 not.
    assert [values["sensitivity", arm] for arm in ("without", "with", "difference")] == [0.5, 1, 0.5]
    assert [values["specificity", arm] for arm in ("without", "with", "difference")] == [0.5, 1, 0.5]
    assert [values["sure", arm] for arm in ("without", "with", "difference")] == [1.5, 4.25, 2.75]
    assert [values["seconds", arm] for arm in ("without", "with", "difference")] == [25, 5, -20]
    assert np.isnan(values["accuracy, AI made wrong", "with"])
    assert found.by_reader.to_numpy().tolist() == [["Ada", 0.5, 2, 0.5, 2], ["Ben", 0.5, 2, 0.5, 2]]
    # Cases 1 and 4 agree, 2 and 3 do not: of 8 values 4 lie off the diagonal; MEL 4, BKL 1, NV 3
    assert found.agreement["all"].value == pytest.approx(1 - 7 * 4 / (64 - 16 - 1 - 9))
    assert np.isnan(found.agreement["with"].value)  # two readers never see a case in the same way


def test_cases_in_which_the_ai_was_made_wrong_count_apart_in_both_arms() -> None:
    table = answers(
        ("Ada", 1, "MEL", True, "NV"),
        ("Ben", 1, "MEL", False, "MEL"),
        ("Ada", 2, "NV", False, "NV"),
        ("Ben", 2, "NV", True, "NV"),
        ai_made_wrong=[True, False, False, False],
    )
    found = {key: one.value for key, one in lesionviz.study_results(table, draws=20).figures.items()}
    assert [found["accuracy", arm] for arm in ("without", "with", "difference")] == [1, 1, 0]
    apart = [found["accuracy, AI made wrong", arm] for arm in ("without", "with", "difference")]
    assert apart == [1, 0, -1]


def test_intervals_are_those_of_every_draw_of_readers_and_cases_written_out() -> None:
    right = np.array([[1, 0, 1], [0, 0, 1]])  # of two readers in three cases
    readers, cases = (side.ravel() for side in np.indices(right.shape))
    written_out = [
        right[np.ix_(of_readers, of_cases)].mean()
        for of_readers in product(range(2), repeat=2)
        for of_cases in product(range(3), repeat=3)
    ]
    exact = np.percentile(written_out, [2.5, 97.5])

    def share(weights: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
        return {"share": float((weights * right.ravel()).sum() / weights.sum())}

    found = by_both(share, readers, cases, draws=20_000, seed=3)["share"]
    assert (found.value, found.low, found.high) == (pytest.approx(0.5), *map(pytest.approx, exact))
    assert exact[0] < 0.1 < 0.9 < exact[1]  # three or two cases alone would not reach so far


def test_intervals_of_one_reader_are_scipys_over_cases() -> None:
    random = np.random.default_rng(5)
    with_ai = np.arange(60) % 2 == 1
    right = random.random(60) < np.where(with_ai, 0.85, 0.6)
    rows = [("Ada", n, "NV", bool(with_ai[n]), "NV" if right[n] else "BKL") for n in range(60)]
    found = lesionviz.study_results(answers(*rows), draws=4000).figures["accuracy", "difference"]

    def difference(hits: Any, arm: Any, axis: int = -1) -> Any:
        return (hits * arm).sum(axis) / arm.sum(axis) - (hits * (1 - arm)).sum(axis) / (1 - arm).sum(axis)

    columns = (right.astype(float), with_ai.astype(float))
    scipys = stats.bootstrap(columns, difference, paired=True, vectorized=True, method="percentile", n_resamples=4000)
    assert found.value == pytest.approx(difference(*columns))
    assert (found.low, found.high) == pytest.approx(tuple(scipys.confidence_interval), abs=0.02)


def test_more_readers_and_cases_make_narrower_intervals() -> None:
    def width(count: int) -> float:
        random = np.random.default_rng(1)
        rows = [
            (f"reader {r}", c, "NV", (r + c) % 2 == 0, "NV" if random.random() < 0.7 else "BKL")
            for r in range(count)
            for c in range(count)
        ]
        one = lesionviz.study_results(answers(*rows), draws=300).figures["accuracy", "difference"]
        return one.high - one.low

    assert width(24) < width(6)


def test_figures_are_a_table_with_a_row_for_each() -> None:
    found = lesionviz.study_results(answers(("Ada", 1, "MEL", False, "MEL"), ("Ada", 2, "NV", True, "NV")), draws=20)
    table = found.frame()
    assert list(table) == ["figure", "arm", "value", "low", "high"]
    assert len(table) == 6 * 3 + 3
    accuracy = table[(table["figure"] == "accuracy") & (table["arm"] == "with")]
    assert accuracy["value"].tolist() == [1.0]


def test_a_table_without_a_column_or_a_row_is_refused_in_words() -> None:
    table = answers(("Ada", 1, "MEL", False, "MEL"))
    with pytest.raises(LesionvizError, match="no column seconds"):
        lesionviz.study_results(table.drop(columns="seconds"))
    with pytest.raises(LesionvizError, match="nobody has answered"):
        lesionviz.study_results(table.iloc[:0])

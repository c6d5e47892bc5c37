"""The table of sources: worked out by hand on a handful of images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval
from lesionviz.evaluation.groups import DARKER, LIGHTER, SKIN_TONE, group_table
from lesionviz.evaluation.measures import equal_mass_error, equal_mass_error_if_calibrated
from lesionviz.evaluation.sources import source_figures, unknown_figures


def judged(counts: dict[tuple[str, str], int], **more: object) -> pd.DataFrame:
    """Return images by (diagnosis, answer), sure of the answer, each a lesion of its own."""
    pairs = [pair for pair, count in counts.items() for _ in range(count)]
    table = pd.DataFrame({"diagnosis": [true for true, _ in pairs], "lesion": [f"l{n}" for n in range(len(pairs))]})
    for code in CODES:
        table[code] = [0.97 if answer == code else 0.01 for _, answer in pairs]
    return table.assign(**{"refusal": "", "warning": ""} | more)


def value(figure: Interval | float) -> float:
    assert isinstance(figure, Interval)
    return figure.value


def test_a_source_by_hand() -> None:
    table = judged(
        {
            ("NV", "NV"): 30,
            ("NV", "BCC"): 10,
            ("MEL", "MEL"): 15,
            ("MEL", "NV"): 5,
            ("BKL", "NV"): 3,
            ("BCC", "BCC"): 2,
        }
    )
    table.loc[:12, "refusal"] = "too dark"  # 13 of 65
    table.loc[13:25, "warning"] = "unknown"  # 13 of the other 52
    line = source_figures(table, draws=20)
    assert (line["images"], line["melanomas"]) == (65, 20)
    assert value(line["balanced_accuracy"]) == pytest.approx((0.75 + 0.75) / 2)  # NV and MEL alone have 20
    assert value(line["sensitivity_MEL"]) == 0.75
    assert np.isnan(value(line["sensitivity_BCC"]))  # two images say nothing
    assert value(line["called_BCC"]) == pytest.approx(10 / 63)
    assert value(line["refused"]) == pytest.approx(0.2)
    assert value(line["warned"]) == pytest.approx(0.25)
    # ten bins in the table's order; right are 7, 7, 7, 7 and 2 of 7, then of 6: 0, 6, 6, 3 and 2
    gaps = [7 * 0.03] * 4 + [7 * (0.97 - 2 / 7)] + [6 * 0.97, 6 * 0.03, 6 * 0.03, 6 * 0.47, 6 * (0.97 - 2 / 6)]
    assert line["ece"] == pytest.approx(sum(gaps) / 65)


def test_equal_bins_by_hand() -> None:
    probabilities = np.array([[0.7, 0.1, 0.1, 0.1]] * 4 + [[0.4, 0.2, 0.2, 0.2]] * 4)
    truth = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    assert equal_mass_error(truth, probabilities, bins=2) == pytest.approx((0.05 + 0.10) / 2)
    assert equal_mass_error(truth, probabilities, bins=1) == pytest.approx(0.625 - 0.55)


def test_a_perfectly_calibrated_model_shows_less_error_the_more_images_it_has() -> None:
    few = np.tile([0.5, 0.3, 0.1, 0.1], (20, 1))
    # of 20 images in one bin of confidence 0.5 the gap is |k/20 - 0.5|, k binomial: its mean is C(20, 10) / 2^21
    one_bin = equal_mass_error_if_calibrated(few[:2], draws=4000)  # two bins of one image: |0 or 1 - 0.5|
    assert one_bin == pytest.approx(0.5)
    many = np.tile([0.5, 0.3, 0.1, 0.1], (20_000, 1))
    assert equal_mass_error_if_calibrated(many, draws=20) < 0.02
    assert equal_mass_error_if_calibrated(few, draws=500) > 0.2


def test_unknown_diagnoses_against_known_ones_by_hand() -> None:
    known = pd.DataFrame({"unfamiliarity": [0.1, 0.2, 0.3, 0.4]})
    unknown = pd.DataFrame(
        {
            "diagnosis": ["AK", "AK", "VASC"],
            "unfamiliarity": [0.35, 0.5, 0.05],
            "refusal": ["", "x", ""],
            "warning": ["w", "", ""],
        }
    )
    found = unknown_figures(known, unknown).set_index("kind")
    assert found["roc_auc"].to_dict() == {
        "taught as unknown": pytest.approx(7 / 8),  # 3 and 4 of 4 known ones lie below
        "never seen": 0,
        "AK": pytest.approx(7 / 8),
        "VASC": 0,
    }
    assert found.loc["AK", ["images", "refused", "warned"]].tolist() == [2, 0.5, 0.5]
    assert unknown_figures(known, unknown.head(0)).empty


def test_skin_tone_is_told_in_two_groups_and_none_on_fewer_than_twenty_melanomas() -> None:
    table = judged({("MEL", "MEL"): 30, ("NV", "NV"): 40, ("MEL", "NV"): 9})
    # of 39 melanomas 19 are dark in one scale or the other; of the nevi 20
    dark, light = ["0", "IV", "2", "VI"], ["3", "I", "5", "III"]
    table["skin_tone"] = [(dark if n % 2 else light)[n % 4] for n in range(79)]
    found = group_table(table, draws=20).loc[SKIN_TONE]
    assert found["images"].to_dict() == {DARKER: 39, LIGHTER: 40}
    assert found["melanomas"].to_dict() == {DARKER: 19, LIGHTER: 20}
    assert np.isnan(found.loc[DARKER, "accuracy"].value)
    assert found.loc[LIGHTER, "accuracy"].value == pytest.approx(35 / 40)
    assert SKIN_TONE not in group_table(table.assign(skin_tone=np.nan, sex="female"), draws=20).index

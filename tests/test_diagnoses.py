from __future__ import annotations

import pytest

from lesionviz.diagnoses import CODES, DIAGNOSES, target_index
from lesionviz.errors import LesionvizError


def test_the_order_is_the_order_of_the_outputs() -> None:
    assert CODES == ("BCC", "BKL", "MEL", "NV")


def test_the_two_cancers_are_marked_malignant() -> None:
    assert [d.code for d in DIAGNOSES if d.malignant] == ["BCC", "MEL"]


@pytest.mark.parametrize("target", ["MEL", "mel", " melanoma ", 2])
def test_codes_names_and_indices_mean_the_same(target: str | int) -> None:
    assert target_index(target) == 2


@pytest.mark.parametrize("target", [-1, 4, 7, True, False, 1.0, None, "", "skin", b"MEL"])
def test_anything_else_is_refused_with_the_choices(target: object) -> None:
    with pytest.raises(LesionvizError, match=r"BCC \(basal cell carcinoma\)"):
        target_index(target)  # type: ignore[arg-type]


@pytest.mark.parametrize(("slip", "meant"), [("melanom", "MEL"), ("nevus melanocytic", "NV"), ("BKLL", "BKL")])
def test_a_slip_of_the_pen_gets_a_suggestion(slip: str, meant: str) -> None:
    with pytest.raises(LesionvizError, match=f"Did you mean {meant}"):
        target_index(slip)

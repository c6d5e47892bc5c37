"""Painting out and putting in, on squares whose colours are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.prediction import Prediction
from lesionviz.trust.what_if import KINDS, painted_out, put_in, said


def square(side: int = 64) -> np.ndarray:
    return np.array(draw_lesion("MEL", 3, (side, side)))


def block(side: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize("side", [64, 97])
def test_what_is_not_marked_stays_bit_for_bit(side: int) -> None:
    before, mask = square(side), block(side, slice(10, 40), slice(20, 50))
    after = painted_out(before, mask)
    assert np.array_equal(after[~mask], before[~mask])
    assert not np.array_equal(after[mask], before[mask])
    assert np.array_equal(painted_out(before, np.zeros_like(mask)), before)


def test_a_spot_on_even_skin_is_painted_out_without_a_trace() -> None:
    skin = np.full((97, 97, 3), (220, 170, 150), np.uint8)
    mask = block(97, slice(30, 70), slice(0, 60))
    spotted = np.where(mask[..., None], np.uint8(20), skin)
    assert np.array_equal(painted_out(spotted, mask), skin)


def test_a_gap_between_two_colours_runs_from_one_to_the_other() -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 200
    filled = painted_out(halves, block(64, slice(0, 64), slice(16, 48)))[32, 16:48, 0].astype(int)
    assert (np.diff(filled) >= 0).all()
    assert filled[0] < 50
    assert filled[-1] > 150
    assert 80 < filled[15:17].mean() < 120


def test_one_gap_of_one_pixel_by_hand() -> None:
    picture = np.full((2, 2, 3), 90, np.uint8)
    picture[0, 1], picture[1, 0] = 30, 60  # what is known is 30, 60 and 90, and their mean 60
    assert painted_out(picture, block(2, slice(0, 1), slice(0, 1)))[0, 0].tolist() == [60, 60, 60]


def test_nothing_can_be_painted_from_nothing() -> None:
    with pytest.raises(LesionvizError, match="nothing is left"):
        painted_out(square(), np.ones((64, 64), bool))


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        (square(), np.zeros((64, 63), bool)),
        (square(), np.zeros((64, 64), np.uint8)),
        (square(), None),
        (square().astype(float), np.zeros((64, 64), bool)),
        (square()[:, :60], np.zeros((64, 60), bool)),
        ("picture", np.zeros((64, 64), bool)),
    ],
    ids=["narrow mask", "numbers", "no mask", "floats", "no square", "words"],
)
def test_what_is_no_square_or_no_place_gets_a_sentence(picture: Any, mask: Any) -> None:
    with pytest.raises(LesionvizError):
        painted_out(picture, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_put_in_is_there_and_the_given_square_and_chance_are_left_alone(kind: str) -> None:
    before = square(112)
    kept = before.copy()
    after = put_in(before, kind, (0.3, 0.7), 0.6, seed=4)
    assert np.array_equal(before, kept)
    assert (after != before).any(axis=2).mean() > 0.005
    assert np.array_equal(after, put_in(before, kind, (0.3, 0.7), 0.6, seed=4))
    others = (put_in(before, kind, (0.3, 0.7), 0.6, seed=seed) for seed in range(5, 10))
    assert any(not np.array_equal(after, other) for other in others)


@pytest.mark.parametrize("kind", ["ruler", "ink", "hair", "gel bubble"])
def test_what_is_put_in_lies_within_its_place(kind: str) -> None:
    before = square(200)
    rows, columns = np.nonzero((put_in(before, kind, (0.25, 0.75), 0.4) != before).any(axis=2))
    assert 10 <= columns.min() <= columns.max() < 90  # 0.25 · 200 ± 0.2 · 200
    assert 110 <= rows.min() <= rows.max() < 190


@pytest.mark.parametrize(("place", "corner"), [((0.1, 0.2), (0, 0)), ((0.9, 0.2), (0, -1)), ((0.2, 0.9), (-1, 0))])
def test_a_dark_corner_is_the_nearest_one_and_size_one_reaches_the_middle(
    place: tuple[float, float], corner: tuple[int, int]
) -> None:
    white = np.full((112, 112, 3), 255, np.uint8)
    small, large = (put_in(white, "dark corner", place, size) for size in (0.2, 1.0))
    assert small[corner].max() < 20
    assert [each.min() for each in small[[0, 0, -1, -1], [0, -1, 0, -1]]].count(255) == 3
    assert (large < 128).mean() > (small < 128).mean()
    assert small[56, 56].min() > 200
    assert large[40:72, 40:72].min() < 100


@pytest.mark.parametrize(
    "arguments",
    [
        ("tattoo", (0.5, 0.5), 0.5, 0),
        ("hair", (0.5, 1.5), 0.5, 0),
        ("hair", (0.5,), 0.5, 0),
        ("hair", (True, 0.5), 0.5, 0),
        ("hair", (float("nan"), 0.5), 0.5, 0),
        ("hair", (0.5, 0.5), 0.01, 0),
        ("hair", (0.5, 0.5), "big", 0),
        ("hair", (0.5, 0.5), 0.5, -1),
        ("hair", (0.5, 0.5), 0.5, 1.5),
    ],
    ids=str,
)
def test_what_cannot_be_put_in_gets_a_sentence(arguments: Any) -> None:
    with pytest.raises(LesionvizError):
        put_in(square(), *arguments)


def test_what_a_change_did_is_said_in_one_sentence() -> None:
    def answer(melanoma: float) -> Prediction:
        shares = {"BCC": 0.0, "BKL": 0.0, "MEL": melanoma, "NV": 1 - melanoma}
        best = max(shares, key=shares.__getitem__)
        return Prediction(best, shares[best], shares, "x.jpg")

    assert said(answer(0.8), answer(0.7)) == "The answer stays melanoma: 80% before, 70% now."
    assert said(answer(0.8), answer(0.3)) == (
        "The answer changes from melanoma (80%, now 30%) to melanocytic nevus (70%)."
    )

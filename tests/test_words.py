"""What a map says, on hand-made maps with numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lesionviz.explanation.words import balance, smallest_half, where


def a_map(cells: int, values: dict[tuple[int, int], float], ground: float = 0.0) -> npt.NDArray[np.float32]:
    """A square map with some values by row and column."""
    raw = np.full((cells, cells), ground, np.float32)
    for place, value in values.items():
        raw[place] = value
    return raw


@pytest.mark.parametrize(
    ("cells", "values", "sentence"),
    [
        # The border is a sixth of the side wide: with six cells exactly the outer ring.
        (6, {(0, 0): 1}, "All positive evidence lies at the border, where a lesion rarely is."),
        (6, {(0, 0): 9, (2, 2): 1}, "90% of the positive evidence lies at the border, where a lesion rarely is."),
        # Half of 4 is two thirds of the cell with 3: 2/3 of 1/36 = 1.9 %. Three quarters lie inside the ring.
        (
            6,
            {(2, 2): 3, (0, 0): 1},
            "Half of the positive evidence lies in 2% of the square; the middle holds 75% of it.",
        ),
        # Half in one cell of 36; half in the ring and half inside it: neither is named, the quarter is.
        (
            6,
            {(0, 0): 1, (1, 1): 1},
            "Half of the positive evidence lies in 3% of the square; the upper left quarter holds 100% of it.",
        ),
        # With three cells the border covers half of a cell: a corner cell lies to 1/4 inside, 3/4 at the border.
        (
            3,
            {(2, 0): 1},
            "Half of the positive evidence lies in 6% of the square; the lower left quarter holds 100% of it.",
        ),
        # The middle cell of the first row belongs to both upper quarters: 1 + 1/2 of 2 in the left one.
        (
            3,
            {(0, 0): 1, (0, 1): 1},
            "Half of the positive evidence lies in 11% of the square; the upper left quarter holds 75% of it.",
        ),
        (
            20,
            {(9, 9): 1},
            "Half of the positive evidence lies in less than 1% of the square; the middle holds 100% of it.",
        ),
        (6, {(0, 0): -5}, ""),
    ],
)
def test_where_names_the_place(cells: int, values: dict[tuple[int, int], float], sentence: str) -> None:
    assert where(a_map(cells, values)) == sentence


def test_an_even_map_is_called_spread() -> None:
    assert where(a_map(6, {}, ground=1)) == "The positive evidence is spread over the whole square."


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([4, -1], "The evidence against the class adds up to 25% of the evidence for it."),
        ([4, -4], "The evidence against the class adds up to about as much as the evidence for it."),
        ([2, -5], "The evidence against the class adds up to 2.5 times the evidence for it."),
        ([1, -12], "The evidence against the class adds up to 12 times the evidence for it."),
        ([100, -4], ""),  # up to a twentieth is not worth a sentence
        ([-1, -1], ""),
    ],
)
def test_balance_holds_against_beside_for(row: list[float], sentence: str) -> None:
    assert balance(np.array([row], np.float32)) == sentence


@pytest.mark.parametrize(
    ("raw", "share"),
    [
        ([[3, 1], [0, 0]], 2 / 3 / 4),  # half of 4 is 2, two thirds of the first of four cells
        ([[2, 1], [1, -9]], 1 / 4),  # half of 4 is the first cell; what speaks against does not count
        ([[1, 1], [1, 1]], 1 / 2),
        ([[5, 0], [0, 0]], 1 / 2 / 4),
    ],
)
def test_smallest_half_counts_the_last_cell_in_part(raw: list[list[float]], share: float) -> None:
    assert smallest_half(np.array(raw, np.float32)) == pytest.approx(share)

"""What a map says, in one sentence for people: how much evidence, and where in the square that the network saw.

Thresholds are choices of wording, not of science; the numbers in the sentences are exact. A cell's evidence counts
as spread evenly over the cell.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RIM = 1 / 6
"""Width of the border, in shares of the square's side; the border then covers 56 % of its area."""
AT_BORDER, IN_MIDDLE = 0.85, 0.6
"""From these shares of the positive evidence on, the border or the middle (44 % of the area) is named."""
SPREAD = 0.35
"""Half of the evidence in more than this share of the area counts as spread over the whole picture."""
Map = npt.NDArray[np.float32]


def where(raw: Map) -> str:
    """Say where the positive evidence of a signed map (cells, cells) lies; empty when there is none."""
    positive = raw.clip(0).astype(np.float64)
    total = positive.sum()
    if total <= 0:
        return ""
    border = 1 - (positive * _inner(len(raw))).sum() / total
    if border >= AT_BORDER:
        amount = "All" if border > 0.995 else f"{border:.0%} of the"
        return f"{amount} positive evidence lies at the border, where a lesion rarely is."
    half = smallest_half(raw)
    if half > SPREAD:
        return "The positive evidence is spread over the whole square."
    place, share = ("middle", 1 - border) if 1 - border >= IN_MIDDLE else _quarter(positive)
    return (
        f"Half of the positive evidence lies in {_percent(half)} of the square; the {place} holds {share:.0%} of it."
    )


def balance(raw: Map) -> str:
    """Hold the evidence against the class beside that for it; empty where nothing speaks against it."""
    favour, against = float(raw.clip(0).sum(dtype=np.float64)), float(-raw.clip(max=0).sum(dtype=np.float64))
    if against <= 0.05 * favour or favour <= 0:
        return ""
    ratio = against / favour
    if ratio >= 1.15:
        amount = f"{ratio:.{1 if ratio < 10 else 0}f} times"
    else:
        amount = "about as much as" if ratio > 0.85 else f"{ratio:.0%} of"
    return f"The evidence against the class adds up to {amount} the evidence for it."


def smallest_half(raw: Map) -> float:
    """Return the share of the square's area, 0 to 1, of the strongest cells that hold half of the positive evidence.

    The last cell counts in part, so that one cell alone holds half of its evidence in half of its area.
    """
    falling = np.sort(raw.clip(0).astype(np.float64).ravel())[::-1]
    summed, half = falling.cumsum(), falling.sum() / 2
    last = int(np.searchsorted(summed, half))
    before = summed[last - 1] if last else 0.0
    return float(last + (half - before) / falling[last]) / falling.size


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"


def _inner(cells: int) -> npt.NDArray[np.float64]:
    """Return, for each cell, the share of its area inside the border (cells, cells)."""
    inside = _overlap(cells, RIM, 1 - RIM)
    return np.outer(inside, inside)


def _overlap(cells: int, start: float, end: float) -> npt.NDArray[np.float64]:
    """Return, for each of the cells along a side, the share of it between two points, 0 to 1."""
    edges = np.arange(cells + 1) / cells
    return (np.minimum(edges[1:], end) - np.maximum(edges[:-1], start)).clip(0) * cells


def _quarter(positive: npt.NDArray[np.float64]) -> tuple[str, float]:
    """Return the name of the quarter with the most evidence, and its share."""
    halves = {word: _overlap(len(positive), start, start + 0.5) for word, start in (("first", 0.0), ("second", 0.5))}
    shares = {
        f"{row} {column} quarter": float(halves[of_rows] @ positive @ halves[of_columns]) / positive.sum()
        for row, of_rows in (("upper", "first"), ("lower", "second"))
        for column, of_columns in (("left", "first"), ("right", "second"))
    }
    return max(shares.items(), key=lambda item: item[1])

"""How often does one stroke change the answer? One scripted stroke of each kind on test images.

    python tests/benchmarks/what_if.py --data ISIC_2019 --images 50

The strokes are said as a browser says them, and every changed square is answered as the page has it answered. The same on
every picture: lesions stand in the middle of most. The change is that of the probability of the picture's first answer.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Near
from lesionviz.data.read import read_collection
from lesionviz.evaluation.bootstrap import Interval, by_lesion, mean_by_group
from lesionviz.evaluation.parts import rows_of_part
from lesionviz.trust.changes import PAINT_OUT, Changes, read_change

TURNS = [2 * math.pi * step / 60 for step in range(61)]


def put(kind: str, x: float, y: float, size: float) -> dict[str, Any]:
    return {"kind": kind, "points": [[x, y]], "size": size}


STROKES: dict[str, dict[str, Any]] = {
    "paint out: a dot in a corner, 12 % wide": put(PAINT_OUT, 0.08, 0.08, 0.12),
    "paint out: a line across, 3 % wide": {"kind": PAINT_OUT, "points": [[0.1, 0.5], [0.9, 0.5]], "size": 0.03},
    "paint out: a ring round the middle, 8 % wide": {
        "kind": PAINT_OUT,
        "points": [[0.5 + 0.4 * math.cos(turn), 0.5 + 0.4 * math.sin(turn)] for turn in TURNS],
        "size": 0.08,
    },
    "paint out: the left half of the middle, 30 × 60 %": {
        "kind": PAINT_OUT,
        "points": [[0.35, 0.35], [0.35, 0.65]],
        "size": 0.3,
    },
    "put in: a ruler at a side": put("ruler", 0.5, 0.5, 1.0),
    "put in: an ink ring round the middle": put("ink", 0.5, 0.5, 1.0),
    "put in: hair": put("hair", 0.5, 0.5, 1.0),
    "put in: a dark corner, 30 %": put("dark corner", 0.1, 0.1, 0.3),
    "put in: a gel bubble, 30 %, in the middle": put("gel bubble", 0.5, 0.5, 0.3),
}


def ask(near: Near, path: str, seed: int) -> list[dict[str, Any]]:
    """Give a line for each stroke on a picture."""
    case = near.examine(path)
    first = case.prediction.diagnosis
    lines = []
    for name, stroke in STROKES.items():
        changes = Changes(case.seen)
        changes.make(read_change(stroke, seed))
        start = time.perf_counter()
        now = near.what_if(case, changes.square)
        lines.append(
            {
                "stroke": name,
                "another": now.diagnosis != first,
                "change": now.probabilities[first] - case.prediction.confidence,
                "seconds": time.perf_counter() - start,
            }
        )
    return lines


def median(values: np.ndarray, lesions: np.ndarray) -> Interval:
    """The median and its interval: lesions are drawn, whole."""
    order = np.argsort(values)

    def figures(weights: np.ndarray) -> Mapping[str, float]:
        reached = np.cumsum(weights[order])
        return {"median": float(values[order][np.searchsorted(reached, reached[-1] / 2)])}

    return by_lesion(figures, lesions)["median"]


def points(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def main() -> None:
    """Ask, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=int, default=50)
    options = parser.parse_args()
    checkpoint = Checkpoint.load(options.model)
    rows = rows_of_part(checkpoint, read_collection(options.data), "test")
    rows = rows.sample(min(options.images, len(rows)), random_state=0)
    near = Near(LesionClassifier(checkpoint))
    lines = [
        {"lesion": row.lesion} | line
        for seed, row in enumerate(tqdm(rows.itertuples(), total=len(rows), desc="Changing", disable=None))
        for line in ask(near, row.path, seed)
    ]
    table = pd.DataFrame(lines)
    print(
        f"{len(rows):,} test images, model `{checkpoint.file_sha256[:12]}`; 95 % intervals, bootstrapped by lesion.\n"
    )
    print("| stroke | another diagnosis | median change, points | middle half of the changes |")
    print("|---|---|---|---|")
    for name in STROKES:
        one = table[table["stroke"] == name]
        lesions, change = one["lesion"].to_numpy(), one["change"].to_numpy()
        another = Interval(*mean_by_group(one["another"].to_numpy(float), lesions))
        middle = median(change, lesions)
        low, high = np.quantile(change, [0.25, 0.75])
        print(
            f"| {name} | {another} | {points(middle.value)} ({points(middle.low)} to {points(middle.high)}) "
            f"| {points(low)} to {points(high)} |"
        )
    print(f"\nOne answer took {1000 * table['seconds'].median():.0f} ms (median).")


if __name__ == "__main__":
    main()

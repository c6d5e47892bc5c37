"""How often do two models agree, who is right where they do, and how alike are their maps?

    python tests/benchmarks/two_models.py --data ISIC_2019 --second earlier.pth --images 600

Only images in the test parts of both models' own splits are looked at: neither has learned or chosen anything from them.
Maps are Grad-CAM's at features.8, for the first model's answer. It costs a forward of each model for each image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.read import read_collection
from lesionviz.evaluation.bootstrap import Interval, by_lesion
from lesionviz.evaluation.parts import rows_of_part
from lesionviz.trust.two_models import two_models


def figures(table: pd.DataFrame, weight: np.ndarray) -> dict[str, float]:
    """Return every figure, each image counting as often as its lesion was drawn."""

    def mean(values: pd.Series, among: pd.Series) -> float:
        counts = weight[among.to_numpy(bool)]
        return (
            float(np.average(values[among.astype(bool)].to_numpy(float), weights=counts)) if counts.sum() else np.nan
        )

    every = pd.Series(True, index=table.index)
    both = table["answered_first"] & table["answered_second"]
    agreed, apart = both & table["same"], both & ~table["same"]
    return {
        "both give an answer": mean(both, every),
        "of these, they agree": mean(table["same"], both),
        "right where both answer, first": mean(table["right_first"], both),
        "right where both answer, second": mean(table["right_second"], both),
        "right where they agree": mean(table["right_first"], agreed),
        "first right where they disagree": mean(table["right_first"], apart),
        "second right where they disagree": mean(table["right_second"], apart),
        "neither right where they disagree": mean(~(table["right_first"] | table["right_second"]), apart),
        "of the first's errors, the share on which they disagree": mean(~table["same"], both & ~table["right_first"]),
        "mean largest difference of probability, agreed": mean(table["difference"], agreed),
        "mean largest difference of probability, disagreed": mean(table["difference"], apart),
        "mean correlation of maps, agreed": mean(table["correlation"], agreed & table["correlation"].notna()),
        "mean correlation of maps, disagreed": mean(table["correlation"], apart & table["correlation"].notna()),
        "mean overlap of maps, agreed": mean(table["overlap"], agreed & table["overlap"].notna()),
        "mean overlap of maps, disagreed": mean(table["overlap"], apart & table["overlap"].notna()),
    }


def main() -> None:
    """Ask both about every image, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="the first model (default: the bundled one)")
    parser.add_argument("--second", type=Path, required=True)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--kept", type=Path, help="also write one line for each image, as CSV")
    options = parser.parse_args()
    first, second = (LesionClassifier(Checkpoint.load(path)) for path in (options.model, options.second))
    collection = read_collection(options.data)
    rows, others = (rows_of_part(each.checkpoint, collection, "test") for each in (first, second))
    rows = rows[rows["image"].isin(others["image"])]
    rows = rows.sample(min(options.images, len(rows)), random_state=0)
    lines = []
    for row in tqdm(rows.itertuples(), total=len(rows), desc="Asking both", disable=None):
        found = two_models(first, second, row.path)
        one, other = found.predictions
        lines.append(
            {
                "image": row.image,
                "lesion": row.lesion,
                "truth": row.diagnosis,
                "first": one.diagnosis,
                "second": other.diagnosis,
                "answered_first": not one.refusal,
                "answered_second": not other.refusal,
                "same": one.diagnosis == other.diagnosis,
                "right_first": one.diagnosis == row.diagnosis,
                "right_second": other.diagnosis == row.diagnosis,
                "difference": abs(found.differences[found.widest]),
                "correlation": found.correlation,
                "overlap": found.overlap,
            }
        )
    table = pd.DataFrame(lines).astype({"correlation": float, "overlap": float})
    if options.kept:
        table.to_csv(options.kept, index=False)
    report(first, second, table)


def report(first: LesionClassifier, second: LesionClassifier, table: pd.DataFrame) -> None:
    """Print the figures with their intervals."""
    told: dict[str, Interval] = by_lesion(lambda weight: figures(table, weight), table["lesion"].to_numpy())
    both = table["answered_first"] & table["answered_second"]
    names = [f"`{each.checkpoint.file_sha256[:8]}`" for each in (first, second)]
    print(
        f"{len(table):,} test images of {table['lesion'].nunique():,} lesions, first model {names[0]}, second {names[1]}; "
        f"they disagree on {int((both & ~table['same']).sum())}. 95 % intervals, bootstrapped by lesion.\n"
    )
    print("| figure | value |")
    print("|---|---|")
    for name, each in told.items():
        number = f"{each.value:.2f} ({each.low:.2f}–{each.high:.2f})" if "correlation" in name else str(each)
        print(f"| {name} | {number} |")


if __name__ == "__main__":
    main()

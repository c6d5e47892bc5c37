"""What a random split does to figures: two procedures, equal compute, the same images, two test parts.

    python tests/benchmarks/leakage.py train original --data ISIC_2019 --init TRUNK.pth --out OUT
    python tests/benchmarks/leakage.py train ours --data ISIC_2019 --init TRUNK.pth --out OUT
    python tests/benchmarks/leakage.py table --data ISIC_2019 --out OUT

The test part of the lesion-grouped split is set aside. The other images are divided at random, by image,
as the original notebook does, and both procedures learn from the same ones. Each finished model is
then scored on the random test part, where many images show a known lesion (one with a training or
validation image), and on the lesion-grouped one, where none does. Equal compute means equal numbers of
input pixels sent through the network and back: 5 epochs at 224 x 224 are 251 thousand pixels an image,
10 at 160 x 160 are 256, of which two epochs cost less, since most blocks do not learn in them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lesionviz.classifier import load
from lesionviz.data.collection import Collection
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import Split, leakage_report, split_at_random, split_by_lesion
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import mean_by_group
from lesionviz.evaluation.metrics import score
from lesionviz.recipe import Recipe
from lesionviz.training.loop import BEST, UNFINISHED, train

RECIPES = {"original": Recipe.original(epochs=5), "ours": Recipe(size=160, epochs=10)}


def divide(collection: Collection) -> tuple[Split, pd.DataFrame]:
    """Return the random split of what is left, and the rows of the lesion-grouped test part."""
    present = collection.present.reset_index(drop=True)
    clean = split_by_lesion(collection).rows(collection, "test")
    rest = present[~present["lesion"].isin(clean["lesion"])].reset_index(drop=True)
    return split_at_random(Collection(rest, collection.folder)), clean


def run(name: str, collection: Collection, init: Path, out: Path) -> None:
    """Train one procedure, or go on with it."""
    split, _ = divide(collection)
    folder = out / name
    train(
        collection,
        folder,
        init=init,
        recipe=RECIPES[name],
        split=split,
        resume=(folder / UNFINISHED).exists(),
        cpu=True,
        report=print,
    )


def table(collection: Collection, out: Path) -> None:
    """Score both models on both parts."""
    split, clean = divide(collection)
    leaky = split.rows(collection, "test")
    seen = leaky["lesion"].isin(split.table["lesion"][split.table["part"] != "test"])
    leak = leakage_report(split)["share"]
    print(f"Random test part: {len(leaky):,} images, {leak['all']:.1%} show a known lesion", end=" (")
    print(", ".join(f"{code} {leak[code]:.1%}" for code in CODES), end=").\n")
    print(f"Lesion-grouped test part: {len(clean):,} images, none does.\n")
    parts = {
        "random": leaky,
        "random, known lesion": leaky[seen],
        "random, new lesion": leaky[~seen],
        "by lesion": clean,
    }
    print("| procedure | test part | images | accuracy | balanced accuracy |\n|---|---|---|---|---|")
    for name in RECIPES:
        if not (out / name / BEST).exists():
            continue
        classifier = load(out / name / BEST)
        figures = {}
        for part, rows in parts.items():
            truth = rows["diagnosis"].map(CODES.index).to_numpy()
            answers = np.array([CODES.index(a.diagnosis) for a in classifier.predict_many(rows["path"])])
            metrics = score(truth, answers)
            figures[part] = metrics
            _, low, high = mean_by_group((truth == answers).astype(float), rows["lesion"].to_numpy())
            print(
                f"| {name} | {part} | {len(rows):,} | {metrics.accuracy:.1%} ({low:.1%} to {high:.1%}) "
                f"| {metrics.balanced_accuracy:.1%} |"
            )
        a, b = figures["random"], figures["by lesion"]
        print(
            f"| {name} | **inflation, points** | | **{100 * (a.accuracy - b.accuracy):+.1f}** "
            f"| **{100 * (a.balanced_accuracy - b.balanced_accuracy):+.1f}** |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["train", "table"])
    parser.add_argument("procedure", choices=list(RECIPES), nargs="?")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, default=Path("imagenet"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = read_isic2019(options.data)
    if options.job == "train":
        run(options.procedure, images, options.init, options.out)
    else:
        table(images, options.out)

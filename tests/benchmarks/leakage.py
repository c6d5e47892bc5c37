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
from lesionviz.evaluation.bootstrap import by_lesion
from lesionviz.evaluation.measures import measures
from lesionviz.recipe import Recipe
from lesionviz.training.loop import BEST, HISTORY
from lesionviz.training.train import train
from lesionviz.training.unfinished import UNFINISHED

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
    known = split.table["lesion"][split.table["part"] != "test"]
    leak = leakage_report(split)["share"]
    print(f"Random test part: {len(leaky):,} images, {leak['all']:.1%} show a known lesion", end=" (")
    print(", ".join(f"{code} {leak[code]:.1%}" for code in CODES), end=").\n")
    print(f"Lesion-grouped test part: {len(clean):,} images, none does.\n")
    print("| procedure | test part | images | accuracy | balanced accuracy |\n|---|---|---|---|---|")
    for name in RECIPES:
        classifier = load(out / name / BEST)
        answered = pd.concat([part.assign(part=key) for key, part in {"random": leaky, "by lesion": clean}.items()])
        probabilities = [
            [answer.probabilities[code] for code in CODES] for answer in classifier.predict_many(answered["path"])
        ]
        for row in _rows(answered.assign(known=answered["lesion"].isin(known)), np.array(probabilities)):
            print(f"| {name} | " + " | ".join(row) + " |")
    print(f"\n{_time_to_the_originals_best(out)}")


def _rows(answered: pd.DataFrame, probabilities: np.ndarray) -> list[list[str]]:
    """Return the lines of one procedure: each part, and how much the random one is above the other."""
    truth = answered["diagnosis"].map(CODES.index).to_numpy(np.int64)
    random = (answered["part"] == "random").to_numpy()
    known = answered["known"].to_numpy()
    parts = {
        "random": random,
        "random, known lesion": random & known,
        "random, new lesion": random & ~known,
        "by lesion": ~random,
    }

    def figures(weights: np.ndarray) -> dict[str, float]:
        found = {}
        for key, chosen in parts.items():
            of_part = measures(truth[chosen], probabilities[chosen], weights[chosen])
            found |= {f"{key}/{figure}": of_part[figure] for figure in ("accuracy", "balanced_accuracy")}
        for figure in ("accuracy", "balanced_accuracy"):
            found[f"inflation/{figure}"] = found[f"random/{figure}"] - found[f"by lesion/{figure}"]
        return found

    found = by_lesion(figures, answered["lesion"].to_numpy(), draws=1000)
    rows = [
        [key, f"{chosen.sum():,}", str(found[f"{key}/accuracy"]), str(found[f"{key}/balanced_accuracy"])]
        for key, chosen in parts.items()
    ]
    change = [found[f"inflation/{figure}"] for figure in ("accuracy", "balanced_accuracy")]
    points = [f"**{100 * c.value:+.1f}** ({100 * c.low:+.1f} to {100 * c.high:+.1f})" for c in change]
    return [*rows, ["**inflation, points**", "", *points]]


def _time_to_the_originals_best(out: Path) -> str:
    """Say how long each took to reach the original's best validation balanced accuracy; both ran side by side."""
    histories = {name: pd.read_csv(out / name / HISTORY) for name in RECIPES}
    goal = histories["original"]["balanced_accuracy"].max()
    seconds = {}
    for name, history in histories.items():
        first = int((history["balanced_accuracy"] >= goal).to_numpy().argmax())
        seconds[name] = history["seconds"][: first + 1].sum()
    return (
        f"The original's best validation balanced accuracy, {goal:.1%}, took it {seconds['original']:,.0f} s and ours "
        f"{seconds['ours']:,.0f} s, {seconds['original'] / seconds['ours']:.1f} times as fast. One thread each, side by "
        "side."
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

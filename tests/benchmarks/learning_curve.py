"""Would more lesions help? One training, on a quarter, a half and all of the training lesions.

    python tests/benchmarks/learning_curve.py --data ISIC_2019 --init TRUNK.pth --out OUT

Every training takes equally many steps, so that the models differ in what they have seen and not in how long they
learned. Fewer lesions are a part of more, chosen within each diagnosis. All are judged on the same validation images after
their last epoch, since choosing the best of many epochs flatters whoever has more to choose from; the test part
is not opened. Small pictures and first blocks that stay as they are keep it affordable: the slope is the finding, not the
height. A finished training is taken from OUT, an unfinished one goes on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.data.split import Split, split_by_lesion
from lesionviz.recipe import Recipe
from lesionviz.training.loop import HISTORY
from lesionviz.training.train import train
from lesionviz.training.unfinished import UNFINISHED

SHARES = (0.25, 0.5, 1.0)
FIGURES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "validation_loss": "cross-entropy"}


def fewer_lesions(split: Split, collection: Collection, share: float, seed: int) -> Split:
    """Return the split with a share of the training lesions whose images are here; other parts stay whole."""
    lesions = split.rows(collection, "train").groupby("lesion")["diagnosis"].first()
    shuffled = lesions.sample(frac=1, random_state=seed)
    place = shuffled.groupby(shuffled).cumcount() / shuffled.groupby(shuffled).transform("size")
    kept = place.index[place < share]
    table = split.table
    return replace(split, table=table[(table["part"] != "train") | table["lesion"].isin(kept)])


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=5, help="over all lesions; more over fewer")
    parser.add_argument("--frozen-blocks", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    collection = read_collection(options.data)
    whole = split_by_lesion(collection)
    rows = []
    for share in SHARES:
        split = fewer_lesions(whole, collection, share, options.seed)
        learned = split.rows(collection, "train")
        folder = options.out / f"{share:.3f}"
        if not (folder / HISTORY).exists() or (folder / UNFINISHED).exists():
            recipe = Recipe(
                size=options.size,
                epochs=round(options.epochs / share),
                probe_share=0,
                last_blocks_share=0,
                frozen_blocks=options.frozen_blocks,
                seed=options.seed,
            )
            resume = (folder / UNFINISHED).exists()
            train(collection, folder, init=options.init, recipe=recipe, split=split, resume=resume, report=print)
        last = pd.read_csv(folder / HISTORY).iloc[-1]
        counts = [
            f"{learned['lesion'].nunique():,}",
            f"{len(learned):,}",
            f"{(learned['diagnosis'] == 'MEL').sum():,}",
        ]
        rows.append([f"{share:.3g}", *counts, f"{last['epoch']:.0f}", *(f"{last[name]:.3f}" for name in FIGURES)])
    head = ["share", "lesions", "images", "of melanoma", "epochs", *FIGURES.values()]
    print("\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows]))


if __name__ == "__main__":
    main()

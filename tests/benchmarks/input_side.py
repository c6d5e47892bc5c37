"""Which input side, and how many views? A model's figures on validation images, for each of some sides.

    python tests/benchmarks/input_side.py --data ISIC_2019 --model best_model.pth --sides 160 192 224

A side is chosen on validation images; the test part is not opened. The model's own temperature and side are left alone.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.special import softmax

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.read import read_collection
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.measures import measures
from lesionviz.evaluation.outputs import outputs_of
from lesionviz.evaluation.parts import rows_of_part

SHOWN = ("accuracy", "balanced_accuracy", "sensitivity_MEL", "roc_auc_MEL")


def main() -> None:
    """Print one line for each side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", required=True)
    parser.add_argument("--views", type=int, default=1)
    options = parser.parse_args()
    checkpoint, collection = Checkpoint.load(options.model), read_collection(options.data)
    rows = rows_of_part(checkpoint, collection, "validation")
    truth = rows["diagnosis"].map(CODES.index).to_numpy(np.int64)
    print(f"{len(rows):,} validation images, {options.views} views, model {checkpoint.file_sha256[:12]}")
    print("side  " + "  ".join(SHOWN) + "  seconds")
    for side in options.sides:
        at_side = replace(checkpoint, preprocessing=replace(checkpoint.preprocessing, size=side))
        started = time.monotonic()
        outputs = outputs_of(
            LesionClassifier(at_side, views=options.views), rows["path"], len(rows), f"{side} px", progress=True
        )
        found = measures(truth, softmax(outputs.logits / checkpoint.temperature, axis=1))
        figures = "  ".join(f"{found[name]:{len(name)}.3f}" for name in SHOWN)
        print(f"{side:4}  {figures}  {time.monotonic() - started:.0f}", flush=True)


if __name__ == "__main__":
    main()

"""Which of several finished models does the rule choose that chooses epochs, too (``lesionviz/training/choice.py``)?

    python tests/benchmarks/choose_model.py --data DIR [--also DIR ...] MODEL [MODEL ...]

The first model says which images are validation images; only the half of them that chooses is looked at, and the test part
is not opened. Another model may have been trained on some of them: that flatters it, and is said. Weights alone decide
here; nobody is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.artefacts import ARTEFACTS
from lesionviz.data.read import read_collection
from lesionviz.evaluation.measures import Floats
from lesionviz.evaluation.parts import recorded_portions
from lesionviz.imaging import open_image
from lesionviz.recipe import Recipe
from lesionviz.training.choice import SCORE, choice_score, mean_flips
from lesionviz.training.judging import Judge
from lesionviz.training.probes import SEED


def logits_of(classifier: LesionClassifier, images: list[str] | list[Image.Image]) -> Floats:
    """Return the logits (N, 4) of pictures."""
    return np.concatenate([outputs.upright for outputs in classifier.outputs_of(images)])


def drawn_logits(classifier: LesionClassifier, paths: list[str]) -> Floats:
    """Return the logits (N, artefacts, 4) of pictures with each artefact, drawn as in a training."""
    found = []
    for number, path in enumerate(paths):
        picture, random = open_image(path).pixels, np.random.default_rng((SEED, number))
        found.append(logits_of(classifier, [make(picture, random)[0] for make in ARTEFACTS.values()]))
    return np.stack(found)


def main() -> None:
    """Print a row for each model and name the one that the rule chooses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--also", type=Path, action="append", default=[])
    parser.add_argument("models", type=Path, nargs="+")
    options = parser.parse_args()
    checkpoints = [Checkpoint.load(path) for path in options.models]
    collections = [read_collection(folder) for folder in (options.data, *options.also)]
    judge = Judge(Recipe(choose_by="sources"), recorded_portions(checkpoints[0], collections))
    rows, scores = judge.rows.iloc[judge.choosing], []
    print(f"{len(rows):,} validation images that choose, {len(judge.probed)} of them with every artefact")
    for path, checkpoint in zip(options.models, checkpoints, strict=True):
        classifier = LesionClassifier(checkpoint)
        plain = logits_of(classifier, rows["path"].tolist())
        paths = judge.rows["path"].iloc[judge.probed].tolist()
        places = np.searchsorted(judge.choosing, judge.probed)
        found = choice_score(rows, plain, mean_flips(plain[places], drawn_logits(classifier, paths)))
        scores.append(found[SCORE])
        print(f"{path} ({checkpoint.file_sha256[:12]})")
        print("  " + "  ".join(f"{name} {value:.3f}" for name, value in found.items()))
    print(f"chosen: {options.models[int(np.argmax(scores))]}")


if __name__ == "__main__":
    main()

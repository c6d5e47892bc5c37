"""Does the detector know dermoscopy that it was not taught with, and dermoscopy at its hardest?

    python tests/benchmarks/dermoscopy_detector.py --data DIR --also DIR [--also DIR ...] [--model FILE]

With one collection at a time left out of its teaching and of its threshold, the share of that collection's test images that
it refuses; then, with all of them, the share of 1,000 test images that it takes for dermoscopy although each was cut,
resized, lit and marked as in a training, all with a mark. Give the collections that the model was trained on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.halves import halves
from lesionviz.data.read import read_collection
from lesionviz.evaluation.outputs import outputs_of
from lesionviz.evaluation.parts import recorded_portions
from lesionviz.runner import Outputs
from lesionviz.three_questions import Detector, read_refusal
from lesionviz.training import lessons as lessons_room
from lesionviz.training.judging import named_rows
from lesionviz.training.lessons import lessons_of, varied
from lesionviz.training.teach_refusal import CROP, teach_detector

HARDEST = 1000


def main() -> None:
    """Print one line for each collection, and one for the hardest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--also", type=Path, action="append", required=True)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    classifier = load(options.model)
    judge = read_refusal(classifier.checkpoint.refusal)
    places = [read_collection(place) for place in (options.data, *options.also)]
    portions = recorded_portions(classifier.checkpoint, places)
    lessons, rows = lessons_of(portions), halves(named_rows(portions, "validation"))[1].reset_index(drop=True)
    tested = named_rows(portions, "test")
    validation = outputs_of(classifier, rows["path"], len(rows), "Validation", progress=True)
    test = outputs_of(classifier, tested["path"], len(tested), "Test", progress=True)
    print(f"model {classifier.checkpoint.file_sha256[:12]}")
    for name in rows["collection"].unique():
        kept = (rows["collection"] != name).to_numpy()
        others = replace(lessons, dermoscopy=lessons.dermoscopy[lessons.dermoscopy["collection"] != name])
        part = Outputs(*(getattr(validation, field)[kept] for field in Outputs.__dataclass_fields__))
        detector = teach_detector(classifier, others, rows["collection"].to_numpy(object)[kept], part, True)
        ours = (tested["collection"] == name).to_numpy()
        print(
            f"{name} left out: {_refused(detector, test, ours):.1%} of {ours.sum():,} test images refused", flush=True
        )
    print(f"the 1,000 hardest: {_hardest(classifier, judge.detector, tested):.1%} taken for dermoscopy")  # type: ignore[union-attr]


def _refused(detector: Detector, outputs: Outputs, ours: np.ndarray) -> float:
    odds = detector.log_odds(outputs.features[ours], outputs.embeddings[ours])
    return float((odds < detector.threshold).mean())


def _hardest(classifier: LesionClassifier, detector: Detector, tested: pd.DataFrame) -> float:
    lessons_room.MARKED = 1.0
    paths = tested["path"].sample(min(HARDEST, len(tested)), random_state=7).tolist()
    images = varied(paths, classifier.preprocessing.size, CROP, 99)
    outputs = outputs_of(classifier, images, len(paths), "Hardest", progress=True)
    return 1 - _refused(detector, outputs, np.ones(len(paths), bool))


if __name__ == "__main__":
    main()

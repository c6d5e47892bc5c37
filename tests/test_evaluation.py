from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import metrics as sklearn_metrics

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import split_by_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.metrics import score
from lesionviz.evaluation.model_card import training_command

ORIGINAL = [[449, 8, 11, 17], [41, 269, 42, 53], [17, 38, 490, 138], [27, 39, 67, 1797]]
"""The confusion matrix that the original notebook reports."""


def pairs(matrix: list[list[int]]) -> tuple[list[int], list[int]]:
    cells = [(t, p) for t, row in enumerate(matrix) for p, n in enumerate(row) for _ in range(n)]
    return [t for t, _ in cells], [p for _, p in cells]


def test_the_originals_matrix_gives_the_originals_figures() -> None:
    figures = score(*pairs(ORIGINAL))
    assert figures.images == 3503
    assert figures.confusion == ORIGINAL
    assert figures.accuracy == pytest.approx(0.8578, abs=5e-5)
    assert figures.precision == pytest.approx(0.8547, abs=5e-5)
    assert figures.recall == pytest.approx(0.8578, abs=5e-5)
    assert figures.f1 == pytest.approx(0.8550, abs=5e-5)
    assert figures.balanced_accuracy == pytest.approx(0.810, abs=5e-4)
    assert figures.sensitivity["MEL"] == pytest.approx(490 / 683)
    assert figures.specificity["MEL"] == pytest.approx(1 - (11 + 42 + 67) / (485 + 405 + 1930))


def test_figures_equal_scikit_learns_on_random_labels() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        truth, answer = random.integers(0, 4, (2, 200))
        figures = score(truth, answer)
        for index, code in enumerate(CODES):
            is_class, called = truth == index, answer == index
            assert figures.sensitivity[code] == sklearn_metrics.recall_score(is_class, called)
            assert figures.specificity[code] == sklearn_metrics.recall_score(~is_class, ~called)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_a_class_without_images_has_no_sensitivity() -> None:
    figures = score([0, 0, 3], [0, 2, 3])
    assert figures.sensitivity == {"BCC": 0.5, "BKL": None, "MEL": None, "NV": 1.0}
    assert figures.balanced_accuracy == 0.75


@pytest.fixture
def judged(small_checkpoint: Checkpoint, drawn_folder: Path) -> LesionClassifier:
    """A classifier that says it was trained on the drawn collection's split."""
    split = split_by_lesion(read_isic2019(drawn_folder)).describe()
    return LesionClassifier(replace(small_checkpoint, split=split, recipe={"size": 96, "init": "scratch"}))


def test_only_test_images_are_judged_and_everything_is_written(
    judged: LesionClassifier, drawn_folder: Path, tmp_path: Path
) -> None:
    collection = read_isic2019(drawn_folder)
    expected = split_by_lesion(collection).rows(collection, "test")
    evaluation = evaluate(drawn_folder, judged, tmp_path)
    assert evaluation.predictions["image"].tolist() == expected["image"].tolist()
    assert evaluation.lesions == expected["lesion"].nunique()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "MODEL_CARD.md",
        "confusion_matrix.png",
        "metrics.json",
        "predictions.csv",
    ]
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written["confusion"] == evaluation.metrics.confusion
    assert written["split"]["sha256"] == judged.checkpoint.split["sha256"]
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert np.allclose(table[list(CODES)].sum(axis=1), 1, atol=1e-5)
    assert (table[list(CODES)].idxmax(axis=1) == table["predicted"]).all()
    assert Image.open(tmp_path / "confusion_matrix.png").size[0] > 500


def test_predictions_are_those_of_the_classifier_one_by_one(judged: LesionClassifier, drawn_folder: Path) -> None:
    collection = read_isic2019(drawn_folder)
    table = evaluate(collection, judged).predictions
    paths = collection.table.set_index("image")["path"]
    for row in table.itertuples():
        assert judged.predict(paths[row.image]).probabilities["MEL"] == pytest.approx(row.MEL, abs=1e-5)


def test_the_card_gives_figures_matrix_split_and_command(
    judged: LesionClassifier, drawn_folder: Path, tmp_path: Path
) -> None:
    evaluation = evaluate(drawn_folder, judged, tmp_path)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"| Balanced accuracy | {evaluation.metrics.balanced_accuracy:.1%} |" in card
    assert judged.checkpoint.split["sha256"] in card
    for code, row in zip(CODES, evaluation.metrics.confusion, strict=True):
        assert f"| **{code}** | " + " | ".join(map(str, row)) + " |" in card
    assert "--size 96" in training_command(judged.checkpoint)


def test_another_collection_is_refused_unless_all_of_it_is_meant(
    judged: LesionClassifier, drawn_folder: Path
) -> None:
    other = LesionClassifier(replace(judged.checkpoint, split=dict(judged.checkpoint.split) | {"sha256": "0" * 64}))
    with pytest.raises(LesionvizError, match="not the one that the model was trained with"):
        evaluate(drawn_folder, other)
    assert evaluate(drawn_folder, other, part="all").metrics.images == 97


@pytest.mark.parametrize("split", [{}, {"seed": "2019", "validation": 0.15, "test": 0.15}])
def test_a_model_without_a_usable_split_is_refused(
    split: dict[str, object], judged: LesionClassifier, drawn_folder: Path
) -> None:
    unknown = LesionClassifier(replace(judged.checkpoint, split=split))
    with pytest.raises(LesionvizError, match="--part all"):
        evaluate(drawn_folder, unknown)


def test_unknown_parts_are_refused(judged: LesionClassifier, drawn_folder: Path) -> None:
    with pytest.raises(LesionvizError, match="Choose from: train, validation, test, all"):
        evaluate(drawn_folder, judged, part="exam")

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import metrics as sklearn_metrics

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion
from lesionviz.data.split import split_by_lesion
from lesionviz.data.strangers import strangers
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.compare import compare
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.groups import age_bands, group_table
from lesionviz.evaluation.metrics import score
from lesionviz.evaluation.report.commands import training_command
from lesionviz.evaluation.report.sections import limit_parts, use_parts
from lesionviz.evaluation.result import Evaluation
from lesionviz.training.calibration import calibrate

pytestmark = pytest.mark.usefixtures("few_strangers")
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


@pytest.fixture(scope="module")
def judged(small_checkpoint: Checkpoint, drawn_folder: Path) -> LesionClassifier:
    """A classifier that says it was trained on the drawn collection's split."""
    split = split_by_lesion(read_isic2019(drawn_folder)).describe()
    return LesionClassifier(replace(small_checkpoint, split=split, recipe={"size": 96, "init": "scratch"}))


@pytest.fixture(scope="module")
def evaluated(
    judged: LesionClassifier, drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Evaluation, Path]:
    """An evaluation of the test part, and the folder that it has written."""
    out = tmp_path_factory.mktemp("evaluated")
    return evaluate(drawn_folder, judged, out, draws=5), out


@pytest.mark.heavy
def test_only_test_images_are_judged_and_everything_is_written(
    judged: LesionClassifier, drawn_folder: Path, evaluated: tuple[Evaluation, Path]
) -> None:
    collection = read_isic2019(drawn_folder)
    expected = split_by_lesion(collection).rows(collection, "test")
    evaluation, out = evaluated
    assert evaluation.predictions["image"].tolist() == expected["image"].tolist()
    assert evaluation.lesions == expected["lesion"].nunique()
    assert sorted(p.name for p in out.iterdir()) == [
        "MODEL_CARD.md",
        "confusion_matrix.png",
        "metrics.json",
        "predictions.csv",
        "report.html",
    ]
    written = json.loads((out / "metrics.json").read_text())
    assert written["confusion"] == evaluation.metrics.confusion
    assert written["split"]["sha256"] == judged.checkpoint.split["sha256"]
    table = pd.read_csv(out / "predictions.csv")
    assert np.allclose(table[list(CODES)].sum(axis=1), 1, atol=1e-5)
    assert (table[list(CODES)].idxmax(axis=1) == table["predicted"]).all()
    assert Image.open(out / "confusion_matrix.png").size[0] > 500


@pytest.mark.heavy
def test_predictions_are_those_of_the_classifier_one_by_one(
    judged: LesionClassifier, drawn_folder: Path, evaluated: tuple[Evaluation, Path]
) -> None:
    paths = read_isic2019(drawn_folder).table.set_index("image")["path"]
    for row in evaluated[0].predictions.itertuples():
        assert judged.predict(paths[row.image]).probabilities["MEL"] == pytest.approx(row.MEL, abs=1e-5)


@pytest.mark.heavy
def test_the_card_gives_figures_matrix_split_and_command(
    judged: LesionClassifier, evaluated: tuple[Evaluation, Path]
) -> None:
    evaluation, out = evaluated
    card = (out / "MODEL_CARD.md").read_text()
    assert f"| Balanced accuracy | {evaluation.metrics.balanced_accuracy:.1%} (" in card
    assert judged.checkpoint.split["sha256"] in card
    for code, row in zip(CODES, evaluation.metrics.confusion, strict=True):
        assert f"| **{code}** | " + " | ".join(map(str, row)) + " |" in card
    assert "--size 96" in training_command(judged.checkpoint)


@pytest.mark.heavy
def test_another_collection_is_refused_unless_all_of_it_is_meant(
    judged: LesionClassifier, drawn_folder: Path
) -> None:
    other = LesionClassifier(replace(judged.checkpoint, split=dict(judged.checkpoint.split) | {"sha256": "0" * 64}))
    with pytest.raises(LesionvizError, match="not the one that the model was trained with"):
        evaluate(drawn_folder, other)
    assert evaluate(drawn_folder, other, part="all", draws=5).metrics.images == 97


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


@pytest.fixture(scope="module")
def reported(small_checkpoint: Checkpoint, drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that an evaluation of a calibrated classifier writes."""
    out, collection = tmp_path_factory.mktemp("report"), read_isic2019(drawn_folder)
    split = split_by_lesion(collection)
    recorded = replace(small_checkpoint, split=split.describe(), recipe={"size": 96, "init": "<b>scratch"})
    strange = out / "strange" / "paper <i>"
    strange.mkdir(parents=True)
    for number, picture in enumerate(strangers(3)["text scans"]):
        picture.save(strange / f"{number}.png")
    classifier = LesionClassifier(calibrate(recorded, [Portion(collection, split)]))
    for number, code in enumerate(CODES * 3):
        path = out / "elsewhere" / code / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_lesion(code, 500 + number, (128, 96)).save(path)
    evaluate(drawn_folder, classifier, out, other=[out / "elsewhere"], unlike=[out / "strange"], draws=5)
    return out


@pytest.mark.heavy
def test_the_json_holds_every_number_and_is_strict(reported: Path) -> None:
    text = (reported / "metrics.json").read_text()
    assert "NaN" not in text
    written = json.loads(text)
    interval = written["measures"]["balanced_accuracy"]
    assert interval["low"] <= interval["value"] <= interval["high"]
    assert interval["value"] == pytest.approx(written["balanced_accuracy"])
    assert written["majority_baseline"]["balanced_accuracy"] == 0.25
    assert {row["by"] for row in written["groups"]} == {"source", "sex", "age in years", "body site"}
    refused = {row["pictures"]: row["refused"] / row["images"] for row in written["refusals"]}
    assert refused["paper <i>"] == refused["drawn: noise"] == 1
    assert [point["chosen_for"] for point in written["operating_points"]] == [0.8, 0.85, 0.9, 0.95]
    assert [other["part"] for other in written["other_collections"]] == ["all"]


@pytest.mark.heavy
def test_the_report_is_one_page_that_needs_nothing_else_and_escapes_what_it_shows(reported: Path) -> None:
    page = (reported / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert page.count('<svg role="img" aria-label=') == 3
    assert not re.search(r"""(src|href)=["'](?!#|data:)|url\((?!["']?#)|@import|<script""", page)
    assert "paper &lt;i&gt;" in page
    assert "paper <i>" not in page
    assert "&lt;b&gt;scratch" in page


@pytest.mark.heavy
def test_card_and_report_say_the_same(reported: Path) -> None:
    card, page = (reported / "MODEL_CARD.md").read_text(), (reported / "report.html").read_text()
    for words in ("Intended use", "record no skin tone", "CLEAR Derm", "Expected calibration error"):
        assert words in card
        assert words in page
    assert "--other" in card
    assert "<svg" not in card


@pytest.mark.heavy
def test_groups_count_everyone_once_and_do_not_judge_a_handful(judged: LesionClassifier, drawn_folder: Path) -> None:
    table = evaluate(drawn_folder, judged, part="all", draws=5).groups
    assert (table.groupby("by")["images"].sum() == 97).all()
    assert table.loc[("sex", "female"), "images"] == 97
    few = table[table["images"] < 20]
    assert len(few)
    assert all(np.isnan(interval.value) for interval in few["accuracy"])


def test_figures_about_a_class_need_ten_of_its_images() -> None:
    codes = ["NV"] * 27 + ["MEL"] * 9
    predictions = pd.DataFrame({"lesion": range(36), "diagnosis": codes, "site": "scalp", "source": "here"})
    for code in CODES:
        predictions[code] = (predictions["diagnosis"] == code).astype(float)
    row = group_table(predictions, draws=5).loc[("body site", "scalp")]
    assert row["accuracy"].value == 1
    assert np.isnan([row[key].value for key in ("sensitivity_MEL", "roc_auc_MEL", "balanced_accuracy")]).all()
    one_more = pd.concat([predictions, predictions.tail(1).assign(lesion=99)], ignore_index=True)
    assert group_table(one_more, draws=5).loc[("body site", "scalp"), "sensitivity_MEL"].value == 1


def test_a_card_says_what_stands_behind_its_figures_for_darker_skin() -> None:
    def predictions(melanomas: int) -> pd.DataFrame:
        codes = ["MEL"] * melanomas + ["NV"] * 30
        table = pd.DataFrame({"lesion": range(len(codes)), "diagnosis": codes, "skin_tone": "V"})
        return table.assign(**{code: (table["diagnosis"] == code).astype(float) for code in CODES})

    def said(melanomas: int) -> str:
        judged = SimpleNamespace(groups=group_table(predictions(melanomas), draws=5), others=())
        without = SimpleNamespace(groups=pd.DataFrame(), others=(judged,))
        return str(limit_parts(cast("Evaluation", without)))

    assert "50 images and 20 melanomas" in said(20)
    assert "no figure says" in said(19)  # its figures are not given


@pytest.mark.parametrize(("weight", "words"), [(0.0, "has never seen any"), (0.5, "taught it to prefer none")])
def test_a_card_says_whether_other_diagnoses_were_seen(
    small_checkpoint: Checkpoint, weight: float, words: str
) -> None:
    assert words in str(use_parts(replace(small_checkpoint, recipe={"outlier_weight": weight})))


def test_age_bands_by_hand() -> None:
    ages = pd.Series([0, 29.9, 30, 44, 45, 60, 75, 110, np.nan, -3])
    expected = ["under 30", "under 30", "30 to 44", "30 to 44", "45 to 59", "60 to 74", "75 and over", "75 and over"]
    assert age_bands(ages).tolist() == [*expected, "not recorded", "not recorded"]


@pytest.mark.heavy
def test_two_models_are_compared_on_the_same_images_only(
    judged: LesionClassifier, drawn_folder: Path, tmp_path: Path
) -> None:
    checkpoint = judged.checkpoint
    flat = {key: value * (0 if key == "classifier.1.weight" else 1) for key, value in checkpoint.state_dict.items()}
    checkpoint.save(tmp_path / "a" / "best_model.pth")
    replace(checkpoint, state_dict=flat).save(tmp_path / "b" / "best_model.pth")
    replace(checkpoint, split={}).save(tmp_path / "c" / "best_model.pth")
    a, b, c = (tmp_path / name / "best_model.pth" for name in "abc")
    found = compare(a, b, drawn_folder, tmp_path, draws=5)
    assert found.names == ("a/best_model.pth", "b/best_model.pth")
    row = found.table.loc["balanced_accuracy"]
    assert row["second"].value == 0.25  # always the same class
    assert row["difference"].value == pytest.approx(row["second"].value - row["first"].value)
    same = compare(a, a, drawn_folder, draws=5)
    assert same.disagreements == 0
    assert same.table.loc["accuracy", "difference"].low == same.table.loc["accuracy", "difference"].high == 0
    assert "Two models on the same images" in (tmp_path / "comparison.md").read_text()
    assert json.loads((tmp_path / "comparison.json").read_text())["images"] == found.images
    with pytest.raises(LesionvizError, match="--part all"):
        compare(a, c, drawn_folder)


def test_images_that_the_model_knows_are_no_other_collection(judged: LesionClassifier, drawn_folder: Path) -> None:
    with pytest.raises(LesionvizError, match=r"is not new to the model: 8[0-9] of its images"):
        evaluate(drawn_folder, judged, other=[drawn_folder], draws=5)


def test_a_folder_without_pictures_is_refused(judged: LesionClassifier, drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="holds no pictures"):
        evaluate(drawn_folder, judged, unlike=[tmp_path])


@pytest.mark.heavy
def test_a_notebook_shows_the_report_as_a_widget(evaluated: tuple[Evaluation, Path]) -> None:
    from lesionviz.widgets import EvaluationReport

    evaluation, _ = evaluated
    shown = EvaluationReport(evaluation).value
    assert shown.count("<svg") == 3
    assert f"{evaluation.figures['accuracy']}" in shown
    assert "<html" not in shown

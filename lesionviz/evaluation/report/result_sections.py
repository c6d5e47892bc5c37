"""What a report says of the result: on which images, how many answers are right, how sure, and for whom."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval
from lesionviz.evaluation.evidence import EvidenceInside
from lesionviz.evaluation.groups import FEWEST, FEWEST_MELANOMAS, FEWEST_OF_CLASS, SHOWN, SKIN_TONE
from lesionviz.evaluation.measures import BY_CLASS, MALIGNANT, TITLES, calibration_error, confidence_bins
from lesionviz.evaluation.report.commands import evaluation_command
from lesionviz.evaluation.report.document import Command, Paragraph, Part, Picture, Table
from lesionviz.evaluation.report.figures import confusion_figure, reliability_figure, roc_figure
from lesionviz.evaluation.report.words import damaged_sentences, share
from lesionviz.evaluation.result import Evaluation
from lesionviz.recipe import Recipe

NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity_MEL": "MEL sensitivity",
    "roc_auc_MEL": "MEL ROC-AUC",
}
"""What the figures by group are called, in the head of their table."""


def evaluation_data_parts(evaluation: Evaluation) -> list[Part]:
    """Say which images were judged, and by which command."""
    counts = evaluation.predictions["diagnosis"].value_counts()
    return [
        Paragraph(
            f"{evaluation.metrics.images:,} images of {evaluation.lesions:,} lesions: "
            + ", ".join(f"{code} {counts.get(code, 0):,}" for code in CODES)
            + "."
        ),
        *(Paragraph(sentence) for sentence in damaged_sentences(evaluation)),
        Command(evaluation_command(evaluation)),
    ]


def figure_parts(evaluation: Evaluation) -> list[Part]:
    """Say how many answers are right, over all and by class."""
    figures, baseline = evaluation.figures, evaluation.baseline
    main = [(title, str(figures[key]), share(baseline[key])) for key, title in TITLES.items() if key != "ece"]
    by_class = [
        (code, f"{sum(evaluation.metrics.confusion[i]):,}", *(str(figures[f"{key}_{code}"]) for key in BY_CLASS))
        for i, code in enumerate(CODES)
    ]
    confusion = [
        (f"**{code}**", *(f"{n:,}" for n in row))
        for code, row in zip(CODES, evaluation.metrics.confusion, strict=True)
    ]
    return [
        Paragraph("Every image counts with the answer that the model would give, also those that it refuses."),
        Table(("figure", "value", "most frequent class"), main),
        Table(("class", "images", *BY_CLASS.values()), by_class, "Each class against the rest"),
        Table(("true \\ predicted", *CODES), confusion, "Confusion matrix (rows true, columns predicted)"),
        Picture(confusion_figure(evaluation.metrics), "Confusion matrix, as in the table."),
    ]


def calibration_parts(evaluation: Evaluation) -> list[Part]:
    """Say how far the probabilities can be believed."""
    before = calibration_error(evaluation.truth, evaluation.uncalibrated)
    bins = [confidence_bins(evaluation.truth, p) for p in (evaluation.uncalibrated, evaluation.probabilities)]
    return [
        Paragraph(
            f"Expected calibration error {evaluation.figures['ece']}; without the temperature it would be {before:.1%}. "
            "It is the mean gap, over 15 bins, between the probability shown and the share of right answers."
        ),
        Picture(reliability_figure(*bins), "Probability of the answer against the share of right answers."),
    ]


def threshold_parts(evaluation: Evaluation) -> list[Part]:
    """Say what thresholds for melanoma find, and what they cost."""
    melanoma = evaluation.truth == CODES.index("MEL")
    suspicion = evaluation.probabilities[:, MALIGNANT].sum(axis=1)
    curves = {
        "melanoma": (melanoma, evaluation.probabilities[:, CODES.index("MEL")]),
        "malignant (MEL, BCC)": (MALIGNANT[evaluation.truth], suspicion),
    }
    picture = Picture(roc_figure(curves), "ROC curves; the areas under them stand in the tables above.")
    if evaluation.operating.empty:
        return [Paragraph("No thresholds: the model is not calibrated, or there are no melanomas here."), picture]
    rows = [
        (
            f"{row['chosen_for']:.0%}",
            f"{row['threshold']:.1%}",
            str(row["sensitivity"]),
            str(row["specificity"]),
            _plain_interval(row["benign_per_melanoma"]),
        )
        for row in evaluation.operating.to_dict("records")
    ]
    header = (
        "chosen to find",
        "suspicious at or above",
        "sensitivity here",
        "specificity here",
        "benign per melanoma",
    )
    return [
        Paragraph(
            "Whoever must not miss a melanoma uses a low threshold: a picture at or above it is called suspicious. Each "
            "was chosen on the validation images to find a share of the melanomas; what it does here stands beside it, "
            "with the images of benign lesions that would be biopsied for each melanoma found. That number holds where "
            f"{melanoma.mean():.0%} of the images are melanomas, as here; where melanoma is rarer, it is far higher."
        ),
        Table(header, rows),
        picture,
    ]


def group_parts(evaluation: Evaluation) -> list[Part]:
    """Say how the model does by source, sex, age, body site and skin tone."""
    header = ("group", "images", "melanomas", *(NAMES[key] for key in SHOWN))
    parts: list[Part] = []
    if not evaluation.groups.empty:
        parts.append(Table(header, _group_rows(evaluation.groups)))
    by_tone = [
        (each, each.groups.loc[[SKIN_TONE]])
        for each in (evaluation, *evaluation.others)
        if not each.groups.empty and SKIN_TONE in each.groups.index
    ]
    for each, groups in by_tone:
        if each is not evaluation and np.isfinite([interval.value for interval in groups["accuracy"]]).any():
            parts.append(Table(header, _group_rows(groups), f"{each.name}, {each.part}"))
    if parts:
        parts.append(
            Paragraph(
                f"– stands for fewer than {FEWEST} images, or {FEWEST_OF_CLASS} of a class that the figure needs; by skin "
                f"tone, for fewer than {FEWEST_MELANOMAS} melanomas."
            )
        )
    if not by_tone:
        parts.append(
            Paragraph("These collections record no skin tone, so no table can say how the model does on dark skin.")
        )
    return parts


def evidence_parts(evidence: EvidenceInside, checkpoint: Checkpoint) -> list[Part]:
    """Say how much of the evidence lies inside the lesion."""
    found = (
        f"Of the positive evidence for its answer (Grad-CAM at features.8), {evidence.share} lies inside the lesion's "
        f"outline, the mean over {evidence.images:,} of these images. The outline covers {evidence.area:.1%} of what "
        "the network sees; that is what a map without any preference would reach."
    )
    taught = (
        "The training asked for this, on outlines of other lesions: the figure says how well that was learned, and is no "
        "independent sign that the answers are right, or do not hang on what lies outside."
    )
    return [Paragraph(found), *([Paragraph(taught)] if Recipe.from_dict(checkpoint.recipe).outline_weight else [])]


def _group_rows(groups: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (f"{by}: {group}", f"{row['images']:,}", f"{row['melanomas']:,}", *(str(row[key]) for key in SHOWN))
        for (by, group), row in groups.iterrows()
    ]


def _plain_interval(interval: Interval) -> str:
    return "–" if np.isnan(interval.value) else f"{interval.value:.1f} ({interval.low:.1f}–{interval.high:.1f})"

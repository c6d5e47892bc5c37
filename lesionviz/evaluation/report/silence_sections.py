"""What a report says of silence and warnings, and source by source."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lesionviz.evaluation.bootstrap import Interval
from lesionviz.evaluation.measures import BINS, EQUAL_BINS, calibration_error
from lesionviz.evaluation.report.document import Paragraph, Part, Table
from lesionviz.evaluation.report.words import share
from lesionviz.evaluation.result import Evaluation
from lesionviz.evaluation.sources import FEWEST
from lesionviz.three_questions import ThreeQuestions, read_refusal

BY_DISTANCE = (
    "Pictures of poor quality, and pictures unlike the training images in colour and texture, get no diagnosis unless the "
    "person asks. The limits let {accepted:.1%} of the validation images pass. Diagnoses that it does not know look like "
    "those that it knows: most get a name that cannot be right, and a squamous cell carcinoma (SCC) may be called benign."
)
BY_QUESTIONS = (
    "Three questions come before an answer. Can the picture be seen (its quality)? Is it dermoscopy (a detector that was "
    "taught with clinical close-ups and drawings)? What fails one of the two gets no diagnosis unless the person asks; of "
    "the validation images, the mean over sources, {accepted:.1%} pass. Is it one of the four? Where the answer stands out "
    "too little ({score}), it is shown with a warning that it may be a diagnosis the model does not know; so were "
    "{warned:.1%} of the validation images. Most pictures of unknown diagnoses still get a name, and that cannot be right."
)
FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "roc_auc_MEL": "MEL ROC-AUC",
    "sensitivity_MEL": "MEL sensitivity",
    "sensitivity_BCC": "BCC sensitivity",
    "called_BCC": "others called BCC",
    "refused": "refused",
    "warned": "warned, of those answered",
}


def silence_parts(evaluation: Evaluation) -> list[Part]:
    """Say when the model stays silent, and how often it does."""
    values = evaluation.classifier.checkpoint.refusal
    judge = read_refusal(values)
    if judge is None:
        return [Paragraph("Never: the model has no refusal statistics. `lesionviz calibrate` fits them.")]
    asks = isinstance(judge, ThreeQuestions)
    header = ("pictures", "images", "refused", *(["warned"] if asks else []), "named as something benign")
    lines = pd.concat([each.silence.refusals for each in (evaluation, *evaluation.others)], ignore_index=True)
    rows = [
        (
            row["pictures"],
            f"{row['images']:,}",
            f"{row['refused'] / row['images']:.1%}",
            *([f"{row['warned'] / row['images']:.1%}"] if asks else []),
            f"{row['called_benign'] / row['images']:.1%}",
        )
        for row in lines.drop_duplicates("pictures").to_dict("records")
    ]
    parts: list[Part] = [
        Paragraph((BY_QUESTIONS if asks else BY_DISTANCE).format(**{"score": "", "warned": 0.0} | dict(values))),
        Table(header, rows),
    ]
    unknown = [
        (each.name, row["kind"], f"{row['images']:,}", f"{row['warned']:.1%}", share(row["roc_auc"]))
        for each in (evaluation, *evaluation.others)
        for row in each.silence.unknown.to_dict("records")
    ]
    if asks and unknown:
        parts += [
            Paragraph(
                "Unknown diagnoses against known ones of the same source: ROC-AUC of how little the answer stands out. "
                "Some were taught as unknown, of which these are test images; the others were never seen."
            ),
            Table(("images of", "diagnoses", "images", "warned", "ROC-AUC"), unknown),
        ]
    return parts


def source_parts(evaluation: Evaluation) -> list[Part]:
    """Say how the model does at each source."""
    judged = (evaluation, *evaluation.others)
    rows = [
        (
            f"{each.name}, {each.part}",
            f"{each.line['images']:,}",
            f"{each.line['melanomas']:,}",
            *(share(each.line[key]) for key in FIGURES),
            f"{each.line['ece']:.1%} ({each.line['ece_if_calibrated']:.1%})",
        )
        for each in judged
    ]
    header = ("images of", "images", "melanomas", *FIGURES.values(), "calibration error")
    pooled = [np.concatenate([getattr(each, name) for each in judged]) for name in ("truth", "probabilities")]
    return [
        Paragraph(
            "It was trained on none of these images; where the table says test, it was trained on others of the same "
            f"collection. Balanced accuracy is the mean over the classes with at least {FEWEST} images. The calibration "
            f"error is over {EQUAL_BINS} bins of equally many images; in brackets, what so many images of a perfectly "
            f"calibrated model would show. Over all of them together, with {BINS} bins of equal width: "
            f"{calibration_error(*pooled):.1%}."
        ),
        Table(header, rows),
        *_means(evaluation),
    ]


def _means(evaluation: Evaluation) -> list[Part]:
    """Say the mean over sources, where there are several."""
    values = [each.line["balanced_accuracy"] for each in (evaluation, *evaluation.others)]
    known = [value.value for value in values if isinstance(value, Interval) and not np.isnan(value.value)]
    if len(known) < 2:
        return []
    return [Paragraph(f"Balanced accuracy, the mean over {len(known)} sources: {np.mean(known):.1%}.")]

"""What a report of an evaluation says, section by section; the model card and the HTML page are made from it.

The headings are those of model cards (Mitchell et al. 2019, arXiv 1810.03993); the last section answers the items of
CLEAR Derm (Daneshjou et al. 2022, doi 10.1001/jamadermatol.2021.4915). No figure is typed by hand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.split import KEPT_OUT
from lesionviz.diagnoses import DIAGNOSES
from lesionviz.evaluation.groups import DARKER, SKIN_TONE
from lesionviz.evaluation.parts import ALL
from lesionviz.evaluation.report.document import Bullets, Paragraph, Part, Section, Table
from lesionviz.evaluation.report.model_sections import details_parts, training_data_parts
from lesionviz.evaluation.report.result_sections import (
    calibration_parts,
    evaluation_data_parts,
    evidence_parts,
    figure_parts,
    group_parts,
    threshold_parts,
)
from lesionviz.evaluation.report.silence_sections import silence_parts, source_parts
from lesionviz.evaluation.report.words import headline
from lesionviz.evaluation.result import Evaluation

INTERVALS = "95 % intervals, bootstrapped by lesion"


def sections(evaluation: Evaluation) -> list[Section]:
    """Return the whole report."""
    checkpoint = evaluation.classifier.checkpoint
    return [
        Section("In short", _summary(evaluation)),
        Section("Intended use", use_parts(checkpoint)),
        Section("Model details", details_parts(checkpoint)),
        Section("Training data", training_data_parts(checkpoint)),
        Section("Evaluation data", evaluation_data_parts(evaluation)),
        Section("Figures", figure_parts(evaluation)),
        Section("How sure it is", calibration_parts(evaluation)),
        Section("Finding melanoma: thresholds", threshold_parts(evaluation)),
        Section("When it stays silent", silence_parts(evaluation)),
        Section("By source, sex, age, body site and skin tone", group_parts(evaluation)),
        Section("Source by source: other clinics and cameras", _others(evaluation)),
        *(
            [Section("Where its evidence lies", evidence_parts(evaluation.evidence, checkpoint))]
            if evaluation.evidence
            else []
        ),
        Section("Limits", limit_parts(evaluation)),
        Section("CLEAR Derm", _clear_derm(evaluation)),
    ]


def _summary(evaluation: Evaluation) -> list[Part]:
    baseline = evaluation.baseline
    return [
        Paragraph(headline(evaluation)),
        *(
            [
                Paragraph(
                    "Every answer is averaged over the eight symmetries of the square, at eight times the cost of one."
                )
            ]
            if evaluation.classifier.views > 1
            else []
        ),
        *(
            Paragraph(
                f"On {other.metrics.images:,} images of another collection, {other.name}{_kept_out(other)}, it recognises "
                f"{other.figures['sensitivity_MEL']} of the melanomas; its accuracy there is "
                f"{other.figures['accuracy']}."
            )
            for other in evaluation.others
        ),
        Paragraph(
            "Answering with the most frequent class every time would reach an accuracy of "
            f"{baseline['accuracy']:.1%} and a balanced accuracy of {baseline['balanced_accuracy']:.1%}."
        ),
        Paragraph(f"In brackets: {INTERVALS}. Written by `lesionviz evaluate`; no figure is typed by hand."),
    ]


def use_parts(checkpoint: Checkpoint) -> list[Part]:
    """Say what the model is for, and what it knows of diagnoses outside its four."""
    others = (
        "Of other diagnoses it has seen a few, which taught it to prefer none of these; it still names one of them for "
        "most pictures of others."
        if checkpoint.recipe.get("outlier_weight")
        else "It has never seen any other diagnosis, and names one of these for most pictures of others."
    )
    return [
        Paragraph(
            "For research and teaching: to show how a classifier of dermoscopic images answers, and why. It is not a "
            "medical device, its answer is not a diagnosis, and it must not decide about anyone's care."
        ),
        Paragraph(f"It chooses among {', '.join(f'{d.name} ({d.code})' for d in DIAGNOSES)}. {others}"),
    ]


def _others(evaluation: Evaluation) -> list[Part]:
    if not evaluation.others:
        return [Paragraph("Not measured here (`lesionviz evaluate --other DIR`).")]
    return source_parts(evaluation)


def limit_parts(evaluation: Evaluation) -> list[Part]:
    """Say what the figures do not promise."""
    told = [row for each in (evaluation, *evaluation.others) for row in _darker(each.groups)]
    skin = (
        f"Skin tone is recorded for few of the images. Darker skin stands behind the figures above with "
        f"{sum(row.images for row in told):,} images and {sum(row.melanomas for row in told):,} melanomas, too few to "
        "say that the model does as well there."
        if told
        else "Skin tone is recorded for few of the images, and few of those are dark: no figure says that the model "
        "does as well on dark skin."
    )
    return [
        Bullets(
            [
                skin,
                "A class-activation map shows where evidence lies, not that the model is right.",
                "Ink, rulers, hair and dark corners change answers; `lesionviz shortcuts` measures how often.",
                "The figures hold for images like those above; other clinics and cameras are expected to do worse.",
            ]
        )
    ]


def _darker(groups: pd.DataFrame) -> list[Any]:
    """Return the row of darker skin where its figures are given, in a list of its own."""
    if (SKIN_TONE, DARKER) not in groups.index:
        return []
    row = groups.loc[(SKIN_TONE, DARKER)]
    return [row] if np.isfinite(row["accuracy"].value) else []


def _clear_derm(evaluation: Evaluation) -> list[Part]:
    everyone = (evaluation, *evaluation.others)
    named = [each.predictions["source"].dropna() for each in everyone if "source" in each.predictions]
    sources = sorted(set(pd.concat(named)) - {""}) if named else []
    collections = ", ".join(dict.fromkeys(each.data for each in everyone))
    rows = [
        ("Image types", f"Dermoscopic photographs, sources: {', '.join(sources) or 'not recorded'}"),
        ("Artefacts, image quality", "Images of poor quality are refused; others are used as they are"),
        ("Ground truth", "Diagnosis as in the collection: histology, follow-up, consensus or confocal microscopy"),
        ("Patients", "Age, sex, body site and, where it is recorded, skin tone: see the tables"),
        ("Availability", f"Images: {collections}; recipe, split and weights are in the model's file"),
        ("Test set", "Apart by lesion, used for nothing else; other clinics' images where named above"),
        ("Comparison", "The most frequent class; no comparison with physicians was made"),
        ("Intended use", "Research and teaching, see above"),
    ]
    return [Table(("item", "answer"), rows)]


def _kept_out(evaluation: Evaluation) -> str:
    """Say so where the model was trained on other images of the same collection."""
    if evaluation.part == ALL:
        return ""
    if evaluation.part == KEPT_OUT:
        return " (a clinic of which no image was trained on)"
    return f" ({evaluation.part} part: kept out of a training that used others of it)"

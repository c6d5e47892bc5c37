"""What a report of an evaluation says, section by section; the model card and the HTML page are made from it.

The headings are those of model cards (Mitchell et al. 2019, arXiv 1810.03993); the last section answers the items of
CLEAR Derm (Daneshjou et al. 2022, doi 10.1001/jamadermatol.2021.4915). No figure is typed by hand.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.folders import some
from lesionviz.data.portions import ALSO_TEST
from lesionviz.data.split import KEPT_OUT
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.evaluation.bootstrap import Interval
from lesionviz.evaluation.document import Bullets, Command, Paragraph, Part, Picture, Section, Table
from lesionviz.evaluation.evidence import EvidenceInside
from lesionviz.evaluation.figures import confusion_figure, reliability_figure, roc_figure
from lesionviz.evaluation.groups import FEWEST, FEWEST_MELANOMAS, FEWEST_OF_CLASS, SHOWN, SKIN_TONE
from lesionviz.evaluation.measures import BY_CLASS, MALIGNANT, TITLES, calibration_error, confidence_bins
from lesionviz.evaluation.parts import ALL
from lesionviz.evaluation.silence_sections import silence_parts, source_parts
from lesionviz.evaluation.usable import left_out
from lesionviz.recipe import Recipe

if TYPE_CHECKING:
    from lesionviz.evaluation.evaluate import Evaluation

NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "sensitivity_MEL": "MEL sensitivity"} | {
    "roc_auc_MEL": "MEL ROC-AUC"
}
INTERVALS = "95 % intervals, bootstrapped by lesion"


def sections(evaluation: Evaluation) -> list[Section]:
    """Return the whole report."""
    return [
        Section("In short", _summary(evaluation)),
        Section("Intended use", _use()),
        Section("Model details", _details(evaluation.classifier.checkpoint)),
        Section("Training data", _training_data(evaluation)),
        Section("Evaluation data", _evaluation_data(evaluation)),
        Section("Figures", _figures(evaluation)),
        Section("How sure it is", _calibration(evaluation)),
        Section("Finding melanoma: thresholds", _operating(evaluation)),
        Section("When it stays silent", silence_parts(evaluation)),
        Section("By source, sex, age, body site and skin tone", _groups(evaluation)),
        Section("Source by source: other clinics and cameras", _others(evaluation)),
        *(
            [Section("Where its evidence lies", _evidence(evaluation.evidence, evaluation.classifier.checkpoint))]
            if evaluation.evidence
            else []
        ),
        Section("Limits", _limits()),
        Section("CLEAR Derm", _clear_derm(evaluation)),
    ]


def training_command(checkpoint: Checkpoint) -> str:
    """Return the command that trains the model again, every recipe setting spelled out."""
    recipe = checkpoint.recipe
    words = ["--data", "ISIC_2019"]
    for record in checkpoint.split.get("also", []):
        words += ["--also", record["name"]]
    words += _keeping_out(checkpoint.split)
    outlines = recipe.get("outlines")
    for name in outlines if isinstance(outlines, list) else []:
        words += ["--outlines", str(name)]
    words += ["--out", "OUT"]
    for name, value in (("init", recipe.get("init")), ("split-seed", checkpoint.split.get("seed"))):
        words += [f"--{name}", str(value)] if value is not None else []
    words += Recipe.from_dict(recipe).to_arguments() + (["--half"] if recipe.get("half") else [])
    return shlex.join(["lesionviz", "train", *words]).replace(" --", " \\\n  --")


def _keeping_out(split: Mapping[str, Any]) -> list[str]:
    """Return the options that say who was kept out, where they are not the usual ones."""
    words: list[str] = []
    also, never = split.get("also", []), split.get("never", {})
    if also and also[0]["test"] != ALSO_TEST:
        words += ["--keep-out", str(also[0]["test"])]
    words += [word for place in never.get("places", []) for word in ("--never", place)]
    words += [word for source in never.get("sources", []) for word in ("--never-source", source)]
    words += ["--skip-damaged"] if split.get("damaged") else []
    return words + (["--no-twins"] if also and split.get("twins") is None else [])


def headline(evaluation: Evaluation) -> str:
    """Say in two sentences how good the model is."""
    figures = evaluation.figures
    part = "" if evaluation.part == ALL else f"{evaluation.part} "
    return (
        f"Of {evaluation.metrics.images:,} {part}images of {evaluation.lesions:,} lesions it names "
        f"{_share(figures['accuracy'])} rightly. Over the four classes alike (balanced accuracy) it is right in "
        f"{_share(figures['balanced_accuracy'])}; of the melanomas it recognises {_share(figures['sensitivity_MEL'])}."
    )


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
                f"{_share(other.figures['sensitivity_MEL'])} of the melanomas; its accuracy there is "
                f"{_share(other.figures['accuracy'])}."
            )
            for other in evaluation.others
        ),
        Paragraph(
            "Answering with the most frequent class every time would reach an accuracy of "
            f"{baseline['accuracy']:.1%} and a balanced accuracy of {baseline['balanced_accuracy']:.1%}."
        ),
        Paragraph(f"In brackets: {INTERVALS}. Written by `lesionviz evaluate`; no figure is typed by hand."),
    ]


def _use() -> list[Part]:
    return [
        Paragraph(
            "For research and teaching: to show how a classifier of dermoscopic images answers, and why. It is not a "
            "medical device, its answer is not a diagnosis, and it must not decide about anyone's care."
        ),
        Paragraph(
            "It chooses among "
            + ", ".join(f"{d.name} ({d.code})" for d in DIAGNOSES)
            + ". It has never seen any other "
            "diagnosis, and names one of these for most pictures of others."
        ),
    ]


def _details(checkpoint: Checkpoint) -> list[Part]:
    size = checkpoint.preprocessing.size
    parts: list[Part] = [
        Paragraph(
            f"EfficientNet-B0 (torchvision), input {size} × {size} pixels, {checkpoint.preprocessing.geometry} of the "
            f"picture. Temperature {checkpoint.temperature:.3f}."
        ),
        Bullets([*checkpoint.history, f"SHA-256 of the file: `{checkpoint.file_sha256}`"]),
    ]
    if checkpoint.licence:
        parts.append(Paragraph(f"Licence of the weights: {checkpoint.licence}"))
    if checkpoint.recipe:
        parts += [Paragraph("Trained by:"), Command(training_command(checkpoint))]
        size = checkpoint.preprocessing.size
        if size != Recipe.from_dict(checkpoint.recipe).size:
            half = " --half" if checkpoint.recipe.get("half") else ""
            also = "".join(f" --also {record['name']}" for record in checkpoint.split.get("also", []))
            parts += [
                Paragraph(
                    f"Then its input was set to {size} × {size} pixels, a side chosen on the validation images, by:"
                ),
                Command(
                    f"lesionviz calibrate --data ISIC_2019{also} --model OUT/best_model.pth --size {size} "
                    f"--out best_model.pth{half}"
                ),
            ]
    return parts


def _training_data(evaluation: Evaluation) -> list[Part]:
    split = evaluation.classifier.checkpoint.split
    if not split:
        return [Paragraph("Not recorded.")]
    how = (
        "By lesion: all photographs of one lesion fall into one part."
        if split.get("by", "lesion") == "lesion"
        else "At random by image: **test images may show lesions that were trained on**, and figures flatter the model."
    )
    return [
        Paragraph(
            f"{how} Seed {split.get('seed')}, {split.get('test', 0):.0%} test, {split.get('validation', 0):.0%} "
            f"validation. SHA-256 of `split.csv`: `{split.get('sha256')}`"
        ),
        *(
            Paragraph(
                f"Also trained on a part of {record['name']}, split on its own with the same seed: {record['test']:.0%} "
                f"test and {record['validation']:.0%} validation images kept out. SHA-256 of the split: "
                f"`{record['sha256']}`"
            )
            for record in split.get("also", [])
        ),
        *_kept_out_besides(split),
        Paragraph(
            "The kept epoch, the temperature, the thresholds and the refusal were chosen on the validation images; the "
            "test images chose nothing."
        ),
    ]


def _kept_out_besides(split: Mapping[str, Any]) -> list[Part]:
    """Say what was kept out on top of the splits, and why."""
    parts: list[Part] = []
    never, twins = split.get("never"), split.get("twins")
    if never:
        clinics = f", and every image of {', '.join(never['sources'])}" if never["sources"] else ""
        parts.append(
            Paragraph(
                "Never in training, calibration or choice, with what shows the same lesion or patient: "
                f"{never['images']:,} images by name (SHA-256 of their sorted ids: `{never['sha256']}`){clinics}."
            )
        )
    if twins:
        parts.append(
            Paragraph(
                f"{twins['pairs']:,} pairs of pictures of different lesions look the same, {twins['torn']:,} of them in "
                "different parts; of those, the one that would have been learned from was dropped. SHA-256 of the pairs: "
                f"`{twins['sha256']}`"
            )
        )
    dropped = [
        (name, len(record["kept_out"]))
        for name, record in (("the main collection", split), *((r["name"], r) for r in split.get("also", [])))
        if record.get("kept_out")
    ]
    damaged = split.get("damaged", [])
    if damaged:
        parts.append(Paragraph(f"{left_out(len(damaged))} {some(damaged)}"))
    if dropped:
        counts = ", ".join(f"{count:,} of {name}" for name, count in dropped)
        parts.append(
            Paragraph(f"Rows of the tables, with an image or not, that were kept out besides the splits: {counts}.")
        )
    return parts


def _by_source(evaluation: Evaluation) -> list[Evaluation]:
    """Return the judgements of single clinics, one for each clinic."""
    return list({other.source: other for other in evaluation.others if other.source}.values())


def _evaluation_data(evaluation: Evaluation) -> list[Part]:
    counts = evaluation.predictions["diagnosis"].value_counts()
    places = " ".join(
        [f"--other {other.data}" for other in evaluation.others if not other.source]
        + [f"--other-source {shlex.quote(o.source)}" for o in _by_source(evaluation)]
        + [f"--unlike {name}" for name in evaluation.unlike]
        + ([f"--masks {evaluation.evidence.masks}"] if evaluation.evidence else [])
        + ([f"--views {evaluation.classifier.views}"] if evaluation.classifier.views > 1 else [])
        + (["--skip-damaged"] if any(each.damaged for each in (evaluation, *evaluation.others)) else [])
    )
    return [
        Paragraph(
            f"{evaluation.metrics.images:,} images of {evaluation.lesions:,} lesions: "
            + ", ".join(f"{code} {counts.get(code, 0):,}" for code in CODES)
            + "."
        ),
        *(
            Paragraph(f"{each.name}: {left_out(len(each.damaged))} {some(each.damaged)}")
            for each in (evaluation, *evaluation.others)
            if each.damaged
        ),
        Command(f"lesionviz evaluate --data {evaluation.data} --part {evaluation.part} {places}".rstrip()),
    ]


def _figures(evaluation: Evaluation) -> list[Part]:
    figures, baseline = evaluation.figures, evaluation.baseline
    main = [(title, str(figures[key]), _number(baseline[key])) for key, title in TITLES.items() if key != "ece"]
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


def _calibration(evaluation: Evaluation) -> list[Part]:
    before = calibration_error(evaluation.truth, evaluation.uncalibrated)
    bins = [confidence_bins(evaluation.truth, p) for p in (evaluation.uncalibrated, evaluation.probabilities)]
    return [
        Paragraph(
            f"Expected calibration error {evaluation.figures['ece']}; without the temperature it would be {before:.1%}. "
            "It is the mean gap, over 15 bins, between the probability shown and the share of right answers."
        ),
        Picture(reliability_figure(*bins), "Probability of the answer against the share of right answers."),
    ]


def _operating(evaluation: Evaluation) -> list[Part]:
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


def _groups(evaluation: Evaluation) -> list[Part]:
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
        if each is not evaluation:
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


def _group_rows(groups: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (f"{by}: {group}", f"{row['images']:,}", f"{row['melanomas']:,}", *(str(row[key]) for key in SHOWN))
        for (by, group), row in groups.iterrows()
    ]


def _others(evaluation: Evaluation) -> list[Part]:
    if not evaluation.others:
        return [Paragraph("Not measured here (`lesionviz evaluate --other DIR`).")]
    return source_parts(evaluation)


def _evidence(evidence: EvidenceInside, checkpoint: Checkpoint) -> list[Part]:
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


def _limits() -> list[Part]:
    return [
        Bullets(
            [
                "Skin tone is recorded for few of the images, and few of those are dark: no figure says that the model "
                "does as well on dark skin.",
                "A class-activation map shows where evidence lies, not that the model is right.",
                "Ink, rulers, hair and dark corners change answers; `lesionviz shortcuts` measures how often.",
                "The figures hold for images like those above; other clinics and cameras are expected to do worse.",
            ]
        )
    ]


def _clear_derm(evaluation: Evaluation) -> list[Part]:
    sources = ", ".join(sorted(set(evaluation.predictions.get("source", []))))
    rows = [
        ("Image types", f"Dermoscopic photographs, sources: {sources or 'not recorded'}"),
        ("Artefacts, image quality", "Images of poor quality are refused; others are used as they are"),
        ("Ground truth", "Diagnosis as in the collection: histology, follow-up, consensus or confocal microscopy"),
        ("Patients", "Age, sex, body site and, where it is recorded, skin tone: see the tables"),
        ("Availability", f"Images: {evaluation.data}; recipe, split and weights are in the model's file"),
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


def _share(interval: Interval) -> str:
    return "–" if np.isnan(interval.value) else str(interval)


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1%}"


def _plain_interval(interval: Interval) -> str:
    return "–" if np.isnan(interval.value) else f"{interval.value:.1f} ({interval.low:.1f}–{interval.high:.1f})"

"""``evaluate``: a classifier on images that it was not trained on, as figures, tables, a report and a model card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.collection import DETAILS, Collection
from lesionviz.data.folders import Walk, walk
from lesionviz.data.never import of_source
from lesionviz.data.outlines import find_outlines
from lesionviz.data.read import read_collection
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.bootstrap import Interval, by_lesion
from lesionviz.evaluation.evidence import EvidenceInside, evidence_inside
from lesionviz.evaluation.figures import confusion_figure
from lesionviz.evaluation.groups import DRAWS as GROUP_DRAWS
from lesionviz.evaluation.groups import group_table
from lesionviz.evaluation.measures import Floats, Integers, calibration_error, measures
from lesionviz.evaluation.metrics import Metrics, score
from lesionviz.evaluation.model_card import model_card
from lesionviz.evaluation.parts import (
    ALL,
    close_up_rows,
    refuse_known_images,
    rows_of_other,
    rows_of_part,
    rows_of_source,
)
from lesionviz.evaluation.report import report_page
from lesionviz.evaluation.silence import MALIGNANT_CODES, Silence, answers_of, silence_of
from lesionviz.evaluation.sources import source_figures
from lesionviz.evaluation.usable import look_at, usable_rows
from lesionviz.files import replacing

DRAWS = 1000
SHOWN_SENSITIVITIES = (0.8, 0.85, 0.9, 0.95)
JSON, PREDICTIONS, REPORT, CARD = "metrics.json", "predictions.csv", "report.html", "MODEL_CARD.md"


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did on one part of a collection.

    Attributes:
        data: name of the collection's folder.
        part: ``"test"``, ``"validation"``, ``"train"`` or ``"all"``.
        lesions: how many lesions the images show.
        metrics: counts and the figures that follow from them.
        predictions: one row for each image: ``image``, ``lesion``, ``diagnosis``, ``source``, what else the collection
            records, ``predicted``, ``refusal``, ``warning``, ``unfamiliarity`` and the probability of each class.
        classifier: what was judged.
        figures: every measure (:mod:`lesionviz.evaluation.measures`) with its 95 % interval by lesion.
        baseline: the measures of answering with the most frequent class every time.
        groups: figures by source, sex, age and body site.
        silence: who gets no answer, and who a warning.
        line: its line in the table of sources; see :func:`lesionviz.evaluation.sources.source_figures`.
        operating: what thresholds that were chosen on validation images do on these.
        others: the same classifier on what is new to it of other collections, such as another clinic's.
        unlike: names of the folders with pictures that should get no diagnosis.
        evidence: how much of the evidence lies inside the lesion, where outlines were given.
        source: the one clinic of the collection that was judged, or "" for all.
        damaged: names of images that could not be used and were left out.
        notes: sentences about what was passed over in folders of pictures that should get no diagnosis.
    """

    data: str
    part: str
    lesions: int
    metrics: Metrics
    predictions: pd.DataFrame
    classifier: LesionClassifier
    figures: Mapping[str, Interval]
    baseline: Mapping[str, float]
    groups: pd.DataFrame
    silence: Silence
    line: Mapping[str, Interval | float | int]
    operating: pd.DataFrame
    others: Sequence[Evaluation] = field(default_factory=tuple)
    unlike: Sequence[str] = ()
    evidence: EvidenceInside | None = None
    source: str = ""
    damaged: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What was judged, for people: the collection, and the clinic in it."""
        return f"{self.data}, {self.source}" if self.source else self.data

    @property
    def truth(self) -> Integers:
        """Class indices, (N,)."""
        indices: Integers = self.predictions["diagnosis"].map(CODES.index).to_numpy(np.int64)
        return indices

    @property
    def probabilities(self) -> Floats:
        """Calibrated probabilities, (N, 4)."""
        values: Floats = self.predictions[list(CODES)].to_numpy(np.float64)
        return values

    @property
    def uncalibrated(self) -> Floats:
        """Probabilities without the temperature, (N, 4)."""
        powers = self.probabilities**self.classifier.checkpoint.temperature
        values: Floats = powers / powers.sum(axis=1, keepdims=True)
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return every number, and what it was measured on; NaN becomes None."""
        checkpoint = self.classifier.checkpoint
        groups = self.groups.reset_index().to_dict("records") if len(self.groups) else []
        content = {
            "data": self.data,
            **({"source": self.source} if self.source else {}),
            "part": self.part,
            "lesions": self.lesions,
            **({"damaged": list(self.damaged)} if self.damaged else {}),
            "classes": list(CODES),
            "model_sha256": checkpoint.file_sha256,
            "temperature": checkpoint.temperature,
            "views": self.classifier.views,
            "split": dict(checkpoint.split),
            **self.metrics.to_dict(),
            "measures": dict(self.figures),
            "ece_before_temperature": calibration_error(self.truth, self.uncalibrated),
            "majority_baseline": dict(self.baseline),
            "groups": groups,
            "refusals": self.silence.refusals.to_dict("records"),
            "unknown_diagnoses": self.silence.unknown.to_dict("records"),
            "source_line": dict(self.line),
            "operating_points": self.operating.to_dict("records"),
            "evidence_inside_lesion": asdict(self.evidence) if self.evidence else None,
            "other_collections": [other.to_dict() for other in self.others],
        }
        plain: dict[str, Any] = to_plain(content)
        return plain

    def save(self, out: Path) -> None:
        """Write ``metrics.json``, ``predictions.csv``, ``confusion_matrix.png``, ``report.html``, ``MODEL_CARD.md``."""
        with replacing(out / JSON) as temporary:
            text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        with replacing(out / PREDICTIONS) as temporary:
            self.predictions.to_csv(temporary, index=False, float_format="%.6f")
        with replacing(out / "confusion_matrix.png") as temporary:
            confusion_figure(self.metrics).savefig(temporary, dpi=150)
        with replacing(out / REPORT) as temporary:
            temporary.write_text(report_page(self), encoding="utf-8")
        with replacing(out / CARD) as temporary:
            temporary.write_text(model_card(self), encoding="utf-8")


def evaluate(
    data: str | Path | Collection,
    model: str | Path | LesionClassifier | None = None,
    out: str | Path | None = None,
    part: str = "test",
    *,
    other: Iterable[str | Path | Collection] = (),
    other_sources: Iterable[str] = (),
    unlike: Iterable[str | Path] = (),
    masks: str | Path | None = None,
    views: int = 1,
    draws: int = DRAWS,
    skip_damaged: bool = False,
) -> Evaluation:
    """Judge a classifier on one part of a collection.

    The split is made again from what the checkpoint records of it, and must come out the same; so a
    test image can never be one that the model was trained on.

    Args:
        data: a folder or table in a known layout (:mod:`lesionviz.data.read`), or a collection.
        model: a checkpoint's path or a classifier; by default the bundled one.
        out: folder for the results; by default nothing is written.
        part: ``"test"``, ``"validation"`` or ``"train"`` of that split, or ``"all"`` images: only for a
            collection that the model has not seen.
        other: collections that are new to the model, such as another clinic's, of which all images are judged, or that
            it was trained on in part, of which the test part is.
        other_sources: clinics of those collections that are judged alone, besides: on all of their images that the model
            never saw.
        unlike: folders of pictures that should get no diagnosis; each subfolder is counted alone.
        masks: folder with outlines of lesions, ``<image>_segmentation.png``, to measure where the evidence lies.
        views: 1, or 8 for a checkpoint's answers averaged over the symmetries of the square, at eight times the cost; a
            classifier has views of its own.
        draws: of the bootstrap.
        skip_damaged: go on without images that cannot be used; the report says how many.

    Raises:
        LesionvizError: the data or the model cannot be used, or the split does not come out the same. Of damaged images
            all are named, before any is judged.
    """
    classifier = model if isinstance(model, LesionClassifier) else load(model, views)
    collection = data if isinstance(data, Collection) else read_collection(data)
    new = [place if isinstance(place, Collection) else read_collection(place) for place in other]
    folders = [Path(folder) for folder in unlike]
    walks = [walk(folder) for folder in folders]
    strange = {name: paths for walked in walks for name, paths in _pictures_in(walked).items()}
    checkpoint = classifier.checkpoint
    rows = rows_of_part(checkpoint, collection, part)
    elsewhere = [(each, *rows_of_other(checkpoint, each)) for each in new]
    sources = [""] * len(elsewhere)
    for source in other_sources:
        found = [(each, *rows_of_source(checkpoint, each, source)) for each in new]
        found = [item for item in found if len(item[1])]
        if not found:
            known = sorted({str(name) for each in new for name in each.present["source"]})
            raise LesionvizError(
                f"No image of the other collections is from {source!r} and new to the model. Their sources are: "
                f"{', '.join(known[:12]) or 'none; give collections with --other'}."
            )
        elsewhere += found
        sources += [source] * len(found)
    for each, judged, _ in elsewhere if part != ALL else ():
        refuse_known_images(checkpoint, collection, each, judged)
    frames = [rows, *(judged for _, judged, _ in elsewhere)]
    if checkpoint.refusal:
        frames += [each.present_of("others") for each in (collection, *new)]
        frames += [close_up_rows(checkpoint, each) for each in (collection, *new)]
    shown = [path for paths in strange.values() for path in paths] if checkpoint.refusal else []
    outlines = [] if masks is None else find_outlines(rows["path"].tolist(), [Path(masks)])
    asked = [*(path for frame in frames for path in frame["path"]), *shown, *filter(None, outlines)]
    damaged = look_at(asked, skip_damaged)
    strange = {name: [path for path in paths if str(path) not in damaged] for name, paths in strange.items()}
    evaluation = _judge(classifier, collection, rows, part, draws, strange, damaged)
    evaluation = replace(
        evaluation,
        others=tuple(
            replace(_judge(classifier, each, judged, name, draws, None, damaged, source), source=source)
            for (each, judged, name), source in zip(elsewhere, sources, strict=True)
        ),
        unlike=tuple(folder.name for folder in folders),
        damaged=(*evaluation.damaged, *(path.name for path in shown if str(path) in damaged)),
        notes=tuple(f"{walked.folder.name}: {note}" for walked in walks for note in walked.notes()),
        evidence=None
        if masks is None
        else evidence_inside(
            classifier, usable_rows(rows[[outline not in damaged for outline in outlines]], damaged), masks
        ),
    )
    if out is not None:
        evaluation.save(Path(out))
    return evaluation


def _judge(
    classifier: LesionClassifier,
    collection: Collection,
    rows: pd.DataFrame,
    part: str,
    draws: int,
    strange: Mapping[str, Sequence[Path]] | None,
    damaged: frozenset[str],
    source: str = "",
) -> Evaluation:
    """Judge some rows; ``strange`` pictures are asked for besides, and with them those that are drawn."""
    if source:  # of what is kept aside, too, only the clinic's own is asked
        kept_aside = {of: collection.frame(of) for of in ("others", "close_ups")}
        own = {of: frame[of_source(frame, [source])] for of, frame in kept_aside.items()}
        collection = replace(collection, **own)
    asked = [rows]
    if classifier.checkpoint.refusal:
        asked += [collection.present_of("others"), close_up_rows(classifier.checkpoint, collection)]
    lost = [image for frame in asked for image in frame["image"][frame["path"].isin(damaged)]]
    collection, rows = collection.without(damaged), usable_rows(rows, damaged)
    answers = answers_of(classifier, rows["path"], f"Evaluating {collection.folder.name}, {part}")
    columns = [name for name in ("image", "lesion", "diagnosis", "source", *DETAILS) if name in rows]
    predictions = rows[columns].reset_index(drop=True)
    predictions["predicted"] = [answer.diagnosis for answer in answers]
    for name in ("refusal", "warning", "unfamiliarity"):
        predictions[name] = [getattr(answer, name) for answer in answers]
    for code in CODES:
        predictions[code] = [answer.probabilities[code] for answer in answers]
    truth, predicted = (predictions[name].map(CODES.index).to_numpy() for name in ("diagnosis", "predicted"))
    probabilities = predictions[list(CODES)].to_numpy()
    lesions = predictions["lesion"].to_numpy()
    majority = np.eye(len(CODES))[np.full(len(truth), np.bincount(truth).argmax())]
    return Evaluation(
        collection.folder.name,
        part,
        rows["lesion"].nunique(),
        score(truth, predicted),
        predictions,
        classifier,
        by_lesion(lambda w: measures(truth, probabilities, w), lesions, draws, progress="Bootstrap by lesion"),
        measures(truth, majority),
        group_table(predictions, min(draws, GROUP_DRAWS)),
        silence_of(classifier, collection, predictions, part, strange or {}, strange is not None),
        source_figures(predictions, min(draws, GROUP_DRAWS)),
        _operating(classifier, predictions, draws),
        damaged=lost,
    )


def _operating(classifier: LesionClassifier, predictions: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Apply the thresholds that were chosen on validation images to these."""
    melanoma = (predictions["diagnosis"] == "MEL").to_numpy()
    benign = ~predictions["diagnosis"].isin(MALIGNANT_CODES).to_numpy()
    probability, lesions = predictions["MEL"].to_numpy(), predictions["lesion"].to_numpy()
    rows = []
    for point in classifier.checkpoint.operating_points:
        if point["sensitivity"] not in SHOWN_SENSITIVITIES or not melanoma.any() or melanoma.all():
            continue
        called = probability >= point["threshold"]

        def figures(weights: Floats, called: Any = called) -> dict[str, float]:
            with np.errstate(invalid="ignore", divide="ignore"):
                found = (weights * (called & melanoma)).sum()
                return {
                    "sensitivity": found / (weights * melanoma).sum(),
                    "specificity": (weights * (~called & ~melanoma)).sum() / (weights * ~melanoma).sum(),
                    "benign_per_melanoma": (weights * (called & benign)).sum() / found,
                }

        reached = by_lesion(figures, lesions, draws)
        rows.append({"chosen_for": point["sensitivity"], "threshold": point["threshold"], **reached})
    return pd.DataFrame(rows)


def _pictures_in(walked: Walk) -> Mapping[str, Sequence[Path]]:
    """Return the pictures of each subfolder of a folder by its name, and those in none by the folder's own.

    Raises:
        LesionvizError: there are none.
    """
    found: dict[str, list[Path]] = {}
    for path in walked.images:
        first, *deeper = path.relative_to(walked.folder).parts
        found.setdefault((first if deeper else walked.folder.name).replace("_", " "), []).append(path)
    if not found:
        raise LesionvizError(
            f"{walked.folder} holds no pictures. Give a folder with images that should get no diagnosis."
        )
    return found


def to_plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    if isinstance(value, Interval):
        return to_plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value

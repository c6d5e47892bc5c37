"""``evaluate``: judges a classifier on images that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
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
from lesionviz.evaluation.bootstrap import DRAWS, by_lesion
from lesionviz.evaluation.evidence import evidence_inside
from lesionviz.evaluation.groups import DRAWS as GROUP_DRAWS
from lesionviz.evaluation.groups import group_table
from lesionviz.evaluation.measures import MALIGNANT_CODES, Floats, measures
from lesionviz.evaluation.metrics import score
from lesionviz.evaluation.parts import (
    ALL,
    close_up_rows,
    refuse_known_images,
    rows_of_other,
    rows_of_part,
    rows_of_source,
)
from lesionviz.evaluation.report.save import save_evaluation
from lesionviz.evaluation.result import Evaluation
from lesionviz.evaluation.silence import answers_of, silence_of
from lesionviz.evaluation.sources import source_figures
from lesionviz.evaluation.usable import look_at, usable_rows

SHOWN_SENSITIVITIES = (0.8, 0.85, 0.9, 0.95)


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
        save_evaluation(evaluation, Path(out))
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
    told = f"{source}, {part}" if source else part
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
        silence_of(classifier, collection, predictions, told, strange or {}, strange is not None),
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

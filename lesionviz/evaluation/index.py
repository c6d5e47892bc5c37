"""Makes the index of similar cases from a collection, for one model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lesionviz.checkpoint import DRAWINGS
from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.outputs import outputs_of
from lesionviz.evaluation.parts import recorded_split
from lesionviz.evaluation.usable import left_out, look_at, usable_rows
from lesionviz.similarity import SimilarityIndex


def make_index(
    data: str | Path | Collection,
    model: str | Path | LesionClassifier | None = None,
    part: str = "train",
    *,
    skip_damaged: bool = False,
    report: Callable[[str], None] | None = None,
) -> Path:
    """Write the index of a collection's images and return where it lies.

    Args:
        data: a folder or table in a known layout, or a collection.
        model: a checkpoint's path or a classifier; by default the bundled one.
        part: of the model's split: ``"train"``, so that a test image never finds itself, or ``"all"`` images.
        skip_damaged: go on without images that cannot be used.
        report: receives a sentence about those that were left out.

    Raises:
        LesionvizError: the data or the model cannot be used, or the split does not come out the same.
    """
    classifier = model if isinstance(model, LesionClassifier) else load(model)
    if classifier.checkpoint.subject == DRAWINGS:
        raise LesionvizError("The model knows drawings alone, and an index is of photographs. Give another --model.")
    collection = data if isinstance(data, Collection) else read_collection(data)
    rows = collection.present
    if part != "all":
        rows = recorded_split(classifier.checkpoint, collection).rows(collection, part)
    damaged = look_at(rows["path"], skip_damaged)
    rows = usable_rows(rows, damaged)
    if damaged and report:
        report(left_out(len(damaged)))
    outputs = outputs_of(classifier, rows["path"], len(rows), "Indexing", progress=True)
    rows = rows.assign(path=[str(Path(path).resolve()) for path in rows["path"]])
    columns = {name: rows[name].to_numpy(str) for name in ("image", "lesion", "diagnosis", "path")}
    SimilarityIndex.of(outputs.embeddings, **columns).save(classifier.index_path)
    return classifier.index_path

"""Makes the index of similar cases from a collection, for one model."""

from __future__ import annotations

from pathlib import Path

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.evaluation.calibration import outputs_of
from lesionviz.evaluation.parts import recorded_split
from lesionviz.similarity import SimilarityIndex


def make_index(
    data: str | Path | Collection, model: str | Path | LesionClassifier | None = None, part: str = "train"
) -> Path:
    """Write the index of a collection's images and return where it lies.

    Args:
        data: a folder or table in a known layout, or a collection.
        model: a checkpoint's path or a classifier; by default the bundled one.
        part: of the model's split: ``"train"``, so that a test image never finds itself, or ``"all"`` images.

    Raises:
        LesionvizError: the data or the model cannot be used, or the split does not come out the same.
    """
    classifier = model if isinstance(model, LesionClassifier) else load(model)
    collection = data if isinstance(data, Collection) else read_collection(data)
    rows = collection.present
    if part != "all":
        rows = recorded_split(classifier.checkpoint, collection).rows(collection, part)
    outputs = outputs_of(classifier, rows, "Indexing", progress=True)
    rows = rows.assign(path=[str(Path(path).resolve()) for path in rows["path"]])
    columns = {name: rows[name].to_numpy(str) for name in ("image", "lesion", "diagnosis", "path")}
    SimilarityIndex.of(outputs.embeddings, **columns).save(classifier.index_path)
    return classifier.index_path

"""``evaluate``: a classifier on the images that it was not trained on, as figures, tables and a model card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from lesionviz.classifier import LesionClassifier, Prediction, load
from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.data.split import PARTS, split_at_random, split_by_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.figures import confusion_figure
from lesionviz.evaluation.metrics import Metrics, score
from lesionviz.evaluation.model_card import model_card
from lesionviz.files import replacing

ALL = "all"


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did on one part of a collection.

    Attributes:
        data: name of the collection's folder.
        part: ``"test"``, ``"validation"``, ``"train"`` or ``"all"``.
        lesions: how many lesions the images show.
        metrics: the figures.
        predictions: one row for each image: ``image``, ``lesion``, ``diagnosis``, ``predicted``, and the
            probability of each class.
        classifier: what was judged.
    """

    data: str
    part: str
    lesions: int
    metrics: Metrics
    predictions: pd.DataFrame
    classifier: LesionClassifier

    def to_dict(self) -> dict[str, Any]:
        """Return every number, and what it was measured on."""
        checkpoint = self.classifier.checkpoint
        return {
            "data": self.data,
            "part": self.part,
            "lesions": self.lesions,
            "classes": list(CODES),
            "model_sha256": checkpoint.file_sha256,
            "split": dict(checkpoint.split),
            **self.metrics.to_dict(),
        }

    def save(self, out: Path) -> None:
        """Write ``metrics.json``, ``predictions.csv``, ``confusion_matrix.png`` and ``MODEL_CARD.md``."""
        with replacing(out / "metrics.json") as temporary:
            temporary.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")
        with replacing(out / "predictions.csv") as temporary:
            self.predictions.to_csv(temporary, index=False, float_format="%.6f")
        with replacing(out / "confusion_matrix.png") as temporary:
            confusion_figure(self.metrics).savefig(temporary, dpi=150)
        with replacing(out / "MODEL_CARD.md") as temporary:
            card = model_card(self.classifier.checkpoint, self.metrics, self.data, self.part, self.lesions)
            temporary.write_text(card, encoding="utf-8")


def evaluate(
    data: str | Path | Collection,
    model: str | Path | LesionClassifier | None = None,
    out: str | Path | None = None,
    part: str = "test",
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

    Raises:
        LesionvizError: the data or the model cannot be used, or the split does not come out the same.
    """
    classifier = model if isinstance(model, LesionClassifier) else load(model)
    collection = data if isinstance(data, Collection) else read_collection(data)
    rows = rows_of_part(classifier, collection, part)
    answers: list[Prediction] = []
    for answer in tqdm(
        classifier.predict_many(rows["path"]), total=len(rows), desc=f"Evaluating {part}", disable=None
    ):
        answers.append(answer)
    predictions = rows[["image", "lesion", "diagnosis"]].reset_index(drop=True)
    predictions["predicted"] = [answer.diagnosis for answer in answers]
    for code in CODES:
        predictions[code] = [answer.probabilities[code] for answer in answers]
    metrics = score(*(predictions[name].map(CODES.index).to_numpy() for name in ("diagnosis", "predicted")))
    evaluation = Evaluation(collection.folder.name, part, rows["lesion"].nunique(), metrics, predictions, classifier)
    if out is not None:
        evaluation.save(Path(out))
    return evaluation


def rows_of_part(classifier: LesionClassifier, collection: Collection, part: str) -> pd.DataFrame:
    """Return the present rows of a part of the model's own split, after making sure that it is the same split.

    Raises:
        LesionvizError: the part is unknown, or the split does not come out as the model records it.
    """
    if part == ALL:
        return collection.present
    if part not in PARTS:
        raise LesionvizError(f"The part {part!r} is not known. Choose from: {', '.join((*PARTS, ALL))}.")
    recorded = classifier.checkpoint.split
    advice = (
        "Images of a part may be among those that it was trained on. If this collection is new to the model, "
        f"judge it on everything (--part {ALL})."
    )
    if not recorded:
        raise LesionvizError(f"The model does not record how its images were split. {advice}")
    seed, validation, test = (recorded.get(key) for key in ("seed", "validation", "test"))
    if type(seed) is not int or not isinstance(validation, float) or not isinstance(test, float):
        raise LesionvizError(f"The model's record of its split is damaged. {advice}")
    divide = split_at_random if recorded.get("by") == "random" else split_by_lesion
    split = divide(collection, seed, validation, test)
    digest = split.describe()["sha256"]
    if digest != recorded.get("sha256"):
        raise LesionvizError(
            f"The split of {collection.folder} ({digest[:12]}…) is not the one that the model was trained with "
            f"({str(recorded.get('sha256'))[:12]}…). {advice}"
        )
    return split.rows(collection, part)

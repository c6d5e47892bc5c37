"""Who gets no answer, and who a warning: the judged images, unknown diagnoses, photographs and drawings of other things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from tqdm.auto import tqdm

from lesionviz.classifier import LesionClassifier
from lesionviz.data.collection import Collection
from lesionviz.data.strangers import strangers
from lesionviz.evaluation.measures import MALIGNANT_CODES
from lesionviz.evaluation.parts import close_up_rows, unknown_rows
from lesionviz.evaluation.sources import unknown_figures
from lesionviz.imaging import ImageSource
from lesionviz.prediction import Prediction

COLUMNS = ("pictures", "images", "refused", "warned", "called_benign")


@dataclass(frozen=True)
class Silence:
    """Who gets no answer, and who a warning.

    Attributes:
        refusals: rows ``pictures`` (what they show), ``images``, ``refused`` (how many get no diagnosis), ``warned`` (how
            many of the others get a warning) and ``called_benign``. Empty where the model refuses nothing.
        unknown: what becomes of unknown diagnoses; see :func:`lesionviz.evaluation.sources.unknown_figures`.
    """

    refusals: pd.DataFrame
    unknown: pd.DataFrame


def silence_of(
    classifier: LesionClassifier,
    collection: Collection,
    predictions: pd.DataFrame,
    part: str,
    strange: Mapping[str, Sequence[ImageSource]],
    drawn: bool,
) -> Silence:
    """Ask for what is kept aside of a collection and for other pictures, and count.

    Args:
        classifier: what is judged.
        collection: where the judged images are from, without what cannot be used.
        predictions: the judged images: ``predicted``, ``refusal``, ``warning`` and ``unfamiliarity``.
        part: of the collection, for people.
        strange: pictures that should get no diagnosis, by what they show.
        drawn: ask for the drawn strangers, too.
    """
    checkpoint = classifier.checkpoint
    if not checkpoint.refusal:
        return Silence(pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame())
    name = collection.folder.name
    lines = [_line(f"{name}, {part}", predictions)]
    rows = unknown_rows(checkpoint, collection)
    unknown = pd.DataFrame(columns=["diagnosis", "predicted", "refusal", "warning", "unfamiliarity"])
    if len(rows):
        unknown = _table(answers_of(classifier, rows["path"], f"Unknown diagnoses of {name}"))
        unknown["diagnosis"] = rows["diagnosis"].tolist()
        lines += [
            _line(f"{name}, {label} (a diagnosis it does not know)", group)
            for label, group in unknown.groupby("diagnosis")
        ]
    asked: dict[str, Sequence[ImageSource]] = {
        f"{name}, close-ups (not dermoscopy)": close_up_rows(checkpoint, collection)["path"].tolist()
    }
    asked |= strange
    asked |= {f"drawn: {kind}": pictures for kind, pictures in strangers().items()} if drawn else {}
    for what, pictures in asked.items():
        if pictures:
            lines.append(_line(what, _table(answers_of(classifier, pictures, f"Refusal: {what}"))))
    return Silence(pd.DataFrame(lines, columns=list(COLUMNS)), unknown_figures(predictions, unknown))


def answers_of(classifier: LesionClassifier, images: Iterable[ImageSource], name: str) -> list[Prediction]:
    """Return a classifier's answers for images, behind a bar with a name."""
    images = list(images)
    return list(tqdm(classifier.predict_many(images), total=len(images), desc=name, leave=False, disable=None))


def _table(answers: Sequence[Prediction]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "predicted": [answer.diagnosis for answer in answers],
            "refusal": [answer.refusal for answer in answers],
            "warning": [answer.warning for answer in answers],
            "unfamiliarity": [answer.unfamiliarity for answer in answers],
        }
    )


def _line(what: str, answers: pd.DataFrame) -> tuple[str, int, int, int, int]:
    refused = answers["refusal"] != ""
    benign = ~answers["predicted"].isin(MALIGNANT_CODES)
    warned = int((answers["warning"] != "").sum())
    return what, len(answers), int(refused.sum()), warned, int((benign & ~refused).sum())

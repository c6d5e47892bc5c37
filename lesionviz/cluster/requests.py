"""All that can be asked over a line, and the answering of it where the model is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lesionviz.answering import Seen
from lesionviz.cluster.near import Near, small_picture
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.similarity import EMBEDDING
from lesionviz.trust.pointing import FORWARDS as POINTING
from lesionviz.trust.pointing import pointing
from lesionviz.trust.squares import unpacked_mask
from lesionviz.trust.stillness import FORWARDS as STILLNESS
from lesionviz.trust.stillness import stillness
from lesionviz.wire import pack, unpack

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

LOG = logging.getLogger(__name__)
LARGEST = 4 * 2**20
"""Bytes of a question at most: the largest input, 1024 × 1024 pixels, and some words."""
MOST_SIMILAR = 20
NOTES, NOTE = 20, 500
"""How many notes on a picture a question may carry, and how many characters each may have."""


@dataclass(frozen=True)
class Request:
    """Something that can be asked over a line.

    Attributes:
        answer: takes the classifier and the checked question's content; returns plain data.
        forwards: what it costs, in runs of the network over one picture.
        urgent: a person waits for it before anything else can be seen.
    """

    answer: Callable[[LesionClassifier, Mapping[str, Any]], Any]
    forwards: int
    urgent: bool = False


def answer(classifier: LesionClassifier, question: bytes) -> bytes:
    """Answer the bytes of a question; whatever is wrong becomes a sentence in the answer.

    Args:
        classifier: who is asked.
        question: from :class:`Far`, or from whoever claims to be one.
    """
    try:
        content = _content(question)
        asked = Near(classifier).answering(content["drawn"]).classifier
        return pack({"ok": REQUESTS[content["name"]].answer(asked, content)})
    except LesionvizError as error:
        return pack({"error": str(error)})
    except Exception as error:  # noqa: BLE001 - whoever asked must hear of it; what it was about stays out of the log
        LOG.error("a question failed: %s", type(error).__name__)
        return pack({"error": "The question could not be answered: something inside lesionviz failed. Try again."})


def name_of(question: bytes) -> str:
    """Return which of ``REQUESTS`` the bytes of a question are.

    Raises:
        LesionvizError: none.
    """
    name: str = _content(question)["name"]
    return name


def _content(question: bytes) -> dict[str, Any]:
    """Return what a question says, once it is sure that it is one of ``REQUESTS``."""
    content = unpack(question) if len(question) <= LARGEST else None
    if isinstance(content, dict):
        name = content.get("name")
        if isinstance(name, str) and name in REQUESTS and type(content.setdefault("drawn", False)) is bool:
            return content
    raise LesionvizError("This is no question that can be asked about a picture.")


def _facts(classifier: LesionClassifier, _content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of both networks: so it is asked for once, and a server can keep it."""
    near = Near(classifier)
    return {"model": _known(near), "drawings": _known(near.answering(drawn=True))}


def _known(near: Near) -> dict[str, Any]:
    sets = near.answer_sets
    return {"checkpoint": near.checkpoint.facts(), "answer_sets": None if sets is None else sets.to_plain()}


def _examine(classifier: LesionClassifier, content: Mapping[str, Any]) -> dict[str, Any]:
    return classifier.examine_seen(_seen_of(classifier, content)).to_plain()


def _what_if(classifier: LesionClassifier, content: Mapping[str, Any]) -> dict[str, Any]:
    return classifier.answers([_seen_of(classifier, content)]).predictions[0].to_plain()


def _pointing(classifier: LesionClassifier, content: Mapping[str, Any]) -> dict[str, Any]:
    square, target = _seen(classifier, content), content.get("target")
    if not isinstance(target, str) or target not in CODES:
        raise LesionvizError("The class is none of the four.")
    return pointing(classifier, square, unpacked_mask(content.get("marked"), square), target).to_plain()


def _stillness(classifier: LesionClassifier, content: Mapping[str, Any]) -> dict[str, Any]:
    return stillness(classifier, _seen(classifier, content)).to_plain()


def _seen_of(classifier: LesionClassifier, content: Mapping[str, Any]) -> Seen:
    """Return what the network is to see, with the picture's size and the notes on it."""
    size, notes = content.get("size"), content.get("notes")
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise LesionvizError("The picture's size is not one that a picture has.")
    if not (
        isinstance(notes, list) and len(notes) <= NOTES and all(isinstance(n, str) and len(n) <= NOTE for n in notes)
    ):
        raise LesionvizError("The notes on the picture are not notes.")
    return Seen(Image.fromarray(_seen(classifier, content)), "picture", (size[0], size[1]), tuple(notes))


def _complete(classifier: LesionClassifier, content: Mapping[str, Any]) -> list[list[Any]]:
    logits = content.get("logits")
    if not (isinstance(logits, list) and len(logits) == len(CODES) and all(type(one) is float for one in logits)):
        raise LesionvizError("The logits are not four numbers.")
    maps = classifier.all_maps(_seen(classifier, content), logits, "this picture")
    return [[method, layer, one] for (method, layer), one in maps.items()]


def _similar(classifier: LesionClassifier, content: Mapping[str, Any]) -> list[list[Any]]:
    embedding, k = content.get("embedding"), content.get("k")
    if not (isinstance(embedding, np.ndarray) and embedding.shape == (EMBEDDING,) and embedding.dtype == np.float32):
        raise LesionvizError(f"The embedding must be {EMBEDDING} numbers.")
    if type(k) is not int or not 1 <= k <= MOST_SIMILAR:
        raise LesionvizError(f"From 1 to {MOST_SIMILAR} similar cases can be asked for.")
    found = classifier.similar_to(embedding, k)
    return [[one.image, one.lesion, one.diagnosis, one.similarity, small_picture(one.path)] for one in found]


def _seen(classifier: LesionClassifier, content: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Return what the network is to see, of the very size that it takes."""
    seen, side = content.get("seen"), classifier.preprocessing.size
    if not (isinstance(seen, np.ndarray) and seen.shape == (side, side, 3) and seen.dtype == np.uint8):
        raise LesionvizError(f"The network sees {side} × {side} pixels in three colours, and this is something else.")
    return seen


REQUESTS: dict[str, Request] = {
    "facts": Request(_facts, forwards=0, urgent=True),
    "examine": Request(_examine, forwards=1, urgent=True),
    "complete": Request(_complete, forwards=6),
    "similar": Request(_similar, forwards=0),
    "pointing": Request(_pointing, forwards=POINTING),
    "stillness": Request(_stillness, forwards=STILLNESS),
    "whatif": Request(_what_if, forwards=1),
}
"""All that can be asked over a line."""

"""One way to ask about a picture, wherever the model is: in this process (:class:`Near`) or behind a line (:class:`Far`).

Whoever shows answers knows an :class:`Examiner` and cannot tell which of the two it is. What goes over a line is one
of the named requests in :data:`REQUESTS` and nothing else: plain data of bounded size in, plain data out
(:mod:`lesionviz.wire`), at a cost that is known before. No function, no path and no file's name goes with it. A
picture is opened where it was uploaded, and only the square that the network sees goes on, so that a hostile file
reaches nobody else. A new request is a line there. Each can be about a photograph, which the model answers, or about one of
our own drawings, which the small network answers that knows nothing else (:mod:`lesionviz.drawn`).

This module imports no torch: a page's process does without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from PIL import Image

from lesionviz.answering import Seen, see
from lesionviz.case import Case
from lesionviz.checkpoint import DRAWINGS, Checkpoint
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, open_image
from lesionviz.imaging.encoding import jpeg
from lesionviz.preprocessing import Preprocessing
from lesionviz.similarity import EMBEDDING, SimilarCase
from lesionviz.wire import pack, unpack

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

LOG = logging.getLogger(__name__)
LARGEST = 4 * 2**20
"""Bytes of a question at most: the largest input, 1024 × 1024 pixels, and some words."""
MOST_SIMILAR = 20
NOTES, NOTE = 20, 500
"""How many notes on a picture a question may carry, and how many characters each may have."""
SMALL = (260, 200)
"""Pixels of the picture of a similar case at most."""


class Examiner(Protocol):
    """Whoever can be asked about pictures."""

    def answering(self, drawn: bool) -> Examiner:
        """Return whom to ask about a picture.

        Args:
            drawn: whether it is one of our own drawings, about which the model for photographs is never asked.
        """

    @property
    def checkpoint(self) -> Checkpoint:
        """What is known of the model; behind a line without its weights."""

    def examine(self, image: ImageSource) -> Case:
        """As :meth:`lesionviz.classifier.LesionClassifier.examine`."""

    def complete(self, case: Case) -> Case:
        """As :meth:`lesionviz.classifier.LesionClassifier.complete`."""

    def similar(self, case: Case, k: int) -> list[tuple[SimilarCase, bytes]]:
        """Return cases that look alike to the network, each with a small JPEG of it (empty where its file is gone); none
        where there is no index."""


class Near:
    """A classifier in this process.

    Args:
        classifier: who answers.
    """

    def __init__(self, classifier: LesionClassifier) -> None:
        self.classifier = classifier

    def answering(self, drawn: bool) -> Near:
        """See :class:`Examiner`."""
        if not drawn or self.checkpoint.subject == DRAWINGS:
            return self
        from lesionviz.drawn import drawn_classifier  # torch is loaded only where a picture is looked at

        return Near(drawn_classifier())

    @property
    def checkpoint(self) -> Checkpoint:
        """The model."""
        return self.classifier.checkpoint

    def examine(self, image: ImageSource) -> Case:
        """See :class:`Examiner`."""
        return self.classifier.examine(image)

    def complete(self, case: Case) -> Case:
        """See :class:`Examiner`."""
        return self.classifier.complete(case)

    def similar(self, case: Case, k: int) -> list[tuple[SimilarCase, bytes]]:
        """See :class:`Examiner`."""
        return [(found, _small(found.path)) for found in self.classifier.similar_to(case.embedding, k)]

    def explain(self, case: Case, target: str, layer: str, method: str, against: str | None) -> Explanation:
        """Return an explanation that a case does not hold: not yet, or because the method has no exact contrast."""
        seen = Seen(Image.fromarray(case.seen), case.name, case.size)
        (explanation,) = self.classifier.explain_seen([seen], target, layer, method, against)
        return explanation


class Far:
    """A classifier in another process.

    Args:
        ask: takes the bytes of a question there and returns those of the answer; raises LesionvizError where there is none.
        drawn: whether to ask the network there that knows drawings alone.
    """

    def __init__(self, ask: Callable[[bytes], bytes], drawn: bool = False) -> None:
        self._ask, self._drawn = ask, drawn

    def answering(self, drawn: bool) -> Far:
        """See :class:`Examiner`."""
        return self._of_drawings if drawn and self.checkpoint.subject != DRAWINGS else self

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """What is known of the model, without its weights; asked for once."""
        return facts_of(self._answer("facts"), self._drawn)

    def examine(self, image: ImageSource) -> Case:
        """See :class:`Examiner`."""
        picture = open_image(image)
        seen = see(picture, self.checkpoint.preprocessing)
        plain = self._answer("examine", seen=np.array(seen.pixels), size=list(seen.size), notes=list(seen.notes))
        return Case.from_plain(plain, picture.name, picture.sha256)

    def complete(self, case: Case) -> Case:
        """See :class:`Examiner`."""
        if case.completed:
            return case
        told = self._answer("complete", seen=case.seen, logits=list(case.logits))
        return replace(case, maps={**{(method, layer): maps for method, layer, maps in told}, **case.maps})

    def similar(self, case: Case, k: int) -> list[tuple[SimilarCase, bytes]]:
        """See :class:`Examiner`."""
        found = self._answer("similar", embedding=case.embedding, k=k)
        return [
            (SimilarCase(image, lesion, diagnosis, path="", similarity=likeness), small)
            for image, lesion, diagnosis, likeness, small in found
        ]

    @cached_property
    def _of_drawings(self) -> Far:
        return Far(self._ask, drawn=True)

    def _answer(self, name: str, **content: Any) -> Any:
        answer = unpack(self._ask(pack({"name": name, "drawn": self._drawn, **content})))
        if "error" in answer:
            raise LesionvizError(answer["error"])
        return answer["ok"]


# --- where the model is ---------------------------------------------------------------------------------------------------


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


def facts_of(told: Mapping[str, Any], drawn: bool = False) -> Checkpoint:
    """Return what ``facts`` tells of the model, or of the network for drawings, as a checkpoint without weights."""
    plain = told["drawings" if drawn else "model"]
    return Checkpoint(
        **{**plain, "operating_points": tuple(plain["operating_points"]), "history": tuple(plain["history"])}
        | {"state_dict": {}, "preprocessing": Preprocessing.from_dict(plain["preprocessing"])}
    )


def _facts(classifier: LesionClassifier, _content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is known of both networks: so it is asked for once, and a server can keep it."""
    near = Near(classifier)
    return {"model": _known(near.checkpoint), "drawings": _known(near.answering(drawn=True).checkpoint)}


def _known(known: Checkpoint) -> dict[str, Any]:
    return {
        "preprocessing": known.preprocessing.to_dict(),
        "temperature": known.temperature,
        "operating_points": [dict(point) for point in known.operating_points],
        "split": {"sha256": known.split.get("sha256")},
        "licence": known.licence,
        "history": list(known.history),
        "architecture": known.architecture,
        "subject": known.subject,
        "file_sha256": known.file_sha256,
    }


def _examine(classifier: LesionClassifier, content: Mapping[str, Any]) -> dict[str, Any]:
    size, notes = content.get("size"), content.get("notes")
    if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int and side > 0 for side in size)):
        raise LesionvizError("The picture's size is not one that a picture has.")
    if not (
        isinstance(notes, list) and len(notes) <= NOTES and all(isinstance(n, str) and len(n) <= NOTE for n in notes)
    ):
        raise LesionvizError("The notes on the picture are not notes.")
    seen = Seen(Image.fromarray(_seen(classifier, content)), "picture", (size[0], size[1]), tuple(notes))
    return classifier.examine_seen(seen).to_plain()


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
    return [[one.image, one.lesion, one.diagnosis, one.similarity, _small(one.path)] for one in found]


def _seen(classifier: LesionClassifier, content: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    """Return what the network is to see, of the very size that it takes."""
    seen, side = content.get("seen"), classifier.preprocessing.size
    if not (isinstance(seen, np.ndarray) and seen.shape == (side, side, 3) and seen.dtype == np.uint8):
        raise LesionvizError(f"The network sees {side} × {side} pixels in three colours, and this is something else.")
    return seen


def _small(path: str) -> bytes:
    """Return a small JPEG of an indexed image; nothing where its file has gone since."""
    try:
        return jpeg(open_image(path).pixels, SMALL)
    except LesionvizError:
        return b""


REQUESTS: dict[str, Request] = {
    "facts": Request(_facts, forwards=0, urgent=True),
    "examine": Request(_examine, forwards=1, urgent=True),
    "complete": Request(_complete, forwards=6),
    "similar": Request(_similar, forwards=0),
}
"""All that can be asked over a line."""

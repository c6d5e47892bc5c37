"""A classifier in this process, asked as one elsewhere would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from lesionviz.answering import Seen
from lesionviz.case import Case
from lesionviz.checkpoint import DRAWINGS, Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, open_image
from lesionviz.imaging.encoding import jpeg
from lesionviz.similarity import SimilarCase

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

SMALL = (260, 200)
"""Pixels of the picture of a similar case at most."""


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
        return [(found, small_picture(found.path)) for found in self.classifier.similar_to(case.embedding, k)]

    def explain(self, case: Case, target: str, layer: str, method: str, against: str | None) -> Explanation:
        """Return an explanation that a case does not hold: not yet, or because the method has no exact contrast."""
        seen = Seen(Image.fromarray(case.seen), case.name, case.size)
        (explanation,) = self.classifier.explain_seen([seen], target, layer, method, against)
        return explanation


def small_picture(path: str) -> bytes:
    """Return a small JPEG of an indexed image; nothing where its file has gone since."""
    try:
        return jpeg(open_image(path).pixels, SMALL)
    except LesionvizError:
        return b""

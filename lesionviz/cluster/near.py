"""A classifier in this process, asked as one elsewhere would be."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from PIL import Image

from lesionviz.answering import Seen
from lesionviz.case import Case
from lesionviz.checkpoint import DRAWINGS, Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, open_image
from lesionviz.imaging.encoding import jpeg
from lesionviz.prediction import Prediction
from lesionviz.similarity import SimilarCase
from lesionviz.trust.answer_sets import AnswerSets, answer_sets
from lesionviz.trust.pointing import Pointing, pointing
from lesionviz.trust.squares import Mask, Square, check_square
from lesionviz.trust.stillness import Stillness, stillness

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

    @cached_property
    def answer_sets(self) -> AnswerSets | None:
        """See :class:`Examiner`."""
        return answer_sets(self.checkpoint)

    def pointing(self, case: Case, mask: Mask, target: str) -> Pointing:
        """See :class:`Examiner`."""
        return pointing(self.classifier, case.seen, mask, target)

    def stillness(self, case: Case) -> Stillness:
        """See :class:`Examiner`."""
        return stillness(self.classifier, case.seen)

    def what_if(self, case: Case, changed: Square) -> Prediction:
        """See :class:`Examiner`."""
        seen = Seen(Image.fromarray(check_square(changed)), case.name, case.size)
        return self.classifier.answers([seen]).predictions[0]

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

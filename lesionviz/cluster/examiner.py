"""Whoever can be asked about pictures, wherever the model is."""

from __future__ import annotations

from typing import Protocol

from lesionviz.case import Case
from lesionviz.checkpoint import Checkpoint
from lesionviz.imaging import ImageSource
from lesionviz.prediction import Prediction
from lesionviz.similarity import SimilarCase
from lesionviz.trust.answer_sets import AnswerSets
from lesionviz.trust.pointing import Pointing
from lesionviz.trust.squares import Mask, Square
from lesionviz.trust.stillness import Stillness


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

    @property
    def answer_sets(self) -> AnswerSets | None:
        """As :func:`lesionviz.trust.answer_sets.answer_sets`."""

    def pointing(self, case: Case, mask: Mask, target: str) -> Pointing:
        """As :func:`lesionviz.trust.pointing.pointing`, of what the network saw."""

    def stillness(self, case: Case) -> Stillness:
        """As :func:`lesionviz.trust.stillness.stillness`, of what the network saw."""

    def what_if(self, case: Case, changed: Square) -> Prediction:
        """Return the answer to a case whose square was changed (:mod:`lesionviz.trust.what_if`)."""

"""Whoever can be asked about pictures, wherever the model is."""

from __future__ import annotations

from typing import Protocol

from lesionviz.case import Case
from lesionviz.checkpoint import Checkpoint
from lesionviz.imaging import ImageSource
from lesionviz.similarity import SimilarCase


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

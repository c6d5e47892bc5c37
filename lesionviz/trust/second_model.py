"""A second model beside the first: read through the same door as any checkpoint, and never in the first one's place."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesionviz.checkpoint import DRAWINGS, Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.trust.two_models import Model, same

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier

FIRST = "this page's model"
"""What a page calls its own model beside a second one."""


@dataclass(frozen=True, eq=False)
class SecondModel:
    """A model that is asked besides the first.

    Attributes:
        name: of its file, or what a person calls it.
        classifier: it.
        alike: what :func:`lesionviz.trust.two_models.same` says of it and the first.
    """

    name: str
    classifier: LesionClassifier
    alike: str = ""

    @property
    def model(self) -> Model:
        """Which model it is, in words."""
        return Model.of(self.classifier.checkpoint, self.name)

    @classmethod
    def beside(cls, first: Checkpoint, classifier: LesionClassifier, name: str) -> SecondModel:
        """Return a classifier as a second model.

        Raises:
            LesionvizError: one of the two is for photographs and the other for drawings.
        """
        checkpoint = classifier.checkpoint
        if checkpoint.subject != first.subject:
            knows, asked = (
                ("drawings", "photographs") if checkpoint.subject == DRAWINGS else ("photographs", "drawings")
            )
            raise LesionvizError(
                f"{name} was trained on {knows} and the first model on {asked}, so there is nothing to compare. "
                f"Give a model for {asked}."
            )
        return cls(name, classifier, same(first, checkpoint))


@dataclass(frozen=True, eq=False)
class Opinion:
    """What a second model made of a picture.

    Attributes:
        second: which model.
        case: what it saw; completed after a while.
    """

    second: SecondModel
    case: Case


def read_second(first: Checkpoint, source: bytes | str | Path, name: str = "") -> SecondModel:
    """Load a checkpoint as a second model.

    Args:
        first: of the model that it stands beside.
        source: its path, or the bytes of its file.
        name: what to call it; by default the name of its file.

    Raises:
        LesionvizError: it is missing, damaged, or something else (:meth:`lesionviz.checkpoint.Checkpoint.load`), or it is
            for other pictures than the first.
    """
    from lesionviz.classifier import LesionClassifier  # torch is loaded only where a model is

    if not isinstance(source, bytes):
        path = Path(source)
        return SecondModel.beside(first, LesionClassifier(Checkpoint.load(path)), name or path.name)
    name = name or "second model"
    # Bytes go through the door for files. A stranger's name names what is said, and never where the file lies.
    with tempfile.TemporaryDirectory(prefix="lesionviz-second-") as folder:
        kept = Path(folder) / (re.sub(r"[^A-Za-z0-9_.-]", "_", name)[-80:].lstrip(".") or "model.pth")
        try:
            kept.write_bytes(source)
        except OSError as error:
            raise LesionvizError(
                f"{name} could not be put down to be read ({error}). Make room, and try again."
            ) from error
        checkpoint = Checkpoint.load(kept)
    return SecondModel.beside(first, LesionClassifier(checkpoint), name)

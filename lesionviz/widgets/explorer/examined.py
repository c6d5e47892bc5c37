"""``Examined``: a picture that the classifier was asked about, and what is known of it; it grows while it is on view.

The answer and its map come first, so that a person waits for nothing else; the sharp picture, the other maps and
similar cases follow. What stands here runs in the background thread and touches no widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage, open_image
from lesionviz.widgets.case.bundle import photo_of
from lesionviz.widgets.parts.encoding import jpeg

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.prediction import Prediction
    from lesionviz.similarity import SimilarCase

Similar: TypeAlias = "Sequence[tuple[SimilarCase, bytes]]"
"""Cases of the user's own index, the nearest first, each with a small JPEG of it; empty bytes where its file is gone."""
SIMILAR = 5
SMALL = (260, 200)
"""Pixels of the picture of a similar case at most."""


@dataclass(eq=False)
class Examined:
    """A picture, and what the classifier saw in it.

    Attributes:
        picture: in its full size.
        case: the classifier's; completed after a while.
        photo: the picture as the browser shows it, a JPEG; empty until it was made.
        similar: cases that look alike to the network; empty until they were found, and where there is no index.
    """

    picture: LesionImage
    case: Case
    photo: bytes = b""
    similar: Similar = ()

    @property
    def prediction(self) -> Prediction:
        """The answer."""
        return self.case.prediction


def examine(classifier: LesionClassifier, picture: LesionImage) -> Examined:
    """Have a picture looked at; its case holds the maps that the view shows first."""
    return Examined(picture, classifier.examine(picture))


def examine_whole(classifier: LesionClassifier, data: bytes, name: str) -> Examined:
    """Have a file looked at, with all maps and the picture as the browser shows it.

    Raises:
        LesionvizError: it is no picture that can be used; see :func:`lesionviz.imaging.open_image`.
    """
    picture = open_image(data, name)
    return Examined(picture, classifier.complete(classifier.examine(picture)), photo_of(picture))


def rest_of(classifier: LesionClassifier, examined: Examined) -> tuple[Case, Similar]:
    """Return the case with all its maps, and the cases that look alike to the network."""
    case = classifier.complete(examined.case)
    if not classifier.index_path.exists():
        return case, ()
    return case, [(found, _thumbnail(found.path)) for found in classifier.similar(examined.picture, SIMILAR)]


def _thumbnail(path: str) -> bytes:
    """Return a small JPEG of an indexed image; nothing where its file has gone since."""
    try:
        return jpeg(open_image(path).pixels, SMALL)
    except LesionvizError:
        return b""

"""``Examined``: a picture that the classifier was asked about, and what is known of it; it grows while it is on view.

The answer and its map come first, so that a person waits for nothing else; the sharp picture, the other maps and
similar cases follow. What stands here runs in the background thread and touches no widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lesionviz.checkpoint import DRAWINGS
from lesionviz.imaging import LesionImage, open_image
from lesionviz.widgets.case.bundle import photo_of

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.cluster import Examiner
    from lesionviz.prediction import Prediction
    from lesionviz.similarity import SimilarCase
    from lesionviz.trust.second_model import Opinion

Similar: TypeAlias = "Sequence[tuple[SimilarCase, bytes]]"
"""Cases of the user's own index, the nearest first, each with a small JPEG of it; empty bytes where its file is gone."""
SIMILAR = 5


@dataclass(eq=False)
class Examined:
    """A picture, and what the classifier saw in it.

    Attributes:
        picture: in its full size.
        case: the classifier's; completed after a while.
        photo: the picture as the browser shows it, a JPEG; empty until it was made.
        similar: cases that look alike to the network; empty until they were found, and where there is no index.
        drawn: whether the network that answered was trained on drawings alone.
        opinion: what a second model saw in it; None until there is one that has answered.
    """

    picture: LesionImage
    case: Case
    photo: bytes = b""
    similar: Similar = ()
    drawn: bool = False
    opinion: Opinion | None = None

    @property
    def prediction(self) -> Prediction:
        """The answer."""
        return self.case.prediction


def examine(examiner: Examiner, picture: LesionImage) -> Examined:
    """Have a picture looked at; its case holds the maps that the view shows first."""
    return Examined(picture, examiner.examine(picture), drawn=examiner.checkpoint.subject == DRAWINGS)


def examine_drawn(examiner: Examiner, picture: LesionImage) -> Examined:
    """Have a drawing looked at by the network that knows drawings alone."""
    return examine(examiner.answering(drawn=True), picture)


def examine_whole(examiner: Examiner, data: bytes, name: str) -> Examined:
    """Have a file looked at, with all maps and the picture as the browser shows it.

    Raises:
        LesionvizError: it is no picture that can be used; see :func:`lesionviz.imaging.open_image`.
    """
    picture = open_image(data, name)
    return Examined(picture, examiner.complete(examiner.examine(picture)), photo_of(picture))


def rest_of(examiner: Examiner, examined: Examined) -> tuple[Case, Similar]:
    """Return the case with all its maps, and the cases that look alike to the network; a drawing has none."""
    case = examiner.answering(examined.drawn).complete(examined.case)
    return case, () if examined.drawn else examiner.similar(case, SIMILAR)

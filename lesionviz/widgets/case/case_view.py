"""``CaseView``: one case in the browser, and everything that a person can turn about it.

The raw maps travel once; class, layer, scale, threshold, alpha, zoom and pointer are the browser's own business and
send nothing. What a person chose is handed over when the focus leaves the view, so that the traits below tell it to the
next cell of a notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.explanation.result import SCALES
from lesionviz.imaging import ImageSource, open_image
from lesionviz.widgets.case.bundle import Bundle, case_bundle, pack_maps, photo_of
from lesionviz.widgets.case.map_widget import MapWidget
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.imaging import LesionImage

BLENDS = ("by evidence", "evenly")
"""The overlay's heatmap grows with the evidence, or is equally strong everywhere."""
CHOICES = ("target", "against", "layer", "method", "scale", "colours", "blend", "alpha", "threshold")
"""The traits that a person sets in the browser."""


class CaseView(MapWidget):
    """The pictures of one case, with controls.

    Args:
        classifier: what to ask; with it and an image the view stands alone.
        image: a path, bytes, PIL image or uint8 array (H, W, 3).

    Besides what :class:`MapWidget` has:

    Attributes:
        scale: what the brightest colour stands for; see :meth:`lesionviz.explanation.Explanation.heatmap`.
        blend: whether the overlay's heatmap is stronger where more evidence is.
    """

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "case/maps",
        "case/stage",
        "case/controls",
        "case/case_view",
        "case/case_view_widget",
    )
    _css = style("parts/base", "case/stage", "case/case_view")

    scale = traitlets.Enum(SCALES, SCALES[0]).tag(sync=True)
    blend = traitlets.Enum(BLENDS, BLENDS[0]).tag(sync=True)

    def __init__(
        self, classifier: LesionClassifier | None = None, image: ImageSource | None = None, **traits: Any
    ) -> None:
        super().__init__(**traits)
        self.looked: Case | None = None
        """The case on view, whatever a browser may claim."""
        self.picture: LesionImage | None = None
        self._asked: set[str] = set()
        self.on_msg(self._on_message)
        if image is not None:
            if classifier is None:
                raise LesionvizError(
                    "A case view needs a classifier to show an image: CaseView(lesionviz.load(), image)."
                )
            picture = open_image(image)
            self.show(classifier.complete(classifier.examine(picture)), picture)

    def clear(self) -> None:
        """Take the case away."""
        self.looked = self.picture = None
        self._asked = set()
        with self.hold_sync():
            self.case, self.maps = {}, {}

    def show(self, case: Case, picture: LesionImage, photo: bytes | None = None, drawn: bool = False) -> None:
        """Show a case, in one message; the maps that it holds of other methods travel when they are asked for.

        Args:
            case: from the classifier.
            picture: that it is of.
            photo: :func:`photo_of` the picture, where it was made already; empty where it will follow.
            drawn: whether the network answered that knows drawings alone.
        """
        self.looked, self.picture, self._asked = case, picture, {self.method}
        self.input_size = case.input_size
        bundle = case_bundle(case, photo_of(picture) if photo is None else photo, drawn)
        with self.hold_sync():
            self.case, self.maps = bundle, self._packed(case)

    def turn_to(self, case: Case, picture: LesionImage, photo: bytes | None = None, drawn: bool = False) -> None:
        """Show a case, or what has come to be known of the one on view."""
        if self.looked is None or self.looked.identity != case.identity:
            self.show(case, picture, photo, drawn)
        elif self.looked is not case:
            self.put_completed(case)

    def put_photo(self, photo: bytes) -> None:
        """Send the picture of the case on view, which was shown without it."""
        self.case = {**self.case, "photo": photo}

    def put_completed(self, case: Case) -> None:
        """Send all maps of the case on view, now that they are there; what a person has turned stays."""
        self.looked = case
        self.maps = self._packed(case)

    def _packed(self, case: Case) -> dict[str, Bundle]:
        return {method: pack_maps(case, method) for method in METHODS if method in self._asked}

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Send the maps of a method that the browser has not got; whoever owns the view says the rest again."""
        if asks_again(content):
            say_again(self, [])
            return
        key = content.get("key") if isinstance(content, dict) and content.get("kind") == "method" else None
        if isinstance(key, str) and key in METHODS and self.looked is not None:
            self._asked.add(key)
            self.maps = self._packed(self.looked)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take from a browser what a person may choose, and nothing else: case and maps come from the model."""
        super().set_state({name: value for name, value in sync_data.items() if name in CHOICES})

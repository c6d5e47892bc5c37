"""``CaseView``: one case in the browser, and everything that a person can turn about it.

The raw maps travel once; class, layer, scale, threshold, alpha, zoom and pointer are the browser's own business and
send nothing. What a person chose is handed over when the focus leaves the view, so that the traits below tell it to the
next cell of a notebook.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import traitlets

from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.explanation.result import SCALES
from lesionviz.imaging import ImageSource, open_image
from lesionviz.widgets.case import Bundle, all_maps, case_bundle, last_layer_maps
from lesionviz.widgets.front_end import script, style
from lesionviz.widgets.map_widget import MapWidget

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier, Prediction
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

    _esm = script("dom", "maps", "stage", "controls", "case_view", "case_view_widget")
    _css = style("base", "stage", "case_view")

    scale = traitlets.Enum(SCALES, SCALES[0]).tag(sync=True)
    blend = traitlets.Enum(BLENDS, BLENDS[0]).tag(sync=True)

    def __init__(
        self, classifier: LesionClassifier | None = None, image: ImageSource | None = None, **traits: Any
    ) -> None:
        super().__init__(**traits)
        self.picture: LesionImage | None = None
        self.classifier = classifier
        self.on_method: Callable[[str], None] = self.compute
        """Called with a method whose maps the browser has not got; whoever owns the view may work elsewhere."""
        self.on_msg(self._on_message)
        if image is not None:
            if classifier is None:
                raise LesionvizError(
                    "A case view needs a classifier to show an image: CaseView(lesionviz.load(), image)."
                )
            picture = open_image(image)
            self.show(picture, classifier.examine(picture), classifier)
            self.add_maps(all_maps(picture, classifier, self.method))

    def clear(self) -> None:
        """Take the case away."""
        self.picture = None
        with self.hold_sync():
            self.case, self.maps = {}, {}

    def show(self, picture: LesionImage, prediction: Prediction, classifier: LesionClassifier) -> None:
        """Show a case with the maps that its answer brought along, those at ``features.8``."""
        self.put(
            picture,
            classifier,
            case_bundle(picture, prediction, classifier),
            {self.method: last_layer_maps(picture, classifier, self.method)},
        )

    def put(self, picture: LesionImage, classifier: LesionClassifier, case: Bundle, maps: dict[str, Bundle]) -> None:
        """Show a case that was packed elsewhere, in one message."""
        self.picture, self.classifier = picture, classifier
        self.input_size = case["size"]
        with self.hold_sync():
            self.case, self.maps = case, maps

    def add_maps(self, packed: Bundle, method: str | None = None) -> None:
        """Add the maps of a method, by default the chosen one, to the case on view."""
        self.maps = {**self.maps, method or self.method: packed}

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        """See to the maps of a method that the browser has not got."""
        key = content.get("key") if isinstance(content, dict) and content.get("kind") == "method" else None
        if isinstance(key, str) and key in METHODS and self.picture is not None:
            self.on_method(key)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take from a browser what a person may choose, and nothing else: case and maps come from the model."""
        super().set_state({name: value for name, value in sync_data.items() if name in CHOICES})

    def compute(self, method: str) -> None:
        """Compute and send all maps of a method for the case on view."""
        assert self.picture is not None
        assert self.classifier is not None
        self.add_maps(all_maps(self.picture, self.classifier, method), method)

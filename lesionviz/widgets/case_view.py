"""``CaseView``: one case in the browser, and everything that a person can turn about it.

The raw maps travel once; class, layer, scale, threshold, alpha, zoom and pointer are the browser's own business and
send nothing. What a person chose is handed over when the focus leaves the view, so that the traits below tell it to the
next cell of a notebook. Every trait may be set by whoever has the page's kernel id, and is checked like any input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from lesionviz.diagnoses import CODES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.explanation.display import SEQUENTIAL
from lesionviz.explanation.methods import METHODS
from lesionviz.explanation.result import SCALES
from lesionviz.imaging import ImageSource, open_image
from lesionviz.network import LAYERS, check_layer
from lesionviz.widgets.case import Bundle, all_maps, case_bundle, classes, colour_tables, last_layer_maps
from lesionviz.widgets.front_end import script, style

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier, Prediction
    from lesionviz.imaging import LesionImage

BLENDS = ("by evidence", "evenly")
"""The overlay's heatmap grows with the evidence, or is equally strong everywhere."""
CHOICES = ("target", "against", "layer", "method", "scale", "colours", "blend", "alpha", "threshold")
"""The traits that a person sets in the browser."""


class CaseView(anywidget.AnyWidget):
    """The pictures of one case, with controls.

    Args:
        classifier: what to ask; with it and an image the view stands alone.
        image: a path, bytes, PIL image or uint8 array (H, W, 3).

    Attributes:
        target: code of the class whose evidence is shown; empty follows the model's answer.
        against: code of a class held against it, or empty.
        layer: the block whose map is shown.
        method: how maps are made.
        scale: what the brightest colour stands for; see :meth:`lesionviz.explanation.Explanation.heatmap`.
        colours: the colour map of positive evidence.
        blend: whether the overlay's heatmap is stronger where more evidence is.
        alpha: share of the heatmap in the overlay, 0 to 1.
        threshold: evidence below this share of the scale is not drawn, 0 to 1.
    """

    _esm = script("dom", "maps", "stage", "case_view", "case_view_widget")
    _css = style("base", "stage", "case_view")

    _size = 224  # of the input, once there is a case; only for the words of an error
    case = traitlets.Dict(help="see widgets/case.py; empty when there is no case").tag(sync=True)
    maps = traitlets.Dict(help="packed maps by method").tag(sync=True)
    classes: traitlets.List[dict[str, str]] = traitlets.List(help="code, name and colour of each class").tag(
        sync=True
    )
    tables = traitlets.Dict(help="256 RGB colours of each colour map").tag(sync=True)
    target = traitlets.Unicode("").tag(sync=True)
    against = traitlets.Unicode("").tag(sync=True)
    layer = traitlets.Unicode(LAYERS[-1]).tag(sync=True)
    method = traitlets.Enum(tuple(METHODS), next(iter(METHODS))).tag(sync=True)
    scale = traitlets.Enum(SCALES, SCALES[0]).tag(sync=True)
    colours = traitlets.Enum(SEQUENTIAL, SEQUENTIAL[0]).tag(sync=True)
    blend = traitlets.Enum(BLENDS, BLENDS[0]).tag(sync=True)
    alpha = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0, max=1).tag(sync=True)

    def __init__(
        self, classifier: LesionClassifier | None = None, image: ImageSource | None = None, **traits: Any
    ) -> None:
        super().__init__(classes=classes(), tables=dict(colour_tables()), **traits)
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

    @traitlets.validate("target", "against")
    def _valid_class(self, proposal: Any) -> str:
        return CODES[target_index(proposal.value)] if proposal.value else ""

    @traitlets.validate("layer")
    def _valid_layer(self, proposal: Any) -> str:
        return check_layer(proposal.value, self._size)

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
        self._size = case["size"]
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

"""``MapWidget``: what every widget that draws maps shares with the browser: the words of classes, colours, and choices.

Every trait may be set by whoever has the page's kernel id, and is checked here like any input.
"""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from lesionviz.diagnoses import CODES, target_index
from lesionviz.explanation.display import SEQUENTIAL
from lesionviz.explanation.methods import METHODS, find_method
from lesionviz.network import LAYERS, check_layer
from lesionviz.widgets.case.bundle import classes, colour_tables


class MapWidget(anywidget.AnyWidget):
    """The base of widgets that draw maps.

    Attributes:
        case: the picture as the browser gets it (``bundle.py``); empty when there is none.
        maps: its packed maps by method.
        classes: code, name and colour of each class.
        tables: 256 RGB colours of each colour map.
        target: code of the class whose evidence is shown; empty follows the model's answer.
        against: code of a class held against it, or empty.
        layer: the block whose map is shown.
        method: how maps are made: a key of ``METHODS``, which may have grown since this was imported.
        colours: the colour map of positive evidence.
        alpha: share of the heatmap in what is laid over the picture, 0 to 1.
        threshold: evidence below this share of the scale is not drawn, 0 to 1.
    """

    input_size = 224
    """Side of the network's input, once there is a case; only for the words of an error."""
    case = traitlets.Dict().tag(sync=True)
    maps = traitlets.Dict().tag(sync=True)
    classes: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    tables = traitlets.Dict().tag(sync=True)
    target = traitlets.Unicode("").tag(sync=True)
    against = traitlets.Unicode("").tag(sync=True)
    layer = traitlets.Unicode(LAYERS[-1]).tag(sync=True)
    method = traitlets.Unicode(next(iter(METHODS))).tag(sync=True)
    colours = traitlets.Enum(SEQUENTIAL, SEQUENTIAL[0]).tag(sync=True)
    alpha = traitlets.Float(0.5, min=0, max=1).tag(sync=True)
    threshold = traitlets.Float(0.0, min=0, max=1).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(classes=classes(), tables=dict(colour_tables()), **traits)

    @traitlets.validate("target", "against")
    def _valid_class(self, proposal: Any) -> str:
        return CODES[target_index(proposal.value)] if proposal.value else ""

    @traitlets.validate("layer")
    def _valid_layer(self, proposal: Any) -> str:
        return check_layer(proposal.value, self.input_size)

    @traitlets.validate("method")
    def _valid_method(self, proposal: Any) -> str:
        return find_method(proposal.value).key

"""``CaseView``: network input, heatmap and overlay side by side.

The browser lays the heatmap over the picture and blends it there, so moving alpha sends nothing to the
kernel. What the kernel sends is one small picture of each kind.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.explanation.display import SEQUENTIAL, colour_stops
from lesionviz.explanation.result import Explanation
from lesionviz.network import describe_grid
from lesionviz.preprocessing import Preprocessing
from lesionviz.widgets.encoding import fit, jpeg, png

STATIC = Path(__file__).parent / "static"
LARGEST = (900, 900)
"""Width and height in pixels of the largest picture that travels to the browser."""


class CaseView(anywidget.AnyWidget):
    """Three pictures of one case and the alpha slider.

    ``alpha`` set from Python moves the slider; a slider moved by a person stays in the browser.
    """

    _esm = STATIC / "case_view.js"
    _css = STATIC / "case_view.css"

    network_input = traitlets.Bytes(help="PNG of what the network sees; empty when there is no case").tag(sync=True)
    photo = traitlets.Bytes(help="JPEG of the picture in its own geometry").tag(sync=True)
    heatmap = traitlets.Bytes(help="PNG with alpha, in the photo's geometry").tag(sync=True)
    words = traitlets.Dict(help="captions and descriptions of the three pictures").tag(sync=True)
    alpha = traitlets.Float(0.5, min=0, max=1, help="share of the heatmap in the overlay").tag(sync=True)
    colours = traitlets.List(traitlets.Unicode(), help="the colour map, from none to most").tag(sync=True)

    def __init__(self, alpha: float = 0.5) -> None:
        super().__init__(alpha=alpha, colours=colour_stops(SEQUENTIAL[0]))

    def clear(self) -> None:
        """Take every picture away."""
        with self.hold_sync():
            self.network_input = self.photo = self.heatmap = b""
            self.words = {}

    def show(self, explanation: Explanation, preprocessing: Preprocessing) -> None:
        """Show an explanation and the picture that it belongs to."""
        pixels, size = explanation.image.pixels, preprocessing.size
        name = DIAGNOSES[target_index(explanation.target)].name
        grid = describe_grid(explanation.layer, size)
        seen = "centre square" if preprocessing.geometry == "centre square" else "whole picture, squeezed"
        with self.hold_sync():
            self.network_input = png(preprocessing.resize(pixels))
            self.photo = jpeg(pixels, LARGEST)
            self.heatmap = png(fit(explanation.heatmap(), LARGEST))  # as the photo, so that they stay aligned
            self.words = {
                "source": explanation.source,
                "input": f"Network input: {seen}, {size} × {size} pixels",
                "heatmap": f"Evidence for {name} at {explanation.layer}, {grid}",
                "overlay": f"Evidence for {name} laid over {explanation.source}",
                "most": f"most in this map ({max(0.0, float(explanation.raw.max())):.2g} in units of the logit)",
                "remark": explanation.remark,
            }

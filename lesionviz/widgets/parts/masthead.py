"""``Masthead``: the title, the tabs, what the model is doing, and a warning when Python is away, busy or gone."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from lesionviz.widgets.parts.front_end import script, style

TABS = {"explore": "Explore", "compare": "Compare", "batch": "Batch", "quiz": "Quiz"}


class Masthead(anywidget.AnyWidget):
    """The top of the page.

    Attributes:
        tab: key of the tab on view.
        model_words: what the model is doing, in a few words.
    """

    _esm = script("parts/dom", "parts/lifeline", "parts/masthead")
    _css = style("parts/base", "parts/masthead")

    tabs = traitlets.Dict(TABS, help="names by key").tag(sync=True)
    tab = traitlets.Enum(tuple(TABS), "explore").tag(sync=True)
    model_words = traitlets.Unicode("Loading the model …").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)

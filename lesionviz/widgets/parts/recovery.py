"""``say_again``: what a widget tells a browser whose connection was lost and made anew; the other end of ``recovery.js``.

A lost connection loses messages both ways, and nobody knows which. So everything is said once more, and then what has
arrived here; the browser sends the rest again, and what comes twice under one name is passed over by whoever gets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import ipywidgets

Part: TypeAlias = tuple[ipywidgets.Widget, Sequence[str]]
"""A widget, and those of its traits that only the kernel knows: what a person has turned stays as the browser has it."""


def asks_again(content: object) -> bool:
    """Whether a message asks for everything to be said again."""
    return isinstance(content, dict) and content.get("kind") == "say again"


def say_again(asker: ipywidgets.DOMWidget, parts: Iterable[Part], **arrived: Any) -> None:
    """Say everything again.

    Args:
        asker: the widget whose browser asked.
        parts: what to say, in this order.
        arrived: what has arrived here of that which the browser sent, in the widget's own words.
    """
    for widget, names in parts:
        widget.send_state(list(names))
    asker.send({"kind": "said", **arrived})

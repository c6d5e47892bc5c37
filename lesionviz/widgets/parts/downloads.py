"""``Downloads``: buttons that make a file in the kernel and hand it to the person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from lesionviz.widgets.parts.front_end import script, style


class Downloads(anywidget.AnyWidget):
    """A row of buttons.

    Args:
        kinds: labels by key.
        make: called with a key when its button is pressed; answers by :meth:`deliver` or :meth:`fail`.
    """

    _esm = script("parts/dom", "parts/downloads")
    _css = style("parts/base")

    kinds = traitlets.Dict(help="labels by key").tag(sync=True)

    def __init__(self, kinds: dict[str, str], make: Callable[[str], None]) -> None:
        super().__init__(kinds=kinds)
        self._keys, self._make = frozenset(kinds), make
        self.on_msg(self._on_message)

    def deliver(self, name: str, data: bytes, media_type: str) -> None:
        """Send a finished file to the browser, which saves it."""
        self.send({"kind": "file", "name": name, "type": media_type}, [data])

    def clear(self) -> None:
        """Take away what was said of the last file: it was of another case."""
        self.fail("")

    def fail(self, sentence: str) -> None:
        """Say why there is no file."""
        self.send({"kind": "problem", "words": sentence})

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        key = content.get("key") if isinstance(content, dict) and content.get("kind") == "make" else None
        if isinstance(key, str) and key in self._keys:
            self._make(key)

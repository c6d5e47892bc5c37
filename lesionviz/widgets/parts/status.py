"""``Status``: where the picture that was chosen last stands, in one word for the page and one sentence for the person.

What the Explorer shows is a function of this one state. The browser takes the first step by itself: from the moment a
picture is chosen until the kernel speaks of that very picture, nothing of the last one is on view, and whatever the
kernel still says of the last one is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import anywidget
import traitlets

from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import Part, asks_again, say_again

Kind: TypeAlias = Literal["empty", "held", "receiving", "working", "answered", "refused", "failed"]
"""No picture; one that the browser holds back; on its way; looked at; its answer on view; no answer for it; unusable."""
HINT = "The model's answer, and where it found its evidence, will appear here."
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "empty": HINT,
        "held": "{name} was not sent yet.",
        "receiving": "Receiving {name} …",
        "answered": "",
    }
)
"""What is said in states that need nothing but the picture's name."""


class Status(anywidget.AnyWidget):
    """The sentence between picker and answer; the parts that follow it are shown or hidden by its state.

    Args:
        parts: gives what stands beside the sentence and must be said again with it over a new connection.

    Attributes:
        state: ``kind``; ``words``, the sentence; ``request``, the browser's name for the choice that led here, empty
            before the first; ``picture`` (JPEG bytes, or empty) and ``name`` of what gets no answer.
    """

    _esm = script("parts/dom", "parts/lifeline", "parts/recovery", "parts/status")
    _css = style("parts/base", "parts/status")

    state = traitlets.Dict().tag(sync=True)
    sentences = traitlets.Dict(dict(SENTENCES), help="by state, {name} standing for the picture's name").tag(
        sync=True
    )

    def __init__(self, parts: Callable[[], Iterable[Part]] = tuple) -> None:
        super().__init__(state=_state("empty", HINT, "", b"", ""))
        self._parts = parts
        self.on_msg(self._on_message)

    @property
    def kind(self) -> Kind:
        """The state in one word."""
        kind: Kind = self.state["kind"]
        return kind

    @property
    def words(self) -> str:
        """The sentence on view."""
        return str(self.state["words"])

    def say(
        self, kind: Kind, words: str | None = None, *, request: str = "", name: str = "", picture: bytes = b""
    ) -> None:
        """Take on a state.

        Args:
            kind: which.
            words: the sentence, as plain text; by default the state's own.
            request: the browser's name for the choice that this is about.
            name: of the picture.
            picture: a small JPEG of what gets no answer.
        """
        text = SENTENCES[kind].format(name=name) if words is None else words
        self.state = _state(kind, text, request, picture, name)

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        if asks_again(content):
            say_again(
                self, [*self._parts(), (self, ["state"])]
            )  # the state last: what belongs to it is on the page by now

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take nothing from a browser: the state is the kernel's to tell."""


def _state(kind: Kind, words: str, request: str, picture: bytes, name: str) -> dict[str, Any]:
    return {"kind": kind, "words": words, "request": request, "picture": picture, "name": name}

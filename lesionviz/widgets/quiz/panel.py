"""``QuizPanel``: the browser's side of the quiz. Sorts and checks what it sends; decides nothing about answers.

Everything on view lies in two traits, which only the kernel sets: what is not in them is not in the browser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from lesionviz.diagnoses import DIAGNOSES
from lesionviz.widgets.case.answer import NOTICE
from lesionviz.widgets.parts.front_end import script, style

Handler = Callable[[dict[str, Any], Sequence[memoryview]], None]


class QuizPanel(anywidget.AnyWidget):
    """Start screen, question, reveal and result.

    Args:
        handlers: by the message's ``kind``: gets the message and its buffers.

    Attributes:
        page: what is on view; ``quiz.py`` says what each phase holds.
        photo: the photograph on view, as JPEG.
        classes: code, name, colour and whether malignant of the four diagnoses, in the order of the answer buttons.
        notice: what the thing is not.
    """

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "case/stage",
        "parts/upload",
        "quiz/scores",
        "quiz/quiz_answer",
        "quiz/quiz_shell",
        "quiz/quiz_set",
        "quiz/quiz_result",
        "quiz/quiz",
    )
    _css = style("parts/base", "case/stage", "case/answer", "quiz/quiz")

    page = traitlets.Dict().tag(sync=True)
    photo = traitlets.Bytes(b"").tag(sync=True)
    classes = traitlets.List(traitlets.Dict()).tag(sync=True)
    notice = traitlets.Unicode(NOTICE).tag(sync=True)

    def __init__(self, handlers: dict[str, Handler]) -> None:
        super().__init__(
            classes=[
                {"code": d.code, "name": d.name, "colour": d.colour, "malignant": d.malignant} for d in DIAGNOSES
            ]
        )
        self._handlers = handlers
        self.on_msg(self._on_message)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take no trait from a browser: it has nothing to set here, and another page's reader would see it."""

    def show(self, page: dict[str, Any], photo: bytes | None = None) -> None:
        """Show a page, and a photograph if one is given, in one message."""
        with self.hold_sync():
            self.page = page
            if photo is not None:
                self.photo = photo

    def _on_message(self, _widget: object, content: Any, buffers: list[memoryview] | None) -> None:
        kind = content.get("kind") if isinstance(content, dict) else None
        handler = self._handlers.get(kind) if isinstance(kind, str) else None
        if handler is not None:
            handler(content, buffers or ())

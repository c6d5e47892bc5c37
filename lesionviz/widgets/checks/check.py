"""``Check``: one section under "Can I trust this answer?": what it asks, what it found, what it can and cannot show.

A new check is a class like those beside this file, with a script that draws its ``state``, and a line in ``checks.py``:
``tests/README.md`` goes through it step by step.
What a section shows is the kernel's to tell; a browser may press its buttons and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anywidget
import traitlets

from lesionviz.widgets.case.bundle import classes
from lesionviz.widgets.parts.background import Background, Job, sentence, waits

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.cluster import Examiner

T = TypeVar("T")
NONE = {"kind": "none", "words": ""}
"""The state without a picture."""
DRAWN = "Asked of the small network that knows drawings alone."
"""Said with every finding about a drawing, which is never the real model's."""
QUESTION = "This question"
"""What waits in a class while others come before it."""
REFUSED = "The model refuses this picture: if it shows none of the four diagnoses, no answer to it can be right."


class Looked(Protocol):
    """A picture on view."""

    case: Case
    drawn: bool


@dataclass(frozen=True)
class Kept:
    """What of a check goes into a kept page and onto a sheet.

    Attributes:
        title: of the check.
        badge: its verdict in a few words.
        words: the finding, in sentences.
        limits: what it can and cannot show.
        rows: more of it, line by line, each of as many cells as ``columns`` has names.
        columns: their names.
        pictures: each with its caption, PNG.
        shares: code of each class, its probability as it is, and that for a changed picture.
    """

    title: str
    badge: str
    words: str
    limits: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[tuple[str, bytes], ...] = ()
    shares: tuple[tuple[str, float, float], ...] = ()


class Check(anywidget.AnyWidget):
    """The base of all checks.

    Args:
        background: whom to ask, and the thread for it.

    Attributes:
        texts: ``title``, ``question``, ``limits`` and what else the section always says.
        state: ``kind``, which is ``"none"`` without a picture, ``"ready"``, ``"asking"``, ``"found"`` or ``"failed"``;
            ``words``, and what else the check has found.
        classes: code, name and colour of each class.
    """

    texts: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    state: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    classes: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)

    def __init__(self, background: Background, **texts: str) -> None:
        super().__init__(texts=texts, state=NONE, classes=classes())
        self._background, self._job = background, Job()
        self._looked: Looked | None = None
        self.on_msg(self._on_message)

    def show(self, looked: Looked | None) -> None:
        """Turn to another picture, or to none: whatever was asked about the last one is of no interest any more."""
        self._job.cancel()
        self._looked = looked
        self.state = NONE if looked is None else self._begin(looked)

    def kept(self) -> Kept | None:
        """Return what it has found out about the picture on view; None where it has found nothing yet."""
        return None

    def _begin(self, looked: Looked) -> dict[str, Any]:
        """Return the state of a picture that was just looked at."""
        return {"kind": "ready", "words": _remarks(looked)}

    def _press(self, content: dict[str, Any]) -> None:
        """Do what a button asks for while a picture is on view; the content is any browser's."""

    def _ask(self, work: Callable[[Examiner], T], done: Callable[[Looked, T], None]) -> None:
        """Ask about the picture on view in the background; a newer question, or picture, makes this one unwanted."""
        looked = self._looked
        if looked is None:
            return
        self._job.cancel()
        self._wait(0)
        self._job = self._background.submit(
            lambda examiner: work(examiner.answering(looked.drawn)),
            lambda found: done(looked, found),
            lambda error: self._failed(looked, error),
            self._wait,
        )

    def _wait(self, place: int) -> None:
        self.state = {"kind": "asking", "words": waits(QUESTION, place) if place else "Asking …"}

    def _failed(self, looked: Looked, error: Exception) -> None:
        self.state = {"kind": "failed", "words": sentence(error, looked.case.name)}

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        if isinstance(content, dict) and self._looked is not None:
            self._press(content)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take nothing from a browser: what is found is the kernel's to tell."""


def with_remarks(words: str, looked: Looked) -> str:
    """Return a finding, and what must be said with any finding about this picture."""
    return " ".join(each for each in (words, _remarks(looked)) if each)


def _remarks(looked: Looked) -> str:
    said = [DRAWN] * looked.drawn + [REFUSED] * bool(looked.case.prediction.refusal)
    return " ".join(said)

"""``WhatIfCheck``: a brush on the picture paints something out or puts it in, and the answer to the changed one follows.

The picture on view and its answer stay as they are: what is changed is a copy of the square that the network saw. A newer
change makes the question about an older one unwanted.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import traitlets
from PIL import Image

from lesionviz.diagnoses import CODES
from lesionviz.imaging.encoding import png
from lesionviz.prediction import Prediction
from lesionviz.trust.changes import BRUSHES, MOST, PAINT_OUT, POINTS, Changes, in_words, read_change
from lesionviz.trust.what_if import CAN_SHOW, CANNOT_SHOW, KINDS, SMALLEST, said
from lesionviz.widgets.checks.check import QUESTION, Check, Kept, Looked, with_remarks
from lesionviz.widgets.parts.background import Background, Job, sentence, waits
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again

LONGEST_NAME = 64
NAMES = 4 * MOST
"""How many of a browser's doings are known by their names, so that none is done twice."""
CHANGED = "Changed picture"
MADE = f"{CHANGED}, painted by hand and never photographed"


class WhatIfCheck(Check):
    """A copy of what the network saw, to be changed.

    Attributes:
        tools: ``kinds`` of changes (painting out first), ``brush`` and ``thing`` (their least and largest sizes) and
            ``points`` (of a stroke at most).
        before: ``case`` (whose) and ``picture`` (PNG); empty until a browser has it in view.
        now: ``case``; ``version``, another one with every change; ``picture`` (PNG, empty where nothing is changed);
            ``back`` and ``forth``, how many changes can be undone and redone; ``problem``, why the last one was not made;
            ``heard``, the name of the last of the browser's doings.
        answer: ``version`` that it is about, ``words``, ``badge`` and ``shares``, by code; empty where there is none.
            ``waits``: where the question about a later version has others before it, that it has.
    """

    _esm = script("parts/dom", "parts/lifeline", "parts/recovery", "checks/check", "checks/brush", "checks/what_if")
    _css = style("parts/base", "checks/checks", "checks/what_if")

    tools = traitlets.Dict().tag(sync=True)
    before = traitlets.Dict().tag(sync=True)
    now = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, background: Background) -> None:
        self._changes: Changes | None = None
        self._answered: Prediction | None = None  # the square as it is now
        self._version = self._seed = 0
        self._heard: deque[str] = deque(maxlen=NAMES)
        super().__init__(
            background,
            title="What if?",
            question=(
                "Paint a part of the picture out, or put in what photographs of skin carry, and see what becomes of the "
                "answer. Only a copy is changed."
            ),
            limits=f"{CAN_SHOW} {CANNOT_SHOW}",
        )
        self.tools = {
            "kinds": [PAINT_OUT, *KINDS],
            "brush": list(BRUSHES),
            "thing": [SMALLEST, 1],
            "points": POINTS,
        }

    def show(self, looked: Looked | None) -> None:
        """See :class:`Check`."""
        with self.hold_sync():
            self._changes = None if looked is None else Changes(looked.case.seen)
            self._answered, self._seed = None, 0
            self.before = {}
            super().show(looked)
            self._tell("", "")

    def kept(self) -> Kept | None:
        """See :class:`Check`."""
        changes, looked = self._changes, self._looked
        if changes is None or looked is None or not changes.done:
            return None
        was, now = looked.case.prediction, self._answered
        found = "It was not answered yet." if now is None else _found(was, now)
        return Kept(
            self.texts["title"],
            CHANGED.lower() if now is None else _badge(was, now),
            with_remarks(f"{CHANGED} ({in_words(changes.done)}). {found}", looked),
            self.texts["limits"],
            pictures=(
                ("What the network saw", png(Image.fromarray(changes.before))),
                (MADE, png(Image.fromarray(changes.square))),
            ),
            shares=() if now is None else tuple((c, was.probabilities[c], now.probabilities[c]) for c in CODES),
        )

    def _begin(self, looked: Looked) -> dict[str, Any]:
        case = looked.case
        return {
            "kind": "found",
            "words": with_remarks("", looked),
            "badge": "",
            "case": case.identity,
            "name": case.name,
            "side": case.input_size,
            "diagnosis": case.prediction.diagnosis,
            "shares": dict(case.prediction.probabilities),
        }

    def _on_message(self, widget: object, content: Any, buffers: object) -> None:
        if asks_again(content):
            say_again(self, [(self, ["state", "before", "now", "answer"])], heard=list(self._heard))
        else:
            super()._on_message(widget, content, buffers)

    def _press(self, content: dict[str, Any]) -> None:
        """Show the picture to a browser that has it in view, or do what a person did, each thing once."""
        looked, changes, kind, name = self._looked, self._changes, content.get("kind"), content.get("name")
        if looked is None or changes is None or content.get("case") != looked.case.identity:
            return  # of an earlier picture
        if kind == "begin":
            self.before = {"case": looked.case.identity, "picture": png(Image.fromarray(changes.before))}
            return
        if not (isinstance(name, str) and 0 < len(name) <= LONGEST_NAME) or name in self._heard:
            return
        self._heard.append(name)
        earlier, problem = changes.square, ""
        try:
            if kind == "change":
                changes.make(read_change(content.get("change"), self._seed))
                self._seed += 1
            elif kind == "undo":
                changes.undo()
            elif kind == "redo":
                changes.redo()
            elif kind == "start over":
                changes.start_over()
        except Exception as error:  # noqa: BLE001 - `sentence` logs it; the person must hear that nothing was changed
            problem = sentence(error, "This change")
        if changes.square is not earlier:
            self._ask_again(looked, changes)
        self._tell(problem, name)

    def _ask_again(self, looked: Looked, changes: Changes) -> None:
        """Ask about the square as it is now, and about no earlier one."""
        self._job.cancel()
        self._job, self._answered = Job(), None
        self._version += 1
        self._wait(0)
        if not changes.done:
            return
        case, square, version, drawn = looked.case, changes.square, self._version, looked.drawn

        def take(found: Prediction) -> None:
            self._answered = found
            was = case.prediction
            self.answer = {
                "version": version,
                "words": _found(was, found),
                "badge": _badge(was, found),
                "shares": dict(found.probabilities),
            }

        def failed(error: Exception) -> None:
            words = sentence(error, "The changed picture")
            self.answer = {"version": version, "words": words, "badge": "", "shares": {}}

        self._job = self._background.submit(
            lambda examiner: examiner.answering(drawn).what_if(case, square), take, failed, self._wait
        )

    def _wait(self, place: int) -> None:
        """Say in a class how many questions come before this one."""
        if place or self.answer.get("waits"):
            self.answer = {**self.answer, "waits": waits(QUESTION, place) if place else ""}

    def _tell(self, problem: str, name: str) -> None:
        """Tell the browser how the changed picture stands; that is made into a PNG while its answer is being found."""
        changes, looked = self._changes, self._looked
        if changes is None or looked is None:
            self.now = {}
            return
        self.now = {
            "case": looked.case.identity,
            "version": self._version,
            "picture": png(Image.fromarray(changes.square)) if changes.done else b"",
            "back": len(changes.done),
            "forth": changes.undone,
            "problem": problem,
            "heard": name,
        }


def _found(was: Prediction, now: Prediction) -> str:
    """Say what the changes did to the answer."""
    words = said(was, now)
    if now.refusal:
        words += f" The model would give no answer to the changed picture, because {now.refusal}."
    return words


def _badge(was: Prediction, now: Prediction) -> str:
    return "answer stays" if now.diagnosis == was.diagnosis else "answer changes"

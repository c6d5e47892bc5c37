"""``ClassDesk``: what a learner's page may ask of the class's quiz, wherever that is, and who answers it there.

A page asks by name, with plain data; :func:`handle` answers in the process that has the :class:`Classroom`. Only the
learner's session tells who asks, and it is the server that says which that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from threading import Condition
from typing import TYPE_CHECKING, Any, Protocol

from lesionviz.errors import LesionvizError
from lesionviz.game.classroom import Classroom, Wanted
from lesionviz.game.rules import SURE, Verdict

if TYPE_CHECKING:
    from lesionviz.case import Case

PATIENCE = 25.0
"""Seconds that a view is waited for before it is given unchanged: proxies end what is silent for longer."""


class ClassDesk(Protocol):
    """The class's quiz as a learner's page has it. Every method may block, and is called from threads of the page's own.

    Each raises LesionvizError with a sentence for the learner where the quiz refuses what he did, and OSError where it
    cannot be reached.
    """

    def view(self, seen: int) -> dict[str, Any]:
        """Return what the learner may know once it is another version than ``seen``, or after ``PATIENCE`` in any case."""

    def join(self, name: str) -> None:
        """Take a seat under a name."""

    def commit(self, case: int, answer: str, sure: str, quiz: int) -> None:
        """Answer the case on view, of the quiz that ``view`` names."""

    def picture(self, case: int) -> bytes:
        """Return the picture of the case on view, as JPEG."""

    def case(self, case: int) -> Case | None:
        """Return what the model saw in the case on view; None before the reveal, or where it saw nothing."""


def handle(room: Classroom, learner: str, name: str, body: Mapping[str, Any]) -> Any:
    """Answer a learner's request about the quiz.

    ========== ================================ =======================================================================
    name       body                             answer
    ========== ================================ =======================================================================
    view       {}                               a dict; wait with :func:`newer` first
    join       {"name": str}                    None
    commit     {"case", "answer", "sure",       None
               "quiz"}
    picture    {"case": int}                    bytes, JPEG
    case       {"case": int}                    a Case, or None
    ========== ================================ =======================================================================

    Args:
        room: the class.
        learner: the session that asks, as the server knows it; nothing in ``body`` may say so.
        name: of the request.
        body: whatever came; it is checked here.

    Raises:
        LesionvizError: the quiz refuses it, in a sentence for the learner, or it is no such request.
    """
    if name == "view":
        return room.view(learner)
    if name == "join":
        return room.join(learner, _given(body, "name", str))
    case = _given(body, "case", int) if name in {"commit", "picture", "case"} else 0
    if name == "commit":
        sure = _given(body, "sure", str)
        quiz = _given(body, "quiz", int)
        return room.commit(learner, case, _given(body, "answer", str), sure if sure in SURE else "", quiz)
    if name == "picture":
        return room.picture(case)
    if name == "case":
        return room.seen(case)
    raise LesionvizError("That is nothing that can be asked of the class's quiz.")


def _given(body: Mapping[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if type(value) is not kind or (isinstance(value, str) and len(value) > 1000):
        raise LesionvizError(f"The class's quiz was asked with no {name} that it can use. Reload the page.")
    return value


async def newer(room: Classroom, seen: int, patience: float = PATIENCE) -> None:
    """Wait until the class is at another version than ``seen``, or patience ends."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()

    def heard() -> None:
        loop.call_soon_threadsafe(changed.set)

    release = room.listen(heard)
    try:
        if room.version == seen:
            async with asyncio.timeout(patience):
                await changed.wait()
    except TimeoutError:
        return
    finally:
        release()


async def keep_asking(room: Classroom, examine: Callable[[Wanted], Awaitable[Verdict]]) -> None:
    """Ask the model about each case once, as soon as it is on view, and enter what it says. Runs until it is cancelled.

    Args:
        room: the class.
        examine: asks the model, or about a drawing the network that knows those; a LesionvizError that it raises becomes
            the reason why there is no answer.
    """
    while True:
        version = room.version
        wanted = await asyncio.to_thread(room.wanted)
        if wanted is None:
            await newer(room, version)
            continue
        try:
            verdict = await examine(wanted)
        except LesionvizError as error:
            verdict = Verdict(failure=str(error))
        room.enter(wanted.question, verdict)


class HereDesk:
    """A :class:`ClassDesk` of a classroom in this process: for tests, and for a class before one notebook.

    Args:
        room: the class.
        learner: whose desk it is.
        patience: seconds that a view is waited for.
    """

    def __init__(self, room: Classroom, learner: str, patience: float = PATIENCE) -> None:
        self._room, self._learner, self._patience = room, learner, patience
        self._changed = Condition()
        room.listen(self._wake)

    def view(self, seen: int) -> dict[str, Any]:
        """Return what the learner may know once it is another version than ``seen``, or after a while."""
        with self._changed:
            self._changed.wait_for(lambda: self._room.version != seen, self._patience)
        view: dict[str, Any] = handle(self._room, self._learner, "view", {})
        return view

    def join(self, name: str) -> None:
        """Take a seat under a name."""
        handle(self._room, self._learner, "join", {"name": name})

    def commit(self, case: int, answer: str, sure: str, quiz: int) -> None:
        """Answer the case on view, of the quiz that ``view`` names."""
        body = {"case": case, "answer": answer, "sure": sure, "quiz": quiz}
        handle(self._room, self._learner, "commit", body)

    def picture(self, case: int) -> bytes:
        """Return the picture of the case on view, as JPEG."""
        photo: bytes = handle(self._room, self._learner, "picture", {"case": case})
        return photo

    def case(self, case: int) -> Case | None:
        """Return what the model saw in the case on view; None before the reveal, or where it saw nothing."""
        found: Case | None = handle(self._room, self._learner, "case", {"case": case})
        return found

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

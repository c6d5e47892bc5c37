"""``Turns``: whose question is answered next, in a class: fair between learners, and bounded.

A learner has at most one question under way and one that waits; of those that wait the last one wins. An answer goes
before what only completes one. Nothing here knows what a question is about.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from lesionviz.errors import LesionvizError

LOG = logging.getLogger(__name__)


class Engine(Protocol):
    """Whoever answers questions, some at a time."""

    @property
    def threads(self) -> int:
        """How many questions are worked on at once."""

    async def start(self) -> bytes:
        """Make ready; return the answer to the question ``facts``. From then on an answer waits for nothing else."""

    async def ask(self, question: bytes) -> bytes:
        """Return the answer to a question; when cancelled, nobody needs it any more.

        Raises:
            LesionvizError: there is none.
        """

    async def close(self) -> None:
        """End whatever was started."""


@dataclass(eq=False)
class _Turn:
    who: str
    urgent: bool
    question: bytes = field(repr=False)
    on_place: Callable[[int], None]
    answer: asyncio.Future[bytes]
    place: int = -1


class Turns:
    """A queue before an engine.

    Args:
        engine: answers.
        most: how many questions may wait.
    """

    def __init__(self, engine: Engine, most: int) -> None:
        self._engine, self._most = engine, most
        self._waiting: list[_Turn] = []
        self._running: dict[str, asyncio.Task[None]] = {}

    async def ask(self, who: str, question: bytes, urgent: bool, on_place: Callable[[int], None]) -> bytes:
        """Return the answer to a question, in its turn.

        Args:
            who: asks; a learner's page.
            question: its bytes.
            urgent: whether it goes before those that are not.
            on_place: called with the number of questions before it, where there are any, and whenever that changes.

        Raises:
            LesionvizError: there is no answer, another question of the same page took its place, or too many wait.
        """
        for turn in self._waiting:
            if turn.who == who:
                self._waiting.remove(turn)
                turn.answer.set_exception(LesionvizError("A later question took its place."))
                break
        if len(self._waiting) >= self._most:
            raise LesionvizError("The class's server has too much to do. Try again in a minute.")
        turn = _Turn(who, urgent, question, on_place, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._go_on()
        try:
            return await turn.answer
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._tell()
            elif not turn.answer.done() or turn.answer.cancelled():
                running = self._running.get(who)
                if running is not None:
                    running.cancel()

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    def _in_order(self) -> list[_Turn]:
        return sorted(self._waiting, key=lambda turn: not turn.urgent)  # stable: first come, first served

    def _go_on(self) -> None:
        """Start as many as there is room for; one more than are worked on, so that nobody idles between two."""
        for turn in self._in_order():
            if len(self._running) > self._engine.threads:
                break
            if turn.who not in self._running:
                self._waiting.remove(turn)
                if turn.place > 0:
                    turn.on_place(0)
                self._running[turn.who] = asyncio.get_running_loop().create_task(self._run(turn))
        self._tell()

    async def _run(self, turn: _Turn) -> None:
        try:
            answer = await self._engine.ask(turn.question)
            if not turn.answer.done():
                turn.answer.set_result(answer)
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
            if not turn.answer.done():
                turn.answer.set_exception(_told(error))
        finally:
            if not turn.answer.done():
                turn.answer.cancel()
            del self._running[turn.who]
            self._go_on()

    def _tell(self) -> None:
        """Tell those that wait how many are before them."""
        for before, turn in enumerate(self._in_order()):
            place = before + len(self._running)
            if place != turn.place:
                turn.place = place
                turn.on_place(place)


def _told(error: Exception) -> LesionvizError:
    """Return what to tell of an error; of a defect the kind goes to the log, and nothing of what was asked."""
    if isinstance(error, LesionvizError):
        return error
    LOG.error("a question failed: %s", type(error).__name__)
    return LesionvizError("The question could not be answered: something inside lesionviz failed. Try again.")

"""Which workers are ready for a question: one seat for each thread of each worker that has the model."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    from lesionviz.workers.link import Link


CLOSED = "The server is being closed. Ask again when it is back."


class Bell:
    """Wakes all who wait for the next change of something."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self._rung.set()
        self._rung.clear()

    async def next(self) -> None:
        """Wait until it rings."""
        await self._rung.wait()


@dataclass(eq=False)
class Place:
    """A worker that has the model.

    Attributes:
        address: where it listens.
        link: the connection over which it is asked.
        threads: how many questions it answers at once.
        busy: how many it has.
        gone: done as soon as it is lost.
    """

    address: str
    link: Link
    threads: int
    busy: int = 0
    gone: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Seats:
    """All places, and who waits for a free one: first come, first served.

    Args:
        bell: rung at every change.
    """

    def __init__(self, bell: Bell) -> None:
        self._places: dict[str, Place] = {}
        self._waiting: deque[asyncio.Future[Place]] = deque()
        self._bell, self._closed = bell, False

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(list(self._places.values()))

    @property
    def threads(self) -> int:
        """How many questions can be answered at once."""
        return sum(place.threads for place in self._places.values())

    def add(self, place: Place) -> None:
        """Open a place."""
        self._places[place.address] = place
        self._serve()
        self._bell.ring()

    def lose(self, address: str) -> None:
        """Close a place, if it is there; whoever waits for its answer hears of it."""
        if place := self._places.pop(address, None):
            place.gone.set_result(None)
            self._bell.ring()

    def close(self) -> None:
        """Seat nobody any more."""
        self._closed = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(LesionvizError(CLOSED))

    async def take(self) -> Place:
        """Wait for a free thread, on the worker that has most of them, and sit down.

        Raises:
            LesionvizError: nobody is seated any more.
        """
        if self._closed:
            raise LesionvizError(CLOSED)
        turn: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give(turn.result())  # it was this one's turn in the very moment
            raise

    def give(self, place: Place) -> None:
        """Stand up."""
        place.busy -= 1
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            free = max(self._places.values(), key=lambda place: place.threads - place.busy, default=None)
            if free is None or free.busy >= free.threads:
                return
            turn = self._waiting.popleft()
            if not turn.done():
                free.busy += 1
                turn.set_result(free)

"""Which kernel belongs to whom, who may open a page now and who waits: rules alone, without Voila and processes."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger("lesionviz.serving")
SEAT, LINE, ORPHAN = 30.0, 60.0, 10.0
"""Seconds that a place is kept: after a learner's last page ended, so that loading it again loses nothing; in line, after
the page there last asked; and for a page that was left before it was there."""
BEAT = 10.0
"""Seconds of silence after which a page that waits is sent a sign of life, so that no proxy gives up."""


@dataclass(eq=False)
class Room:
    """A kernel, and the page that is being made of it.

    Attributes:
        session: whose it is; nobody's while it is preheated.
        stage: it waits for its turn, its kernel starts and fills the page, the page is there, or all is over.
        head: whether the page's beginning, which shows that it waits, is there.
    """

    session: str | None = None
    kernel_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    pieces: list[str] = field(default_factory=list)
    stage: str = "waiting"
    head: bool = False
    turn: asyncio.Event = field(default_factory=asyncio.Event)
    reader: bool = False
    delivered: bool = False
    connections: set[object] = field(default_factory=set)
    alone: float = 0.0
    used: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, piece: str) -> None:
        """Add to the page."""
        self.pieces.append(piece)
        self.tell()

    def tell(self) -> None:
        """Wake whoever reads."""
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def read(self) -> AsyncIterator[str]:
        """Give the page from its beginning, as it is made; nothing where something else has changed, or it takes long."""
        at = 0
        while True:
            news, stage = self._news, self.stage
            new, at = self.pieces[at:], len(self.pieces)
            yield "".join(new)
            if stage in {"there", "over"}:
                return
            try:
                await asyncio.wait_for(news.wait(), BEAT)
            except TimeoutError:
                continue


@dataclass(frozen=True)
class Full:
    """There is no place: how many there are, and which number in line somebody has."""

    size: int
    place: int


class Rooms:
    """All rooms of a server."""

    def __init__(
        self,
        furnish: Callable[[Room], Awaitable[None]],
        end: Callable[[str], Coroutine[Any, Any, None]],
        *,
        size: int | None = None,
        pages: int | None = None,
        pool: int = 0,
        at_once: int = 1,
        gone: float | None = None,
        idle: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none.

        Args:
            furnish: starts a room's kernel once it is its turn, and makes its page.
            end: ends a kernel by its id; nothing where there is none.
            size: how many learners may have pages; None for no limit.
            pages: how many each may have; the oldest one ends for a new one.
            pool: how many kernels are kept ready for whoever comes next, never more than there are places; without a
                limit, one while nobody has a page.
            at_once: how many kernels may be starting at the same time.
            gone: seconds without a connection after which a kernel ends.
            idle: seconds without a message after which a kernel ends though its page is connected.
            clock: of seconds, moved by no change of the time of day.
        """
        self._furnish, self._end_kernel, self._clock = furnish, end, clock
        self._size, self._pages, self._wanted, self._at_once = size, pages, pool, at_once
        self._gone, self._idle = gone, idle
        self._rooms: dict[str, Room] = {}
        self._queue: deque[Room] = deque()
        self._starting: list[Room] = []
        self._pool: deque[Room] = deque()
        self._seats: dict[str, float | None] = {}
        self._line: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting = False
        self.closed = False

    def session_of(self, kernel_id: str) -> str | None:
        """Return whose a kernel is; None for one that is nobody's, or not there."""
        room = self._rooms.get(kernel_id)
        return room.session if room else None

    def sessions(self) -> set[str]:
        """Return whoever has a place."""
        return set(self._seats)

    # --- pages -----------------------------------------------------------------------------------------------------
    def enter(self, session: str) -> Room | Full:
        """Give a learner a room, or a place in line."""
        now = self._clock()
        self._forget(now)
        if session not in self._seats and self._size is not None:
            place = 1 + (list(self._line).index(session) if session in self._line else len(self._line))
            if place > self._size - len(self._seats):
                self._line[session] = now
                return Full(self._size, place)
        self._line.pop(session, None)
        own = [each for each in self._rooms.values() if each.session == session]
        room = next((each for each in own if not each.reader and not each.delivered), None)
        if room is None:
            for old in own[: max(0, len(own) + 1 - self._pages)] if self._pages is not None else []:
                self._end(old)
            room = self._take()
        self._seats[session] = None
        room.session, room.reader, room.alone, room.used = session, True, now, now
        self._rooms[room.kernel_id] = self._rooms.pop(room.kernel_id)  # the newest one
        self._next()
        return room

    def place(self, room: Room) -> int:
        """Return which number a room has among those that wait to be started; 0 for one that does not."""
        return 1 + self._queue.index(room) if room in self._queue else 0

    def left(self, room: Room, delivered: bool) -> None:
        """Hear that a page was sent, or that nobody takes it any more."""
        room.reader, room.delivered, room.alone = False, delivered, self._clock()

    # --- kernels ----------------------------------------------------------------------------------------------------
    def connected(self, kernel_id: str, connection: object) -> None:
        """Hear that a page has connected itself."""
        room = self._rooms.get(kernel_id)
        if room:
            room.connections.add(connection)
            room.used = self._clock()

    def disconnected(self, kernel_id: str, connection: object) -> None:
        """Hear that a connection is gone; it may never have come about."""
        room = self._rooms.get(kernel_id)
        if room and connection in room.connections:
            room.connections.remove(connection)
            room.alone = self._clock()

    def connections(self, kernel_id: str) -> int:
        """Return how many connections a page has."""
        room = self._rooms.get(kernel_id)
        return len(room.connections) if room else 0

    def used(self, kernel_id: str) -> None:
        """Hear that a page and its kernel speak with each other."""
        room = self._rooms.get(kernel_id)
        if room:
            room.used = self._clock()

    def ended(self, kernel_id: str) -> None:
        """Hear that a kernel is no more, whoever ended it."""
        room = self._rooms.get(kernel_id)
        if room:
            self._over(room)

    def sweep(self) -> None:
        """End what nobody uses any more; to be called every few seconds."""
        now = self._clock()
        self._resting = False
        for room in [each for each in self._rooms.values() if each.session is not None and not each.reader]:
            silence = now - room.alone
            if not room.delivered:
                over = silence > ORPHAN
            elif room.connections:
                over = self._idle is not None and now - room.used > self._idle
            else:
                over = self._gone is not None and silence > self._gone
            if over:
                self._end(room)
        self._forget(now)
        self._next()

    async def close(self) -> None:
        """Start nothing any more, and wait for what is under way to give up."""
        self.closed = True
        for room in list(self._rooms.values()):
            self._over(room)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- within -----------------------------------------------------------------------------------------------------
    def _take(self) -> Room:
        """A room for somebody: one that is ready, one that will be soonest, or a new one at the end of the queue."""
        if self._pool:
            return self._pool.popleft()
        for room in self._starting:
            if room.session is None:
                return room
        room = self._new()
        self._queue.append(room)
        return room

    def _new(self) -> Room:
        room = Room()
        self._rooms[room.kernel_id] = room
        # Whoever asks for the room must not be known to what goes on in it: an empty context.
        self._spawn(self._make(room))
        return room

    async def _make(self, room: Room) -> None:
        try:
            await self._furnish(room)
        except Exception:
            if room.stage != "over":
                log.exception("A page could not be made.")
            self._resting = True  # until the next sweep: no kernel after the other that cannot start
            self._end(room)
        else:
            if room.stage == "over":
                await self._end_kernel(room.kernel_id)  # it has come up meanwhile
            else:
                room.stage = "there"
                if room.session is None:
                    self._pool.append(room)
                room.tell()
        finally:
            if room in self._starting:
                self._starting.remove(room)
            self._next()

    def _next(self) -> None:
        """Begin what may begin: first whoever waits, then one kernel for the pool."""
        if self.closed:
            return
        while self._queue and len(self._starting) < self._at_once:
            self._start(self._queue.popleft())
            _tell(self._queue)
        heated = len(self._pool) + sum(room.session is None for room in self._starting)
        places = min(self._wanted, (self._size or 1) - len(self._seats))
        alone = not any(room.session is None for room in self._starting)
        if heated < places and alone and len(self._starting) < self._at_once and not self._resting:
            self._start(self._new())

    def _start(self, room: Room) -> None:
        room.stage = "starting"
        self._starting.append(room)
        room.turn.set()
        room.tell()

    def _end(self, room: Room) -> None:
        self._over(room)
        self._spawn(self._end_kernel(room.kernel_id))

    def _over(self, room: Room) -> None:
        """Strike a room off; its kernel may still be there for a moment."""
        room.stage = "over"
        room.turn.set()
        room.tell()
        self._rooms.pop(room.kernel_id, None)
        for places in (self._queue, self._pool):
            if room in places:
                places.remove(room)
                _tell(places)
        if room.session is not None and not any(each.session == room.session for each in self._rooms.values()):
            self._seats[room.session] = self._clock() + SEAT
        self._next()

    def _forget(self, now: float) -> None:
        """Give free the places of those who left, and strike out of the line who does not ask any more."""
        self._seats = {each: until for each, until in self._seats.items() if until is None or until > now}
        self._line = {each: asked for each, asked in self._line.items() if asked > now - LINE}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self.closed:
            return work.close()
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tell(rooms: Iterable[Room]) -> None:
    for room in rooms:
        room.tell()

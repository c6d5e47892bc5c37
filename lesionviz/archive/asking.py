"""Which shards of a run are with workers: a few for each of their threads, and the files that workers cannot read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from lesionviz.archive.engine import Part, Shard
from lesionviz.archive.worker_side import part_or_unread, question
from lesionviz.errors import LesionvizError
from lesionviz.imaging import read_file
from lesionviz.machine import MIB
from lesionviz.workers.engine import Workers
from lesionviz.workers.spread import Spread

EACH = 2
"""Shards for each thread of the workers: the one it is at, and the next. Whoever joins late finds all others."""
SENT = 256 * MIB
"""Bytes of images that are on their way to workers at a time; a shard with more goes alone."""
BLIND = "The workers do not see the images' paths: the images are sent to them."


@contextmanager
def kept() -> Iterator[None]:
    """Add to what a cluster has to say for itself that nothing is lost."""
    try:
        yield
    except LesionvizError as error:
        raise LesionvizError(f"{error} What is done is kept: go on with --resume.") from error


class Asking:
    """Puts shards to workers, and hands their parts out.

    Args:
        workers: who computes.
        shards: taken one after the other, as there is room.
        tell: called with a sentence when images are sent.
    """

    def __init__(self, workers: Workers, shards: Iterator[Shard], tell: Callable[[str], None]) -> None:
        self._workers, self._shards, self._tell = workers, shards, tell
        self._spread = Spread(workers)
        self._asked: set[asyncio.Task[tuple[Shard, Part]]] = set()
        self._room = Room(SENT)
        self._blind = False

    async def next(self) -> tuple[Shard, Part] | None:
        """Return a part and its shard, whichever is ready first; None when all have been returned.

        Parts that are ready and not yet taken count as asked for, so that memory is bounded however slow the taker is.

        Raises:
            LesionvizError: a shard cannot be computed.
        """
        while True:
            while len(self._asked) < EACH * self._workers.threads and (shard := next(self._shards, None)) is not None:
                self._asked.add(asyncio.create_task(self._ask(shard)))
            if not self._asked:
                return None
            changed = asyncio.create_task(self._workers.changed())
            try:
                done, _ = await asyncio.wait({*self._asked, changed}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                changed.cancel()
            for task in self._asked & done:
                self._asked.discard(task)
                return task.result()

    async def drop(self) -> None:
        """Ask for nothing any more."""
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)

    async def _ask(self, shard: Shard) -> tuple[Shard, Part]:
        unread = set(range(len(shard.images))) if self._blind else set[int]()
        while True:
            paths = {place: Path(shard.images[place]) for place in unread}
            async with self._room.of(await asyncio.to_thread(size_of, paths.values())):
                files = await asyncio.to_thread(read, paths)
                with kept():
                    found = part_or_unread(await self._spread.ask(question(shard, files)))
            if isinstance(found, Part):
                return shard, found
            if not set(found) - unread:
                raise LesionvizError("A worker asks again for images that it was sent: a defect. Report this.")
            unread |= set(found)
            if len(unread) == len(shard.images) and not self._blind:
                self._blind = await asyncio.to_thread(size_of, map(Path, shard.images)) > 0
                if self._blind:
                    self._tell(BLIND)


class Room:
    """Room for so many bytes; who needs more than all of it waits until he is alone."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken = limit, 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Take room for the time of a block."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._taken or self._taken + size <= self._limit)
            self._taken += size
        try:
            yield
        finally:
            async with self._changed:
                self._taken -= size
                self._changed.notify_all()


def size_of(paths: Collection[Path] | Iterator[Path]) -> int:
    """Return how many bytes some files have that may be there."""

    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except (OSError, ValueError):
            return 0

    return sum(map(size, paths))


def read(paths: dict[int, Path]) -> dict[int, bytes | str]:
    """Return the bytes of files, or why they cannot be had."""

    def file(path: Path) -> bytes | str:
        try:
            return read_file(path, path.name)
        except LesionvizError as error:
            return str(error)

    return {place: file(path) for place, path in paths.items()}

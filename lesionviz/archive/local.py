"""The engine of one machine: on the CPU each of its threads reads, decodes and computes a batch of its own, on one core.

Batches side by side keep all cores busier than one batch shared between them, a core that does one thing after the other
keeps its caches, and what comes out does not depend on how many there are. The system is asked to read files ahead, so that
nobody waits for a disk. In front of a GPU threads decode ahead of the one that runs the network, through a bounded queue.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from lesionviz.archive.engine import Looked, Part, Scorer, Shard
from lesionviz.archive.schema import Row
from lesionviz.machine import cores

AHEAD = 2
"""Batches that wait, their files being read or decoded, for each one in the network."""


class LocalEngine:
    """Computes parts on this machine.

    Args:
        scorer: reads images and runs the network.
        batch: images in one run of the network; a resumed run keeps it.
        threads: how many cores to use, by default all: on the CPU so many threads do everything, for a GPU they decode.
    """

    def __init__(self, scorer: Scorer, batch: int, threads: int | None = None) -> None:
        self._scorer, self.batch = scorer, batch
        self.threads = threads or cores()

    @property
    def scorer(self) -> Scorer:
        """What it computes with."""
        return self._scorer

    def score(
        self, shards: Iterable[Shard], tick: Callable[[int], None], stop: Callable[[], bool]
    ) -> Generator[Part, None, None]:
        """Yield the part of each shard, in order; see :class:`~lesionviz.archive.engine.Engine`."""
        at_once = self._scorer.at_once
        runs = at_once or self.threads
        network = ThreadPoolExecutor(runs, "network", initializer=self._scorer.begin_thread)
        decoding = None if at_once is None else ThreadPoolExecutor(self.threads, "decode")
        waiting: deque[tuple[Shard, bool, Future[list[Row]]]] = deque()
        batches = self._batches(shards)
        rows: list[Row] = []
        try:
            while not stop():
                while len(waiting) < runs * (1 + AHEAD) and (batch := next(batches, None)) is not None:
                    shard, start, last = batch
                    looks: list[Callable[[], Looked]] = [
                        partial(self._scorer.look, shard.first + place, shard.images[place])
                        for place in range(start, min(start + self.batch, len(shard.images)))
                    ]
                    if decoding is None:
                        for image in shard.images[start : start + self.batch]:
                            read_ahead(image)
                    else:
                        looks = [decoding.submit(look).result for look in looks]
                    waiting.append((shard, last, network.submit(self._rows, looks)))
                if not waiting:
                    return
                shard, last, future = waiting.popleft()
                found = future.result()
                rows += found
                tick(len(found))
                if last:
                    yield self._scorer.part(shard, rows)
                    rows = []
        finally:
            pools = [network, decoding] if decoding else [network]
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in reversed(pools):
                pool.shutdown()
            self._scorer.end()

    def _batches(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, int, bool]]:
        """Yield where each batch of each shard begins, and whether it is the shard's last."""
        for shard in shards:
            for start in range(0, len(shard.images), self.batch):
                yield shard, start, start + self.batch >= len(shard.images)

    def _rows(self, looks: Sequence[Callable[[], Looked]]) -> list[Row]:
        return self._scorer.rows([look() for look in looks])


def read_ahead(image: str) -> None:
    """Have the system read a file now that will be needed soon, where it does that; nothing waits for it."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError):  # whatever is wrong with it is told when it is looked at
            file = os.open(image, os.O_RDONLY | os.O_NONBLOCK)
            try:
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(file)

"""The engine of one machine: threads that read and decode ahead of threads that run the network, through a bounded queue.

On the CPU every thread of the network has a batch of its own and computes alone: several batches side by side keep all
cores busier than one batch shared between them, and what comes out does not depend on how many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from lesionviz.archive.engine import Looked, Part, Scorer, Shard
from lesionviz.archive.schema import Row
from lesionviz.machine import cores

AHEAD = 2
"""Batches that wait, decoded or being decoded, for each one in the network."""


class LocalEngine:
    """Computes parts on this machine.

    Args:
        scorer: reads images and runs the network.
        batch: images in one run of the network; a resumed run keeps it.
        threads: how many decode, and on the CPU how many run the network; by default one for each core.
    """

    def __init__(self, scorer: Scorer, batch: int, threads: int | None = None) -> None:
        self._scorer, self._batch = scorer, batch
        self.threads = threads or cores()

    @property
    def scorer(self) -> Scorer:
        """What it computes with."""
        return self._scorer

    def score(
        self, shards: Iterable[Shard], tick: Callable[[int], None], stop: Callable[[], bool]
    ) -> Generator[Part, None, None]:
        """Yield the part of each shard, in order; see :class:`~lesionviz.archive.engine.Engine`."""
        runs = self._scorer.at_once or self.threads
        decoding = ThreadPoolExecutor(self.threads, "decode")
        network = ThreadPoolExecutor(runs, "network", initializer=self._scorer.begin_thread)
        waiting: deque[tuple[Shard, bool, Future[list[Row]]]] = deque()
        batches = self._batches(shards)
        rows: list[Row] = []
        try:
            while not stop():
                while len(waiting) < runs * (1 + AHEAD) and (batch := next(batches, None)) is not None:
                    shard, start, last = batch
                    images = shard.images[start : start + self._batch]
                    looked = [
                        decoding.submit(self._scorer.look, shard.first + start + place, image)
                        for place, image in enumerate(images)
                    ]
                    waiting.append((shard, last, network.submit(self._rows, looked)))
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
            for pool in (network, decoding):
                pool.shutdown(wait=False, cancel_futures=True)
            for pool in (decoding, network):
                pool.shutdown()
            self._scorer.end()

    def _batches(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, int, bool]]:
        """Yield where each batch of each shard begins, and whether it is the shard's last."""
        for shard in shards:
            for start in range(0, len(shard.images), self._batch):
                yield shard, start, start + self._batch >= len(shard.images)

    def _rows(self, looked: list[Future[Looked]]) -> list[Row]:
        return self._scorer.rows([each.result() for each in looked])

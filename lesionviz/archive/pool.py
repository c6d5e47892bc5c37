"""The engine of one machine for many images: processes of one thread each, as Python runs one thread of each at a time.

Their parts are the same bytes as those of :class:`~lesionviz.archive.local.LocalEngine`, so that a run may be begun by the
one and gone on with by the other. A process takes seconds to start and needs some hundred megabytes: few images are not
worth it. Nothing is planned here: threads of a pool from the standard library each ask a process of their own. Its
``ProcessPoolExecutor`` would run a caller's unguarded script anew in each, and leave them behind when the run is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import IO

from lesionviz.archive.engine import Part, Shard
from lesionviz.errors import LesionvizError
from lesionviz.machine import MIB
from lesionviz.wire import pack, unpack

HOME = "lesionviz.archive.worker_side:engine_of"
"""What makes, from a run's bytes, the engine in a process; tests name a lighter one."""
MANY = 10_000
"""Images from which on starting processes pays."""
MEMORY = 800 * MIB
"""Bytes that a process needs, with torch, OpenVINO and a model."""
EACH = 2
"""Shards for each process: the one it is at, and the next."""
TRIES = 3
"""Processes that may end over a shard before the run does."""
LOOK = 0.2
"""Seconds between two looks at whether to stop."""
LENGTH = 8
"""Bytes that say how many follow."""


class PoolEngine:
    """Computes parts in processes of its own.

    Args:
        run: its manifest and its model, as :func:`~lesionviz.archive.worker_side.run_bytes` packs them.
        processes: how many.
        home: what makes the engine in each of them.
    """

    def __init__(self, run: bytes, processes: int, home: str = HOME) -> None:
        self._run, self.processes, self._home = run, processes, home
        self._children: list[Child] = []
        self._own = threading.local()
        self._ending = False

    def score(
        self, shards: Iterable[Shard], tick: Callable[[int], None], stop: Callable[[], bool]
    ) -> Generator[Part, None, None]:
        """Yield the part of each shard, as they come; see :class:`~lesionviz.archive.engine.Engine`.

        Raises:
            LesionvizError: the run cannot be computed here, or processes end again and again.
        """
        coming, waiting = iter(shards), set[Future[tuple[Shard, Part]]]()
        self._ending = False
        asking = ThreadPoolExecutor(self.processes, "ask")
        try:
            while not stop():
                while len(waiting) < EACH * self.processes and (shard := next(coming, None)) is not None:
                    waiting.add(asking.submit(self._ask, shard))
                if not waiting:
                    return
                ready, waiting = wait(waiting, LOOK, FIRST_COMPLETED)
                for each in ready:
                    shard, part = each.result()
                    tick(len(shard.images))
                    yield part
        finally:
            self._ending = True
            asking.shutdown(wait=False, cancel_futures=True)
            for child in list(self._children):
                child.end()
            asking.shutdown()
            for child in self._children:  # and those that were started at that moment
                child.end()
                child.close()
            self._children.clear()

    def _ask(self, shard: Shard) -> tuple[Shard, Part]:
        """Have this thread's process compute a shard; if it ends over it, another one."""
        for _ in range(TRIES):
            if self._ending:
                break
            child = self._child()
            try:
                return shard, child.part(shard)
            except (EOFError, OSError):
                child.end()
                child.close()
                self._children.remove(child)
        raise LesionvizError(
            f"Processes that compute images from {shard.images[0]} on were ended {TRIES} times, by the system perhaps, for "
            "want of memory. What is done is kept: go on with --resume, and with fewer of them (--threads 2)."
        )

    def _child(self) -> Child:
        """Return this thread's process, started where there is none, or none any more."""
        child: Child | None = getattr(self._own, "child", None)
        if child is None or child not in self._children:
            child = self._own.child = Child(self._run, self._home)
            self._children.append(child)
        return child


class Child:
    """A process that computes shards, one at a time.

    Args:
        run: what of.
        home: see :class:`PoolEngine`.

    Raises:
        LesionvizError: it cannot be started.
    """

    def __init__(self, run: bytes, home: str) -> None:
        try:
            self._process = subprocess.Popen(
                # -P: nothing is imported from the folder where somebody happened to start the run.
                [sys.executable, "-P", "-m", "lesionviz.archive.pool_side", home],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is not for it
            )
        except OSError as error:
            raise LesionvizError(
                f"No further process can be started ({error}). Go on with --resume and fewer of them (--threads 2)."
            ) from error
        self._run: bytes | None = run

    def part(self, shard: Shard) -> Part:
        """Have a shard computed.

        Raises:
            EOFError, OSError: the process has ended.
            LesionvizError: it cannot compute this run.
        """
        questions, answers = self._process.stdin, self._process.stdout
        assert questions is not None
        assert answers is not None
        if self._run is not None:
            send(questions, self._run)
            self._run = None
        images = json.dumps(shard.images).encode()
        send(questions, pack({"number": shard.number, "first": shard.first, "images": images}))
        told = unpack(receive(answers))
        if "error" in told:
            raise LesionvizError(told["error"])
        return Part(told["number"], told["failed"], told["data"])

    def end(self) -> None:
        """End it at once; whoever waits for its answer gets an EOFError."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the way to one that has ended and of which nobody waits for an answer any more."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was still to be sent
                if pipe is not None:
                    pipe.close()


def send(file: IO[bytes], data: bytes) -> None:
    """Write bytes behind their length."""
    file.write(len(data).to_bytes(LENGTH, "little"))
    file.write(data)
    file.flush()


def receive(file: IO[bytes]) -> bytes:
    """Read what :func:`send` wrote.

    Raises:
        EOFError: the other side has ended.
    """
    length = file.read(LENGTH)
    data = file.read(int.from_bytes(length, "little"))
    if len(length) < LENGTH or len(data) < int.from_bytes(length, "little"):
        raise EOFError
    return data

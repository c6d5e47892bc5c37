"""A cluster on this machine: a scheduler and workers as processes, started, watched, started again, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from lesionviz.errors import LesionvizError
from lesionviz.machine import MIB, available_memory, cores, roomy_memory
from lesionviz.workers.certificates import Certificates, make_certificates

MEMORY = 600 * MIB
"""Bytes that a worker needs, with torch and a model."""
RESERVE = 1024 * MIB
"""Bytes that are left to the server and to the kernels of a few pages."""
PATIENCE = 120
"""Seconds that a process gets to say where it listens; the first time after an installation is slow."""
ENDING = 5
"""Seconds that a process gets to end by itself."""
LONGEST_PAUSE = 30
"""Seconds at most before a worker that ends again and again is started again."""


def number_of_workers(cores: int, memory: int | None, each: int = MEMORY) -> int:
    """Return how many workers a machine has room for: at least one, and at most one for each core.

    Args:
        cores: for each of which there may be a worker.
        memory: bytes that may be used; None where nobody knows.
        each: bytes that one needs.
    """
    room = cores if memory is None else (memory - RESERVE) // each
    return max(1, min(cores, room))


class Child:
    """A process whose first line and whose end are events of the loop, on every platform.

    Args:
        arguments: for ``python -m lesionviz.workers.process``.
        variables: added to the environment.
    """

    def __init__(self, *arguments: str, **variables: str) -> None:
        self._loop = asyncio.get_running_loop()
        self.address: asyncio.Future[str] = self._loop.create_future()
        self.ended = asyncio.Event()
        self.has_answered = False
        self._process = subprocess.Popen(
            # -P: nothing is imported from the folder where somebody happened to start the server.
            [sys.executable, "-P", "-m", "lesionviz.workers.process", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        )
        Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def listens_at(self) -> str:
        """Its address, once it has said so."""
        return self.address.result() if self.address.done() and not self.address.cancelled() else ""

    async def end(self) -> None:
        """End the process: it sees its input close, and is killed where that does not help."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await self.ended.wait()
        self.kill()
        await self.ended.wait()

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def _watch(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        self._process.stdout.close()
        self._tell(self._said, line)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._tell(self.ended.set)

    def _tell(self, event: Callable[..., None], *values: str) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(event, *values)

    def _said(self, line: str) -> None:
        if not self.address.done():
            self.address.set_result(line)


class LocalCluster:
    """Scheduler and workers on this machine.

    Args:
        workers: how many; by default as many as memory and cores allow.
        threads: how many questions each answers at once.
        log: a folder for all that Dask says; by default what is wrong goes to standard error.
        failed: called with a sentence when a worker ends before it was there.
        spread: whether Dask chooses the workers.
        page: whether the scheduler has Dask's page.

    Attributes:
        page: its address; empty where there is none.
    """

    def __init__(
        self,
        workers: int | None,
        threads: int,
        log: Path | None,
        failed: Callable[[str], None],
        spread: bool = False,
        page: bool = False,
    ) -> None:
        self.workers = number_of_workers(cores() // threads, available_memory()) if workers is None else workers
        self._threads, self._log, self._failed = threads, log, failed
        self._options = ["--spread"] * spread
        self._of_scheduler, self.page = ["--page"] * page, ""
        self._folder: Path | None = None
        self._scheduler: Child | None = None
        self._children: dict[int, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> tuple[str, Certificates]:
        """Start everything; return the scheduler's address, with certificates of its own.

        Raises:
            LesionvizError: the scheduler does not start, or no temporary files can be made.
        """
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="lesionviz-cluster-", dir=roomy_memory(MIB)))  # 0700
            certificates = make_certificates(self._folder)
        except OSError as error:
            raise LesionvizError(
                f"No cluster can be started: {tempfile.gettempdir()} cannot be written to ({error}). Make room there, "
                "or name a folder that you may write to in TMPDIR."
            ) from error
        self._scheduler = self._child("scheduler", "scheduler", *self._of_scheduler)
        address, _, self.page = (await self._first_line(self._scheduler)).partition(" ")
        if not address:
            raise LesionvizError(
                "The scheduler of the cluster did not start; what it said is above. Run lesionviz doctor."
            )
        self._keepers = [asyncio.create_task(self._keep(number, address)) for number in range(self.workers)]
        return address, certificates

    async def stop(self) -> None:
        """End everything that was started, and remove its folder."""
        for keeper in self._keepers:
            keeper.cancel()
        self._keepers = []
        children = [*self._children.values(), *filter(None, [self._scheduler])]
        self._children, self._scheduler = {}, None
        await asyncio.gather(*(child.end() for child in children))
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def praise(self, address: str) -> None:
        """Note that a worker has what it needs: when it ends, another takes its place at once."""
        for child in self._children.values():
            child.has_answered = child.has_answered or child.listens_at == address

    def kill(self, address: str) -> None:
        """End a worker that does not answer; another takes its place."""
        for child in self._children.values():
            if child.listens_at == address:
                child.kill()

    async def _keep(self, number: int, scheduler: str) -> None:
        """Have one worker, always."""
        pause = 0.0
        while True:
            child = self._child("worker", f"worker-{number}", "--scheduler", scheduler)
            self._children[number] = child
            if not await self._first_line(child):
                child.kill()
                self._failed("A worker of the cluster did not start; what it said is above. Run lesionviz doctor.")
            await child.ended.wait()
            pause = 0.0 if child.has_answered else min(LONGEST_PAUSE, 2 * pause or 1.0)
            await asyncio.sleep(pause)

    def _child(self, role: str, name: str, *more: str) -> Child:
        log = [] if self._log is None else ["--log", str(self._log / f"{name}.log")]
        compute = str(max(1, cores() // (self.workers * self._threads)))
        # Without MALLOC_TRIM_THRESHOLD_, which Dask's own starter sets: it more than doubles the time of a picture's maps.
        variables = {"OMP_NUM_THREADS": compute, "MKL_NUM_THREADS": compute}
        options = ["--folder", str(self._folder), "--threads", str(self._threads), *log, *self._options, *more]
        return Child(role, *options, **variables)

    @staticmethod
    async def _first_line(child: Child) -> str:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return await child.address
        return ""

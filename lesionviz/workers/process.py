"""A scheduler or a worker as a process of its own, which ends with the server that started it.

``python -m lesionviz.workers.process scheduler|worker …`` says its address, and its page's, in one line, and then nothing
more. The server holds the other end of its standard input: when that closes, the server has ended, however it did, and
this process ends as well.
Dask's defaults and a person's own settings of Dask do not count here.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lesionviz.machine import GIB
from lesionviz.workers.certificates import certificates_in
from lesionviz.workers.worker_side import settle_in

if TYPE_CHECKING:
    from distributed import Security

HOST = "127.0.0.1"
MEMORY = 3 * GIB
"""Bytes at which a worker ends itself, to be started afresh: with model and maps it needs less than one."""
LOOK = 0.5
"""Seconds between two looks at the memory."""
SETTINGS: dict[str, Any] = {
    # Nothing of an upload reaches the disk, no worker waits for memory that never comes back: see MEMORY.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    # The server chooses the worker for each question, and asks again itself.
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.active-memory-manager.start": False,
    # Measured by the clock on the wall, which may jump; closed connections tell who has gone.
    "distributed.scheduler.worker-ttl": None,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.diagnostics.nvml": False,
    "distributed.diagnostics.computations.max-history": 0,
    "distributed.diagnostics.erred-tasks.max-history": 0,
    # Else a thousand messages are kept, each with the question or the answer in it.
    "distributed.admin.low-level-log-length": 0,
}
SPREAD: dict[str, Any] = {
    # Dask chooses the worker, takes from who has more than he can do, and asks another one when his dies.
    "distributed.scheduler.work-stealing": True,
    "distributed.scheduler.allowed-failures": 3,
}
"""What counts besides where a server does not choose itself."""
PAGE: dict[str, Any] = {
    "distributed.scheduler.http.routes": [f"distributed.http.{name}" for name in ("scheduler.info", "statics")],
}
"""What Dask's page needs; nothing there can change anything."""


def keep_steady_time() -> None:
    """Let this process's clock go on steadily from now on, whatever befalls the one on the wall.

    Dask and Tornado reckon with the latter: when it is set back between two messages, the second waits for as long.
    """
    start = time.time() - time.monotonic()
    time.time = lambda: start + time.monotonic()


def settle(log: str, more: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Settle how Dask behaves in this process; to be called before ``distributed`` is imported.

    Args:
        log: a file that gets all that Dask says; without, what is wrong goes to standard error.
        more: settings that count before ``SETTINGS``.
    """
    import dask

    dask.config.refresh(paths=[], env={})
    handler = ({"class": "logging.FileHandler", "filename": log} if log else {"class": "logging.StreamHandler"}) | {
        "formatter": "plain"
    }
    logging = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "%(asctime)s %(name)s %(levelname)s %(message)s"}},
        "handlers": {"one": handler},
        "root": {"level": "DEBUG" if log else "CRITICAL", "handlers": ["one"]},
        "loggers": {"lesionviz": {"level": "DEBUG" if log else "WARNING"}},
    }
    dask.config.set({**SETTINGS, **more, "logging": logging})


def end_with_server(folder: Path | None) -> None:
    """End this process as soon as standard input closes.

    Args:
        folder: the cluster's, which is removed then, too: nobody else is left to do it.
    """

    def watch() -> None:
        sys.stdin.buffer.read()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)  # nobody waits for an answer any more, and a question may hold the other threads

    threading.Thread(target=watch, daemon=True).start()


def say(*addresses: str) -> None:
    """Say where this process listens; what anybody prints from here on goes to standard error."""
    print(*addresses, flush=True)  # noqa: T201
    os.dup2(2, 1)


async def scheduler(security: Security) -> None:
    """Be a scheduler until it is closed."""
    from distributed import Scheduler

    class Quiet(Scheduler):  # type: ignore[misc]
        """Opens no pages: Dask's would answer outside TLS."""

        def start_http_server(self, *_arguments: object, **_options: object) -> None:
            """Do nothing."""

    async with Quiet(host=HOST, port=0, protocol="tls", security=security, dashboard=False) as one:
        say(one.address)
        await one.finished()


async def scheduler_with_page(security: Security) -> None:
    """Be a scheduler with Dask's page, for this machine alone, until it is closed."""
    from distributed import Scheduler

    options = {"dashboard": True, "dashboard_address": f"{HOST}:0"}
    async with Scheduler(host=HOST, port=0, protocol="tls", security=security, **options) as one:
        say(one.address, f"http://{HOST}:{one.http_server.port}/status")
        await one.finished()


async def worker(address: str, security: Security, threads: int, folder: Path) -> None:
    """Be a worker until it is closed, or its scheduler is."""
    from distributed import Worker

    class Quiet(Worker):  # type: ignore[misc]
        """Opens no pages: Dask's would answer outside TLS."""

        def start_http_server(self, *_arguments: object, **_options: object) -> None:
            """Do nothing."""

    async with Quiet(
        address, host=HOST, security=security, nthreads=threads, memory_limit=0, local_directory=str(folder)
    ) as one:
        say(one.address)
        watch = asyncio.create_task(_stay_small())
        await one.finished()
        watch.cancel()


async def _stay_small() -> None:
    import psutil

    own = psutil.Process()
    while own.memory_info().rss < MEMORY:
        await asyncio.sleep(LOOK)
    os._exit(1)


def main() -> None:
    """Be what the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=("scheduler", "worker"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--scheduler", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log", default="")
    parser.add_argument("--spread", action="store_true")
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # meant for the server, whose end is ours, too; Ctrl-C goes to all
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    end_with_server(given.folder if given.role == "scheduler" else None)
    keep_steady_time()
    own = {"temporary-directory": str(given.folder)}  # Dask leaves an empty folder in the common one
    settle(given.log, own | (SPREAD if given.spread else {}) | (PAGE if given.page else {}))
    security = certificates_in(given.folder).security()
    if given.role == "scheduler":
        asyncio.run(scheduler_with_page(security) if given.page else scheduler(security))
    else:
        settle_in(given.folder)
        asyncio.run(worker(given.scheduler, security, given.threads, given.folder / "dask-scratch-space"))
    os._exit(0)


if __name__ == "__main__":
    main()

"""An event loop in a thread of its own, for an engine whose work is done elsewhere while the caller writes and listens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from typing import Any, TypeVar

T = TypeVar("T")
LOOK = 0.1
"""Seconds between two looks whether somebody has pressed Ctrl-C."""


class Background:
    """A loop that runs until :meth:`end`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._working: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T], stop: Callable[[], bool]) -> T | None:
        """Return what some work comes to, or None when ``stop`` says yes before; then it is ended by :meth:`end`."""
        future = asyncio.run_coroutine_threadsafe(self._kept(work), self._loop)
        while not wait([future], LOOK).done:
            if stop():
                return None
        return future.result()

    def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what still works, do one last thing, and end the loop."""
        try:
            asyncio.run_coroutine_threadsafe(self._end(last), self._loop).result()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _kept(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.current_task()
        assert task is not None
        self._working.add(task)
        try:
            return await work
        finally:
            self._working.discard(task)

    async def _end(self, last: Coroutine[Any, Any, None]) -> None:
        if working := set(self._working):
            for task in working:
                task.cancel()
            await asyncio.wait(working)
        await last

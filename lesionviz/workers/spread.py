"""Long questions to all workers at once: Dask chooses who answers which, and asks another worker when that one dies.

Beside :meth:`~lesionviz.workers.engine.Workers.ask`, which serves a learner within a second and watches each worker for it,
this is for work of which there is always more than workers.
"""

from __future__ import annotations

import asyncio
import contextlib

from lesionviz.errors import LesionvizError
from lesionviz.workers.engine import PAUSE, Workers, said
from lesionviz.workers.seats import Place
from lesionviz.workers.worker_side import Outcome, holds

TRIES = 3
"""How often a question is put to Dask in all, which itself asks several workers when they die over it."""
AWAY = 300
"""Seconds without a single worker, or without a scheduler, after which it is no use to wait."""


class Spread:
    """Puts questions to workers that have the model.

    Args:
        workers: started, with ``spread``, or those of a scheduler that runs already.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def ask(self, question: bytes) -> bytes:
        """Return the answer to a question, whoever dies meanwhile.

        Raises:
            LesionvizError: it is refused, workers die over it again and again, or there have been none for too long.
        """
        tries = 0
        while tries < TRIES:
            places = await self._places()
            link = places[0].link
            outcome = await self._put(places, question)
            if (answer := said(outcome)) is not None:
                return answer
            if outcome is not None:
                await self._look_again(places)
            tries += not link.lost.is_set()
            with contextlib.suppress(TimeoutError):  # a connection that is just breaking is not yet known as lost
                async with asyncio.timeout(PAUSE):
                    await self._workers.changed()
        raise LesionvizError(
            "Workers have ended again and again over the same question, perhaps for want of memory. Give each of them "
            "more, or let fewer run."
        )

    async def _places(self) -> list[Place]:
        """Wait for the workers that are ready: at least one."""
        try:
            async with asyncio.timeout(AWAY):
                while not (places := self._workers.places):
                    await self._workers.changed()
                return places
        except TimeoutError:
            raise LesionvizError(
                f"No worker of the cluster at {self._workers.address} has been there for {AWAY:,} seconds. Look whether "
                "its scheduler and workers run."
            ) from None

    async def _put(self, places: list[Place], question: bytes) -> tuple[Outcome, bytes] | None:
        """Put a question to any of some workers; return None when no answer will come from there."""
        link = places[0].link
        addresses = [place.address for place in places]
        try:
            future = link.submit(addresses, self._workers.key, question, retries=TRIES)
        except Exception:  # noqa: BLE001 - Dask has many for a connection that is just breaking
            return None
        answer = asyncio.ensure_future(future.result())
        gone = asyncio.ensure_future(asyncio.wait([place.gone for place in places]))
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                outcome, sealed = answer.result()
                return outcome, sealed.content
            return None
        finally:
            gone.cancel()
            answer.cancel()
            future.release()

    async def _look_again(self, places: list[Place]) -> None:
        """Give the model to those of some workers who have let it go."""
        for place in places:
            with contextlib.suppress(Exception):  # one that has just gone is told by its place
                if not await place.link.run(place.address, holds, self._workers.key):
                    self._workers.welcome_again(place)

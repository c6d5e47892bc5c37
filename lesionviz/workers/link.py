"""One connection of the server to one scheduler: who joins, who leaves, and whether it is still there."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lesionviz.errors import LesionvizError
from lesionviz.workers.certificates import Certificates
from lesionviz.workers.versions import ON_SCHEDULER, PACKAGES
from lesionviz.workers.worker_side import Outcome, Sealed, answer_here

if TYPE_CHECKING:
    from distributed import Client, Future

PATIENCE = 20
"""Seconds that a scheduler gets to answer, when a connection begins and when it ends."""


class Link:
    """A Dask client that knows its workers.

    Attributes:
        lost: set as soon as the scheduler is gone.
        versions: the scheduler's, by package.

    Args:
        address: of the scheduler.
        certificates: that it trusts.
        joined: called with a worker's address when one has come.
        left: called with it when it has gone.
    """

    def __init__(
        self, address: str, certificates: Certificates, joined: Callable[[str], None], left: Callable[[str], None]
    ) -> None:
        self.address, self.lost = address, asyncio.Event()
        self.versions: dict[str, str | None] = {}
        self._security = certificates.security()
        self._joined, self._left = joined, left
        self._client: Client | None = None
        self._watch: asyncio.Task[None] | None = None

    async def open(self) -> list[str]:
        """Connect; return the workers that are there already.

        Raises:
            LesionvizError: nobody answers there, or not to these certificates.
        """
        import dask
        from distributed import Client
        from distributed.comm import connect

        dask.config.set({"distributed.admin.low-level-log-length": 0})  # else the last thousand messages are kept
        # What befalls the connection is told in our own words.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        try:
            async with asyncio.timeout(PATIENCE):
                arguments = self._security.get_connection_args("client")
                line = await connect(self.address, timeout=PATIENCE, **arguments)
                self._watch = asyncio.create_task(self._until_lost(line))
                self._client = Client(
                    self.address,
                    security=self._security,
                    asynchronous=True,
                    set_as_default=False,
                    direct_to_workers=False,
                    timeout=PATIENCE,
                )
                await self._client
                # A message waits for no companions: until then Dask waits by the clock on the wall, which may be set back.
                self._client.scheduler_comm.interval = -math.inf
                self._client.subscribe_topic("all", self._event)
                self.versions = _packages(await self._scheduler.versions(packages=ON_SCHEDULER[1:]))
                return list(await self._scheduler.ncores())
        except (OSError, ValueError) as error:
            await self.close()
            raise LesionvizError(
                f"No cluster answers at {self.address} ({type(error).__name__}). Look whether its scheduler runs, and "
                "whether the address and the certificates are its own."
            ) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the scheduler, whether it still answers or not."""
        if self._watch is not None:
            self._watch.cancel()
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(
                OSError, ValueError
            ):  # TimeoutError is one, too; ValueError: no subscription yet
                client.unsubscribe_topic("all")  # the scheduler would tell us that we have left
            with contextlib.suppress(OSError):
                async with asyncio.timeout(PATIENCE):
                    await client.close(timeout=PATIENCE)

    async def versions_of(self, worker: str) -> dict[str, str | None]:
        """Return a worker's versions; needs nothing of ours there."""
        replies = await self._scheduler.broadcast(
            msg={"op": "versions", "packages": PACKAGES}, workers=[worker], on_error="raise"
        )
        return _packages(replies[worker])

    async def threads(self, worker: str) -> int:
        """Return how many threads a worker has."""
        return int((await self._scheduler.ncores(workers=[worker]))[worker])

    async def run(self, worker: str, function: Callable[..., Any], *arguments: object) -> Any:
        """Run a function on a worker, on its loop."""
        assert self._client is not None
        return (await self._client.run(function, *arguments, workers=[worker]))[worker]

    def submit(
        self, workers: Sequence[str], key: str, question: bytes, retries: int = 0
    ) -> Future[tuple[Outcome, Sealed]]:
        """Put a question to one of some workers, as Dask chooses, and to no other."""
        assert self._client is not None
        return self._client.submit(
            answer_here,
            key,
            Sealed(question),
            key=f"question-{uuid4().hex}",
            pure=False,
            retries=retries,
            workers=list(workers),
            allow_other_workers=False,
        )

    @property
    def _scheduler(self) -> Any:
        assert self._client is not None
        return self._client.scheduler

    def _event(self, event: tuple[float, Any]) -> None:
        match event[1]:
            case {"action": "add-worker", "worker": str(address)}:
                self._joined(address)
            case {"action": "remove-worker", "worker": str(address)}:
                self._left(address)

    async def _until_lost(self, line: Any) -> None:
        """Read on a line of our own, on which the scheduler says nothing as long as it lives."""
        try:
            await line.read()
        except OSError:
            self.lost.set()
        finally:
            line.abort()


def _packages(versions: dict[str, Any]) -> dict[str, str | None]:
    return dict(versions["packages"])

"""``Workers``: processes that have a model. Each question is put to one of them, and again when that one dies.

It lives in the server's loop and holds nothing of a question but until its answer is there. All waiting is by the loop's
clock, which no change of the time on the wall moves.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from lesionviz.errors import LesionvizError
from lesionviz.machine import has
from lesionviz.wire import pack
from lesionviz.workers.certificates import Certificates
from lesionviz.workers.link import Link
from lesionviz.workers.local import LocalCluster
from lesionviz.workers.seats import Bell, Place, Seats
from lesionviz.workers.versions import ON_SCHEDULER, ON_WORKER, misfit, own_versions
from lesionviz.workers.worker_side import MODEL, Outcome, Sealed, holds, take

TRIES = 3
"""How often a question is asked in all, when workers or schedulers die over it."""
PATIENCE = 120
"""Seconds that a worker gets to answer; one that does not is ended and started again."""
PAUSE = 1.0
"""Seconds at most until a question that a worker did not take is asked again; it may be known as lost before."""
WAIT = 120
"""Seconds that a question waits for a free worker, and the start for all of them."""
LONGEST_PAUSE = 30
"""Seconds at most between two looks for a cluster that is gone."""
NOT_BACK = "The cluster is not back yet; looking for it goes on."


def said(outcome: tuple[Outcome, bytes] | None) -> bytes | None:
    """Return the answer that a worker gave, or None where there is none, as it died or has lost the model.

    Raises:
        LesionvizError: it refused the question, or there is a defect.
    """
    match outcome:
        case "answer", answer:
            return answer
        case "refusal", words:
            raise LesionvizError(words.decode())
        case "defect", where:
            raise LesionvizError(
                f"The model could not answer: a defect of lesionviz ({where.decode()}). Try another picture, and report "
                "this."
            )
    return None


class Workers:
    """Processes that answer questions with one model.

    Args:
        model: the bytes of its checkpoint.
        address: of a scheduler that runs already, ``tls://host:8786``; by default one is started here, with workers.
        workers: how many to start; by default as many as memory and cores allow.
        threads: how many questions each of those answers at once.
        certificates: of the cluster at ``address``; one that is started here gets its own.
        tell: called with a sentence on whatever a person who keeps the server should know.
        log: a folder for all that Dask says in the processes started here; nothing of a question is in it.
        answering: what makes the answering function of the model's bytes; see :mod:`.worker_side`.
        first: the question whose answer :meth:`start` gives; by default the one after the model's facts.
        spread: make what is started here fit for :class:`~lesionviz.workers.spread.Spread`.
        page: give the scheduler that is started here Dask's page, for this machine alone.

    Raises:
        LesionvizError: the extra is not installed, or an argument cannot be used.
    """

    def __init__(
        self,
        model: bytes,
        *,
        address: str | None = None,
        workers: int | None = None,
        threads: int = 1,
        certificates: Certificates | None = None,
        tell: Callable[[str], None] = lambda _sentence: None,
        log: Path | None = None,
        answering: str = MODEL,
        first: bytes = pack({"name": "facts"}),
        spread: bool = False,
        page: bool = False,
    ) -> None:
        if missing := [name for name in ("distributed", "cryptography") if not has(name)]:
            raise LesionvizError(
                f'Workers need {" and ".join(missing)}, missing here. Install: pip install "lesionviz[cluster]"'
            )
        if address is not None and (not address.startswith("tls://") or certificates is None):
            raise LesionvizError(
                f"The cluster {address} needs an address that begins with tls://, and its certificates: three PEM "
                "files, of the authority, our own, and its key."
            )
        if threads < 1 or (workers is not None and workers < 1):
            raise LesionvizError("At least one worker with one thread is needed.")
        self._model, self._answering = model, answering
        self.key = f"{hashlib.sha256(model).hexdigest()} {answering}"
        self._first, self._tell, self._versions = first, tell, own_versions()
        self._address, self._certificates = address, certificates
        self._local = (
            None if address is not None else LocalCluster(workers, threads, log, self._complain, spread, page)
        )
        self._bell = Bell()
        self._seats = Seats(self._bell)
        self._welcomes: dict[str, asyncio.Task[None]] = {}
        self._complaints: list[str] = []
        self._link: Link | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def address(self) -> str | None:
        """Where the scheduler listens; None before :meth:`start`."""
        return None if self._link is None else self._link.address

    @property
    def page(self) -> str:
        """The address of Dask's page, where one was asked for."""
        return self._local.page if self._local is not None else ""

    @property
    def certificates(self) -> Certificates | None:
        """What lets a client or a worker join: whoever can read these files may ask the workers anything."""
        return self._certificates

    @property
    def threads(self) -> int:
        """How many questions are worked on at once, as things stand; at least one."""
        return max(1, self._seats.threads)

    @property
    def places(self) -> list[Place]:
        """Who has the model, as things stand."""
        return list(self._seats)

    async def changed(self) -> None:
        """Wait until a worker comes or goes."""
        await self._bell.next()

    async def start(self) -> bytes:
        """Start or join the cluster; when this returns, every worker has the model.

        Returns:
            The model's facts.

        Raises:
            LesionvizError: there is no cluster, no worker that fits, or the model cannot be loaded.
        """
        try:
            link, expected = await self._connect()
            await self._until_ready(link, expected)
        except BaseException:
            await self.close()
            raise
        self._keeper = asyncio.create_task(self._keep(link))
        return await self.ask(self._first)

    async def ask(self, question: bytes) -> bytes:
        """Return the answer to a question; when a worker or the scheduler dies over it, it is asked again.

        Raises:
            LesionvizError: the question is refused, or nobody could answer it.
        """
        for _ in range(TRIES):
            place = await self._free_place()
            try:
                outcome = await self._put(place, question)
            finally:
                self._seats.give(place)
            if (answer := said(outcome)) is not None:
                return answer
            if outcome is not None:
                self.welcome_again(place)
            else:  # a connection that is just breaking is not yet known as lost, and its place would be taken again at once
                await asyncio.wait({place.gone}, timeout=PAUSE)
        raise LesionvizError(
            "The computation was cut short three times over this question. Try another picture; if that goes wrong, "
            "too, tell whoever keeps this server."
        )

    def welcome_again(self, place: Place) -> None:
        """Give a worker the model anew: others have asked it about so many models that ours is gone."""
        self._left(place.address)
        self._joined(place.link, place.address)

    async def close(self) -> None:
        """End what was started here, and nothing else; questions that wait are refused."""
        self._closed = True
        self._seats.close()
        while self._keeper is not None and not self._keeper.done():
            self._keeper.cancel()  # again, since Dask may take it for a connection that broke
            await asyncio.wait({self._keeper}, timeout=1)
        self._disperse()
        if self._link is not None:
            await self._link.close()
        if self._local is not None:
            await self._local.stop()

    async def _put(self, place: Place, question: bytes) -> tuple[Outcome, bytes] | None:
        """Put a question to one worker; return None when no answer will come from there."""
        try:
            future = place.link.submit([place.address], self.key, question)
        except Exception:  # noqa: BLE001 - Dask has many for a connection that is just breaking
            return None
        answer = asyncio.ensure_future(future.result())
        try:
            done, _ = await asyncio.wait({answer, place.gone}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if answer in done and not answer.cancelled() and answer.exception() is None:
                outcome, sealed = answer.result()
                return outcome, sealed.content
            if not done and self._local is not None:
                self._local.kill(place.address)
            return None
        finally:
            answer.cancel()
            future.release()  # wanted by nobody else: the scheduler and the worker forget it, done or not

    async def _free_place(self) -> Place:
        try:
            async with asyncio.timeout(WAIT):
                return await self._seats.take()
        except TimeoutError:
            raise LesionvizError("No worker is free to answer. Try again in a minute.") from None

    async def _connect(self) -> tuple[Link, int]:
        """Start or find a cluster; return the connection, and how many workers to wait for."""
        address = self._address
        if self._local is not None:
            address, self._certificates = await self._local.start()
        assert address is not None
        assert self._certificates is not None
        link = self._link = Link(address, self._certificates, lambda one: self._joined(link, one), self._left)
        there = await link.open()
        if wrong := misfit(f"The scheduler at {address}", link.versions, self._versions, ON_SCHEDULER):
            raise LesionvizError(wrong)
        for one in there:
            self._joined(link, one)
        return link, self._local.workers if self._local is not None else max(1, len(there))

    async def _until_ready(self, link: Link, expected: int) -> None:
        """Wait until so many workers have the model; on other machines those that do not fit are left out."""
        bearable = 0 if self._local is not None else expected - 1
        try:
            async with asyncio.timeout(WAIT):
                while len(self._seats) < expected - len(self._complaints):
                    if link.lost.is_set():
                        raise LesionvizError(f"The scheduler at {link.address} has ended while workers were coming.")
                    await self._bell.next()
                if len(self._complaints) > bearable:
                    raise LesionvizError(self._complaints[0])
        except TimeoutError:
            raise LesionvizError(
                f"{len(self._seats)} of {expected} workers of the cluster at {link.address} were ready after "
                f"{WAIT} seconds. Look whether workers run there, and what they say."
            ) from None

    async def _keep(self, link: Link) -> None:
        """Have a scheduler, always: start another, or wait until the cluster is back."""
        while True:
            await link.lost.wait()
            self._disperse()
            await link.close()
            pause, told = 0.0, False
            while True:
                try:
                    if self._local is not None:
                        await self._local.stop()
                    link, _ = await self._connect()
                    break
                except Exception as error:  # noqa: BLE001 - whatever it was, the next try may go well
                    if not told:
                        self._tell(str(error) if isinstance(error, LesionvizError) else NOT_BACK)
                    told, pause = True, min(LONGEST_PAUSE, 2 * pause or 1.0)
                    if self._link is not None:
                        await self._link.close()
                    await asyncio.sleep(pause)

    def _joined(self, link: Link, address: str) -> None:
        if address not in self._welcomes and not self._closed:
            self._welcomes[address] = asyncio.create_task(self._welcome(link, address))

    def _left(self, address: str) -> None:
        if welcome := self._welcomes.pop(address, None):
            welcome.cancel()
        self._seats.lose(address)

    def _disperse(self) -> None:
        for address in list(self._welcomes):
            self._left(address)
        self._bell.ring()

    async def _welcome(self, link: Link, address: str) -> None:
        """Give a worker the model, if it fits, and a place."""
        try:
            if wrong := misfit(
                f"The worker at {address}", await link.versions_of(address), self._versions, ON_WORKER
            ):
                self._complain(wrong)
                return
            if not await link.run(address, holds, self.key):
                model = Sealed(self._model)
                if wrong := await link.run(address, take, self.key, model, self._answering):
                    self._complain(wrong)
                    return
            self._seats.add(Place(address, link, await link.threads(address)))
        except Exception as error:  # noqa: BLE001 - Dask hands on whatever went wrong there
            self._complain(f"The worker at {address} could not take the model ({type(error).__name__}).")
            if self._local is not None:
                self._local.kill(address)
            return
        if self._local is not None:
            self._local.praise(address)

    def _complain(self, sentence: str) -> None:
        """Say that a worker cannot be used; at the start, this is counted."""
        if self._keeper is None:
            self._complaints.append(sentence)
        self._tell(sentence)
        self._bell.ring()

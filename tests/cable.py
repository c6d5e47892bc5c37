"""A cable between a browser and a server that can be cut: of that neither end hears anything, as of a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


class Cable:
    """Carries bytes to a port of this machine and back, until it is cut.

    Args:
        target: the server's port.

    Attributes:
        port: where the browser's end is.
        is_cut: whether it was cut, and neither mended nor replaced.
    """

    def __init__(self, target: int) -> None:
        self.port, self.is_cut, self._target = 0, False, target
        self._loop = asyncio.new_event_loop()
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._there.set()
        self._back.set()
        self._ends: set[asyncio.StreamWriter] = set()

    def cut(self, there: bool = True, back: bool = True) -> None:
        """Carry nothing any more, to the server or back from it; what is sent meanwhile is kept, as both ends keep it."""
        self.is_cut = True
        for carries, ends in ((self._there, there), (self._back, back)):
            if ends:
                self._loop.call_soon_threadsafe(carries.clear)

    def mend(self) -> None:
        """Carry again, first what both ends have kept."""
        self.is_cut = False
        for carries in (self._there, self._back):
            self._loop.call_soon_threadsafe(carries.set)

    def replace(self) -> None:
        """Carry new connections alone: what routers have forgotten stays silent for ever."""
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self.mend()

    def tear(self) -> None:
        """End all connections, so that both ends hear of it; what was not carried is lost. Carry new ones."""
        for end in list(self._ends):
            self._loop.call_soon_threadsafe(end.transport.abort)
        self.replace()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = self._there, self._back
        with suppress(asyncio.CancelledError):  # the cable is taken away
            await there.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._ends |= {writer, far_writer}
            await asyncio.gather(_carry(reader, far_writer, there), _carry(far_reader, writer, back))
            self._ends -= {writer, far_writer}

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _take_away(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def run(self) -> None:
        """Carry until :meth:`end`."""
        self._loop.run_until_complete(self._serve())
        self._loop.run_forever()
        self._loop.run_until_complete(self._take_away())
        self._loop.close()

    def end(self) -> None:
        """Take it away."""
        self._loop.call_soon_threadsafe(self._loop.stop)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, carries: asyncio.Event) -> None:
    try:
        while data := await reader.read(2**16):
            await carries.wait()
            writer.write(data)
            await writer.drain()
        await carries.wait()
    except ConnectionError:
        pass  # either end has closed it
    finally:
        writer.close()


@contextmanager
def cable(target: int) -> Iterator[Cable]:
    """Lay a cable to a port of this machine."""
    laid = Cable(target)
    thread = Thread(target=laid.run, daemon=True)
    thread.start()
    while not laid.port:
        thread.join(0.02)
    yield laid
    laid.end()
    thread.join(10)

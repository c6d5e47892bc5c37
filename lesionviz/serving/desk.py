"""``Desk``: where the kernels of a class ask their server: about pictures, and for what the class's quiz needs.

It listens on a socket in a folder that only the person who started the server may open, and knows each kernel by a
secret of its own, so that a question is always of the page that it claims to be of. What a kernel sends is plain data
(:mod:`lesionviz.wire`); the desk looks at a question's name and passes the rest on unread.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from lesionviz.class_line import KEY, SOCKET
from lesionviz.cluster import LARGEST, REQUESTS, name_of
from lesionviz.errors import LesionvizError
from lesionviz.serving.turns import Engine, Turns
from lesionviz.wire import pack, unpack

Quiz: TypeAlias = "Callable[[str, str, dict[str, Any]], Awaitable[Any]]"
"""Takes a kernel's id, what it wants of the class's quiz, and plain data; returns plain data, or raises LesionvizError."""


async def _no_quiz(_kernel: str, _what: str, _content: dict[str, Any]) -> Any:
    raise LesionvizError("There is no quiz in this class.")


class Desk:
    """The server's end of every kernel's line.

    Args:
        engine: answers questions about pictures.
        size: learners in the class.
        quiz: answers what has to do with the class's quiz.
        meanwhile: runs as long as the desk is open.
        left: hears of each kernel that has ended.
    """

    def __init__(
        self,
        engine: Engine,
        size: int,
        quiz: Quiz = _no_quiz,
        meanwhile: Callable[[Desk], Awaitable[None]] | None = None,
        left: Callable[[str], None] = lambda _kernel: None,
    ) -> None:
        self.quiz, self._meanwhile, self._left = quiz, meanwhile, left
        self._beside: asyncio.Future[None] | None = None
        self.turns = Turns(engine, most=2 * size)
        self._kernels: dict[str, str] = {}  # by secret
        self.facts = b""
        self._folder: Path | None = None
        self._server: HTTPServer | None = None

    async def start(self, facts: bytes) -> None:
        """Listen.

        Args:
            facts: the answer to the question of that name, from the engine.
        """
        self.facts = facts
        self._folder = Path(tempfile.mkdtemp(prefix="lesionviz-desk-"))  # for its owner alone
        self._server = HTTPServer(
            Application(
                [("/ask", _Ask, {"desk": self}), ("/game/([a-z]+)", _Game, {"desk": self})], log_function=_silent
            ),
            max_body_size=LARGEST,
            max_buffer_size=2 * LARGEST,
        )
        self._server.add_socket(bind_unix_socket(str(self._folder / "desk"), mode=0o600))
        if self._meanwhile is not None:
            self._beside = asyncio.ensure_future(self._meanwhile(self))

    async def close(self) -> None:
        """Stop listening."""
        if self._beside is not None:
            self._beside.cancel()
        if self._server is not None:
            self._server.stop()
            await self._server.close_all_connections()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def admit(self, kernel: str) -> dict[str, str]:
        """Return the environment by which a kernel that is about to start finds the desk and is known there."""
        if self._folder is None:
            raise LesionvizError("The desk is not open yet.")
        self.dismiss(kernel)
        secret = secrets.token_urlsafe(32)
        self._kernels[secret] = kernel
        return {SOCKET: str(self._folder / "desk"), KEY: secret}

    def dismiss(self, kernel: str) -> None:
        """Forget a kernel that has ended."""
        self._kernels = {secret: known for secret, known in self._kernels.items() if known != kernel}
        self._left(kernel)

    def kernel_of(self, header: str) -> str | None:
        """Return the kernel that an ``Authorization`` header is of."""
        given = header.removeprefix("Bearer ").encode()
        known = self._kernels.items()
        return next((kernel for secret, kernel in known if secrets.compare_digest(secret.encode(), given)), None)


class _Handler(RequestHandler):
    """What all have in common: only kernels are heard."""

    desk: Desk
    kernel: str

    def initialize(self, desk: Desk) -> None:
        self.desk = desk

    def prepare(self) -> None:
        kernel = self.desk.kernel_of(self.request.headers.get("Authorization", ""))
        if kernel is None:
            self.send_error(403)
        else:
            self.kernel = kernel

    def write_error(self, status_code: int, **_more: Any) -> None:
        self.finish()


class _Ask(_Handler):
    """A question about a picture: says ``place N`` while it waits, then ``answer LENGTH`` and the answer's bytes."""

    _task: asyncio.Task[bytes] | None = None

    async def post(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._answer(self.request.body))
        try:
            answer = await self._task
        except asyncio.CancelledError:
            return  # the kernel has let go
        except LesionvizError as error:
            answer = pack({"error": str(error)})
        try:
            self.write(f"answer {len(answer)}\n")
            self.write(answer)
            await self.finish()
        except StreamClosedError:
            return  # it has let go just now

    async def _answer(self, question: bytes) -> bytes:
        name = name_of(question)
        if name == "facts":
            return self.desk.facts
        return await self.desk.turns.ask(self.kernel, question, REQUESTS[name].urgent, self._place)

    def _place(self, place: int) -> None:
        if self.request.connection is not None and not self.request.connection.stream.closed():  # type: ignore[attr-defined]
            self.write(f"place {place}\n")
            self.flush()

    def on_connection_close(self) -> None:
        if self._task is not None:
            self._task.cancel()


class _Game(_Handler):
    """Something that a page wants of the class's quiz."""

    _task: asyncio.Task[Any] | None = None

    async def post(self, what: str) -> None:
        try:
            content = unpack(self.request.body)
            if not isinstance(content, dict):
                raise LesionvizError("This is nothing that can be asked of a quiz.")
            self._task = asyncio.ensure_future(self.desk.quiz(self.kernel, what, content))
            answer = pack({"ok": await self._task})
        except asyncio.CancelledError:
            return
        except LesionvizError as error:
            answer = pack({"error": str(error)})
        await self.finish(answer)

    def on_connection_close(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _silent(_handler: RequestHandler) -> None:
    """Log no request: what learners do is nobody's business."""

"""``Line``: how a page's process asks its server's desk, in a class.

The desk (:mod:`lesionviz.serving.desk`) listens on a socket in a folder that is this person's alone, and knows every
page by a secret that only the page's process has. Over the line go questions about pictures
(:mod:`lesionviz.cluster`) and what the class's quiz needs.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Any, TypeAlias

from lesionviz.case import Case
from lesionviz.errors import LesionvizError
from lesionviz.wire import pack, unpack

SOCKET, KEY = "LESIONVIZ_DESK", "LESIONVIZ_DESK_KEY"
"""Environment variables that a page's process gets: the path of the socket, and its own secret."""
LARGEST_ANSWER = 64 * 2**20
CONNECT = 10.0
"""Seconds that the desk may take to accept a connection."""
GONE = "The class's server does not answer. Ask your teacher, or reload the page in a minute."

OnPlace: TypeAlias = "Callable[[int], None]"


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that has a path instead of a port."""

    def __init__(self, path: str) -> None:
        super().__init__("desk")
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(CONNECT)
        self.sock.connect(self._path)
        self.sock.settimeout(None)  # an answer takes as long as the line before it; whoever loses patience lets go


class Line:
    """A page's way to the desk.

    Args:
        path: of the desk's socket.
        key: the page's secret.
        on_place: called, in the thread that asks, with the number of questions before this one whenever it changes.
    """

    def __init__(self, path: str, key: str, on_place: OnPlace = lambda _place: None) -> None:
        self._path, self._key, self._on_place = path, key, on_place
        self._lock = Lock()
        self._asking: _Connection | None = None

    @classmethod
    def of_this_kernel(cls, on_place: OnPlace = lambda _place: None) -> Line | None:
        """Return the line of the page that this process serves; None where it is no page of a class."""
        path, key = os.environ.get(SOCKET), os.environ.get(KEY)
        return cls(path, key, on_place) if path and key else None

    def ask(self, question: bytes) -> bytes:
        """Return the answer to a question about a picture; waits for it, one at a time.

        Raises:
            LesionvizError: there is none, or it was let go.
        """
        connection = _Connection(self._path)
        with self._lock:
            self._asking = connection
        try:
            reply = self._send(connection, "POST", "/ask", question)
            while True:
                what, _, number = reply.readline(64).decode("ascii").strip().partition(" ")
                if what == "answer" and 0 <= int(number) <= LARGEST_ANSWER:
                    return _whole(reply, int(number))
                if what != "place":
                    raise LesionvizError(GONE)
                self._on_place(int(number))
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise LesionvizError(GONE) from error
        finally:
            with self._lock:
                self._asking = None
            connection.close()

    def let_go(self) -> None:
        """Stop waiting for the answer that another thread waits for."""
        with self._lock, suppress(OSError):  # it may not be connected yet, or not any more
            if self._asking is not None and self._asking.sock is not None:
                self._asking.sock.shutdown(socket.SHUT_RDWR)

    def call(self, place: str, content: dict[str, Any] | None = None) -> Any:
        """Ask for something of the class's quiz; waits for it.

        Args:
            place: which, such as ``"view"``.
            content: plain data to send along.

        Raises:
            LesionvizError: the desk refused, in this sentence.
            ConnectionError: it is not there.
        """
        connection = _Connection(self._path)
        try:
            reply = self._send(connection, "POST", f"/game/{place}", pack(content or {}))
            answer = unpack(reply.read(LARGEST_ANSWER))
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionError(GONE) from error
        finally:
            connection.close()
        if "error" in answer:
            raise LesionvizError(answer["error"])
        return answer["ok"]

    def _send(self, connection: _Connection, how: str, place: str, body: bytes) -> http.client.HTTPResponse:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/octet-stream"}
        connection.request(how, place, body, headers)
        reply = connection.getresponse()
        if reply.status != 200:
            raise ConnectionError(GONE)
        return reply


class FarDesk:
    """The class's quiz as this page has it: a :class:`lesionviz.game.class_desk.ClassDesk` over its line.

    Args:
        line: the page's.
    """

    def __init__(self, line: Line) -> None:
        self._line = line

    def view(self, seen: int) -> dict[str, Any]:
        """Return what the learner may know once it is another version than ``seen``, or after a while."""
        view: dict[str, Any] = self._line.call("view", {"seen": seen})
        return view

    def join(self, name: str) -> None:
        """Take a seat under a name."""
        self._line.call("join", {"name": name})

    def commit(self, case: int, answer: str, sure: str, quiz: int) -> None:
        """Answer the case on view, of the quiz that ``view`` names."""
        self._line.call("commit", {"case": case, "answer": answer, "sure": sure, "quiz": quiz})

    def picture(self, case: int) -> bytes:
        """Return the picture of the case on view, as JPEG."""
        photo: bytes = self._line.call("picture", {"case": case})
        return photo

    def case(self, case: int) -> Case | None:
        """Return what the model saw in the case on view; None before the reveal, or where it saw nothing."""
        plain = self._line.call("case", {"case": case})
        return None if plain is None else Case.from_plain(plain, f"case {case}", "")


def _whole(reply: http.client.HTTPResponse, size: int) -> bytes:
    data = reply.read(size)
    if len(data) != size:
        raise LesionvizError(GONE)
    return data

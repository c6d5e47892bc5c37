"""A learner without a browser: opens a class's page, hears its kernel, sends pictures, checks what comes of them.

It says to the server what the real page says, the question whether the kernel is still there every two seconds among
it, and notes when things happened. The load test has forty of it in one process; a server cannot tell them from
browsers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders
from tornado.websocket import WebSocketClientConnection, websocket_connect

PROTOCOL = "v1.kernel.websocket.jupyter.org"
ASK = 2.0
"""Seconds between two questions of a page whether its kernel is there."""
BUSY = 503
LAYERS = 9


@dataclass
class Answered:
    """What came of one picture.

    Attributes:
        kind: ``"answered"``, ``"refused"`` or ``"failed"``.
        words: what was said beside it.
        source: the name that the answer bears; None without one.
        seen: SHA-256 of the network's input as the page got it; None without one.
        first: seconds from sending the picture to the answer with its first map.
        all_maps: seconds to the maps of all layers; None where none came.
    """

    kind: str
    words: str
    source: str | None = None
    seen: str | None = None
    first: float = 0.0
    all_maps: float | None = None


@dataclass
class Learner:
    """One learner.

    Args:
        address: of the class, with the token if there is one.
        protocols: that it speaks over the websocket.

    Attributes:
        states: by comm, what the kernel last said of each widget.
        refused: how often the page was told that the class is full.
        files: how many pictures were sent.
    """

    address: str
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    protocols: tuple[str, ...] = (PROTOCOL,)
    refused: int = 0
    files: int = 0
    kernel: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    _session: str = field(default_factory=lambda: uuid4().hex)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _line: WebSocketClientConnection | None = None

    async def open(self) -> float:
        """Open the page; return the seconds from the first request to the first control that can be used."""
        start = time.monotonic()
        page = await self._page()
        found = re.search(r'"kernelId": "([0-9a-f-]{36})"', page.body.decode())
        assert found, f"no kernel in the page: {page.body[-400:].decode()}"
        self.kernel = found[1]
        where = self._url(f"api/kernels/{self.kernel}/channels?session_id={self._session}")
        request = HTTPRequest(where.replace("http", "ws", 1), headers=self._headers(), validate_cert=False)
        self._line = await websocket_connect(request, subprotocols=list(self.protocols), max_message_size=64 * 2**20)
        self._tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._watch())]
        await self._say("comm_open", comm_id=(control := uuid4().hex), target_name="jupyter.widget.control", data={})
        await self._say("comm_msg", comm_id=control, data={"method": "request_states"})
        await self._until(lambda: self._find("sentences") and self._find("longest"))
        return time.monotonic() - start

    async def send(self, name: str, data: bytes, patience: float = 120.0, wait_for_all: bool = True) -> Answered:
        """Choose a picture; return what came of it.

        Args:
            name: of the file.
            data: its bytes.
            patience: seconds to wait at most.
            wait_for_all: wait for the maps of all layers, too.
        """
        picker, status, view = self._find("longest"), self._find("sentences"), self._find("blend")
        request, self.files = uuid4().hex, self.files + 1
        start = time.monotonic()
        announced = {"kind": "file", "id": self.files, "name": name, "size": len(data), "request": request}
        await self._custom(picker, announced)
        await self._custom(picker, {"kind": "piece", "id": self.files, "start": 0}, data)

        def stands() -> bool:
            state = self.states[status]["state"]
            done = state["kind"] in ("answered", "refused", "failed")
            return done and state["request"] == request

        await self._until(stands, patience)
        said = self.states[status]["state"]
        made = Answered(said["kind"], said["words"], first=time.monotonic() - start)
        if said["kind"] != "answered":
            return made
        await self._until(
            lambda: self.states[view]["case"].get("source") == name and self._layers(view) > 0, patience
        )
        made.first = time.monotonic() - start
        case = self.states[view]["case"]
        made.source, made.seen = case["source"], hashlib.sha256(case["input"]).hexdigest()
        if wait_for_all:
            await self._until(lambda: self._layers(view) == LAYERS, patience)
            made.all_maps = time.monotonic() - start
        return made

    async def join_quiz(self, name: str) -> None:
        """Turn to the class's quiz under a name."""
        await self._say("comm_msg", comm_id=self._find("tab"), data={"method": "update", "state": {"tab": "quiz"}})
        await self._until(lambda: self.quiz_page.get("phase") == "join")
        await self._custom(self._find("photo", "page"), {"kind": "join", "learner": name})
        await self._until(lambda: self.quiz_page.get("learner") == name)

    async def sees(self, phase: str, case: int) -> float:
        """Wait until the quiz's page is in a phase of a case; return when, by the monotonic clock."""
        await self._until(lambda: (self.quiz_page.get("phase"), self.quiz_page.get("case")) == (phase, case))
        return time.monotonic()

    async def commit(self, case: int, answer: str) -> float:
        """Answer a case of the quiz; return the seconds until the page shows the answer as given."""
        start = time.monotonic()
        said = {"kind": "commit", "case": case, "answer": answer, "sure": "certain"}
        await self._custom(self._find("photo", "page"), said)
        await self._until(lambda: (self.quiz_page.get("case"), self.quiz_page.get("answer")) == (case, answer))
        return time.monotonic() - start

    @property
    def quiz_page(self) -> dict[str, Any]:
        """What the page of the class's quiz shows; empty before anybody looked at it."""
        page: dict[str, Any] = self.states.get(self._find("photo", "page"), {}).get("page", {})
        return page

    async def leave(self) -> None:
        """Close the page as a browser does: it asks for its kernel's end, and hangs up."""
        await self._fetch(self._url(f"voila/api/shutdown/{self.kernel}"), "POST", b"")
        await self.hang_up()

    async def hang_up(self) -> None:
        """Let go of the kernel without a word."""
        for task in self._tasks:
            task.cancel()
        self._tasks, self.states = [], {}
        if self._line is not None:
            self._line.close()

    async def shout(self, message: bytes | str) -> None:
        """Say something that no page says."""
        assert self._line is not None
        await self._line.write_message(message, binary=isinstance(message, bytes))

    @property
    def hung_up(self) -> bool:
        """Whether the server has ended the connection."""
        return any(task.done() for task in self._tasks)

    async def _page(self) -> HTTPResponse:
        """Get the page, patiently as a page that is told to come again."""
        while True:
            reply = await self._fetch(self.address)
            while reply.code in (302, 303):
                reply = await self._fetch(self._url(reply.headers["Location"]))
            if reply.code != BUSY:
                assert reply.code == 200, f"{reply.code}: {reply.body[:400]!r}"
                return reply
            self.refused += 1
            await asyncio.sleep(float(reply.headers.get("Retry-After", 5)))

    async def _fetch(self, where: str, method: str = "GET", body: bytes | None = None) -> HTTPResponse:
        request = HTTPRequest(
            where,
            method,
            headers=self._headers(),
            body=body,
            follow_redirects=False,
            request_timeout=300,
            connect_timeout=60,
            validate_cert=False,
        )
        reply = await AsyncHTTPClient().fetch(request, raise_error=False)
        for cookie in reply.headers.get_list("Set-Cookie"):
            name, _, rest = cookie.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return reply

    def _headers(self) -> HTTPHeaders:
        headers = HTTPHeaders({"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())})
        parts = urlsplit(self.address)
        headers["Origin"] = f"{parts.scheme}://{parts.netloc}"
        if "_xsrf" in self.cookies:
            headers["X-XSRFToken"] = self.cookies["_xsrf"]
        return headers

    def _url(self, path: str) -> str:
        return urljoin(self.address.partition("?")[0], path)

    def _find(self, *traits: str) -> str:
        """Return the comm of the first widget that has traits of these names; empty where none has."""
        return next((comm for comm, state in self.states.items() if all(name in state for name in traits)), "")

    def _layers(self, view: str) -> int:
        return len(self.states[view]["maps"].get("gradcam", {}).get("layers", ()))

    async def _until(self, holds: Any, patience: float = 300.0) -> None:
        async with asyncio.timeout(patience):
            while not holds():
                self._changed.clear()
                for task in self._tasks:
                    if task.done():
                        raise ConnectionError("the kernel is no longer heard") from task.exception()
                await self._changed.wait()

    async def _custom(self, comm: str, content: dict[str, Any], *buffers: bytes) -> None:
        await self._say("comm_msg", buffers, comm_id=comm, data={"method": "custom", "content": content})

    async def _say(self, kind: str, buffers: tuple[bytes, ...] = (), /, **content: Any) -> None:
        assert self._line is not None
        header = {
            "msg_id": uuid4().hex,
            "msg_type": kind,
            "session": self._session,
            "username": "",
            "version": "5.2",
            "date": "2026-01-01T00:00:00Z",
        }
        metadata = {"version": "1.0.0"} if kind == "comm_open" else {}
        parts = [*(json.dumps(part).encode() for part in (header, {}, metadata, content)), *buffers]
        await self._line.write_message(serialize_msg_to_ws_v1(parts, "shell"), binary=True)

    async def _listen(self) -> None:
        """Take note of what the kernel says of its widgets."""
        assert self._line is not None
        while (raw := await self._line.read_message()) is not None:
            _channel, (header, _parent, _metadata, told, *buffers) = deserialize_msg_from_ws_v1(raw)
            if json.loads(header)["msg_type"] not in ("comm_open", "comm_msg"):
                continue
            content = json.loads(told)
            data = content["data"]
            if data.get("method") == "update_states":
                self._take_all(data, buffers)
            elif "state" in data:
                _put_back(data["state"], data.get("buffer_paths", []), buffers)
                self.states.setdefault(content["comm_id"], {}).update(data["state"])
            self._changed.set()
        self._changed.set()

    def _take_all(self, data: dict[str, Any], buffers: list[bytes]) -> None:
        states = data["states"]
        _put_back(states, data.get("buffer_paths", []), buffers)
        for comm, told in states.items():
            self.states.setdefault(comm, {}).update(told["state"])

    async def _watch(self) -> None:
        """Ask as a page does whether the kernel is still there."""
        while True:
            await asyncio.sleep(ASK)
            await self._fetch(self._url(f"api/kernels/{self.kernel}?no_track_activity=1"))


@dataclass
class Teacher(Learner):
    """The teacher without a browser: leads the quiz by what the teacher's page says to the server."""

    async def enter(self) -> None:
        """Sign in."""
        await self._page()

    async def do(self, move: str, **said: object) -> dict[str, Any]:
        """Make a move; return what the page would show then."""
        reply = await self._fetch(self._url(f"teacher/do/{move}"), "POST", json.dumps(said).encode())
        view: dict[str, Any] = json.loads(reply.body)
        assert reply.code == 200, view
        return view


def _put_back(state: Any, paths: list[list[Any]], buffers: list[bytes]) -> None:
    """Put binary parts of a state back to where they were taken out of."""
    for path, buffer in zip(paths, buffers, strict=True):
        inner = state
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = buffer

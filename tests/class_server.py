"""The class server as a process of its own, with a light notebook, and visitors who speak HTTP with it as browsers do.

Run as a program it is the server; it prints what befalls it, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import queue
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import psutil

PROTOCOL = "v1.kernel.websocket.jupyter.org"
LEARNERS, TEACHERS = "token-of-the-learners", "token-of-the-teacher"
NOTEBOOK = """
import ipywidgets
button, label = ipywidgets.Button(description="Press"), ipywidgets.Label("not yet")
button.on_click(lambda _: setattr(label, "value", "was pressed"))
ipywidgets.VBox([button, label])
"""
PATIENCE = 120
"""Seconds that anything may take before a test gives up."""


@dataclass
class Server:
    """A running class server: where it is, and what it says."""

    process: subprocess.Popen[str]
    log: Path
    said: queue.Queue[dict[str, Any]] = field(default_factory=queue.Queue)
    address: str = ""
    routes: list[str] = field(default_factory=list)

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def wait_for(self, event: str, value: object = None) -> Any:
        """Wait until the server says something of an event, and of this value if one is given."""
        while True:
            said = self.said.get(timeout=PATIENCE)
            if event in said and value in (None, said[event]):
                return said[event]

    def kernels(self) -> list[psutil.Process]:
        return [each for each in psutil.Process(self.process.pid).children(recursive=True) if is_kernel(each)]

    def kernel(self, kernel_id: str) -> psutil.Process:
        return next(each for each in self.kernels() if kernel_id in " ".join(each.cmdline()))

    def end(self, by: int = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.process.wait(PATIENCE)


def is_kernel(process: psutil.Process) -> bool:
    return "ipykernel_launcher" in " ".join(process.as_dict(["cmdline"], ad_value=[])["cmdline"] or [])


@contextmanager
def running_class(
    notebook: Path, background: bool = False, listens: bool = True, **options: object
) -> Iterator[Server]:
    """Run the server; in the ``background`` as shells start it there, deaf to Ctrl-C; wait until it ``listens``."""
    log = notebook.parent / "server.log"
    variables = {"PYTHONUNBUFFERED": "1", "A_SECRET_OF_THE_SERVER": "never-in-a-kernel"}
    inherited = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "JUPYTER_PATH"}}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, __file__, str(notebook), json.dumps(options)],
            cwd=notebook.parent,
            env=inherited | variables,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if background else None,
        )
    server = Server(process, log)
    Thread(target=server.listen, daemon=True).start()
    try:
        if listens:
            server.address = server.wait_for("opened")
            server.routes = server.wait_for("routes")
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: str


class Visitor:
    """A browser without a window: keeps its cookies, follows nothing."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host, self.port, self.tls = parts.hostname or "", parts.port or 0, parts.scheme == "https"
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
        if self.tls:
            context = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.host, self.port, context=context, timeout=PATIENCE
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie") or []:
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
            return Answer(answer.status, answer.headers, "" if answer.status == 101 else answer.read().decode())
        finally:
            connection.close()

    def upgrade(self, path: str, **headers: str) -> Answer:
        """Ask for a WebSocket."""
        wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
        wanted["Sec_WebSocket_Protocol"] = PROTOCOL
        return self.ask(path, Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **(wanted | headers))

    def upgraded(self, path: str) -> tuple[int, http.client.HTTPConnection]:
        """Open a WebSocket, and keep it."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        wanted = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Cookie": cookies}
        wanted["Sec-WebSocket-Protocol"] = PROTOCOL
        connection.request("GET", path, headers=wanted | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
        return connection.getresponse().status, connection

    def sign_in(self, token: str = LEARNERS) -> Visitor:
        assert self.ask(f"/?token={token}").status == 303
        return self

    def open(self) -> str:
        """Load the page to its end; return the id of its kernel."""
        answer = self.ask("/")
        assert answer.status == 200, answer.body
        assert answer.body.rstrip().endswith("</html>")
        assert "application/vnd.jupyter.widget-view+json" in answer.body
        return kernel_of(answer.body)

    def leave(self, kernel: str) -> Answer:
        """End a page's kernel, as the page does when it is closed."""
        return self.ask(f"/voila/api/shutdown/{kernel}", "POST", "", X_XSRFToken=self.cookies["_xsrf"])


def kernel_of(page: str) -> str:
    found = re.search(r'"kernelId": "([0-9a-f-]{36})"', page)
    assert found, page[-2000:]
    return found[1]


def _serve(notebook: Path, options: dict[str, Any]) -> None:
    from tornado.web import RequestHandler

    from lesionviz.serving.class_server import Opened, _Class, serve_class

    def say(**what: object) -> None:
        print(json.dumps(what), flush=True)

    class Engine:
        async def start(self) -> bytes:
            say(engine="started")
            await asyncio.sleep(options.get("slow_start", 0))
            return b"facts"

        async def close(self) -> None:
            say(engine="closed")

    class Desk:
        def __init__(self, engine: object, session_of: Callable[[str], str | None]) -> None:
            self.session_of = session_of

        async def start(self, facts: bytes) -> None:
            say(desk=facts.decode())

        def admit(self, kernel_id: str) -> dict[str, str]:
            return {"LESIONVIZ_DESK": "/nowhere", "LESIONVIZ_DESK_KEY": f"key-of-{kernel_id}"}

        def dismiss(self, kernel_id: str) -> None:
            say(dismissed=kernel_id)

        async def close(self) -> None:
            say(desk="closed")

    class Board(RequestHandler):
        def initialize(self, address: Callable[[], str]) -> None:
            self.address = address

        def get(self) -> None:
            self.write(f"the teacher's board for {self.address()}")

        post = get

    def opened(where: Opened) -> None:
        rules = [rule for each in _Class.instance().app.default_router.rules for rule in each.target.rules]
        say(opened=where.learners.partition("?")[0], teacher=where.teacher)
        say(routes=[rule.matcher.regex.pattern for rule in rules])

    known = {name: value for name, value in options.items() if name != "slow_start"}
    for name in ("certfile", "keyfile"):
        known |= {name: Path(known[name])} if name in known else {}
    serve_class(
        opened,
        **({"token": LEARNERS, "teacher_token": TEACHERS, "port": 0} | known),
        notebook=notebook,
        engine_factory=lambda _cluster: Engine(),
        desk_factory=Desk,
        teacher_factory=lambda address: [("/teacher", Board, {"address": address})],
        tell=lambda sentence: print(sentence, file=sys.stderr),
    )


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), json.loads(sys.argv[2]))

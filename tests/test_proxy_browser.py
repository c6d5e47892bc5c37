"""The dashboard behind a proxy, below a path: such as nginx's ``location /lesions/``, or JupyterHub's proxy."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import pytest
from pages import PATIENCE
from playwright.sync_api import Browser, expect
from servers import running_dashboard
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketClientConnection, WebSocketHandler, websocket_connect

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
PATH = "/some/prefix/"
HOP = {"connection", "upgrade", "transfer-encoding", "content-length", "content-encoding", "keep-alive"}
SOCKET = {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol"}


class _Pages(RequestHandler):
    """Hands requests on, as they are or without the path."""

    def initialize(self, target: str) -> None:
        self.target = target

    async def get(self, rest: str) -> None:
        headers = {name: value for name, value in self.request.headers.get_all() if name.lower() not in HOP}
        query = f"?{self.request.query}" if self.request.query else ""
        body = self.request.body if self.request.method == "POST" else None
        reply = await AsyncHTTPClient().fetch(
            HTTPRequest(
                f"{self.target}{rest}{query}",
                method=self.request.method or "GET",
                headers=headers,
                body=body,
                request_timeout=PATIENCE / 1000,
                follow_redirects=False,
                decompress_response=True,
            ),
            raise_error=False,
        )
        self.set_status(reply.code)
        for name, value in reply.headers.get_all():
            if name.lower() not in HOP:
                self.add_header(name, value)
        if reply.body:
            self.write(reply.body)

    post = get


class _Channels(WebSocketHandler):
    """Hands the messages of a kernel on, both ways."""

    behind: WebSocketClientConnection

    def initialize(self, target: str) -> None:
        self.target = target

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None

    async def open(self, rest: str) -> None:  # type: ignore[override]
        headers = {name: value for name, value in self.request.headers.get_all() if name.lower() not in HOP | SOCKET}
        request = HTTPRequest(f"{self.target.replace('http', 'ws', 1)}{rest}?{self.request.query}", headers=headers)
        protocols = [self.selected_subprotocol] if self.selected_subprotocol else None
        self.behind = await websocket_connect(request, subprotocols=protocols, max_message_size=2**27)
        IOLoop.current().add_callback(self._hand_back)

    async def _hand_back(self) -> None:
        while (message := await self.behind.read_message()) is not None:
            await self.write_message(message, binary=isinstance(message, bytes))
        self.close()

    async def on_message(self, message: str | bytes) -> None:  # type: ignore[override]
        await self.behind.write_message(message, binary=isinstance(message, bytes))

    def on_close(self) -> None:
        if hasattr(self, "behind"):
            self.behind.close()


@contextmanager
def proxy(target: str) -> Iterator[str]:
    """Show ``target`` below ``PATH`` at another address, and nothing else; give that address."""
    ready: list[tuple[IOLoop, int]] = []

    def serve() -> None:
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop = IOLoop.current()
        application = Application(
            [
                (rf"{PATH}(api/kernels/[^/]+/channels)", _Channels, {"target": target}),
                (rf"{PATH}(.*)", _Pages, {"target": target}),
            ],
            websocket_max_message_size=2**27,
        )
        sockets = bind_sockets(0, "127.0.0.1")
        server = HTTPServer(application, max_buffer_size=2**27)
        server.add_sockets(sockets)
        port: int = sockets[0].getsockname()[1]
        loop.add_callback(lambda: ready.append((loop, port)))
        loop.start()
        server.stop()

    thread = Thread(target=serve, daemon=True)
    thread.start()
    while not ready:
        thread.join(0.02)
    loop, port = ready[0]
    try:
        yield f"http://127.0.0.1:{port}{PATH}"
    finally:
        loop.add_callback(loop.stop)
        thread.join(30)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard that knows of the path."""
    command, folder = [Path(sys.executable).with_name("lesionviz")], tmp_path_factory.mktemp("behind")
    with running_dashboard(command, folder, "--base-url", PATH.rstrip("/")) as (address, _):
        yield address


@pytest.mark.parametrize("keeps", [True, False], ids=["a proxy that keeps the path", "a proxy that takes it off"])
def test_below_a_path_the_dashboard_opens_and_answers(keeps: bool, browser: Browser, address: str) -> None:
    own = urlsplit(address)
    assert own.path == PATH
    with proxy(address if keeps else f"http://{own.netloc}/") as shown, browser.new_page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.goto(shown)
        expect(page.get_by_text("Model ready")).to_be_visible()
        page.get_by_role("button", name="Try the synthetic melanoma").click()
        expect(page.locator(".lv-status")).to_have_attribute("data-state", "answered")
        expect(page.locator(".lv-explore .lv-answer .lv-source")).to_have_text("synthetic melanoma")
        page.goto("about:blank")
    wires = [url for url in asked if not url.startswith(("data:", "blob:", "about:"))]
    assert any(url.startswith("ws:") for url in wires)
    assert [url for url in wires if not urlsplit(url).path.startswith(PATH)] == []

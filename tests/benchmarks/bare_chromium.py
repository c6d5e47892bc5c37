"""A Chromium that is only asked and told, and not listened to: for timing what travels to and from the kernel.

Playwright has every frame of a WebSocket copied to itself, always. A photograph of 3 MB is then carried twice while the
clock runs, which costs more than all else. This speaks the DevTools protocol with the page alone.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect


class BarePage:
    """One page; made by :func:`bare_page`."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self._connection, self._number = connection, 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol; return its result."""
        self._number += 1
        await self._connection.write_message(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = await self._connection.read_message()
            assert message is not None, "Chromium has gone"
            answer: dict[str, Any] = json.loads(message)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    async def evaluate(self, expression: str) -> Any:
        """Return an expression's value, a promise's once it is kept."""
        result = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression holds."""
        while not await self.evaluate(f"Boolean({expression})"):
            await asyncio.sleep(0.1)

    async def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in an input."""
        found = await self.call("Runtime.evaluate", expression=f"document.querySelector({selector!r})")
        await self.call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])


@asynccontextmanager
async def bare_page(executable: str, flags: list[str], width: int, height: int) -> AsyncIterator[BarePage]:
    """Start a headless Chromium of its own and give its page."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        chromium = subprocess.Popen(
            [executable, *options, f"--window-size={width},{height}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port_file = Path(profile) / "DevToolsActivePort"  # Chromium writes it once it listens
            while not port_file.exists() or not port_file.read_text():
                assert chromium.poll() is None
                await asyncio.sleep(0.1)
            port = port_file.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                tabs = json.load(answer)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            yield BarePage(await websocket_connect(address, max_message_size=2**26))
        finally:
            chromium.terminate()
            chromium.wait(30)

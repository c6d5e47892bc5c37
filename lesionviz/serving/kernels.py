"""Voila's part in a room: starts its kernel in an environment of its own, makes the page of it, and sends that."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated
from tornado.websocket import WebSocketClosedError
from voila.notebook_renderer import NotebookRenderer
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler
from voila.utils import get_page_config

from lesionviz.serving.plain_pages import POLICY, full_page, widget_policy
from lesionviz.serving.rooms import Full, Room, Rooms

SECRETS = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY", re.IGNORECASE)
"""What the server knows by these names no kernel needs to: it opens files of strangers."""
MOST_CONNECTIONS = 8
"""Of one page; it needs one, and two while it comes back over a new one."""
PROTOCOL = "v1.kernel.websocket.jupyter.org"
LEAST_PARTS, MOST_PARTS = 6, 64
"""Numbers before a message of it: where channel, header, parent, metadata, content and buffers begin, and the end."""
AGAIN = 5
"""Seconds after which a page that found no place asks again."""
SCRIPT = re.compile(r"<script\b(?!\s+nonce=)")


class Kernels(AsyncMappingKernelManager):
    """The kernels of all pages.

    Attributes:
        rooms: is told what becomes of them.
        admit: what a kernel's environment has in addition, asked before it starts.
        dismiss: told of each that was admitted once it has ended.
    """

    rooms: Rooms | None = None
    closed = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call]
        self.admit: Callable[[str], Mapping[str, str]] = lambda _kernel: {}
        self.dismiss: Callable[[str], None] = lambda _kernel: None
        self._admitted: set[str] = set()
        self._launching: set[asyncio.Task[str]] = set()

    async def _async_start_kernel(self, *, kernel_id: str | None = None, **options: Any) -> str:
        """Start a kernel; whatever environment is asked for, it gets the server's without secrets, and what admits it."""
        if self.closed:
            raise HTTPError(503, "The server is about to end.")
        kernel_id = kernel_id or self.new_kernel_id()
        self._admitted.add(kernel_id)
        inherited = {name: value for name, value in os.environ.items() if not SECRETS.search(name)}
        options["env"] = inherited | dict(self.admit(kernel_id))
        try:
            return str(await super()._async_start_kernel(kernel_id=kernel_id, **options))
        except BaseException:
            self._gone(kernel_id)
            raise

    start_kernel = _async_start_kernel  # type: ignore[assignment]

    async def launch(self, kernel_id: str, kernel_name: str, path: str) -> Any:
        """Start a kernel, though whoever wants it may go away meanwhile; return its manager."""
        task = asyncio.create_task(self.start_kernel(kernel_id=kernel_id, kernel_name=kernel_name, path=path))
        self._launching.add(task)
        task.add_done_callback(self._launching.discard)
        await asyncio.shield(task)
        return self.get_kernel(kernel_id)

    async def end(self, kernel_id: str) -> None:
        """End a kernel, if there is one by this id."""
        if kernel_id in self:
            await self.shutdown_kernel(kernel_id)  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """End all kernels, and let none start any more."""
        self.closed = True
        await asyncio.gather(*self._launching, return_exceptions=True)
        await self.shutdown_all()

    def remove_kernel(self, kernel_id: str) -> Any:
        """Strike off a kernel that has ended."""
        removed = super().remove_kernel(kernel_id)
        self._gone(kernel_id)
        return removed

    def restart_kernel(self, kernel_id: str, now: bool = False) -> Any:
        """Refuse: a restarted kernel would be empty behind a page that looks alive, and keep another's key."""
        raise HTTPError(404, f"Kernel {kernel_id} is not restarted. Load the page again.")

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End a kernel that nobody uses; one that is kept ready is meant to wait."""
        if self.rooms and self.rooms.session_of(kernel_id) is not None:
            await super().cull_kernel_if_idle(kernel_id)  # type: ignore[no-untyped-call]

    def _gone(self, kernel_id: str) -> None:
        if kernel_id in self._admitted:
            self._admitted.remove(kernel_id)
            self.dismiss(kernel_id)
        if self.rooms:
            self.rooms.ended(kernel_id)


class Furnisher:
    """Makes the page of a room, as Voila does."""

    def __init__(self, app: Any) -> None:
        """Take everything from Voila's application."""
        self._app = app

    async def __call__(self, room: Room) -> None:
        """Make the page; its kernel is started when it is the room's turn."""
        app, settings = self._app, self._app.app.settings
        shared = {"base_url": app.base_url, "settings": settings, "log": app.log}
        page = get_page_config(**shared, voila_configuration=app.voila_configuration)
        renderer = NotebookRenderer(
            voila_configuration=app.voila_configuration,
            traitlet_config=app.config,
            notebook_path=os.path.relpath(app.notebook_path, app.root_dir),
            template_paths=app.template_paths,
            config_manager=app.config_manager,
            contents_manager=app.contents_manager,
            base_url=app.base_url,
            kernel_spec_manager=app.kernel_spec_manager,
            page_config=page,
            mathjax_config=settings.get("mathjax_config"),
            mathjax_url=settings.get("mathjax_url"),
        )
        await renderer.initialize()
        kernel = self._kernel(room, renderer.notebook.metadata.kernelspec.name, renderer.cwd)
        pieces = renderer.generate_content_generator(room.kernel_id, kernel)
        async for piece, _resources in pieces:
            room.add(with_nonce(piece, room.nonce))

    async def _kernel(self, room: Room, name: str, folder: str) -> Any:
        room.head = True
        room.tell()
        await room.turn.wait()
        if room.stage == "over":
            raise asyncio.CancelledError
        return await self._app.kernel_manager.launch(room.kernel_id, name, folder)


class PageHandler(JupyterHandler):
    """Sends the page."""

    rooms: Rooms
    room: Room | None = None

    def initialize(self, rooms: Rooms) -> None:
        """Know the rooms."""
        self.rooms = rooms

    @authenticated
    async def get(self, path: str = "") -> None:
        """Send the page, or say that there is no place."""
        if path:
            raise HTTPError(404)
        user = self.current_user
        room = self.rooms.enter(user.username if user else "")
        if isinstance(room, Full):
            self.set_status(503)
            self.set_header("Retry-After", str(AGAIN))
            self.set_header("Content-Security-Policy", POLICY)
            self.finish(full_page(room.size, room.place, AGAIN))
            return
        self.room = room
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", widget_policy(room.nonce, self.request.host))
        try:
            await self._send(room)
        except StreamClosedError:
            self.rooms.left(room, delivered=False)
        else:
            self.rooms.left(room, delivered=True)

    def on_connection_close(self) -> None:
        """Hear that nobody takes the page any more, though nothing was to be sent just now."""
        super().on_connection_close()
        if self.room is not None and self.room.reader:
            self.rooms.left(self.room, delivered=False)

    async def _send(self, room: Room) -> None:
        said = ""
        async for piece in room.read():
            self.write(piece or "\n")
            words = self._words(room)
            if room.head and words != said and room.stage != "there":
                self.write(f'<script nonce="{room.nonce}">update_loading_text(1, 1, "{words}")</script>\n')
                said = words
            await self.flush()

    def _words(self, room: Room) -> str:
        if room.stage == "over":
            return "lesionviz could not be started for this page. Load it again."
        place = self.rooms.place(room)
        return f"Starting lesionviz … You are number {place} in line." if place else "Starting lesionviz …"


def well_parted(message: object) -> bool:
    """Whether a page's message is one of the protocol's: how many parts, where each begins and where the last ends."""
    if not isinstance(message, bytes) or len(message) < 8:
        return False
    count = int.from_bytes(message[:8], "little")
    if not LEAST_PARTS <= count <= MOST_PARTS or len(message) < 8 * (count + 1):
        return False
    begins = [int.from_bytes(message[8 * at : 8 * (at + 1)], "little") for at in range(1, count + 1)]
    return begins == sorted(begins) and begins[0] == 8 * (count + 1) and begins[-1] == len(message)


class Channels(VoilaKernelWebsocketHandler):  # type: ignore[misc]
    """A kernel's messages on their way to a page.

    When a page comes back over a new connection, the old one, which nobody at the other end has closed, takes messages for
    five seconds more. Voila counts the parts of such a message by the wrong end of a number, up to 2**56, and the server
    answers nobody any more (seen with Voila 0.5.13).
    """

    async def pre_get(self) -> None:
        """Make sure that one page does not take the connections of a whole class."""
        if self._rooms is not None and self._rooms.connections(self.kernel_id) >= MOST_CONNECTIONS:
            raise HTTPError(429)
        asked = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if PROTOCOL not in (word.strip() for word in asked.split(",")):
            raise HTTPError(400)  # in the older one Voila takes a message's first bytes for a number without an end
        await super().pre_get()

    async def open(self, kernel_id: str) -> None:
        """Connect the page."""
        if self._rooms is not None:
            self._rooms.connected(kernel_id, self)
        await super().open(kernel_id)

    def on_close(self) -> None:
        """Hear that the page is gone, or takes another connection."""
        if self._rooms is not None:
            self._rooms.disconnected(self.kernel_id, self)
        super().on_close()

    def write_message(self, message: bytes | dict[str, Any], binary: bool = False) -> Any:
        """Send a message to the page."""
        if self.ws_connection is None:
            raise WebSocketClosedError
        self._used()
        return super().write_message(message, binary)

    def on_message(self, ws_message: Any) -> None:
        """Hand a page's message on; one that lies about its parts would keep the server busy for ever."""
        if not well_parted(ws_message):
            self.close(1003, "no message of a page")
            return
        self._used()
        super().on_message(ws_message)

    def _used(self) -> None:
        if self._rooms is not None:
            self._rooms.used(self.kernel_id)

    @property
    def _rooms(self) -> Rooms | None:
        rooms: Rooms | None = self.kernel_manager.rooms
        return rooms


def with_nonce(html: str, nonce: str) -> str:
    """Let a page's own scripts run. What a kernel has put into the page stands there as JSON, in which no tag is left."""
    return SCRIPT.sub(f'<script nonce="{nonce}"', html)

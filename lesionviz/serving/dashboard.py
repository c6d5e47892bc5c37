"""Starts Voila with the dashboard notebook, configured the same from any working directory.

For one person the server listens on 127.0.0.1 only: whoever can open the page can use the kernel behind it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import isawaitable
from pathlib import Path
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop, PeriodicCallback
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from lesionviz.checkpoint import VARIABLE
from lesionviz.errors import LesionvizError
from lesionviz.machine import ONE_PERSON, cores
from lesionviz.serving.gate import Gate, GatedApplication
from lesionviz.serving.hosts import Hosts
from lesionviz.serving.kernels import Channels, Furnisher, Kernels, PageHandler
from lesionviz.serving.places import LARGEST_PORT, check_path, check_port, give_jupyter_folders
from lesionviz.serving.rooms import Rooms

HERE = Path(__file__).parent
NOTEBOOK = "lesion_explorer.ipynb"
ADDRESS = "127.0.0.1"
LONGEST_SOCKET_FOLDER = 40
"""A socket's whole path may have 107 characters; Voila and Jupyter add about 65 to the folder's."""
SWEEP = 5.0
"""Seconds between two looks for kernels that nobody uses."""


class _CookieIdentity(PasswordIdentityProvider):
    """Hands every visitor the ``_xsrf`` cookie.

    Without it the request with which a closing page ends its kernel is answered with 403, and kernels
    of half a gigabyte each pile up.
    """

    async def get_user(self, handler: JupyterHandler) -> User | None:  # type: ignore[override]
        user = super().get_user(handler)
        if isawaitable(user):
            user = await user
        handler.current_user = user  # the token asks for it
        _ = handler.xsrf_token  # reading it sets the cookie
        return user


class Dashboard(Voila):  # type: ignore[misc]
    """Voila behind a gate, with rooms; it says where it is, and reads no configuration of the working directory.

    Attributes:
        report: called with the port, once the page can be opened.
        gate: decides about every request.
        rooms: makes the rooms once the application and its kernels are there.
        tls: the certificate; without, the page is not encrypted.
        more: further handlers.
    """

    report: Callable[[int], None]
    gate: Gate
    make_rooms: Callable[[Any], Rooms]
    tls: ssl.SSLContext | None = None
    more: Iterable[Any] = ()
    rooms: Rooms
    server_url: str
    _opening: asyncio.Future[None] | None = None

    @property
    def config_file_paths(self) -> list[str]:
        """Return none."""
        return []

    def start(self) -> None:
        """Serve until a signal ends it; no kernel is left then."""
        self._loop = IOLoop.current()
        with hearing_signals(self._stop_soon):
            self._serve()

    def _serve(self) -> None:
        self.connection_dir = tempfile.mkdtemp(prefix="voila_", dir=self.connection_dir_root)
        try:
            if not self._loop.run_sync(self._open):
                return
            settings = self.init_settings()
            self.app = GatedApplication(self.gate, self.tls, **settings)
            self.rooms = self.kernel_manager.rooms = self.make_rooms(self)
            self.app.add_handlers(".*$", self.init_handlers())
            self.listen()
        finally:
            self._loop.run_sync(self._close)

    async def before(self) -> None:
        """Prepare what kernels need; nothing here."""

    async def after(self) -> None:
        """Put away what kernels needed; nothing here."""

    def listen(self) -> None:
        """Listen until stopped; the port is known once the loop runs, when a free one was found."""
        sweep = PeriodicCallback(self.rooms.sweep, 1000 * SWEEP)
        self._loop.add_callback(sweep.start)
        self._loop.add_callback(self.rooms.sweep)  # the first kernels for the pool
        self._loop.add_callback(lambda: self.report(self.port))
        super().listen()

    def stop(self) -> None:
        """Do nothing yet: kernels must end before the folder of their sockets does."""

    async def _close(self) -> None:
        self.log.setLevel(logging.CRITICAL)  # that a kernel is cut short is no error any more
        if hasattr(self, "rooms"):
            await self.rooms.close()
            await self.kernel_manager.close()
        await self.after()
        shutil.rmtree(self.connection_dir, ignore_errors=True)

    async def _open(self) -> bool:
        """Prepare; return False where a signal came in between."""
        self._opening = asyncio.ensure_future(self.before())
        await asyncio.wait([self._opening])
        if self._opening.cancelled():
            return False
        self._opening.result()  # or what it failed with
        return True

    def _stop_soon(self) -> None:
        if self._opening is None or self._opening.done():
            self._loop.add_callback_from_signal(self._loop.stop)
        else:
            self._loop.add_callback_from_signal(self._opening.cancel)

    def init_handlers(self) -> list[Any]:
        """Answer below the path under which the page is known, and below none: some proxies take it off, others do not."""
        handlers = self._own_handlers()
        if self.server_url != "/":
            known, self.server_url = self.server_url, "/"
            handlers += self._own_handlers()
            self.server_url = known
        return handlers

    def _own_handlers(self) -> list[Any]:
        own = {VoilaKernelWebsocketHandler: (Channels,), TornadoVoilaHandler: (PageHandler, {"rooms": self.rooms})}
        base = self.server_url.rstrip("/")
        found = [(base + path, *more) for path, *more in self.more]
        for path, handler, *more in super().init_handlers():
            found.append((path, *own.get(handler, (handler, *more))))
        return found


@contextmanager
def hearing_signals(stop: Callable[[], None]) -> Iterator[None]:
    """End for Ctrl-C and the like, once.

    Shells start what runs in the background with SIGINT ignored, and Python then leaves it so: without this nothing but
    SIGTERM ends such a server. More of them while kernels end would only leave kernels behind.
    """
    stopping = False

    def hear(_signal: int, _frame: object) -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            stop()

    before = {}
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        each = getattr(signal, name, None)
        if each is not None and not (name == "SIGHUP" and signal.getsignal(each) is signal.SIG_IGN):  # nohup
            before[each] = signal.signal(each, hear)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def notebook_path() -> Path:
    """Return the dashboard notebook: in the wheel beside this file, in a checkout in ``dashboards/``."""
    for path in (HERE / NOTEBOOK, HERE.parents[1] / "dashboards" / NOTEBOOK):
        if path.is_file():
            return path
    raise LesionvizError(f"{NOTEBOOK} is missing from this installation. Install lesionviz again.")


def configured(
    notebook: Path,
    *,
    address: str,
    port: int,
    base_url: str,
    dark: bool,
    model: Path | None,
    tell: Callable[[str], None],
) -> Config:
    """Return the configuration that both servers share, and set what kernels and Jupyter read from the environment.

    Raises:
        LesionvizError: the model is missing, or nothing can be written anywhere.
    """
    if model is not None:
        if not model.is_file():
            wrong = f"{model} is a folder" if model.is_dir() else f"There is no file {model}"
            raise LesionvizError(f"{wrong}. Give the path of a best_model.pth.")
        os.environ[VARIABLE] = str(model.resolve())  # kernels inherit it
    arranged = give_jupyter_folders()
    if arranged:
        tell(arranged)
    templates = str(HERE / "share" / "jupyter")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [templates, os.environ.get("JUPYTER_PATH")]))
    config = Config()
    config.Voila.ip = address
    config.Voila.port = port
    config.Voila.base_url = base_url
    # Voila tries five in a row, then others up to twice as far away as it may try; beyond the last port it would fail.
    config.Voila.port_retries = 50 if port + 2 * 51 <= LARGEST_PORT else min(4, LARGEST_PORT - port)
    config.Voila.root_dir = str(notebook.parent)
    config.VoilaConfiguration.multi_kernel_manager_class = Kernels
    config.VoilaConfiguration.template = "lesionviz"
    config.VoilaConfiguration.theme = "dark" if dark else "light"
    # Other JupyterLab extensions of this environment have no business on the page, and slow it down.
    config.VoilaConfiguration.extension_allowlist = [
        "@voila-dashboards/widgets-manager8",
        "@jupyter-widgets/jupyterlab-manager",
        "anywidget",
    ]
    config.VoilaConfiguration.show_tracebacks = False
    config.VoilaConfiguration.file_allowlist = []  # the page needs no file beside the notebook
    if sys.platform == "linux" and len(tempfile.gettempdir()) < LONGEST_SOCKET_FOLDER:
        # Sockets that only this person can open, instead of ports that anyone on this computer can.
        config.KernelManager.transport = "ipc"
    return config


def run(app: Dashboard, notebook: Path) -> None:
    """Serve a notebook until a signal ends it.

    Raises:
        LesionvizError: no port can be used.
    """
    app.initialize([str(notebook)])
    try:
        app.start()
    except SystemExit:
        raise LesionvizError(
            f"Neither port {app.port} nor one near it can be used. Choose another one (--port), or any that is free "
            "(--port 0)."
        ) from None


def serve(
    report: Callable[[str], None],
    *,
    port: int = 8866,
    model: Path | None = None,
    browser: bool = True,
    dark: bool = False,
    base_url: str = "/",
    allow_hosts: Iterable[str] = (),
    tell: Callable[[str], None] = lambda _sentence: None,
) -> None:
    """Serve the dashboard until Ctrl-C.

    Args:
        report: called with the address as soon as the page can be opened.
        port: where to listen, 1 to 65535; the next free one is taken when it is busy. 0 takes any free one.
        model: checkpoint to show; by default the bundled one.
        browser: open the page in a browser; not behind a proxy, whose address only its keeper knows.
        dark: light letters on a dark page.
        base_url: path under which a proxy shows the page, such as ``/lesions/``.
        allow_hosts: names of computers, besides this one's own, that may stand in the address of the page: a proxy's.
        tell: called with a sentence for whatever had to be arranged in another way than usual.

    Raises:
        LesionvizError: the model is missing, there is no such port, none that is free, ``base_url`` is no path, or a
            host no name.
    """
    port, base_url, hosts, notebook = check_port(port), check_path(base_url), Hosts(allow_hosts), notebook_path()
    config = configured(notebook, address=ADDRESS, port=port, base_url=base_url, dark=dark, model=model, tell=tell)
    os.environ[ONE_PERSON] = "1"  # kernels inherit it
    config.Voila.open_browser = browser and base_url == "/"  # the proxy's own address is not known here
    config.Voila.identity_provider_class = _CookieIdentity
    # A kernel whose page is gone ends at once (see above), or after five minutes at the latest.
    config.MappingKernelManager.cull_idle_timeout = 300
    config.MappingKernelManager.cull_interval = 30
    app = Dashboard.instance(config=config, log_level=logging.ERROR)
    app.gate = Gate(hosts, base_url=base_url)
    app.make_rooms = lambda app: Rooms(Furnisher(app), app.kernel_manager.end, pool=1, at_once=cores())
    app.report = lambda taken: report(f"http://{ADDRESS}:{taken}{base_url}")
    run(app, notebook)

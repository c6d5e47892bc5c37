"""Starts Voila with the dashboard notebook, configured the same from any working directory.

The server listens on 127.0.0.1 only: whoever can open the page can use the kernel behind it.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any

from jupyter_server.auth.identity import PasswordIdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClosedError
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from lesionviz.checkpoint import VARIABLE
from lesionviz.errors import LesionvizError
from lesionviz.serving.places import LARGEST_PORT, check_path, check_port, give_jupyter_folders

HERE = Path(__file__).parent
NOTEBOOK = "lesion_explorer.ipynb"
ADDRESS = "127.0.0.1"
LONGEST_SOCKET_FOLDER = 40
"""A socket's whole path may have 107 characters; Voila and Jupyter add about 65 to the folder's."""


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


class _Channels(VoilaKernelWebsocketHandler):  # type: ignore[misc]
    """A kernel's messages on their way to a page.

    When a page comes back over a new connection, the old one, which nobody at the other end has closed, takes messages for
    five seconds more. Voila counts the parts of such a message by the wrong end of a number, up to 2**56, and the server
    answers nobody any more (seen with Voila 0.5.13).
    """

    def write_message(self, message: bytes | dict[str, Any], binary: bool = False) -> Any:
        if self.ws_connection is None:
            raise WebSocketClosedError
        return super().write_message(message, binary)


class _Dashboard(Voila):  # type: ignore[misc]
    """Voila that says where it is in one line, and reads no configuration of the working directory."""

    report: Callable[[str], None]
    server_url: str

    @property
    def config_file_paths(self) -> list[str]:
        return []

    def listen(self) -> None:
        """Listen until stopped; the address is known once the loop runs, when a free port was found."""
        IOLoop.current().add_callback(lambda: self.report(f"http://{ADDRESS}:{self.port}{self.base_url}"))
        super().listen()

    def init_handlers(self) -> list[Any]:
        """Answer below the path under which the page is known, and below none: some proxies take it off, others do not."""
        handlers = self._own_handlers()
        if self.server_url != "/":
            known, self.server_url = self.server_url, "/"
            handlers += self._own_handlers()
            self.server_url = known
        return handlers

    def _own_handlers(self) -> list[Any]:
        return [
            (path, _Channels if handler is VoilaKernelWebsocketHandler else handler, *more)
            for path, handler, *more in super().init_handlers()
        ]


def notebook_path() -> Path:
    """Return the dashboard notebook: in the wheel beside this file, in a checkout in ``dashboards/``."""
    for path in (HERE / NOTEBOOK, HERE.parents[1] / "dashboards" / NOTEBOOK):
        if path.is_file():
            return path
    raise LesionvizError(f"{NOTEBOOK} is missing from this installation. Install lesionviz again.")


def serve(
    report: Callable[[str], None],
    *,
    port: int = 8866,
    model: Path | None = None,
    browser: bool = True,
    dark: bool = False,
    base_url: str = "/",
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
        tell: called with a sentence for whatever had to be arranged in another way than usual.

    Raises:
        LesionvizError: the model is missing, there is no such port, none that is free, or ``base_url`` is no path.
    """
    port, base_url = check_port(port), check_path(base_url)
    if model is not None:
        if not model.is_file():
            raise LesionvizError(f"There is no file {model}. Give the path of a best_model.pth.")
        os.environ[VARIABLE] = str(model.resolve())  # kernels inherit it
    arranged = give_jupyter_folders()
    if arranged:
        tell(arranged)
    templates = str(HERE / "share" / "jupyter")
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [templates, os.environ.get("JUPYTER_PATH")]))
    notebook = notebook_path()
    config = Config()
    config.Voila.ip = ADDRESS
    config.Voila.port = port
    config.Voila.base_url = base_url
    # Voila tries five in a row, then others up to twice as far away as it may try; beyond the last port it would fail.
    config.Voila.port_retries = 50 if port + 2 * 51 <= LARGEST_PORT else min(4, LARGEST_PORT - port)
    config.Voila.open_browser = browser and base_url == "/"  # the proxy's own address is not known here
    config.Voila.identity_provider_class = _CookieIdentity
    config.Voila.root_dir = str(notebook.parent)
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
    # A kernel whose page is gone ends at once (see above), or after five minutes at the latest.
    config.MappingKernelManager.cull_idle_timeout = 300
    config.MappingKernelManager.cull_interval = 30
    app = _Dashboard.instance(config=config, log_level=logging.ERROR)
    app.report = report
    app.initialize([str(notebook)])
    try:
        app.start()
    except SystemExit:
        raise LesionvizError(
            f"Neither port {port} nor one near it can be used. Choose another one (--port), or any that is free (--port 0)."
        ) from None

"""Real servers for the browser tests: the dashboard, Voila on any notebook, JupyterLab. Each ends with its test."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import psutil

import lesionviz

TEMPLATES = Path(lesionviz.__file__).parent / "serving" / "share" / "jupyter"
PATIENCE = 120
"""Seconds that a server gets to come up."""


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook with these code cells."""
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for i, source in enumerate(sources)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return path


@contextmanager
def running_dashboard(
    command: Sequence[str | Path], folder: Path, *options: str, **variables: str
) -> Iterator[tuple[str, int]]:
    """Run ``lesionviz dashboard`` in ``folder``; give its address and process id once it listens."""
    environment = _environment() | variables | {"PYTHONUNBUFFERED": "1"}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*map(str, command), "dashboard", "--no-browser", "--port", "8899", *options],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    patience = Timer(PATIENCE, server.kill)  # a server that never says where it is must not hang the tests
    patience.start()
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        patience.cancel()
        found = re.search(r"http://127\.0\.0\.1:\d+/(\S+/)?", line)
        assert found, f"no address in {line!r}; the log says: {(folder / 'server.log').read_text()}"
        yield found[0], server.pid
    finally:
        patience.cancel()
        _end(server)


@contextmanager
def running_voila(notebook: Path, again: str = "") -> Iterator[tuple[str, int]]:
    """Serve a notebook with Voila, ``again`` at an address that it had before; give its address and process id."""
    port = _port(again)
    options = ["--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", "--show_tracebacks=True"]
    options += ["--template=lesionviz", "--VoilaConfiguration.allow_theme_override=YES"]  # ?theme=dark
    command = [sys.executable, "-m", "voila", str(notebook), *options]
    with _running(command, notebook.parent, port, JUPYTER_PATH=str(TEMPLATES)) as server:
        yield f"http://127.0.0.1:{port}/", server.pid


@contextmanager
def running_lab(notebook: Path, again: str = "") -> Iterator[tuple[str, int]]:
    """Run JupyterLab on a notebook's folder, ``again`` at an address that it had before; give it and the process id."""
    port, token, folder = _port(again), again.partition("token=")[2] or secrets.token_hex(8), notebook.parent
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True, exist_ok=True)
    # It would ask whether to fetch news, over the page.
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false", "checkForUpdates": false}')
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
        "--expose-app-in-browser",
    ]
    with _running([sys.executable, "-m", "jupyterlab", *options], folder, port) as server:
        yield f"http://127.0.0.1:{port}/lab/tree/{notebook.name}?token={token}", server.pid


@contextmanager
def running(kind: str, notebook: Path, again: str = "") -> Iterator[tuple[str, int]]:
    """Serve a notebook with ``"voila"`` or ``"lab"``; give its address and process id."""
    with (running_voila if kind == "voila" else running_lab)(notebook, again) as server:
        yield server


@contextmanager
def _running(command: list[str], folder: Path, port: int, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / "server.log"
    with log.open("w") as file:
        environment = _environment() | {"JUPYTER_CONFIG_DIR": str(folder / "config")} | variables
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
    try:
        for _ in range(10 * PATIENCE):
            assert server.poll() is None, log.read_text()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield server
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(30)


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "JUPYTER_PATH"}}


def _port(again: str) -> int:
    if found := re.search(r":(\d+)/", again):
        return int(found[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@dataclass(frozen=True)
class WholeClass:
    """``lesionviz dashboard --class`` while it runs.

    Attributes:
        learners, teacher: the addresses, each with its token.
        server: the process; its children are kernels, scheduler and workers.
        took: seconds until it was open.
    """

    learners: str
    teacher: str
    server: psutil.Process
    took: float

    def kernels(self) -> list[psutil.Process]:
        """The kernels' processes."""
        return self._children("ipykernel")

    def scheduler(self) -> psutil.Process:
        """The process of the scheduler."""
        (found,) = self._children("lesionviz.workers.process scheduler")
        return found

    def workers(self) -> list[psutil.Process]:
        """The processes of the workers."""
        return self._children("lesionviz.workers.process worker")

    def _children(self, words: str) -> list[psutil.Process]:
        children = self.server.children(recursive=True)
        return [one for one in children if words in " ".join(one.as_dict(["cmdline"], ad_value=[])["cmdline"] or [])]


@contextmanager
def running_whole_class(folder: Path, size: int, *options: str, **variables: str) -> Iterator[WholeClass]:
    """Run ``lesionviz dashboard --class`` in ``folder``, with all that belongs to it, on a port of its own."""
    command = [sys.executable, "-m", "lesionviz", "dashboard", "--class", str(size), "--port", "0", *options]
    environment = _environment() | {"PYTHONUNBUFFERED": "1", "XDG_DATA_HOME": str(folder / "data")} | variables
    start, found = time.monotonic(), dict[str, str]()
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
    patience = Timer(PATIENCE, server.kill)
    patience.start()
    try:
        assert server.stdout is not None
        for line in server.stdout:
            if address := re.match(r"(Learners|Teacher).*?: (http\S+)", line):
                found[address[1]] = address[2]
            if len(found) == 2:
                break
        patience.cancel()
        assert len(found) == 2, f"the class did not open; the log says: {(folder / 'server.log').read_text()}"
        yield WholeClass(found["Learners"], found["Teacher"], psutil.Process(server.pid), time.monotonic() - start)
    finally:
        patience.cancel()
        _end(server)

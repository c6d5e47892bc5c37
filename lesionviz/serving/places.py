"""Folders, ports and paths that the server can really use, on machines that are not as servers like them.

In containers and classrooms the home folder may be read-only, or not exist at all. Jupyter then starts, says that it is
ready, and answers every page with an error.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import tempfile
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

from lesionviz.errors import LesionvizError
from lesionviz.machine import writable

LARGEST_PORT = 65535


def give_jupyter_folders() -> str:
    """Name temporary folders to Jupyter and to kernels for each that cannot be written to.

    Returns:
        A sentence about it, or nothing when all can be used.

    Raises:
        LesionvizError: not even temporary files can be made.
    """
    ipython = Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython")
    places = {
        "JUPYTER_CONFIG_DIR": Path(jupyter_config_dir()),
        "JUPYTER_DATA_DIR": Path(jupyter_data_dir()),
        "JUPYTER_RUNTIME_DIR": Path(jupyter_runtime_dir()),
        "IPYTHONDIR": ipython,
    }
    lost = [name for name, place in places.items() if not writable(place)]
    if not lost:
        return ""
    try:
        folder = Path(tempfile.mkdtemp(prefix="lesionviz-"))
    except OSError as error:
        raise LesionvizError(
            f"Neither your home folder nor {tempfile.gettempdir()} can be written to ({error}). "
            "Name a folder that you may write to in TMPDIR."
        ) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in lost:
        os.environ[name] = str(folder / name.lower())
    return (
        f"{places[lost[0]]} cannot be written to, so Jupyter's files of this session go to {folder} "
        "and are removed when it ends."
    )


def check_port(port: int) -> int:
    """Return a port to listen on; for 0 a free one.

    Raises:
        LesionvizError: there is no such port.
    """
    if not 0 <= port <= LARGEST_PORT:
        raise LesionvizError(
            f"There is no port {port}. Choose one from 1024 to {LARGEST_PORT}, or 0 for any that is free."
        )
    if port:
        return port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found: int = free.getsockname()[1]
        return found


def check_path(path: str) -> str:
    """Return a path for the page's address, with a slash at both ends.

    Raises:
        LesionvizError: it is a whole address, or holds what no path does.
    """
    if not re.fullmatch(r"/?([A-Za-z0-9._~@-]+/)*[A-Za-z0-9._~@-]*", path) or {".", ".."} & set(path.split("/")):
        raise LesionvizError(
            f"{path} cannot be the path of a page. Give what follows the name of the proxy's computer in the "
            "address, such as /lesions/."
        )
    inner = path.strip("/")
    return f"/{inner}/" if inner else "/"

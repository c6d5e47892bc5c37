"""Starts and ends the real dashboard server for tests."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer


@contextmanager
def running_dashboard(command: Sequence[str | Path], folder: Path, **variables: str) -> Iterator[tuple[str, int]]:
    """Run ``lesionviz dashboard`` in ``folder``; give its address and process id once it listens."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "JUPYTER_PATH"}} | variables
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [*map(str, command), "dashboard", "--no-browser", "--port", "8899"],
            cwd=folder,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    patience = Timer(120, server.kill)  # a server that never says where it is must not hang the tests
    patience.start()
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        patience.cancel()
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        assert found, f"no address in {line!r}; the log says: {(folder / 'server.log').read_text()}"
        yield found[0], server.pid
    finally:
        patience.cancel()
        server.terminate()
        server.wait(30)

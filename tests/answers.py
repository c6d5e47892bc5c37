"""Answering functions for workers under test, light ones in place of the model.

Children find this module by ``PYTHONPATH``.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from distributed import metrics

from lesionviz.errors import LesionvizError


def light(model: bytes) -> Callable[[bytes], bytes]:
    """Answer ``word rest``; every answer but an echo is JSON with the worker's process and its model."""
    known = sha256(model).hexdigest()

    def answer(question: bytes) -> bytes:
        word, _, rest = question.partition(b" ")
        if word == b"echo":
            return rest
        if word == b"refuse":
            raise LesionvizError(rest.decode())
        if word == b"fail":
            raise ValueError(rest.decode())
        if word == b"clock":
            return json.dumps([type(time.time).__name__, metrics.time is time.time]).encode()
        folder = Path(rest.decode())
        if word in {b"wait", b"die"}:
            (folder / f"asked-{os.getpid()}-{len(list(folder.iterdir()))}").touch()
        if word == b"die":
            os.kill(os.getpid(), signal.SIGKILL)
        while word == b"wait" and not (folder / "go").exists():
            time.sleep(0.005)
        return json.dumps({"pid": os.getpid(), "model": known}).encode()

    return answer

"""A process of :mod:`~lesionviz.archive.pool`: it computes shards for the one that started it, and ends with it.

``python -m lesionviz.archive.pool_side MODULE:FUNCTION`` takes a run, of which the function makes an engine, and then
shards; it answers each with its part. Whoever started it holds the other end of its standard input: when that closes, it
has ended, however it did.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from lesionviz.archive.engine import Shard
from lesionviz.archive.pool import receive, send
from lesionviz.errors import LesionvizError
from lesionviz.wire import pack, unpack

if TYPE_CHECKING:
    from lesionviz.archive.local import LocalEngine


def serve(questions: IO[bytes], answers: IO[bytes], home: str) -> None:
    """Answer until the other side has ended."""
    module, _, name = home.partition(":")
    with suppress(EOFError, BrokenPipeError):
        try:
            engine: LocalEngine = getattr(importlib.import_module(module), name)(receive(questions))
            while True:
                told = unpack(receive(questions))
                shard = Shard(told["number"], told["first"], tuple(json.loads(told["images"])))
                (part,) = engine.score([shard], lambda _images: None, lambda: False)
                send(answers, pack({"number": part.number, "failed": part.failed, "data": part.data}))
        except LesionvizError as error:
            send(answers, pack({"error": str(error)}))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started it
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints does not get between the answers
    serve(sys.stdin.buffer, answers, sys.argv[1])

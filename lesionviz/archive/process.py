"""A run as a process of its own, ``lesionviz score``, which outlives whoever started it, and is stopped as by Ctrl-C.

What it complains of lies in a file beside the list of runs (:mod:`lesionviz.archive.known`), for whoever looks later.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lesionviz.archive.known import key_of, list_path
from lesionviz.archive.lock import holder, is_locked
from lesionviz.archive.store import LOCK
from lesionviz.errors import PREFIX, LesionvizError

SHARD = 128
"""Images in a part of a run that somebody watches: some seconds, so that what they see moves, and little is lost."""
TAIL = 4000
"""Letters at the end of a log that are read."""
# An idle kernel ignores SIGINT, what it starts inherits that, and Python leaves it so: nobody could stop the run.
_HEARING = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('lesionviz', run_name='__main__', alter_sys=True)"
)


def begin(images: Path, out: Path) -> subprocess.Popen[bytes]:
    """Begin a run over a folder of images.

    Raises:
        LesionvizError: no process can be started.
    """
    return _started([str(images), "--out", str(out), "--shard-size", str(SHARD)], out)


def go_on(out: Path) -> subprocess.Popen[bytes]:
    """Go on with the run in a folder.

    Raises:
        LesionvizError: no process can be started.
    """
    return _started(["--out", str(out), "--resume"], out)


def _started(arguments: Sequence[str], out: Path) -> subprocess.Popen[bytes]:
    log = log_of(out)
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # a notebook's own
    # Whoever ends a kernel ends its group of processes; this one is none of them.
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as words:
            return subprocess.Popen(
                [sys.executable, "-c", _HEARING, "score", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                **apart,
            )
    except OSError as error:
        raise LesionvizError(
            f"The run could not be started ({error}). Check that {log.parent} can be written, or run: lesionviz score."
        ) from error


def stop(out: Path) -> None:
    """Stop the run in a folder as Ctrl-C does; what it has done stays. It ends some seconds later.

    Raises:
        LesionvizError: nobody works on it, or somebody who is no ``lesionviz score`` of this machine.
    """
    import psutil

    number = holder(out / LOCK)
    if number is None or not is_locked(out / LOCK):
        raise LesionvizError(f"Nobody works on {out} any more, so there is nothing to stop.")
    try:
        process = psutil.Process(number)  # which notices when the number goes to another process meanwhile
        ours = _scores(process.cmdline(), Path(process.cwd()), out)
    except (psutil.Error, OSError):  # another person's, or the number is another machine's
        ours = False
    if not ours:
        raise LesionvizError(
            f"The run in {out} is no process that this page may stop (number {number}): it belongs to another program, "
            "person or computer. Stop it where it was started."
        )
    with contextlib.suppress(psutil.NoSuchProcess):  # it has ended by itself
        if sys.platform == "win32":  # where Ctrl-C reaches nobody without a console; a killed run loses no more
            process.terminate()
        else:
            process.send_signal(signal.SIGINT)


def _scores(words: Sequence[str], home: Path, out: Path) -> bool:
    """Return whether a command is ``lesionviz score`` with these results."""
    if "score" not in words or not any("lesionviz" in word for word in words):
        return False
    named = [second for first, second in itertools.pairwise(words) if first == "--out"]
    named += [word.removeprefix("--out=") for word in words if word.startswith("--out=")]
    return any((home / each).resolve() == out.resolve() for each in named)


def log_of(out: Path) -> Path:
    """Return where what a run complains of lies."""
    return list_path().parent / "runs" / f"{key_of(out)}.log"


def complaint(out: Path) -> str:
    """Return what the last session of a run complained of, in a sentence; empty where it did not, or was not ours."""
    log = log_of(out)
    try:
        if (out / LOCK).exists() and (out / LOCK).stat().st_mtime > log.stat().st_mtime:
            return ""  # somebody has worked on it since, who said it elsewhere
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    said = [line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX)]
    said = [line for line in said if not line.startswith("stopped")]  # as it was asked to
    if said:
        return said[-1]
    broken = bool(lines) and not lines[-1].startswith(PREFIX)
    return (
        f"It ended by an error inside lesionviz ({lines[-1][:200]}). The whole of it is in {log}." if broken else ""
    )

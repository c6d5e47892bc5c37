"""One run at a time in a folder: a lock on an open file, which the system lets go of however a process ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lesionviz.errors import LesionvizError

ATTEMPTS = 4

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> None:
        file.seek(2**20)  # behind what is written there, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder for the time of a block.

    Args:
        path: the file that is locked; made where it is missing, and left behind, as it does not count by itself.

    Raises:
        LesionvizError: somebody else holds it, or the folder cannot be written to.
    """
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise LesionvizError(
            f"{path.parent} cannot be written ({error}). Choose a folder you may write to."
        ) from error
    with file:
        if not _taken(file):
            number = holder(path)
            who = "" if number is None else f" (process {number})"
            raise LesionvizError(
                f"Another run writes into {path.parent} at this moment{who}. Wait for its end, or name another folder."
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _taken(file: IO[str]) -> bool:
    """Take the lock if it is free; somebody who only looks whether it is holds it for a moment."""
    for attempt in range(ATTEMPTS):
        try:
            _lock(file)
        except OSError:
            if attempt < ATTEMPTS - 1:
                time.sleep(0.05)
        else:
            return True
    return False


def is_locked(path: Path) -> bool:
    """Return whether somebody holds the lock of a folder; nothing is changed."""
    try:
        with path.open("r+", encoding="utf-8") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def holder(path: Path) -> int | None:
    """Return the number of the process that holds the lock of a folder, or held it last; None where it has not said so."""
    try:
        number = path.read_text(encoding="utf-8")[:20].strip()
    except (OSError, ValueError):
        return None
    return int(number) if number.isascii() and number.isdigit() else None

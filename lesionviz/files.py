"""Writing files so that nothing half-written is ever found under its final name."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lesionviz.errors import LesionvizError

CACHE = "LESIONVIZ_CACHE"
"""Environment variable that names another folder than the user's cache folder."""


def cache_folder() -> Path:
    """Return the folder for what can be made again at any time."""
    from platformdirs import user_cache_path  # the doctor runs where nothing is installed

    return Path(os.environ.get(CACHE) or user_cache_path("lesionviz"))


def data_folder() -> Path:
    """Return the folder for what must outlast this process."""
    from platformdirs import user_data_path

    return user_data_path("lesionviz")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` when the block ends well.

    The rename is atomic, so a reader finds the old file or the new one, and an interrupted block
    leaves only the old one.

    Raises:
        LesionvizError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    except FileExistsError:
        raise LesionvizError(f"{path.parent} is a file. Give a folder for the results.") from None
    except OSError as error:
        raise LesionvizError(f"{path} cannot be written ({error}). Choose a folder you may write to.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes it private; results are for sharing
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

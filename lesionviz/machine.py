"""What this machine and its Python have: packages, folders that can be written to, memory.

Nothing that may be missing or broken is imported to find out.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from lesionviz.errors import LesionvizError

GIB, MIB = 2**30, 2**20
SHARED_MEMORY = Path("/dev/shm")
"""Where processes hand pictures over; not every machine has it."""


ONE_PERSON = "LESIONVIZ_ONE_PERSON"
"""Environment variable of a page's process: set by a server that serves the person alone to whom this machine belongs."""


def is_for_one_person() -> bool:
    """Return whether whoever sees this process's pages may use its machine anyway: not where Voila shows them to all."""
    shown = os.environ.get("SERVER_SOFTWARE", "").startswith("voila") or "VOILA_BASE_URL" in os.environ
    return not shown or bool(os.environ.get(ONE_PERSON))


def check_shared_memory(workers: int, batch: int) -> None:
    """Make sure that processes which decode images have room to hand their batches over.

    Args:
        workers: how many there will be.
        batch: bytes of one batch; each worker keeps two.

    Raises:
        LesionvizError: they have not; a worker would be killed in the middle of the training.
    """
    if workers < 1 or not SHARED_MEMORY.is_dir():
        return
    free, needed = shutil.disk_usage(SHARED_MEMORY).free, 2 * workers * batch
    if needed > free:
        raise LesionvizError(
            f"{workers} workers hand their batches over in {SHARED_MEMORY}, where {free / MIB:,.0f} MiB are free and "
            f"{needed / MIB:,.0f} MiB may be needed. Train with fewer workers (--workers 0 needs none), or give the "
            "container more (docker run --shm-size=2g)."
        )


def cores() -> int:
    """Return how many cores this process may use, which a container or its starter may have limited."""
    from joblib import cpu_count

    return max(1, int(cpu_count()))


def keep_freed_memory() -> None:
    """Have this process keep up to 512 MiB that were freed, for the next batch of a network.

    Otherwise glibc gives large pieces back to the system at once, which clears each page and hands it out anew: that takes
    a seventh of the time of a small network's batch. Other C libraries are left as they are.
    """
    if sys.platform == "linux":
        mmap_threshold, trim_threshold = -3, -1  # mallopt(3)
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            libc = ctypes.CDLL(None)
            libc.mallopt(mmap_threshold, 256 * MIB)
            libc.mallopt(trim_threshold, 512 * MIB)


def give_home() -> str:
    """Name a temporary folder as home where there is none at all: a container may run as a user whom it does not know.

    Returns:
        A sentence about it, or nothing where there is one.

    Raises:
        LesionvizError: not even temporary files can be made.
    """
    try:
        Path.home()
    except RuntimeError:
        try:
            folder = tempfile.mkdtemp(prefix="lesionviz-home-")
        except OSError as error:
            raise LesionvizError(
                f"There is no home folder, and no temporary one can be made ({error}). Name a folder in HOME."
            ) from error
        os.environ["HOME"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return f"There is no home folder, so {folder} is used as one, and removed at the end."
    return ""


def writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, or in the one that it would be made in; tried, and nothing is left."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):
            return True
    except OSError:
        return False


def roomy_memory(needed: int) -> Path | None:
    """Return a folder whose files lie in memory and not on a disk that may be full, or None where none has room.

    Args:
        needed: bytes.
    """
    if os.access(SHARED_MEMORY, os.W_OK) and shutil.disk_usage(SHARED_MEMORY).free > needed:
        return SHARED_MEMORY
    return None


def existing(place: Path) -> Path:
    """Return a place, or the nearest above it that is there."""
    return next((each for each in (place, *place.parents) if each.exists()), place)


def version(package: str) -> str | None:
    """Return the installed version, or None; nothing is imported."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def has(module: str) -> bool:
    """Return whether a module could be imported."""
    return importlib.util.find_spec(module) is not None


def jupyter_paths() -> list[str]:
    """Return the folders in which Jupyter looks; none without Jupyter."""
    if not has("jupyter_core"):
        return []
    from jupyter_core.paths import jupyter_path

    return list(jupyter_path())


def jupyter_runtime() -> Path | None:
    """Return the folder of Jupyter's runtime files; None without Jupyter."""
    if not has("jupyter_core"):
        return None
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir())


def available_memory() -> int | None:
    """Return the bytes that may still be used: of the machine, or of the container where that is less."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
    except (OSError, ValueError):
        found += []
    try:
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text().strip() for name in ("max", "current"))
        found += [int(limit) - int(used)] if limit != "max" else []
    except (OSError, ValueError):
        found += []
    return min(found, default=None)

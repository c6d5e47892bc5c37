"""How the runs over archives that a person has stand, as the page shows them, and what may be begun; no widget in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lesionviz.archive.known import is_path, key_of
from lesionviz.archive.lock import is_locked
from lesionviz.archive.manifest import NAME, Manifest
from lesionviz.archive.process import complaint
from lesionviz.archive.state import Run
from lesionviz.archive.store import LIST, LOCK, PARTS, TABLE
from lesionviz.errors import LesionvizError

WORKING = frozenset({"starting", "listing", "running"})
"""States of a run on which somebody works."""


@dataclass(frozen=True)
class Standing:
    """A run, as the page shows it.

    Attributes:
        key: its name among the known ones.
        folder: where it is.
        state: ``"starting"``, ``"listing"`` (its images), ``"running"``, ``"interrupted"``, ``"finished"``, ``"failed"``
            (before it had begun) or ``"gone"`` (there is none in this folder any more).
        why: what is to be said of that, in a sentence; empty when nothing is.
        done, images, failed, rate: as :class:`~lesionviz.archive.state.Run` has them.
        part: how many images a part has, before whose end nothing is known.
    """

    key: str
    folder: str
    state: str
    why: str = ""
    done: int = 0
    images: int = 0
    failed: int = 0
    rate: float = 0.0
    part: int = 0

    def for_browser(self, stopping: bool = False) -> dict[str, Any]:
        """Return it as ``archive.js`` takes it, with whether it was asked to stop."""
        return {**asdict(self), "stopping": stopping}


def standing(folder: Path, alive: bool) -> Standing:
    """Look at a run.

    Args:
        folder: where it is.
        alive: whether a process that was started for it is still there.
    """
    key, place = key_of(folder), str(folder)
    try:
        if not (folder / NAME).is_file():
            if is_locked(folder / LOCK):
                return Standing(key, place, "listing")
            if alive:
                return Standing(key, place, "starting")
            why = complaint(folder)
            return Standing(key, place, "failed" if why else "gone", why)
        run = Run.read(folder)
    except (LesionvizError, OSError) as error:
        return Standing(key, place, "gone", str(error))
    state = "finished" if run.finished else "running" if run.running or alive else "interrupted"
    why = complaint(folder) if state == "interrupted" else ""
    rate = run.rate if state == "running" else 0.0
    return Standing(key, place, state, why, run.done, run.manifest.images, run.failed, rate, run.manifest.shard)


def checked(images: object, out: object) -> tuple[Path, Path]:
    """Return the folder of images and that for results which a page names, if a run may be begun with them.

    Raises:
        LesionvizError: it may not.
    """
    source, target = _absolute(images, "images"), _absolute(out, "results")
    if not source.is_dir():
        raise LesionvizError(f"There is no folder {source}. Check the path and its spelling.")
    if not target.parent.is_dir():
        raise LesionvizError(
            f"There is no folder {target.parent} in which {target.name} could be made. Make it first."
        )
    if target.exists() and not target.is_dir():
        raise LesionvizError(f"{target} is a file. Name a folder for the results.")
    return source, target


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a run; any other that is not empty is refused.

    Raises:
        LesionvizError: it holds something else, or a damaged run.
    """
    if Manifest.load(folder) is not None:
        return True
    try:
        others = (
            sorted(path.name for path in folder.iterdir() if path.name not in {LOCK, LIST}) if folder.exists() else []
        )
    except OSError as error:
        raise LesionvizError(f"{folder} cannot be looked into ({error}). Name another folder.") from error
    if others:
        held = "results of another run" if {TABLE, PARTS} & set(others) else f"other files, such as {others[0]}"
        raise LesionvizError(f"{folder} holds {held}. Name an empty folder for the results, or a new one.")
    return False


def _absolute(text: object, what: str) -> Path:
    if not is_path(text):
        raise LesionvizError(f"Name the folder for the {what}.")
    try:
        path = Path(str(text).strip()).expanduser()
    except RuntimeError:
        raise LesionvizError(
            f"{text} names a home that is not known here. Give the whole path of the folder."
        ) from None
    if not path.is_absolute():
        raise LesionvizError(f"{text} is no whole path. Name the folder for the {what} from the root, or from ~, on.")
    return path

"""``Run``: how far a run is, read from its folder by anybody at any time; nothing is changed, and no torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lesionviz.archive.lock import is_locked
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.store import LOCK, PAGE, PARTS, TABLE, Store, size_of
from lesionviz.errors import LesionvizError


@dataclass(frozen=True)
class Run:
    """How far a run is.

    Attributes:
        folder: where it is.
        manifest: what it is made of.
        done: images whose rows are there.
        failed: of those, how many could not be used; as far as sessions that ended by a kill have told.
        rate: images a second of the last session, 0 where that is not known.
        running: whether somebody works on it at this moment.
        finished: whether the table and the page are there.
    """

    folder: Path
    manifest: Manifest
    done: int
    failed: int
    rate: float
    running: bool
    finished: bool

    @classmethod
    def read(cls, folder: str | Path) -> Run:
        """Look at a run.

        Raises:
            LesionvizError: the folder holds none.
        """
        folder = Path(folder)
        manifest, store = Manifest.load(folder), Store(folder)
        if manifest is None:
            raise LesionvizError(f"{folder} holds no run. Begin one with: lesionviz score PATHS --out {folder}.")
        names = {path.stem for path in (folder / PARTS).glob("[0-9]*.parquet")}
        done = sum(size_of(manifest, int(name)) for name in names if name.isdigit() and int(name) < manifest.shards)
        sessions = store.sessions()
        last = sessions[-1] if sessions else None
        return cls(
            folder,
            manifest,
            done,
            sum(session.failed for session in sessions),
            last.images / last.seconds if last and last.seconds > 0 else 0.0,
            is_locked(folder / LOCK),
            (folder / TABLE).exists() and (folder / PAGE).exists(),
        )

    @property
    def left(self) -> int:
        """How many images have no row yet."""
        return self.manifest.images - self.done

    def sentence(self) -> str:
        """Say how far it is."""
        far = f"{self.done:,} of {self.manifest.images:,} images"
        if self.finished:
            return f"Finished: {far}. The table is {self.folder / TABLE}."
        return f"{'Under way' if self.running else 'Interrupted'}: {far}."

"""The folder of a run: its list of images, its parts, each written whole or not at all, and what each session took.

::

    manifest.json        what the run is made of
    images.parquet       the list; a row group for each shard
    parts/00000.parquet  the rows of a shard
    sessions.json        when somebody worked on it, for how long, and what came of it
    run.lock             held while somebody does
    scores.parquet       the table, when all parts are there
    summary.html         figures about it
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from lesionviz.archive.arrow import arrow
from lesionviz.archive.engine import Shard
from lesionviz.archive.manifest import NAME, Manifest
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing

LIST, PARTS, SESSIONS, LOCK = "images.parquet", "parts", "sessions.json", "run.lock"
TABLE, PAGE = "scores.parquet", "summary.html"
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where there is no more room."""


@dataclass(frozen=True)
class Session:
    """A time during which somebody worked on a run.

    Attributes:
        began: when, in ISO 8601.
        seconds: how long until its last finished part.
        images: of the parts that it finished.
        failed: of them, those that could not be used.
    """

    began: str
    seconds: float
    images: int
    failed: int


class Store:
    """The folder of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / name

    # --- the list ---------------------------------------------------------------------------------------------------
    def write_list(self, images: Sequence[str], shard: int) -> None:
        """Write the list of images."""
        pa, parquet = arrow()
        of = pa.schema([pa.field("image", pa.string())])
        with (
            written(self.path(LIST)) as temporary,
            parquet.ParquetWriter(temporary, of, compression="zstd") as writer,
        ):
            for start in range(0, len(images), shard):
                writer.write_table(
                    pa.Table.from_arrays([pa.array(images[start : start + shard], pa.string())], schema=of)
                )

    def shards(self, manifest: Manifest, without: frozenset[int] = frozenset()) -> Iterator[Shard]:
        """Yield the shards whose numbers are not among ``without``; the list is read one by one.

        Raises:
            LesionvizError: the list is not the manifest's.
        """
        _, parquet = arrow()
        damaged = LesionvizError(f"{self.path(LIST)} is damaged or missing. Begin anew in another folder.")
        try:
            with parquet.ParquetFile(self.path(LIST)) as file:
                if (file.metadata.num_rows, file.num_row_groups) != (manifest.images, manifest.shards):
                    raise damaged
                for number in range(manifest.shards):
                    if number not in without:
                        images = file.read_row_group(number).column("image").to_pylist()
                        yield Shard(number, number * manifest.shard, tuple(images))
        except (OSError, ValueError, KeyError) as error:
            raise damaged from error

    # --- the parts --------------------------------------------------------------------------------------------------
    def part(self, number: int) -> Path:
        """Return the path of a part."""
        return self.folder / PARTS / f"{number:05}.parquet"

    def write_part(self, number: int, data: bytes) -> None:
        """Write a part."""
        with written(self.part(number)) as temporary, temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # so that the name is not on the disk before the rows

    def done(self, manifest: Manifest) -> frozenset[int]:
        """Return the numbers of the parts that are there; one that is damaged does not count."""
        return frozenset(number for number in range(manifest.shards) if self._whole(manifest, number))

    def _whole(self, manifest: Manifest, number: int) -> bool:
        pa, parquet = arrow()
        path = self.part(number)
        if not path.exists():
            return False
        try:
            rows = parquet.read_metadata(path).num_rows
        except (OSError, pa.ArrowException):
            return False
        return bool(rows == size_of(manifest, number))

    def clean(self) -> None:
        """Remove what a killed session was writing."""
        for folder in (self.folder, self.folder / PARTS):
            for ending in ("parquet", "json", "html"):
                for left in folder.glob(f".*.{ending}"):
                    left.unlink(missing_ok=True)

    # --- the sessions -----------------------------------------------------------------------------------------------
    def sessions(self) -> list[Session]:
        """Return the sessions so far; none where nothing can be read, since nothing but the time hangs on them."""
        try:
            return [Session(**each) for each in json.loads(self.path(SESSIONS).read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []

    def write_sessions(self, sessions: Sequence[Session]) -> None:
        """Write the sessions."""
        with written(self.path(SESSIONS)) as temporary:
            temporary.write_text(json.dumps([asdict(each) for each in sessions], indent=1) + "\n", encoding="utf-8")


def size_of(manifest: Manifest, number: int) -> int:
    """Return how many images a shard holds."""
    return min(manifest.shard, manifest.images - number * manifest.shard)


def digest_of(images: Sequence[str]) -> str:
    """Return the SHA-256 of a list of images."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.encode() + b"\n")
    return digest.hexdigest()


def refuse_taken(folder: Path) -> None:
    """Make sure that a folder holds no results of another run.

    Raises:
        LesionvizError: it does.
    """
    taken = [name for name in (NAME, TABLE, PARTS) if (folder / name).exists()]
    if taken:
        raise LesionvizError(f"{folder} holds {', '.join(taken)} of another run already. Name another folder.")


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes ``path`` when the block ends well; say it where the disk has no room.

    Raises:
        LesionvizError: the file cannot be written.
    """
    try:
        with replacing(path) as temporary:
            yield temporary
    except OSError as error:
        if error.errno in FULL:
            why = f"The disk of {path.parent} is full: {path.name} could not be written, and nothing of it is left."
            raise LesionvizError(f"{why} Make room, and go on with --resume.") from error
        raise LesionvizError(
            f"{path} cannot be written ({error}). Check the disk and your rights, and go on with --resume."
        ) from error

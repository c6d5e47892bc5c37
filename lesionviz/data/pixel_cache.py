"""Images decoded once: resized pixels in one memory-mapped file, found again by the content of their files.

A cache folder holds, for each way of resizing, ``pixels.u8`` (records of side × side × 3 bytes, only ever
appended to) and ``index.sqlite`` (which file has which content, which content has which record). A record
counts from the moment its row is committed, so an interrupted build loses at most one batch, the next one
goes on from there, and SQLite's own locks let several processes build the same cache at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image
from tqdm.auto import tqdm

from lesionviz.data.damaged import refuse_damaged, why_unusable
from lesionviz.errors import LesionvizError
from lesionviz.files import CACHE, cache_folder, sha256
from lesionviz.imaging import DECODER, open_image
from lesionviz.preprocessing import RESAMPLING, Preprocessing

BATCH = 64
"""Images between two commits."""
SPARE = 256 * 2**20
"""Bytes of the disk that a build leaves free."""
_TABLES = """
create table if not exists files (path text primary key, bytes integer, modified integer, content text);
create table if not exists records (content text primary key, position integer unique);
"""


@dataclass(frozen=True)
class CachedPixels:
    """The resized pixels of some image files.

    Attributes:
        pixels: read-only memory map (records, side, side, 3), uint8.
        positions: for each file asked for, its record.
    """

    pixels: npt.NDArray[np.uint8]
    positions: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(self.pixels[self.positions[index]])


class PixelCache:
    """The cache of one way of resizing.

    Args:
        preprocessing: how images are cut and resized; the same pixels as its ``resize``, to the bit.
        folder: where caches live; by default ``LESIONVIZ_CACHE`` or the user's cache folder.
    """

    def __init__(self, preprocessing: Preprocessing, folder: Path | None = None) -> None:
        decoded = [RESAMPLING.name, PIL.__version__, DECODER]
        settings = json.dumps([preprocessing.size, preprocessing.geometry, *decoded])
        root = folder or cache_folder()
        name = f"{preprocessing.size}px-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"
        self.folder = root / "pixels" / name
        self.preprocessing = preprocessing
        self._record = preprocessing.size**2 * 3

    def get(self, paths: Sequence[str | Path], progress: bool = True) -> CachedPixels:
        """Return the pixels of image files, decoding those that are not in the cache yet.

        Args:
            paths: image files.
            progress: show a bar where there is something to decode and someone is looking.

        Raises:
            LesionvizError: images cannot be used, all of which the text names, or the disk is full or not writable.
        """
        damaged, positions = self._fill(paths, progress)
        refuse_damaged(damaged, "Copy or export them again.")
        shape = (max(positions, default=-1) + 1, self.preprocessing.size, self.preprocessing.size, 3)
        return CachedPixels(np.memmap(self.folder / "pixels.u8", np.uint8, "r", shape=shape), positions)

    def damaged(self, paths: Sequence[str | Path], progress: bool = True) -> dict[str, str]:
        """Return by path why those image files that cannot be used cannot; the pixels of all others are kept.

        Args:
            paths, progress: as for :meth:`get`.

        Raises:
            LesionvizError: the disk is full or not writable.
        """
        return self._fill(paths, progress)[0]

    def _fill(self, paths: Sequence[str | Path], progress: bool) -> tuple[dict[str, str], tuple[int, ...]]:
        """Decode what is missing; return by path why files cannot be used, and the records of the others, in order."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.folder / "index.sqlite", timeout=120)) as index:
                index.executescript(_TABLES)
                self._forget_lost_records(index)
                contents, damaged = self._contents(index, [Path(path) for path in paths])
                broken = self._build(index, contents, progress)
                found = dict(index.execute("select content, position from records"))
        except (OSError, sqlite3.Error) as error:
            raise LesionvizError(
                f"The pixel cache in {self.folder} cannot be used ({error}). Name another folder in {CACHE}, "
                "or train without it (--no-cache)."
            ) from error
        damaged |= {str(path): broken[content] for path, content in contents if content in broken}
        return damaged, tuple(found[content] for _, content in contents if content not in broken)

    def _forget_lost_records(self, index: sqlite3.Connection) -> None:
        """Drop the rows of records that are no longer in the file, so that they are made again."""
        pixels = self.folder / "pixels.u8"
        whole = pixels.stat().st_size // self._record if pixels.exists() else 0
        with index:
            index.execute("delete from records where position >= ?", (whole,))

    def _contents(
        self, index: sqlite3.Connection, paths: Sequence[Path]
    ) -> tuple[list[tuple[Path, str]], dict[str, str]]:
        """Return each file with the digest of its bytes, and why others have none; unchanged ones are not read again."""
        known = {row[0]: row[1:] for row in index.execute("select path, bytes, modified, content from files")}
        contents, new, damaged = [], [], dict[str, str]()
        for path in paths:
            try:
                name, state = str(path.resolve()), path.stat()
                stamp = (state.st_size, state.st_mtime_ns)
                kept = known.get(name)
                if kept is None or kept[:2] != stamp:
                    kept = (*stamp, sha256(path))
                    new.append((name, *kept))
            except OSError:
                damaged[str(path)] = why_unusable(path) or f"{path.name} could not be read just now."
                continue
            contents.append((path, kept[2]))
        with index:
            index.executemany("insert or replace into files values (?, ?, ?, ?)", new)
        return contents, damaged

    def _build(self, index: sqlite3.Connection, contents: list[tuple[Path, str]], progress: bool) -> dict[str, str]:
        """Decode what is missing, batch by batch; return by content why some of it cannot be."""
        have = {row[0] for row in index.execute("select content from records")}
        missing = {content: path for path, content in contents if content not in have}
        needed = len(missing) * self._record
        free = shutil.disk_usage(self.folder).free
        if needed > free - SPARE:
            raise LesionvizError(
                f"The pixel cache needs {needed / 2**20:,.0f} MiB in {self.folder}, where "
                f"{free / 2**20:,.0f} MiB are free. Name another folder in {CACHE}, or train without it "
                "(--no-cache)."
            )
        todo, broken = list(missing.items()), dict[str, str]()
        with (
            ThreadPoolExecutor() as pool,  # Pillow decodes and resizes outside the interpreter's lock
            tqdm(
                total=len(todo), desc="Decoding images", unit="image", leave=False, disable=None if progress else True
            ) as bar,
        ):
            for start in range(0, len(todo), BATCH):
                batch = todo[start : start + BATCH]
                known = self._known(index, [content for content, _ in batch])  # another process may have been here
                batch = [item for item in batch if item[0] not in known]
                decoded = dict(zip(dict(batch), pool.map(self._decode, dict(batch).values()), strict=True))
                broken |= {content: str(why) for content, why in decoded.items() if isinstance(why, LesionvizError)}
                records = {content: record for content, record in decoded.items() if isinstance(record, bytes)}
                self._append(index, list(records), list(records.values()))
                bar.update(len(batch))
        return broken

    def _decode(self, path: Path) -> bytes | LesionvizError:
        try:
            return self.preprocessing.resize(open_image(path).pixels).tobytes()
        except LesionvizError as error:
            return error

    @staticmethod
    def _known(index: sqlite3.Connection, contents: Sequence[str]) -> set[str]:
        marks = ",".join("?" * len(contents))
        return {row[0] for row in index.execute(f"select content from records where content in ({marks})", contents)}

    def _append(self, index: sqlite3.Connection, contents: Sequence[str], records: Sequence[bytes]) -> None:
        """Write records behind the last committed one, then commit them; one process at a time."""
        with index:
            index.execute("begin immediate")  # before looking for the end of the file
            known = self._known(index, contents)
            (position,) = index.execute("select coalesce(max(position), -1) + 1 from records").fetchone()
            handle = os.open(self.folder / "pixels.u8", os.O_RDWR | os.O_CREAT, 0o666)
            with os.fdopen(handle, "r+b") as file:
                file.seek(position * self._record)
                for content, record in zip(contents, records, strict=True):
                    if content not in known:
                        file.write(record)
                        index.execute("insert into records values (?, ?)", (content, position))
                        position += 1
                file.flush()
                os.fsync(file.fileno())

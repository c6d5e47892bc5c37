"""What computes a run: an engine takes shards and gives back parts, on this machine or on many.

A shard is a fixed list of images, and no batch crosses its rim, so a part depends on its images, the model and the options
alone: whoever computes it, and after whatever interruption, its bytes are the same for one engine.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lesionviz.archive.schema import Row


@dataclass(frozen=True)
class Shard:
    """A fixed list of images.

    Attributes:
        number: its place among the shards, from 0.
        first: the place of its first image in the whole list.
        images: their paths.
    """

    number: int
    first: int
    images: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The rows of a shard, as the bytes of a Parquet file.

    Attributes:
        number: of the shard.
        failed: how many of its images could not be used.
        data: the file.
    """

    number: int
    failed: int
    data: bytes


@dataclass(frozen=True, eq=False)
class Looked:
    """An image that was read and made ready for the network, or could not be.

    Attributes:
        number, image, sha256, error: as a :class:`~lesionviz.archive.schema.Row` has them.
        seen: what the network is given, as the scorer wants it; None where the image cannot be used.
    """

    number: int
    image: str
    sha256: str = ""
    seen: Any = None
    error: str = ""


class Scorer(Protocol):
    """Turns images into rows in two steps, so that an engine can do the first ahead of the second.

    Both may be called by several threads at a time.
    """

    @property
    def at_once(self) -> int | None:
        """How many batches may be in the network at a time; None where each thread may run one."""

    def begin_thread(self) -> None:
        """Make a thread ready for :meth:`rows`."""

    def look(self, number: int, image: str, data: bytes | None = None) -> Looked:
        """Read an image, unless its file's bytes are given, and make it ready; whatever is wrong is kept for its row."""

    def rows(self, looked: Sequence[Looked]) -> list[Row]:
        """Run a batch, and return a row for each of its images."""

    def end(self) -> None:
        """Undo what :meth:`begin_thread` did to others."""

    def part(self, shard: Shard, rows: Sequence[Row]) -> Part:
        """Return the part of a shard whose rows are all there."""


class Engine(Protocol):
    """Computes parts."""

    def score(
        self, shards: Iterable[Shard], tick: Callable[[int], None], stop: Callable[[], bool]
    ) -> Generator[Part, None, None]:
        """Yield the part of each shard, in any order.

        Args:
            shards: taken one after the other as there is room, so that memory is bounded.
            tick: called with a number of images that were looked at, for a bar.
            stop: asked often; when it says yes, nothing new is begun, and what is unfinished is dropped.
        """

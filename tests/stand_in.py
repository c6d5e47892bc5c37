"""A run over an archive without a network: pictures are opened, answers made of their hashes, and it can be held anywhere.

As a program it makes a run in a process of its own, which others may kill, starve of disk or find at work::

    python tests/stand_in.py PATHS OUT [--resume] [--hold POINT:COUNT] [--file-limit BYTES]

It prints ``held`` when it reaches the point where it is to be held, and stays there.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lesionviz.archive.join
import lesionviz.archive.store
from lesionviz.archive.engine import Looked, Part, Shard
from lesionviz.archive.local import LocalEngine
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.run import run
from lesionviz.archive.schema import Row, part_of, schema
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image, read_file
from lesionviz.prediction import Prediction

OPTIONS = {"shard": 8, "batch": 3}


@dataclass
class StandIn:
    """A scorer, and the setup that makes its engine.

    Attributes:
        known: fields of the manifest that it says of itself.
        threads: of the engine.
        looked: places of the images that were looked at.
        on_look: called before each of them.
    """

    known: dict[str, Any] = field(default_factory=dict)
    threads: int = 2
    looked: list[int] = field(default_factory=list)
    on_look: Callable[[int], None] = lambda number: None
    at_once: int | None = None

    def begin_thread(self) -> None:
        pass

    def end(self) -> None:
        pass

    def look(self, number: int, image: str) -> Looked:
        self.on_look(number)
        self.looked.append(number)
        sha256 = ""
        try:
            data = read_file(Path(image), Path(image).name)
            sha256 = hashlib.sha256(data).hexdigest()
            return Looked(number, image, sha256, open_image(data, Path(image).name).pixels.size)
        except LesionvizError as error:
            return Looked(number, image, sha256, error=str(error))

    def rows(self, looked: Sequence[Looked]) -> list[Row]:
        return [
            Row(each.number, each.image, each.sha256, each.seen, error=each.error)
            if each.error
            else Row(each.number, each.image, each.sha256, each.seen, answer_of(each))
            for each in looked
        ]

    def part(self, shard: Shard, rows: Sequence[Row]) -> Part:
        return Part(shard.number, sum(bool(row.error) for row in rows), part_of(rows, schema({})))

    def identity(self, recorded: Manifest | None) -> dict[str, Any]:
        own = {"model_sha256": "5" * 64, "model_path": "", "engine": "stand-in", "precision": "float32", "views": 1}
        return own | self.known

    def engine(self, manifest: Manifest) -> LocalEngine:
        return LocalEngine(self, manifest.batch, self.threads)


def answer_of(looked: Looked) -> Prediction:
    """Return an answer that hangs on the file's bytes alone; every fifth picture is refused, every third gets a warning."""
    weights = [1 + byte for byte in bytes.fromhex(looked.sha256[:8])]
    shares = {code: weight / sum(weights) for code, weight in zip(CODES, weights, strict=True)}
    best, kind = max(CODES, key=shares.__getitem__), int(looked.sha256[8:16], 16)
    refusal = "" if kind % 5 else "the picture is too blurred"
    warning = "" if kind % 3 or refusal else "this may be a diagnosis that the model does not know"
    return Prediction(best, shares[best], shares, Path(looked.image).name, refusal, ("rather dark",), warning, 0.5)


def hold(point: str, count: int) -> StandIn:
    """Return a stand-in that stays for ever at the so-manieth time that a point is reached.

    Args:
        point: ``look`` (an image is read), ``write`` (a part's bytes lie in a temporary file), ``join`` (the table is being
            written), or ``manifest`` (the list is there, nothing says what of).
        count: which time, from 1.
    """
    times = itertools.count(1)

    def reached(*_: object) -> None:
        if next(times) == count:
            print("held", flush=True)
            threading.Event().wait()

    if point == "look":
        return StandIn(on_look=reached)
    home, name = {
        "write": (lesionviz.archive.store.os, "fsync"),
        "join": (lesionviz.archive.join.Counts, "add"),
        "manifest": (Manifest, "save"),
    }[point]
    whole = getattr(home, name)

    def held(*arguments: Any) -> Any:
        reached()
        return whole(*arguments)

    setattr(home, name, held)
    return StandIn()


def main(options: argparse.Namespace) -> int:
    if options.file_limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_limit, options.file_limit))
    point, _, count = options.hold.partition(":")
    stand_in = hold(point, int(count)) if point else StandIn()
    try:
        run(options.paths, options.out, stand_in, OPTIONS, options.resume, progress=False)
    except LesionvizError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--hold", default="")
    parser.add_argument("--file-limit", type=int)
    sys.exit(main(parser.parse_args()))

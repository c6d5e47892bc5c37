"""A run over an archive without a network: pictures are opened, answers made of their hashes, and it can be held anywhere.

As a program it makes a run in a process of its own, which others may kill, starve of disk or find at work::

    python tests/stand_in.py PATHS OUT [--resume] [--hold POINT:COUNT] [--file-limit BYTES]

It prints ``held`` when it reaches the point where it is to be held, and stays there. With ``--workers N`` workers look at
the pictures, and ``--control FOLDER`` sees and holds them as :func:`on_worker` says.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import lesionviz.archive.join
import lesionviz.archive.store
from lesionviz.archive.cluster import ClusterSetup
from lesionviz.archive.engine import Looked, Part, Shard
from lesionviz.archive.local import LocalEngine
from lesionviz.archive.manifest import Manifest, run_bytes
from lesionviz.archive.pool import PoolEngine
from lesionviz.archive.run import run
from lesionviz.archive.schema import Row, part_of, schema
from lesionviz.archive.worker_side import answering, check_versions
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image, read_file
from lesionviz.prediction import Prediction
from lesionviz.wire import unpack

OPTIONS = {"shard": 8, "batch": 3}
HOME = "stand_in:on_worker"
IMAGES = 44


def draw_archive(folder: Path) -> Path:
    """Draw 44 small pictures, 3 of which are broken: empty, cut off, and no picture at all."""
    random = np.random.default_rng(3)
    for number in range(IMAGES):
        path = folder / f"{'deep/' * (number % 2)}{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    (folder / "04.png").write_bytes(b"")
    (folder / "deep/21.png").write_bytes((folder / "deep/21.png").read_bytes()[:900])
    (folder / "30.png").write_text("a page that says: not found")
    return folder


def until(true: Callable[[], object]) -> None:
    """Look until something is true: for what other processes do, which tell nobody."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def files_of(out: Path) -> dict[str, bytes]:
    """Return what must be the same in two runs, and all names that are there besides."""
    found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for timed in ("manifest.json", "sessions.json", "summary.html", "run.lock"):
        found[timed] = b""
    return found


@dataclass
class StandIn:
    """A scorer, and the setup that makes its engine.

    Attributes:
        known: fields of the manifest that it says of itself.
        threads: of the engine.
        control: for workers, see :func:`on_worker`.
        looked: places of the images that were looked at.
        on_look: called before each of them.
    """

    known: dict[str, Any] = field(default_factory=dict)
    threads: int = 2
    control: Path = Path()
    looked: list[int] = field(default_factory=list)
    on_look: Callable[[int], None] = lambda number: None
    at_once: int | None = None

    def begin_thread(self) -> None:
        pass

    def end(self) -> None:
        pass

    def look(self, number: int, image: str, data: bytes | None = None) -> Looked:
        self.on_look(number)
        self.looked.append(number)
        sha256 = ""
        try:
            data = read_file(Path(image), Path(image).name) if data is None else data
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

    def model(self, manifest: Manifest) -> bytes:
        return bytes(self.control)


def on_worker(data: bytes) -> Callable[[bytes], bytes]:
    """Return what answers on a worker, as :func:`~lesionviz.archive.worker_side.with_run` does, seen and held by a folder.

    For each image it is at it leaves a file ``NUMBER-PROCESS`` there, and it stays as long as there is a ``hold-NUMBER``.
    """
    told = unpack(data)
    control, manifest = Path(told["model"].decode()), Manifest(**json.loads(told["manifest"]))
    check_versions(manifest)
    return answering(StandIn(on_look=seen_in(control)), manifest.batch)


def seen_in(control: Path) -> Callable[[int], None]:
    """Return what is called before an image is looked at; see :func:`on_worker`."""

    def seen(number: int) -> None:
        (control / f"{number}-{os.getpid()}").touch()
        while (control / f"hold-{number}").exists():
            time.sleep(0.005)

    return seen


def in_pool(data: bytes) -> LocalEngine:
    """Return the engine of a process of a pool, seen and held by a folder as :func:`on_worker` says."""
    told = unpack(data)
    control, manifest = Path(told["model"].decode()), Manifest(**json.loads(told["manifest"]))
    return LocalEngine(StandIn(on_look=seen_in(control)), manifest.batch, 1)


@dataclass
class InPool(StandIn):
    """A stand-in that has pictures looked at by a pool of two processes."""

    home: str = "stand_in:in_pool"

    def engine(self, manifest: Manifest) -> PoolEngine:  # type: ignore[override]
        return PoolEngine(run_bytes(manifest, self.model(manifest)), 2, self.home)


def with_workers(control: Path, workers: int | None = 1, **options: Any) -> ClusterSetup:
    """Return a setup that has pictures looked at by workers, which must find this module by ``PYTHONPATH``."""
    return ClusterSetup(
        StandIn(control=control), options.pop("cluster", "local"), workers=workers, home=HOME, **options
    )


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
    setup: Any = hold(point, int(count)) if point else StandIn()
    try:
        if options.workers:
            setup = with_workers(options.control, options.workers)
        if options.pool:
            setup = InPool(control=options.control)
        finished = run(options.paths, options.out, setup, OPTIONS, options.resume, progress=False).finished
    except LesionvizError as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if finished else 130


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--hold", default="")
    parser.add_argument("--file-limit", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--pool", action="store_true")
    parser.add_argument("--control", type=Path, default=Path())
    sys.exit(main(parser.parse_args()))

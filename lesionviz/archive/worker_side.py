"""What a worker of a cluster does with a shard: it computes it as this machine would, and says which files it cannot read.

Its answering function is one of :mod:`lesionviz.workers.worker_side`: bytes in, bytes out, so that no log of Dask shows a
file's name. The model comes with the run's manifest.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

from lesionviz.archive.engine import Looked, Part, Scorer, Shard
from lesionviz.archive.local import LocalEngine
from lesionviz.archive.manifest import CUDA, OPENVINO, Manifest, versions
from lesionviz.archive.openvino_network import INSTALL
from lesionviz.archive.setup import LocalSetup, check_gpu
from lesionviz.errors import LesionvizError
from lesionviz.machine import has
from lesionviz.wire import pack, unpack
from lesionviz.workers.worker_side import model_file

HOME = "lesionviz.archive.worker_side:with_run"
"""What makes, from a run's bytes, the function that answers; tests name a lighter one."""


# --- what crosses ---
def question(shard: Shard, files: Mapping[int, bytes | str]) -> bytes:
    """Return the question for a shard's part.

    Args:
        shard: what it is about.
        files: by place in the shard, the bytes of images that workers cannot read; or why nobody can.
    """
    sent = {str(place): file for place, file in files.items()}
    return pack({"number": shard.number, "first": shard.first, "images": _json(shard.images), "files": sent})


def part_or_unread(answer: bytes) -> Part | list[int]:
    """Return what a worker has answered: a part, or the places of images that it cannot read."""
    told = unpack(answer)
    if "unread" in told:
        return [int(place) for place in told["unread"]]
    return Part(told["number"], told["failed"], told["data"])


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


# --- the worker ---
def with_run(data: bytes) -> Callable[[bytes], bytes]:
    """Return what answers the questions of a run.

    Raises:
        LesionvizError: this worker would compute other rows, or the model cannot be loaded.
    """
    engine = engine_of(data)
    return answering(engine.scorer, engine.batch)


def engine_of(data: bytes) -> LocalEngine:
    """Return the engine of a run, on one thread.

    Raises:
        LesionvizError: this worker would compute other rows, or the model cannot be loaded.
    """
    told = unpack(data)
    manifest = Manifest(**json.loads(told["manifest"]))
    check_versions(manifest)
    with model_file(told["model"]) as path:
        return LocalSetup(path, manifest.precision, 1).local_engine(manifest)


def check_versions(manifest: Manifest) -> None:
    """Make sure that this machine decodes and computes as the run does.

    Raises:
        LesionvizError: it lacks the run's engine or its GPU, or another version may give other rows.
    """
    if manifest.engine == OPENVINO and not has(OPENVINO):
        raise LesionvizError(
            f"A worker on {platform.node()} lacks OpenVINO, which computes this run. Install it there with: {INSTALL}, or "
            "begin a run in another folder with the engine torch."
        )
    if manifest.engine == CUDA:
        check_gpu()
    own = versions(manifest.engine)
    wrong = [
        name for name in sorted(own.keys() | manifest.versions.keys()) if own.get(name) != manifest.versions.get(name)
    ]
    if wrong:
        theirs, ours = (
            ", ".join(f"{name} {found.get(name, 'none')}" for name in wrong) for found in (own, manifest.versions)
        )
        raise LesionvizError(
            f"A worker on {platform.node()} has {theirs} and the run has {ours}, so that its rows could differ: install "
            "the same on both."
        )


def answering(scorer: Scorer, batch: int) -> Callable[[bytes], bytes]:
    """Return a function that answers the questions of :func:`question`, and an empty one with nothing."""
    return lambda asked: _answer(scorer, batch, asked) if asked else b""


def _answer(scorer: Scorer, batch: int, asked: bytes) -> bytes:
    told = unpack(asked)
    shard = Shard(told["number"], told["first"], tuple(json.loads(told["images"])))
    files = {int(place): file for place, file in told["files"].items()}
    unread = [place for place, image in enumerate(shard.images) if place not in files and not _is_readable(image)]
    if not unread:
        given = _Given(scorer, shard, files)
        (part,) = LocalEngine(given, batch, 1).score([shard], lambda _images: None, lambda: False)
        if not given.unread:
            return pack({"number": part.number, "failed": part.failed, "data": part.data})
        unread = sorted(given.unread)  # they were there a moment ago
    return pack({"unread": unread})


def _is_readable(image: str) -> bool:
    """Return whether a file is there, and holds something."""
    try:
        with Path(image).open("rb") as file:
            return bool(file.read(1))
    except (OSError, ValueError):
        return False


class _Given:
    """A scorer that has some files from elsewhere, and remembers what it could not read itself."""

    def __init__(self, scorer: Scorer, shard: Shard, files: Mapping[int, bytes | str]) -> None:
        self._scorer, self._shard, self._files = scorer, shard, files
        self.unread: list[int] = []
        self.at_once = scorer.at_once
        self.begin_thread, self.rows, self.end, self.part = (
            scorer.begin_thread,
            scorer.rows,
            scorer.end,
            scorer.part,
        )

    def look(self, number: int, image: str, data: bytes | None = None) -> Looked:
        place = number - self._shard.first
        file = self._files.get(place)
        if isinstance(file, str):
            return Looked(number, image, error=file)
        looked = self._scorer.look(number, image, file)
        if file is None and looked.error and not looked.sha256:
            self.unread.append(place)
        return looked

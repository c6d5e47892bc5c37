"""How the engine of one machine puts its threads to work, and has files read ahead."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from stand_in import StandIn, draw_archive

import lesionviz.archive.local
from lesionviz.archive.engine import Looked, Shard
from lesionviz.archive.local import LocalEngine, read_ahead
from lesionviz.archive.schema import Row

BATCH = 3


class Watched(StandIn):
    """Remembers which thread looked at which image, and which made its row."""

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.looking: dict[int, str] = {}
        self.computing: dict[int, str] = {}

    def look(self, number: int, image: str, data: bytes | None = None) -> Looked:
        self.looking[number] = threading.current_thread().name
        return super().look(number, image, data)

    def rows(self, looked: Sequence[Looked]) -> list[Row]:
        self.computing |= {each.number: threading.current_thread().name for each in looked}
        return super().rows(looked)


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Shard:
    images = sorted(map(str, draw_archive(tmp_path_factory.mktemp("archive")).rglob("*.png")))
    return Shard(0, 0, tuple(images))


def score(scorer: StandIn, shard: Shard, threads: int) -> None:
    assert len(list(LocalEngine(scorer, BATCH, threads).score([shard], lambda _images: None, lambda: False))) == 1


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_on_the_cpu_so_many_threads_do_everything_that_is_done(shard: Shard) -> None:
    for threads in (1, 2):
        watched = Watched()
        score(watched, shard, threads)
        assert watched.looking == watched.computing
        assert watched.looking.keys() == set(range(len(shard.images)))
        assert len(set(watched.looking.values())) <= threads


def test_for_a_gpu_others_decode_while_one_computes(shard: Shard) -> None:
    later = threading.Event()

    def on_look(number: int) -> None:
        if number == 2 * BATCH:
            later.set()

    class Busy(Watched):
        def rows(self, looked: Sequence[Looked]) -> list[Row]:
            assert later.wait(60), "nobody decodes ahead"
            return super().rows(looked)

    busy = Busy(at_once=1, on_look=on_look)
    score(busy, shard, 2)
    assert len(set(busy.computing.values())) == 1
    assert not set(busy.looking.values()) & set(busy.computing.values())


def test_files_are_read_ahead_while_others_are_computed(shard: Shard, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[str] = []
    later = threading.Event()

    def announced(image: str) -> None:
        ahead.append(image)
        if len(ahead) > 2 * BATCH:
            later.set()

    def on_look(number: int) -> None:
        assert later.wait(60), "nothing was read ahead"
        assert shard.images[number] in ahead

    monkeypatch.setattr(lesionviz.archive.local, "read_ahead", announced)
    score(StandIn(on_look=on_look), shard, 1)
    assert ahead == list(shard.images)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are not asked")
def test_the_system_is_asked_for_the_whole_file_and_what_is_none_hurts_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Path, int, int, int]] = []

    def advise(file: int, start: int, length: int, advice: int) -> None:
        asked.append((Path(f"/proc/self/fd/{file}").readlink(), start, length, advice))

    (image := tmp_path / "image.png").write_bytes(b"x")
    os.mkfifo(pipe := tmp_path / "pipe")
    before = open_files()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fadvise", advise)
        read_ahead(str(image))
    assert asked == [(image, 0, 0, os.POSIX_FADV_WILLNEED)]
    for other in (image, pipe, tmp_path, tmp_path / "missing", "nul\0"):
        read_ahead(str(other))
    assert open_files() == before

"""Processes that compute a run over many images: the same bytes as threads, whoever of them ends in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from stand_in import OPTIONS, InPool, StandIn, draw_archive, files_of, until

import lesionviz
from lesionviz.archive.local import LocalEngine
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.pool import PoolEngine
from lesionviz.archive.run import Scored, run
from lesionviz.archive.setup import LocalSetup
from lesionviz.checkpoint import BUNDLED
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError

pytestmark = [pytest.mark.heavy, pytest.mark.once]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def by_threads(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("threads")
    assert run(archive, out, StandIn(), OPTIONS, progress=False).finished
    return out


@pytest.fixture
def control(tmp_path: Path) -> Path:
    (folder := tmp_path / "control").mkdir()
    return folder


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))


@pytest.fixture
def none_left_behind() -> Iterator[None]:
    """This process has, after a test, the children it had before: a browser of another file's tests may be one."""
    before = psutil.Process().children()
    yield
    assert psutil.Process().children() == before


def go(archive: Path, out: Path, setup: StandIn, resume: bool = False) -> Scored:
    return run(archive, out, setup, OPTIONS, resume, progress=False)


def looked_at(control: Path) -> list[tuple[int, int]]:
    """Return who looked at which image: number and process."""
    names = (path.name.split("-") for path in control.glob("[0-9]*-*"))
    return [(int(number), int(process)) for number, process in names]


def works(process: int) -> bool:
    """Return whether a process is there that has not ended; nobody may take notice of one whose parent was killed."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def held(archive: Path, out: Path, control: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a process of its own, whose pool has come to an image and stays there; in the end the pool has ended."""
    (hold := control / "hold-30").touch()
    script = str(Path(__file__).with_name("stand_in.py"))
    command = [sys.executable, script, str(archive), str(out), "--pool", "--control", str(control)]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            until(lambda: 30 in dict(looked_at(control)))
            yield process
        finally:
            process.kill()
    hold.unlink()
    until(lambda: not any(works(each) for _, each in looked_at(control)))


@pytest.mark.usefixtures("none_left_behind")
def test_processes_give_the_bytes_that_threads_give_and_leave_none_behind(
    archive: Path, by_threads: Path, control: Path, tmp_path: Path
) -> None:
    assert go(archive, tmp_path / "out", InPool(control=control)).finished
    assert files_of(tmp_path / "out") == files_of(by_threads)
    seen = looked_at(control)
    assert len(seen) == len({number for number, _ in seen}) == 44
    processes = {process for _, process in seen}
    assert len(processes) == 2
    assert not any(map(works, processes))


def test_a_killed_process_is_replaced_and_what_it_was_at_is_computed_again(
    archive: Path, by_threads: Path, control: Path, tmp_path: Path
) -> None:
    (hold := control / "hold-20").touch()

    def kill() -> None:
        until(lambda: 20 in dict(looked_at(control)))
        os.kill(dict(looked_at(control))[20], signal.SIGKILL)
        hold.unlink()

    killer = threading.Thread(target=kill)
    killer.start()
    assert go(archive, tmp_path / "out", InPool(control=control)).finished
    killer.join()
    assert files_of(tmp_path / "out") == files_of(by_threads)
    assert len([number for number, _ in looked_at(control) if number == 20]) == 2


def test_a_shard_over_which_processes_end_again_and_again_ends_the_run_which_goes_on_later(
    archive: Path, by_threads: Path, tmp_path: Path
) -> None:
    with pytest.raises(LesionvizError, match=r"were ended 3 times.* go on with --resume, and with fewer of them"):
        go(archive, tmp_path, InPool(home="os:abort"))
    assert go(archive, tmp_path, StandIn(), resume=True).finished
    assert files_of(tmp_path) == files_of(by_threads)


@pytest.mark.usefixtures("none_left_behind")
def test_what_a_process_cannot_compute_is_said_once_and_in_its_words(archive: Path, tmp_path: Path) -> None:
    wrong = InPool(home="lesionviz.archive.worker_side:engine_of", control=Path("no model"))
    with pytest.raises(LesionvizError, match="is damaged or is not a model file"):
        go(archive, tmp_path, wrong)


def test_ctrl_c_ends_the_processes_at_once_and_the_run_goes_on_from_there(
    archive: Path, by_threads: Path, control: Path, tmp_path: Path
) -> None:
    with held(archive, tmp_path / "out", control) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(60) == 130
    assert go(archive, tmp_path / "out", StandIn(), resume=True).finished
    assert files_of(tmp_path / "out") == files_of(by_threads)


def test_processes_end_with_a_run_that_was_killed(
    archive: Path, by_threads: Path, control: Path, tmp_path: Path
) -> None:
    with held(archive, tmp_path / "out", control) as process:
        process.kill()
    assert go(archive, tmp_path / "out", InPool(control=control), resume=True).finished
    assert files_of(tmp_path / "out") == files_of(by_threads)


def test_processes_are_for_many_images_on_a_processor_with_room_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    how: dict[str, Any] = {"images_sha256": "", "shard": 512, "batch": 8, "embeddings": False, "maps": False}

    def engine(images: int, threads: int | None = None, cores: int = 16, memory: int = 64) -> object:
        monkeypatch.setattr("lesionviz.archive.setup.cores", lambda: cores)
        monkeypatch.setattr("lesionviz.archive.setup.available_memory", lambda: memory * 2**30)
        setup = LocalSetup(BUNDLED, None, threads, "torch")
        manifest = Manifest(**setup.identity(None), **how, images=images, versions={}, created="", notes=[])
        return setup.engine(manifest)

    assert isinstance(engine(9_999), LocalEngine)
    for images, threads, cores, memory, processes in [
        (10_000, None, 16, 64, 16),
        (10**6, 3, 16, 64, 3),
        (10**6, None, 16, 4, 3),  # GiB, of which one is left over
    ]:
        made = engine(images, threads, cores, memory)
        assert isinstance(made, PoolEngine)
        assert made.processes == processes
    for images, threads, cores, memory in [(10**6, 1, 16, 64), (10**6, None, 1, 64), (10**6, None, 16, 1)]:
        assert isinstance(engine(images, threads, cores, memory), LocalEngine)


def test_the_real_model_gives_the_same_bytes_in_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pictures := tmp_path / "pictures").mkdir()
    for number, sample in enumerate(synthetic_samples()):
        sample.pixels.save(pictures / f"{number}.png")
    monkeypatch.delenv("PYTHONPATH")
    made: list[PoolEngine] = []

    def pool(run: bytes, processes: int) -> PoolEngine:
        made.append(PoolEngine(run, processes))
        return made[-1]

    monkeypatch.setattr("lesionviz.archive.setup.PoolEngine", pool)
    lesionviz.score(pictures, tmp_path / "threads", shard_size=2, threads=2, progress=False)
    assert made == []
    monkeypatch.setattr("lesionviz.archive.setup.MANY", 1)
    lesionviz.score(pictures, tmp_path / "processes", shard_size=2, threads=2, progress=False)
    assert len(made) == 1
    assert files_of(tmp_path / "processes") == files_of(tmp_path / "threads")

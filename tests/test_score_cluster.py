"""A run over an archive on workers: whatever dies, its table is the one that this machine alone would have written."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from cluster_processes import ours
from stand_in import IMAGES, OPTIONS, StandIn, draw_archive, files_of, until, with_workers

import lesionviz
import lesionviz.workers.spread
from lesionviz.archive.background import Background
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.run import Scored, run
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.cli import main
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.machine import has
from lesionviz.preprocessing import Preprocessing
from lesionviz.workers.certificates import make_certificates
from lesionviz.workers.local import LocalCluster

pytestmark = [pytest.mark.heavy, pytest.mark.slow]
SHARD = OPTIONS["shard"]
EMPTY = 2
"""The place of the empty image."""
HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _stand_ins_are_found() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])))
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After each of these tests no process and no temporary file is left."""
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("lesionviz.machine.SHARED_MEMORY", temporary)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    yield
    assert [*ours("scheduler"), *ours("worker")] == []
    assert list(temporary.iterdir()) == []


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What this machine alone writes."""
    out = tmp_path_factory.mktemp("undisturbed")
    run(archive, out, StandIn(), OPTIONS, progress=False)
    return files_of(out)


@pytest.fixture
def control(tmp_path: Path) -> Path:
    (folder := tmp_path / "control").mkdir()
    return folder


@pytest.fixture
def apart() -> Iterator[ThreadPoolExecutor]:
    """Where a run goes on while a test does things to it."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def begun(apart: ThreadPoolExecutor, archive: Path, out: Path, control: Path, **options: object) -> Future[Scored]:
    return apart.submit(run, archive, out, with_workers(control, **options), OPTIONS, progress=False)


def hold(control: Path, number: int) -> Path:
    """Have whoever comes to an image stay there until the file that is returned is gone."""
    (held := control / f"hold-{number}").touch()
    return held


def at(control: Path, number: int, times: int = 1) -> list[int]:
    """Wait until so many workers have come to an image; return their process ids."""
    until(lambda: len(list(control.glob(f"{number}-*"))) >= times)
    return [int(path.name.split("-")[1]) for path in control.glob(f"{number}-*")]


def seen(control: Path) -> dict[int, set[int]]:
    """Which process has looked at which images; the empty one is looked at by this one alone."""
    found: dict[int, set[int]] = {}
    for path in control.glob("[0-9]*-*"):
        number, process = map(int, path.name.split("-"))
        found.setdefault(process, set()).add(number)
    return found


# --- what dies ---
def test_a_worker_killed_in_the_middle_costs_nothing_and_no_log_shows_a_name(
    archive: Path, undisturbed: dict[str, bytes], control: Path, apart: ThreadPoolExecutor, tmp_path: Path
) -> None:
    (logs := tmp_path / "logs").mkdir()
    held = hold(control, 21)
    setup = with_workers(control, workers=2)
    setup.options["log"] = logs
    scoring = apart.submit(run, archive, tmp_path / "out", setup, OPTIONS, progress=False)
    (first,) = at(control, 21)
    os.kill(first, signal.SIGKILL)
    assert len(set(at(control, 21, 2))) == 2
    held.unlink()
    assert scoring.result().finished
    assert files_of(tmp_path / "out") == undisturbed
    texts = "".join(path.read_text() for path in logs.iterdir())
    assert "question-" in texts, "they do tell of shards"
    assert not re.findall(r"\b\d\d\.png|archive", texts)


def test_the_only_worker_killed_and_another_takes_its_place(
    archive: Path, undisturbed: dict[str, bytes], control: Path, apart: ThreadPoolExecutor, tmp_path: Path
) -> None:
    held = hold(control, 21)
    scoring = begun(apart, archive, tmp_path / "out", control)
    (first,) = at(control, 21)
    os.kill(first, signal.SIGKILL)
    at(control, 21, 2)
    held.unlink()
    assert scoring.result().finished
    assert files_of(tmp_path / "out") == undisturbed


def test_a_killed_scheduler_is_started_again_and_open_shards_are_asked_once_more(
    archive: Path, undisturbed: dict[str, bytes], control: Path, apart: ThreadPoolExecutor, tmp_path: Path
) -> None:
    held = hold(control, 21)
    scoring = begun(apart, archive, tmp_path / "out", control)
    at(control, 21)
    (scheduler,) = ours("scheduler")
    scheduler.kill()
    at(control, 21, 2)
    held.unlink()
    assert scoring.result().finished
    assert files_of(tmp_path / "out") == undisturbed


@contextmanager
def program(archive: Path, out: Path, control: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A run with a worker in a process of its own."""
    command = [sys.executable, str(HERE / "stand_in.py"), str(archive), str(out), "--workers", "1"]
    with subprocess.Popen([*command, "--control", str(control), *more], stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def folder_of(process: subprocess.Popen[str]) -> Path:
    """Where the cluster of a program has its files."""
    line = ours("scheduler", process.pid)[0].cmdline()
    return Path(line[line.index("--folder") + 1])


def test_everything_killed_and_the_run_goes_on_to_the_same_bytes(
    archive: Path, undisturbed: dict[str, bytes], control: Path, tmp_path: Path
) -> None:
    held = hold(control, 21)
    with program(archive, tmp_path / "out", control) as process:
        at(control, 21)
        until((tmp_path / "out/parts/00001.parquet").exists)
        cluster = folder_of(process)
        for each in [process, *ours("scheduler", process.pid), *ours("worker", process.pid)]:
            each.kill()
    shutil.rmtree(cluster)  # nobody was left to do it
    held.unlink()
    have = {int(path.stem) for path in tmp_path.glob("out/parts/[0-9]*.parquet")}
    assert have == {0, 1}
    for path in control.iterdir():
        path.unlink()
    setup = with_workers(control, workers=1)
    assert run(None, tmp_path / "out", setup, {}, resume=True, progress=False).finished
    assert files_of(tmp_path / "out") == undisturbed
    (again,) = seen(control).values()
    assert again == set(range(2 * SHARD, IMAGES))


def test_ctrl_c_ends_a_run_with_workers_and_the_engine_of_one_machine_goes_on(
    archive: Path, undisturbed: dict[str, bytes], control: Path, tmp_path: Path
) -> None:
    hold(control, 21)
    with program(archive, tmp_path / "out", control) as process:
        at(control, 21)
        until((tmp_path / "out/parts/00001.parquet").exists)
        children = psutil.Process(process.pid).children()
        assert len(children) == 2
        cluster = folder_of(process)
        assert cluster.is_dir()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert not any(child.is_running() for child in children)
        assert not cluster.exists()
    assert run(None, tmp_path / "out", StandIn(), {}, resume=True, progress=False).finished
    assert files_of(tmp_path / "out") == undisturbed


def test_ctrl_c_while_workers_are_starting_ends_them(archive: Path, control: Path, tmp_path: Path) -> None:
    with program(archive, tmp_path / "out", control) as process:
        until(lambda: ours("scheduler", process.pid))
        children, cluster = psutil.Process(process.pid).children(), folder_of(process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        assert not any(child.is_running() for child in children)
        assert not cluster.exists()
    assert list(control.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are a Unix thing")
def test_a_full_disk_ends_a_run_with_workers_in_a_sentence(
    archive: Path, undisturbed: dict[str, bytes], control: Path, tmp_path: Path
) -> None:
    limit = max(len(data) for name, data in undisturbed.items() if name.startswith("parts/")) - 1
    with program(archive, tmp_path / "out", control, "--file-limit", str(limit)) as process:
        assert process.wait() == 1
        assert process.stderr is not None
        said = process.stderr.read()
    assert f"The disk of {tmp_path / 'out/parts'} is full" in said
    assert "go on with --resume" in said
    assert said.count("\n") == 1
    assert files_of(tmp_path / "out").items() <= undisturbed.items()


# --- a cluster that runs already ---
class Elsewhere:
    """A scheduler and one worker that were started by somebody else."""

    def __init__(self) -> None:
        self._background = Background()
        self._cluster = LocalCluster(1, 1, None, lambda _sentence: None, spread=True)
        started = self._background.wait(self._cluster.start(), lambda: False)
        assert started is not None
        self.address, certificates = started
        self.certificates = certificates.ca.parent
        self._more: list[subprocess.Popen[bytes]] = []

    @property
    def options(self) -> dict[str, object]:
        """What sends a run there."""
        return {"workers": None, "cluster": self.address, "certificates": self.certificates}

    def another_worker(self) -> None:
        command = [sys.executable, "-P", "-m", "lesionviz.workers.process", "worker", "--folder", self.certificates]
        self._more.append(subprocess.Popen([*command, "--scheduler", self.address], stdin=subprocess.PIPE))

    def close(self) -> None:
        for process in self._more:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        self._background.end(self._cluster.stop())


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    cluster = Elsewhere()
    yield cluster
    cluster.close()


def test_a_worker_that_joins_late_takes_its_share(
    elsewhere: Elsewhere,
    archive: Path,
    undisturbed: dict[str, bytes],
    control: Path,
    apart: ThreadPoolExecutor,
    tmp_path: Path,
) -> None:
    held = hold(control, SHARD)
    scoring = begun(apart, archive, tmp_path / "out", control, **elsewhere.options)
    (first,) = at(control, SHARD)
    elsewhere.another_worker()
    until(lambda: len(list(tmp_path.glob("out/parts/[0-9]*.parquet"))) == 4)  # all but the two that the first one has
    held.unlink()
    assert scoring.result().finished
    assert files_of(tmp_path / "out") == undisturbed
    by = seen(control)
    assert by.pop(first) == set(range(2 * SHARD)) - {EMPTY}
    assert list(by.values()) == [set(range(2 * SHARD, IMAGES))]
    assert len(ours("worker")) == 2, "they are left running"


def test_a_scheduler_that_does_not_come_back_ends_the_run_in_a_sentence(
    elsewhere: Elsewhere,
    archive: Path,
    control: Path,
    apart: ThreadPoolExecutor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lesionviz.workers.spread, "AWAY", 1)
    told: list[str] = []
    held = hold(control, 21)
    scoring = begun(apart, archive, tmp_path / "out", control, **elsewhere.options, tell=told.append)
    at(control, 21)
    ours("scheduler")[0].kill()
    with pytest.raises(LesionvizError, match=r"No worker of the cluster at tls://.* go on with --resume"):
        scoring.result()
    held.unlink()
    assert all(re.match("No cluster answers at|The cluster is not back", sentence) for sentence in told)


def test_no_cluster_at_an_address_is_told_in_a_sentence(
    archive: Path, control: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionviz.workers.link.PATIENCE", 2)
    (tmp_path / "certificates").mkdir(mode=0o700)
    make_certificates(tmp_path / "certificates")
    setup = with_workers(control, None, cluster="tls://127.0.0.1:9", certificates=tmp_path / "certificates")
    with pytest.raises(LesionvizError, match=r"No cluster answers at tls://127.0.0.1:9 .* go on with --resume"):
        run(archive, tmp_path / "out", setup, OPTIONS, progress=False)


def test_a_worker_that_decodes_otherwise_is_refused_in_a_sentence(
    elsewhere: Elsewhere, archive: Path, control: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = lesionviz.archive.run.versions
    monkeypatch.setattr("lesionviz.archive.run.versions", lambda engine: own(engine) | {"pillow": "1.1.7"})
    setup = with_workers(control, None, cluster=elsewhere.address, certificates=elsewhere.certificates)
    with pytest.raises(LesionvizError, match=r"A worker on .* has pillow \d.* and the run has pillow 1\.1\.7"):
        run(archive, tmp_path / "out", setup, OPTIONS, progress=False)


# --- the real thing ---
def small(model: Path) -> Path:
    """The bundled weights at 96 pixels, in a file."""
    bundled = Checkpoint.load(BUNDLED)
    Checkpoint(bundled.state_dict, Preprocessing(size=96), bundled.temperature, bundled.refusal).save(model)
    return model


@pytest.mark.skipif(not has("openvino"), reason="OpenVINO is not installed")
def test_workers_compute_with_openvino_what_one_machine_does_with_any_number_of_threads(tmp_path: Path) -> None:
    (pictures := tmp_path / "pictures").mkdir()
    for number, sample in enumerate(synthetic_samples()):
        sample.pixels.save(pictures / f"{number}.jpg", quality=92)
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    common = {"model": small(tmp_path / "small.pth"), "shard_size": 2, "embeddings": True, "maps": True}
    common |= {"engine": "openvino", "progress": False}
    here = lesionviz.score(pictures, tmp_path / "here", **common)
    there = lesionviz.score(pictures, tmp_path / "there", **common, cluster="local", workers=1, threads=2)
    assert (there.finished, there.failed, there.engine) == (True, 1, "openvino")
    assert files_of(there.folder) == files_of(here.folder)


def test_the_command_writes_the_bytes_of_one_machine_with_any_workers_and_another_engine_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small(tmp_path / "small.pth")
    (pictures := tmp_path / "pictures").mkdir()
    for turn in range(3):
        for number, sample in enumerate(synthetic_samples()):
            sample.pixels.rotate(90 * turn).save(pictures / f"{turn}-{number}.jpg", quality=92)
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    common = {"model": model, "engine": "torch", "shard_size": 5, "embeddings": True, "maps": True, "progress": False}
    here = lesionviz.score(pictures, tmp_path / "here", **common)
    there = lesionviz.score(pictures, tmp_path / "there", **common, cluster="local", workers=1, threads=2)
    assert (there.finished, there.failed) == (True, 1)
    assert files_of(there.folder) == files_of(here.folder)
    for part in there.folder.glob("parts/0000[02].parquet"):
        part.unlink()
    (there.folder / "scores.parquet").unlink()
    command = ["score", "--out", str(there.folder), "--resume", "--cluster", "local", "--workers", "1"]
    assert main(command) == 0
    assert files_of(there.folder) == files_of(here.folder)
    manifest = Manifest.load(there.folder)
    assert manifest is not None
    assert manifest.engine == "torch"
    replace(manifest, engine="another").save(there.folder)
    capsys.readouterr()
    assert main([*command, "--engine", "torch"]) == 1
    assert "was begun with another engine (another then, torch now)" in capsys.readouterr().err

"""Several processes learn what one learns; kills and stops leave something whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.recipe import Recipe
from lesionviz.training import processes
from lesionviz.training.launch import train_on_processes
from lesionviz.training.loop import BEST
from lesionviz.training.progress import Progress
from lesionviz.training.train import train
from lesionviz.training.unfinished import UNFINISHED

pytestmark = pytest.mark.heavy
SCRIPT = Path(__file__).parent / "one_of_several_processes.py"
SMALL = Recipe(size=64, epochs=3, probe_share=0.34, last_blocks_share=0.34, batch_size=16, learning_rate=1e-3)
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def one_and_two(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What one process and what two gloo processes made of the same batch and the same validation images."""
    folder, results = tmp_path_factory.mktemp("processes"), []
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, start in (("one", []), ("two", two)):
        command = [sys.executable, *start, str(SCRIPT), str(drawn_folder), str(folder / name)]
        subprocess.run(command, check=True, env=ENVIRONMENT, timeout=300)
        results.append(torch.load(folder / name, weights_only=True))
    return results


@pytest.mark.slow
@pytest.mark.parametrize(("alone", "together"), [("fixed", "fixed"), ("halves", "batch")])
def test_two_processes_have_the_gradients_of_one(
    alone: str, together: str, one_and_two: list[dict[str, Any]]
) -> None:
    """With batch norm fixed as one batch; with batch norm learning as two halves, one after the other."""
    one, two = one_and_two[0][alone], one_and_two[1][together]
    assert one.keys() == two.keys()
    assert max(g.abs().max() for g in one.values()) > 1e-3
    scale = max(g.abs().max().item() for g in one.values())
    for name, gradient in one.items():
        assert (two[name] - gradient).abs().max().item() <= 1e-6 * max(1.0, scale), name


@pytest.mark.slow
def test_two_processes_count_every_validation_image_once(one_and_two: list[dict[str, Any]]) -> None:
    one, two = one_and_two
    assert one["metrics"]["images"] % 2 == 1  # so one of two processes gets a padded sample
    assert two["metrics"] == one["metrics"]
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-6)


def test_a_training_on_two_processes_streams_its_progress_and_leaves_the_best_model(
    drawn_folder: Path, tmp_path: Path
) -> None:
    events, sentences = list[Progress](), list[str]()
    result = train_on_processes(
        2,
        drawn_folder,
        tmp_path,
        init="scratch",
        recipe=SMALL,  # without cpu=True, as people type it: processes without GPUs must find each other
        watch=events.append,
        report=sentences.append,
    )
    assert not result.interrupted
    assert [event.epoch for event in events if event.phase == "epoch"] == [1, 2, 3]
    assert {event.phase for event in events} == {"training", "validation", "epoch"}
    assert result.history["epoch"].tolist() == [1, 2, 3]
    # Two processes draw other crops than one, so a training that shares nothing would give itself away.
    alone = train(drawn_folder, tmp_path / "alone", init="scratch", recipe=SMALL, cpu=True)
    assert alone.history["train_loss"].tolist() != result.history["train_loss"].tolist()
    assert sum(sentence.startswith("Epoch ") for sentence in sentences) == 3
    assert Checkpoint.load(result.checkpoint).metrics["epoch"] == result.best_epoch
    assert not (tmp_path / UNFINISHED).exists()


@pytest.mark.slow
def test_a_stop_ends_all_processes_and_resume_goes_on(drawn_folder: Path, tmp_path: Path) -> None:
    long = replace(SMALL, epochs=40)
    events = list[Progress]()
    result = train_on_processes(
        2,
        drawn_folder,
        tmp_path,
        init="scratch",
        recipe=long,
        cpu=True,
        watch=events.append,
        stop=lambda: any(event.phase == "epoch" for event in events),
    )
    assert result.interrupted
    assert 1 <= len(result.history) < 40
    assert Checkpoint.load(tmp_path / BEST).preprocessing.size == 64
    assert (tmp_path / UNFINISHED).exists()


@pytest.mark.slow
def test_what_is_wrong_in_a_process_is_said_in_its_words(drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="no unfinished training to resume"):
        train_on_processes(2, drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True, resume=True)


@pytest.mark.parametrize(
    ("found", "words"),
    [(2, "batch_size 15 cannot be shared by 2 processes"), (1, "2 processes were started and 1 of them found")],
)
def test_processes_that_cannot_work_together_are_refused(
    found: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(processes, "Accelerator", lambda **_: SimpleNamespace(num_processes=found))
    with pytest.raises(LesionvizError, match=words):
        processes.accelerator_of(replace(SMALL, batch_size=15), cpu=True)


@pytest.mark.parametrize("wrong", [0, True, 1.5])
def test_impossible_numbers_of_processes_are_refused(wrong: int, drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="processes must be"):
        train_on_processes(wrong, drawn_folder, tmp_path)


def _start(drawn_folder: Path, out: Path, recipe: Recipe = SMALL, workers: int = 0) -> subprocess.Popen[str]:
    options = ["--data", str(drawn_folder), "--out", str(out), "--init", "scratch", "--cpu", "--progress-lines"]
    options += ["--workers", str(workers)]
    return subprocess.Popen(
        [sys.executable, "-m", "lesionviz", "train", *options, *recipe.to_arguments()],
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait_for(process: subprocess.Popen[str], phase: str, epoch: int) -> None:
    """Read a training's output until it is in the middle of a phase."""
    assert process.stdout is not None
    for line in process.stdout:
        event = Progress.from_line(line)
        if event and (event.phase, event.epoch) == (phase, epoch):
            return
    pytest.fail("the training ended too early")


@pytest.mark.slow
def test_kill_in_mid_epoch_then_resume_ends_in_the_weights_of_an_unbroken_run(
    drawn_folder: Path, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    with _start(drawn_folder, tmp_path / "killed") as process:
        _wait_for(process, "training", 2)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(pd.read_csv(tmp_path / "killed" / "history.csv")) == 1
    torch.set_num_threads(1)
    try:
        options = {"init": "scratch", "recipe": SMALL, "cpu": True}
        resumed = train(drawn_folder, tmp_path / "killed", resume=True, **options)  # type: ignore[arg-type]
        unbroken = train(drawn_folder, tmp_path / "unbroken", **options)  # type: ignore[arg-type]
    finally:
        torch.set_num_threads(threads)
    a, b = (Checkpoint.load(result.checkpoint) for result in (resumed, unbroken))
    assert a.metrics == b.metrics
    assert all(torch.equal(a.state_dict[key], b.state_dict[key]) for key in a.state_dict)
    assert not [path for path in (tmp_path / "killed").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_ctrl_c_leaves_a_checkpoint_that_loads(drawn_folder: Path, tmp_path: Path, workers: int) -> None:
    """As a terminal sends it: to the training and to the processes that read images for it."""
    with _start(drawn_folder, tmp_path, replace(SMALL, epochs=200, augmentation="clinics"), workers) as process:
        _wait_for(process, "training", 2)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        rest = process.stdout.read()
    assert "Stopped by hand" in rest
    assert "Traceback" not in rest
    assert Checkpoint.load(tmp_path / BEST).metrics["epoch"] >= 1

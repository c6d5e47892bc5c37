"""Starts a training on several processes of this machine and follows it from here.

``torchrun`` starts the processes, each runs ``lesionviz train``; the first prints its progress as lines, which
are handed to a watcher: a bar in a terminal, the training monitor in a notebook. They are asked to stop by
a file, so that all of them end at the same step, with the best model saved. On several machines, start
``torchrun -m lesionviz train`` on each yourself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.portions import ALSO_TEST
from lesionviz.data.split import FILE, Split
from lesionviz.errors import PREFIX, LesionvizError
from lesionviz.recipe import Recipe
from lesionviz.training.initial_weights import IMAGENET
from lesionviz.training.judging import chosen_figure
from lesionviz.training.loop import BEST, HISTORY
from lesionviz.training.progress import Progress, Watcher
from lesionviz.training.train import TrainingResult, train
from lesionviz.training.unfinished import UNFINISHED
from lesionviz.training.usable import CAUTION

LAST_LINES = 15


def train_on_processes(
    processes: int,
    data: str | Path,
    out: str | Path,
    *,
    also: Iterable[str | Path] = (),
    keep_out: float = ALSO_TEST,
    never: Iterable[str | Path] = (),
    never_sources: Iterable[str] = (),
    twins: bool = True,
    outlines: Iterable[str | Path] = (),
    init: str | Path = IMAGENET,
    recipe: Recipe | None = None,
    split_seed: int = 2019,
    resume: bool = False,
    half: bool = False,
    cpu: bool = False,
    workers: int = 0,
    skip_damaged: bool = False,
    report: Callable[[str], None] | None = None,
    watch: Watcher | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Train as :func:`lesionviz.training.train.train` does, on several processes of this machine.

    Args:
        processes: how many; with GPUs, one for each. With one the training runs right here.
        data: a folder or table; the processes read it anew, so a collection will not do.
        also: more of them.
        keep_out, never, never_sources, twins, outlines, out, init, recipe, split_seed, resume, half, cpu, workers,
            skip_damaged, report, watch, stop: as there.

    Raises:
        LesionvizError: as there, or a process ended without a word; the text then holds its last lines.
    """
    out, recipe = Path(out), recipe or Recipe()
    if isinstance(processes, bool) or not isinstance(processes, int) or not 1 <= processes <= 64:
        raise LesionvizError(f"processes must be a whole number from 1 to 64, not {processes!r}.")
    if processes == 1:
        return train(
            data,
            out,
            also=also,
            keep_out=keep_out,
            never=never,
            never_sources=never_sources,
            twins=twins,
            outlines=outlines,
            init=init,
            recipe=recipe,
            split_seed=split_seed,
            resume=resume,
            half=half,
            cpu=cpu,
            workers=workers,
            skip_damaged=skip_damaged,
            report=report,
            watch=watch,
            stop=stop,
        )
    arguments = ["--data", str(data), "--out", str(out), "--init", str(init), "--split-seed", str(split_seed)]
    arguments += [word for place in also for word in ("--also", str(place))]
    arguments += ["--keep-out", str(keep_out), "--twins" if twins else "--no-twins"]
    arguments += [word for place in never for word in ("--never", str(place))]
    arguments += [word for source in never_sources for word in ("--never-source", source)]
    arguments += [word for folder in outlines for word in ("--outlines", str(folder))]
    arguments += ["--workers", str(workers), *recipe.to_arguments()]
    switches = (("resume", resume), ("half", half), ("cpu", cpu), ("skip-damaged", skip_damaged))
    arguments += [f"--{name}" for name, on in switches if on]
    with tempfile.TemporaryDirectory(prefix="lesionviz-") as folder:
        stop_file = Path(folder) / "stop"
        _follow(
            [*_torchrun(processes), "train", *arguments, "--progress-lines", "--stop-file", str(stop_file)],
            _environment(processes),
            stop_file,
            report or (lambda sentence: None),
            watch,
            stop,
        )
    history = pd.read_csv(out / HISTORY)
    kept_out = frozenset(Checkpoint.load(out / BEST).split.get("kept_out", []))
    split = Split(pd.read_csv(out / FILE, dtype=str), split_seed, 0.15, 0.15, recipe.split_by, kept_out)
    best = int(history["epoch"][history[chosen_figure(history.columns)].idxmax()])
    return TrainingResult(out / BEST, history, best, split, interrupted=(out / UNFINISHED).exists())


def _torchrun(processes: int) -> list[str]:
    count = ["--standalone", "--nproc-per-node", str(processes)]
    return [sys.executable, "-m", "torch.distributed.run", *count, "-m", "lesionviz"]


def _environment(processes: int) -> dict[str, str]:
    """Share the cores between the processes, and let them meet on this machine only."""
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    return {"OMP_NUM_THREADS": threads, **os.environ, "PYTHONUNBUFFERED": "1"}


def _follow(
    command: Sequence[str],
    environment: dict[str, str],
    stop_file: Path,
    say: Callable[[str], None],
    watch: Watcher | None,
    stop: Callable[[], bool] | None,
) -> None:
    """Run a command to its end, hand on what it prints, and raise what it complains of."""
    last: deque[str] = deque(maxlen=LAST_LINES)
    complaint = ""
    with (
        # In a session of its own, so that Ctrl-C reaches this process alone, which then asks the others to stop.
        subprocess.Popen(
            command,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
        _Bar(disabled=watch is not None) as bar,
    ):
        assert process.stdout is not None
        while True:
            try:
                line = process.stdout.readline()
                if not line:
                    break
                event = Progress.from_line(line)
                if event is not None:
                    (watch or bar.show)(event)
                elif line.startswith(PREFIX):
                    complaint = complaint or line.removeprefix(PREFIX).strip()
                elif line.startswith(("Epoch ", "Resuming ", "Stopped ", CAUTION)):
                    say(line.rstrip())
                last.append(line)
                if stop is not None and stop():
                    stop_file.touch()
            except KeyboardInterrupt:
                if stop_file.exists():  # asked a second time: at once
                    process.kill()
                    raise
                stop_file.touch()
        status = process.wait()
    if status and stop_file.exists():  # before the first epoch had ended
        raise KeyboardInterrupt
    if complaint:
        raise LesionvizError(complaint)
    if status:
        raise LesionvizError("The training processes ended with an error:\n" + "".join(last).rstrip())


class _Bar:
    """One bar for the steps of each epoch, in a terminal."""

    def __init__(self, disabled: bool) -> None:
        self._bar = tqdm(unit="step", leave=False, disable=True if disabled else None)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.close()

    def show(self, event: Progress) -> None:
        """Draw where the training is."""
        self._bar.total, self._bar.n = event.steps, event.step
        self._bar.set_description(f"{event.phase.capitalize()} {event.epoch}/{event.epochs}")
        self._bar.set_postfix(loss=f"{event.loss:.3f}")

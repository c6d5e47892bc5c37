"""How many images a second a training step that augments for every clinic takes in, against the network alone.

    python tests/benchmarks/augmentation_speed.py [--rounds 5] [--side 160] [--batch 32] [--cpu] [--workers 0]

"The network alone" is forward and backward on a batch that lies ready on the device. "Our step" takes cached pixels from
the loader (crop, resampling, JPEG), augments them on the device (geometry, marks, light), and steps, average of the
weights included. Both run interleaved on the same machine. Every ratio is the median over rounds of (their time / our
time) in the same round, with the quartiles; nothing is asserted. The goal is 0.70.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from lesionviz.data.collection import make_collection
from lesionviz.data.portions import Division, Portion
from lesionviz.data.split import Split
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.files import CACHE as VARIABLE
from lesionviz.recipe import Recipe
from lesionviz.training.clinics import as_elsewhere
from lesionviz.training.dice import Dice
from lesionviz.training.loop import Run

DRAWINGS = 48


def make_run(folder: Path, options: argparse.Namespace, augmentation: str) -> Run:
    """Return a training whose images are 48 drawings, each listed often enough for long epochs."""
    rows = []
    for number in range(DRAWINGS):
        path = folder / f"{number}.png"
        if not path.exists():
            draw_lesion(CODES[number % 4], number, (256, 256)).save(path)
        names = [f"{number}-{again}" for again in range(max(8, 8 * options.batch // DRAWINGS))]
        rows += [(name, name, CODES[number % 4], "drawn", str(path)) for name in names]
    table = pd.DataFrame(rows, columns=["image", "lesion", "diagnosis", "source", "path"])
    part = np.where(np.arange(len(table)) < 8, "validation", "train")
    split = Split(table[["image", "lesion", "diagnosis"]].assign(part=part), 0, 0.1, 0.1)
    recipe = Recipe(size=options.side, batch_size=options.batch, augmentation=augmentation)
    rest: dict[str, Any] = {
        "half": False,
        "watch": None,
        "stop": None,
        "cpu": options.cpu,
        "workers": options.workers,
    }
    division = Division(Portion(make_collection(table, folder, "drawn"), split))
    return Run(recipe, division, "scratch", folder / "out", **rest)


def endless(run: Run) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches for ever."""
    while True:
        yield from run.batches.training


def network_alone(run: Run, pictures: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    """Return one forward and backward on a batch that is ready."""
    batch = run._batch(pictures)

    def step() -> None:
        with run.accelerator.autocast():
            logits, _ = run.parts.staged(batch)
        run.accelerator.backward(run.batches.balancing.loss(logits.float(), labels, 0.05))

    return step


def whole_step(run: Run) -> Callable[[], None]:
    """Return one step as the training takes it."""
    batches, number = endless(run), iter(range(10**9))

    def step() -> None:
        pictures, labels = next(batches)
        pictures, _ = run._varied(pictures, [], next(number))
        with run.accelerator.autocast():
            logits, _ = run.parts.staged(run._batch(pictures))
        loss = run.batches.balancing.loss(logits.float(), labels, run.recipe.label_smoothing)
        run.parts.optimizer.zero_grad()
        run.accelerator.backward(loss)
        run.parts.optimizer.step()
        run.parts.average.update_parameters(run.parts.network)

    return step


def main(options: argparse.Namespace) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        os.environ[VARIABLE] = name
        run, before = (make_run(Path(name), options, augmentation) for augmentation in ("clinics", "full"))
        for each in (run, before):
            each.parts.staged.train()
        device = run.accelerator.device
        pictures, labels = next(endless(run))
        loader, numbers = endless(run), iter(range(10**9))

        def augment() -> None:
            dice = Dice(device, 0, 0, next(numbers), 0)
            as_elsewhere(pictures, [], dice, run.recipe.artefact_share)

        jobs: dict[str, Callable[[], Any]] = {
            "the network alone": network_alone(run, pictures, labels),
            "our step": whole_step(run),
            'our step, "full"': whole_step(before),
            "loader alone": lambda: next(loader),
            "device part alone": augment,
        }
        times: dict[str, list[float]] = {job: [] for job in jobs}
        for number in range(options.rounds + 1):
            for job, step in jobs.items():
                started = time.perf_counter()
                for _ in range(options.steps):
                    step()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                if number:  # the first round warms up
                    times[job].append((time.perf_counter() - started) / options.steps)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(f"{where}, {options.workers} loader processes; {options.batch} images a step at {options.side} pixels")
    print(f"{options.rounds} rounds of {options.steps} steps, interleaved\n")
    print(f"{'job':<22}{'images/s':>10}{'x network':>12}  (quartiles)")
    unit = np.array(times["the network alone"])
    for job, seconds in times.items():
        low, middle, high = np.percentile(unit / np.array(seconds), [25, 50, 75])
        print(f"{job:<22}{options.batch / np.median(seconds):>10.1f}{middle:>12.2f}  ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, value in (("rounds", 5), ("steps", 2), ("side", 160), ("batch", 32), ("workers", 0)):
        parser.add_argument(f"--{option}", type=int, default=value)
    parser.add_argument("--cpu", action="store_true")
    main(parser.parse_args())

"""How many images a second a training step takes in: ours and the original notebook's loop, interleaved.

    python tests/benchmarks/training_speed.py --rounds 7

Both learn from the same drawn 1024 x 768 JPEGs at 224 pixels, 32 images a step. The original's loop decodes and
resizes every image in every epoch and steps through the whole network in the default memory layout. Ours
takes decoded pixels from the cache, augments them, and runs in ``channels_last``, once for each stage of a recipe:
whole network, last three blocks, head. Every figure is the median over rounds of (their time / our
time) in the same round, with the quartiles; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.models import efficientnet_b0

from lesionviz.data.collection import make_collection
from lesionviz.data.portions import Division, Portion
from lesionviz.data.split import Split
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.files import CACHE as VARIABLE
from lesionviz.network import LAYERS
from lesionviz.recipe import Recipe
from lesionviz.training.loop import Run
from lesionviz.training.stages import LAST_BLOCKS

STEPS = 2
IMAGES = 96
STAGES = {"whole network": 0, "last three blocks": len(LAYERS) - LAST_BLOCKS, "head": len(LAYERS)}


def draw(folder: Path) -> pd.DataFrame:
    """Write drawn lesions with a camera's grain, 1024 x 768, and return their rows."""
    rows = []
    for number in range(IMAGES):
        code = CODES[number % 4]
        picture = draw_lesion(code, number, (1024, 768))
        grain = Image.effect_noise(picture.size, 24).convert("RGB")
        path = folder / f"{number}.jpg"
        Image.blend(picture, grain, 0.15).save(path, quality=90)
        rows.append(
            {"image": str(number), "lesion": str(number), "diagnosis": code, "source": "drawn", "path": str(path)}
        )
    return pd.DataFrame(rows)


class OriginalImages(Dataset[tuple[torch.Tensor, int]]):
    """What the original's dataset does: open, resize, to tensor, normalise."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.paths, self.labels = rows["path"].tolist(), [CODES.index(code) for code in rows["diagnosis"]]
        statistics = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        self.transform = transforms.Compose(
            [transforms.Resize((224, 224)), transforms.ToTensor(), transforms.Normalize(*statistics)]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.open(self.paths[index]).convert("RGB")), self.labels[index]


def original(rows: pd.DataFrame) -> Callable[[], None]:
    """Return a job that takes a few of the original's steps."""
    network = efficientnet_b0(num_classes=4).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    loader = DataLoader(OriginalImages(rows), batch_size=32, shuffle=True)

    def steps() -> None:
        for pictures, labels in islice(loader, STEPS):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(pictures), labels)
            loss.backward()
            optimizer.step()
            loss.item()

    return steps


def ours(rows: pd.DataFrame, folder: Path, frozen: int) -> Callable[[], None]:
    """Return a job that takes a few of our steps in one stage, average of the weights included."""
    table = pd.concat([rows, rows.head(4).assign(image=[f"v{n}" for n in range(4)])], ignore_index=True)
    part = ["train"] * len(rows) + ["validation"] * 4
    split = Split(table[["image", "lesion", "diagnosis"]].assign(part=part), 0, 0.1, 0.1)
    collection = make_collection(table, folder, "drawn")
    nobody = {"half": False, "cpu": True, "workers": 0, "watch": None, "stop": None}
    run = Run(Recipe(size=224), Division(Portion(collection, split)), "scratch", folder / "out", **nobody)

    def steps() -> None:
        run.parts.learn(frozen)
        for pictures, labels in islice(run.batches.training, STEPS):
            loss = run.batches.balancing.loss(
                run.parts.staged(run._batch(pictures))[0], labels, run.recipe.label_smoothing
            )
            run.parts.optimizer.zero_grad()
            run.accelerator.backward(loss)
            run.parts.optimizer.step()
            run.parts.average.update_parameters(run.parts.network)
            loss.item()

    return steps


def main(rounds: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[VARIABLE] = name
        rows = draw(folder)
        megabytes = np.mean([Path(path).stat().st_size for path in rows["path"]]) / 1e6
        jobs = {"the original's loop": original(rows)}
        jobs |= {stage: ours(rows, folder, frozen) for stage, frozen in STAGES.items()}
        times: dict[str, list[float]] = {job: [] for job in jobs}
        for number in range(rounds + 1):
            for job, steps in jobs.items():
                started = time.perf_counter()
                steps()
                if number:  # the first round warms up
                    times[job].append(time.perf_counter() - started)
    print(f"{torch.get_num_threads()} threads, {rounds} rounds interleaved, 32 images a step at 224 pixels")
    print(f"from JPEGs of 1024 x 768 pixels and {megabytes:.2f} MB\n")
    print(f"{'job':<22}{'images/s':>9}{'x original':>12}  (quartiles)")
    unit = np.array(times["the original's loop"])
    for job, seconds in times.items():
        low, middle, high = np.percentile(unit / np.array(seconds), [25, 50, 75])
        print(f"{job:<22}{32 * STEPS / np.median(seconds):>9.1f}{middle:>12.2f}  ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    main(parser.parse_args().rounds)

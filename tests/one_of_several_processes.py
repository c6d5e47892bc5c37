"""Run by the tests, alone or under torchrun: one step's gradients and one validation, saved by the first process.

[torchrun ...] one_of_several_processes.py DATA OUT
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torchvision.ops import StochasticDepth

from lesionviz.data.portions import Division, Portion
from lesionviz.data.read import read_collection
from lesionviz.data.split import split_by_lesion
from lesionviz.recipe import Recipe
from lesionviz.training.loop import Run

# No randomness but the order: the processes' random numbers differ, as they must.
RECIPE = Recipe(size=64, epochs=1, batch_size=16, augmentation="none", cache=False, balance_power=1.0)


def main(data: str, out: str) -> None:
    collection = read_collection(data)
    split = split_by_lesion(collection)
    run = Run(
        RECIPE,
        Division(Portion(collection, split)),
        "scratch",
        Path(out),
        half=False,
        cpu=True,
        workers=0,
        watch=None,
        stop=None,
    )
    for module in run.parts.staged.modules():
        if isinstance(module, (torch.nn.Dropout, StochasticDepth)):
            module.p = 0.0
    run.batches.order.manual_seed(1)
    pictures, labels = next(iter(run.batches.training))
    gradients = {}
    for mode in ("fixed", "batch"):  # batch norm's statistics
        run.parts.staged.train(mode == "batch")
        run.parts.optimizer.zero_grad()
        run.accelerator.backward(run.batches.balancing.loss(run.parts.staged(run._batch(pictures))[0], labels, 0.1))
        network = run.parts.network
        gradients[mode] = {name: p.grad.clone() for name, p in network.named_parameters()}
    halves = {}
    if run.accelerator.num_processes == 1:  # what batch norm in two processes sees
        run.parts.staged.train()
        run.parts.optimizer.zero_grad()
        for part in (slice(8), slice(8, 16)):
            loss = run.batches.balancing.loss(run.parts.staged(run._batch(pictures[part]))[0], labels[part], 0.1)
            run.accelerator.backward(loss / 2)
        halves = {name: p.grad.clone() for name, p in network.named_parameters()}
    loss, metrics, _ = run._validate(0.0)
    if run.accelerator.is_main_process:
        torch.save({**gradients, "halves": halves, "loss": loss, "metrics": asdict(metrics)}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])

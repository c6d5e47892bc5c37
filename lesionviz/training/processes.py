"""The device and the processes of a training, as accelerate finds them."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator, DataLoaderConfiguration, DistributedDataParallelKwargs

from lesionviz.errors import LesionvizError
from lesionviz.recipe import Recipe


def accelerator_of(recipe: Recipe, cpu: bool) -> Accelerator:
    """Return what this process trains with, one of several where ``torchrun`` started it.

    Args:
        recipe: of the training.
        cpu: use the CPU even where a GPU is at hand.

    Raises:
        LesionvizError: the processes have not found each other, or cannot share a batch.
    """
    accelerator = Accelerator(
        # Told so, it lets processes without GPUs work together; otherwise each would train alone.
        cpu=cpu or not torch.cuda.is_available(),
        mixed_precision="bf16" if torch.cuda.is_available() and not cpu else "no",
        dataloader_config=DataLoaderConfiguration(split_batches=True),  # batch_size is that of all processes
        kwargs_handlers=[
            # Frozen blocks take part in the first stages without a gradient.
            DistributedDataParallelKwargs(
                find_unused_parameters=recipe.probe_share + recipe.last_blocks_share + recipe.frozen_blocks > 0
            )
        ],
    )
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != started:
        raise LesionvizError(
            f"{started} processes were started and {accelerator.num_processes} of them found each other. "
            "Start them with torchrun, or with --processes."
        )
    if recipe.batch_size % accelerator.num_processes:
        raise LesionvizError(
            f"batch_size {recipe.batch_size} cannot be shared by {accelerator.num_processes} processes. "
            "Choose a multiple of their number."
        )
    return accelerator

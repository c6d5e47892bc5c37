"""Which part of the network learns: the head, the last blocks too, or all of it but what a recipe leaves as it is.

A random head sends noise into a trained trunk; so the head learns first, then the blocks closest to it.
Blocks that do not learn run without a graph and with fixed batch-norm statistics, which makes their
epochs several times as fast.
"""

from __future__ import annotations

import torch
from torch import nn

from lesionviz.network import LAYERS, Network, evidence_maps, run_blocks, run_head
from lesionviz.recipe import Recipe

LAST_BLOCKS = 3


def frozen_blocks(recipe: Recipe, epoch: int) -> int:
    """Return how many blocks, counted from the input, do not learn in an epoch (counted from 0)."""
    probe, last_blocks = (int(recipe.epochs * share) for share in (recipe.probe_share, recipe.last_blocks_share))
    if epoch < probe:
        return len(LAYERS)
    if epoch < probe + last_blocks:
        return max(len(LAYERS) - LAST_BLOCKS, recipe.frozen_blocks)
    return recipe.frozen_blocks


class StagedNetwork(nn.Module):
    """A network whose first ``frozen`` blocks only compute.

    Takes a normalised batch (N, 3, S, S) and returns logits (N, 4) and the evidence maps that add up to them
    (N, 4, cells, cells).
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.frozen = network, 0

    def train(self, mode: bool = True) -> StagedNetwork:
        """Set the mode; frozen blocks stay in evaluation mode."""
        super().train(mode)
        for layer in LAYERS[: self.frozen]:
            self.network.get_submodule(layer).eval()
        return self

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits and the evidence maps."""
        last_frozen = LAYERS[self.frozen - 1] if self.frozen else None
        if last_frozen:
            with torch.no_grad():
                batch = run_blocks(self.network, batch, until=last_frozen)[last_frozen]
        if self.frozen < len(LAYERS):
            batch = run_blocks(self.network, batch, after=last_frozen)[LAYERS[-1]]
        return run_head(self.network, batch), evidence_maps(self.network, batch)

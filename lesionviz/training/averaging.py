"""The exponential moving average of a network's weights and batch-norm statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from lesionviz.network import Network


def moving_average(network: Network, decay: float) -> AveragedModel:
    """Return an average that follows a network; call ``update_parameters`` after every step.

    The decay warms up as (1 + n) / (10 + n), so that the random head is forgotten in a short training too.
    """

    @torch.no_grad()
    def average(averaged: Any, current: Any, count: torch.Tensor | int) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        for old, new in _pairs(averaged, current):
            if old.is_floating_point():
                old.lerp_(new.to(old.dtype), 1 - keep)
            else:  # batch norm's count of batches
                old.copy_(new)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


def _pairs(averaged: Iterable[Any], current: Iterable[Any]) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    return zip(averaged, current, strict=True)

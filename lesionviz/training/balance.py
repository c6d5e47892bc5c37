"""Three ways to let rare classes count for more; a recipe uses one of them, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import WeightedRandomSampler

from lesionviz.diagnoses import CODES
from lesionviz.recipe import Balance


@dataclass(frozen=True)
class Balancing:
    """What the loss and the sampler do about class frequencies.

    Attributes:
        weights: (4,) factor of each class in the loss; their mean over the images is 1.
        shift: (4,) added to the logits while training; the finished classifier goes without.
        sampling: probability weight of each image, or None to see each once an epoch.
    """

    weights: torch.Tensor
    shift: torch.Tensor
    sampling: list[float] | None

    @classmethod
    def of(cls, labels: Sequence[int], kind: Balance, power: float) -> Balancing:
        """Return the balancing for the class indices of the training images.

        Args:
            labels: class index of each image.
            kind: which way.
            power: classes count (1 / frequency) to this power.
        """
        counts = np.bincount(labels, minlength=len(CODES)).clip(min=1)
        frequency = counts / len(labels)
        gain = frequency**-power
        weights = gain / (gain * frequency).sum() if kind == "weights" else np.ones(len(CODES))
        shift = power * np.log(frequency) if kind == "logits" else np.zeros(len(CODES))
        return cls(
            torch.tensor(weights, dtype=torch.float32),
            torch.tensor(shift, dtype=torch.float32),
            gain[list(labels)].tolist() if kind == "sampling" else None,
        )

    def to(self, device: torch.device) -> Balancing:
        """Return the same on another device."""
        return Balancing(self.weights.to(device), self.shift.to(device), self.sampling)

    def sampler(self, generator: torch.Generator) -> WeightedRandomSampler | None:
        """Return the sampler of an epoch, with replacement, where images are drawn by weight."""
        if self.sampling is None:
            return None
        return WeightedRandomSampler(self.sampling, len(self.sampling), generator=generator)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean over images of the weighted cross-entropy.

        The mean is over images, not over weights: so the mean of the parts of a batch, on several
        processes, is the mean of the batch.
        """
        summed = torch.nn.functional.cross_entropy(
            logits + self.shift, labels, weight=self.weights, label_smoothing=smoothing, reduction="sum"
        )
        return summed / len(labels)

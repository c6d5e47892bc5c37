"""Random numbers for a batch, one for each image, that come out the same on every machine and after every resumption."""

from __future__ import annotations

import math

import numpy as np
import torch


class Dice:
    """Draws parameters on the CPU, so that a GPU augments as a CPU does, and hands them to the device that trains.

    Args:
        device: where the parameters are wanted.
        seeds: whole numbers, at least 0, that together name the batch: the recipe's seed, epoch, step, process.
    """

    def __init__(self, device: torch.device | str, *seeds: int) -> None:
        self.device = torch.device(device)
        mixed = int(np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0])
        self._generator = torch.Generator().manual_seed(mixed >> 1)  # a signed number of 64 bits is taken

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Return numbers from ``low`` to ``high``, all alike likely."""
        return (low + (high - low) * torch.rand(shape, generator=self._generator)).to(self.device)

    def ratio(self, low: float, high: float, *shape: int) -> torch.Tensor:
        """Return factors from ``low`` to ``high``, above 0: half and double are alike likely."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, deviation: float, *shape: int) -> torch.Tensor:
        """Return normally distributed numbers around 0, kept within two and a half standard deviations."""
        drawn = torch.randn(shape, generator=self._generator).clamp(-2.5, 2.5)
        return (deviation * drawn).to(self.device)

    def chance(self, share: float, *shape: int) -> torch.Tensor:
        """Return booleans, this share of them True."""
        return (torch.rand(shape, generator=self._generator) < share).to(self.device)

    def whole(self, low: int, high: int, *shape: int) -> torch.Tensor:
        """Return whole numbers from ``low`` to ``high``, both included."""
        return torch.randint(low, high + 1, shape, generator=self._generator).to(self.device)

    def some(self, share: float, count: int) -> torch.Tensor:
        """Return the positions, of ``count``, of a random share."""
        chosen = torch.rand(count, generator=self._generator) < share  # on the CPU: a GPU would have to be waited for
        return chosen.nonzero().flatten().to(self.device)

    def lots(self, count: int) -> list[float]:
        """Return numbers from 0 to 1, not on the device."""
        return [float(lot) for lot in torch.rand(count, generator=self._generator)]

    def kinds(self, weights: tuple[float, ...], count: int) -> list[int]:
        """Return the index of a kind for each of ``count``, drawn in proportion to the weights."""
        drawn = torch.multinomial(torch.tensor(weights), count, replacement=True, generator=self._generator)
        return [int(kind) for kind in drawn]

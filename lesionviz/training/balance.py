"""Three ways to let rare classes count for more, of which a recipe uses one or none; and sources that tell nothing.

Where nearly all images of one diagnosis come from one clinic, its camera becomes a sign of the diagnosis. Images are then
drawn so that diagnosis and source are independent: one of class c from source s as often as p(c) p(s) / p(c, s) says, to a
power. At 1 every source has the classes in the same shares, those of all images together, and counts as much as before;
only what a source does not have at all stays missing, and no image is drawn more than ``MOST`` times as often as an
average one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch.utils.data import Sampler

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.measures import Floats
from lesionviz.recipe import Balance

MOST = 4.0
"""How often an image may be drawn for being rare in its source, on average 1; a handful would else be learned by heart."""


@dataclass(frozen=True)
class Balancing:
    """What the loss and the sampler do about the frequencies of classes and sources.

    Attributes:
        weights: (4,) factor of each class in the loss; their mean over the images is 1.
        shift: (4,) added to the logits while training; the finished classifier goes without.
        sampling: how often each image is drawn, relative to the others, or None to see each once an epoch.
    """

    weights: torch.Tensor
    shift: torch.Tensor
    sampling: list[float] | None

    @classmethod
    def of(
        cls,
        labels: Sequence[int],
        kind: Balance,
        power: float,
        sources: Sequence[str] | None = None,
        source_power: float = 0.0,
    ) -> Balancing:
        """Return the balancing for the class indices of the training images.

        Args:
            labels: class index of each image; below 0 it has none, and is drawn like an average image.
            kind: which way for the classes.
            power: classes count (1 / frequency) to this power.
            sources: where each image comes from; needed for a source power above 0.
            source_power: how far sources are made to tell nothing.
        """
        index = np.asarray(labels)
        known = index >= 0
        drawn = np.ones(len(index))
        if source_power:
            drawn[known] = independence(index[known], np.asarray(sources)[known], source_power)
        counts = np.bincount(index[known], drawn[known], minlength=len(CODES)).clip(min=1)
        frequency = counts / drawn[known].sum()
        gain = frequency**-power
        weights = gain / (gain * frequency).sum() if kind == "weights" else np.ones(len(CODES))
        shift = power * np.log(frequency) if kind == "logits" else np.zeros(len(CODES))
        if kind == "sampling":
            drawn[known] *= gain[index[known]]
            drawn[known] /= drawn[known].mean()
        return cls(
            torch.tensor(weights, dtype=torch.float32),
            torch.tensor(shift, dtype=torch.float32),
            drawn.tolist() if source_power or kind == "sampling" else None,
        )

    def to(self, device: torch.device) -> Balancing:
        """Return the same on another device."""
        return Balancing(self.weights.to(device), self.shift.to(device), self.sampling)

    def sampler(self, generator: torch.Generator) -> Sampler[int] | None:
        """Return the sampler of an epoch, where images are drawn by weight."""
        return None if self.sampling is None else EvenSampler(self.sampling, generator)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean over images of the weighted cross-entropy; images of label -1 count as 0.

        The mean is over images, not over weights: so the mean of the parts of a batch, on several
        processes, is the mean of the batch.
        """
        summed = torch.nn.functional.cross_entropy(
            logits + self.shift,
            labels,
            weight=self.weights,
            label_smoothing=smoothing,
            reduction="sum",
            ignore_index=-1,
        )
        return summed / len(labels)


def independence(labels: npt.NDArray[np.int64], sources: npt.NDArray[np.str_], power: float) -> Floats:
    """Return how often to draw each image so that class and source become independent; 1 on average, at most ``MOST``.

    Args:
        labels: (N,) class indices.
        sources: (N,) names.
        power: 0 leaves all at 1, 1 goes all the way.
    """
    table = pd.DataFrame({"label": labels, "source": sources})
    together = table.groupby(["label", "source"])["label"].transform("size").to_numpy()
    apart = [table.groupby(column)[column].transform("size").to_numpy() for column in ("label", "source")]
    drawn = (apart[0] * apart[1] / (together * len(table))) ** power
    limited: Floats = (drawn / drawn.mean()).clip(max=MOST)
    return limited


class EvenSampler(Sampler[int]):
    """Draws as many images as there are, each as often as its weight says, rounded up or down at random.

    Drawn one by one, with replacement, a third of the images would be missing from an epoch even with equal weights.
    Equally spaced marks on the images laid end to end (systematic sampling) leave out only what weighs little.

    Args:
        weights: of each image.
        generator: of the draws.
    """

    def __init__(self, weights: Sequence[float], generator: torch.Generator) -> None:
        self._weights, self.generator = torch.tensor(weights, dtype=torch.float64), generator

    def __len__(self) -> int:
        return len(self._weights)

    def __iter__(self) -> Iterator[int]:
        count = len(self)
        order = torch.randperm(count, generator=self.generator)
        ends = self._weights[order].cumsum(0)
        marks = (torch.arange(count) + torch.rand(1, generator=self.generator)) * (ends[-1] / count)
        drawn = order[torch.searchsorted(ends, marks, right=True).clamp(max=count - 1)]
        return iter(drawn[torch.randperm(count, generator=self.generator)].tolist())

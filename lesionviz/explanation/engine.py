"""Runs the network once for what maps are made of, block outputs and gradients, and makes the maps.

Nothing is left on the network: no hooks, no ``.grad``, no change of mode, so several threads may share
one. The forward is split at a block; behind it, ``torch.autograd.grad`` asks for the gradient of a
logit with respect to block outputs, and the weights stay frozen. At ``features.8`` not even that is
needed: only a mean and a linear layer follow, so the gradient is the head's weights over the cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lesionviz.explanation.methods import Method
from lesionviz.network import LAYERS, Network, run_blocks, run_head

LAST = LAYERS[-1]
RawMaps = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """What one forward over a batch of N pictures gave.

    Attributes:
        activations: by layer, the block's output (N, C, cells, cells), detached.
        logits: (N, 4), detached.
    """

    activations: Mapping[str, torch.Tensor]
    logits: torch.Tensor

    def one(self, index: int) -> Run:
        """Return the run of one picture of the batch."""
        rows = slice(index, index + 1)
        return Run({layer: output[rows] for layer, output in self.activations.items()}, self.logits[rows])


@dataclass(frozen=True)
class Slope:
    """One logit of each of N pictures, or the difference of two, and its gradient at one layer.

    Attributes:
        run: the forward behind it.
        targets: N class indices.
        activations: the block's output (N, C, cells, cells).
        gradient: of the logit with respect to it, of the same shape.
    """

    run: Run
    targets: list[int]
    activations: torch.Tensor
    gradient: torch.Tensor

    def maps(self, method: Method) -> RawMaps:
        """Return the signed maps (N, cells, cells), float32, in units of the logit."""
        with _ordinary_tensors(), torch.no_grad():
            return _array(method.function(self.activations, self.gradient))


def forward(network: Network, batch: torch.Tensor) -> Run:
    """Run a normalised batch (N, 3, S, S) through the network; costs one forward and keeps no graph."""
    with _ordinary_tensors(), torch.no_grad():
        activations = run_blocks(network, _ordinary(batch))
        return Run(activations, run_head(network, activations[LAST]))


def forward_with_gradient(
    network: Network, batch: torch.Tensor, layer: str, target: int | None, against: int | None = None
) -> Slope:
    """Run a batch and take, in the same run, the gradient of one logit a picture at one layer.

    Args:
        network: in evaluation mode, frozen.
        batch: normalised input (N, 3, S, S).
        layer: where the graph starts; the blocks before it run without one.
        target: class index; None takes each picture's largest logit.
        against: another class index: the gradient is then of ``logit[target] - logit[against]``
            (Finer-CAM, arXiv 2501.11309, with gamma 1).
    """
    with _ordinary_tensors():
        if layer == LAST:
            run = forward(network, batch)
            targets = _targets(run.logits, target)
            gradient = last_gradient(network, run.activations[LAST], targets)
            if against is not None:
                gradient = gradient - last_gradient(network, run.activations[LAST], [against])
            return Slope(run, targets, run.activations[LAST], gradient)
        with torch.no_grad():
            before = run_blocks(network, _ordinary(batch), until=layer)
        start = before[layer].requires_grad_()
        with torch.enable_grad():
            after = run_blocks(network, start, after=layer)
            logits = run_head(network, after[LAST])
        targets = _targets(logits, target)
        chosen = logits.gather(1, torch.tensor(targets, device=logits.device).unsqueeze(1)).sum()
        if against is not None:
            chosen = chosen - logits[:, against].sum()
        (gradient,) = torch.autograd.grad(chosen, start)  # pictures do not mix: evaluation mode
        run = Run({key: value.detach() for key, value in (before | after).items()}, logits.detach())
        return Slope(run, targets, start.detach(), gradient)


def forward_with_all_maps(
    network: Network, batch: torch.Tensor, methods: Iterable[Method]
) -> tuple[Run, dict[tuple[str, str], RawMaps]]:
    """Run one picture (1, 3, S, S) and return its maps of all layers and classes.

    Costs one forward and four backward passes, whatever the number of layers and, nearly, of methods.

    Returns:
        The run, and by method and layer, in the network's order, maps (4, cells, cells); see :meth:`Slope.maps`.
    """
    with _ordinary_tensors(), torch.enable_grad():
        with torch.no_grad():
            first = run_blocks(network, _ordinary(batch), until=LAYERS[0])[LAYERS[0]]
        start = first.requires_grad_()
        blocks = {LAYERS[0]: start} | run_blocks(network, start, after=LAYERS[0])
        logits = run_head(network, blocks[LAST])
        inputs = [blocks[layer] for layer in LAYERS[:-1]]  # features.8 has its closed form
        classes = logits.shape[1]
        gradients = [
            torch.autograd.grad(logits[0, target], inputs, retain_graph=target < classes - 1)
            for target in range(classes)
        ]
        run = Run({layer: output.detach() for layer, output in blocks.items()}, logits.detach())
    maps = {}
    with _ordinary_tensors(), torch.no_grad():
        for method in methods:
            for index, layer in enumerate(LAYERS[:-1]):
                made = [method.function(run.activations[layer], of_class[index]) for of_class in gradients]
                maps[method.key, layer] = _array(torch.cat(made))
            maps[method.key, LAST] = last_maps(network, run, method)
    return run, maps


def last_maps(network: Network, run: Run, method: Method) -> RawMaps:
    """Return the maps (4, cells, cells) of one picture at ``features.8``, for which no gradient is asked."""
    with _ordinary_tensors(), torch.no_grad():
        activations = run.activations[LAST]
        classes = list(range(run.logits.shape[1]))
        return _array(method.function(activations, last_gradient(network, activations, classes)))


def last_gradient(network: Network, activations: torch.Tensor, targets: Sequence[int]) -> torch.Tensor:
    """Return logits' gradients at ``features.8`` in closed form.

    Args:
        network: whose head weighs the channels.
        activations: (N, C, h, w), or (1, C, h, w) for one picture.
        targets: a class index for each picture; one for all of them; or several for one picture.

    Returns:
        (targets, C, h, w).
    """
    weights = network.get_parameter("classifier.1.weight")[list(targets)].detach()
    height, width = activations.shape[-2:]
    return (weights / (height * width))[:, :, None, None].expand(-1, -1, height, width)


def biases(network: Network) -> list[float]:
    """Return the part of each class's logit that comes from no place in the picture."""
    bias: list[float] = network.get_parameter("classifier.1.bias").detach().double().tolist()
    return bias


def _targets(logits: torch.Tensor, target: int | None) -> list[int]:
    """Return a class index for each picture: the given one, or that of its largest logit."""
    largest: list[int] = logits.detach().argmax(dim=1).tolist()
    return largest if target is None else [target] * len(largest)


def _array(maps: torch.Tensor) -> RawMaps:
    """Return maps as a read-only array in memory of its own."""
    array: RawMaps = np.array(maps.float().cpu().numpy())
    array.flags.writeable = False
    return array


def _ordinary_tensors() -> torch.inference_mode:
    """A caller's ``inference_mode`` would forbid gradients; inside this block tensors are ordinary."""
    return torch.inference_mode(False)


def _ordinary(batch: torch.Tensor) -> torch.Tensor:
    return batch.clone() if batch.is_inference() else batch

"""Runs the network once and keeps what maps are made of: block outputs, logits, gradients.

Nothing is left on the network: no hooks, no ``.grad``, no change of mode, so several threads may share
one. The forward is split at a block; behind it, ``torch.autograd.grad`` asks for the gradient of a
logit with respect to block outputs, and the weights stay frozen. At ``features.8`` not even that is
needed: only a mean and a linear layer follow, so the gradient is the head's weights over the cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch

from lesionviz.explanation.methods import Method
from lesionviz.network import LAYERS, Network, run_blocks, run_head

LAST = LAYERS[-1]
RawMap = npt.NDArray[np.float32]


@dataclass
class Trace:
    """What one run over a batch of N pictures left behind.

    Attributes:
        activations: by layer, the block's output (N, C, cells, cells), detached.
        logits: (N, 4), detached.
        gradients: by layer and class index, the gradient of that logit with respect to the block's
            output, of the same shape; filled on demand.
    """

    activations: Mapping[str, torch.Tensor]
    logits: torch.Tensor
    gradients: dict[tuple[str, int], torch.Tensor] = field(default_factory=dict)

    def one(self, index: int) -> Trace:
        """Return the trace of one picture of the batch, in memory of its own.

        A gradient that is zero throughout belongs to another picture of the batch and is left out; it is
        taken when it is asked for.
        """
        return Trace(
            {layer: a[index : index + 1].clone() for layer, a in self.activations.items()},
            self.logits[index : index + 1].clone(),
            {key: g[index : index + 1].clone() for key, g in self.gradients.items() if g[index].any()},
        )


def forward(network: Network, batch: torch.Tensor) -> Trace:
    """Run a normalised batch (N, 3, S, S) through the network; costs one forward and keeps no graph."""
    with _ordinary_tensors(), torch.no_grad():
        activations = run_blocks(network, _ordinary(batch))
        return Trace(activations, run_head(network, activations[LAST]))


def forward_with_gradient(network: Network, batch: torch.Tensor, layer: str, targets: list[int] | None) -> Trace:
    """Run a batch and take, in the same run, the gradient of one logit a picture at one layer.

    Args:
        network: in evaluation mode, frozen.
        batch: normalised input (N, 3, S, S).
        layer: where the graph starts; the blocks before it run without one.
        targets: class index for each picture; None takes each picture's largest logit.

    Returns:
        A trace whose ``gradients`` hold the layer under every class that occurs among the targets;
        rows of other pictures in them are zero.
    """
    with _ordinary_tensors():
        with torch.no_grad():
            before = run_blocks(network, _ordinary(batch), until=layer)
        start = before[layer].requires_grad_()
        with torch.enable_grad():
            after = run_blocks(network, start, after=layer)
            logits = run_head(network, after.get(LAST, start))
        wanted = torch.tensor(targets, device="cpu") if targets is not None else logits.detach().argmax(dim=1).cpu()
        chosen = logits.gather(1, wanted.to(logits.device).unsqueeze(1)).sum()  # pictures do not mix: eval mode
        (gradient,) = torch.autograd.grad(chosen, start)
        activations = {key: value.detach() for key, value in (before | after).items()}
        trace = Trace(activations, logits.detach())
        for target in sorted(set(wanted.tolist())):
            of_target = (wanted == target).to(gradient.device).view(-1, 1, 1, 1)
            trace.gradients[layer, target] = torch.where(of_target, gradient, 0)
    return trace


def forward_with_all_gradients(network: Network, batch: torch.Tensor) -> Trace:
    """Run a batch and take the gradients of all four logits at all nine layers, in one run.

    Costs one forward and four backward passes, whatever the number of layers.
    """
    with _ordinary_tensors():
        with torch.no_grad():
            first = run_blocks(network, _ordinary(batch), until=LAYERS[0])[LAYERS[0]]
        return _all_gradients(network, first)


def _all_gradients(network: Network, first: torch.Tensor) -> Trace:
    """Return the whole trace from the output of ``features.0``."""
    with _ordinary_tensors(), torch.enable_grad():
        start = first.detach().requires_grad_()
        blocks = {LAYERS[0]: start} | run_blocks(network, start, after=LAYERS[0])
        logits = run_head(network, blocks[LAST])
        trace = Trace({layer: output.detach() for layer, output in blocks.items()}, logits.detach())
        inputs = [blocks[layer] for layer in LAYERS[:-1]]  # features.8 has its closed form
        classes = logits.shape[1]
        for target in range(classes):
            gradients = torch.autograd.grad(logits[:, target].sum(), inputs, retain_graph=target < classes - 1)
            trace.gradients |= {
                (layer, target): gradient for layer, gradient in zip(LAYERS[:-1], gradients, strict=True)
            }
    return trace


class Analysis:
    """One picture's trace and the maps made from it; safe to share between threads.

    Args:
        network: in evaluation mode, frozen.
        trace: of a batch of one.
    """

    def __init__(self, network: Network, trace: Trace) -> None:
        self._network, self._trace = network, trace
        self._maps: dict[tuple[str, str, int, int | None], RawMap] = {}
        self._lock = Lock()
        self.logits: list[float] = trace.logits[0].double().tolist()
        head = network.get_submodule("classifier.1")
        assert isinstance(head, torch.nn.Linear)
        self.biases: list[float] = head.bias.detach().double().tolist()

    @property
    def activations(self) -> Mapping[str, torch.Tensor]:
        """By layer, the block's output (1, C, cells, cells)."""
        return self._trace.activations

    def raw_map(self, method: Method, layer: str, target: int, against: int | None = None) -> RawMap:
        """Return a signed map (cells, cells), float32, read-only, in units of the logit.

        Args:
            method: how.
            layer: the block.
            target: class index.
            against: another class index: the map then explains ``logit[target] - logit[against]``
                (Finer-CAM, arXiv 2501.11309, with gamma 1).
        """
        key = (method.key, layer, target, against)
        made = self._maps.get(key)
        if made is None:
            with self._lock:
                made = self._maps.get(key)
                if made is None:
                    made = self._make(method, layer, target, against)
                    self._maps[key] = made
        return made

    def all_maps(self, method: Method) -> dict[tuple[str, int], RawMap]:
        """Return the maps of every layer and class; the first call costs about five forwards."""
        with self._lock:
            if not all(self.has_gradients(layer) for layer in LAYERS):
                self._trace = _all_gradients(self._network, self._trace.activations[LAYERS[0]])
        return {(layer, t): self.raw_map(method, layer, t) for layer in LAYERS for t in range(len(self.logits))}

    def has_gradients(self, layer: str) -> bool:
        """Whether the maps of all classes at a layer are to be had without another run."""
        return layer == LAST or all((layer, t) in self._trace.gradients for t in range(len(self.logits)))

    def _make(self, method: Method, layer: str, target: int, against: int | None) -> RawMap:
        with _ordinary_tensors(), torch.no_grad():
            gradient = self._gradient(layer, target)
            if against is not None:
                gradient = gradient - self._gradient(layer, against)
            raw = method.function(self._trace.activations[layer], gradient)[0].float().cpu().numpy()
        array: RawMap = raw
        array.flags.writeable = False
        return array

    def _gradient(self, layer: str, target: int) -> torch.Tensor:
        """Return the gradient (1, C, cells, cells) of a logit at a layer."""
        activations = self._trace.activations[layer]
        if layer == LAST:
            return last_gradient(self._network, activations, target)
        if (layer, target) not in self._trace.gradients:
            start = activations.detach().requires_grad_()
            with torch.enable_grad():
                blocks = run_blocks(self._network, start, after=layer)
                logit = run_head(self._network, blocks[LAST])[0, target]
            (self._trace.gradients[layer, target],) = torch.autograd.grad(logit, start)
        return self._trace.gradients[layer, target]


def last_gradient(network: Network, activations: torch.Tensor, target: int) -> torch.Tensor:
    """Return a logit's gradient at ``features.8`` in closed form, for activations (N, C, h, w)."""
    weights = network.get_parameter("classifier.1.weight")[target].detach()
    cells = activations.shape[-2] * activations.shape[-1]
    return (weights / cells).view(1, -1, 1, 1).expand_as(activations)


def _ordinary_tensors() -> torch.inference_mode:
    """A caller's ``inference_mode`` would forbid gradients; inside this block tensors are ordinary."""
    return torch.inference_mode(False)


def _ordinary(batch: torch.Tensor) -> torch.Tensor:
    return batch.clone() if batch.is_inference() else batch

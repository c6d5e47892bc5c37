"""EfficientNet-B0 with a 4-way head, or a small network of the same shape, and its nine blocks, run in one go or in parts.

The networks are torchvision's; tensors in and out are float32 (N, 3, S, S) and logits (N, 4).
torch is imported when a network is built, so that interfaces can name layers without waiting for it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    import torch

Network: TypeAlias = "torch.nn.Module"
"""A torchvision EfficientNet with the nine blocks below; the name stands without torch being loaded."""
B0, SMALL = "efficientnet_b0", "lesionviz_small"
ARCHITECTURES: dict[str, str] = {B0: "EfficientNet-B0", SMALL: "small EfficientNet"}
"""Networks that can be built, and what people call them."""
_SMALL = (
    (1, 3, 1, 16, 8),
    (2, 3, 2, 8, 16),
    (4, 5, 2, 16, 24),
    (4, 3, 2, 24, 40),
    (4, 5, 1, 40, 48),
    (4, 5, 2, 48, 64),
    (4, 3, 1, 64, 80),
)
"""The small network's blocks 1 to 7, one unit each: expansion, kernel, stride, channels in and out."""
_SMALL_LAST = 256

STRIDES: dict[str, int] = {
    "features.0": 2,
    "features.1": 2,
    "features.2": 4,
    "features.3": 8,
    "features.4": 16,
    "features.5": 16,
    "features.6": 32,
    "features.7": 32,
    "features.8": 32,
}
"""Pixels of input per cell of each block's output (Tan & Le 2019, arXiv 1905.11946, table 1)."""
LAYERS: tuple[str, ...] = tuple(STRIDES)


@contextmanager
def ordinary_tensors() -> Iterator[None]:
    """Make tensors on the CPU that gradients may pass, whatever device or mode the caller has set for everything else."""
    import torch

    with torch.inference_mode(False), torch.device("cpu"):
        yield


def check_layer(layer: object, input_size: int) -> str:
    """Return the name of a block if it is one.

    Raises:
        LesionvizError: it is not; the text lists the blocks with their grid sizes.
    """
    if isinstance(layer, str) and layer in STRIDES:
        return layer
    valid = ", ".join(f"{name} ({describe_grid(name, input_size)})" for name in LAYERS)
    near = difflib.get_close_matches(str(layer), LAYERS, n=1)
    hint = f" Did you mean {near[0]}?" if near and isinstance(layer, str) else ""
    raise LesionvizError(f"The layer {layer!r} is not known.{hint} Choose from: {valid}.")


def grid_size(layer: str, input_size: int) -> int:
    """Return the number of cells along one side of a block's output."""
    return -(-input_size // STRIDES[layer])  # every strided convolution rounds up


def describe_grid(layer: str, input_size: int) -> str:
    """Return the grid in words, such as ``7 × 7 cells``."""
    cells = grid_size(layer, input_size)
    return f"{cells} × {cells} cells"


def build_network(dropout: float = 0.2, architecture: str = B0) -> Network:
    """Return a network with random weights and one logit for each of the four diagnoses.

    Args:
        dropout: share of what the head sees that is left out in training.
        architecture: one of :data:`ARCHITECTURES`; the blocks of all of them have the same names and strides.
    """
    from lesionviz.efficientnet import EfficientNet, MBConvConfig, efficientnet_b0

    network: Network
    if architecture == SMALL:
        blocks = [MBConvConfig(*each, num_layers=1) for each in _SMALL]
        network = EfficientNet(blocks, dropout, num_classes=len(CODES), last_channel=_SMALL_LAST)
    else:
        network = efficientnet_b0(num_classes=len(CODES), dropout=dropout)
    return network


def shapes(architecture: str = B0) -> dict[str, torch.Tensor]:
    """Return a network's state dict, of tensors that have a shape and a type but no values."""
    import torch
    from torch.overrides import TorchFunctionMode

    class NothingDrawn(TorchFunctionMode):
        """Leaves out drawing random weights: where there are no values, torch would load its compiler for it, a second."""

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return args[0] if function is torch.Tensor.normal_ else function(*args, **(kwargs or {}))

    with torch.device("meta"), NothingDrawn():
        return dict(build_network(architecture=architecture).state_dict())


def fold_batch_norms(network: Network) -> None:
    """Write every batch norm of a network in evaluation mode into the convolution before it, in place.

    A fifth less work, and the same numbers up to rounding.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for unit in list(network.modules()):
        if isinstance(unit, nn.Sequential) and len(unit) > 1:
            convolution, norm = unit[0], unit[1]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                unit[0], unit[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


def run_blocks(
    network: Network, batch: torch.Tensor, after: str | None = None, until: str = LAYERS[-1]
) -> dict[str, torch.Tensor]:
    """Run a part of the network and return the output of every block on the way.

    Args:
        network: what to run.
        batch: normalised input (N, 3, S, S), or the output of the block named by ``after``.
        after: start behind this block; None starts at the input.
        until: the last block to run.

    Returns:
        By layer name, in order, tensors of shape (N, C, cells, cells).
    """
    start = 0 if after is None else LAYERS.index(after) + 1
    outputs: dict[str, torch.Tensor] = {}
    for layer in LAYERS[start : LAYERS.index(until) + 1]:
        batch = outputs[layer] = network.get_submodule(layer)(batch)
    return outputs


def evidence_maps(network: Network, features: torch.Tensor) -> torch.Tensor:
    """Return where the logits come from (N, 4, cells, cells): the mean of each map, plus the bias, is the logit.

    Class activation maps (Zhou et al. 2016, arXiv 1512.04150); at ``features.8`` Grad-CAM before its ReLU is the same
    but for a constant factor.

    Args:
        network: whose last layer weighs the features.
        features: the output of ``features.8``.
    """
    from torch.nn.functional import conv2d

    weight: torch.Tensor = network.get_parameter("classifier.1.weight")
    return conv2d(features, weight[:, :, None, None])


def run_head(network: Network, features: torch.Tensor) -> torch.Tensor:
    """Return the logits (N, 4) from the output of ``features.8``."""
    pooled = network.get_submodule("avgpool")(features).flatten(1)
    logits: torch.Tensor = network.get_submodule("classifier")(pooled)
    return logits

"""Runs the network, split at a block, and returns raw class-activation maps.

Nothing is left on the network: no hooks, no ``.grad``, no change of mode. Several threads may explain
with one network at a time, also from inside ``torch.inference_mode``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from lesionviz.errors import LesionvizError
from lesionviz.network import LAYERS, Network, run_from, run_to

METHODS = ("gradcam",)


def check_method(method: object) -> str:
    """Return the name of a method if it is one.

    Raises:
        LesionvizError: it is not; the text lists the methods.
    """
    if method not in METHODS:
        raise LesionvizError(f"The method {method!r} is not known. Choose from: {', '.join(METHODS)}.")
    return str(method)


def gradcam(network: Network, batch: torch.Tensor, layer: str, target: int) -> npt.NDArray[np.float32]:
    """Return the signed Grad-CAM map of one picture (Selvaraju et al. 2017, arXiv 1610.02391).

    Each channel of the block's output is weighted with the mean of the logit's gradient over its cells,
    and the channels are added. The paper's ReLU is left to display, so that evidence against the class
    is kept. At ``features.8`` the map's sum plus the head's bias is the logit.

    Args:
        network: in evaluation mode.
        batch: normalised input (1, 3, S, S).
        layer: one of :data:`lesionviz.network.LAYERS`.
        target: class index.

    Returns:
        Array of shape (cells, cells), in units of the logit.
    """
    # A caller's inference_mode would forbid gradients; inside this block tensors are ordinary ones.
    with torch.inference_mode(False):
        with torch.no_grad():
            activations = run_to(network, batch.clone() if batch.is_inference() else batch, layer)
            cells = activations.shape[2] * activations.shape[3]
        if layer == LAYERS[-1]:
            # Only a mean and a linear layer follow: the gradient is the head's weights over the cells.
            head = network.get_parameter("classifier.1.weight")
            weights = head[target].detach() / cells
        else:
            activations.requires_grad_()
            with torch.enable_grad():
                logit = run_from(network, activations, layer)[0, target]
            (gradient,) = torch.autograd.grad(logit, activations)
            weights = gradient[0].mean(dim=(1, 2))
        with torch.no_grad():
            raw = torch.einsum("c,chw->hw", weights, activations[0])
    array: npt.NDArray[np.float32] = raw.float().cpu().numpy()
    return array

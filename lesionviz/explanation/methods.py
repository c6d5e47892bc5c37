"""Ways to turn a block's output and a logit's gradient into one map; each function is its formula.

Every function takes activations A (..., C, h, w) and the gradient g of the explained logit with respect
to them, of the same shape, and returns a signed map (..., h, w). The papers' final ReLU is left to
display, so that evidence against a class is kept.

Not offered, because they would mislead: guided backpropagation and Guided Grad-CAM hardly change when
the network's weights are randomised (Adebayo et al. 2018, arXiv 1810.03292); Eigen-CAM is the same for
every class; Score-CAM costs a forward for each of up to 1,280 channels and its weights are no gradients
of anything the network computes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:  # interfaces name the methods without waiting for torch
    import torch

MapFunction: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"


def gradcam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Sum over channels of mean(g) · A."""
    return _weighted(activations, gradient.mean(dim=(-2, -1)))


def hirescam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Sum over channels of g · A, cell by cell."""
    return (gradient * activations).sum(dim=-3)


def layercam(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Sum over channels of max(g, 0) · A, cell by cell."""
    return (gradient.clamp_min(0) * activations).sum(dim=-3)


def gradcam_plus_plus(activations: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Sum over channels of w · A with w = sum of a · max(g, 0), a = g² / (2 g² + g³ · sum(max(A, 0))).

    Only positive g count, and there a is 1 / (2 + g · sum(max(A, 0))), at most one half. The paper writes
    sum(A), for blocks that end in a ReLU, where it is the same. This network's blocks put out negative
    values too; with them the denominator crosses zero, and rounding alone would decide the map.
    """
    positive = gradient.clamp_min(0)
    total = activations.clamp_min(0).sum(dim=(-2, -1), keepdim=True)
    return _weighted(activations, (positive / (2 + positive * total)).sum(dim=(-2, -1)))


def _weighted(activations: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Add up the channels (..., C, h, w), each times its weight (..., C); no copy in ``channels_last``."""
    return (activations.movedim(-3, -1) @ weights[..., None, :, None]).squeeze(-1)


@dataclass(frozen=True)
class Method:
    """One way to make a map.

    Attributes:
        key: what callers say.
        name: what people read.
        function: the formula.
        paper: where it comes from.
        guarantee: what it promises, in one sentence.
        linear: whether the map is linear in the gradient, so that the map of a difference of logits is the
            difference of their maps.
    """

    key: str
    name: str
    function: MapFunction
    paper: str
    guarantee: str
    linear: bool = False


METHODS: dict[str, Method] = {
    method.key: method
    for method in (
        Method(
            "gradcam",
            "Grad-CAM",
            gradcam,
            "Selvaraju et al. 2017, arXiv 1610.02391",
            "At features.8 the map's sum plus the head's bias is the logit, exactly.",
            linear=True,
        ),
        Method(
            "hirescam",
            "HiResCAM",
            hirescam,
            "Draelos & Carin 2020, arXiv 2011.08891",
            "Shows only cells that the gradient itself uses; the same map as Grad-CAM at features.8.",
            linear=True,
        ),
        Method(
            "layercam",
            "LayerCAM",
            layercam,
            "Jiang et al. 2021, doi 10.1109/TIP.2021.3089943",
            "Keeps fine detail at early layers; counts only channels that speak for the class.",
        ),
        Method(
            "gradcam++",
            "Grad-CAM++",
            gradcam_plus_plus,
            "Chattopadhay et al. 2018, arXiv 1710.11063",
            "Weighs several places of evidence more evenly than Grad-CAM; counts only evidence for the class.",
        ),
    )
}


def find_method(key: object) -> Method:
    """Return a method by its key.

    Raises:
        LesionvizError: there is none; the text lists them and suggests a near spelling.
    """
    if isinstance(key, str) and key in METHODS:
        return METHODS[key]
    near = difflib.get_close_matches(str(key).lower(), METHODS, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise LesionvizError(f"The method {key!r} is not known.{hint} Choose from: {', '.join(METHODS)}.")

"""timm's names for the tensors of an EfficientNet-B0, and torchvision's names for the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

TIMM = (
    "its names converted from timm's efficientnet_b0, for which alone that is right: a tf_efficientnet_b0 has the same "
    "names, but pads and normalises in another way, and would give wrong answers"
)
"""What is recorded of tensors under timm's names, as they alone do not tell the two networks apart."""
_PARTS = {"conv_pw": 0, "bn1": 0, "conv_dw": 1, "bn2": 1, "se": 2, "conv_pwl": 3, "bn3": 3}
_FIRST_PARTS = {"conv_dw": 0, "bn1": 0, "se": 1, "conv_pw": 2, "bn2": 2}
"""Which layer of a block each of timm's is; the first blocks do not expand and have one less."""
_OUTSIDE = {"conv_stem": "features.0.0", "bn1": "features.0.1", "conv_head": "features.8.0", "bn2": "features.8.1"}
_SQUEEZE = {"conv_reduce": "fc1", "conv_expand": "fc2"}


def from_timm(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return tensors of timm's ``efficientnet_b0`` under torchvision's names; unknown names stay as they are.

    The two networks are the same, to the bit. (Those that timm calls ``tf_efficientnet_b0`` pad in another way, and their
    batch norm adds 1e-3 where these add 1e-5; their tensors have the same names and shapes.)
    """
    return {_renamed(key): tensor for key, tensor in tensors.items()}


def _renamed(key: str) -> str:
    first, *rest = key.split(".")
    if first in _OUTSIDE:
        return ".".join([_OUTSIDE[first], *rest])
    if first == "classifier" and len(rest) == 1:
        return f"classifier.1.{rest[0]}"
    match = re.fullmatch(r"blocks\.(\d)\.(\d)\.(\w+)\.(.+)", key)
    if match is None:
        return key
    stage, block, layer, end = match.groups()
    part = (_PARTS if stage != "0" else _FIRST_PARTS).get(layer)
    if part is None:
        return key
    if layer == "se":
        squeeze, _, end = end.partition(".")
        inner = f"{_SQUEEZE.get(squeeze, squeeze)}"
    else:
        inner = "1" if layer.startswith("bn") else "0"
    return f"features.{int(stage) + 1}.{block}.block.{part}.{inner}.{end}"

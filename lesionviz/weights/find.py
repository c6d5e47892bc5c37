"""Finds the EfficientNet-B0 among the named tensors of a file, whatever a training wrapped round it.

DataParallel, ``torch.compile`` and Lightning put words before the names of tensors, loops put the state dict into
another dict beside optimizers and figures, and timm has names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lesionviz.errors import LesionvizError
from lesionviz.weights.read import EXPECTED
from lesionviz.weights.timm import TIMM, from_timm

if TYPE_CHECKING:
    import torch

FIRST = "features.0.0.weight"
"""The first tensor of a torchvision EfficientNet-B0; what stands before its name stands before all of them."""
HEAD = "classifier.1.weight"
MEAN, COUNT = "running_mean", "num_batches_tracked"
DEPTH = 3
"""How many dicts are opened, one in the other."""
WRAPPERS = {"module", "_orig_mod"}
"""What DataParallel and ``torch.compile`` write into names, wherever the wrapped part begins."""


@dataclass(frozen=True)
class Weights:
    """The tensors of one EfficientNet-B0, under torchvision's names.

    Attributes:
        tensors: by name; whether they are complete is not checked.
        found: where they were and what was done to their names, as clauses; usually nothing.
    """

    tensors: Mapping[str, torch.Tensor]
    found: tuple[str, ...] = ()

    @property
    def classes(self) -> int | None:
        """How many classes the head tells apart; None without one."""
        head = self.tensors.get(HEAD)
        return len(head) if head is not None and head.ndim == 2 else None


def find_weights(content: Mapping[str, Any], name: str) -> Weights:
    """Return the network in a dict that :func:`lesionviz.weights.read.read_tensors` gave, or what comes nearest to one.

    Raises:
        LesionvizError: there are several, none of the dicts holds tensors, or a name beside them is that of a network
            which only looks the same.
    """
    found = [network for place, tensors in _dicts_of_tensors(content) for network in _networks(place, tensors)]
    if len(found) > 1:
        places = ", ".join(repr(place or "at the top") for place, _ in found)
        raise LesionvizError(
            f"{name} holds several networks ({places}). Save the state dict of the one that you mean in a file of its own."
        )
    if found:
        _, weights = found[0]
        check_numbers(weights.tensors, name)
        if TIMM in weights.found and (named := _tensorflow_name(content)):
            raise LesionvizError(
                f"{name} is of timm's {named}, whose network pads and normalises in another way than efficientnet_b0, so "
                f"its weights would give other answers here. {EXPECTED}"
            )
        return weights
    best = max((tensors for _, tensors in _dicts_of_tensors(content)), key=len, default=None)
    if best is None:
        raise LesionvizError(f"{name} holds no state dict: no named tensors. {EXPECTED}")
    if any(key.endswith("_conv_stem.weight") for key in best):
        raise LesionvizError(
            f"{name} is of the package efficientnet_pytorch, whose network pads and normalises in another way, so its "
            f"weights would give other answers here. {EXPECTED}"
        )
    return Weights(best)


def check_numbers(tensors: Mapping[str, Any], name: str) -> None:
    """Make sure that tensors hold numbers as a network computes with them.

    Raises:
        LesionvizError: one is empty of values, sparse, quantised, complex, or of whole numbers.
    """
    import torch

    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            continue
        if tensor.is_meta:
            what = "only a shape and no values (it is on the device meta)"
        elif tensor.layout is not torch.strided or tensor.is_quantized:
            what = f"{'quantised' if tensor.is_quantized else 'sparse'} values"
        elif not tensor.is_floating_point() and not key.endswith(f".{COUNT}"):
            what = f"values of the kind {str(tensor.dtype).removeprefix('torch.')}"
        else:
            continue
        raise LesionvizError(
            f"{name}: {key} holds {what}. Save the state dict of the network in ordinary float32: "
            "torch.save(model.float().state_dict(), FILE)."
        )


def _dicts_of_tensors(content: Mapping[str, Any], place: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    """Yield the tensors of every dict that has some, with the keys on the way to it."""
    import torch

    tensors = {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if tensors:
        yield place, tensors
    for key, value in content.items():
        if depth and isinstance(value, dict) and all(isinstance(inner, str) for inner in value):
            yield from _dicts_of_tensors(value, f"{place}.{key}".lstrip("."), depth - 1)


def _networks(place: str, tensors: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, Weights]]:
    """Yield each EfficientNet-B0 among named tensors, by what stands before its names."""
    plain = {".".join(part for part in key.split(".") if part not in WRAPPERS): t for key, t in tensors.items()}
    where = [f"found in its {place!r}"] if place else []
    if len(plain) < len(tensors):  # with and without a wrapper: two copies, which one cannot tell apart any more
        plain = dict(tensors)
    for first, convert in ((FIRST, dict), ("conv_stem.weight", from_timm)):
        for anchor in [key for key in plain if key == first or key.endswith(f".{first}")]:
            before = anchor.removesuffix(first)
            # A name without a dot, such as a count of steps, is no tensor of a network.
            own = {key.removeprefix(before): t for key, t in plain.items() if key.startswith(before) and "." in key}
            said = [TIMM] if convert is from_timm else []
            yield f"{place} {before}".strip(" ."), Weights(_with_counts(convert(own)), tuple(where + said))


def _with_counts(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add how many batches the running statistics are of, where a conversion left that out; no answer needs it."""
    import torch

    places = [key.removesuffix(MEAN) for key in tensors if key.endswith(f".{MEAN}")]
    return {f"{place}{COUNT}": torch.zeros((), dtype=torch.long, device="cpu") for place in places} | dict(tensors)


def _tensorflow_name(content: Mapping[str, Any], depth: int = DEPTH) -> str:
    """Return the name of a network with weights ported from TensorFlow that timm or a loop left in a file, or nothing."""
    for value in content.values():
        if isinstance(value, str) and (named := re.search(r"(?<![^/:])tf_efficientnet_\w[\w.]*", value)):
            return named[0]
        if depth and isinstance(value, dict) and (inner := _tensorflow_name(value, depth - 1)):
            return inner
    return ""

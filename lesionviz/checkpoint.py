"""``best_model.pth``: what is in it, how it is saved and loaded, and the one that is bundled.

A checkpoint is one ``torch.save`` dict of plain values and tensors, read with ``weights_only=True``,
so that loading a stranger's file runs none of its code. Every value is checked before it is used.
A bare torchvision state dict, as the original notebook saves it, is accepted too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing, sha256
from lesionviz.network import Network, build_network
from lesionviz.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

FORMAT = "lesionviz checkpoint"
VERSION = 1
BUNDLED = Path(__file__).parent / "models" / "best_model.pth"
VARIABLE = "LESIONVIZ_MODEL"
"""Environment variable that names another default than the bundled checkpoint."""
MAX_BYTES = 256 * 2**20
"""Largest file that is read, in bytes; an EfficientNet-B0 has 16 MB."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained classifier and everything needed to use and to judge it.

    Attributes:
        state_dict: torchvision EfficientNet-B0 with a 4-way head, float32.
        preprocessing: how pictures become its input.
        temperature: divides the logits before softmax; 1 changes nothing.
        refusal: statistics that decide when to stay silent (:class:`lesionviz.refusal.Refusal`); empty until
            the model is calibrated.
        operating_points: thresholds on the probability of melanoma, chosen on validation images: dicts with
            ``sensitivity``, ``threshold``, ``specificity`` and ``benign_per_melanoma``; empty until calibrated.
        recipe: the training recipe, plain values, with ``init`` (the starting weights) and ``half``.
        split: ``sha256``, ``seed`` and fractions of the lesion-grouped split; empty when not known.
        metrics: validation figures of the stored epoch.
        licence: what the weights may be used for.
        history: where the weights come from, one sentence for each step.
        file_sha256: of the file it was loaded from; empty for one that was never saved.
    """

    state_dict: Mapping[str, torch.Tensor]
    preprocessing: Preprocessing
    temperature: float = 1.0
    refusal: Mapping[str, Any] = field(default_factory=dict)
    operating_points: tuple[Mapping[str, float], ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    history: tuple[str, ...] = ()
    file_sha256: str = ""

    def save(self, path: Path, half: bool = False) -> None:
        """Write the checkpoint; the file appears whole or not at all.

        Args:
            path: where to; an existing file is replaced.
            half: store convolution and linear weights in half precision (8 MB instead of 16);
                batch-norm statistics, which need the range, stay in single precision.
        """
        import torch

        def stored(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.half() if half and tensor.ndim > 1 else tensor

        content = {
            "format": FORMAT,
            "version": VERSION,
            "state_dict": {key: stored(t.detach().cpu()).contiguous() for key, t in self.state_dict.items()},
            "classes": list(CODES),
            "preprocessing": self.preprocessing.to_dict(),
            "temperature": self.temperature,
            "refusal": dict(self.refusal),
            "operating_points": [dict(point) for point in self.operating_points],
            "recipe": dict(self.recipe),
            "split": dict(self.split),
            "metrics": dict(self.metrics),
            "licence": self.licence,
            "history": list(self.history),
        }
        with replacing(path) as temporary:
            torch.save(content, temporary)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Checkpoint:
        """Read a checkpoint, or a bare state dict of the original notebook.

        Args:
            path: the file; by default the one that ``LESIONVIZ_MODEL`` names, else the bundled one.

        Raises:
            LesionvizError: it is missing, damaged, or something else; the text says what was expected.
        """
        path = Path(os.environ.get(VARIABLE) or BUNDLED) if path is None else Path(path)
        content = read_tensors(path)
        if content.get("format") == FORMAT:
            checkpoint = _from_content(content, path.name)
        else:
            checkpoint = _from_state_dict(content, path.name)
        return replace(checkpoint, file_sha256=sha256(path))

    def network(self) -> Network:
        """Return the network in evaluation mode with frozen float32 weights, on the CPU."""
        network = build_network()
        network.load_state_dict(dict(self.state_dict))
        return network.eval().requires_grad_(False)


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a ``torch.save`` dict without running any code in it.

    Raises:
        LesionvizError: the file is missing, too large, damaged, or holds something other than a dict.
    """
    import torch

    expected = (
        "Expected is a best_model.pth written by lesionviz, or the state dict of a torchvision efficientnet_b0."
    )
    if path.is_dir():
        raise LesionvizError(f"{path} is a folder. Give the model file in it. {expected}")
    if not path.is_file():
        raise LesionvizError(f"There is no file {path}. {expected}")
    if path.stat().st_size > MAX_BYTES:
        raise LesionvizError(f"{path.name} has more than {MAX_BYTES // 2**20} MiB. {expected}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many types for foreign or hostile files (UnpicklingError, EOFError, RuntimeError...).
        raise LesionvizError(f"{path.name} is damaged or is not a model file. {expected}") from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise LesionvizError(f"{path.name} does not hold named tensors. {expected}")
    return content


def check_state_dict(state: object, name: str) -> dict[str, torch.Tensor]:
    """Return an EfficientNet-B0 state dict with a 4-way head as float32, if it is one.

    Raises:
        LesionvizError: a tensor is missing, unknown, of the wrong shape, or not finite.
    """
    import torch

    with torch.device("meta"):
        expected = build_network().state_dict()
    if not isinstance(state, dict):
        raise LesionvizError(f"{name} holds no state dict.")
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or unknown:
        example = min(missing or unknown)
        raise LesionvizError(
            f"{name} looks like another network than torchvision's efficientnet_b0 with a head for "
            f"{', '.join(CODES)}: "
            f"{len(missing)} tensors are missing and {len(unknown)} are unknown (for example {example})."
        )
    checked: dict[str, torch.Tensor] = {}
    for key, model in expected.items():
        tensor = state[key]
        if not isinstance(tensor, torch.Tensor) or tensor.shape != model.shape:
            found = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise LesionvizError(f"{name}: {key} should have the shape {tuple(model.shape)}, not {found}.")
        tensor = tensor.to(model.dtype)
        if not torch.isfinite(tensor).all():
            raise LesionvizError(f"{name}: {key} holds values that are not finite. The training diverged.")
        checked[key] = tensor
    return checked


def _from_state_dict(content: dict[str, Any], name: str) -> Checkpoint:
    """Accept what the original notebook saves: 224 px, plain resize, ImageNet statistics."""
    return Checkpoint(
        state_dict=check_state_dict(content, name),
        preprocessing=Preprocessing(size=224, geometry="stretch"),
        history=(f"Loaded from {name}, a bare state dict; how it was trained is not recorded.",),
    )


def _from_content(content: dict[str, Any], name: str) -> Checkpoint:
    """Check every value of a lesionviz checkpoint."""
    if content.get("version") != VERSION:
        raise LesionvizError(
            f"{name} has format version {content.get('version')!r}; this lesionviz reads version {VERSION}. "
            "Install the lesionviz that wrote it, or train again."
        )
    if content.get("classes") != list(CODES):
        raise LesionvizError(f"{name} tells apart {content.get('classes')!r}; expected are {list(CODES)}.")

    def value(key: str, kind: type | tuple[type, ...]) -> Any:
        if not isinstance(content.get(key), kind):
            raise LesionvizError(f"{name} is incomplete: its {key!r} is missing or has the wrong type.")
        return content[key]

    temperature = float(value("temperature", (int, float)))
    if not 0.05 <= temperature <= 20:
        raise LesionvizError(f"{name} has the temperature {temperature}; plausible are 0.05 to 20.")
    return Checkpoint(
        state_dict=check_state_dict(value("state_dict", dict), name),
        preprocessing=Preprocessing.from_dict(value("preprocessing", dict)),
        temperature=temperature,
        refusal=value("refusal", dict),
        operating_points=_operating_points(content.get("operating_points", []), name),
        recipe=value("recipe", dict),
        split=value("split", dict),
        metrics=value("metrics", dict),
        licence=value("licence", str),
        history=tuple(str(line) for line in value("history", list)),
    )


def _operating_points(values: object, name: str) -> tuple[Mapping[str, float], ...]:
    """Check the thresholds; a checkpoint of an earlier version has none."""
    keys = {"sensitivity", "threshold", "specificity", "benign_per_melanoma"}
    if not isinstance(values, list) or not all(
        isinstance(point, dict)
        and point.keys() == keys
        and all(type(number) is float and 0 <= number < float("inf") for number in point.values())
        for point in values
    ):
        raise LesionvizError(f"{name} has damaged operating points. Calibrate the model again.")
    return tuple(values)

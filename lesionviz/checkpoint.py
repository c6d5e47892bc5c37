"""``best_model.pth``: what is in it, how it is saved and loaded, and the one that is bundled.

A checkpoint is one ``torch.save`` dict of plain values and tensors, read with ``weights_only=True``,
so that loading a stranger's file runs none of its code. Every value is checked before it is used.
A bare torchvision state dict, as the original notebook saves it, is accepted too, in whatever a training wrapped round it
(:mod:`lesionviz.weights`).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing, sha256
from lesionviz.network import ARCHITECTURES, B0, Network, build_network, ordinary_tensors, shapes
from lesionviz.preprocessing import Preprocessing
from lesionviz.weights.find import HEAD, check_numbers, find_weights
from lesionviz.weights.read import read_tensors

if TYPE_CHECKING:
    import torch

FORMAT = "lesionviz checkpoint"
VERSION = 2
READ = (1, 2)
"""Versions that are read: 2 has ``calibration``, and may ask three questions before it answers."""
BUNDLED = Path(__file__).parent / "models" / "best_model.pth"
DRAWN = Path(__file__).parent / "models" / "drawings.pth"
"""A small network that was trained on drawings alone (:mod:`lesionviz.data.drawings`)."""
PHOTOGRAPHS, DRAWINGS = "photographs", "drawings"
VARIABLE = "LESIONVIZ_MODEL"
"""Environment variable that names another default than the bundled checkpoint."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained classifier and everything needed to use and to judge it.

    Attributes:
        state_dict: of the network, float32.
        preprocessing: how pictures become its input.
        temperature: divides the logits before softmax; 1 changes nothing.
        refusal: statistics that decide when to stay silent (:mod:`lesionviz.refusal`); empty until the model is
            calibrated.
        operating_points: thresholds on the probability of melanoma, chosen on validation images: dicts with
            ``sensitivity``, ``threshold``, ``specificity`` and ``benign_per_melanoma``; empty until calibrated.
        recipe: the training recipe, plain values, with ``init`` (the starting weights) and ``half``.
        split: ``sha256``, ``seed`` and fractions of the lesion-grouped split; empty when not known.
        calibration: of the images that it was calibrated on, for checks of an answer that are fitted later: ``logits``
            (N, 4), ``truth``, ``lesion`` and ``source`` (N,) as numbers, and the ``sources``' names; empty until then.
        metrics: validation figures of the stored epoch.
        licence: what the weights may be used for.
        history: where the weights come from, one sentence for each step.
        architecture: what kind of network the weights are of, one of :data:`lesionviz.network.ARCHITECTURES`.
        subject: what it was trained on: :data:`PHOTOGRAPHS`, or :data:`DRAWINGS`, whose answers say nothing of skin.
        file_sha256: of the file it was loaded from; empty for one that was never saved.
    """

    state_dict: Mapping[str, torch.Tensor]
    preprocessing: Preprocessing
    temperature: float = 1.0
    refusal: Mapping[str, Any] = field(default_factory=dict)
    operating_points: tuple[Mapping[str, float], ...] = ()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""
    history: tuple[str, ...] = ()
    architecture: str = B0
    subject: str = PHOTOGRAPHS
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
            "calibration": dict(self.calibration),
            "recipe": dict(self.recipe),
            "split": dict(self.split),
            "metrics": dict(self.metrics),
            "licence": self.licence,
            "history": list(self.history),
            "architecture": self.architecture,
            "subject": self.subject,
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
        path = default_path() if path is None else Path(path)
        content = read_tensors(path)
        if content.get("format") == FORMAT:
            checkpoint = _from_content(content, path.name)
        else:
            checkpoint = _from_state_dict(content, path.name)
        return replace(checkpoint, file_sha256=sha256(path))

    def facts(self) -> dict[str, Any]:
        """Return what a page tells of a model, as plain data without weights."""
        return {
            "preprocessing": self.preprocessing.to_dict(),
            "temperature": self.temperature,
            "operating_points": [dict(point) for point in self.operating_points],
            "split": {"sha256": self.split.get("sha256")},
            "licence": self.licence,
            "history": list(self.history),
            "architecture": self.architecture,
            "subject": self.subject,
            "file_sha256": self.file_sha256,
        }

    @classmethod
    def from_facts(cls, plain: Mapping[str, Any]) -> Checkpoint:
        """Return a checkpoint without weights, of what :meth:`facts` gave."""
        return cls(
            **{**plain, "operating_points": tuple(plain["operating_points"]), "history": tuple(plain["history"])}
            | {"state_dict": {}, "preprocessing": Preprocessing.from_dict(plain["preprocessing"])}
        )

    def network(self) -> Network:
        """Return the network in evaluation mode with frozen float32 weights, on the CPU."""
        with ordinary_tensors():
            network = build_network(architecture=self.architecture).float()
            network.load_state_dict(dict(self.state_dict))
            return network.eval().requires_grad_(False)


def default_path() -> Path:
    """Return the path of the checkpoint that is used where none is named."""
    return Path(os.environ.get(VARIABLE) or BUNDLED)


def check_state_dict(state: object, name: str, architecture: str = B0) -> dict[str, torch.Tensor]:
    """Return a state dict with a 4-way head as float32, if it is one of this architecture.

    Raises:
        LesionvizError: a tensor is missing, unknown, of the wrong shape, or not finite.
    """
    import torch

    expected = shapes(architecture)
    if not isinstance(state, Mapping):
        raise LesionvizError(f"{name} holds no state dict.")
    head = state.get(HEAD)
    if isinstance(head, torch.Tensor) and head.ndim == 2 and len(head) != len(CODES):
        raise LesionvizError(
            f"{name} tells apart {len(head):,} classes, {len(CODES)} expected: {', '.join(CODES)}. "
            f"To learn these from it, start a training there: lesionviz train --init {name} ..."
        )
    missing, unknown = expected.keys() - state.keys(), state.keys() - expected.keys()
    if missing or unknown:
        example = min(missing or unknown)
        wanted = "torchvision's efficientnet_b0" if architecture == B0 else f"the {ARCHITECTURES[architecture]}"
        raise LesionvizError(
            f"{name} looks like another network than {wanted} with a head for {', '.join(CODES)}: "
            f"{len(missing)} tensors are missing and {len(unknown)} are unknown (for example {example})."
        )
    checked: dict[str, torch.Tensor] = {}
    for key, model in expected.items():
        tensor = state[key]
        if not isinstance(tensor, torch.Tensor) or tensor.shape != model.shape:
            found = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise LesionvizError(f"{name}: {key} should have the shape {tuple(model.shape)}, not {found}.")
        with ordinary_tensors():
            tensor = tensor.to(torch.float32 if model.is_floating_point() else model.dtype)
        if not torch.isfinite(tensor).all():
            raise LesionvizError(f"{name}: {key} holds values that are not finite. The training diverged.")
        checked[key] = tensor
    return checked


def _from_state_dict(content: dict[str, Any], name: str) -> Checkpoint:
    """Accept what the original notebook saves: 224 px, plain resize, ImageNet statistics."""
    weights = find_weights(content, name)
    found = "".join(f", {clause}" for clause in weights.found)
    return Checkpoint(
        state_dict=check_state_dict(weights.tensors, name),
        preprocessing=Preprocessing(size=224, geometry="stretch"),
        history=(f"Loaded from {name}, a bare state dict{found}; how it was trained is not recorded.",),
    )


def _from_content(content: dict[str, Any], name: str) -> Checkpoint:
    """Check every value of a lesionviz checkpoint."""
    if content.get("version") not in READ:
        raise LesionvizError(
            f"{name} has format version {content.get('version')!r}; this lesionviz reads the versions "
            f"{' and '.join(map(str, READ))}. Install the lesionviz that wrote it, or train again."
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
    architecture = _one_of(content.get("architecture", B0), ARCHITECTURES, "architecture", name)
    subject = _one_of(content.get("subject", PHOTOGRAPHS), (PHOTOGRAPHS, DRAWINGS), "subject", name)
    if architecture != B0 and value("refusal", dict):
        raise LesionvizError(
            f"{name} has refusal statistics, which are of an {ARCHITECTURES[B0]}, for a {ARCHITECTURES[architecture]}. "
            "Train it again."
        )
    check_numbers(value("state_dict", dict), name)
    return Checkpoint(
        state_dict=check_state_dict(value("state_dict", dict), name, architecture),
        preprocessing=Preprocessing.from_dict(value("preprocessing", dict)),
        temperature=temperature,
        refusal=value("refusal", dict),
        operating_points=_operating_points(content.get("operating_points", []), name),
        calibration=_calibration(content.get("calibration", {}), name),
        recipe=value("recipe", dict),
        split=value("split", dict),
        metrics=value("metrics", dict),
        licence=value("licence", str),
        history=tuple(str(line) for line in value("history", list)),
        architecture=architecture,
        subject=subject,
    )


def _one_of(value: object, known: Collection[str], what: str, name: str) -> str:
    """Check a word of a checkpoint; one of an earlier lesionviz has none."""
    if not isinstance(value, str) or value not in known:
        raise LesionvizError(
            f"{name} has the {what} {value!r}; known are {' and '.join(known)}. Install the lesionviz that wrote it."
        )
    return value


def _calibration(values: object, name: str) -> Mapping[str, Any]:
    """Check what later checks are fitted on; a checkpoint of an earlier version has nothing of it."""
    import torch

    if values == {}:
        return {}
    kinds = {"logits": torch.float32, "truth": torch.uint8, "lesion": torch.int32, "source": torch.uint8}
    damaged = LesionvizError(f"{name} has a damaged record of its calibration images. Calibrate the model again.")
    if not isinstance(values, dict) or values.keys() != {*kinds, "sources"}:
        raise damaged
    tensors, names = [values[key] for key in kinds], values["sources"]
    if not all(
        isinstance(t, torch.Tensor) and t.dtype == kind for t, kind in zip(tensors, kinds.values(), strict=True)
    ):
        raise damaged
    count = tensors[1].numel()
    if [tuple(tensor.shape) for tensor in tensors] != [
        (count, len(CODES)),
        (count,),
        (count,),
        (count,),
    ] or not count:
        raise damaged
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise damaged
    logits, truth, _, source = tensors
    if not torch.isfinite(logits).all() or truth.max() >= len(CODES) or source.max() >= len(names):
        raise damaged
    return values


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

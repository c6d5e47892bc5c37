"""Where a training starts: ImageNet weights from torchvision, a local file, an earlier model, or nothing.

Only the trunk is taken; the head for the four diagnoses always starts at random. What is written down about the start is
what is known of it: a file is called ImageNet's only when it is one whose origin is known, by its SHA-256.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from lesionviz.checkpoint import BUNDLED, FORMAT, Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256
from lesionviz.network import Network, build_network
from lesionviz.weights.find import find_weights
from lesionviz.weights.read import read_tensors

IMAGENET = "imagenet"
SCRATCH = "scratch"
TORCHVISION = "torchvision's EfficientNet-B0 IMAGENET1K_V1"
KNOWN = {
    "7f5810bc": f"{TORCHVISION} (ImageNet), as published",
    "89fdd933a8bda4f1d10697e258ce0cfe4d65ffedeffe81d02e9fb8c33c9faa6d": (
        f"{TORCHVISION} (ImageNet; BSD-3-Clause; trained by R. Wightman, Apache-2.0), its batch-norm running statistics "
        "estimated anew on ImageNet photographs; by their author's word such weights are probably bound to ImageNet's "
        "terms (research)"
    ),
}
"""Files of ImageNet weights whose origin is known, by the beginning of their SHA-256: first torchvision's own, whose name
holds it; then the one that the bundled models started from."""


def initial_network(init: str | Path = IMAGENET, splits: Mapping[str, Any] | None = None) -> tuple[Network, str]:
    """Return a network ready for fine-tuning, and a sentence that says where its weights come from.

    Args:
        init: ``"imagenet"`` (torchvision's IMAGENET1K_V1, downloaded once), ``"scratch"`` (random
            weights), or the path of an earlier model or of any EfficientNet-B0 that
            :func:`lesionviz.weights.find.find_weights` finds, with whatever head.
        splits: of the training that begins, as a checkpoint records them; an earlier model must have been kept
            from the same test images.

    Raises:
        LesionvizError: the download failed, or the file does not fit; the text names the other ways. Or an earlier
            model was trained on another split.
    """
    network = build_network()
    # torchvision draws a head as for 1,000 classes; with four that means logits of 5 and more from the start.
    head = network.get_submodule("classifier.1")
    assert isinstance(head, torch.nn.Linear)
    head.reset_parameters()
    if str(init) == SCRATCH:
        return network, "The trunk started from random weights."
    found: Mapping[str, Any]
    if str(init) == IMAGENET:
        name, found, source = TORCHVISION, _download(), f"{TORCHVISION} (ImageNet)"
    else:
        name = Path(init).name
        found, source = _from_file(Path(init), splits or {})
    trunk = {key: value for key, value in found.items() if not key.startswith("classifier.")}
    expected = {key for key in network.state_dict() if not key.startswith("classifier.")}
    if trunk.keys() != expected:
        raise LesionvizError(
            f"{name} does not hold the trunk of a torchvision efficientnet_b0: "
            f"{len(expected - trunk.keys())} tensors are missing, {len(trunk.keys() - expected)} are unknown."
        )
    try:
        network.load_state_dict(trunk, strict=False)
    except (RuntimeError, TypeError) as error:
        raise LesionvizError(f"{name} does not fit a torchvision efficientnet_b0: {error}") from error
    return network, f"The trunk started from {source}, the head from random weights."


def starts_from_imagenet(init: str | Path) -> bool:
    """Return whether a start, as :func:`initial_network` takes it, is known to be ImageNet weights."""
    return str(init) == IMAGENET or (str(init) != SCRATCH and bool(_known(sha256(Path(init)))))


def _known(digest: str) -> str:
    """Return what is known of the file with this SHA-256, or nothing."""
    return next((origin for beginning, origin in KNOWN.items() if digest.startswith(beginning)), "")


def _from_file(path: Path, splits: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return the tensors in a file, and what is known of where they come from.

    Raises:
        LesionvizError: there are none, or they learned from another split.
    """
    content, digest = read_tensors(path), sha256(path)
    if content.get("format") == FORMAT:
        earlier = Checkpoint.load(path)
        return earlier.state_dict, _after(earlier, path.name, digest, splits)
    weights = find_weights(content, path.name)
    if origin := _known(digest):
        return weights.tensors, f"{path.name}: {origin}"
    bundled = Checkpoint.load(BUNDLED)
    if _same_trunk(weights.tensors, bundled.state_dict):
        return weights.tensors, _after(bundled, path.name, digest, splits)
    for record in _split_records(content):
        _refuse_another_split(record, path.name, splits)
    head = weights.classes
    known = [*weights.found, *([f"its head told apart {head:,} classes"] if head else [])]
    told = f" ({'; '.join(known)})" if known else ""
    return weights.tensors, (
        f"the file {path.name} of SHA-256 {digest}, of unknown origin{told}; "
        "whether it has seen images of this test part cannot be told"
    )


def _after(earlier: Checkpoint, name: str, digest: str, splits: Mapping[str, Any]) -> str:
    """Return what is known of an earlier model, whose split must be this one."""
    _refuse_another_split(earlier.split, name, splits)
    return f"{name}, an earlier model of SHA-256 {digest} ({' '.join(earlier.history).rstrip('.')})"


def _same_trunk(tensors: Mapping[str, Any], others: Mapping[str, torch.Tensor]) -> bool:
    """Return whether two state dicts agree in every weight of the trunk, at the precision of the coarser one."""
    return all(
        key in tensors and tensors[key].shape == other.shape and torch.equal(tensors[key].half(), other.half())
        for key, other in others.items()
        if key.startswith("features.") and other.is_floating_point()
    )


def _split_records(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return whatever looks like the record of a split, in a dict or in the dicts inside it."""
    dicts = [content, *(value for value in content.values() if isinstance(value, dict))]
    found = [each.get("split") for each in dicts]
    return [record for record in found if isinstance(record, dict) and isinstance(record.get("sha256"), str)]


def _refuse_another_split(earlier: Mapping[str, Any], name: str, splits: Mapping[str, Any]) -> None:
    """Make sure that whatever an earlier model was kept from is kept out now, and the other way round."""
    now = {record["sha256"] for record in (splits, *splits.get("also", [])) if record}
    before = {record.get("sha256") for record in (earlier, *earlier.get("also", []))}
    # What is kept out now and was not then, the earlier model may have learned from.
    learned_from = _kept_out(splits) - _kept_out(earlier)
    if not before <= now or learned_from:
        raise LesionvizError(
            f"{name} was trained on another split, or its split is not recorded, or less was kept out, so test images of "
            "this one may be among those that it learned from. Start from other weights, or train on the collections and "
            "with the --split-seed that it was trained with."
        )


def _kept_out(split: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Return what a record keeps out on top of its splits: the collection's hash and the image."""
    records = [record for record in (split, *split.get("also", [])) if record]
    return {(str(record.get("sha256")), image) for record in records for image in record.get("kept_out", [])}


def _download() -> dict[str, object]:
    """Return torchvision's ImageNet weights, from its cache or its server."""
    from torchvision.models import EfficientNet_B0_Weights

    try:
        state: dict[str, object] = EfficientNet_B0_Weights.IMAGENET1K_V1.get_state_dict(check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise LesionvizError(
            f"The ImageNet weights could not be downloaded ({error}). Connect to the internet and try again, "
            "or start from a file on this computer (--init FILE, a torchvision efficientnet_b0 state dict), "
            "or from random weights (--init scratch; it needs far more images and time)."
        ) from error
    return state

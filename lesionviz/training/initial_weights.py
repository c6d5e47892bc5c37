"""Where a training starts: ImageNet weights from torchvision, a local file, an earlier model, or nothing.

Only the trunk is taken; the head for the four diagnoses always starts at random.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from lesionviz.checkpoint import FORMAT, Checkpoint, read_tensors
from lesionviz.errors import LesionvizError
from lesionviz.network import Network, build_network

IMAGENET = "imagenet"
SCRATCH = "scratch"


def initial_network(init: str | Path = IMAGENET, splits: Mapping[str, Any] | None = None) -> tuple[Network, str]:
    """Return a network ready for fine-tuning, and a sentence that says where its weights come from.

    Args:
        init: ``"imagenet"`` (torchvision's IMAGENET1K_V1, downloaded once), ``"scratch"`` (random
            weights), or the path of an EfficientNet-B0 state dict in torchvision's layout or of an earlier model.
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
    content: dict[str, Any] = {}
    if str(init) == IMAGENET:
        trunk, origin = _download(), "torchvision's EfficientNet-B0 IMAGENET1K_V1"
    else:
        content = read_tensors(Path(init))
        nested = content.get("state_dict")
        trunk, origin = nested if isinstance(nested, dict) else content, Path(init).name
    source = f"{origin} (ImageNet)"
    if content.get("format") == FORMAT:
        earlier = Checkpoint.load(init)
        _refuse_another_split(earlier, origin, splits or {})
        history = " ".join(earlier.history)
        source = f"{origin}, an earlier model of SHA-256 {earlier.file_sha256} ({history.rstrip('.')})"
    trunk = {key: value for key, value in trunk.items() if not key.startswith("classifier.")}
    expected = {key for key in network.state_dict() if not key.startswith("classifier.")}
    if trunk.keys() != expected:
        raise LesionvizError(
            f"{origin} does not hold the trunk of a torchvision efficientnet_b0: "
            f"{len(expected - trunk.keys())} tensors are missing, {len(trunk.keys() - expected)} are unknown."
        )
    try:
        network.load_state_dict(trunk, strict=False)
    except (RuntimeError, TypeError) as error:
        raise LesionvizError(f"{origin} does not fit a torchvision efficientnet_b0: {error}") from error
    return network, f"The trunk started from {source}, the head from random weights."


def _refuse_another_split(earlier: Checkpoint, name: str, splits: Mapping[str, Any]) -> None:
    """Make sure that whatever an earlier model was kept from is kept out now, and the other way round."""
    now = {record["sha256"] for record in (splits, *splits.get("also", [])) if record}
    before = {record.get("sha256") for record in (earlier.split, *earlier.split.get("also", []))}
    if not before <= now:
        raise LesionvizError(
            f"{name} was trained on another split, or its split is not recorded, so test images of this one may be among "
            "those that it learned from. Start from other weights, or train on the collections and with the "
            "--split-seed that it was trained with."
        )


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

"""``manifest.json``: what a run is made of, written before its first part; whoever goes on with it must bring the same."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import lesionviz
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing
from lesionviz.imaging import DECODER
from lesionviz.machine import version
from lesionviz.wire import pack

NAME = "manifest.json"
TORCH, OPENVINO, CUDA = "torch", "openvino", "cuda"
"""What computes, as manifests have it: PyTorch on the processor, OpenVINO on it, PyTorch on an NVIDIA GPU."""
FORMAT = "lesionviz scores"
VERSION = 1
SAME: Mapping[str, str] = {
    "images_sha256": "list of images",
    "model_sha256": "model",
    "engine": "engine",
    "precision": "precision",
    "views": "number of views",
    "shard": "shard size",
    "batch": "batch size",
    "embeddings": "choice of embeddings",
    "maps": "choice of maps",
}
"""What must be the same when a run goes on, with its name for people, besides the versions of what computes."""
ADVICE = "Bring the same to go on, or name another folder to begin anew."


@dataclass(frozen=True)
class Manifest:
    """What a run is made of.

    Attributes:
        images: how many.
        images_sha256: of their list.
        model_sha256: of the model's file, or of its weights where it was never saved.
        model_path: of the file, to find it again; empty for the bundled one, and where it is no file.
        engine: what computes: ``TORCH``, ``OPENVINO``, ``CUDA``, or the kind of another device that a classifier runs on.
        precision: of the network, a type of torch.
        views: 1 or 8; see :class:`~lesionviz.classifier.LesionClassifier`.
        shard: images in a part.
        batch: images in one run of the network.
        embeddings, maps: whether rows carry them.
        versions: of what decodes and computes.
        created: when the run began, in ISO 8601.
        notes: sentences about what was passed over.
    """

    images: int
    images_sha256: str
    model_sha256: str
    model_path: str
    engine: str
    precision: str
    views: int
    shard: int
    batch: int
    embeddings: bool
    maps: bool
    versions: dict[str, str]
    created: str
    notes: list[str]

    @property
    def shards(self) -> int:
        """How many parts the run has."""
        return -(-self.images // self.shard)

    @property
    def facts(self) -> dict[str, Any]:
        """What the tables say about themselves; nothing in it differs between two runs of the same."""
        known = asdict(self)
        names = ("model_sha256", "engine", "precision", "views", "batch", "shard", "versions")
        return {name: known[name] for name in names}

    def save(self, folder: Path) -> None:
        """Write it; the file appears whole or not at all."""
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        with replacing(folder / NAME) as temporary:
            temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """Read a folder's manifest; None where it has none.

        Raises:
            LesionvizError: it cannot be read, or is none of this version.
        """
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LesionvizError(f"{path} cannot be read ({error}). Name another folder.") from error
        if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
            raise LesionvizError(f"{path} is no manifest of a run that this lesionviz knows. Name another folder.")
        kinds = get_type_hints(cls)
        values: dict[str, Any] = {field.name: content.get(field.name) for field in fields(cls)}
        for name, value in values.items():
            kind = getattr(kinds[name], "__origin__", kinds[name])
            if type(value) is not kind or (kind is int and name != "images" and value < 1):
                raise LesionvizError(f"{path} is damaged: its {name!r} is missing or wrong. Name another folder.")
        return cls(**values)

    def check_same(self, other: Manifest, folder: Path) -> None:
        """Make sure that another run may go on with this one.

        Raises:
            LesionvizError: it may not; the text names what differs.
        """
        for name, words in SAME.items():
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                told = (
                    f"{self.images:,} images then, {other.images:,} now"
                    if name == "images_sha256"
                    else f"{_short(ours)} then, {_short(theirs)} now"
                )
                raise LesionvizError(f"The run in {folder} was begun with another {words} ({told}). {ADVICE}")
        for name in sorted(self.versions.keys() | other.versions.keys()):
            ours, theirs = (each.versions.get(name, "none") for each in (self, other))
            if ours != theirs:
                raise LesionvizError(
                    f"The run in {folder} was begun with another version of {name} ({ours} then, {theirs} now), which "
                    f"may decode or compute the rest differently. {ADVICE}"
                )


def _short(value: object) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text


def versions(engine: str) -> dict[str, str]:
    """Return the versions of what decodes and computes with an engine; they need not be loaded."""
    names = ("numpy", "pillow", "pyarrow", "torch", *([OPENVINO] if engine == OPENVINO else []))
    found = {name: version(name) or "none" for name in names}
    return {"lesionviz": lesionviz.__version__, "decoder": str(DECODER), "machine": platform.machine(), **found}


def run_bytes(manifest: Manifest, model: bytes) -> bytes:
    """Return a run as other processes take it: its manifest, and the model's file."""
    return pack({"manifest": json.dumps(asdict(manifest)).encode(), "model": model})


def now() -> str:
    """Return the time of day with its zone."""
    return datetime.now(UTC).isoformat(timespec="seconds")

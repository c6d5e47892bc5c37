"""Finds the EfficientNet-B0 in files as people have them, whatever a training wrapped round it.

DataParallel, ``torch.compile`` and Lightning put words before the names of tensors, loops put the state dict into
another dict beside optimizers and figures, and timm has names of its own. Nothing in a file is ever run: of the few
foreign objects that are common in checkpoints, inert stand-ins are made, everything else is refused.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from lesionviz.errors import LesionvizError
from lesionviz.network import ordinary_tensors

if TYPE_CHECKING:
    import torch

MAX_BYTES = 256 * 2**20
"""Largest file that is read, in bytes; an EfficientNet-B0 has 16 MB."""
EXPECTED = "Expected is a best_model.pth written by lesionviz, or the state dict of a torchvision efficientnet_b0."
SAVE = "Save its state dict where it was trained, torch.save(model.state_dict(), FILE), and give that."
FIRST = "features.0.0.weight"
"""The first tensor of a torchvision EfficientNet-B0; what stands before its name stands before all of them."""
HEAD = "classifier.1.weight"
DEPTH = 3
"""How many dicts are opened, one in the other."""
TIMM = (
    "its names converted from timm's efficientnet_b0, for which alone that is right: a tf_efficientnet_b0 has the same "
    "names, but pads and normalises in another way, and would give wrong answers"
)
"""What is recorded of tensors under timm's names, as they alone do not tell the two networks apart."""
WRAPPERS = {"module", "_orig_mod"}
"""What DataParallel and ``torch.compile`` write into names, wherever the wrapped part begins."""

# --- reading without running ---------------------------------------------------------------------------------------

STAND_INS = (
    *(
        f"{module}.{name}"
        for module in ("numpy", "numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("scalar", "_reconstruct", "dtype", "ndarray")
    ),
    *(
        f"numpy.dtypes.{kind}DType"
        for kind in ("Float16", "Float32", "Float64", "Int8", "Int16", "Int32", "Int64", "UInt8", "Bool")
    ),
    "argparse.Namespace",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "datetime.datetime",
    "datetime.timedelta",
    *(
        f"{module}.{name}"
        for module in ("builtins", "__builtin__")
        for name in ("int", "long", "float", "str", "dict")
    ),
)
"""Objects that training loops leave beside the weights: figures, options, places, times. None of them is needed."""
DICTS = (
    "collections.defaultdict",
    "lightning.fabric.utilities.data.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)
"""Kinds of dict, read as plain ones."""


class _Inert:
    """Stands in for an object of a checkpoint that is none of ours: takes whatever it is given, and does nothing."""

    def __new__(cls, *_arguments: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *_arguments: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


class _PlainDict:
    """Makes a plain dict whenever it is called for."""

    def __new__(cls, *_arguments: object) -> dict[str, Any]:  # type: ignore[misc]
        return {}


def _stand_in(name: str, kind: type) -> type:
    module, _, own = name.rpartition(".")
    return type(own, (kind,), {"__module__": module})


_ALLOWED: list[Any] = [_stand_in(name, _Inert) for name in STAND_INS] + [
    _stand_in(name, _PlainDict) for name in DICTS
]
_OF_TORCH = re.compile(
    r"torch\._utils\.|torch\.storage\.|torch\.\w+$|collections\.(OrderedDict|Counter)$|_codecs\.encode$"
)
"""What torch itself rebuilds tensors with."""
_MODEL = re.compile(r"(^|\.)(nn|models?|timm|lightning|pytorch_lightning)\.|^torchvision\.")
"""What the classes of models and of their parts are called."""
_UNREADABLE = (
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    OSError,
    struct.error,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    RuntimeError,
)
"""What zipfile and pickletools raise on damaged or hostile files."""
_ONE_AT_A_TIME = Lock()
"""torch keeps its allow-list for the whole process, and would empty it under another thread's hands."""


def read_tensors(path: Path) -> dict[str, Any]:
    """Read a ``torch.save`` dict without running any code in it.

    Raises:
        LesionvizError: the file is missing, too large, damaged, or holds something other than a dict; the text says
            what it is, where that can be told.
    """
    import torch

    if path.is_dir():
        raise LesionvizError(f"{path} is a folder. Give the model file in it. {EXPECTED}")
    if not path.is_file():
        raise LesionvizError(f"There is no file {path}. {EXPECTED}")
    if path.stat().st_size > MAX_BYTES:
        raise LesionvizError(f"{path.name} has more than {MAX_BYTES // 2**20} MiB. {EXPECTED}")
    if _is_torchscript(_members(path)):  # before torch sees it: 2.5 loads one whatever weights_only says
        raise LesionvizError(f"{path.name} holds a TorchScript model. {SAVE} {EXPECTED}")
    try:
        with (
            _ONE_AT_A_TIME,
            warnings.catch_warnings(),
            ordinary_tensors(),
            torch.serialization.safe_globals(_ALLOWED),
        ):
            warnings.simplefilter("ignore")  # about other protocols of pickle; they are read or refused in words
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises many types for foreign or hostile files (UnpicklingError, EOFError, RuntimeError...).
        raise LesionvizError(f"{path.name} {_what_it_is(path)} {EXPECTED}") from error
    if isinstance(content, torch.Tensor) or not isinstance(content, dict):
        raise LesionvizError(f"{path.name} does not hold named tensors. {SAVE} {EXPECTED}")
    if not all(isinstance(key, str) for key in content):
        raise LesionvizError(f"{path.name} does not hold named tensors. {EXPECTED}")
    return content


def _members(path: Path) -> list[str]:
    """Return the names in a zip archive, which ``torch.save`` writes; none if it is no archive."""
    with contextlib.suppress(*_UNREADABLE), zipfile.ZipFile(path) as archive:
        return archive.namelist()
    return []


def _is_torchscript(members: list[str]) -> bool:
    return any("/code/" in name or name.endswith("/constants.pkl") for name in members)


def _what_it_is(path: Path) -> str:
    """Say what a file is that could not be read, and what to do; nothing in it is run."""
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"\x89HDF"):
        return "is an HDF5 file, as Keras writes it."
    if start[8:9] == b"{":
        return "is a safetensors file. Turn it into a state dict: torch.save(safetensors.torch.load_file(IN), OUT)."
    foreign = _foreign_objects(path, _members(path))
    if any(_MODEL.search(name) for name in foreign):
        return f"holds a pickled model ({foreign[0]}). {SAVE}"
    if foreign:
        return f"holds Python objects ({foreign[0]}), and reading those would run their code. {SAVE}"
    return "is damaged or is not a model file."


def _foreign_objects(path: Path, names: list[str]) -> list[str]:
    """Return what a pickle would import besides what torch and this room know, by reading it and not following it."""
    known = {f"{each.__module__}.{each.__name__}" for each in _ALLOWED}
    found: list[str] = []
    for operation, argument, _ in _operations(path, names):
        if operation.name in {"GLOBAL", "INST"}:
            name = str(argument).replace(" ", ".")
            # What torch itself rebuilds tensors with.
            ours = re.match(
                r"torch\._utils\.|torch\.\w+Storage$|torch\.\w+$|collections\.|_codecs\.|torch\.storage\.", name
            )
            if not ours and name not in known:
                found.append(name)
    return found


def _operations(path: Path, names: list[str]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the operations of every pickle in a file, as far as they can be read."""
    inside = [name for name in names if name.endswith("data.pkl")]
    try:
        if inside:
            with zipfile.ZipFile(path) as archive, archive.open(inside[0]) as stream:
                yield from pickletools.genops(stream.read(MAX_BYTES))
            return
        with path.open("rb") as file:
            for _ in range(5):  # torch's older files: a number, a version, facts, the object, names of storages
                yield from pickletools.genops(file)
    except _UNREADABLE:
        return  # damaged from here on


# --- finding the network --------------------------------------------------------------------------------------------


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
    """Return the network in a dict that :func:`read_tensors` gave, or what comes nearest to one.

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
            yield f"{place} {before}".strip(" ."), Weights(convert(own), tuple(where + said))


# --- timm -------------------------------------------------------------------------------------------------------------

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


def _tensorflow_name(content: Mapping[str, Any], depth: int = DEPTH) -> str:
    """Return the name of a network with weights ported from TensorFlow that timm or a loop left in a file, or nothing."""
    for value in content.values():
        if isinstance(value, str) and (named := re.search(r"(?<![^/:])tf_efficientnet_\w[\w.]*", value)):
            return named[0]
        if depth and isinstance(value, dict) and (inner := _tensorflow_name(value, depth - 1)):
            return inner
    return ""


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

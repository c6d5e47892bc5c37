"""Reads the files of models as people have them, without running anything in them.

Of the few foreign objects that are common in checkpoints, inert stand-ins are made; everything else is refused.
"""

from __future__ import annotations

import contextlib
import pickle
import pickletools
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from lesionviz.errors import LesionvizError
from lesionviz.network import ordinary_tensors

MAX_BYTES = 256 * 2**20
"""Largest file that is read, in bytes; an EfficientNet-B0 has 16 MB."""
EXPECTED = "Expected is a best_model.pth written by lesionviz, or the state dict of a torchvision efficientnet_b0."
SAVE = "Save its state dict where it was trained, torch.save(model.state_dict(), FILE), and give that."
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
    *(f"datetime.{kind}" for kind in ("date", "datetime", "time", "timedelta", "timezone")),
    "types.SimpleNamespace",
    "uuid.UUID",
    *(
        f"{module}.{name}"
        for module in ("builtins", "__builtin__")
        for name in ("int", "long", "float", "complex", "str", "dict", "set", "frozenset", "range", "slice", "xrange")
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
LISTS = ("collections.deque",)
"""Kinds of list, read as plain ones."""


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


class _PlainList:
    """Makes a plain list whenever it is called for."""

    def __new__(cls, *_arguments: object) -> list[Any]:  # type: ignore[misc]
        return []


def _stand_in(name: str, kind: type) -> type:
    module, _, own = name.rpartition(".")
    return type(own, (kind,), {"__module__": module})


_ALLOWED: list[Any] = [
    *(_stand_in(name, _Inert) for name in STAND_INS),
    *(_stand_in(name, _PlainDict) for name in DICTS),
    *(_stand_in(name, _PlainList) for name in LISTS),
]
_OF_TORCH = re.compile(
    r"torch\._utils\.|torch\.storage\.|torch\.\w+$|collections\.(OrderedDict|Counter)$|_codecs\.|"
    r"(builtins|__builtin__)\.bytearray$"
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


def check_size(size: int, name: str) -> None:
    """Make sure that a model's file of ``size`` bytes may be read.

    Raises:
        LesionvizError: it is empty, or above ``MAX_BYTES``.
    """
    if size <= 0:
        raise LesionvizError(f"{name} is damaged: it has no bytes. {EXPECTED}")
    if size > MAX_BYTES:
        raise LesionvizError(f"{name} has more than {MAX_BYTES // 2**20} MiB. {EXPECTED}")


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
    check_size(path.stat().st_size, path.name)
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
        start = file.read(64)
    if start.startswith(b"\x89HDF"):
        return "is an HDF5 file, as Keras writes it."
    if start[8:9] == b"{":
        return "is a safetensors file. Turn it into a state dict: torch.save(safetensors.torch.load_file(IN), OUT)."
    if start.startswith(b"version https://git-lfs"):
        return "is only a pointer of Git LFS. Fetch the file itself: git lfs pull."
    if start.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "is a web page, as a download leaves it that asks for something first. Download the file again."
    members = _members(path)
    if any(name.endswith(("/archive_format", "serialized_exported_program.json")) for name in members):
        return f"holds a program of torch.export. {SAVE}"
    foreign = _foreign_objects(path, members)
    if any(_MODEL.search(name) for name in foreign):
        return f"holds a pickled model ({foreign[0]}). {SAVE}"
    if foreign:
        return f"holds Python objects ({foreign[0]}), and reading those would run their code. {SAVE}"
    if protocol := _other_protocol(path, members):
        return f"is pickled with protocol {protocol}, and 2 is read, that of torch.save. {SAVE}"
    return "is damaged or is not a model file."


def _foreign_objects(path: Path, names: list[str]) -> list[str]:
    """Return what a pickle would import besides what torch and this room know, by reading it and not following it."""
    known = {f"{each.__module__}.{each.__name__}" for each in _ALLOWED}
    return [name for name in _imports(_operations(path, names)) if not _OF_TORCH.match(name) and name not in known]


def _imports(operations: Iterator[tuple[Any, Any, Any]]) -> Iterator[str]:
    """Yield the names of what pickles would import: protocol 4 takes them from the two texts on top of its stack."""
    before, top = "", ""
    memo: dict[int, str] = {}
    for operation, argument, _ in operations:
        match operation.name:
            case "GLOBAL" | "INST":
                yield str(argument).replace(" ", ".")
            case "STACK_GLOBAL":
                yield f"{before}.{top}"
            case "MEMOIZE":
                memo[len(memo)] = top
                continue
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = top
                continue
            case "GET" | "BINGET" | "LONG_BINGET":
                before, top = top, memo.get(argument, "")
                continue
            case "FRAME":
                continue
            case "STOP":
                memo.clear()
        before, top = top, argument if isinstance(argument, str) else ""


def _other_protocol(path: Path, names: list[str]) -> int:
    """Return the protocol of a whole pickle that torch does not read, or 0."""
    protocol = 0
    for operation, argument, _ in _operations(path, names):
        if operation.name == "PROTO":
            protocol = max(protocol, argument)
        elif operation.name == "STOP" and protocol > 2:
            return protocol
    return 0


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

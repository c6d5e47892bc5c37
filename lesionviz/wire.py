"""Plain data as bytes and back: what crosses from one process to another, and nothing that could be run there.

Numbers, words, bytes, lists, dicts and arrays of numbers: a length, a JSON tree, then the raw bytes that it speaks
of, one after the other. No pickle: reading a stranger's bytes makes plain data or a :class:`LesionvizError`.
"""

from __future__ import annotations

import json
import math
from typing import Any, TypeAlias

import numpy as np

from lesionviz.errors import LesionvizError

Plain: TypeAlias = "float | str | bytes | list[Any] | tuple[Any, ...] | dict[str, Any] | np.ndarray[Any, Any] | None"
BLOB = "\x00"
"""The only key of the dict that stands in the tree for bytes or an array; no key of anybody's begins with it."""
TYPES = {name: np.dtype(name) for name in ("<f4", "<f8", "|u1", "<i4", "<i8", "<f2")}
LARGEST_TREE = 2**20
DEEPEST = 20
_LENGTH = 4


def pack(value: Plain) -> bytes:
    """Return plain data as bytes.

    Raises:
        LesionvizError: it holds something that is not plain.
    """
    blobs: list[bytes] = []
    tree = json.dumps(_tree(value, blobs), ensure_ascii=False, allow_nan=True, separators=(",", ":")).encode()
    return b"".join((len(tree).to_bytes(_LENGTH, "little"), tree, *blobs))


def unpack(data: bytes | memoryview) -> Any:
    """Return what :func:`pack` was given; tuples come back as lists, arrays as read-only ones.

    Raises:
        LesionvizError: these are not the bytes of such data.
    """
    whole = memoryview(data)
    length = int.from_bytes(whole[:_LENGTH], "little")
    try:
        if len(whole) < _LENGTH or not length <= min(LARGEST_TREE, len(whole) - _LENGTH):
            raise ValueError("its length")
        reader = _Reader(whole[_LENGTH + length :])
        value = reader.value(json.loads(bytes(whole[_LENGTH : _LENGTH + length])), 0)
        if reader.rest:
            raise ValueError("what is left over")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise LesionvizError(f"A message between two parts of lesionviz is damaged ({error}).") from error
    return value


def _tree(value: Any, blobs: list[bytes]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        blobs.append(value)
        return {BLOB: len(value)}
    if isinstance(value, np.ndarray) and value.dtype.newbyteorder("<").str in TYPES:
        kind = value.dtype.newbyteorder("<")
        blobs.append(np.ascontiguousarray(value, kind).tobytes())
        return {BLOB: [kind.str, list(value.shape)]}
    if isinstance(value, (list, tuple)):
        return [_tree(one, blobs) for one in value]
    if isinstance(value, dict) and all(isinstance(key, str) and not key.startswith(BLOB) for key in value):
        return {key: _tree(one, blobs) for key, one in value.items()}
    raise LesionvizError(f"{type(value).__name__} is not plain data, so it cannot be sent to another process.")


class _Reader:
    """Takes bytes and arrays from what follows a tree, in the order of the tree."""

    def __init__(self, rest: memoryview) -> None:
        self.rest = rest

    def value(self, tree: Any, depth: int) -> Any:
        """Return the data that a tree stands for."""
        if depth > DEEPEST:
            raise ValueError("its depth")
        if isinstance(tree, list):
            return [self.value(one, depth + 1) for one in tree]
        if not isinstance(tree, dict):
            return tree
        if BLOB not in tree:
            return {key: self.value(one, depth + 1) for key, one in tree.items()}
        (told,) = tree.values()
        if isinstance(told, list):
            name, shape = told
            if any(type(side) is not int or side < 0 for side in shape):
                raise ValueError("a shape")
            kind = TYPES[name]
            return np.frombuffer(self._take(math.prod(shape) * kind.itemsize), kind).reshape(shape)
        return bytes(self._take(told))

    def _take(self, count: Any) -> bytes:
        if type(count) is not int or not 0 <= count <= len(self.rest):
            raise ValueError("a length")
        taken, self.rest = bytes(self.rest[:count]), self.rest[count:]
        return taken

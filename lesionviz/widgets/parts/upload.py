"""``Upload``: puts a file together from the pieces in which a browser sends it (``upload.js``).

Everything that arrives is a stranger's: names are cut, sizes are held to what was announced and to the limit, and
pieces of a file that is no longer wanted, or that are here already, are dropped. Whether it is a picture is decided in
:mod:`lesionviz.imaging`, whether it is a model in :mod:`lesionviz.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lesionviz.errors import LesionvizError
from lesionviz.imaging import check_size

MAX_NAME = 200


@dataclass(frozen=True)
class Arrived:
    """A whole file.

    Attributes:
        id: the number that the browser gave it.
        name: its name, of at most ``MAX_NAME`` letters.
        data: its bytes.
    """

    id: int
    name: str
    data: bytes


class Upload:
    """One file at a time; a new one replaces one that is still arriving.

    Args:
        check: takes the size that was announced and the name; raises LesionvizError where it is empty or above the limit.
    """

    def __init__(self, check: Callable[[int, str], None] = check_size) -> None:
        self._check = check
        self.id, self.name = -1, ""
        self._size, self._received = 0, bytearray()

    def begin(self, content: dict[str, Any]) -> str:
        """Take the announcement of a file, ``{id, name, size}``, and return its name.

        Raises:
            LesionvizError: it is empty or above the limit; its pieces will be dropped.
        """
        identity, name, size = (content.get(key) for key in ("id", "name", "size"))
        self.id = identity if type(identity) is int else -1
        self.name = name[:MAX_NAME] if isinstance(name, str) and name else "image"
        self._size, self._received = 0, bytearray()
        if type(size) is not int:
            raise LesionvizError(f"{self.name} came without its size. Choose it again.")
        self._check(size, self.name)
        self._size = size
        return self.name

    def add(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> Arrived | None:
        """Take a piece, ``{id, start}`` with one buffer; return the file when this was the last one.

        Raises:
            LesionvizError: more arrived than was announced.
        """
        if not self._size or len(buffers) != 1 or content.get("id") != self.id:
            return None  # of a file that was refused or replaced
        if content.get("start", len(self._received)) != len(self._received):
            return None  # sent again over a new connection, and here already; or one before it was lost with the old
        self._received += buffers[0]
        if len(self._received) < self._size:
            return None
        whole = len(self._received) == self._size
        data, self._received, self._size = bytes(self._received), bytearray(), 0
        if not whole:
            raise LesionvizError(f"{self.name} did not arrive as announced. Upload it again.")
        return Arrived(self.id, self.name, data)

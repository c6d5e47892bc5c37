"""``Opening``: a file of a batch is opened by itself when a person clicks its name, while the batch goes on.

The kernel reads again what it can; what a browser has, it sends again, piece by piece. There is no widget in it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lesionviz.errors import LesionvizError
from lesionviz.imaging import read_file
from lesionviz.widgets.batch.rows import BatchRow
from lesionviz.widgets.parts.upload import Arrived, Upload

LOG = logging.getLogger(__name__)


class Opening:
    """Files that are rows already and are had again.

    Args:
        on_open: called with name and bytes of a file; None where nothing can be opened.
        say: sends a message to the views: that a file was opened, or why not.

    Attributes:
        last: the number that the browser gave the last file that was opened, or could not be; -1 before the first.
    """

    def __init__(self, on_open: Callable[[str, bytes], None] | None, say: Callable[[dict[str, Any]], None]) -> None:
        self.last = -1
        self._on_open, self._say = on_open, say
        self._upload = Upload()

    def begin(self, content: dict[str, Any]) -> None:
        """Take the announcement of a file, ``{id, name, size}``, that the browser sends again."""
        if self._on_open is None:
            return
        try:
            self._upload.begin(content)
        except LesionvizError as error:
            self._opened(self._upload.id, str(error))

    def piece(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        """Take a piece of it, ``{id, start}`` with one buffer."""
        try:
            arrived = self._upload.add(content, buffers)
        except LesionvizError as error:
            self._opened(self._upload.id, str(error))
            return
        if arrived is not None:
            self._open(arrived)

    def again(self, rows: Sequence[BatchRow], number: object, identity: object) -> None:
        """Open a row whose file the kernel can read.

        Args:
            rows: all of them.
            number: the place of the row among them.
            identity: the number that the browser gives the opening.
        """
        if type(number) is not int or not 0 <= number < len(rows) or self._on_open is None:
            return
        row, identity = rows[number], identity if type(identity) is int else -1
        if isinstance(row.origin, Path):
            try:
                data = read_file(row.origin, row.file)
                if row.sha256 and hashlib.sha256(data).hexdigest() != row.sha256:
                    raise LesionvizError(
                        f"{row.file} is no longer the file of which this row tells: it was changed or replaced since. "
                        "Score it again, or add it to a batch."
                    )
            except LesionvizError as error:
                self._opened(identity, str(error))
            else:
                self._open(Arrived(identity, row.file, data))

    def _open(self, file: Arrived) -> None:
        assert self._on_open is not None  # nothing arrives without it
        try:
            self._on_open(file.name, file.data)
        except LesionvizError as error:
            self._opened(file.id, str(error))
        except Exception:
            # The callback is someone else's; whatever it raises, the person gets a sentence and the log the rest.
            LOG.exception("on_open failed on %s", file.name)
            self._opened(file.id, f"{file.name} could not be opened: something inside failed. See the log.")
        else:
            self._opened(file.id, "")

    def _opened(self, identity: int, problem: str) -> None:
        """Tell the views that a file was opened, or why not."""
        self.last = identity
        self._say({"kind": "opened", "problem": problem})

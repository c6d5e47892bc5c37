"""``ImagePicker``: choose or drop an image file, or click a sample.

A file travels in pieces of half a MiB, because Jupyter closes the connection, without a word, when one
message is larger than 10 MiB. Everything that arrives is from a stranger and is checked: the pieces
here, the picture in :mod:`lesionviz.imaging`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from lesionviz.imaging import MAX_BYTES, LesionImage
from lesionviz.widgets.encoding import jpeg

STATIC = Path(__file__).parent / "static"
THUMBNAIL = (160, 120)
MAX_NAME = 200


class ImagePicker(anywidget.AnyWidget):
    """A drop zone, a file button, and a row of samples.

    Args:
        samples: pictures to offer beside the upload.
        on_start: called with a file's name when its upload starts.
        on_file: called with name and bytes when a file has arrived.
        on_sample: called with the picture when a sample is clicked.
        on_problem: called with a sentence when an upload cannot be taken.
    """

    _esm = STATIC / "image_picker.js"
    _css = STATIC / "image_picker.css"

    samples = traitlets.List(traitlets.Dict(), help="name and thumbnail (JPEG bytes) of each sample").tag(sync=True)
    max_bytes = traitlets.Int(MAX_BYTES, help="the browser refuses larger files before it sends them").tag(sync=True)

    def __init__(
        self,
        samples: Sequence[LesionImage],
        on_start: Callable[[str], None],
        on_file: Callable[[str, bytes], None],
        on_sample: Callable[[LesionImage], None],
        on_problem: Callable[[str], None],
    ) -> None:
        super().__init__(samples=[{"name": s.name, "thumbnail": jpeg(s.pixels, THUMBNAIL)} for s in samples])
        self._pictures = tuple(samples)
        self._on_start, self._on_file = on_start, on_file
        self._on_sample, self._on_problem = on_sample, on_problem
        self._name, self._size, self._received = "", 0, bytearray()
        self.on_msg(self._on_message)

    def _on_message(self, _widget: object, content: Any, buffers: list[memoryview]) -> None:
        """Sort what the browser sends: ``start``, ``piece``, ``sample`` or ``too large``."""
        if not isinstance(content, dict):
            return
        match content.get("kind"):
            case "start":
                self._start(content.get("name"), content.get("size"))
            case "piece" if len(buffers) == 1:
                self._add(buffers[0])
            case "sample":
                number = content.get("number")
                if type(number) is int and 0 <= number < len(self._pictures):
                    self._on_sample(self._pictures[number])

    def _start(self, name: object, size: object) -> None:
        """A new file replaces one that is still arriving."""
        self._received = bytearray()
        self._size = 0
        self._name = name[:MAX_NAME] if isinstance(name, str) and name else "image"
        self._on_start(self._name)
        if type(size) is not int or not 0 < size <= MAX_BYTES:
            self._on_problem(
                f"{self._name} is empty or has more than {MAX_BYTES // 2**20} MiB. "
                "Save it as a JPEG or at a smaller size."
            )
            return
        self._size = size

    def _add(self, piece: memoryview) -> None:
        """Collect a piece; hand the file over when the last one is here."""
        if not self._size:
            return  # of a file that was refused
        self._received += piece
        if len(self._received) > self._size:
            self._size = 0
            self._on_problem(f"{self._name} did not arrive as announced. Upload it again.")
        elif len(self._received) == self._size:
            data, self._received, self._size = bytes(self._received), bytearray(), 0
            self._on_file(self._name, data)

"""``ImagePicker``: choose, drop or paste images, keep them in a filmstrip, or click a sample, drawn or photographed.

The browser keeps the files; the one on view is sent (:mod:`lesionviz.widgets.parts.upload`), and sent again when a person
comes back to it, so the kernel never holds more than one. Every choice has a name, its ``request``: what comes twice
under one name, because a connection was lost (:mod:`lesionviz.widgets.parts.recovery`), is taken up once. Everything that
arrives is a stranger's and is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from lesionviz.errors import LesionvizError
from lesionviz.imaging import MAX_BYTES, LesionImage
from lesionviz.imaging.encoding import jpeg
from lesionviz.widgets.explorer.photographs import Photographs
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again
from lesionviz.widgets.parts.upload import Arrived, Upload

THUMBNAIL = (160, 120)
MAX_REQUEST = 64
"""Letters of the browser's name for a choice."""
LONGEST = 4096
"""Pixels along the longer side of a picture above a limit that is sent smaller, when the person asks for it."""


class ImagePicker(anywidget.AnyWidget):
    """A drop zone, file button, filmstrip, a row of drawn samples, and apart from them the photographed ones.

    Args:
        samples: drawings to offer beside the upload.
        photographs: the photographed ones, which come from the network when a person asks for them.
        on_start: called with a file's name when its upload starts.
        on_hold: called with a file's name when the browser holds it back and asks the person.
        on_file: called when a file has arrived, with whether it is meant as the second picture of a comparison.
        on_sample: called with the picture when a drawn sample is clicked.
        on_photograph: called with name and file of a photographed one.
        on_removed: called when the person has taken a picture away, with its number and whether it was on view and no
            other takes its place.
        on_problem: called with a sentence when an upload cannot be taken, and whether it is about a second picture.
    """

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "parts/upload",
        "explorer/photographs",
        "explorer/image_picker",
    )
    _css = style("parts/base", "explorer/image_picker", "explorer/photographs")

    samples = traitlets.List(traitlets.Dict(), help="name and thumbnail (JPEG bytes) of each sample").tag(sync=True)
    photographs = traitlets.Dict(help="see Photographs.view").tag(sync=True)
    max_bytes = traitlets.Int(MAX_BYTES, help="the browser holds larger files back").tag(sync=True)
    longest = traitlets.Int(LONGEST, help="pixels of a file sent smaller").tag(sync=True)

    def __init__(
        self,
        samples: Sequence[LesionImage],
        photographs: Photographs,
        on_start: Callable[[str], None],
        on_hold: Callable[[str], None],
        on_file: Callable[[Arrived, bool], None],
        on_sample: Callable[[LesionImage], None],
        on_photograph: Callable[[str, Path], None],
        on_removed: Callable[[int, bool], None],
        on_problem: Callable[[str, bool], None],
    ) -> None:
        super().__init__(samples=[{"name": s.name, "thumbnail": jpeg(s.pixels, THUMBNAIL)} for s in samples])
        self._pictures = tuple(samples)
        self._on_start, self._on_hold, self._on_file = on_start, on_hold, on_file
        self._on_sample, self._on_removed, self._on_problem = on_sample, on_removed, on_problem
        self._photographs, self._on_photograph = photographs, on_photograph
        self.photographs = photographs.view
        photographs.on_change = lambda view: self.set_trait("photographs", view)
        self._upload, self._second = Upload(), False
        self._requests, self._settled = {False: "", True: ""}, {False: "", True: ""}  # True: of a second picture
        self.on_msg(self._on_message)

    def label(self, identity: int, words: str, usable: bool = True, reduce: bool = False) -> None:
        """Write a few words, such as the answer, under a picture of the filmstrip.

        Args:
            identity: the picture's number.
            words: what to write.
            usable: whether it is of any use.
            reduce: whether a copy with fewer pixels would be; the browser offers one where it can make it.
        """
        self.send({"kind": "label", "id": identity, "words": words, "usable": usable, "reduce": reduce})

    @property
    def request(self) -> str:
        """The browser's name for the choice that led to the picture on view, or to none; empty before the first."""
        return self._requests[False]

    def _on_message(self, _widget: object, content: Any, buffers: list[memoryview]) -> None:
        """Sort what comes: ``file``, ``piece``, ``held``, ``unread``, ``sample``, ``photograph``, ``removed``.

        And ``fetch`` and ``cancel``, of the photographs, which change nothing of the picture on view; and ``say again``.
        """
        if not isinstance(content, dict):
            return
        if asks_again(content):
            say_again(self, [(self, ["photographs"])], settled=list(self._settled.values()))
            return
        kind = content.get("kind")
        chooses = kind in ("file", "held", "unread", "sample", "photograph") or content.get("last") is True
        if chooses and not self._begins(content):
            return
        try:
            match kind:
                case "file":
                    name = self._upload.begin(content)
                    if not self._second:
                        self._on_start(name)
                case "piece":
                    arrived = self._upload.add(content, buffers)
                    if arrived is not None:
                        self._settle()
                        self._on_file(arrived, self._second)
                case "held":
                    self._upload.begin(content | {"size": 1})  # whatever was arriving is no longer wanted
                    self._settle()
                    self._on_hold(self._upload.name)
                case "unread":
                    self._upload.begin(content | {"size": 1})
                    raise LesionvizError(
                        f"{self._upload.name} could not be read: it was moved, changed or taken away meanwhile. "
                        "Choose it again."
                    )
                case "sample":
                    self._settle()
                    number = content.get("number")
                    if type(number) is int and 0 <= number < len(self._pictures):
                        self._on_sample(self._pictures[number])
                case "photograph":
                    self._settle()
                    found = self._photographs.file(content.get("number"))
                    if found is not None:
                        self._on_photograph(*found)
                case "fetch":
                    self._photographs.fetch()
                case "cancel":
                    self._photographs.cancel()
                case "removed":
                    if content.get("last") is True:
                        self._settle()
                    identity = content.get("id")
                    self._on_removed(identity if type(identity) is int else -1, content.get("last") is True)
        except LesionvizError as error:
            self._settle()
            self._on_problem(str(error), self._second)

    def _begins(self, content: dict[str, Any]) -> bool:
        """Take note of a choice; not of one that is known, whose missing pieces are taken all the same.

        A file that was announced may turn out to be unreadable, as long as it is not here.
        """
        request = content.get("request")
        request = request if isinstance(request, str) and len(request) <= MAX_REQUEST else ""
        second = content.get("second") is True and content.get("kind") in ("file", "unread")
        known = self._settled if content.get("kind") == "unread" else self._requests
        if request and request == known[second]:
            return False
        self._second, self._requests[second] = second, request
        return True

    def _settle(self) -> None:
        """Tell the browser that nothing more of a choice need come: it is here whole, or what is wrong with it is said."""
        self._settled[self._second] = self._requests[self._second]
        self.send({"kind": "settled", "request": self._settled[self._second]})

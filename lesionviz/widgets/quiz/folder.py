"""``FolderUpload``: a teacher's folder on its way from a browser, which becomes the set of a quiz.

Every message may come from whoever has the page's kernel id, and is checked.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game.sets import Item, QuizSet, evenly
from lesionviz.imaging import LesionImage, open_image
from lesionviz.widgets.parts.upload import MAX_NAME, Upload

MAX_IMAGES = 200
"""Images of a folder that a browser may send."""
MAX_TOTAL = 512 * 2**20
"""Bytes that they may have together."""
MAX_PATHS = 20_000
"""Files of a folder that are looked at."""


@dataclass
class FolderUpload:
    """A teacher's folder on its way from a browser: paths first, then the files that are wanted, one at a time.

    Attributes:
        id: the number that the browser gave this folder.
        wanted: paths and codes of the files to send, by their place in the folder's list.
    """

    id: int = -1
    wanted: dict[int, tuple[str, str]] = field(default_factory=dict)
    _upload: Upload = field(default_factory=Upload)
    _name: str = "your pictures"
    _total: int = 0
    _items: list[Item] = field(default_factory=list)
    _problems: list[str] = field(default_factory=list)

    def begin(self, content: dict[str, Any]) -> None:
        """Take the folder's paths, ``{id, paths}``, and decide which files are wanted.

        A file's class is the name of the folder right below the chosen one, or of the chosen one itself when a class's
        folder was chosen or dropped.

        Raises:
            LesionvizError: no picture lies in a folder named after a class.
        """
        identity, paths = content.get("id"), content.get("paths")
        self.id = identity if type(identity) is int else -1
        if not isinstance(paths, list) or len(paths) > MAX_PATHS:
            raise LesionvizError(f"The folder holds more than {MAX_PATHS:,} files. Choose a smaller one.")
        from lesionviz.data.tables import SUFFIXES

        labelled: dict[str, list[int]] = {code: [] for code in CODES}
        others: Counter[str] = Counter()
        pictures = 0
        for index, text in enumerate(paths):
            if not isinstance(text, str) or len(text) > 5 * MAX_NAME:
                continue
            path = PurePosixPath(text)
            if path.suffix.lower() not in SUFFIXES or any(part.startswith(".") for part in path.parts):
                continue
            pictures += 1
            folders = path.parts[:-1]
            code = _code_of(folders)
            if code is None:
                others[folders[-1] if folders else ""] += 1
            else:
                labelled[code].append(index)
                self.wanted[index] = (path.as_posix(), code)
        if not self.wanted:
            raise LesionvizError(
                f"None of the {pictures:,} pictures lies in a folder named after a class. Choose a folder whose "
                f"subfolders are named {', '.join(CODES)}, or by the full names."
            )
        roots = {Path(path).parts[0] for path, _ in self.wanted.values()}
        if len(roots) == 1:
            self._name = next(iter(roots))[:MAX_NAME]
        for folder, count in others.most_common(5):
            where = f"in the folder {folder[:MAX_NAME]!r}" if folder else "outside any folder"
            self._problems.append(
                f"{_files(count)} {where} {_have(count)} no label and {_were(count)} left out: "
                "no folder's name means one of the four classes."
            )
        if len(self.wanted) > MAX_IMAGES:
            taken = set(evenly(labelled, MAX_IMAGES))
            left = len(self.wanted) - MAX_IMAGES
            self.wanted = {index: value for index, value in self.wanted.items() if index in taken}
            self._problems.append(
                f"{_files(left)} {_were(left)} left out: a set made here holds {MAX_IMAGES} pictures at most, "
                "as many of each class as possible."
            )

    def announce(self, content: dict[str, Any]) -> bool:
        """Take the announcement of a wanted file, ``{id, name, size}``; say whether its pieces are awaited."""
        index = content.get("id")
        if type(index) is not int or index not in self.wanted:
            return False
        path = self.wanted[index][0]
        size = content.get("size")
        if type(size) is int and self._total + size > MAX_TOTAL:
            self._upload = Upload()
            self._leave_out(index, f"{path} was left out: a set made here holds {MAX_TOTAL // 2**20} MiB at most.")
            return False
        try:
            self._upload.begin({**content, "name": path})
        except LesionvizError as error:
            self._leave_out(index, str(error))
            return False
        return True

    def add(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> bool:
        """Take a piece; say whether a file is done with, taken or left out."""
        index = content.get("id")
        if type(index) is not int or index not in self.wanted or index != self._upload.id:
            return False
        path, code = self.wanted[index]
        try:
            arrived = self._upload.add(content, buffers)
            if arrived is None:
                return False
            open_image(arrived.data, path)  # a picture that cannot be decoded must not wait for the lesson
        except LesionvizError as error:
            self._leave_out(index, str(error))
            return True
        self._total += len(arrived.data)
        self._items.append(Item(path, code, _lesion(path, arrived.data), _bytes(arrived.data)))
        del self.wanted[index]
        return True

    def unreadable(self, content: dict[str, Any]) -> None:
        """Take note of a wanted file, ``{id}``, that the browser could not read."""
        index = content.get("id")
        if type(index) is int and index in self.wanted:
            self._leave_out(index, f"{self.wanted[index][0]} could not be read by the browser and was left out.")

    def finish(self) -> QuizSet:
        """Return the set.

        Raises:
            LesionvizError: no file could be used.
        """
        if not self._items:
            first = f" {self._problems[0]}" if self._problems else ""
            raise LesionvizError(f"No picture of {self._name} could be used.{first}")
        return QuizSet(self._name, tuple(self._items), problems=tuple(self._problems))

    def _leave_out(self, index: int, sentence: str) -> None:
        self._problems.append(sentence)
        del self.wanted[index]


def _code_of(folders: tuple[str, ...]) -> str | None:
    """Return the code of the class that a picture's folders name, outermost first, or None."""
    from lesionviz.data.class_names import diagnosis_of

    for name in (*folders[1:2], *folders[:1]):
        code = diagnosis_of(name)
        if code:
            return code
    return None


def _lesion(path: str, data: bytes) -> str:
    """Return what tells photographs of one lesion: the ISIC id in the name, or the same bytes."""
    from lesionviz.data.plain_layouts import ISIC_ID

    found = re.search(ISIC_ID, path)
    return found[0] if found else hashlib.sha256(data).hexdigest()


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _bytes(data: bytes) -> Callable[[str], LesionImage]:
    return lambda name: open_image(data, name)


class FolderDesk:
    """Takes the messages about a folder, and hands over a set once it has arrived.

    Args:
        may_take: whether a set is wanted at all now.
        take: gets the set.
        refuse: gets why there is none.
        send: tells the browser, which file it may send next.
    """

    def __init__(
        self,
        may_take: Callable[[], bool],
        take: Callable[[QuizSet], None],
        refuse: Callable[[LesionvizError], None],
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        self._may_take, self._take, self._refuse, self._send = may_take, take, refuse, send
        self.arriving: FolderUpload | None = None
        """The folder that is on its way."""
        self.handlers: dict[str, Callable[[dict[str, Any], Sequence[memoryview]], None]] = {
            "folder": self._on_folder,
            "file": self._on_file,
            "piece": self._on_piece,
            "unreadable": self._on_unreadable,
            "folder end": self._on_end,
            "folder cancel": lambda _content, _buffers: self.forget(),
        }
        """By the message's ``kind``: gets the message and its buffers."""

    @property
    def busy(self) -> bool:
        """Whether a folder is on its way."""
        return self.arriving is not None

    def wanted(self) -> dict[str, Any]:
        """Return ``folder``, the number of the one on its way or -1, and ``files``, those that are still to be sent."""
        folder = self.arriving
        return (
            {"folder": -1, "files": []} if folder is None else {"folder": folder.id, "files": sorted(folder.wanted)}
        )

    def forget(self) -> None:
        """Drop a folder that is still arriving."""
        self.arriving = None

    def _on_folder(self, content: dict[str, Any], _buffers: object) -> None:
        """Begin a set; a new folder replaces one that is still arriving."""
        if self.arriving is not None and content.get("id") == self.arriving.id:
            self._want(self.arriving)  # said twice, it is the same
            return
        if not self._may_take():
            return
        self.arriving = folder = FolderUpload()
        try:
            folder.begin(content)
        except LesionvizError as error:
            self.arriving = None
            self._send({"kind": "refused", "folder": folder.id})
            self._refuse(error)
            return
        self._want(folder)

    def _want(self, folder: FolderUpload) -> None:
        """Tell the browser which files are still to be sent."""
        self._send({"kind": "wanted", "folder": folder.id, "files": sorted(folder.wanted)})

    def _on_file(self, content: dict[str, Any], _buffers: object) -> None:
        if self.arriving is not None:
            before = len(self.arriving.wanted)
            if not self.arriving.announce(content) and len(self.arriving.wanted) < before:
                self._took(self.arriving, content)

    def _on_piece(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        if self.arriving is not None and self.arriving.add(content, buffers):
            self._took(self.arriving, content)

    def _on_unreadable(self, content: dict[str, Any], _buffers: object) -> None:
        if self.arriving is not None:
            self.arriving.unreadable(content)

    def _took(self, folder: FolderUpload, content: dict[str, Any]) -> None:
        """Let the browser send the next file: this one is here, or will not be taken."""
        self._send({"kind": "took", "folder": folder.id, "file": content["id"]})

    def _on_end(self, _content: object, _buffers: object) -> None:
        if self.arriving is None:
            return
        folder, self.arriving = self.arriving, None
        try:
            self._take(folder.finish())
        except LesionvizError as error:
            self._refuse(error)
        self._send({"kind": "ended", "folder": folder.id})

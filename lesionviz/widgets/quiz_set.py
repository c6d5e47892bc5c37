"""The pictures of a quiz: read from a teacher's folder or table, sent by a browser, or drawn.

A set only knows where its pictures come from and what they show; a picture is opened when its question is asked.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage, open_image
from lesionviz.widgets.upload import MAX_NAME, Upload

if TYPE_CHECKING:
    from lesionviz.data.collection import Collection

T = TypeVar("T")
MAX_IMAGES = 200
"""Images of a folder that a browser may send."""
MAX_TOTAL = 512 * 2**20
"""Bytes that they may have together."""
MAX_PATHS = 20_000
"""Files of a folder that are looked at."""
DRAWN_PER_CLASS = 6
DRAWN_SIZE = (480, 360)
DRAWN_NAME = "drawn samples"


@dataclass(frozen=True, eq=False)
class Item:
    """One labelled picture.

    Attributes:
        name: where it comes from, for the teacher; never shown before the learner has answered.
        truth: code of its diagnosis.
        lesion: photographs of one lesion share it.
        read: opens the picture under the name that it gets; raises LesionvizError when it cannot be used.
    """

    name: str
    truth: str
    lesion: str
    read: Callable[[str], LesionImage]


@dataclass(frozen=True)
class QuizSet:
    """Labelled pictures to ask about.

    Attributes:
        name: what to call it.
        items: the pictures.
        drawn: whether a program drew them.
        problems: sentences about what was left out.
    """

    name: str
    items: tuple[Item, ...]
    drawn: bool = False
    problems: tuple[str, ...] = ()

    @property
    def lesions(self) -> int:
        """How many lesions it shows, and so how many questions it gives at most."""
        return len({item.lesion for item in self.items})

    def counts(self) -> dict[str, int]:
        """Return how many lesions of each class there are."""
        found = Counter(truth for truth, _ in {(item.truth, item.lesion) for item in self.items})
        return {code: found[code] for code in CODES}

    def choose(self, cases: int, seed: int) -> list[Item]:
        """Return pictures for a round, one for each lesion, as evenly from the classes as the set allows.

        The same set, number and seed give the same pictures, sorted by name: their order tells nothing of what
        they show.

        Args:
            cases: how many; fewer where the set has fewer lesions.
            seed: of the random numbers.
        """
        random = np.random.default_rng(seed)
        by_lesion: dict[str, Item] = {}
        for index in random.permutation(len(self.items)):
            item = self.items[index]
            by_lesion.setdefault(item.lesion, item)
        classes: dict[str, list[Item]] = {code: [] for code in CODES}
        for item in by_lesion.values():
            classes[item.truth].append(item)
        order = [CODES[index] for index in random.permutation(len(CODES))]
        return sorted(evenly({code: classes[code] for code in order}, cases), key=lambda item: item.name)


def evenly(groups: Mapping[str, Sequence[T]], count: int) -> list[T]:
    """Take one of each group in turn until there are ``count``, or nothing is left."""
    longest = max(map(len, groups.values()), default=0)
    turns = [group[turn] for turn in range(longest) for group in groups.values() if turn < len(group)]
    return turns[:count]


def drawn_set() -> QuizSet:
    """Return drawn samples, several in the manner of each diagnosis, to try the quiz with."""
    items = []
    for diagnosis in DIAGNOSES:
        for number in range(1, DRAWN_PER_CLASS + 1):
            name = f"drawn {diagnosis.name} {number}"
            items.append(Item(name, diagnosis.code, name, _drawing(diagnosis.code, number)))
    return QuizSet(DRAWN_NAME, tuple(items), drawn=True)


def _drawing(code: str, seed: int) -> Callable[[str], LesionImage]:
    return lambda name: LesionImage(draw_lesion(code, seed, DRAWN_SIZE), name)


def set_of(data: QuizSet | Collection | str | Path) -> QuizSet:
    """Return the set of a collection, or of a folder or table in any layout that ``read_collection`` knows.

    Raises:
        LesionvizError: nothing is there, no layout fits, or none of its images is here.
    """
    if isinstance(data, QuizSet):
        return data
    if isinstance(data, (str, Path)):
        from lesionviz.data.read import read_collection

        data = read_collection(data)
    items = tuple(
        Item(str(row.image), str(row.diagnosis), str(row.lesion), _file(Path(str(row.path))))
        for row in data.present.itertuples()
    )
    if not items:
        raise LesionvizError(f"No image of the four classes is in {data.folder}. Put them there.")
    return QuizSet(data.folder.resolve().name, items)


def _file(path: Path) -> Callable[[str], LesionImage]:
    def read(name: str) -> LesionImage:
        try:
            data = path.read_bytes()
        except OSError as error:  # its text would show the path, and so the answer
            raise LesionvizError(f"{name} cannot be read any more. Make the set again.") from error
        return open_image(data, name)

    return read


def _bytes(data: bytes) -> Callable[[str], LesionImage]:
    return lambda name: open_image(data, name)


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

"""The pictures of a quiz: read from a teacher's folder or table, or drawn.

A set only knows where its pictures come from and what they show; a picture is opened when its question is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage, open_image

if TYPE_CHECKING:
    from lesionviz.data.collection import Collection

T = TypeVar("T")
MAX_CASES = 200
"""Questions of a round."""
MAX_PROBLEMS = 20
"""Sentences about what was left out that are shown."""
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
        drawn: whether a program drew it; then the network answers that knows drawings alone.
    """

    name: str
    truth: str
    lesion: str
    read: Callable[[str], LesionImage]
    drawn: bool = False


@dataclass(frozen=True)
class QuizSet:
    """Labelled pictures to ask about.

    Attributes:
        name: what to call it.
        items: the pictures.
        problems: sentences about what was left out.
    """

    name: str
    items: tuple[Item, ...]
    problems: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        """Whether a program drew them."""
        return any(item.drawn for item in self.items)

    @property
    def lesions(self) -> int:
        """How many lesions it shows, and so how many questions it gives at most."""
        return len({item.lesion for item in self.items})

    def counts(self) -> dict[str, int]:
        """Return how many lesions of each class there are."""
        found = Counter(truth for truth, _ in {(item.truth, item.lesion) for item in self.items})
        return {code: found[code] for code in CODES}

    def facts(self) -> dict[str, Any]:
        """Return ``name``, ``counts`` (lesions of each class), ``drawn``, ``most`` (questions) and ``problems``."""
        shown = [*self.problems[:MAX_PROBLEMS]]
        if len(self.problems) > len(shown):
            shown.append(f"… and {len(self.problems) - len(shown)} more were left out.")
        most = min(self.lesions, MAX_CASES)
        return {"name": self.name, "counts": self.counts(), "drawn": self.drawn, "most": most, "problems": shown}

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
    """Return typical drawings of each diagnosis, no two of the same lesion, to learn structures and the quiz with."""
    items = []
    for place, diagnosis in enumerate(DIAGNOSES):
        for number in range(1, DRAWN_PER_CLASS + 1):
            name = f"drawn {diagnosis.name} {number}"
            items.append(Item(name, diagnosis.code, name, _drawing(diagnosis.code, 100 * (place + 1) + number), True))
    return QuizSet(DRAWN_NAME, tuple(items))


def _drawing(code: str, seed: int) -> Callable[[str], LesionImage]:
    def read(name: str) -> LesionImage:
        from lesionviz.data.drawings import draw, typical  # SciPy is loaded only where something is drawn

        return LesionImage(draw(typical(code, seed), seed, DRAWN_SIZE), name)

    return read


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

"""``ClassStore``: the file with which a class's quiz survives a restart: names, choices and times, and nothing else.

It holds no picture, no truth and no answer of the model: these are read from the teacher's folder and asked for again. Of
the quiz it holds what makes it again: the folder, the seed, the number of cases, and where it stands. A file that cannot be
written to, or that somebody else wrote, ends nothing: :attr:`ClassStore.problem` says so, and the quiz goes on in memory.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lesionviz.diagnoses import CODES
from lesionviz.files import data_folder
from lesionviz.game.kept_file import KeptFile
from lesionviz.game.names import MAX_LEARNER, plain_name
from lesionviz.game.rules import SURE
from lesionviz.game.sets import MAX_CASES

VARIABLE = "LESIONVIZ_CLASS"
"""Environment variable that names another file than the one in the user's data folder."""
TABLES = (
    "CREATE TABLE quiz (source TEXT, seed INTEGER, cases INTEGER, mark TEXT, phase TEXT, place INTEGER, time TEXT)",
    "CREATE TABLE learner (name TEXT PRIMARY KEY, time TEXT)",
    "CREATE TABLE answer (name TEXT, place INTEGER, choice TEXT, sure TEXT, time TEXT, PRIMARY KEY (name, place))",
)
PHASES = ("waiting", "question", "revealed", "over")
"""Where a class can be: nothing started; looking and answering; shown what it was; at the results."""


@dataclass(frozen=True)
class Setup:
    """What makes a quiz again.

    Attributes:
        source: folder or table of the pictures; empty for the drawn ones.
        seed, cases: of the choice.
        mark: of the questions that came of it: another one means that the pictures have changed.
        phase: one of ``PHASES``.
        case: number of the question on view, from 1; 0 when there is none.
    """

    source: str
    seed: int
    cases: int
    mark: str
    phase: str = "question"
    case: int = 1


@dataclass(frozen=True)
class Choice:
    """What a learner committed to: who, in which case, which code, how sure, and when (UTC)."""

    name: str
    case: int
    code: str
    sure: str
    time: str


@dataclass(frozen=True)
class Kept:
    """What a file held; ``setup`` is None when no quiz was started."""

    setup: Setup | None
    names: tuple[str, ...]
    choices: tuple[Choice, ...]


class ClassStore(KeptFile):
    """The file; a class of 400 with 200 cases takes 10 MiB of it.

    Args:
        path: where it lies; by default ``LESIONVIZ_CLASS``, or in the user's data folder.
    """

    OURS = 0x4C564351  # "LVCQ"
    FORMAT = 1
    TABLES = TABLES
    ALONE = True
    FOREIGN = (
        "{path} is not a file that lesionviz wrote for a class, or it is damaged, so it is left as it is and "
        "nothing of this quiz is kept in a file. Move it away and start the server again."
    )
    BUSY = (
        "{path} is in use by another server, so nothing of this quiz is kept in a file. End the other "
        f"one, or name another file in {VARIABLE}, and start this one again."
    )
    UNWRITABLE = (
        "{path} cannot be written to ({why}). The quiz goes on in memory, and is lost when the server ends: download "
        "the answers before."
    )

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path or Path(os.environ.get(VARIABLE) or data_folder() / "class.sqlite"))

    def load(self) -> Kept | None:
        """Return what the file holds; None where there is none, or it cannot be used."""
        if not os.path.lexists(self.path):
            return None
        db = self._open()
        if db is None:
            return None
        try:
            return _read(db)
        except (sqlite3.Error, ValueError, TypeError):
            self._disown()
            return None

    def start(self, setup: Setup, names: Iterable[str], time: str) -> None:
        """Keep a new quiz instead of whatever was kept."""
        self._write(
            ("DELETE FROM quiz", ()),
            ("DELETE FROM learner", ()),
            ("DELETE FROM answer", ()),
            (
                "INSERT INTO quiz VALUES (?, ?, ?, ?, ?, ?, ?)",
                (setup.source, setup.seed, setup.cases, setup.mark, setup.phase, setup.case, time),
            ),
            *(("INSERT INTO learner VALUES (?, ?)", (name, time)) for name in names),
        )

    def stands(self, phase: str, case: int, dropped: int = 0) -> None:
        """Keep where the quiz stands; the answers to ``dropped``, a case that does not count, go."""
        answers = ("DELETE FROM answer WHERE place = ?", (dropped,))
        self._write(("UPDATE quiz SET phase = ?, place = ?", (phase, case)), answers)

    def joined(self, name: str, time: str, before: str = "") -> None:
        """Keep a learner's name, instead of the one that he had before."""
        self._write(
            ("DELETE FROM learner WHERE name = ?", (before,)),
            ("INSERT OR REPLACE INTO learner VALUES (?, ?)", (name, time)),
        )

    def answered(self, choice: Choice) -> None:
        """Keep an answer."""
        values = (choice.name, choice.case, choice.code, choice.sure, choice.time)
        self._write(("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)", values))


def _read(db: sqlite3.Connection) -> Kept:
    """Return what a file of ours holds.

    Raises:
        ValueError: some value is none that we write.
    """
    names = tuple(name for (name,) in db.execute("SELECT name FROM learner ORDER BY rowid"))
    choices = tuple(
        Choice(*row) for row in db.execute("SELECT name, place, choice, sure, time FROM answer ORDER BY rowid")
    )
    rows = db.execute("SELECT source, seed, cases, mark, phase, place FROM quiz").fetchall()
    setup = Setup(*rows[0]) if rows else None
    fine = len(rows) <= 1 and all(isinstance(name, str) and name and plain_name(name) == name for name in names)
    for one in choices:
        fine &= one.name in names and one.code in CODES and one.sure in {"", *SURE} and isinstance(one.time, str)
        fine &= type(one.case) is int and 1 <= one.case <= MAX_CASES and len(one.name) <= 2 * MAX_LEARNER
    if setup is not None:
        fine &= all(isinstance(text, str) for text in (setup.source, setup.mark)) and setup.phase in PHASES
        fine &= (setup.phase in {"question", "revealed"}) == (setup.case != 0)
        fine &= type(setup.seed) is int and 0 <= setup.seed < 2**32
        fine &= all(type(n) is int and 0 <= n <= MAX_CASES for n in (setup.cases, setup.case))
    if not fine:
        raise ValueError
    return Kept(setup, names, choices)

"""``StudyStore``: the file in which a reader study lies: its design, who agreed, and what they answered.

The file is the study: every move is written before it counts, and read again when the page comes back. A reader who
withdraws is deleted from it, and overwritten; only that somebody withdrew is counted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import data_folder
from lesionviz.game.kept_file import KeptFile
from lesionviz.game.names import free_name, plain_name
from lesionviz.game.results import NO_ANSWER
from lesionviz.game.sets import MAX_CASES
from lesionviz.game.study import MAX_CONSENT, MAX_READERS, MOST_WRONG, SURE, Design, StudyCase, Turn

VARIABLE = "LESIONVIZ_STUDY"
"""Environment variable that names another file than the one in the user's data folder."""
TABLES = (
    "CREATE TABLE study (seed INTEGER, share REAL, consent TEXT, source TEXT, drawn INTEGER, time TEXT, "
    "withdrawn INTEGER, ended TEXT, debriefed TEXT)",
    "CREATE TABLE cases (number INTEGER PRIMARY KEY, image TEXT, truth TEXT, wrong INTEGER)",
    "CREATE TABLE reader (place INTEGER PRIMARY KEY, name TEXT, agreed TEXT)",
    "CREATE TABLE turn (place INTEGER, position INTEGER, number INTEGER, with_ai INTEGER, PRIMARY KEY (place, position))",
    "CREATE TABLE look (place INTEGER, number INTEGER, seconds REAL, pauses INTEGER, lost INTEGER, running INTEGER, "
    "PRIMARY KEY (place, number))",
    "CREATE TABLE answer (place INTEGER, number INTEGER, code TEXT, sure INTEGER, ai TEXT, probability REAL, model TEXT, "
    "reason TEXT, network TEXT, time TEXT, PRIMARY KEY (place, number))",
)


@dataclass(frozen=True)
class Reader:
    """Who agreed to take part: the place in the design, 0 for the first, the name, and when (UTC)."""

    place: int
    name: str
    agreed: str


@dataclass(frozen=True)
class Look:
    """How long a reader has looked at a case.

    Attributes:
        seconds: so far, pauses left out.
        pauses: how many.
        lost: how often the page went away while the clock ran; the time from its last start until then is not known.
        running: whether the clock runs, or ran when the page went away.
    """

    seconds: float = 0.0
    pauses: int = 0
    lost: int = 0
    running: bool = False


@dataclass(frozen=True)
class Reading:
    """What a reader committed to in a case.

    Attributes:
        place: of the reader.
        number: of the case.
        code: the diagnosis.
        sure: 1 to 5.
        ai: what the AI was shown to say: a code, ``NO_ANSWER``, or empty where none was shown.
        probability: shown beside it, 0 to 1; None where there was none.
        model: what the model itself says of the picture: a code, ``NO_ANSWER``, or empty where it was not asked.
        reason: why it gave no answer.
        network: who answered: the first digits of the model's SHA-256.
        time: when (UTC).
    """

    place: int
    number: int
    code: str
    sure: int
    ai: str
    probability: float | None
    model: str
    reason: str
    network: str
    time: str


@dataclass(frozen=True)
class KeptStudy:
    """What a file holds.

    Attributes:
        design: of the study.
        begun: when (UTC).
        readers, turns, looks, readings: of those who have not withdrawn; turns by place, looks by place and case. The turns
            are kept, and not made again from the seed: another version of NumPy may draw others from it.
        withdrawn: how many have.
        ended: when it was closed (UTC); empty while it is open.
        debriefed: when the debrief had been shown (UTC); empty before.
    """

    design: Design
    begun: str
    readers: tuple[Reader, ...]
    turns: Mapping[int, Sequence[Turn]]
    looks: Mapping[tuple[int, int], Look]
    readings: tuple[Reading, ...]
    withdrawn: int = 0
    ended: str = ""
    debriefed: str = ""

    def reader(self, place: int) -> Reader | None:
        """Return the reader of a place, if there is one."""
        return next((reader for reader in self.readers if reader.place == place), None)

    def done(self, place: int) -> set[int]:
        """Return the numbers of the cases that a reader has answered."""
        return {one.number for one in self.readings if one.place == place}


class StudyStore(KeptFile):
    """The file; a study of 200 readers with 200 cases takes 10 MiB of it.

    Args:
        path: where it lies; by default ``LESIONVIZ_STUDY``, or in the user's data folder.
    """

    OURS = 0x4C565253  # "LVRS"
    FORMAT = 1
    TABLES = TABLES
    ALONE = False
    FOREIGN = (
        "{path} is not a file that lesionviz wrote for a reader study, or it is damaged, so it is left as it is. Move it "
        f"away, or name another file in {VARIABLE}, and open the page again."
    )
    BUSY = "{path} is in use by another program. Close that one and open the page again."
    UNWRITABLE = (
        "{path} cannot be written to ({why}), so the study cannot go on: nothing that is not kept may count. Make room or "
        f"name another file in {VARIABLE}, and open the page again."
    )

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(path or Path(os.environ.get(VARIABLE) or data_folder() / "study.sqlite"))

    def load(self) -> KeptStudy | None:
        """Return the study in the file; None where there is none.

        Raises:
            LesionvizError: the file cannot be used; the text says why.
        """
        if not os.path.lexists(self.path):
            self.close()  # somebody deleted it
            return None
        db = self._db or self._open()
        if db is None:
            raise LesionvizError(self.problem)
        try:
            return _read(db)
        except (sqlite3.Error, ValueError, TypeError, OverflowError):
            self._disown()
            raise LesionvizError(self.problem) from None

    def begin(self, design: Design, time: str) -> None:
        """Keep a new study; the file must hold none."""
        values = (design.seed, design.share, design.consent, design.source, design.drawn, time, 0, "", "")
        self._keep(
            ("INSERT INTO study SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM study)", values),
            *(("INSERT OR IGNORE INTO cases VALUES (?, ?, ?, ?)", astuple(case)) for case in design.cases),
        )

    def join(self, wish: str, time: str) -> Reader:
        """Give a reader the first place in the design that is free, and a name that no other has.

        Raises:
            LesionvizError: there is no study, or no place in it, or it cannot be kept.
        """
        while True:
            kept = self.load()
            if kept is None or kept.ended:
                raise LesionvizError("No study is open. Begin one first.")
            taken = {reader.place for reader in kept.readers}
            if len(taken) >= MAX_READERS:
                raise LesionvizError(f"A study takes {MAX_READERS} readers. Nobody else can join this one.")
            place = next(place for place in range(MAX_READERS) if place not in taken)
            names = {reader.name for reader in kept.readers}
            reader = Reader(place, free_name(wish or f"Reader {place + 1}", names), time)
            turns = enumerate(kept.design.turns(place), 1)
            self._keep(
                ("INSERT OR IGNORE INTO reader VALUES (?, ?, ?)", astuple(reader)),
                *(
                    ("INSERT OR IGNORE INTO turn VALUES (?, ?, ?, ?)", (place, position, turn.case, turn.with_ai))
                    for position, turn in turns
                ),
            )
            joined = self.load()
            if joined is not None and reader in joined.readers:
                return reader  # else another page was faster, and took the place

    def looked(self, place: int, number: int, look: Look) -> None:
        """Keep how long a reader has looked at a case."""
        values = (place, number, look.seconds, look.pauses, look.lost, look.running, place)
        self._keep(
            (
                "INSERT OR REPLACE INTO look SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM reader WHERE place = ?)",
                values,
            )
        )

    def answered(self, reading: Reading) -> None:
        """Keep an answer. The first one to a case stands; none is taken after a withdrawal or a study's end."""
        marks = ", ".join("?" * len(astuple(reading)))
        self._keep(
            (
                f"INSERT OR IGNORE INTO answer SELECT {marks} WHERE EXISTS (SELECT 1 FROM reader WHERE place = ?) "
                "AND EXISTS (SELECT 1 FROM study WHERE ended = '')",
                (*astuple(reading), reading.place),
            )
        )

    def withdraw(self, place: int) -> None:
        """Delete a reader and everything that was recorded of him."""
        self._keep(
            ("UPDATE study SET withdrawn = withdrawn + (SELECT count(*) FROM reader WHERE place = ?)", (place,)),
            *((f"DELETE FROM {table} WHERE place = ?", (place,)) for table in ("reader", "turn", "look", "answer")),
        )

    def end(self, time: str) -> None:
        """Close the study: nobody joins and nobody answers any more."""
        self._keep(("UPDATE study SET ended = ? WHERE ended = ''", (time,)))

    def debriefed(self, time: str) -> None:
        """Keep that the debrief has been shown."""
        self._keep(("UPDATE study SET debriefed = ? WHERE debriefed = '' AND ended != ''", (time,)))

    def _keep(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        """Write all or nothing.

        Raises:
            LesionvizError: it cannot be kept; the text says why.
        """
        if not self._write(*statements):
            raise LesionvizError(self.problem)


def _read(db: sqlite3.Connection) -> KeptStudy | None:
    """Return what a file of ours holds; None where no study was begun.

    Raises:
        ValueError: some value is none that we write.
    """
    db.execute("BEGIN")  # one moment of the file, whoever else writes to it
    try:
        rows = db.execute("SELECT * FROM study").fetchall()
        found = db.execute("SELECT * FROM cases ORDER BY number").fetchall()
        readers = tuple(Reader(*row) for row in db.execute("SELECT * FROM reader ORDER BY place"))
        order = db.execute("SELECT * FROM turn ORDER BY place, position").fetchall()
        looks = {
            (place, number): Look(seconds, pauses, lost, bool(running))
            for place, number, seconds, pauses, lost, running in db.execute("SELECT * FROM look")
        }
        readings = tuple(Reading(*row) for row in db.execute("SELECT * FROM answer ORDER BY rowid"))
    finally:
        db.execute("COMMIT")
    if not rows:
        return None
    (seed, share, consent, source, drawn, begun, withdrawn, ended, debriefed) = rows[0]
    cases = tuple(StudyCase(number, image, truth, bool(wrong)) for number, image, truth, wrong in found)
    fine = len(rows) == 1 and [case.number for case in cases] == list(range(1, len(cases) + 1))
    fine &= 2 <= len(cases) <= MAX_CASES and type(seed) is int and 0 <= seed < 2**32
    fine &= type(share) is float and 0 <= share <= MOST_WRONG and type(withdrawn) is int and withdrawn >= 0
    fine &= all(isinstance(text, str) for text in (consent, source, begun, ended, debriefed))
    fine &= len(consent) <= MAX_CONSENT
    fine &= all(isinstance(case.image, str) and case.truth in CODES for case in cases)
    places = {reader.place for reader in readers}
    fine &= all(_is_reader(reader) for reader in readers)
    fine &= all(place in places and _is_look(look) for (place, _), look in looks.items())
    fine &= all(one.place in places and _is_reading(one, len(cases)) for one in readings)
    turns = {
        place: [Turn(number, bool(with_ai)) for of, _, number, with_ai in order if of == place] for place in places
    }
    whole = [case.number for case in cases]
    fine &= len(order) == len(places) * len(cases)
    fine &= all(sorted(turn.case for turn in of_one) == whole for of_one in turns.values())
    if not fine:
        raise ValueError
    design = Design(seed, share, consent, source, bool(drawn), cases)
    return KeptStudy(design, begun, readers, turns, looks, readings, withdrawn, ended, debriefed)


def _is_reader(reader: Reader) -> bool:
    named = isinstance(reader.name, str) and bool(reader.name) and plain_name(reader.name) == reader.name
    return named and 0 <= reader.place < MAX_READERS and isinstance(reader.agreed, str)


def _is_look(look: Look) -> bool:
    return type(look.seconds) is float and look.seconds >= 0 and min(look.pauses, look.lost) >= 0


def _is_reading(one: Reading, cases: int) -> bool:
    words = {*CODES, NO_ANSWER, ""}
    fine = type(one.number) is int and 1 <= one.number <= cases and one.code in CODES and {one.ai, one.model} <= words
    fine &= type(one.sure) is int and 1 <= one.sure <= len(SURE)
    fine &= one.probability is None or (type(one.probability) is float and 0 <= one.probability <= 1)
    return fine and all(isinstance(text, str) for text in (one.reason, one.network, one.time))

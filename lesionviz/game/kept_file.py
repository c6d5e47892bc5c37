"""``KeptFile``: an SQLite file of one person's, made by us alone, of which no byte is believed unless it is ours.

A class's quiz and a reader study each keep one. A file that cannot be written to, or that somebody else wrote, is left as
it is, and :attr:`KeptFile.problem` says so in a sentence.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar


class KeptFile:
    """The file; every method may be called whether or not it can be used.

    Args:
        path: where it lies.

    Attributes:
        path: where it lies.
        problem: why nothing is kept, in a sentence; empty while all is well.
    """

    OURS: ClassVar[int]
    """``application_id`` of such files."""
    FORMAT: ClassVar[int]
    TABLES: ClassVar[tuple[str, ...]]
    LARGEST: ClassVar[int] = 64 * 2**20
    """Bytes of a file that is opened at all."""
    ALONE: ClassVar[bool]
    """Whether one process has it for itself; else several take turns, and each move is whole."""
    FOREIGN: ClassVar[str]
    """What is said of a file that is not ours; ``{path}`` is put in, as in those below."""
    BUSY: ClassVar[str]
    """What is said of a file that another process has for itself."""
    UNWRITABLE: ClassVar[str]
    """What is said where it cannot be written to, because of ``{why}``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._db: sqlite3.Connection | None = None
        self._ours = False  # what lies there was made or read by us

    def forget(self) -> bool:
        """Delete the file; return whether none is there any more. One that is not ours stays."""
        if not self._ours and os.path.lexists(self.path) and self._open() is None:
            return False
        self.close()
        try:
            for end in ("", "-wal", "-journal", "-shm"):
                Path(f"{self.path}{end}").unlink(missing_ok=True)
        except OSError as error:
            self._give_up(f"{self.path} could not be deleted ({error}). Delete it by hand.")
            return False
        self._ours, self.problem = False, ""
        return True

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self._db is not None:
            db, self._db = self._db, None
            with suppress(sqlite3.Error):  # everything that was committed is in the file already
                db.close()

    # --- the file's own ------------------------------------------------------------------------------------------

    def _write(self, *statements: tuple[str, Sequence[Any]]) -> bool:
        """Do all or nothing of it, and give up keeping when that fails; return whether it was done."""
        db = self._db or self._open()
        if db is None:
            return False
        try:
            db.execute("BEGIN IMMEDIATE")
            for text, values in statements:
                db.execute(text, values)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(self._said(self.UNWRITABLE, str(error)))
            return False
        return True

    def _open(self) -> sqlite3.Connection | None:
        """Return the file's connection, and make the file where there is none; None where that fails, which is said."""
        if self.problem:
            return None
        try:
            new = self._make_private()
            wait = 0 if self.ALONE else 5
            db = sqlite3.connect(self.path, timeout=wait, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            self._give_up(self._said(self.UNWRITABLE, getattr(error, "strerror", "") or str(error)))
            return None
        except ValueError:
            self._disown()
            return None
        self._db = db
        try:
            self._prepare(db, new)
        except sqlite3.OperationalError as error:
            self._give_up(self._said(self.BUSY if "locked" in str(error) else self.UNWRITABLE, str(error)))
        except (sqlite3.DatabaseError, ValueError):
            self._disown()
        return self._db

    def _prepare(self, db: sqlite3.Connection, new: bool) -> None:
        """Make the tables, or look whether they are ours.

        Raises:
            sqlite3.Error: it cannot be read or written, or is no such file.
            ValueError: it is somebody else's.
        """
        db.execute("PRAGMA trusted_schema = OFF")
        if self.ALONE:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # and no shared memory, which shares lack
        if new:
            marks = (f"PRAGMA application_id = {self.OURS}", f"PRAGMA user_version = {self.FORMAT}")
            for text in ("BEGIN", *marks, *self.TABLES):
                db.execute(text)
            db.execute("COMMIT")
            if self.ALONE:
                db.execute("PRAGMA journal_mode = WAL")  # last: a process killed before leaves an empty file
        elif not self._is_ours(db):
            raise ValueError
        if self.ALONE:
            db.execute("PRAGMA synchronous = NORMAL")  # in WAL a killed process loses nothing that was committed
        db.execute("PRAGMA secure_delete = ON")  # names that were taken away leave no trace in free pages
        self._ours = True

    def _make_private(self) -> bool:
        """Make the file where there is none, for this user alone; return whether it is empty.

        Raises:
            OSError: it cannot be made.
            ValueError: what lies there is no file of this user's.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            found = self.path.lstat()
            strange = hasattr(os, "getuid") and found.st_uid != os.getuid()
            if not stat.S_ISREG(found.st_mode) or strange or found.st_size > self.LARGEST:
                raise ValueError from None
            self.path.chmod(0o600)
            return found.st_size == 0
        return True

    def _is_ours(self, db: sqlite3.Connection) -> bool:
        """Whether a file holds our tables, letter by letter, and nothing else: no view, no trigger."""
        identity = (
            db.execute("PRAGMA application_id").fetchone()[0],
            db.execute("PRAGMA user_version").fetchone()[0],
        )
        texts = [text for (text,) in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
        sound = db.execute("PRAGMA quick_check").fetchone()[0] == "ok"
        return identity == (self.OURS, self.FORMAT) and sorted(texts) == sorted(self.TABLES) and sound

    def _disown(self) -> None:
        self._ours = False
        self._give_up(self._said(self.FOREIGN))

    def _said(self, words: str, why: str = "") -> str:
        return words.format(path=self.path, why=why)

    def _give_up(self, problem: str) -> None:
        self.problem = problem
        self.close()

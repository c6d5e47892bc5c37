"""``Batch``: a folder's worth of pictures, one answer after the other, in a table that can be sorted, filtered and kept.

::

    batch = Batch(classifier)
    batch.add("my_images")  # or drop files on the page
    batch.table

Files come from the browser one at a time (``batch.js``): ``queue`` says how many have no row yet; each ``file``
with its ``piece`` messages (:mod:`lesionviz.widgets.parts.upload`) is looked at, becomes a row, and only ``next`` lets the
following one start. So the kernel holds one file, however many there are. Rows travel as messages, a view asks for those
that it lacks, and nothing that the browser sends changes a trait. Over a new connection the view says once more how many
have no row, and sends the file again that may be lost (:mod:`lesionviz.widgets.parts.recovery`): a file becomes one
row, however often it comes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from lesionviz.data.folders import walk
from lesionviz.errors import LesionvizError
from lesionviz.imaging import MAX_BYTES, read_file
from lesionviz.widgets.batch.rows import BatchRow, Origin, csv, for_browser, look, table
from lesionviz.widgets.case.answer import NOTICE
from lesionviz.widgets.case.bundle import classes
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again
from lesionviz.widgets.parts.upload import MAX_NAME, Arrived, Upload

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.classifier import LesionClassifier

LOG = logging.getLogger(__name__)
MAX_FILES = 5000
"""Most rows of one batch: about 20 MB of thumbnails."""
SECONDS_BETWEEN_WORDS = 0.05
"""Files that fail at once come by the thousand; Jupyter drops messages, any of them, beyond 1,000 a second."""
ROWS_AT_ONCE = 100
"""Most rows in one answer to a view that lacks some."""


@dataclass
class _Task:
    """A file that waits, or is being looked at."""

    name: str
    source: bytes | Path
    origin: Origin
    job: Job | None = None
    begun: bool = False

    def drop(self) -> None:
        """Let go of the work and of the file's bytes."""
        self.source = b""
        if self.job is not None:
            self.job.cancel()


class Batch(anywidget.AnyWidget):
    """Many pictures and a table of the answers.

    Args:
        classifier: what to ask, or work that is shared with other widgets; by default the bundled model, loaded in
            the background.
        on_open: called with name and bytes of a file when a person clicks its name; without it names are plain text.

    Attributes:
        rows: a tuple of :class:`BatchRow`, in the order in which files were looked at.
        done: how many rows there are, told at most 20 times a second while files added from Python fly by.
        total: rows, and files that still wait.
        running: whether files wait or are being looked at.
        note: what is to be said about the whole batch, in a sentence; empty when nothing is.
    """

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "parts/upload",
        "batch/batch_table",
        "batch/batch",
        "batch/batch_widget",
    )
    _css = style("parts/base", "batch/batch")

    rows = traitlets.Tuple(help="BatchRow of each file, in order")
    done = traitlets.Int(0).tag(sync=True)
    total = traitlets.Int(0).tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    removed = traitlets.Int(0, help="how many rows `restore` would bring back").tag(sync=True)
    facts = traitlets.Dict(help="classes, limits, and whether files can be opened").tag(sync=True)

    def __init__(
        self,
        classifier: LesionClassifier | Background | None = None,
        on_open: Callable[[str, bytes], None] | None = None,
    ) -> None:
        facts = {
            "classes": classes(),
            "max_bytes": MAX_BYTES,
            "max_files": MAX_FILES,
            "max_name": MAX_NAME,
            "can_open": on_open is not None,
            "notice": NOTICE,
        }
        super().__init__(facts=facts)
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        self._on_open = on_open
        self._run = 0  # counts how often the table was emptied or replaced: views drop rows of another run
        self._waiting: deque[_Task] = deque()
        self._task: _Task | None = None
        self._pumping = False
        self._told_at = 0.0
        self._sender = 0  # the view that announced files; the last one wins
        self._announced = 0  # its files that are not rows yet
        self._answered = -1  # its last file that is one
        self._arriving, self._opening = Upload(), Upload()
        self._opened_last = -1
        self._removed: tuple[BatchRow, ...] = ()
        self.on_msg(self._on_message)

    # --- from Python ------------------------------------------------------------------------------------------------
    def add(self, source: str | Path | Iterable[str | Path]) -> None:
        """Look at files, after those that wait already.

        In Jupyter this returns at once and rows follow (observe ``running``); in a script it returns when all are done.
        Hidden files of a folder are left out, its links are followed.

        Args:
            source: a file, a folder with all below it, or several of them. A file that cannot be read becomes a row
                that says why.

        Raises:
            LesionvizError: a folder holds no files, or the batch would have more than ``MAX_FILES``.
        """
        sources = [source] if isinstance(source, (str, Path)) else list(source)
        tasks = [task for one in sources for task in _tasks(Path(one))]
        if self.total + len(tasks) > MAX_FILES:
            raise LesionvizError(
                f"A batch holds at most {MAX_FILES:,} files, and this would make {self.total + len(tasks):,}. "
                "Add fewer, or clear the batch first."
            )
        if tasks:
            self._begin_run(len(tasks))
            self._waiting.extend(tasks)
            self._pump()

    def cancel(self) -> None:
        """Stop; rows stay, files that were not looked at do not become rows."""
        left = self.total - len(self.rows)
        if not left:
            return
        self._drop_waiting()
        self._tell()
        with self.hold_sync():
            self.total, self.running = self.done, False
            self.note = f"Cancelled: {_left_out(left)}."

    def clear(self) -> None:
        """Stop and empty the table; :meth:`restore` brings it back until the next file comes."""
        self._drop_waiting()
        self._replace(())

    def restore(self) -> None:
        """Bring back what :meth:`clear` took away, when nothing has come since."""
        if self._removed and not self.total:
            self._replace(self._removed)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as :func:`lesionviz.widgets.batch.rows.table` gives them, without the answers to refused pictures."""
        return table(self.rows)

    def to_csv(self, forced: bool = False) -> str:
        """Return the table as CSV that a spreadsheet can open safely.

        Args:
            forced: with the answers to refused pictures, which are not valid, in columns of their own.
        """
        return csv(self.rows, forced)

    # --- the work ---------------------------------------------------------------------------------------------------
    def _begin_run(self, count: int) -> None:
        self._removed = ()
        with self.hold_sync():
            self.total, self.running, self.note, self.removed = self.total + count, True, "", 0

    def _pump(self) -> None:
        """Start what waits. A loop, not a recursion: without an event loop each piece of work ends before it returns."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._waiting and self._task is None:
                self._start(self._waiting.popleft())
        finally:
            self._pumping = False

    def _start(self, task: _Task) -> None:
        self._task = task

        def work(classifier: LesionClassifier) -> BatchRow:
            task.begun = True
            return look(classifier, task.source, task.name, task.origin)

        def failed(error: Exception) -> None:
            if task.begun:
                self._finish(task, BatchRow(task.name, error=sentence(error, task.name), origin=task.origin))
            else:  # there is no classifier, so the other files would fare no better
                self.cancel()
                self.note = sentence(error, "The model")

        task.job = self._background.submit(work, lambda row: self._finish(task, row), failed)

    def _finish(self, task: _Task, row: BatchRow) -> None:
        if self._task is not task:
            return  # dropped meanwhile
        self._task = None
        self._append(row)
        self._pump()

    def _append(self, row: BatchRow) -> None:
        self.rows = (*self.rows, row)
        asked = isinstance(row.origin, int)
        if asked or len(self.rows) >= self.total or time.monotonic() - self._told_at > SECONDS_BETWEEN_WORDS:
            self._tell()
        if isinstance(row.origin, int):
            self._announced, self._answered = self._announced - 1, row.origin
            self._ask_for_next()

    def _ask_for_next(self) -> None:
        self.send({"kind": "next", "id": self._answered})

    def _tell(self) -> None:
        """Tell views what they have not heard yet."""
        self._told_at = time.monotonic()
        self._send_rows(self.done)
        with self.hold_sync():
            self.done = len(self.rows)
            self.running = self.done < self.total

    def _drop_waiting(self) -> None:
        """Forget every file that is not a row yet."""
        if self._task is not None:
            self._task.drop()
        self._task = None
        self._waiting.clear()
        self._drop_sender()

    def _drop_sender(self) -> None:
        """Tell the view that announced files to send no more."""
        if self._sender:
            self.send({"kind": "stopped", "sender": self._sender})
        self._sender = self._announced = 0
        self._arriving = Upload()

    def _replace(self, rows: tuple[BatchRow, ...]) -> None:
        """Show other rows; keep the old ones for :meth:`restore`."""
        self._removed = self.rows
        self._run += 1
        self.rows = rows
        self._send_rows(0)
        with self.hold_sync():
            self.done = self.total = len(rows)
            self.running, self.note, self.removed = False, "", 0 if rows else len(self._removed)

    # --- from the browser: every message may be a stranger's -----------------------------------------------------------
    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Ignore traits that a browser sets: all of them are the kernel's to tell."""

    def _on_message(self, _widget: object, content: Any, buffers: Sequence[memoryview]) -> None:
        if not isinstance(content, dict):
            return
        if asks_again(content):
            traits = ["done", "total", "running", "note", "removed"]
            arrived = {"sender": self._sender, "answered": self._answered, "opened": self._opened_last}
            say_again(self, [(self, traits)], **arrived)
            return
        match content.get("kind"):
            case "queue":
                self._announce(content.get("sender"), content.get("count"), content.get("current"))
            case "file" if content.get("open") is True:
                self._begin_opening(content)
            case "file":
                self._begin_file(content)
            case "unreadable":
                self._unreadable(content)
            case "piece":
                self._piece(content, buffers)
            case "open":
                self._open_again(content.get("row"), content.get("id"))
            case "rows":
                start = content.get("from")
                if type(start) is int and start >= 0:
                    self._send_rows(start)
            case "csv":
                self._send_csv(content.get("forced") is True)
            case "cancel":
                self.cancel()
            case "clear":
                self.clear()
            case "restore":
                self.restore()

    def _announce(self, sender: object, count: object, current: object) -> None:
        """A view has so many files without a row, among them perhaps one that it has sent.

        Said twice, it is the same. A view that has files of its own under way gives way to another.
        """
        if type(sender) is not int or type(count) is not int or sender < 1 or count < 1:
            return
        if sender == self._sender and current == self._answered:
            count -= 1  # the row is on its way
        if sender != self._sender:
            left = self._announced
            if self._task is not None and isinstance(self._task.origin, int):
                self._task.drop()
                self._task = None
            self._waiting = deque(task for task in self._waiting if isinstance(task.origin, Path))
            self._drop_sender()
            with self.hold_sync():
                self.total -= left
                self.running = len(self.rows) < self.total
        taken = min(count, MAX_FILES - self.total + self._announced)
        if count and taken < 1:
            self.send({"kind": "stopped", "sender": sender})
            return
        more = taken - self._announced
        self._sender, self._announced = sender, taken
        if more > 0:
            self._begin_run(more)
        else:
            with self.hold_sync():
                self.total += more
                self.running = len(self.rows) < self.total
        self._pump()

    def _takes(self, content: dict[str, Any]) -> bool:
        """Whether the next file of a view is due; a view that is out of step is told where this one stands."""
        sender, identity = content.get("sender"), content.get("id")
        if type(sender) is not int:
            return False
        if sender != self._sender:
            self.send({"kind": "stopped", "sender": sender})
            return False
        if type(identity) is int and identity == self._answered:
            self._ask_for_next()  # it was not heard
            return False
        busy = any(isinstance(task.origin, int) for task in (*self._waiting, self._task) if task is not None)
        return self._announced > 0 and not busy

    def _begin_file(self, content: dict[str, Any]) -> None:
        if not self._takes(content):
            return
        try:
            self._arriving.begin(content)
        except LesionvizError as error:
            self._append(BatchRow(self._arriving.name, error=str(error), origin=self._arriving.id))

    def _unreadable(self, content: dict[str, Any]) -> None:
        if not self._takes(content):
            return
        name, identity = content.get("name"), content.get("id")
        name = name[:MAX_NAME] if isinstance(name, str) and name else "A file"
        self._arriving = Upload()
        self._append(
            BatchRow(
                name,
                error=f"{name} could not be read by the browser. Check that it is still there and that you may open it.",
                origin=identity if type(identity) is int else -1,
            )
        )

    def _piece(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        try:
            arrived = self._arriving.add(content, buffers)
        except LesionvizError as error:
            self._append(BatchRow(self._arriving.name, error=str(error), origin=self._arriving.id))
            return
        if arrived is not None:
            self._waiting.append(_Task(arrived.name, arrived.data, arrived.id))
            self._pump()
            return
        try:
            arrived = self._opening.add(content, buffers)
        except LesionvizError as error:
            self._opened(self._opening.id, str(error))
            return
        if arrived is not None:
            self._open(arrived)

    def _begin_opening(self, content: dict[str, Any]) -> None:
        """A file that is a row already comes again, to be opened; the batch goes on meanwhile."""
        if self._on_open is None:
            return
        try:
            self._opening.begin(content)
        except LesionvizError as error:
            self._opened(self._opening.id, str(error))

    def _open_again(self, number: object, identity: object) -> None:
        """Open a row whose file the kernel can read."""
        if type(number) is not int or not 0 <= number < len(self.rows) or self._on_open is None:
            return
        row, identity = self.rows[number], identity if type(identity) is int else -1
        if isinstance(row.origin, Path):
            try:
                data = read_file(row.origin, row.file)
            except LesionvizError as error:
                self._opened(identity, str(error))
            else:
                self._open(Arrived(identity, row.file, data))

    def _open(self, file: Arrived) -> None:
        assert self._on_open is not None
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
        self._opened_last = identity
        self.send({"kind": "opened", "problem": problem})

    # --- to the browser ----------------------------------------------------------------------------------------------
    def _send_rows(self, start: int) -> None:
        """Send rows from a place on, at most ``ROWS_AT_ONCE``; the view sees from ``count`` whether to ask for more."""
        rows = self.rows[start : start + ROWS_AT_ONCE]
        self.send(
            {
                "kind": "rows",
                "run": self._run,
                "from": start,
                "count": len(self.rows),
                "rows": [for_browser(row) for row in rows],
            },
            [row.thumbnail for row in rows],
        )

    def _send_csv(self, forced: bool) -> None:
        name = f"lesionviz-batch-{datetime.now():%Y-%m-%d-%H%M}{'-with-forced-answers' if forced else ''}.csv"
        # With the mark at its beginning, spreadsheets read the letters of all alphabets.
        self.send({"kind": "csv", "name": name}, [self.to_csv(forced).encode("utf-8-sig")])


def _tasks(path: Path) -> list[_Task]:
    """Return a file, or all files below a folder, sorted by name.

    Raises:
        LesionvizError: the folder holds none.
    """
    if not path.is_dir():
        return [_Task(path.name or str(path), path, path)]
    walked = walk(path)
    found = sorted((*walked.files, *walked.lost))  # a link that leads nowhere gets a row that says so
    if not found:
        raise LesionvizError(f"The folder {path} holds no files. Give one with images in it.")
    above = Path(path.resolve().name)  # as a browser names them
    return [_Task((above / file.relative_to(path)).as_posix(), file, file) for file in found]


def _left_out(count: int) -> str:
    if count == 1:
        return "1 file was not looked at and is not in the table"
    return f"{count:,} files were not looked at and are not in the table"

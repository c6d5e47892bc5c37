"""``Batch``: a folder's worth of pictures, one answer after the other, in a table that can be sorted, filtered and kept.

::

    batch = Batch(classifier)
    batch.add("my_images")  # or drop files on the page
    batch.table

Files come from the browser one at a time (``batch.js``): ``queue`` says how many have no row yet; each ``file``
with its ``piece`` messages (:mod:`lesionviz.widgets.parts.upload`) is looked at, becomes a row, and only ``next`` lets the
following one start (:mod:`lesionviz.widgets.batch.queue`). Rows travel as messages, a view asks for those that it
lacks, and nothing that the browser sends changes a trait. Over a new connection the view says once more how many have
no row, and sends the file again that may be lost (:mod:`lesionviz.widgets.parts.recovery`): a file becomes one row,
however often it comes.

A run over a whole archive is shown in the same table, and begun and watched from the same page
(:mod:`lesionviz.widgets.batch.archive`)::

    Batch(run="scores")  # one of `lesionviz score archive/ --out scores`
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from lesionviz.errors import LesionvizError
from lesionviz.imaging import MAX_BYTES
from lesionviz.widgets.batch.archive import Archive, why_off
from lesionviz.widgets.batch.opening import Opening
from lesionviz.widgets.batch.queue import Queue, left_out, tasks_of
from lesionviz.widgets.batch.results import Results
from lesionviz.widgets.batch.rows import BatchRow, csv, for_browser, table
from lesionviz.widgets.case.answer import NOTICE
from lesionviz.widgets.case.bundle import classes
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again
from lesionviz.widgets.parts.upload import MAX_NAME

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.classifier import LesionClassifier

MAX_FILES = 5000
"""Most rows of one batch: about 20 MB of thumbnails."""
SECONDS_BETWEEN_WORDS = 0.05
"""Files that fail at once come by the thousand; Jupyter drops messages, any of them, beyond 1,000 a second."""
ROWS_AT_ONCE = 100
"""Most rows in one answer to a view that lacks some."""


class Batch(anywidget.AnyWidget):
    """Many pictures and a table of the answers.

    Args:
        classifier: what to ask, or work that is shared with other widgets; by default the bundled model, loaded in
            the background.
        on_open: called with name and bytes of a file when a person clicks its name; without it names are plain text.
        run: the folder of a run to show; see :meth:`open_run`.
        second: another model, which is asked about every file, too, and gets columns of its own.

    Raises:
        LesionvizError: there is no such run.

    Attributes:
        rows: a tuple of :class:`BatchRow`, in the order in which files were looked at; of a run, the first ``MAX_FILES``.
        done: how many rows there are, told at most 20 times a second while files added from Python fly by.
        total: rows, and files that still wait.
        running: whether files wait or are being looked at.
        note: what is to be said about the whole batch, in a sentence; empty when nothing is.
        shown: of the run whose rows these are: its folder, how many images it has, and how many rows of files wait
            behind it; empty where they are of files.
        second: what the second model is called that is asked about files; empty while there is none.
    """

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "parts/upload",
        "batch/batch_table",
        "batch/archive",
        "batch/batch",
        "batch/batch_widget",
    )
    _css = style("parts/base", "batch/batch", "batch/archive")

    rows = traitlets.Tuple(help="BatchRow of each file, in order")
    done = traitlets.Int(0).tag(sync=True)
    total = traitlets.Int(0).tag(sync=True)
    running = traitlets.Bool(False).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)
    removed = traitlets.Int(0, help="how many rows `restore` would bring back").tag(sync=True)
    shown = traitlets.Dict(help="the run whose rows these are").tag(sync=True)
    facts = traitlets.Dict(help="classes, limits, and whether files can be opened").tag(sync=True)
    second = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        classifier: LesionClassifier | Background | None = None,
        on_open: Callable[[str, bytes], None] | None = None,
        run: str | Path | None = None,
        second: LesionClassifier | None = None,
    ) -> None:
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        if second is not None:
            self._background.stand_beside(second)
        off = why_off(self._background)
        facts = {
            "classes": classes(),
            "max_bytes": MAX_BYTES,
            "max_files": MAX_FILES,
            "max_name": MAX_NAME,
            "can_open": on_open is not None,
            "notice": NOTICE,
            "archive_off": off,
        }
        super().__init__(facts=facts)
        traitlets.dlink(
            (self._background.second, "model"), (self, "second"), lambda one: one.model.title if one else ""
        )
        self._queue = Queue(self._background, self._count, self._add_row, self._end_without_model, self._say)
        self._opening = Opening(on_open, self._say)
        self._run = 0  # counts how often the table was emptied or replaced: views drop rows of another run
        self._told_at = 0.0
        self._removed: tuple[BatchRow, ...] = ()
        self._behind: tuple[BatchRow, ...] = ()  # rows of files, while those of a run are shown
        self._archive = Archive(self._background, off, self._say, self._show_results, MAX_FILES)
        self.on_msg(self._on_message)
        if run is not None:
            self.open_run(run)

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
        self._close_run()
        sources = [source] if isinstance(source, (str, Path)) else list(source)
        tasks = [task for one in sources for task in tasks_of(Path(one))]
        if self.total + len(tasks) > MAX_FILES:
            raise LesionvizError(
                f"A batch holds at most {MAX_FILES:,} files, and this would make {self.total + len(tasks):,}. "
                "Add fewer, or clear the batch first."
            )
        if tasks:
            self._queue.add(tasks)

    def cancel(self) -> None:
        """Stop; rows stay, files that were not looked at do not become rows."""
        left = self._queue.left
        if not left:
            return
        self._queue.drop()
        self._tell()
        with self.hold_sync():
            self.total, self.running = self.done, False
            self.note = f"Cancelled: {left_out(left)}."

    def clear(self) -> None:
        """Stop and empty the table; :meth:`restore` brings it back until the next file comes. A run is put away."""
        if self._archive.on_view is not None:
            return self._close_run()
        self._queue.drop()
        self._replace(())

    def restore(self) -> None:
        """Bring back what :meth:`clear` took away, when nothing has come since."""
        if self._removed and not self.total:
            self._replace(self._removed)

    def open_run(self, folder: str | Path) -> None:
        """Show a run over a whole archive, wherever it was started; one under way is shown as soon as it is finished.

        Rows of files come back when it is put away by :meth:`clear`, or when a file is added.

        Args:
            folder: of its results, as ``lesionviz score --out`` names it.

        Raises:
            LesionvizError: there is none, it cannot be read, or files are being looked at.
        """
        self.note = self._archive.open(folder)

    @property
    def table(self) -> pd.DataFrame:
        """The rows as :func:`lesionviz.widgets.batch.rows.table` gives them, without the answers to refused pictures.

        Of a run, these are all, also those that the page does not show.
        """
        return self._table()

    def _table(self, forced: bool = False) -> pd.DataFrame:
        run = self._archive.on_view
        return table(self.rows, forced) if run is None else run.table(forced)

    def to_csv(self, forced: bool = False) -> str:
        """Return the table as CSV that a spreadsheet can open safely.

        Args:
            forced: with the answers to refused pictures, which are not valid, in columns of their own.
        """
        return csv(self._table(forced))

    # --- what the queue tells ---------------------------------------------------------------------------------------
    def _count(self) -> None:
        """Count the files; where some came, what was said of the last ones goes."""
        before, total = self.total, len(self.rows) + self._queue.left
        with self.hold_sync():
            self.total, self.running = total, len(self.rows) < total
            if total > before:
                self._removed, self.note, self.removed = (), "", 0

    def _add_row(self, row: BatchRow) -> None:
        self.rows = (*self.rows, row)
        asked = isinstance(row.origin, int)  # the browser waits for it
        if asked or len(self.rows) >= self.total or time.monotonic() - self._told_at > SECONDS_BETWEEN_WORDS:
            self._tell()

    def _end_without_model(self, words: str) -> None:
        self.cancel()
        self.note = words

    # --- a run instead of files ---------------------------------------------------------------------------------------
    def _show_results(self, results: Results, asked: bool) -> None:
        """Show a finished run; one that nobody has asked for only where it takes nothing away."""
        if self.running or (self.rows and not asked):
            if asked:
                raise LesionvizError(
                    "Files are being looked at. Wait for their answers, or cancel, and show the run then."
                )
            return
        if self._archive.on_view is None:
            self._behind = self.rows
        self._archive.on_view = results
        self._put_run(results.rows, {"folder": str(results.folder), "images": results.images})

    def _close_run(self) -> None:
        """Put the run on view away, if there is one."""
        if self._archive.on_view is not None:
            self._archive.on_view = None
            self._put_run(self._behind, {})

    def _put_run(self, rows: tuple[BatchRow, ...], shown: dict[str, Any]) -> None:
        with self.hold_sync():
            self._replace(rows)
            self._removed, self.removed = (), 0
            self.shown = shown and {**shown, "behind": len(self._behind)}

    # --- to the browser ----------------------------------------------------------------------------------------------
    def _say(self, content: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self.send(content, list(buffers))

    def _tell(self) -> None:
        """Tell views what they have not heard yet."""
        self._told_at = time.monotonic()
        self._send_rows(self.done)
        with self.hold_sync():
            self.done = len(self.rows)
            self.running = self.done < self.total

    def _replace(self, rows: tuple[BatchRow, ...]) -> None:
        """Show other rows; keep the old ones for :meth:`restore`."""
        self._removed = self.rows
        self._run += 1
        self.rows = rows
        self._send_rows(0)
        with self.hold_sync():
            self.done = self.total = len(rows)
            self.running, self.note, self.removed = False, "", 0 if rows else len(self._removed)

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

    # --- from the browser: every message may be a stranger's -----------------------------------------------------------
    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Ignore traits that a browser sets: all of them are the kernel's to tell."""

    def _on_message(self, _widget: object, content: Any, buffers: Sequence[memoryview]) -> None:
        if not isinstance(content, dict):
            return
        if asks_again(content):
            traits = ["done", "total", "running", "note", "removed", "shown", "second"]
            arrived = {"sender": self._queue.sender, "answered": self._queue.answered, "opened": self._opening.last}
            say_again(self, [(self, traits)], **arrived)
            return
        match content.get("kind"):
            case "archive":
                self._archive.take(content)
            case "queue":
                self._close_run()
                most = MAX_FILES - len(self.rows)
                self._queue.announce(content.get("sender"), content.get("count"), content.get("current"), most)
            case "file" if content.get("open") is True:
                self._opening.begin(content)
            case "file":
                self._queue.begin_file(content)
            case "unreadable":
                self._queue.unreadable(content)
            case "piece":
                taken = self._queue.piece(content, buffers)
                if not taken:  # of a file that comes again to be opened
                    self._opening.piece(content, buffers)
            case "open":
                self._opening.again(self.rows, content.get("row"), content.get("id"))
            case "rows":
                start = content.get("from")
                if type(start) is int and start >= 0:
                    self._send_rows(start)
            case "csv" if self._archive.on_view is None:
                self._send_csv(content.get("forced") is True)
            case "cancel":
                self.cancel()
            case "clear":
                self.clear()
            case "restore":
                self.restore()

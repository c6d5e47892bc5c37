"""``Archive``: runs over whole folders of this machine, begun, watched, stopped and shown from the page of a batch.

A run is a process of its own (:mod:`lesionviz.archive.process`): it goes on when the page and its kernel have ended, and
another page finds it by the list of runs (:mod:`lesionviz.archive.known`). It is looked at when a view asks
(``archive.js``), in a thread, so that a slow disk keeps nobody waiting. There is no widget in it.

Whoever can name folders here can read and write them, so it is off where a page may be a stranger's.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lesionviz.archive.known import forget, key_of, known, remember
from lesionviz.archive.process import begin, go_on, stop
from lesionviz.archive.state import Run
from lesionviz.archive.store import TABLE
from lesionviz.checkpoint import default_path
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256
from lesionviz.imaging import MAX_BYTES
from lesionviz.machine import is_for_one_person
from lesionviz.widgets.batch.results import MOST_IN_CSV, Results
from lesionviz.widgets.batch.rows import csv
from lesionviz.widgets.batch.standing import WORKING, Standing, checked, is_run, standing
from lesionviz.widgets.parts.background import Background, deliver_here

LOG = logging.getLogger(__name__)
T = TypeVar("T")
IN_CLASS = "This page is one of a class. Folders of its server are scored there: lesionviz score."
IN_VOILA = (
    "This page may be anybody's, so it names no folders of the computer behind it. There, use lesionviz dashboard, "
    "JupyterLab, or lesionviz score."
)


def why_off(background: Background) -> str:
    """Return why a page may name no folders here, in a sentence; empty where it may."""
    if background.line is not None:
        return IN_CLASS
    return "" if is_for_one_person() else IN_VOILA


class Archive:
    """The runs, as the views of a batch see and command them.

    Args:
        background: says with which model the page works.
        off: why nothing may be named or begun here; empty where it may.
        say: sends a message to the views.
        on_results: called with a finished run that was asked for, and whether a person did so just now.
        most: rows of it that are wanted.

    Attributes:
        on_view: the run whose rows are the batch's; None when these are of files.
    """

    def __init__(
        self,
        background: Background,
        off: str,
        say: Callable[..., None],
        on_results: Callable[[Results, bool], None],
        most: int,
    ) -> None:
        self.on_view: Results | None = None
        self._background, self._off, self._say, self._on_results, self._most = background, off, say, on_results, most
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz-archive")
        self._started: dict[Path, subprocess.Popen[bytes]] = {}
        self._awaited: set[Path] = set()  # runs whose results are shown as soon as they are there
        self._stopping: set[Path] = set()
        self._looking = False

    def open(self, path: str | Path) -> str:
        """Show a run, or say how far it is: it is shown as soon as it is finished and somebody looks.

        Raises:
            LesionvizError: there is none.
        """
        run = Run.read(path)
        folder = remember(path)
        if run.finished:
            self._on_results(Results.read(folder, self._most), True)
            return ""
        self._awaited.add(folder)
        return run.sentence()

    # --- from the browser: every message may be a stranger's -----------------------------------------------------------
    def take(self, content: dict[str, Any]) -> None:
        """Take a message, ``{kind: "archive", do, …}``."""
        match content.get("do"):
            case "save":
                self._save(content.get("as"), content.get("forced") is True)
            case _ if self._off:
                return
            case "look":
                self._look()
            case "start":
                images, out = content.get("images"), content.get("out")
                self._work(lambda: self._begin(images, out), self._begun)
            case "continue" | "stop" | "show" | "forget" as wish:
                self._with(content.get("run"), wish)

    def _with(self, key: object, wish: str) -> None:
        """Do what a person wishes with a run of the list."""

        def find() -> Path:
            found = next((folder for folder in known() if key_of(folder) == key), None)
            if found is None:
                raise LesionvizError(
                    "This run is no longer on the list. Name its folder for results to have it back."
                )
            return found

        def go_on_with() -> None:
            folder = find()
            self._started[folder] = go_on(folder)

        def end() -> None:
            folder = find()
            stop(folder)
            self._stopping.add(folder)

        if wish == "show":
            self._work(lambda: Results.read(find(), self._most), lambda results: self._on_results(results, True))
        else:
            work = {"continue": go_on_with, "stop": end, "forget": lambda: forget(find())}[wish]
            self._work(work, lambda _: self._look())

    # --- how they stand -----------------------------------------------------------------------------------------------
    def _look(self) -> None:
        if self._looking:
            return
        self._looking = True

        def look() -> list[tuple[Path, Standing]]:
            ended = [folder for folder, process in self._started.items() if process.poll() is not None]
            for folder in ended:
                del self._started[folder]
            return [(folder, standing(folder, folder in self._started)) for folder in known()]

        self._work(look, self._looked, self._not_looked)

    def _looked(self, found: list[tuple[Path, Standing]]) -> None:
        self._looking = False
        working = {folder for folder, each in found if each.state in WORKING}
        self._stopping &= working
        told = [each.for_browser(folder in self._stopping) for folder, each in found]
        self._say({"kind": "runs", "runs": told})
        for folder, each in found:
            if folder in self._awaited and each.state == "finished":
                read = partial(Results.read, folder, self._most)
                self._work(read, lambda results: self._on_results(results, False))
        self._awaited = working

    def _not_looked(self) -> None:
        self._looking = False

    # --- begin --------------------------------------------------------------------------------------------------------
    def _begin(self, images: object, out: object) -> str:
        """Begin a run, and return what is to be said of it; works in the thread."""
        source, target = checked(images, out)
        if is_run(target):
            remember(target)
            return f"{target} holds a run already, which is on the list now. To begin another, name an empty folder."
        process = self._started.get(target)
        if process is not None and process.poll() is None:
            raise LesionvizError(f"A run into {target} is being started already.")
        if self._background.examiner.checkpoint.file_sha256 != sha256(default_path()):
            raise LesionvizError(
                "This page works with a model of its own, which another process would not find. Name the model's file by "
                "LESIONVIZ_MODEL before the page starts, or call lesionviz.score(..., model=...) instead."
            )
        folder = remember(target)
        self._started[folder] = begin(source, folder)
        return ""

    def _begun(self, words: str) -> None:
        self._say({"kind": "begun", "words": words})
        self._look()

    # --- save ---------------------------------------------------------------------------------------------------------
    def _save(self, kind: object, forced: bool) -> None:
        results = self.on_view
        if results is None or kind not in {"csv", "parquet"}:
            return
        name, table = results.folder.name, results.folder / TABLE

        def make() -> bytes:
            if kind == "csv":
                if results.images > MOST_IN_CSV:
                    raise LesionvizError(
                        f"A spreadsheet does not take {results.images:,} rows. The table is {table}: read it with pandas."
                    )
                return csv(results.table(forced)).encode("utf-8-sig")
            try:
                if table.stat().st_size > MAX_BYTES:
                    raise LesionvizError(f"The table is too large to be sent to this page. It is here: {table}.")
                return table.read_bytes()
            except OSError as error:
                raise LesionvizError(f"{table} cannot be read ({error}). Check that it is still there.") from error

        more = "-with-forced-answers" if forced and kind == "csv" else ""
        self._work(
            make, lambda data: self._say({"kind": kind, "name": f"{name}{more}.{kind}"}, [data]), said="unsaved"
        )

    # --- the thread -----------------------------------------------------------------------------------------------------
    def _work(
        self,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[], None] = lambda: None,
        said: str = "trouble",
    ) -> None:
        """Do something in the thread, where disks may be slow; what goes wrong is said to the views, as ``said``."""

        def deliver(future: Future[T]) -> None:
            try:
                done(future.result())
            except LesionvizError as error:
                failed()
                self._say({"kind": said, "words": str(error)})
            except Exception:
                # The last door before the person: what a message led to must not end without a word.
                LOG.exception("a message about a run failed")
                failed()
                self._say({"kind": said, "words": "Something inside lesionviz failed. See the log."})

        deliver_here(self._pool.submit(work), deliver)

"""``Photographs``: the twelve real samples, apart from the drawn ones: offered, fetched when a person asks, and then kept.

Nothing goes to the network before the button is pressed, and what it will do stands beside it. There is no widget here: the
picker shows what :attr:`Photographs.on_change` is told, and passes on what is pressed. A page that may be a stranger's, and
one of a class, is offered none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lesionviz.data.samples import VARIABLE, Sample, fetch_samples, kept_samples, samples, samples_folder
from lesionviz.data.web import UnreachableError
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_small
from lesionviz.imaging.encoding import jpeg
from lesionviz.machine import is_for_one_person
from lesionviz.widgets.parts.background import Background, Job, deliver_here, running_loop

LOG = logging.getLogger(__name__)
OFFLINE = (
    "The ISIC Archive cannot be reached from this computer, or broke off. Connect to the internet, and press again."
)
SMALL = (160, 120)
"""Pixels of a picture in the strip."""


def offered(background: Background) -> bool:
    """Return whether a page may fetch them: its process would go to the network and write here for whoever presses."""
    return background.line is None and is_for_one_person()


class Photographs:
    """The photographs as the picker shows them, in an order that tells nothing of their diagnoses.

    Args:
        on: whether they are offered at all; where not, nothing is looked at.

    Attributes:
        on_change: called with what the picker shows, plain data, whenever it changes.
        view: that, as it is now: ``state`` is ``"off"``, ``"reading"``, ``"offer"``, ``"fetching"`` or ``"there"``;
            ``words`` says what is wrong, or nothing; ``done`` of ``all`` are here; ``folder``; and once all are here,
            ``samples`` with name, thumbnail (JPEG bytes), whose each is, and what it shows.
    """

    def __init__(self, on: bool) -> None:
        self.on_change: Callable[[dict[str, Any]], None] = lambda _view: None
        self.view: dict[str, Any] = {"state": "off"}
        self._folder, self._job = samples_folder(), Job()
        self._listed = sorted(samples(), key=lambda sample: sample.isic_id)
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz-samples")
        if on:
            here = self._count()
            self._tell("reading" if here else "offer", here)
            if here:
                self._work(self._read)

    def fetch(self) -> None:
        """Fetch what is not here yet, in a thread; a second time while it runs does nothing."""
        if self.view["state"] != "offer":
            return
        self._tell("fetching", self._count())
        loop = running_loop()

        def fetch(job: Job) -> list[dict[str, Any]] | int:
            done = 0

            def came(_credit: str) -> None:
                nonlocal done
                done += 1
                if loop is not None:
                    loop.call_soon_threadsafe(self._progress, job, done)

            fetch_samples(self._folder, report=came, stopped=lambda: job.cancelled)
            return self._read(job)

        self._work(fetch)

    def cancel(self) -> None:
        """Stop fetching at once; what came stays."""
        if self.view["state"] == "fetching":
            self._job.cancel()
            self._tell("offer", self._count())

    def file(self, number: object) -> tuple[str, Path] | None:
        """Return name and file of a photograph by its place in the strip; None where there is no such place."""
        if self.view["state"] != "there" or type(number) is not int or not 0 <= number < len(self._listed):
            return None
        sample = self._listed[number]
        return sample.isic_id, self._folder / sample.place

    def _count(self) -> int:
        return sum((self._folder / sample.place).is_file() for sample in self._listed)

    def _read(self, _job: Job) -> list[dict[str, Any]] | int:
        """Return the strip, or how many photographs there are while some are missing; works in the thread."""
        kept = kept_samples(self._folder)
        return [_shown(each, kept[each]) for each in self._listed] if len(kept) == len(self._listed) else len(kept)

    def _work(self, work: Callable[[Job], list[dict[str, Any]] | int]) -> None:
        job = self._job = Job()

        def deliver(future: Future[list[dict[str, Any]] | int]) -> None:
            if job.cancelled:
                return
            try:
                found = future.result()
            except UnreachableError:
                self._tell("offer", self._count(), OFFLINE)
            except LesionvizError as error:
                self._tell("offer", self._count(), str(error))
            except OSError as error:
                words = (
                    f"{self._folder} cannot be used ({error}). Make room there, or name another folder by {VARIABLE}."
                )
                self._tell("offer", self._count(), words)
            except Exception:
                # The last door before the person: what was pressed must not end without a word.
                LOG.exception("the photographs failed")
                self._tell("offer", self._count(), "Something inside lesionviz failed. See the log.")
            else:
                if isinstance(found, int):
                    self._tell("offer", found)
                else:
                    self._tell("there", len(found), shown=found)

        deliver_here(self._pool.submit(work, job), deliver)

    def _progress(self, job: Job, done: int) -> None:
        if not job.cancelled and self.view["state"] == "fetching":
            self._tell("fetching", max(done, self.view["done"]))

    def _tell(self, state: str, done: int, words: str = "", shown: list[dict[str, Any]] | None = None) -> None:
        self.view = {
            "state": state,
            "words": words,
            "done": done,
            "all": len(self._listed),
            "folder": str(self._folder),
            "samples": shown or [],
        }
        self.on_change(self.view)


def _shown(sample: Sample, path: Path) -> dict[str, Any]:
    return {
        "name": sample.isic_id,
        "thumbnail": jpeg(open_small(path, SMALL[1]).pixels, SMALL),
        "owner": sample.owner,
        "truth": sample.truth,
    }

"""``Background``: the model and its work beside the interface, so that a page answers while something is computed.

The default classifier is loaded in a thread, because torch takes seconds to import; in a class, nothing is loaded,
and the server's model is asked over a line (:mod:`lesionviz.class_line`). Work runs in one thread, one piece after
the other; its result comes back on the kernel's own event loop, so that widgets and traits change in one thread only.
Where no loop runs (a script, a test), work is done at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from lesionviz.class_line import Line
from lesionviz.cluster import Examiner, Far, Near
from lesionviz.errors import LesionvizError
from lesionviz.trust.second_model import SecondModel
from lesionviz.widgets.parts.second import NONE_IN_CLASS, Second

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.explanation.result import Explanation

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Job:
    """A piece of work that was asked for; its result is not delivered once it is cancelled.

    Args:
        on_cancel: called once, when it is.
        on_place: called with the number of questions before it, while it waits in a class.
    """

    def __init__(
        self,
        on_cancel: Callable[[Job], None] = lambda _job: None,
        on_place: Callable[[int], None] = lambda _place: None,
    ) -> None:
        self.cancelled, self._on_cancel, self.on_place = False, on_cancel, on_place

    def cancel(self) -> None:
        """Skip the work if it has not begun, stop waiting for an answer from elsewhere, and drop its result in any case."""
        if not self.cancelled:
            self.cancelled = True
            self._on_cancel(self)


class Background:
    """A model that may still be loading, or is elsewhere, and a thread to work with it.

    Args:
        classifier: by default the bundled one, or the one that ``LESIONVIZ_MODEL`` names, loaded in the thread; in a class
            the server's.

    Attributes:
        on_place: called on the event loop with the number of questions before this page's own, while it waits in a class;
            for work that brings no such call of its own.
        second: a second model, asked besides by the parts of the page that show two.
    """

    def __init__(self, classifier: LesionClassifier | None = None) -> None:
        self.second = Second()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz")
        self.on_place: Callable[[int], None] = lambda _place: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock, self._running = Lock(), Job()
        self._line = Line.of_this_kernel(self._place) if classifier is None else None
        self._examiner: Future[Examiner] = Future()
        if classifier is not None:
            self._examiner.set_result(Near(classifier))
        elif self._line is not None:
            self._examiner.set_result(Far(self._line.ask))
        else:
            self._examiner = self._pool.submit(_load)

    @property
    def ready(self) -> bool:
        """Whether the model is there, or could not be loaded, and nobody must wait for it."""
        return self._examiner.done()

    @property
    def line(self) -> Line | None:
        """Where this page asks, when it is one of a class; None when the model is its own."""
        return self._line

    @property
    def examiner(self) -> Examiner:
        """Whom to ask; waits until the model is loaded.

        Raises:
            LesionvizError: it cannot be loaded.
        """
        return self._examiner.result()

    def stand_beside(self, classifier: LesionClassifier, name: str = "second model") -> None:
        """Have another model asked besides; waits until the first is loaded.

        Raises:
            LesionvizError: the page is one of a class, or the model is for other pictures than the first.
        """
        if self._line is not None:
            raise LesionvizError(NONE_IN_CLASS)
        self.second.model = SecondModel.beside(self.examiner.checkpoint, classifier, name)

    def when_ready(self, done: Callable[[Examiner], None], failed: Callable[[Exception], None]) -> None:
        """Tell when the model is loaded, or could not be; where no loop runs, only if that is known already."""
        if self.ready or running_loop() is not None:

            def known(examiner: Examiner) -> Examiner:
                _ = examiner.checkpoint  # elsewhere, it is asked for once
                return examiner

            self.submit(known, done, failed)

    def submit(
        self,
        work: Callable[[Examiner], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
        on_place: Callable[[int], None] | None = None,
    ) -> Job:
        """Do a piece of work with the model; exactly one of ``done`` and ``failed`` hears of it, unless cancelled.

        Args:
            work: gets whom to ask; runs in the thread and touches no widget.
            done: gets the result, on the event loop.
            failed: gets what ``work`` or the loading raised, on the event loop.
            on_place: called on the event loop with the number of questions before this one, while it waits in a class; by
                default the page's.
        """
        job = Job(self._drop, on_place or (lambda place: self.on_place(place)))

        def run() -> Any:
            with self._lock:
                self._running = job
                if job.cancelled:
                    return None
            return work(self.examiner)

        def deliver(future: Future[T]) -> None:
            if job.cancelled:
                return
            error = future.exception()
            if error is None:
                done(future.result())
            elif isinstance(error, Exception):
                failed(error)

        self._loop = deliver_here(self._pool.submit(run), deliver)
        return job

    def explain_now(
        self, case: Case, target: str, layer: str, method: str, against: str | None, drawn: bool = False
    ) -> Explanation | None:
        """Return at once an explanation that a case does not hold; None where the model is elsewhere."""
        examiner = self.examiner
        if not isinstance(examiner, Near):
            return None
        return examiner.answering(drawn).explain(case, target, layer, method, against)

    def _drop(self, job: Job) -> None:
        """Let go of a question that waits elsewhere, so that the next one need not wait behind it."""
        with self._lock:
            if self._line is not None and self._running is job:
                self._line.let_go()

    def _place(self, place: int) -> None:
        """Pass on from the thread how many questions are before this one."""
        loop, job = self._loop, self._running
        if loop is not None:
            loop.call_soon_threadsafe(lambda: None if job.cancelled else job.on_place(place))


def waits(what: str, place: int) -> str:
    """Return what to tell a person in a class whose question has some others before it."""
    return f"{what} waits: {'1 other is' if place == 1 else f'{place} others are'} before it."


def sentence(error: Exception, name: str) -> str:
    """Return what to tell a person: a refusal as it is, any defect as one plain sentence, its details in the log."""
    if isinstance(error, LesionvizError):
        return str(error)
    LOG.error("failed on %s", name, exc_info=error)
    return f"{name} could not be examined: something inside lesionviz failed. See the log."


def deliver_here(running: Future[T], deliver: Callable[[Future[T]], None]) -> asyncio.AbstractEventLoop | None:
    """Deliver what a thread makes to the event loop that runs this code, and return that; where none does, wait for it."""
    loop = running_loop()
    if loop is None:
        wait([running])
        deliver(running)
    else:
        running.add_done_callback(lambda future: loop.call_soon_threadsafe(deliver, future))
    return loop


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs this code, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _load() -> Examiner:
    from lesionviz.classifier import load

    return Near(load())

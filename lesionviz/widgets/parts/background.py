"""``Background``: the classifier and its work beside the interface, so that a page answers while torch computes.

The default classifier is loaded in a thread, because torch takes seconds to import. Work runs in one thread, one piece
after the other; its result comes back on the kernel's own event loop, so that widgets and traits change in one thread
only. Where no loop runs (a script, a test), work is done at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Job:
    """A piece of work that was asked for; its result is not delivered once it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Skip the work if it has not begun, and drop its result in any case."""
        self.cancelled = True


class Background:
    """A classifier that may still be loading, and a thread to work with it.

    Args:
        classifier: by default the bundled one, or the one that ``LESIONVIZ_MODEL`` names, loaded in the thread.
    """

    def __init__(self, classifier: LesionClassifier | None = None) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz")
        self._classifier: Future[LesionClassifier]
        if classifier is None:
            self._classifier = self._pool.submit(_load)
        else:
            self._classifier = Future()
            self._classifier.set_result(classifier)

    @property
    def ready(self) -> bool:
        """Whether the classifier is there, or could not be loaded, and nobody must wait for it."""
        return self._classifier.done()

    @property
    def classifier(self) -> LesionClassifier:
        """The classifier; waits for it.

        Raises:
            LesionvizError: it cannot be loaded.
        """
        return self._classifier.result()

    def when_ready(self, done: Callable[[LesionClassifier], None], failed: Callable[[Exception], None]) -> None:
        """Tell when the classifier is loaded, or could not be; where no loop runs, only if that is known already."""
        if self.ready or _loop() is not None:
            self.submit(lambda classifier: classifier, done, failed)

    def submit(
        self,
        work: Callable[[LesionClassifier], T],
        done: Callable[[T], None],
        failed: Callable[[Exception], None],
    ) -> Job:
        """Do a piece of work with the classifier; exactly one of ``done`` and ``failed`` hears of it, unless cancelled.

        Args:
            work: gets the classifier; runs in the thread and touches no widget.
            done: gets the result, on the event loop.
            failed: gets what ``work`` or the loading raised, on the event loop.
        """
        job = Job()

        def run() -> Any:
            return None if job.cancelled else work(self.classifier)

        def deliver(future: Future[T]) -> None:
            if job.cancelled:
                return
            error = future.exception()
            if error is None:
                done(future.result())
            elif isinstance(error, Exception):
                failed(error)

        running = self._pool.submit(run)
        loop = _loop()
        if loop is None:
            wait([running])
            deliver(running)
        else:
            running.add_done_callback(lambda future: loop.call_soon_threadsafe(deliver, future))
        return job


def sentence(error: Exception, name: str) -> str:
    """Return what to tell a person: a refusal as it is, any defect as one plain sentence, its details in the log."""
    if isinstance(error, LesionvizError):
        return str(error)
    LOG.error("failed on %s", name, exc_info=error)
    return f"{name} could not be examined: something inside lesionviz failed. See the log."


def _loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs this code, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _load() -> LesionClassifier:
    from lesionviz.classifier import load

    return load()

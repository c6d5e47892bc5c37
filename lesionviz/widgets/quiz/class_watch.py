"""``ClassWatch``: a learner's page and its class, which may be slow or away: asked in threads, told on the event loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from lesionviz.errors import LesionvizError
from lesionviz.game.class_desk import ClassDesk
from lesionviz.imaging import LesionImage, open_image
from lesionviz.widgets.parts.background import running_loop
from lesionviz.widgets.quiz.class_pages import FAR

if TYPE_CHECKING:
    from lesionviz.case import Case

LOG = logging.getLogger(__name__)
TRIES = 5
"""How often a case that is gone when its picture is asked for is followed at once."""
PAUSE = 2.0
"""Seconds before a class that could not be reached is asked again."""


@dataclass(frozen=True)
class News:
    """What the class has told.

    Attributes:
        view: what the learner may know.
        photo: of the case on view, as JPEG; empty when none is.
        picture: the same, opened.
        case: what the model saw of it, once that is revealed.
    """

    view: dict[str, Any]
    photo: bytes = b""
    picture: LesionImage | None = None
    case: Case | None = None


class ClassWatch:
    """Watches the class, and carries what the learner does there.

    Where an event loop runs, nothing here blocks it; where none does (a script, a test), everything is done at once, and
    :meth:`look` asks for news.

    Args:
        desk: the class.
        told: hears the news.
        failed: hears why there are none, in a sentence; news come by themselves afterwards.
    """

    def __init__(self, desk: ClassDesk, told: Callable[[News], None], failed: Callable[[str], None]) -> None:
        self._desk, self._told, self._failed = desk, told, failed
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz-class")
        self._loop, self._ended = running_loop(), Event()
        self._seen, self._last = -1, News({})
        if self._loop is not None:
            Thread(target=self._watch, name="lesionviz-class-watch", daemon=True).start()

    def look(self) -> None:
        """Ask for news once, and tell them."""
        self._told(self._fetch())

    def do(self, act: Callable[[ClassDesk], object], refused: Callable[[str], None]) -> None:
        """Do something at the desk; ``refused`` hears why it could not be done, in a sentence."""
        running = self._pool.submit(act, self._desk)

        def deliver(future: Future[object]) -> None:
            if (error := future.exception()) is not None:
                refused(_words(error))

        if self._loop is None:
            deliver(running)
            self.look()
        else:
            running.add_done_callback(lambda future: self._tell(deliver, future))

    def end(self) -> None:
        """Stop watching, at the next news."""
        self._ended.set()
        self._pool.shutdown(wait=False)

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                news = self._fetch()
            except Exception as error:  # noqa: BLE001  (whatever it is, the page says so, and the watch goes on)
                self._seen = -1  # where it is back, it says so at once
                self._tell(self._failed, _words(error))
                self._ended.wait(PAUSE)
            else:
                self._tell(self._told, news)

    def _tell(self, hear: Callable[[Any], None], what: object) -> None:
        """Call a function on the event loop; one that has ended needs nothing any more."""
        assert self._loop is not None
        if self._loop.is_closed():
            self._ended.set()
        elif not self._ended.is_set():
            self._loop.call_soon_threadsafe(hear, what)

    def _fetch(self) -> News:
        """Wait for the next news, and get what belongs to them and is not here yet."""
        for _ in range(TRIES):
            view = self._desk.view(self._seen)
            with suppress(LesionvizError):  # another case has come on view meanwhile
                self._last = self._complete(view)
                self._seen = view["version"]
                return self._last
        raise ConnectionError("the class goes on too fast")

    def _complete(self, view: dict[str, Any]) -> News:
        last = self._last
        number, maps = view.get("case", 0), view.get("maps", 0)
        photo, picture, case = last.photo, last.picture, last.case
        if any(view.get(key) != last.view.get(key) for key in ("quiz", "case")):
            photo, picture, case = b"", None, None
            if number:
                photo = self._desk.picture(number)
                picture = open_image(photo, f"case {number}")
        if not maps:
            case = None
        elif case is None or maps != last.view.get("maps", 0):
            case = self._desk.case(number)
        return News(view, photo, picture, case)


def _words(error: BaseException) -> str:
    """Return what to tell the learner of an error."""
    if isinstance(error, OSError) or not isinstance(error, Exception):
        LOG.warning("the class cannot be reached: %s", error)
        return FAR
    if isinstance(error, LesionvizError):
        return str(error)
    LOG.error("failed at the class's quiz", exc_info=error)
    return (
        "Something inside lesionviz failed, and your class did not hear of it. Tell your teacher; the log says more."
    )

"""``Behind``: what stands behind the kernels of a class: workers that answer, the desk where kernels ask, the class's quiz.

:mod:`lesionviz.serving.class_server` opens the class and puts these into their places.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lesionviz.case import Case
from lesionviz.checkpoint import default_path
from lesionviz.cluster import REQUESTS, Far, name_of
from lesionviz.errors import LesionvizError
from lesionviz.game import Verdict
from lesionviz.game.class_desk import handle, keep_asking, newer
from lesionviz.game.class_store import ClassStore
from lesionviz.game.classroom import Classroom, Wanted
from lesionviz.serving.desk import Desk
from lesionviz.serving.teacher import Route, teacher_routes
from lesionviz.serving.turns import Engine
from lesionviz.workers import Certificates, Workers

THE_CLASS = "the class's quiz"
"""Who asks about the pictures of the quiz: nobody's page."""


class Behind:
    """The parts, made when their places are ready.

    Args:
        size: learners in the class.
        model: checkpoint; by default the bundled one, or the one that ``LESIONVIZ_MODEL`` names.
        workers: how many to start; by default as many as memory and cores allow.
        certificates: of a cluster that runs already.
        roots: the folders below which the teacher's sets may lie; none leaves every folder of this machine open.
        tell: called with a sentence for whoever keeps the server.
    """

    def __init__(
        self,
        size: int,
        model: Path | None = None,
        workers: int | None = None,
        certificates: Certificates | None = None,
        roots: Sequence[Path] = (),
        tell: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self._size, self._model, self._workers, self._certificates = size, model, workers, certificates
        self._roots, self._tell = roots, tell
        self.room = Classroom(ClassStore())

    def engine(self, address: str | None) -> Engine:
        """Return what answers: workers of this machine, or those of a scheduler at an address."""
        path = default_path() if self._model is None else self._model
        try:
            model = path.read_bytes()
        except OSError as error:
            raise LesionvizError(
                f"The model {path} cannot be read ({error}). Give the path of a best_model.pth."
            ) from error
        return Workers(
            model, address=address, workers=self._workers, certificates=self._certificates, tell=self._tell
        )

    def desk(self, engine: Engine, session_of: Callable[[str], str | None]) -> Desk:
        """Return the desk."""

        pages: dict[str, str] = {}  # those that take part, by kernel: whose they are

        async def quiz(kernel: str, what: str, content: dict[str, Any]) -> Any:
            learner = session_of(kernel)
            if learner is None:
                raise LesionvizError("This page belongs to nobody yet. Reload it.")
            pages[kernel] = learner
            if what == "view" and type(seen := content.get("seen")) is int:
                await newer(self.room, seen)
            told = await asyncio.to_thread(handle, self.room, learner, what, content)
            return told.to_plain() if what == "case" and told is not None else told

        def left(kernel: str) -> None:
            learner = pages.pop(kernel, None)
            if learner is not None and learner not in pages.values():
                self.room.leave(learner)

        return Desk(engine, self._size, quiz, self._ask_for_the_class, left)

    def teacher(self, address: Callable[[], str]) -> list[Route]:
        """Return the handlers of the teacher's page; ``address`` tells where the learners go."""
        return teacher_routes(self.room, address=address, roots=self._roots)

    async def _ask_for_the_class(self, desk: Desk) -> None:
        """Ask the model once about each case of the quiz."""
        loop = asyncio.get_running_loop()

        def ask(question: bytes) -> bytes:
            if name_of(question) == "facts":
                return desk.facts
            urgent = REQUESTS[name_of(question)].urgent
            return asyncio.run_coroutine_threadsafe(
                desk.turns.ask(THE_CLASS, question, urgent, _nowhere), loop
            ).result()

        far = Far(ask)

        def look(wanted: Wanted) -> Case:
            asked = far.answering(wanted.drawn)
            return asked.complete(asked.examine(wanted.picture))

        async def examine(wanted: Wanted) -> Verdict:
            case = await asyncio.to_thread(look, wanted)
            return Verdict(case.prediction, case)

        await keep_asking(self.room, examine)


def _nowhere(_place: int) -> None:
    """Nobody waits before the page of this question."""

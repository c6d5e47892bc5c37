"""What the browser may ask of a quiz; whatever does not fit the phase, or is not what it should be, is ignored.

Every message may come from whoever has the page's kernel id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import SURE, Game, QuizSet, drawn_set, results
from lesionviz.widgets.quiz.folder import FolderDesk
from lesionviz.widgets.quiz.panel import Handler, QuizPanel

Message = dict[str, Any]


class _Host(Protocol):
    """What the messages are about: a :class:`~lesionviz.widgets.Quiz`."""

    game: Game
    panel: QuizPanel
    folder: FolderDesk
    error: Any
    on_study: Callable[[], None] | None

    def start(self, learner: str, cases: int | None) -> None: ...
    def commit(self, answer: str, sure: str) -> None: ...
    def next_case(self) -> None: ...
    def finish(self) -> None: ...
    def look(self, case: int) -> None: ...
    def back(self) -> None: ...
    def insist(self) -> None: ...
    def next_learner(self) -> None: ...
    def start_again(self) -> None: ...
    def use(self, data: QuizSet) -> None: ...
    def say_again(self) -> None: ...
    def say_error(self, error: LesionvizError) -> None: ...


def handlers(quiz: _Host) -> dict[str, Handler]:
    """Return what is done for each kind of message: a function of the message and its buffers."""

    def in_phase(phases: Sequence[str], act: Callable[[], object]) -> Handler:
        def handle(_content: Message, _buffers: object) -> None:
            if quiz.game.phase in phases:
                act()

        return handle

    def on_view(phases: Sequence[str], act: Callable[[], object]) -> Handler:
        """Act when the message is about the case on view: a second click must not skip a case."""

        def handle(content: Message, _buffers: object) -> None:
            if quiz.game.phase in phases and type(content.get("case")) is int and content["case"] == quiz.game.case:
                act()

        return handle

    def start(content: Message, _buffers: object) -> None:
        learner, cases = content.get("learner"), content.get("cases")
        if quiz.game.phase != "start" or quiz.folder.busy:
            return
        try:
            quiz.error = ""
            quiz.start(learner if isinstance(learner, str) else "", cases if type(cases) is int else None)
        except LesionvizError as error:
            quiz.say_error(error)

    def commit(content: Message, _buffers: object) -> None:
        answer, sure = content.get("answer"), content.get("sure")
        if content.get("case") == quiz.game.case and isinstance(answer, str) and answer in CODES:
            quiz.commit(answer, sure if isinstance(sure, str) and sure in SURE else "")

    def look(content: Message, _buffers: object) -> None:
        case = content.get("case")
        if quiz.game.phase == "end" and type(case) is int:
            quiz.error = ""
            quiz.look(case)

    def csv() -> None:
        quiz.panel.send({"kind": "csv", "name": "quiz-answers.csv", "text": results.to_csv(quiz.game.answers)})

    def drawn() -> None:
        if not quiz.game.answers:
            quiz.use(drawn_set())

    def study(_content: Message, _buffers: object) -> None:
        if quiz.on_study is not None and quiz.game.phase == "start" and not quiz.folder.busy:
            quiz.on_study()
            quiz.panel.send({"kind": "turned"})  # the quiz's own page is what it was

    return {
        "start": start,
        "study": study,
        "commit": commit,
        "next": on_view(("reveal",), quiz.next_case),
        "insist": on_view(("reveal", "look"), quiz.insist),
        "finish": in_phase(("question", "reveal"), quiz.finish),
        "look": look,
        "back": in_phase(("look",), quiz.back),
        "learner": in_phase(("end",), quiz.next_learner),
        "again": in_phase(("start", "end"), quiz.start_again),
        "csv": in_phase(("end",), csv),
        "drawn": in_phase(("start",), drawn),
        "say again": lambda _content, _buffers: quiz.say_again(),
        **quiz.folder.handlers,
    }

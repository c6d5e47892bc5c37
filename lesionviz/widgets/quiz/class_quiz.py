"""``ClassQuiz``: a class's quiz as one learner has it: a name, the case that all see, the reveal, the own score.

The quiz itself is elsewhere, and is asked through a :class:`~lesionviz.game.class_desk.ClassDesk`. What the learner must
not know yet does not even come to the process of his page.
"""

from __future__ import annotations

from typing import Any

import ipywidgets

from lesionviz.diagnoses import CODES
from lesionviz.game import SURE
from lesionviz.game.class_desk import ClassDesk
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import say_again
from lesionviz.widgets.quiz.class_pages import FAR, class_page, far_page, shows_map
from lesionviz.widgets.quiz.class_watch import ClassWatch, News
from lesionviz.widgets.quiz.panel import QuizPanel


class ClassPanel(QuizPanel):
    """The browser's side: name, question, reveal and result of a class's quiz."""

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "case/stage",
        "quiz/scores",
        "quiz/quiz_answer",
        "quiz/quiz_shell",
        "quiz/class_quiz",
    )
    _css = style("parts/base", "case/stage", "case/answer", "quiz/quiz", "quiz/class_quiz")


class ClassQuiz(ipywidgets.VBox):  # type: ignore[misc]
    """The quiz of a class on one learner's page.

    Args:
        desk: the class.

    Attributes:
        panel: the page's side.
        line: what watches the class.
    """

    def __init__(self, desk: ClassDesk) -> None:
        self._news: News | None = None
        self._insisted = self._renaming = False
        self._error = self._away = ""
        self._refusals = 0  # two in the same words are two
        handlers = {
            "join": self._on_join,
            "commit": self._on_commit,
            "rename": lambda _content, _buffers: self._rename(True),
            "stay": lambda _content, _buffers: self._rename(False),
            "insist": self._on_insist,
            "say again": lambda _content, _buffers: self._say_again(),
        }
        self.panel = ClassPanel(handlers)
        self.panel.show(far_page())
        self._view = CaseView()
        self._view.layout.display = "none"
        super().__init__([self.panel, self._view])
        self.add_class("lv-quiz-box")
        self.line = ClassWatch(desk, self._take, self._lose)

    def close(self) -> None:
        """Stop watching the class."""
        self.line.end()
        super().close()

    # --- from the class to the page ------------------------------------------------------------------------------

    def _take(self, news: News) -> None:
        """Show the news."""
        last, self._news = self._news, news
        self._away = ""

        def other(*keys: str) -> bool:
            return last is None or any(news.view.get(key) != last.view.get(key) for key in keys)

        if self._error == FAR:  # what was not heard can be said again
            self._error = ""
        if other("quiz", "case", "phase", "name"):
            self._error, self._renaming = "", False
        if other("quiz", "case"):
            self._insisted = False
            self._view.clear()
            self._view.target = self._view.against = ""
        self._show(None if last is not None and last.photo == news.photo else news.photo)

    def _lose(self, words: str) -> None:
        """Say that the class cannot be reached; what is on view stays."""
        self._away = words
        self._show()

    def _show(self, photo: bytes | None = None) -> None:
        news, error = self._news, self._away or self._error
        if news is None:
            self.panel.show(far_page(error))
            return
        page = class_page(news.view, news.case, insisted=self._insisted, renaming=self._renaming)
        page |= {"error": error, "refusals": self._refusals}
        shown = news.case is not None and news.picture is not None and shows_map(news.view, self._insisted)
        if shown and news.case is not None and news.picture is not None:
            self._view.turn_to(news.case, news.picture, news.photo, news.view["drawn"])
        self._view.layout.display = "" if shown else "none"
        self.panel.show(page, photo)

    def _refuse(self, words: str) -> None:
        self._error = words
        self._refusals += 1
        self._show()

    def _say_again(self) -> None:
        """Say what is on view again over a new connection."""
        parts = [(self._view, ["case", "maps"]), (self._view.layout, ["display"]), (self.panel, ["page", "photo"])]
        say_again(self.panel, parts)

    # --- from the page to the class ------------------------------------------------------------------------------

    def _on_join(self, content: dict[str, Any], _buffers: object) -> None:
        name = content.get("learner")
        if isinstance(name, str):
            self._error, self._renaming = "", False
            self.line.do(lambda desk: desk.join(name[:1000]), self._refuse_name)

    def _refuse_name(self, words: str) -> None:
        self._renaming = True
        self._refuse(words)

    def _rename(self, renaming: bool) -> None:
        self._renaming, self._error = renaming, ""
        self._show()

    def _on_commit(self, content: dict[str, Any], _buffers: object) -> None:
        case, answer, sure = content.get("case"), content.get("answer"), content.get("sure")
        if self._news is None or case != self._news.view.get("case"):
            return
        if type(case) is int and isinstance(answer, str) and answer in CODES:
            degree, quiz = sure if isinstance(sure, str) and sure in SURE else "", self._news.view["quiz"]
            self._error = ""
            self.line.do(lambda desk: desk.commit(case, answer, degree, quiz), self._refuse)

    def _on_insist(self, content: dict[str, Any], _buffers: object) -> None:
        if self._news is not None and content.get("case") == self._news.view.get("case"):
            self._insisted = True
            self._show()

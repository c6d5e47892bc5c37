"""``QuizRoom``: the tab Quiz, in which the quiz and a reader study on the same pictures stand in each other's place."""

from __future__ import annotations

import ipywidgets

from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.recovery import Part
from lesionviz.widgets.quiz.quiz import Quiz
from lesionviz.widgets.quiz.study import ReaderStudy


class QuizRoom(ipywidgets.VBox):  # type: ignore[misc]
    """The quiz, and a reader study once somebody wants one.

    Args:
        background: the model that both ask.

    Attributes:
        quiz: the quiz; its set of pictures is the study's, too.
        study: the study; None until it was first asked for.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        self.quiz = Quiz(classifier=background, on_study=self._turn_to_study)
        self.quiz.around = self._around
        self.study: ReaderStudy | None = None
        super().__init__([self.quiz])

    def _turn_to_study(self) -> None:
        pictures = self.quiz.game.pictures
        if self.study is None:
            self.study = ReaderStudy(pictures, self._background, on_back=self._turn_to_quiz)
            self.study.around = self._around
            self.children = (self.quiz, self.study)
        else:
            self.study.use(pictures)
        self.quiz.layout.display, self.study.layout.display = "none", ""

    def _turn_to_quiz(self) -> None:
        assert self.study is not None
        self.quiz.layout.display, self.study.layout.display = "", "none"

    def _around(self) -> list[Part]:
        """Return what only Python knows of the two."""
        parts = (self.quiz, self.study) if self.study is not None else (self.quiz,)
        return [(self, ["children"]), *((part.layout, ["display"]) for part in parts)]

"""``Seconds``: what a second model says of the questions of a quiz; it is told after the reveal, and counts for nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lesionviz.game import Question, Verdict
from lesionviz.imaging import LesionImage
from lesionviz.trust.second_model import FIRST, SecondModel
from lesionviz.trust.two_models import Model
from lesionviz.widgets.parts.background import Background, sentence


@dataclass
class _Asked:
    """A question that a second model was asked, and its verdict once it is there."""

    question: Question
    second: SecondModel
    verdict: Verdict | None = None


class Seconds:
    """Asks a second model about questions, each once.

    Args:
        background: asks it, after the first model.
        on_answer: called with a question that it has answered.
    """

    def __init__(self, background: Background, on_answer: Callable[[Question], None]) -> None:
        self._background, self._on_answer = background, on_answer
        self._asked: list[_Asked] = []

    def ask(self, question: Question, picture: LesionImage) -> None:
        """Ask about the picture of a question, if there is a second model and it was not asked before."""
        second = self._background.second.model
        if second is None or self._of(question) is not None:
            return
        asked = _Asked(question, second)
        self._asked.append(asked)

        def take(verdict: Verdict) -> None:
            asked.verdict = verdict
            if self._of(question) is asked:
                self._on_answer(question)

        self._background.submit(
            lambda _: Verdict(second.classifier.predict(picture)),
            take,
            lambda error: take(Verdict(failure=sentence(error, f"case {question.number}"))),
        )

    def of(self, question: Question) -> dict[str, Any] | None:
        """Return what the two models are called (``first``, ``title``) and the second's verdict, once it is there."""
        asked = self._of(question)
        if asked is None or asked.verdict is None:
            return None
        first = Model.of(self._background.examiner.checkpoint, FIRST)
        return {"first": first.title, "title": asked.second.model.title, **asked.verdict.facts}

    def forget(self) -> None:
        """Forget the questions of a round that is over."""
        self._asked = []

    def _of(self, question: Question) -> _Asked | None:
        second = self._background.second.model
        return next((one for one in self._asked if one.question is question and one.second is second), None)

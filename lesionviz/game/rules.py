"""``Game``: the quiz's rules and state: rounds, learners, commits, verdicts, scores.

A learner looks at a lesion and commits to an answer; only then truth and the model's verdict count. Whoever shows the game
asks the model (:meth:`Game.enter`) and opens nothing by itself: the picture of the question on view is
:attr:`Game.picture`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionviz.diagnoses import CODES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.game import results
from lesionviz.game.names import free_name
from lesionviz.game.results import NO_ANSWER, Answer
from lesionviz.game.sets import MAX_CASES, Item, QuizSet

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.case import Case
    from lesionviz.imaging import LesionImage
    from lesionviz.prediction import Prediction

PHASES = ("start", "question", "reveal", "end", "look")
SURE = ("guessing", "fairly sure", "certain")


@dataclass
class Verdict:
    """What the model makes of a question: an answer, a refusal, or a sentence about why there is neither."""

    prediction: Prediction | None = None
    case: Case | None = None
    """What it saw, while the question is on view."""
    failure: str = ""

    @property
    def reason(self) -> str:
        """Why the model gives no answer; empty when it gives one."""
        return self.failure or (self.prediction.refusal if self.prediction is not None else "")

    @property
    def answer(self) -> str:
        """A code, or ``NO_ANSWER``."""
        return NO_ANSWER if self.prediction is None or self.reason else self.prediction.diagnosis

    @property
    def facts(self) -> dict[str, Any]:
        """The ``code`` (or ``NO_ANSWER``), the ``reason`` for none, and whether it ``failed``, as plain data."""
        return {"code": self.answer, "reason": self.reason, "failed": bool(self.failure)}


@dataclass
class Question:
    """A question of the round.

    Attributes:
        number: what the learner calls it, from 1.
        item: the picture and its truth.
        verdict: the model's, once it is there.
    """

    number: int
    item: Item
    verdict: Verdict | None = None

    def awaited(self, answers: Sequence[Answer]) -> bool:
        """Whether the model's verdict is there, and missing beside some answer."""
        return self.verdict is not None and any(self._lacks(answer) for answer in answers)

    def entered(self, answers: Sequence[Answer]) -> list[Answer]:
        """Return the answers with the model's verdict, if it is there, beside those to this question."""
        if self.verdict is None:
            return [*answers]
        said, prediction = self.verdict.answer, self.verdict.prediction
        share = prediction.confidence if prediction is not None and said != NO_ANSWER else None
        filled = {"model": said, "probability": share, "reason": self.verdict.reason}
        return [{**answer, **filled} if self._lacks(answer) else answer for answer in answers]

    def _lacks(self, answer: Answer) -> bool:
        return answer["image"] == self.item.name and not answer["model"]


class Game:
    """Rounds of questions for one learner after another.

    Args:
        pictures: to ask about.
        cases: how many questions a round has, 1 to ``MAX_CASES``; fewer where the set has fewer lesions.
        seed: of the choice of cases and their order; the same seed asks the same.

    Attributes:
        phase: one of ``PHASES``: ``"look"`` is again at a question, after the end.
        learner: whose turn it is.
        case: number of the question on view, from 1; 0 when there is none.
        questions: of the round.
        left_out: why pictures of the round could not be asked about, a sentence each.
        picture: of the question on view, under a name that tells nothing.
        answers: what all learners committed; a new list at every change.

    Raises:
        LesionvizError: ``cases`` or ``seed`` is no such number.
    """

    def __init__(self, pictures: QuizSet, cases: int = 20, seed: int = 0) -> None:
        self.wanted = whole("cases", cases, 1, MAX_CASES)
        self.seed = whole("seed", seed, 0, 2**32 - 1)
        self.pictures = pictures
        self.phase, self.learner, self.case = "start", "", 0
        self.questions: list[Question] = []
        self.left_out: list[str] = []
        self.picture: LesionImage | None = None
        self.answers: list[Answer] = []
        self._round = 0

    # --- what may be asked at any time ---------------------------------------------------------------------------

    @property
    def question(self) -> Question | None:
        """The question on view."""
        return self.questions[self.case - 1] if self.case else None

    @property
    def own(self) -> list[Answer]:
        """The answers of the present learner, or of the last one."""
        name = self.learner or (self.answers[-1]["learner"] if self.answers else "")
        return [answer for answer in self.answers if answer["learner"] == name]

    @property
    def score(self) -> int:
        """Right answers of the present learner."""
        return results.score(self.own) if self.learner else 0

    @property
    def model_score(self) -> int:
        """Right answers of the model on the same cases; its refusals are neither right nor wrong."""
        return results.model_score(self.own)["right"] if self.learner else 0

    def confusion(self, who: str = "learner") -> pd.DataFrame:
        """Return how many cases of each true class (rows) were answered as which (columns).

        Args:
            who: ``"learner"`` for the last one, ``"class"`` for all learners, or ``"model"`` for the model on the
                cases that they had, with a column for the pictures to which it gives no answer.

        Raises:
            LesionvizError: it is another word.
        """
        if who not in {"learner", "class", "model"}:
            raise LesionvizError(f"A confusion matrix can be of the learner, the class or the model, not {who!r}.")
        answers = self.own if who == "learner" else self.answers
        return results.confusion(answers, "model" if who == "model" else "answer")

    def free_name(self, wish: str = "") -> str:
        """Return a learner's name that no other one has."""
        return free_name(wish, {answer["learner"] for answer in self.answers})

    # --- moves; one that does not fit the phase does nothing -----------------------------------------------------

    def use(self, pictures: QuizSet) -> None:
        """Take another set, and begin anew."""
        self.pictures = pictures
        self.start_again()

    def start(self, learner: str = "", cases: int | None = None) -> None:
        """Begin a round.

        Args:
            learner: a name; by default a number.
            cases: how many questions; only the first learner of a class can choose.

        Raises:
            LesionvizError: ``cases`` is no such number, or no picture can be opened.
        """
        if cases is not None and not self.answers:
            self.wanted = whole("cases", cases, 1, MAX_CASES)
        self._forget_round()
        self._round += 1
        self.learner = self.free_name(learner)
        self.questions = questions_of(self.pictures, self.wanted, self.seed, self._round)
        self._ask(0)
        if self.phase == "end":
            problem = self.left_out[0]
            self.next_learner()
            raise LesionvizError(f"No picture of {self.pictures.name} can be opened. {problem}")

    def commit(self, answer: str | int, sure: str = "") -> bool:
        """Answer the question on view.

        Args:
            answer: the diagnosis, by code, name or index.
            sure: one of ``SURE``, or empty.

        Returns:
            Whether there was one to answer.

        Raises:
            LesionvizError: it is none of the four diagnoses, or ``sure`` is another word.
        """
        code = check_answer(answer, sure)
        question = self.question
        if self.phase != "question" or question is None:
            return False
        item = question.item
        given = results.given(self.learner, question.number, item.name, item.truth, code, sure)
        self.answers = [*self.answers, given]
        self.phase = "reveal"
        self._enter_known(question)
        return True

    def enter(self, question: Question, verdict: Verdict) -> None:
        """Take the model's verdict; before the learner has committed there is nothing to enter it beside."""
        question.verdict = verdict
        self._enter_known(question)

    def next_case(self) -> None:
        """Go on to the next question, or to the end; not before the answer is committed."""
        if self.phase == "reveal":
            self._ask(self.case)

    def finish(self) -> None:
        """End the round early, once something was answered; a question without an answer does not count."""
        if self.phase in {"question", "reveal"} and self.own:
            self._end()

    def back(self) -> None:
        """Go back from a look at a question to the end."""
        if self.phase == "look":
            self._end()

    def look(self, case: int) -> bool:
        """Take a question of the round again, after the end, if it was answered.

        Returns:
            Whether it is on view now.

        Raises:
            LesionvizError: its picture cannot be opened any more.
        """
        if self.phase not in {"end", "look"} or not any(answer["case"] == case for answer in self.own):
            return False
        self._open(self.questions[case - 1])
        self.phase, self.case = "look", case
        return True

    def next_learner(self) -> None:
        """Make ready for another learner: same cases in a new order, answers are kept."""
        self._forget_round()
        self.learner, self.phase = "", "start"

    def start_again(self) -> None:
        """Forget all answers and go back to the start."""
        self._round = 0
        self.answers = []
        self.next_learner()

    # --- the rules' own ------------------------------------------------------------------------------------------

    def _ask(self, index: int) -> None:
        """Ask the question at an index or, where its picture cannot be opened, the next that can."""
        self._put_away()
        while index < len(self.questions):
            question = self.questions[index]
            try:
                self._open(question)
            except LesionvizError as error:
                self.left_out.append(str(error))
                index += 1
                continue
            self.case, self.phase = question.number, "question"
            return
        self._end()

    def _open(self, question: Question) -> None:
        self.picture = question.item.read(f"case {question.number}")

    def _enter_known(self, question: Question) -> None:
        if question.awaited(self.answers):
            self.answers = question.entered(self.answers)

    def _end(self) -> None:
        self._put_away()
        self.case, self.phase = 0, "end"

    def _put_away(self) -> None:
        """Take the question on view away, and drop what can be made again."""
        question = self.question
        if question is not None and question.verdict is not None:
            question.verdict.case = None
        self.picture = None

    def _forget_round(self) -> None:
        self._put_away()
        self.questions, self.left_out, self.case = [], [], 0


def questions_of(pictures: QuizSet, cases: int, seed: int, turn: int = 1) -> list[Question]:
    """Return the questions of a round: those that the seed chooses, in an order that is another one at each turn."""
    chosen = pictures.choose(cases, seed)
    order = np.random.default_rng([seed, turn]).permutation(len(chosen))
    return [Question(number, chosen[index]) for number, index in enumerate(order, 1)]


def check_answer(answer: str | int, sure: str) -> str:
    """Return the code of an answer.

    Raises:
        LesionvizError: it is none of the four diagnoses, or ``sure`` is none of ``SURE``, nor empty.
    """
    code = CODES[target_index(answer)]
    if sure not in {"", *SURE}:
        raise LesionvizError(f"How sure can be {', '.join(SURE)} or empty, not {sure!r}.")
    return code


def whole(name: str, value: object, least: int, most: int) -> int:
    """Return a whole number within limits.

    Raises:
        LesionvizError: it is not one.
    """
    if type(value) is not int or not least <= value <= most:
        raise LesionvizError(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
    return value

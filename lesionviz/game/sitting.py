"""``Sitting``: a class's quiz as it stands: what is on view, what was committed, and what was revealed and so counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lesionviz.errors import LesionvizError
from lesionviz.game import results
from lesionviz.game.class_store import Choice, Setup
from lesionviz.game.results import Answer
from lesionviz.game.rules import Question, Verdict
from lesionviz.imaging import LesionImage
from lesionviz.imaging.encoding import LARGEST, jpeg


@dataclass(frozen=True)
class Opened:
    """A question's picture.

    Attributes:
        number: of the question.
        image: the picture, under a name that tells nothing.
        photo: the same as a browser shows it.
        left_out: why pictures before it could not be opened, a sentence each.
    """

    number: int
    image: LesionImage
    photo: bytes
    left_out: tuple[str, ...] = ()


class Sitting:
    """One quiz of a class, or none yet.

    Args:
        questions: of the quiz.
        number: tells it from the last one.

    Attributes:
        phase: one of :data:`lesionviz.game.class_store.PHASES`.
        opened: the picture of the case on view.
        left_out: why pictures could not be asked about, a sentence each.
        committed: what was committed in the case on view, by the learner's name.
        revealed: numbers of the cases that count.
        answers: what was committed in those, in order, each with its ``time``.
    """

    def __init__(self, questions: Sequence[Question] = (), number: int = 0) -> None:
        self.questions, self.number = questions, number
        self.phase = "waiting"
        self.opened: Opened | None = None
        self.left_out: list[str] = []
        self.committed: dict[str, Answer] = {}
        self.revealed: list[int] = []
        self.answers: list[Answer] = []

    @property
    def case(self) -> int:
        """Number of the case on view, from 1; 0 when there is none."""
        return self.opened.number if self.opened is not None else 0

    @property
    def question(self) -> Question | None:
        """The question on view."""
        return self.questions[self.case - 1] if self.opened is not None else None

    @property
    def drawn(self) -> bool:
        """Whether its pictures are drawings."""
        return any(question.item.drawn for question in self.questions)

    def own(self, name: str) -> list[Answer]:
        """Return the answers of a learner that count."""
        return [answer for answer in self.answers if answer["learner"] == name]

    def show(self, opened: Opened | None, left_out: Iterable[str] = ()) -> None:
        """Show a case, or the end where there is none."""
        self._put_away()
        self.committed = {}
        self.left_out += opened.left_out if opened is not None else left_out
        self.opened = opened
        self.phase = "question" if opened is not None else "over" if self.revealed else "waiting"

    def take(self, choice: Choice) -> None:
        """Take an answer, to the case on view or, in a quiz that is made again, to one that was revealed."""
        question = self.questions[choice.case - 1]
        item = question.item
        given = results.given(choice.name, choice.case, item.name, item.truth, choice.code, choice.sure)
        answer = {**given, "time": choice.time}
        if choice.case == self.case:
            self.committed[choice.name] = answer
        else:
            self.answers = question.entered([*self.answers, answer])
            if choice.case not in self.revealed:
                self.revealed.append(choice.case)

    def reveal(self) -> None:
        """Let the case on view count."""
        question = self.question
        assert question is not None
        self.phase = "revealed"
        self.revealed.append(self.case)
        self.answers = question.entered([*self.answers, *self.committed.values()])

    def enter(self, question: Question, verdict: Verdict) -> None:
        """Take the model's verdict, once; a second one only brings more maps. One about another quiz is dropped."""
        if not any(question is one for one in self.questions):
            return
        known = question.verdict
        question.verdict = replace(verdict) if known is None else replace(known, case=verdict.case or known.case)
        if question is not self.question:
            question.verdict.case = None
        if question.awaited(self.answers):
            self.answers = question.entered(self.answers)

    def unasked(self) -> Question | None:
        """Return a question whose verdict is missing: the one on view, or one that was revealed before a restart."""
        numbers = [self.case, *self.revealed] if self.case else self.revealed
        return next((self.questions[n - 1] for n in numbers if self.questions[n - 1].verdict is None), None)

    def _put_away(self) -> None:
        """Drop what was seen of the case on view; it can be made again."""
        question = self.question
        if question is not None and question.verdict is not None:
            question.verdict.case = None


def open_next(questions: Sequence[Question], after: int) -> tuple[Opened | None, list[str]]:
    """Open the next picture that can be, after so many cases; and say why others before it cannot."""
    left_out: list[str] = []
    for question in questions[after:]:
        try:
            image = question.item.read(f"case {question.number}")
        except LesionvizError as error:
            left_out.append(str(error))
            continue
        return Opened(question.number, image, jpeg(image.pixels, LARGEST), tuple(left_out)), left_out
    return None, left_out


def made_again(questions: Sequence[Question], setup: Setup, choices: Iterable[Choice]) -> Sitting:
    """Return a quiz as it stood.

    Raises:
        LesionvizError: its pictures are not what they were.
    """
    choices = list(choices)
    numbers = [setup.case, *(choice.case for choice in choices)]
    if mark_of(questions) != setup.mark or max(numbers) > len(questions):
        raise LesionvizError("The pictures are not what they were.")
    sitting = Sitting(questions)
    if setup.case:
        opened, left_out = open_next(questions, setup.case - 1)
        if opened is None or left_out:
            raise LesionvizError(left_out[0])
        sitting.show(opened)
    for choice in choices:
        sitting.take(choice)
    sitting.phase = setup.phase
    if setup.phase == "revealed" and sitting.opened is not None:
        sitting.reveal()
    return sitting


def mark_of(questions: Iterable[Question]) -> str:
    """Return a mark of the questions' pictures and truths, which is the same when they are."""
    text = "\n".join(f"{question.item.name}\t{question.item.truth}" for question in questions)
    return hashlib.sha256(text.encode()).hexdigest()

"""``Classroom``: the one quiz that a whole class plays at once; knows nothing of widgets or servers.

The teacher starts it, and everybody sees the same picture at the same time; who has committed waits for the others. When
the teacher reveals the case, all learn what it was, what the model answers, and how the class did. Only revealed cases
count.
Names and choices are kept in a file (:mod:`lesionviz.game.class_store`), with which a quiz goes on after a restart.

Every method may be called from any thread; whoever listens is called in the one that made the change.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from lesionviz.errors import LesionvizError
from lesionviz.game import class_views, results
from lesionviz.game.class_store import Choice, ClassStore, Setup
from lesionviz.game.results import COLUMNS
from lesionviz.game.rules import Question, Verdict, check_answer, questions_of, whole
from lesionviz.game.seats import Seats
from lesionviz.game.sets import MAX_CASES, QuizSet, drawn_set, set_of
from lesionviz.game.sitting import Sitting, made_again, mark_of, open_next

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.imaging import LesionImage


@dataclass(frozen=True)
class Wanted:
    """A picture about which the model is to be asked, for :meth:`Classroom.enter`.

    Attributes:
        question: of the quiz that was running.
        picture: under a name that tells nothing.
    """

    question: Question
    picture: LesionImage

    @property
    def drawn(self) -> bool:
        """Whether a program drew it; then the network for drawings is to be asked."""
        return self.question.item.drawn


class Classroom:
    """One class and its one quiz.

    Args:
        store: the file to keep it in, which is read; None keeps it in memory alone.
        now: gives the time.

    Attributes:
        version: grows at every change; begins anywhere, so that it means nothing to a page of an earlier server.
        pictures: the set that the next quiz is made from.
        source: where that lies; empty for the drawn one.
        sitting: the quiz as it stands.
        seats: who is in the class.
        lost: why the quiz of the file could not go on, in a sentence.
    """

    def __init__(
        self, store: ClassStore | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.store, self._now = store, now
        self.version = secrets.randbelow(2**40)
        self.pictures, self.source = drawn_set(), ""
        self.sitting, self.seats, self.lost = Sitting(), Seats(), ""
        self._lock, self._moving = RLock(), RLock()
        self._listeners: list[Callable[[], None]] = []
        self._restore()

    @property
    def phase(self) -> str:
        """One of :data:`lesionviz.game.class_store.PHASES`."""
        return self.sitting.phase

    @property
    def case(self) -> int:
        """Number of the case on view, from 1; 0 when there is none."""
        return self.sitting.case

    def listen(self, heard: Callable[[], None]) -> Callable[[], None]:
        """Call ``heard`` after every change, in whichever thread made it; return what ends that."""
        self._listeners.append(heard)
        return lambda: self._listeners.remove(heard)

    # --- what a learner does -------------------------------------------------------------------------------------

    def view(self, learner: str) -> dict[str, Any]:
        """Return what a learner's session may know now; see :func:`lesionviz.game.class_views.learner_view`."""
        with self._lock:
            seat = self.seats.of(learner)
            if seat is not None and not seat.here:
                with self._changing():
                    seat.here = True
            known = class_views.learner_view(self.sitting, self.seats, seat.name if seat is not None else "")
            return {"version": self.version, **known}

    def join(self, learner: str, name: str) -> None:
        """Take a seat in the class, or another name while nothing was answered under the old one.

        After a restart of the server a seat is taken again by its name, and its answers with it.

        Args:
            learner: the session; nobody else ever hears of it.
            name: as he chose it; one that is taken gets a number.

        Raises:
            LesionvizError: the class is full, or the old name has answers.
        """
        with self._changing():
            own = self.seats.of(learner)
            answered = own is not None and (own.name in self.sitting.committed or bool(self.sitting.own(own.name)))
            seat, before = self.seats.take(learner, name, answered)
            if self.store is not None:
                self.store.joined(seat.name, self._time(), before)

    def leave(self, learner: str) -> None:
        """Take note that a session has ended for now; its seat stays its own."""
        with self._lock:
            seat = self.seats.of(learner)
            if seat is not None and seat.here:
                with self._changing():
                    seat.here = False

    def commit(self, learner: str, case: int, answer: str, sure: str = "", quiz: int | None = None) -> None:
        """Answer the case on view; the answer stands. The same said twice is said once.

        Args:
            learner: the session.
            case: number of the case that the learner has before him.
            answer: the diagnosis, by code or name.
            sure: one of ``SURE``, or empty.
            quiz: the number of the quiz that it is of; by default the one that is running.

        Raises:
            LesionvizError: the session has no seat, the case is not open, it was answered otherwise before, or the
                answer is none of the four diagnoses.
        """
        code = check_answer(answer, sure)
        with self._lock:
            seat, sitting = self.seats.of(learner), self.sitting
            if seat is None:
                raise LesionvizError("Choose a name first: the class does not know you yet.")
            if not case or case != sitting.case or quiz not in {None, sitting.number}:
                raise LesionvizError(f"Case {case} is not on view any more, so your answer does not count.")
            earlier = sitting.committed.get(seat.name)
            if earlier is not None and (earlier["answer"], earlier["sure"]) == (code, sure):
                return
            if sitting.phase != "question":
                raise LesionvizError(f"Case {case} was revealed already, so your answer does not count.")
            if earlier is not None:
                raise LesionvizError(f"You have answered {earlier['answer']} in case {case}, and that stands.")
            choice = Choice(seat.name, case, code, sure, self._time())
            with self._changing():
                seat.here = True
                sitting.take(choice)
                if self.store is not None:
                    self.store.answered(choice)

    def picture(self, case: int) -> bytes:
        """Return the picture of the case on view as JPEG, the same for everybody.

        Raises:
            LesionvizError: that case is not on view.
        """
        with self._lock:
            if self.sitting.opened is None or case != self.case:
                raise LesionvizError(f"Case {case} is not on view any more.")
            return self.sitting.opened.photo

    def seen(self, case: int) -> Case | None:
        """Return what the model saw in the case on view, with its maps; None before the reveal, or where there is none."""
        with self._lock:
            question = self.sitting.question
            revealed = self.phase == "revealed" and case == self.case
            return (
                question.verdict.case if revealed and question is not None and question.verdict is not None else None
            )

    # --- what the teacher does; a move that does not fit the phase, or is about another case, does nothing ----------

    def teacher_view(self) -> dict[str, Any]:
        """Return what the teacher's page shows: what :func:`lesionviz.game.class_views.teacher_view` says, and ``version``,
        ``set`` (of the next quiz, and its ``source``), ``file`` (``path``, ``problem``) and ``lost``.
        """
        with self._lock:
            store = self.store
            return {
                "version": self.version,
                "set": {**self.pictures.facts(), "source": self.source},
                "file": {"path": str(store.path), "problem": store.problem} if store else {"path": "", "problem": ""},
                "lost": self.lost,
                **class_views.teacher_view(self.sitting, self.seats),
            }

    def csv(self) -> str:
        """Return the answers to the revealed cases as CSV, safe to open in a spreadsheet."""
        with self._lock:
            return results.to_csv(self.sitting.answers, (*COLUMNS, "time"))

    def open(self, folder: QuizSet | str | Path | None) -> None:
        """Take the set for the next quiz: a folder or table, read in place; None takes the drawn pictures.

        Raises:
            LesionvizError: it cannot be used, or a quiz is running.
        """
        with self._moving:
            self._check_idle()
            pictures = drawn_set() if folder is None else set_of(folder)  # may take seconds: no learner waits for it
            with self._changing():
                self.pictures = pictures
                self.source = str(Path(folder).resolve()) if isinstance(folder, (str, Path)) else ""

    def start(self, cases: int = 20, seed: int = 0) -> None:
        """Begin a quiz with everybody who is there; an earlier one's answers, and who has gone, are forgotten.

        Raises:
            LesionvizError: a number is none, a quiz is running, or no picture can be opened.
        """
        cases, seed = whole("cases", cases, 1, MAX_CASES), whole("seed", seed, 0, 2**32 - 1)
        with self._moving:
            self._check_idle()
            sitting = Sitting(questions_of(self.pictures, cases, seed), self.sitting.number + 1)
            opened, left_out = open_next(sitting.questions, 0)
            if opened is None:
                raise LesionvizError(f"No picture of {self.pictures.name} can be opened. {left_out[0]}")
            sitting.show(opened)
            with self._changing():
                self.sitting, self.lost = sitting, ""
                self.seats.keep_those_here()
                if self.store is not None:
                    mark = mark_of(sitting.questions)
                    setup = Setup(self.source, seed, cases, mark, sitting.phase, sitting.case)
                    self.store.start(setup, self.seats.all, self._time())

    def reveal(self, case: int | None = None) -> None:
        """Show everybody what the case on view was."""
        with self._lock:
            if self.phase == "question" and case in {None, self.case}:
                with self._changing():
                    self.sitting.reveal()
                    self._keep()

    def next_case(self, case: int | None = None) -> None:
        """Go on to the next case, or to the results."""
        with self._moving:
            if self.phase == "revealed" and case in {None, self.case}:
                opened, left_out = open_next(self.sitting.questions, self.case)
                with self._changing():
                    self.sitting.show(opened, left_out)
                    self._keep()

    def finish(self) -> None:
        """End the quiz here: a case that was not revealed does not count, and without any there are no results."""
        with self._moving:
            if self.phase in {"question", "revealed"}:
                with self._changing():
                    dropped = self.case if self.phase == "question" else 0
                    self.sitting.show(None)
                    self._keep(dropped)

    def delete(self) -> None:
        """Forget all names and answers, here and in the file; everybody is asked for a name again."""
        with self._moving, self._changing():
            self.sitting, self.seats, self.lost = Sitting(number=self.sitting.number + 1), Seats(), ""
            if self.store is not None:
                self.store.forget()

    # --- what the model makes of it ------------------------------------------------------------------------------

    def wanted(self) -> Wanted | None:
        """Return the next picture about which the model is to be asked; None when there is none.

        That is the case on view, or, after a restart, one that was revealed before. May take a while: it opens a file.
        """
        while True:
            with self._lock:
                question, opened = self.sitting.unasked(), self.sitting.opened
            if question is None:
                return None
            if opened is not None and opened.number == question.number:
                return Wanted(question, opened.image)
            try:
                return Wanted(question, question.item.read(f"case {question.number}"))
            except LesionvizError as error:
                self.enter(question, Verdict(failure=str(error)))

    def enter(self, question: Question, verdict: Verdict) -> None:
        """Take the model's verdict, once for each case; a second one only brings more maps.

        One of another quiz is dropped.
        """
        with self._changing():
            self.sitting.enter(question, verdict)

    # --- the rules' own ------------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change something: nobody looks meanwhile, and all hear of it afterwards."""
        with self._lock:
            yield
            self.version += 1
        for heard in [*self._listeners]:
            heard()

    def _keep(self, dropped: int = 0) -> None:
        """Keep in the file where the quiz stands; answers to a case that does not count go."""
        if self.store is not None:
            self.store.stands(self.phase, self.case, dropped)

    def _time(self) -> str:
        return self._now().isoformat(timespec="seconds")

    def _check_idle(self) -> None:
        if self.phase in {"question", "revealed"}:
            raise LesionvizError("A quiz is running. End it first.")

    def _restore(self) -> None:
        """Go on where the file says that the class was."""
        kept = self.store.load() if self.store is not None else None
        if kept is None:
            return
        self.seats = Seats(kept.names)
        setup = kept.setup
        if setup is None:
            return
        try:
            pictures = set_of(setup.source) if setup.source else drawn_set()
            self.sitting = made_again(questions_of(pictures, setup.cases, setup.seed), setup, kept.choices)
            self.pictures, self.source = pictures, setup.source
        except LesionvizError as error:
            self.lost = (
                f"The quiz that was running before the restart cannot go on. {error} Its answers are still in the file: "
                "put the pictures back and start the server again. Starting a new quiz forgets them."
            )

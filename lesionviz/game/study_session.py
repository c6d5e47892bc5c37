"""``StudySession``: a reader study as it is run on one machine, reader after reader. No widget in it, and no model.

Consent comes before anything is recorded. The clock of a case runs while its picture is on view, with the AI's answer where
that belongs to it, and stands while a reader pauses. Whoever shows a session asks the model (:meth:`StudySession.enter`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lesionviz.errors import LesionvizError
from lesionviz.game.names import plain_name
from lesionviz.game.results import NO_ANSWER
from lesionviz.game.rules import Verdict, check_answer
from lesionviz.game.sets import Item, QuizSet
from lesionviz.game.study import SURE, Design, StudyCase, Turn, design_of, misled
from lesionviz.game.study_store import KeptStudy, Look, Reader, Reading, StudyStore
from lesionviz.imaging import LesionImage
from lesionviz.prediction import Prediction

PHASES = ("setup", "desk", "consent", "waiting", "case", "paused", "done", "debrief", "results")


@dataclass
class Reads:
    """A reader at a case.

    Attributes:
        reader: who.
        turn: which case, and whether with the AI.
        position: the how manyeth of this reader's cases, from 1.
        case: the case.
        picture: under a name that tells nothing; None while paused.
        verdict: the model's own, once it is there and belongs to the case.
        shown: what the AI is shown to say; None before, or where it gives no answer.
        network: who said so.
    """

    reader: Reader
    turn: Turn
    position: int
    case: StudyCase
    picture: LesionImage | None = None
    verdict: Verdict | None = None
    shown: Prediction | None = None
    network: str = ""


class StudySession:
    """A study in its file, and who reads at the moment.

    Args:
        store: the file.
        pictures: of which a new study chooses, and in which an old one finds its own again.
        clock: seconds that only go forward.

    Attributes:
        kept: what the file holds; None where no study was begun.
        phase: one of ``PHASES``.
        reads: the reader at a case, if one is.
        finished: the reader who has just answered his last case, in the phase ``"done"``.

    Raises:
        LesionvizError: the file cannot be used.
    """

    def __init__(self, store: StudyStore, pictures: QuizSet, clock: Callable[[], float] = time.monotonic) -> None:
        self.store, self.pictures, self._clock = store, pictures, clock
        self.kept: KeptStudy | None = None
        self.reads: Reads | None = None
        self.finished: Reader | None = None
        self.phase = "setup"
        self._since: float | None = None  # when the clock was started last, while it runs
        self._go_home()

    # --- what may be asked at any time ---------------------------------------------------------------------------

    @property
    def design(self) -> Design:
        """Of the study that was begun."""
        assert self.kept is not None
        return self.kept.design

    @property
    def missing(self) -> int:
        """How many of the study's pictures are not among those at hand."""
        return 0 if self.kept is None else len(self.design.cases) - len(at_hand(self.design, self.pictures))

    def left(self, reader: Reader) -> list[tuple[int, Turn]]:
        """Return the cases that a reader has still to answer, each with its position from 1."""
        assert self.kept is not None
        done = self.kept.done(reader.place)
        return [one for one in enumerate(self.kept.turns[reader.place], 1) if one[1].case not in done]

    # --- moves; one that does not fit the phase does nothing -----------------------------------------------------

    def begin(self, cases: int, seed: int, share: float, consent: str) -> None:
        """Begin a study; see :func:`lesionviz.game.study.design_of`.

        Raises:
            LesionvizError: it cannot be begun so, or a picture cannot be opened, or nothing can be kept.
        """
        if self.phase != "setup":
            return
        design = design_of(self.pictures, cases, seed, share, consent)
        items = {item.name: item for item in self.pictures.items}
        for case in design.cases:  # before anybody reads: a study has no case for some of its readers only
            if not items[case.image].drawn:
                items[case.image].read(case.image)
        self.store.begin(design, now())
        self._go_home()

    def invite(self) -> None:
        """Show the consent to somebody new; nothing is recorded."""
        if self.phase == "desk":
            self.phase = "consent"

    def decline(self) -> None:
        """Go back from the consent; nothing was recorded."""
        if self.phase == "consent":
            self._go_home()

    def agree(self, name: str = "") -> None:
        """Take part from now on, under a name.

        Raises:
            LesionvizError: it cannot be kept, or there is no place left.
        """
        if self.phase == "consent":
            self._go_on(self.store.join(plain_name(name), now()))

    def go_on(self, place: int) -> None:
        """Let a reader go on where he stopped.

        Raises:
            LesionvizError: his next picture cannot be opened.
        """
        reader = self.kept.reader(place) if self.kept is not None else None
        if self.phase == "desk" and reader is not None:
            self._go_on(reader)

    def enter(self, reads: Reads, verdict: Verdict, network: str = "") -> None:
        """Take the model's verdict on a case that waits for it, and put the case on view."""
        if reads is not self.reads or self.phase != "waiting":
            return
        reads.verdict, reads.network = verdict, network
        if verdict.prediction is not None:
            own = verdict.prediction
            shown = misled(own, reads.case.truth) if reads.case.wrong else own
            reads.shown = None if shown.refusal else shown
        self._start_clock(reads)

    def commit(self, answer: str, sure: str) -> None:
        """Answer the case on view; it stands, and the next case comes.

        Raises:
            LesionvizError: it is no diagnosis, or no step of confidence, or it cannot be kept.
        """
        if self.phase != "case" or self.reads is None:
            return
        code = check_answer(answer, "")
        if sure not in SURE:
            raise LesionvizError(f"How sure must be one of {', '.join(SURE)}, not {sure!r}.")
        reads = self.reads
        self._stop_clock(reads)
        ai = reads.shown.diagnosis if reads.shown is not None else NO_ANSWER if reads.turn.with_ai else ""
        model, reason = (reads.verdict.answer, reads.verdict.reason) if reads.verdict is not None else ("", "")
        share = reads.shown.confidence if reads.shown is not None else None
        step = SURE.index(sure) + 1
        place, number = reads.reader.place, reads.case.number
        self.store.answered(Reading(place, number, code, step, ai, share, model, reason, reads.network, now()))
        self._go_on(reads.reader)

    def pause(self) -> None:
        """Take the case off view and stop its clock."""
        if self.phase == "case" and self.reads is not None:
            self._stop_clock(self.reads, pauses=1)
            self.phase = "paused"
            self.reads.picture = None

    def resume(self) -> None:
        """Go on after a pause, with the same case.

        Raises:
            LesionvizError: its picture cannot be opened any more.
        """
        if self.phase == "paused" and self.reads is not None:
            self.reads.picture = self._open(self.reads)
            self._start_clock(self.reads)

    def leave(self) -> None:
        """Go home from wherever a reader is; he can go on later."""
        if self.reads is not None and self.phase == "case":
            self._stop_clock(self.reads, pauses=1)
        if self.phase in {"waiting", "case", "paused", "done"}:
            self._go_home()

    def withdraw(self, place: int) -> None:
        """Delete a reader and everything that was recorded of him.

        Raises:
            LesionvizError: the file cannot be written to.
        """
        if self.kept is None or self.kept.reader(place) is None:
            return
        self.store.withdraw(place)
        if self.reads is None or self.reads.reader.place == place:
            self._go_home()
        else:
            self.kept = self.store.load()

    def end(self) -> None:
        """Close the study; the debrief comes next.

        Raises:
            LesionvizError: the file cannot be written to.
        """
        if self.phase == "desk" and self.kept is not None and self.kept.readings:
            self.store.end(now())
            self._go_home()

    def debriefed(self) -> None:
        """Go on from the debrief to the results.

        Raises:
            LesionvizError: the file cannot be written to.
        """
        if self.phase == "debrief":
            self.store.debriefed(now())
            self._go_home()

    def delete(self) -> None:
        """Delete the whole study, once it has ended or while nobody has joined.

        Raises:
            LesionvizError: the file cannot be deleted.
        """
        if self.phase == "results" or (self.phase == "desk" and self.kept is not None and not self.kept.readers):
            if not self.store.forget():
                raise LesionvizError(self.store.problem)
            self._go_home()

    # --- the session's own ---------------------------------------------------------------------------------------

    def _go_home(self) -> None:
        """Show where the study in the file stands."""
        self.reads = self.finished = self._since = None
        self.kept = kept = self.store.load()
        if kept is None:
            self.phase = "setup"
        else:
            self.phase = "desk" if not kept.ended else "results" if kept.debriefed else "debrief"

    def _go_on(self, reader: Reader) -> None:
        """Turn to a reader's next case, or to his end."""
        self._go_home()
        left = (
            self.left(reader)
            if self.kept is not None and self.kept.reader(reader.place) == reader and self.phase == "desk"
            else None
        )
        if left is None:  # he has withdrawn on another page, or the study was closed there
            return
        if not left:
            self.phase, self.finished = "done", reader
            return
        position, turn = left[0]
        reads = Reads(reader, turn, position, self.design.cases[turn.case - 1])
        reads.picture = self._open(reads)
        self.reads = reads
        if turn.with_ai:
            self.phase = "waiting"
        else:
            self._start_clock(reads)

    def _open(self, reads: Reads) -> LesionImage:
        item = at_hand(self.design, self.pictures).get(reads.case.number)
        if item is None:
            raise LesionvizError(
                f"The pictures of this study, of {self.design.source}, are not at hand. Make the set from the same folder "
                "again on the page Quiz, then go on."
            )
        return item.read(f"case {reads.position}")

    def _look(self, reads: Reads) -> Look:
        kept = self.store.load()
        looks = kept.looks if kept is not None else {}
        return looks.get((reads.reader.place, reads.case.number), Look())

    def _start_clock(self, reads: Reads) -> None:
        look = self._look(reads)
        lost = look.lost + look.running  # it ran when the page went away
        self.store.looked(reads.reader.place, reads.case.number, replace(look, lost=lost, running=True))
        self.phase, self._since = "case", self._clock()

    def _stop_clock(self, reads: Reads, pauses: int = 0) -> None:
        assert self._since is not None
        spent, self._since = self._clock() - self._since, None
        look = self._look(reads)
        stopped = replace(look, seconds=look.seconds + spent, pauses=look.pauses + pauses, running=False)
        self.store.looked(reads.reader.place, reads.case.number, stopped)


def at_hand(design: Design, pictures: QuizSet) -> dict[int, Item]:
    """Return the pictures of a study's cases, as far as a set has them, by the cases' numbers."""
    items = {(item.name, item.truth): item for item in pictures.items}
    found = {case.number: items.get((case.image, case.truth)) for case in design.cases}
    return {number: item for number, item in found.items() if item is not None}


def now() -> str:
    """Return the time as it is recorded: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")

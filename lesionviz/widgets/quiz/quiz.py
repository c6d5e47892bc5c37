"""``Quiz``: look at a lesion, commit to an answer, then see the truth, the model's answer, and where it looked.

The rules are those of :class:`lesionviz.game.Game`; this shows it, asks the model meanwhile, and takes what the browser
sends. The page in the browser knows nothing that the learner must not see yet. Truth, the model's answer and the file's
name stay in the kernel until an answer is committed::

    quiz = lesionviz.widgets.Quiz("my_cases", cases=20)
    quiz
    quiz.results, quiz.confusion("class"), quiz.confusion("model")
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from lesionviz.errors import LesionvizError
from lesionviz.game import PHASES, Game, Question, QuizSet, Verdict, drawn_set, results, set_of
from lesionviz.game.results import Answer
from lesionviz.imaging.encoding import LARGEST, jpeg
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.parts.recovery import Part, say_again
from lesionviz.widgets.quiz.folder import FolderDesk
from lesionviz.widgets.quiz.messages import handlers
from lesionviz.widgets.quiz.pages import end_page, question_page, revealed_page, shows_answer, start_page
from lesionviz.widgets.quiz.panel import QuizPanel
from lesionviz.widgets.quiz.seconds import Seconds

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.data.collection import Collection

THUMBNAIL = (240, 180)


class Quiz(ipywidgets.VBox):  # type: ignore[misc]
    """A round of questions for a learner, or for one learner after another.

    Args:
        data: labelled pictures: a folder or table in any layout that :func:`lesionviz.read_collection` knows, or a
            collection; by default drawn samples, to try it.
        classifier: whose answers the learner is held against: a classifier, or the ``Background`` of another widget;
            by default the bundled one, loaded while the page is there already.
        cases: how many questions a round has, 1 to ``MAX_CASES``; fewer where the set has fewer lesions.
        seed: of the choice of cases and their order; the same seed asks the same.
        on_study: called when a person wants a reader study on these pictures; without it the page offers none.
        second: another model, whose answer is told besides after the reveal; it has no part in the score.

    Attributes:
        around: what only Python knows of the page round the quiz.
        game: the rules and the state, of which the traits below tell.
        panel, folder: the page's side, and what takes a teacher's folder from it.
        phase: ``"start"``, ``"question"``, ``"reveal"``, ``"end"``, or ``"look"`` (again at a case, after the end).
        learner: whose turn it is.
        case: number of the case on view, from 1; 0 when there is none.
        cases: how many questions the round has.
        answers: what all learners committed, a new list at every change; see :mod:`lesionviz.game.results`.
        score: right answers of this learner.
        model_score: right answers of the model on the same cases; its refusals are neither right nor wrong.
        error: what could not be done last, in a sentence; empty when all is well.

    Raises:
        LesionvizError: the pictures cannot be used, or ``cases`` or ``seed`` is no such number.
    """

    phase = traitlets.Enum(PHASES, "start")
    learner = traitlets.Unicode("")
    case = traitlets.Int(0)
    cases = traitlets.Int(0)
    answers: traitlets.List[Answer] = traitlets.List(traitlets.Dict())
    score = traitlets.Int(0)
    model_score = traitlets.Int(0)
    error = traitlets.Unicode("")

    def __init__(
        self,
        data: QuizSet | Collection | str | Path | None = None,
        classifier: LesionClassifier | Background | None = None,
        cases: int = 20,
        seed: int = 0,
        on_study: Callable[[], None] | None = None,
        second: LesionClassifier | None = None,
    ) -> None:
        self.on_study = on_study
        self.around: Callable[[], list[Part]] = list
        self.game = Game(drawn_set() if data is None else set_of(data), cases, seed)
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        if second is not None:
            self._background.stand_beside(second)
        self._seconds = Seconds(self._background, self._show_change)
        self._thumbnails: dict[int, bytes] = {}
        self._jobs: dict[int, Job] = {}
        self._insisted = False
        self.folder = FolderDesk(
            self._may_take_a_folder, self.use, self.say_error, lambda said: self.panel.send(said)
        )
        self.panel = QuizPanel(handlers(self))
        self._view = CaseView()
        self._next = ipywidgets.Button(description="Next case")
        self._next.on_click(lambda _: self.next_case())
        self._foot = ipywidgets.HBox([self._next])
        self._foot.add_class("lv").add_class("lv-quiz-foot")
        super().__init__([self.panel, self._view, self._foot])
        self.add_class("lv-quiz-box")
        self._show()

    # --- what Python and the browser both do ---------------------------------------------------------------------

    @property
    def results(self) -> pd.DataFrame:
        """All answers as a table, one row for each; see :mod:`lesionviz.game.results`."""
        return results.frame(self.game.answers)

    def confusion(self, who: str = "learner") -> pd.DataFrame:
        """Return a confusion matrix; see :meth:`lesionviz.game.Game.confusion`."""
        return self.game.confusion(who)

    def use(self, data: QuizSet | Collection | str | Path) -> None:
        """Take another set, and begin anew.

        Raises:
            LesionvizError: it cannot be used; the old set stays.
        """
        pictures = set_of(data)
        self._move(lambda: self.game.use(pictures))

    def start(self, learner: str = "", cases: int | None = None) -> None:
        """Begin a round; see :meth:`lesionviz.game.Game.start`."""
        self._move(lambda: self.game.start(learner, cases))

    def commit(self, answer: str | int, sure: str = "") -> None:
        """Answer the question on view; does nothing when none is. See :meth:`lesionviz.game.Game.commit`."""
        if self.game.commit(answer, sure):
            assert self.game.picture is not None
            self._thumbnails[self.game.case] = jpeg(self.game.picture.pixels, THUMBNAIL)
            self._show()

    def next_case(self) -> None:
        """Go on to the next case, or to the end; does nothing before the answer is committed."""
        if self.game.phase == "reveal":
            self._move(self.game.next_case)

    def finish(self) -> None:
        """End the round early, once something was answered; a case without an answer does not count."""
        if self.game.phase in {"question", "reveal"} and self.game.own:
            self._move(self.game.finish)

    def next_learner(self) -> None:
        """Make ready for another learner: same cases in a new order, answers are kept."""
        self._move(self.game.next_learner)

    def start_again(self) -> None:
        """Forget all answers and go back to the start."""
        self.error = ""
        self._move(self.game.start_again)

    def look(self, case: int) -> None:
        """Show a case of the round again, after the end; does nothing for a case that was not answered."""
        if self.game.phase not in {"end", "look"}:
            return
        try:
            self._move(lambda: self.game.look(case))
        except LesionvizError as error:
            self.say_error(error)

    def back(self) -> None:
        """Go back from a look at a case to the result."""
        if self.game.phase == "look":
            self._move(self.game.back)

    def insist(self) -> None:
        """Show a refused answer, as what it is."""
        self._insisted = True
        self._show()

    def say_error(self, error: LesionvizError) -> None:
        """Say on the page what could not be done."""
        self.error = str(error)
        self._show()

    def say_again(self) -> None:
        """Say what is on view again over a new connection, and which files of a folder are still wanted."""
        parts: list[Part] = [
            *self.around(),
            (self._view, ["case", "maps"]),
            (self._next, ["description"]),
            *((part.layout, ["display"]) for part in (self._view, self._foot)),
            (self.panel, ["page", "photo"]),
        ]
        say_again(self.panel, parts, **self.folder.wanted())

    # --- from the game to the page -------------------------------------------------------------------------------

    def _move(self, act: Callable[[], object]) -> None:
        """Leave the question on view, let the game go on, and show where it stands then."""
        self.folder.forget()
        question = self.game.question
        if question is not None and question.number in self._jobs:
            answered = question.number in self._thumbnails
            if question.verdict is not None or not answered:  # else its verdict is still to be entered
                self._jobs[question.number].cancel()
        self._insisted = False
        self._view.clear()
        self._view.target = self._view.against = ""
        before = self.game.questions
        try:
            act()
        finally:
            if self.game.questions is not before:
                self._thumbnails, self._jobs = {}, {}
                self._seconds.forget()
            self._show()

    def _show(self) -> None:
        """Show the page of the phase, and ask the model about the picture on view."""
        game, question = self.game, self.game.question
        self._tell()
        if game.phase == "start":
            self._page(start_page(game, self.error, study=self.on_study is not None), b"")
        elif game.phase == "end":
            self._page(end_page(game, self._thumbnails, self.error), b"")
        elif question is not None and game.picture is not None:
            known = self.panel.page
            new = known.get("case") != game.case or known.get("phase") not in {"question", "reveal", game.phase}
            photo = jpeg(game.picture.pixels, LARGEST) if new else None
            if game.phase == "question":
                self._page(question_page(game), photo)
            else:
                self._page(revealed_page(game, question, self._insisted, self._seconds.of(question)), photo)
            if question.verdict is None or (question.verdict.case is None and not question.verdict.failure):
                self._ask(question)
            if not game.pictures.drawn:  # drawings are asked of the small network alone
                self._seconds.ask(question, game.picture)

    def _tell(self) -> None:
        """Let the traits say what the game has come to."""
        game = self.game
        self.answers, self.score, self.model_score = game.answers, game.score, game.model_score
        self.learner, self.case, self.cases, self.phase = game.learner, game.case, len(game.questions), game.phase

    def _page(self, page: dict[str, Any], photo: bytes | None) -> None:
        """Send a page; the map is on view where the model's answer is, and the foot below it."""
        question = self.game.question
        case = question.verdict.case if question is not None and question.verdict is not None else None
        shown = (
            page["phase"] in {"reveal", "look"} and question is not None and shows_answer(question, self._insisted)
        )
        if shown and case is not None and question is not None and self.game.picture is not None:
            self._view.turn_to(case, self.game.picture, drawn=question.item.drawn)
        else:
            shown = False
        self._view.layout.display = "" if shown else "none"
        self.panel.show(page, photo)
        if page["phase"] == "reveal":
            self._next.description = "To the result" if page["last"] else "Next case"
        self._foot.layout.display = "flex" if shown and page["phase"] == "reveal" else "none"

    def _ask(self, question: Question) -> None:
        """Let the model look at the picture while the learner does. Its answer stays in the kernel.

        Drawings are asked of the small network that knows drawings alone, never of the model for photographs.
        """
        picture, number, drawn = self.game.picture, question.number, self.game.pictures.drawn
        assert picture is not None
        if number in self._jobs and not self._jobs[number].cancelled and question.verdict is None:
            return  # it is at it

        def done(case: Case) -> None:
            self.game.enter(question, Verdict(case.prediction, case if question is self.game.question else None))
            if question is self.game.question:
                self._jobs[number] = self._background.submit(
                    lambda examiner: examiner.answering(drawn).complete(case), more, without_more
                )
            self._show_change(question)

        def more(case: Case) -> None:
            if question is self.game.question and question.verdict is not None:
                question.verdict.case = case
                self._show_change(question)

        def failed(error: Exception) -> None:
            self.game.enter(question, Verdict(failure=sentence(error, f"case {number}")))
            self._show_change(question)

        def without_more(error: Exception) -> None:  # the maps of the last layer are there
            self.error = sentence(error, f"case {number}")

        self._jobs[number] = self._background.submit(
            lambda examiner: examiner.answering(drawn).examine(picture), done, failed
        )

    def _show_change(self, question: Question) -> None:
        """Show what the model's verdict changed; before the commit that is nothing that the browser may know."""
        self._tell()
        if self.game.phase == "question":
            self.panel.show(question_page(self.game))
        elif self.game.phase == "end" or question is self.game.question:
            self._show()

    def _may_take_a_folder(self) -> bool:
        """Whether a set can be exchanged: nobody has answered."""
        if self.game.phase != "start" or self.game.answers:
            return False
        self.error = ""
        return True

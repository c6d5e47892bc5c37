"""``Quiz``: look at a lesion, commit to an answer, then see the truth, the model's answer, and where it looked.

The page in the browser knows nothing that the learner must not see yet. Truth, the model's answer and the file's name
stay in the kernel until an answer is committed::

    quiz = lesionviz.widgets.Quiz("my_cases", cases=20)
    quiz
    quiz.results, quiz.confusion("class"), quiz.confusion("model")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import numpy as np
import traitlets

from lesionviz.diagnoses import CODES, DIAGNOSES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage
from lesionviz.widgets import quiz_results
from lesionviz.widgets.answer import answer_html
from lesionviz.widgets.background import Background, Job, sentence
from lesionviz.widgets.case import LARGEST
from lesionviz.widgets.case_view import CaseView
from lesionviz.widgets.encoding import jpeg
from lesionviz.widgets.quiz_panel import QuizPanel
from lesionviz.widgets.quiz_results import NO_ANSWER, Answer
from lesionviz.widgets.quiz_set import MAX_IMAGES, FolderUpload, Item, QuizSet, drawn_set, set_of

if TYPE_CHECKING:
    import pandas as pd

    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.data.collection import Collection
    from lesionviz.prediction import Prediction

PHASES = ("start", "question", "reveal", "end", "look")
SURE = ("guessing", "fairly sure", "certain")
THUMBNAIL = (240, 180)
MAX_LEARNER = 60
MAX_PROBLEMS = 20


@dataclass
class Verdict:
    """What the model makes of a case: an answer, a refusal, or a sentence about why there is neither."""

    prediction: Prediction | None = None
    case: Case | None = None
    """What it saw, while the case is on view."""
    failure: str = ""

    @property
    def reason(self) -> str:
        """Why the model gives no answer; empty when it gives one."""
        return self.failure or (self.prediction.refusal if self.prediction is not None else "")

    @property
    def answer(self) -> str:
        """A code, or ``NO_ANSWER``."""
        return NO_ANSWER if self.prediction is None or self.reason else self.prediction.diagnosis


@dataclass
class Question:
    """A case of the round.

    Attributes:
        number: what the learner calls it, from 1.
        item: the picture and its truth.
        thumbnail: JPEG, once it was answered.
        verdict: the model's, once it is there.
        job: the work that the model has with it.
        insist: whether the person wants to see a refused answer.
    """

    number: int
    item: Item
    thumbnail: bytes = b""
    verdict: Verdict | None = None
    job: Job | None = None
    insist: bool = False


class Quiz(ipywidgets.VBox):  # type: ignore[misc]
    """A round of questions for a learner, or for one learner after another.

    Args:
        data: labelled pictures: a folder or table in any layout that :func:`lesionviz.read_collection` knows, or a
            collection; by default drawn samples, to try it.
        classifier: whose answers the learner is held against: a classifier, or the ``Background`` of another widget;
            by default the bundled one, loaded while the page is there already.
        cases: how many questions a round has, 1 to ``MAX_IMAGES``; fewer where the set has fewer lesions.
        seed: of the choice of cases and their order; the same seed asks the same.

    Attributes:
        phase: ``"start"``, ``"question"``, ``"reveal"``, ``"end"``, or ``"look"`` (again at a case, after the end).
        learner: whose turn it is.
        case: number of the case on view, from 1; 0 when there is none.
        cases: how many questions the round has.
        answers: what all learners committed, a new list at every change; see :mod:`lesionviz.widgets.quiz_results`.
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
    ) -> None:
        self._wanted = _whole("cases", cases, 1, MAX_IMAGES)
        self._seed = _whole("seed", seed, 0, 2**32 - 1)
        self._set = drawn_set() if data is None else set_of(data)
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        self._round = 0
        self._questions: list[Question] = []
        self._left_out: list[str] = []
        self._picture: LesionImage | None = None
        self._folder: FolderUpload | None = None
        self._panel = QuizPanel(
            {
                "start": self._on_start,
                "commit": self._on_commit,
                "next": lambda content, _: self._if_on(content, "reveal", self.next_case),
                "insist": lambda content, _: self._if_on(content, None, self._insist),
                "finish": lambda _content, _: self.finish(),
                "look": self._on_look,
                "back": lambda _content, _: self._if_in(("look",), self._end),
                "learner": lambda _content, _: self._if_in(("end",), self.next_learner),
                "again": lambda _content, _: self._if_in(("start", "end"), self.start_again),
                "csv": lambda _content, _: self._if_in(("end",), self._send_csv),
                "drawn": lambda _content, _: self._if_in(("start",), self._use_drawn),
                "folder": self._on_folder,
                "file": self._on_file,
                "piece": self._on_piece,
                "unreadable": self._on_unreadable,
                "folder end": self._on_folder_end,
                "folder cancel": self._on_folder_cancel,
            }
        )
        self._view = CaseView()
        self._next = ipywidgets.Button(description="Next case")
        self._next.on_click(lambda _: self._if_in(("reveal",), self.next_case))
        foot = ipywidgets.HBox([self._next])
        foot.add_class("lv").add_class("lv-quiz-foot")
        self._foot = foot
        super().__init__([self._panel, self._view, foot])
        self.add_class("lv-quiz-box")
        self.start_again()

    # --- what Python and the browser both do ---------------------------------------------------------------------

    @property
    def results(self) -> pd.DataFrame:
        """All answers as a table, one row for each; see :mod:`lesionviz.widgets.quiz_results`."""
        return quiz_results.frame(self.answers)

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
        answers = self._own() if who == "learner" else self.answers
        return quiz_results.confusion(answers, "model" if who == "model" else "answer")

    def use(self, data: QuizSet | Collection | str | Path) -> None:
        """Take another set, and begin anew.

        Raises:
            LesionvizError: it cannot be used; the old set stays.
        """
        self._set = set_of(data)
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
            self._wanted = _whole("cases", cases, 1, MAX_IMAGES)
        self._clear()
        self._round += 1
        self.learner = self._name(learner)
        chosen = self._set.choose(self._wanted, self._seed)
        order = np.random.default_rng([self._seed, self._round]).permutation(len(chosen))
        self._questions = [Question(number, chosen[index]) for number, index in enumerate(order, 1)]
        self._left_out = []
        self.cases, self.score, self.model_score = len(chosen), 0, 0
        self._ask(0)
        if self.phase == "end":
            problem = self._left_out[0]
            self.next_learner()
            raise LesionvizError(f"No picture of {self._set.name} can be opened. {problem}")

    def commit(self, answer: str | int, sure: str = "") -> None:
        """Answer the question on view; does nothing when none is.

        Args:
            answer: the diagnosis, by code, name or index.
            sure: one of ``SURE``, or empty.

        Raises:
            LesionvizError: it is none of the four diagnoses, or ``sure`` is another word.
        """
        code = CODES[target_index(answer)]
        if sure not in {"", *SURE}:
            raise LesionvizError(f"How sure can be {', '.join(SURE)} or empty, not {sure!r}.")
        if self.phase != "question":
            return
        assert self._picture is not None
        question = self._question()
        question.thumbnail = jpeg(self._picture.pixels, THUMBNAIL)
        given: Answer = {
            "learner": self.learner,
            "case": question.number,
            "image": question.item.name,
            "truth": question.item.truth,
            "answer": code,
            "sure": sure,
            "model": "",
            "probability": None,
            "reason": "",
        }
        self.answers = [*self.answers, given]
        self.score += code == question.item.truth
        self.phase = "reveal"
        self._take_verdict(question)

    def next_case(self) -> None:
        """Go on to the next case, or to the end; does nothing before the answer is committed."""
        if self.phase == "reveal":
            self._ask(self.case)

    def finish(self) -> None:
        """End the round early, once something was answered; a case without an answer does not count."""
        if self.phase in {"question", "reveal"} and self._own():
            self._end()

    def next_learner(self) -> None:
        """Make ready for another learner: same cases in a new order, answers are kept."""
        self._clear()
        self.learner, self.score, self.model_score = "", 0, 0
        self.phase = "start"
        self._show_start()

    def start_again(self) -> None:
        """Forget all answers and go back to the start."""
        self._round = 0
        self.answers = []
        self.error = ""
        self.next_learner()

    def look(self, case: int) -> None:
        """Show a case of the round again, after the end; does nothing for a case that was not answered."""
        if self.phase not in {"end", "look"} or not any(answer["case"] == case for answer in self._own()):
            return
        question = self._questions[case - 1]
        try:
            self._open(question)
        except LesionvizError as error:
            self.error = str(error)
            self._show_end()
            return
        self.phase, self.case = "look", case
        verdict = question.verdict
        if verdict is None or (verdict.case is None and not verdict.failure):
            self._examine(question)
        self._show_revealed()

    # --- the round -----------------------------------------------------------------------------------------------

    def _ask(self, index: int) -> None:
        """Ask the question at an index or, where its picture cannot be opened, the next that can."""
        self._put_away()
        while index < len(self._questions):
            question = self._questions[index]
            try:
                self._open(question)
            except LesionvizError as error:
                self._left_out.append(str(error))
                index += 1
                continue
            self.case, self.phase = question.number, "question"
            self._show_question()
            self._examine(question)
            return
        self._end()

    def _open(self, question: Question) -> None:
        self._picture = question.item.read(f"case {question.number}")

    def _examine(self, question: Question) -> None:
        """Let the model look at the picture while the learner does. Its answer stays in the kernel."""
        picture = self._picture
        assert picture is not None

        def done(case: Case) -> None:
            question.verdict = Verdict(case.prediction, case)
            self._take_verdict(question)
            if not self._is_current(question):
                question.verdict.case = None
                return
            question.job = self._background.submit(lambda classifier: classifier.complete(case), more, without_more)

        def more(case: Case) -> None:
            if not self._is_current(question) or question.verdict is None:
                return
            question.verdict.case = case
            if self._view.picture is picture:
                self._view.put_completed(case)

        def failed(error: Exception) -> None:
            question.verdict = Verdict(failure=sentence(error, f"case {question.number}"))
            self._take_verdict(question)

        def without_more(error: Exception) -> None:  # the maps of the last layer are there
            self.error = sentence(error, f"case {question.number}")

        question.job = self._background.submit(lambda classifier: classifier.examine(picture), done, failed)

    def _take_verdict(self, question: Question) -> None:
        """Enter the model's answer, once it is there, beside the learners', and show what has changed.

        Before the learner has committed there is nothing to enter it beside, and nothing changes on the page.
        """
        verdict, image = question.verdict, question.item.name
        if verdict is not None and any(a["image"] == image and not a["model"] for a in self.answers):
            answer = verdict.answer
            share = verdict.prediction.confidence if verdict.prediction is not None and answer != NO_ANSWER else None
            filled = {"model": answer, "probability": share, "reason": verdict.reason}
            self.answers = [{**a, **filled} if a["image"] == image and not a["model"] else a for a in self.answers]
            self.model_score = quiz_results.model_score(self._own())["right"]
        if self.phase == "question":
            self._show_question()
        elif self.phase == "end":
            self._show_end()
        elif self._is_current(question):
            self._show_revealed()

    def _is_current(self, question: Question) -> bool:
        return self.case > 0 and self._question() is question

    def _insist(self) -> None:
        """Show a refused answer, as what it is."""
        self._question().insist = True
        self._show_revealed()

    def _end(self) -> None:
        self._put_away()
        self.case, self.phase = 0, "end"
        self._show_end()

    def _put_away(self) -> None:
        """Take the case on view away, with its map, and drop what can be made again."""
        if self.case:
            question = self._question()
            if question.job is not None and (question.verdict is not None or not question.thumbnail):
                question.job.cancel()  # unless the learner has answered and the model not yet
            if question.verdict is not None:
                question.verdict.case = None
            question.insist = False
        self._picture = None
        self._view.clear()
        self._view.target = self._view.against = ""
        self._hide(self._view, self._foot)

    def _clear(self) -> None:
        """Forget the round; the model's answers that are still awaited will be entered all the same."""
        self._put_away()
        self._questions, self._left_out, self.case, self.cases = [], [], 0, 0
        self._folder = None

    def _question(self) -> Question:
        return self._questions[self.case - 1]

    def _own(self) -> list[Answer]:
        """Return the answers of the present learner, or of the last one."""
        name = self.learner or (self.answers[-1]["learner"] if self.answers else "")
        return [answer for answer in self.answers if answer["learner"] == name]

    def _name(self, wish: str) -> str:
        """Return a learner's name that no other one has."""
        plain = " ".join("".join(c if c.isprintable() else " " for c in wish).split())[:MAX_LEARNER]
        taken = {answer["learner"] for answer in self.answers}
        name = plain or f"Learner {len(taken) + 1}"
        number = 2
        while name in taken:
            name = f"{plain or 'Learner'} ({number})"
            number += 1
        return name

    # --- pages: all that the browser gets ------------------------------------------------------------------------

    def _show_start(self) -> None:
        """``set`` (name, counts, drawn, most, problems), ``cases``, ``learners``, ``suggested``, ``error``."""
        self._hide(self._view, self._foot)
        problems = self._set.problems
        shown = [*problems[:MAX_PROBLEMS]]
        if len(problems) > len(shown):
            shown.append(f"… and {len(problems) - len(shown)} more were left out.")
        self._panel.show(
            {
                "phase": "start",
                "set": {
                    "name": self._set.name,
                    "counts": self._set.counts(),
                    "drawn": self._set.drawn,
                    "most": min(self._set.lesions, MAX_IMAGES),
                    "problems": shown,
                },
                "cases": min(self._wanted, self._set.lesions),
                "learners": quiz_results.learners(self.answers),
                "suggested": self._name(""),
                "error": self.error,
            },
            b"",
        )

    def _show_question(self) -> None:
        """``case``, ``of``, ``learner``, ``width`` and ``height`` (pixels), ``score``, ``leftOut``. Nothing else."""
        assert self._picture is not None
        new = self._panel.page.get("phase") != "question" or self._panel.page.get("case") != self.case
        photo = jpeg(self._picture.pixels, LARGEST) if new else None
        self._panel.show({"phase": "question", **self._head()}, photo)

    def _head(self) -> dict[str, Any]:
        assert self._picture is not None
        width, height = self._picture.pixels.size
        own = self._own()
        return {
            "case": self.case,
            "of": self.cases,
            "learner": self.learner,
            "width": width,
            "height": height,
            "score": {"right": self.score, "of": len(own), "model": quiz_results.model_score(own)},
            "leftOut": len(self._left_out),
            "sure": list(SURE),
        }

    def _show_revealed(self) -> None:
        """The question's page and ``truth``, ``answer``, ``sentence``, ``image``, and ``model`` once it has answered.

        ``model``: ``code`` (or ``NO_ANSWER``), ``reason``, ``html`` (the answer with its bars; for a refused picture
        only when the person insists).
        """
        question = self._question()
        mine = next(a for a in self._own() if a["case"] == question.number)
        verdict = question.verdict
        model = None
        if verdict is not None:
            shown = verdict.prediction is not None and (not verdict.reason or question.insist)
            html = answer_html(verdict.prediction) if shown and verdict.prediction is not None else ""
            model = {"code": verdict.answer, "reason": verdict.reason, "html": html, "failed": bool(verdict.failure)}
            if shown and verdict.case is not None:
                self._show_view(verdict.case)
        photo = None
        if self.phase == "look":
            assert self._picture is not None
            photo = jpeg(self._picture.pixels, LARGEST)
        self._panel.show(
            {
                "phase": self.phase,
                **self._head(),
                "truth": mine["truth"],
                "answer": mine["answer"],
                "sureness": mine["sure"],
                "sentence": DIAGNOSES[CODES.index(mine["truth"])].sentence,
                "image": question.item.name,
                "model": model,
                "last": question.number == self.cases,
            },
            photo,
        )
        if self.phase == "reveal":
            self._next.description = "To the result" if question.number == self.cases else "Next case"
            self._foot.layout.display = "flex" if self._view.layout.display != "none" else "none"

    def _show_view(self, case: Case) -> None:
        assert self._picture is not None
        if self._view.picture is not self._picture:
            self._view.show(case, self._picture)
        self._view.layout.display = ""

    def _show_end(self) -> None:
        """``score``, ``matrices`` (``title``, ``rows``, ``columns``, ``counts``), ``cases`` (answered), ``learners``."""
        own = self._own()
        who = [("learner", self.learner)]
        pool = quiz_results.learners(self.answers)
        if len(pool) > 1:
            who.append(("class", f"The class, {len(pool)} learners"))
        who.append(("model", "The model, on the same cases"))
        matrices = []
        for key, title in who:
            table = self.confusion(key)
            matrices.append(
                {"who": key, "title": title, "columns": list(table.columns), "counts": table.to_numpy().tolist()}
            )
        thumbnails = {question.number: question.thumbnail for question in self._questions}
        listed = [
            {**{k: a[k] for k in ("case", "truth", "answer", "model", "image")}, "thumbnail": thumbnails[a["case"]]}
            for a in own
        ]
        self._panel.show(
            {
                "phase": "end",
                "learner": self.learner,
                "score": {"right": self.score, "of": len(own), "model": quiz_results.model_score(own)},
                "matrices": matrices,
                "cases": listed,
                "learners": pool,
                "leftOut": self._left_out[:MAX_PROBLEMS],
                "drawn": self._set.drawn,
                "error": self.error,
            },
            b"",
        )

    def _hide(self, *widgets: ipywidgets.DOMWidget) -> None:
        for widget in widgets:
            widget.layout.display = "none"

    # --- messages of the browser; whatever does not fit is ignored -----------------------------------------------

    def _if_in(self, phases: Sequence[str], act: Any) -> None:
        if self.phase in phases:
            act()

    def _if_on(self, content: dict[str, Any], phase: str | None, act: Any) -> None:
        """Act when the message is about the case on view: a second click must not skip a case."""
        phases = ("reveal", "look") if phase is None else (phase,)
        if self.phase in phases and type(content.get("case")) is int and content["case"] == self.case:
            act()

    def _on_start(self, content: dict[str, Any], _buffers: object) -> None:
        learner, cases = content.get("learner"), content.get("cases")
        if self.phase != "start" or self._folder is not None:
            return
        try:
            self.error = ""
            self.start(learner if isinstance(learner, str) else "", cases if type(cases) is int else None)
        except LesionvizError as error:
            self._refuse(error)

    def _on_commit(self, content: dict[str, Any], _buffers: object) -> None:
        answer, sure = content.get("answer"), content.get("sure")
        if content.get("case") != self.case or not isinstance(answer, str) or answer not in CODES:
            return
        self.commit(answer, sure if isinstance(sure, str) and sure in SURE else "")

    def _on_look(self, content: dict[str, Any], _buffers: object) -> None:
        case = content.get("case")
        if self.phase == "end" and type(case) is int:
            self.error = ""
            self.look(case)

    def _send_csv(self) -> None:
        self._panel.send({"kind": "csv", "name": "quiz-answers.csv", "text": quiz_results.to_csv(self.answers)})

    def _use_drawn(self) -> None:
        if not self.answers:
            self._set = drawn_set()
            self.start_again()

    def _refuse(self, error: LesionvizError) -> None:
        self.error = str(error)
        self._show_start()

    def _on_folder(self, content: dict[str, Any], _buffers: object) -> None:
        """Begin a set; a new folder replaces one that is still arriving."""
        if self.phase != "start" or self.answers:
            return
        self.error = ""
        self._folder = folder = FolderUpload()
        try:
            folder.begin(content)
        except LesionvizError as error:
            self._folder = None
            self._panel.send({"kind": "refused", "folder": folder.id})
            self._refuse(error)
            return
        self._panel.send({"kind": "wanted", "folder": folder.id, "files": sorted(folder.wanted)})

    def _on_file(self, content: dict[str, Any], _buffers: object) -> None:
        if self._folder is not None:
            before = len(self._folder.wanted)
            if not self._folder.announce(content) and len(self._folder.wanted) < before:
                self._took(content)

    def _on_piece(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        if self._folder is not None and self._folder.add(content, buffers):
            self._took(content)

    def _on_unreadable(self, content: dict[str, Any], _buffers: object) -> None:
        if self._folder is not None:
            self._folder.unreadable(content)

    def _took(self, content: dict[str, Any]) -> None:
        """Let the browser send the next file: this one is here, or will not be taken."""
        assert self._folder is not None
        self._panel.send({"kind": "took", "folder": self._folder.id, "file": content["id"]})

    def _on_folder_end(self, _content: object, _buffers: object) -> None:
        if self._folder is None:
            return
        folder, self._folder = self._folder, None
        try:
            self.use(folder.finish())
        except LesionvizError as error:
            self._refuse(error)

    def _on_folder_cancel(self, _content: object, _buffers: object) -> None:
        self._folder = None


def _whole(name: str, value: object, least: int, most: int) -> int:
    """Return a whole number within limits.

    Raises:
        LesionvizError: it is not one.
    """
    if type(value) is not int or not least <= value <= most:
        raise LesionvizError(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
    return value

"""``ReaderStudy``: the quiz as an experiment: each case once per reader, half with the AI's answer and half without.

The rules are those of :class:`lesionviz.game.study_session.StudySession`; this shows it, asks the model where the AI's
answer belongs to a case, and takes what the browser sends::

    study = lesionviz.widgets.ReaderStudy("my_cases")
    study
    table = lesionviz.read_study(study.file)  # after the debrief
    lesionviz.study_results(table).frame()
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.readers import StudyResults, study_results
from lesionviz.game import QuizSet, Verdict, drawn_set, set_of
from lesionviz.game.study import SURE
from lesionviz.game.study_session import StudySession
from lesionviz.game.study_store import StudyStore
from lesionviz.game.study_table import answers_csv, design_csv, read_study
from lesionviz.imaging.encoding import LARGEST, jpeg
from lesionviz.widgets.parts.background import Background, Job, deliver_here, sentence
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import Part, say_again
from lesionviz.widgets.quiz import study_pages as pages
from lesionviz.widgets.quiz.panel import Handler, QuizPanel

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.cluster import Examiner
    from lesionviz.data.collection import Collection

OVERLAY = (640, 480)
"""Pixels of the AI's map at most."""
ALPHA = 0.5


class StudyPanel(QuizPanel):
    """The browser's side of a reader study: setting up, consent, cases, debrief, results."""

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "case/stage",
        "quiz/scores",
        "quiz/quiz_answer",
        "quiz/quiz_shell",
        "quiz/study_desk",
        "quiz/study_case",
        "quiz/study_end",
        "quiz/study",
    )
    _css = style("parts/base", "case/stage", "case/answer", "quiz/quiz", "quiz/study")


class ReaderStudy(ipywidgets.VBox):  # type: ignore[misc]
    """A reader study on one machine, one reader after the other.

    Args:
        data: labelled pictures, as for :class:`lesionviz.widgets.Quiz`; by default drawn samples, to try it.
        classifier: the AI: a classifier, or the ``Background`` of another widget; by default the bundled one.
        file: where the study is kept; by default ``LESIONVIZ_STUDY``, or in the user's data folder. A study that lies
            there goes on.
        on_back: called when a person wants to go back to the quiz; without it there is no such button.

    Attributes:
        file: where the study is kept.
        session: the study; None while its file cannot be used, and the page says why.
        panel: the page's side.
        around: what only Python knows of the page round the study.

    Raises:
        LesionvizError: the pictures cannot be used.
    """

    def __init__(
        self,
        data: QuizSet | Collection | str | Path | None = None,
        classifier: LesionClassifier | Background | None = None,
        file: str | Path | None = None,
        on_back: Callable[[], None] | None = None,
    ) -> None:
        self.file = StudyStore(None if file is None else Path(file)).path.absolute()
        self._pictures = drawn_set() if data is None else set_of(data)
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        self._on_back = on_back
        self.around: Callable[[], list[Part]] = list
        self._error, self._overlay, self._job = "", b"", Job()
        self._found: StudyResults | None = None
        self._computing = False
        self.session: StudySession | None = None
        self.panel = StudyPanel(self._handlers())
        super().__init__([self.panel])
        self.add_class("lv-quiz-box")
        self.open_again()

    def open_again(self) -> None:
        """Open the study's file, or begin to look again after it could not be used."""
        if self.session is not None:
            self.session.store.close()
        self._error, self.session = "", None
        try:
            self.session = StudySession(StudyStore(self.file), self._pictures)
        except LesionvizError as error:
            self._error = str(error)
        self._show()

    def use(self, pictures: QuizSet) -> None:
        """Take other pictures; a study that was begun finds its own among them."""
        self._pictures = pictures
        self.open_again()

    def close(self) -> None:
        """Let go of the file; it stays."""
        if self.session is not None:
            self.session.store.close()
        super().close()

    # --- from the study to the page ------------------------------------------------------------------------------

    def _act(self, act: Callable[[StudySession], object]) -> None:
        """Let the study go on, and show where it stands then, or what could not be done."""
        if self.session is None:
            return
        self._error = ""
        try:
            act(self.session)
        except LesionvizError as error:
            self._error = str(error)
            if self.session.store.problem:  # nothing can be kept any more
                self.session.store.close()
                self.session = None
        self._show()

    def _show(self) -> None:
        """Show the page of the phase, and ask the model where a case waits for it."""
        session = self.session
        page: dict[str, Any] = {"error": self._error, "file": str(self.file), "back": self._on_back is not None}
        if session is None:
            self.panel.show({"phase": "broken", **page}, b"")
            return
        reads = session.reads
        if session.phase != "results":
            self._found, self._computing = None, False
        if session.phase not in {"case", "paused"}:
            self._overlay = b""
        made: dict[str, Callable[[], dict[str, Any]]] = {
            "setup": lambda: pages.setup_page(session),
            "desk": lambda: pages.desk_page(session),
            "consent": lambda: pages.consent_page(session),
            "done": lambda: pages.done_page(session),
            "debrief": lambda: pages.debrief_page(session),
            "results": lambda: pages.results_page(session, self._found),
        }
        make = made.get(session.phase, lambda: pages.reading_page(session, self._overlay))
        on_view = session.phase == "case" and reads is not None and reads.picture is not None
        photo = jpeg(reads.picture.pixels, LARGEST) if on_view and reads is not None and reads.picture else b""
        self.panel.show({"phase": session.phase, **page, **make()}, photo)
        if session.phase == "waiting":
            self._ask(session)
        elif session.phase == "results" and self._found is None and not self._computing:
            self._compute(session)

    def _ask(self, session: StudySession) -> None:
        """Let the model look at the picture that waits for its answer; drawings are asked of the small network."""
        reads, drawn = session.reads, session.design.drawn
        assert reads is not None
        assert reads.picture is not None
        picture = reads.picture
        self._job.cancel()

        def look(examiner: Examiner) -> tuple[Case, str]:
            model = examiner.answering(drawn)
            return model.examine(picture), model.checkpoint.file_sha256[:8] or "in memory"

        def done(answer: tuple[Case, str]) -> None:
            case, network = answer

            def enter(now: StudySession) -> None:
                now.enter(reads, Verdict(case.prediction), network)
                if now.reads is reads and reads.shown is not None:
                    overlay = case.explanation(reads.shown.diagnosis).on(picture).overlay(alpha=ALPHA)
                    self._overlay = jpeg(overlay, OVERLAY)

            self._act(enter)

        def failed(error: Exception) -> None:
            words = sentence(error, f"case {reads.position}")
            self._act(lambda now: now.enter(reads, Verdict(failure=words)))

        self._job = self._background.submit(look, done, failed)

    def _compute(self, session: StudySession) -> None:
        """Compute what came out, beside the page: thousands of draws take seconds."""
        kept = session.kept
        if kept is None or not kept.readings:
            return
        self._computing = True

        def deliver(future: Future[StudyResults]) -> None:
            if self.session is not session or session.kept is not kept or session.phase != "results":
                return
            self._computing, error = False, future.exception()
            if error is None:
                self._found = future.result()
            elif isinstance(error, Exception):
                self._error, self._computing = sentence(error, "The study"), True  # not tried again until it changes
            self._show()

        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz study")
        deliver_here(pool.submit(lambda: study_results(read_study(self.file))), deliver)
        pool.shutdown(wait=False)

    # --- from the page to the study ------------------------------------------------------------------------------

    def _handlers(self) -> dict[str, Handler]:
        """Return what is done for each kind of message; whatever is not what it should be is ignored."""

        def plain(act: Callable[[StudySession], object]) -> Handler:
            return lambda _content, _buffers: self._act(act)

        def of_reader(act: Callable[[StudySession, int], object]) -> Handler:
            def handle(content: dict[str, Any], _buffers: object) -> None:
                place = content.get("reader")
                if type(place) is int:
                    self._act(lambda session: act(session, place))

            return handle

        def back() -> None:
            if self._on_back is not None and (self.session is None or self.session.reads is None):
                self._on_back()
                self.panel.send({"kind": "turned"})  # the study's own page is what it was

        return {
            "begin": self._on_begin,
            "invite": plain(lambda session: session.invite()),
            "decline": plain(lambda session: session.decline()),
            "agree": self._on_agree,
            "go on": of_reader(lambda session, place: session.go_on(place)),
            "commit": self._on_commit,
            "pause": plain(lambda session: session.pause()),
            "resume": plain(lambda session: session.resume()),
            "leave": plain(lambda session: session.leave()),
            "withdraw": of_reader(self._withdraw),
            "end": plain(lambda session: session.end()),
            "told": plain(lambda session: session.debriefed()),
            "delete": plain(lambda session: session.delete()),
            "csv": self._on_csv,
            "try again": lambda _content, _buffers: self.open_again() if self.session is None else None,
            "back": lambda _content, _buffers: back(),
            "say again": lambda _content, _buffers: self.say_again(),
        }

    def say_again(self) -> None:
        """Say what is on view again over a new connection."""
        say_again(self.panel, [*self.around(), (self.panel, ["page", "photo"])])

    def _withdraw(self, session: StudySession, place: int) -> None:
        self._found, self._computing = None, False
        session.withdraw(place)

    def _on_begin(self, content: dict[str, Any], _buffers: object) -> None:
        cases, seed, share, consent = (content.get(key) for key in ("cases", "seed", "share", "consent"))
        if isinstance(share, int) and not isinstance(share, bool):
            share = float(share)  # JSON makes no difference
        if type(cases) is int and type(seed) is int and isinstance(share, float) and isinstance(consent, str):
            self._act(lambda session: session.begin(cases, seed, share, consent))

    def _on_agree(self, content: dict[str, Any], _buffers: object) -> None:
        name = content.get("learner")
        if isinstance(name, str):
            self._act(lambda session: session.agree(name[:1000]))

    def _on_commit(self, content: dict[str, Any], _buffers: object) -> None:
        case, answer, sure = (content.get(key) for key in ("case", "answer", "sure"))
        reads = self.session.reads if self.session is not None else None
        if reads is None or type(case) is not int or case != reads.position:
            return  # a second click must not answer the next case
        if isinstance(answer, str) and answer in CODES and isinstance(sure, str) and sure in SURE:
            self._act(lambda session: session.commit(answer, sure))

    def _on_csv(self, content: dict[str, Any], _buffers: object) -> None:
        """Send a table; before the debrief there is none."""
        kept, what = self.session.kept if self.session is not None else None, content.get("what")
        if kept is None or not kept.debriefed:
            return
        if what == "results" and self._found is not None:
            text = self._found.frame().to_csv(index=False, lineterminator="\r\n")
        elif what in ("answers", "design"):
            text = answers_csv(kept) if what == "answers" else design_csv(kept)
        else:
            return
        self.panel.send({"kind": "csv", "name": f"study-{what}.csv", "text": text})

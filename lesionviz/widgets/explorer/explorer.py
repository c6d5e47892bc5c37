"""``Explorer``: upload a dermoscopic image, see what the classifier answers, and why.

It is driven by its traits, with or without a browser::

    explorer = Explorer()
    explorer.image = "lesion.jpg"
    explorer.target = "MEL"
    explorer.prediction, explorer.explanation

Set from Python, a trait acts at once. What a person does in the browser is worked on in the background, so that the
page answers meanwhile; of two uploads the last one wins. What the page shows is a function of one state
(:mod:`lesionviz.widgets.explorer.state`), and the Explorer turns from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from lesionviz.checkpoint import DRAWINGS
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES, target_index
from lesionviz.errors import TooManyPixelsError
from lesionviz.explanation.methods import METHODS, find_method
from lesionviz.imaging import ImageSource, open_image
from lesionviz.network import ARCHITECTURES, LAYERS, check_layer
from lesionviz.widgets.case.answer import notice_html
from lesionviz.widgets.case.bundle import photo_of
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.checks import Checks
from lesionviz.widgets.explorer.beside import Beside
from lesionviz.widgets.explorer.examined import Examined, Similar, examine, examine_drawn, rest_of
from lesionviz.widgets.explorer.image_picker import ImagePicker
from lesionviz.widgets.explorer.keeping import Keeping
from lesionviz.widgets.explorer.page import Page, check_sensitivity
from lesionviz.widgets.explorer.photographs import Photographs, offered
from lesionviz.widgets.explorer.second_opinion import SecondOpinion
from lesionviz.widgets.explorer.state import State, judged, shown
from lesionviz.widgets.explorer.tabs import Tabs
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.parts.front_end import style
from lesionviz.widgets.parts.masthead import Masthead
from lesionviz.widgets.parts.recovery import Part
from lesionviz.widgets.parts.upload import Arrived

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.cluster import Examiner


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """The whole instrument, as one widget.

    Args:
        classifier: what to question; by default the bundled one, which is loaded in the background
            so that the interface appears at once.

    Attributes:
        image: a path, bytes, PIL image or uint8 array (H, W, 3); setting it asks the classifier.
        target: code of the class to explain, or None for the predicted one.
        against: code of a class held against it, or None: "why MEL and not NV".
        layer: the block whose map is shown.
        method: how maps are made: a key of ``METHODS`` (:mod:`lesionviz.explanation.methods`).
        alpha: share of the heatmap in the overlay, 0 to 1.
        prediction: the answer for ``image``; None until there is one.
        explanation: the map on view; None until there is one. What a person turns in the browser arrives here when
            the focus leaves the view.
        sensitivity: share of melanomas that a threshold should find (0.8, 0.85, 0.9 or 0.95), to see beside the
            answer whether this picture is above it; None shows no threshold.
        insist: show the answer although the model refuses the picture (``prediction.refusal`` says why); a new
            picture sets it back.
        error: what is wrong with the last input, in a sentence; empty when nothing is.
        second: a second model: ``explorer.second.load("earlier.pth")``, then ``explorer.second.found``.
    """

    image = traitlets.Any(None, allow_none=True)
    target = traitlets.Unicode(None, allow_none=True)
    against = traitlets.Unicode(None, allow_none=True)
    layer = traitlets.Unicode(LAYERS[-1])
    method = traitlets.Unicode(next(iter(METHODS)))
    alpha = traitlets.Float(0.5, min=0, max=1)
    prediction = traitlets.Any(None, allow_none=True)
    explanation = traitlets.Any(None, allow_none=True)
    sensitivity = traitlets.Float(None, allow_none=True)
    insist = traitlets.Bool(False)
    error = traitlets.Unicode("")

    def __init__(self, classifier: LesionClassifier | None = None) -> None:
        self._background = Background(classifier)
        self._state = State()
        self._taken: Examined | None = None  # looked at in the background, and about to be the one on view
        self._job, self._film = Job(), -1
        self._input_size = 224  # until the model is there; only for the words of an error
        self._masthead = Masthead()
        self._view = CaseView()
        self._picker = ImagePicker(
            synthetic_samples(),
            Photographs(offered(self._background)),
            on_start=lambda name: self._turn(State("receiving", name)),
            on_hold=lambda name: self._turn(State("held", name)),
            on_file=self._upload_arrived,
            on_sample=lambda drawing: self._sample_chosen(
                drawing.name, lambda examiner: examine_drawn(examiner, drawing)
            ),
            on_photograph=lambda name, path: self._sample_chosen(
                name, lambda examiner: examine(examiner, open_image(path, name))
            ),
            on_removed=self._picture_removed,
            on_problem=self._upload_failed,
        )
        checks = Checks(self._background, self._view)
        keeping = Keeping(
            self._background, self._view, checks, lambda: self._state, lambda case: self.second.kept(case)
        )
        self._explore = Page(
            self._picker, self._view, checks, keeping.downloads, lambda: self.set_trait("insist", True), self._around
        )
        self._tabs = Tabs(self._masthead, self._explore, self._background, self._open_from_batch)
        self._beside = Beside(self._background, self._tabs, self._picker.label)
        self.second = SecondOpinion(self._background, self._view, self._tabs, lambda: self._state)
        self.second.stand_in(self._explore, self)
        notice = ipywidgets.HTML(notice_html(in_class=self._background.line is not None))
        notice.add_class("lv-notice-box")
        sheet = style("parts/base", "case/answer", "explorer/explorer")
        super().__init__([ipywidgets.HTML(f"<style>{sheet}</style>"), self._masthead, notice, self._tabs.room])
        self.add_class("lv")
        self.add_class("lv-explorer")
        self._masthead.observe(lambda change: self._turn_tab(change.new), "tab")
        for name in ("layer", "method", "alpha"):
            traitlets.link((self, name), (self._view, name))
        for name in ("target", "against"):
            traitlets.dlink((self, name), (self._view, name), lambda code: code or "")
            traitlets.dlink((self._view, name), (self, name), lambda code: code or None)
        traitlets.dlink((self, "sensitivity"), (self._explore.threshold, "value"), lambda share: share or 0.0)
        traitlets.dlink((self._explore.threshold, "value"), (self, "sensitivity"), lambda share: share or None)
        self.observe(lambda change: self._open(change.new), "image")
        self.observe(lambda _: self._show(self._state.examined), ["insist", "sensitivity"])
        self.observe(lambda _: self._explain(), ["target", "against", "layer", "method"])
        self._background.on_place = self._wait_in_line
        self._background.when_ready(self._model_ready, self._model_failed)

    # --- checks ----------------------------------------------------------------------------------------------------

    @traitlets.validate("target", "against")
    def _valid_class(self, proposal: Any) -> str | None:
        return None if proposal.value is None else CODES[target_index(proposal.value)]

    @traitlets.validate("layer")
    def _valid_layer(self, proposal: Any) -> str:
        return check_layer(proposal.value, self._input_size)

    @traitlets.validate("method")
    def _valid_method(self, proposal: Any) -> str:
        return find_method(proposal.value).key

    @traitlets.validate("sensitivity")
    def _valid_sensitivity(self, proposal: Any) -> float | None:
        return check_sensitivity(proposal.value)

    # --- the model and the tabs --------------------------------------------------------------------------------------

    def _model_ready(self, examiner: Examiner) -> None:
        size, name = examiner.checkpoint.preprocessing.size, examiner.checkpoint.file_sha256[:8] or "in memory"
        self._input_size = size
        kind = ARCHITECTURES[examiner.checkpoint.architecture]
        only = ", knows drawings alone" if examiner.checkpoint.subject == DRAWINGS else ""
        self._masthead.model_words = f"Model ready: {kind}, {size} × {size} pixels, {name}{only}"

    def _model_failed(self, error: Exception) -> None:
        self._masthead.model_words = "No model"
        self._refuse(sentence(error, "The model"))

    def _turn_tab(self, key: str) -> None:
        with self._guard("This part of the page"):
            self._tabs.turn(key)

    def _around(self) -> list[Part]:
        """Return what only Python knows of the page round the tab Explore."""
        return [(self._masthead, ["tab", "model_words"]), *self._tabs.parts_to_say_again()]

    # --- pictures arrive -------------------------------------------------------------------------------------------

    def _open_from_batch(self, name: str, data: bytes) -> None:
        """Show a picture of the batch by itself."""
        self._turn(State("receiving", name))
        self._masthead.tab = "explore"  # afterwards, so that the last picture is not seen there
        self._upload_arrived(Arrived(-1, name, data), second=False)

    def _picture_removed(self, identity: int, last: bool) -> None:
        """Forget a picture that the person has taken away; where no other takes its place, show none."""
        self._beside.remove(identity)
        if last:
            self._turn(State("empty"))

    def _upload_failed(self, words: str, second: bool) -> None:
        if second:
            self._beside.fail(words)
        else:
            self._refuse(words)

    def _upload_arrived(self, arrived: Arrived, second: bool) -> None:
        """Examine an uploaded file in the background; a newer one makes this result unwanted."""
        if second:
            self._beside.put(arrived)
            return
        self._film = arrived.id
        waiting = "" if self._background.ready else " The model is still being loaded."
        self._become(State("working", arrived.name, f"Looking at {arrived.name} …{waiting}"))

        def work(examiner: Examiner) -> Examined:
            return examine(examiner, open_image(arrived.data, arrived.name))

        def failed(error: Exception) -> None:
            self._refuse(sentence(error, arrived.name))
            self._picker.label(arrived.id, "cannot be used", False, isinstance(error, TooManyPixelsError))

        self._job = self._background.submit(work, self._take, failed)

    def _wait_in_line(self, place: int) -> None:
        """Say in a class how many questions come before this one's."""
        if self._state.kind == "working":
            self._become(self._state.in_line(place))

    def _sample_chosen(self, name: str, work: Callable[[Examiner], Examined]) -> None:
        """Show a sample with the answer of the network that ``work`` asks: a drawing's own, or the model."""
        self._turn(State("working", name, f"Looking at {name} …"))
        self._film = -1
        self._job = self._background.submit(work, self._take, lambda error: self._refuse(sentence(error, name)))

    def _take(self, examined: Examined) -> None:
        """Make an examined picture the one on view."""
        self._taken, self.image = examined, examined.picture

    def _open(self, source: ImageSource | None) -> None:
        """Show the picture that was set."""
        examined, self._taken = self._taken, None
        if examined is None or examined.picture is not source:
            examined = self._examine_now(source)
        self._show(examined)

    def _examine_now(self, source: ImageSource | None) -> Examined | None:
        """Examine a picture that was set from Python; None where none was set, or it cannot be used."""
        self._job.cancel()
        picture = None
        with self._explore.status.hold_sync(), self._guard("This picture"):  # the page hears what came of it
            self._become(State("empty"))
            if source is not None:
                self._film = -1
                picture = open_image(source)
                self._become(State("working", picture.name, f"Looking at {picture.name} …"))
        if picture is not None:
            with self._guard("This picture"):
                return examine(self._background.examiner, picture)
        return None

    # --- from one state to the next ----------------------------------------------------------------------------------

    def _turn(self, state: State) -> None:
        """Take the last picture away, whatever was being done with it, and take on a state of another one, or of none."""
        self._job.cancel()
        with self._explore.status.hold_sync():  # the page goes from one state to the other, with none between
            self.image = None
            self._become(state)

    def _refuse(self, words: str) -> None:
        """Show what is wrong instead of any result."""
        self._turn(State("failed", words=words))

    def _show(self, examined: Examined | None) -> None:
        """Show the answer for a picture; if the model refuses it, say so, and wait to be asked."""
        if examined is not None:
            with self._guard(examined.prediction.source):
                points = self._background.examiner.answering(examined.drawn).checkpoint.operating_points
                self._become(judged(examined, self.insist, points, self.sensitivity))

    def _become(self, state: State) -> None:
        """Take on a state, tell of it in the traits, and let the page follow.

        Whoever hears of it, and another thread, may turn to another state meanwhile; then that one stands.
        """
        self._state, examined = state, state.examined
        self.prediction = examined.prediction if examined else None
        self.error = ""  # first, so that the same words said of the next picture are heard, too
        if examined is None:
            self.explanation, self.insist = None, False
            self.error = state.words or "" if state.kind == "failed" else ""
        if self._state is not state:
            return
        parts = shown(state)
        self._tabs.show(parts)
        another = self._explore.show(parts)
        if another:
            self._explain()
        if self._state is state:
            self._explore.say(parts)
            if parts.label:
                self._picker.label(self._film, parts.label)
        if another and examined is not None and self._state.on_view is examined:  # in this state or a later one
            self._follow(examined)

    def _follow(self, examined: Examined) -> None:
        """Let the sharp picture follow the answer and its map, then the other maps and similar cases."""

        def take_photo(photo: bytes) -> None:
            examined.photo = photo
            if self._state.on_view is examined:
                self._view.put_photo(photo)

        def take(found: tuple[Case, Similar]) -> None:
            examined.case, examined.similar = found
            state = self._state
            if state.on_view is examined:
                self._view.put_completed(examined.case)
                self._tabs.compare(examined)
                self._explore.show(shown(state))

        def failed(error: Exception) -> None:
            if self._state.on_view is examined:
                self._refuse(sentence(error, examined.picture.name))

        self._background.submit(lambda _: photo_of(examined.picture), take_photo, failed)
        self._job = self._background.submit(lambda examiner: rest_of(examiner, examined), take, failed)

    def _explain(self) -> None:
        """Make the explanation of the chosen class and layer for the picture on view."""
        examined = self._state.on_view
        if examined is None:
            return
        with self._guard(examined.picture.name):
            target = self.target or examined.prediction.diagnosis
            against = self.against if self.against != target else None
            case, picture = examined.case, examined.picture
            if case.holds(self.layer, self.method, contrast=against is not None):
                self.explanation = case.explanation(target, self.layer, self.method, against).on(picture)
            else:  # its maps are still being computed, or the method has no exact contrast
                made = self._background.explain_now(case, target, self.layer, self.method, against, examined.drawn)
                self.explanation = made and made.on(picture)

    @contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        """Show a refusal as it is; show any defect as one plain sentence, and log its details."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - `sentence` logs it; the old result must not stay
            self._refuse(sentence(error, name))

"""``Explorer``: upload a dermoscopic image, see what the classifier answers, and why.

It is driven by its traits, with or without a browser::

    explorer = Explorer()
    explorer.image = "lesion.jpg"
    explorer.target = "MEL"
    explorer.prediction, explorer.explanation

Set from Python, a trait acts at once. What a person does in the browser is worked on in the background, so that the
page answers meanwhile; of two uploads the last one wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

import ipywidgets
import traitlets

from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES, target_index
from lesionviz.errors import LesionvizError, TooManyPixelsError
from lesionviz.explanation.methods import METHODS, find_method
from lesionviz.imaging import ImageSource, LesionImage, open_image
from lesionviz.network import LAYERS, check_layer
from lesionviz.widgets.batch.batch import Batch
from lesionviz.widgets.case.answer import answer_html, notice_html, refusal_sentence, similar_html
from lesionviz.widgets.case.bundle import photo_of
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.compare.compare import Compare
from lesionviz.widgets.explorer.image_picker import ImagePicker
from lesionviz.widgets.export.export import case_page, case_sheet
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.parts.downloads import Downloads
from lesionviz.widgets.parts.encoding import jpeg
from lesionviz.widgets.parts.front_end import style
from lesionviz.widgets.parts.masthead import Masthead
from lesionviz.widgets.parts.recovery import Part
from lesionviz.widgets.parts.status import Kind, Status
from lesionviz.widgets.parts.upload import Arrived
from lesionviz.widgets.quiz.quiz import Quiz

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.prediction import Prediction
    from lesionviz.similarity import SimilarCase

SENSITIVITIES = (0.8, 0.85, 0.9, 0.95)
SIMILAR = 5
SMALL = (260, 200)
REFUSED = (520, 390)
"""Pixels of a picture that gets no answer, twice what it takes of the page."""


@dataclass
class _Examined:
    """The picture that somebody asked about, and what the classifier saw in it.

    Attributes:
        picture: in its full size.
        case: the classifier's; completed after a while.
        photo: the picture as the browser shows it; empty until it was made.
    """

    picture: LesionImage
    case: Case
    photo: bytes = b""

    @property
    def prediction(self) -> Prediction:
        """The answer."""
        return self.case.prediction


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
        method: how maps are made: ``gradcam``, ``hirescam``, ``layercam`` or ``gradcam++``.
        alpha: share of the heatmap in the overlay, 0 to 1.
        prediction: the answer for ``image``; None until there is one.
        explanation: the map on view; None until there is one. What a person turns in the browser arrives here when
            the focus leaves the view.
        sensitivity: share of melanomas that a threshold should find (0.8, 0.85, 0.9 or 0.95), to see beside the
            answer whether this picture is above it; None shows no threshold.
        insist: show the answer although the model refuses the picture (``prediction.refusal`` says why); a new
            picture sets it back.
        error: what is wrong with the last input, in a sentence; empty when nothing is.
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
        self._comparison: Compare | None = None
        self._tabs: dict[str, ipywidgets.DOMWidget] = {}
        self._examined: _Examined | None = None
        self._in_view: _Examined | None = None  # what picture and maps were sent of
        self._job = Job()
        self._film = self._second_film = -1
        self._input_size = 224  # until the model is there; only for the words of an error
        self._masthead = Masthead()
        self._view = CaseView()
        self._status = Status(self._parts_to_say_again)
        self._answer, self._similar = ipywidgets.HTML(), ipywidgets.HTML()
        self._threshold = ipywidgets.Dropdown(
            options=[("off", 0.0)] + [(f"find {s:.0%} of melanomas", s) for s in SENSITIVITIES],
            value=0.0,
            description="Threshold for melanoma",
        )
        self._insist = ipywidgets.Button(description="Show the answer anyway")
        self._insist.on_click(lambda _: setattr(self, "insist", True))
        self._downloads = Downloads({"page": "Web page", "pdf": "PDF", "png": "Picture"}, self._export)
        self._picker = ImagePicker(
            synthetic_samples(),
            on_start=self._upload_started,
            on_hold=self._upload_held,
            on_file=self._upload_arrived,
            on_sample=self._sample_chosen,
            on_removed=self._picture_removed,
            on_problem=self._upload_failed,
        )
        notice = ipywidgets.HTML(notice_html())
        self._result = ipywidgets.VBox([self._answer, self._threshold, self._view, self._downloads, self._similar])
        self._outcome = ipywidgets.VBox([self._insist, self._result])
        self._explore = ipywidgets.VBox([self._picker, self._status, self._outcome])
        self._room = ipywidgets.VBox([self._explore])
        for widget, name in (
            (notice, "lv-notice-box"),
            (self._room, "lv-room"),
            (self._explore, "lv-explore"),
            (self._outcome, "lv-outcome"),
            (self._insist, "lv-insist"),
            (self._insist, "lv-needs-kernel"),
            (self._threshold, "lv-needs-kernel"),
            (self._result, "lv-result"),
            (self._answer, "lv-answer-box"),
        ):
            widget.add_class(name)
        super().__init__(
            children=[
                ipywidgets.HTML(f"<style>{style('parts/base', 'case/answer', 'explorer/explorer')}</style>"),
                self._masthead,
                notice,
                self._room,
            ]
        )
        self.add_class("lv")
        self.add_class("lv-explorer")
        self._tabs["explore"] = self._explore
        self._masthead.observe(lambda change: self._show_tab(change.new), "tab")
        for name in ("layer", "method", "alpha"):
            traitlets.link((self, name), (self._view, name))
        for name in ("target", "against"):
            traitlets.dlink((self, name), (self._view, name), lambda code: code or "")
            traitlets.dlink((self._view, name), (self, name), lambda code: code or None)
        traitlets.dlink((self, "sensitivity"), (self._threshold, "value"), lambda share: share or 0.0)
        traitlets.dlink((self._threshold, "value"), (self, "sensitivity"), lambda share: share or None)
        self.observe(lambda change: self._open(change.new), "image")
        self.observe(lambda _: self._show_answer(), ["insist", "sensitivity"])
        self.observe(lambda _: self._explain(), ["target", "against", "layer", "method"])
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
        if proposal.value is not None and proposal.value not in SENSITIVITIES:
            choices = ", ".join(map(str, SENSITIVITIES))
            raise LesionvizError(f"The sensitivity must be one of {choices}, or None, not {proposal.value!r}.")
        value: float | None = proposal.value
        return value

    # --- tabs ------------------------------------------------------------------------------------------------------

    def _show_tab(self, key: str) -> None:
        """Show one tab; its part is made when somebody first looks, so that the page comes up quickly."""
        with self._guard("This part of the page"):
            if key not in self._tabs:
                self._tabs[key] = self._make_tab(key)
                self._room.children = (*self._room.children, self._tabs[key])
            for name, part in self._tabs.items():
                part.layout.display = "" if name == key else "none"

    def _make_tab(self, key: str) -> ipywidgets.DOMWidget:
        if key == "batch":
            return Batch(self._background, on_open=self._open_from_batch)
        if key == "quiz":
            return Quiz(classifier=self._background)
        self._comparison = Compare(self._background)
        if self._refused:
            self._say_nothing_to_compare()
        elif self._examined is not None:
            self._comparison.put(self._examined.case, self._examined.photo)
        return self._comparison

    def _say_nothing_to_compare(self) -> None:
        """Say in Compare why the picture on view is not there."""
        if self._comparison is not None and self._examined is not None:
            self._comparison.say(
                f"{self._examined.picture.name} got no answer, so it has no maps to compare. Under Explore, “Show the "
                "answer anyway” brings it here."
            )

    def _compare_tab(self) -> Compare:
        """Turn to the comparison."""
        self._masthead.tab = "compare"
        assert self._comparison is not None  # made with its tab
        return self._comparison

    def _open_from_batch(self, name: str, data: bytes) -> None:
        """Show a picture of the batch by itself."""
        self._upload_started(name)
        self._masthead.tab = "explore"  # afterwards, so that the last picture is not seen there
        self._upload_arrived(Arrived(-1, name, data), second=False)

    # --- the model -------------------------------------------------------------------------------------------------

    def _model_ready(self, classifier: LesionClassifier) -> None:
        size, name = classifier.preprocessing.size, classifier.checkpoint.file_sha256[:8] or "in memory"
        self._input_size = size
        self._masthead.model_words = f"Model ready: EfficientNet-B0, {size} × {size} pixels, {name}"

    def _model_failed(self, error: Exception) -> None:
        self._masthead.model_words = "No model"
        self._refuse(sentence(error, "The model"))

    # --- pictures arrive -------------------------------------------------------------------------------------------

    def _picture_removed(self, identity: int, last: bool) -> None:
        """Forget a picture that the person has taken away; where no other takes its place, show none."""
        if identity == self._second_film and self._comparison is not None:
            self._comparison.clear_second()
        if last:
            self._start_anew("empty")

    def _start_anew(self, kind: Kind, name: str = "") -> None:
        """Take the last picture away, and say where the next one stands."""
        self._job.cancel()
        with self._status.hold_sync():  # the page goes from one state to the other, with none between
            self._set_image(None)
            self._clear()  # also when there was no image, but an error
            self._say(kind, name=name)

    def _upload_started(self, name: str) -> None:
        self._start_anew("receiving", name)

    def _upload_held(self, name: str) -> None:
        self._start_anew("held", name)

    def _upload_failed(self, words: str, second: bool) -> None:
        if second:
            self._compare_tab().say(words)  # the picture on view stays
        else:
            self._refuse(words)

    def _parts_to_say_again(self) -> list[Part]:
        """Return what only Python knows of the page round the picture on view."""
        return [
            (self._masthead, ["tab", "model_words"]),
            (self._room, ["children"]),
            *((part.layout, ["display"]) for part in (*self._tabs.values(), self._threshold, self._similar)),
            (self._answer, ["value"]),
            (self._similar, ["value"]),
            (self._view, ["case", "maps"]),
        ]

    def _say(self, kind: Kind, words: str | None = None, *, name: str = "", picture: bytes = b"") -> None:
        """Tell the page where the picture on view stands; what it shows follows from that."""
        self._status.say(kind, words, request=self._picker.request, name=name, picture=picture)

    def _upload_arrived(self, arrived: Arrived, second: bool) -> None:
        """Examine an uploaded file in the background; a newer one makes this result unwanted."""
        if second:
            self._put_beside(arrived)
            return
        self._film = arrived.id
        waiting = "" if self._background.ready else " The model is still being loaded."
        self._say("working", f"Looking at {arrived.name} …{waiting}", name=arrived.name)

        def work(classifier: LesionClassifier) -> _Examined:
            return _examine(classifier, open_image(arrived.data, arrived.name))

        def failed(error: Exception) -> None:
            self._refuse(sentence(error, arrived.name))
            self._picker.label(arrived.id, "cannot be used", False, isinstance(error, TooManyPixelsError))

        self._job = self._background.submit(work, self._take, failed)

    def _put_beside(self, arrived: Arrived) -> None:
        """Examine a file and compare it with the picture on view."""
        if self._comparison is not None:
            self._comparison.clear_second()  # before it is looked at
        compare = self._compare_tab()
        if self._refused:
            self._say_nothing_to_compare()
            return
        self._second_film = arrived.id

        def take(examined: _Examined) -> None:
            compare.mode = "two pictures"
            if examined.prediction.refusal:
                compare.say(refusal_sentence(examined.prediction))
                self._picker.label(arrived.id, "no answer")
            else:
                compare.put_second(examined.case, examined.photo)

        def failed(error: Exception) -> None:
            compare.say(sentence(error, arrived.name))

        def work(classifier: LesionClassifier) -> _Examined:
            examined = _examine(classifier, open_image(arrived.data, arrived.name))
            return replace(examined, case=classifier.complete(examined.case), photo=photo_of(examined.picture))

        compare.await_second(arrived.name)
        compare.drop_with_second(self._background.submit(work, take, failed))

    def _sample_chosen(self, sample: LesionImage) -> None:
        """Show a drawn sample with its answer: everyone knows that it is a drawing, and it is there to be tried."""
        self._upload_started(sample.name)
        self._film = -1

        def take(examined: _Examined) -> None:
            self._take(examined)
            self.insist = True

        self._job = self._background.submit(
            lambda classifier: _examine(classifier, sample),
            take,
            lambda error: self._refuse(sentence(error, sample.name)),
        )

    def _take(self, examined: _Examined) -> None:
        """Make an examined picture the one on view."""
        self._examined = examined
        self._set_image(examined.picture)

    def _set_image(self, image: ImageSource | None) -> None:
        self.image = image

    def _refuse(self, words: str) -> None:
        """Show what is wrong instead of any result."""
        with self._status.hold_sync():
            self._set_image(None)
            self._clear()
            self.error = words
            self._say("failed", words)

    def _open(self, source: ImageSource | None) -> None:
        """Clear the old result, then show the new picture's."""
        examined, self._examined = self._examined, None
        self._clear()
        if source is None:
            self._say("empty")
            return
        with self._guard("This picture"):
            if examined is None or examined.picture is not source:  # set from Python: examine it now
                self._job.cancel()
                self._film = -1
                picture = open_image(source)
                self._say("working", f"Looking at {picture.name} …", name=picture.name)
                examined = _examine(self._background.classifier, picture)
            self._examined, self.prediction = examined, examined.prediction
            self._show_answer()

    # --- the result ------------------------------------------------------------------------------------------------

    @property
    def _refused(self) -> bool:
        return self._examined is not None and bool(self._examined.prediction.refusal) and not self.insist

    @property
    def _point(self) -> Mapping[str, float] | None:
        """The operating point that the person chose."""
        points = self._background.classifier.checkpoint.operating_points
        return next((point for point in points if point["sensitivity"] == self.sensitivity), None)

    def _show_answer(self) -> None:
        """Show the answer for the picture on view; if the model refuses it, say so, and wait to be asked."""
        if self._examined is None:
            return
        prediction = self._examined.prediction
        with self._guard(prediction.source):
            if self._refused:
                small = jpeg(self._examined.picture.pixels, REFUSED)
                self._say("refused", refusal_sentence(prediction), name=prediction.source, picture=small)
                self._say_nothing_to_compare()
                self._picker.label(self._film, "no answer")
                return
            self._answer.value = answer_html(prediction, self._point)
            _display(self._threshold, bool(self._background.classifier.checkpoint.operating_points))
            # `explanation` would not tell: JupyterLab may run messages of widgets in several threads (subshells), so a
            # class that was turned just before may make one meanwhile; seen in a log of calls under load.
            if self._in_view is not self._examined:
                self._in_view = self._examined
                self._show_case(self._examined)
            self._say("answered", name=prediction.source)  # last: what belongs to it is on the page by now
            self._picker.label(
                self._film,
                "not valid" if prediction.refusal else f"{prediction.diagnosis} {prediction.confidence:.0%}",
            )

    def _show_case(self, examined: _Examined) -> None:
        """Send picture and first maps to the browser, the other maps as soon as they are computed."""
        picture = examined.picture
        self._view.show(examined.case, picture, examined.photo)
        self._explain()

        def take_photo(photo: bytes) -> None:
            examined.photo = photo
            if self._examined is examined:
                self._view.put_photo(photo)

        def take(found: tuple[Case, list[tuple[SimilarCase, bytes]]]) -> None:
            examined.case, similar = found
            self._view.put_completed(examined.case)
            if self._comparison is not None:
                self._comparison.put(examined.case, examined.photo)
            self._similar.value = similar_html(similar) if similar else ""
            _display(self._similar, bool(similar))

        def failed(error: Exception) -> None:
            self._refuse(sentence(error, picture.name))

        # The answer and its map are on view; the sharp picture follows, then the other maps.
        self._background.submit(lambda _: photo_of(picture), take_photo, failed)
        self._job = self._background.submit(
            lambda classifier: (classifier.complete(examined.case), _similar_cases(classifier, picture)),
            take,
            failed,
        )

    def _explain(self) -> None:
        """Make the explanation of the chosen class and layer for the picture on view."""
        if self._examined is None or self._refused:
            return
        with self._guard(self._examined.picture.name):
            target = self.target or self._examined.prediction.diagnosis
            against = self.against if self.against != target else None
            case, picture = self._examined.case, self._examined.picture
            if case.holds(self.layer, self.method, contrast=against is not None):
                self.explanation = case.explanation(target, self.layer, self.method, against).on(picture)
            else:  # the other maps are still being computed, or the method has no exact contrast
                classifier = self._background.classifier
                self.explanation = classifier.explain(picture, target, self.layer, self.method, against)

    def _clear(self) -> None:
        self._examined = self._in_view = self.prediction = self.explanation = None
        self.insist = False
        self.error = self._answer.value = self._similar.value = ""
        _display(self._similar, False)
        self._view.clear()
        self._downloads.clear()
        if self._comparison is not None:
            self._comparison.clear()

    # --- export ----------------------------------------------------------------------------------------------------

    def _export(self, key: str) -> None:
        """Make a file of the case on view and hand it to the browser."""
        if self._examined is None or self._refused:
            return
        examined, prediction = self._examined, self._examined.prediction
        name = PurePath(prediction.source).stem
        stem = "".join(letter if letter.isalnum() else "-" for letter in name).strip("-") or "case"

        def work(classifier: LesionClassifier) -> tuple[str, bytes, str]:
            now, checkpoint, case = datetime.now(), classifier.checkpoint, classifier.complete(examined.case)
            if key == "page":
                page = case_page(case, self._view, checkpoint, now, self._point)
                return f"{stem}.html", page.encode(), "text/html"
            kind: Literal["pdf", "png"] = "pdf" if key == "pdf" else "png"
            sheet = case_sheet(case, self._view, checkpoint, now, kind, self._point)
            return f"{stem}.{kind}", sheet, "application/pdf" if key == "pdf" else "image/png"

        def done(made: tuple[str, bytes, str]) -> None:
            if self._examined is examined:
                self._downloads.deliver(*made)
            else:  # the view may have turned to the next picture while it was being read
                self._downloads.fail(f"{prediction.source} is no longer on view, so no file was made of it.")

        def failed(error: Exception) -> None:
            if self._examined is examined:
                self._downloads.fail(sentence(error, "The file"))

        self._background.submit(work, done, failed)

    @contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        """Show a refusal as it is; show any defect as one plain sentence, and log its details."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - `sentence` logs it; the old result must not stay
            self._refuse(sentence(error, name))


def _display(widget: ipywidgets.DOMWidget, visible: bool) -> None:
    widget.layout.display = "" if visible else "none"


def _examine(classifier: LesionClassifier, picture: LesionImage) -> _Examined:
    """Have a picture looked at; for the background thread."""
    return _Examined(picture, classifier.examine(picture))


def _similar_cases(classifier: LesionClassifier, picture: LesionImage) -> list[tuple[SimilarCase, bytes]]:
    """Return the nearest cases of the user's own index with small pictures, nothing where there is no index."""
    if not classifier.index_path.exists():
        return []
    return [(case, _thumbnail(case.path)) for case in classifier.similar(picture, SIMILAR)]


def _thumbnail(path: str) -> bytes:
    """Return a small JPEG of an indexed image; nothing where its file has gone since."""
    try:
        return jpeg(open_image(path).pixels, SMALL)
    except LesionvizError:
        return b""

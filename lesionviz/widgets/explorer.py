"""``Explorer``: upload a dermoscopic image, see what the classifier answers, and why.

It is driven by its traits, with or without a browser::

    explorer = Explorer()
    explorer.image = "lesion.jpg"
    explorer.target = "MEL"
    explorer.prediction, explorer.explanation
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES, DIAGNOSES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.imaging import ImageSource, LesionImage, open_image
from lesionviz.network import LAYERS, check_layer, describe_grid
from lesionviz.widgets.answer import answer_html, message_html, notice_html, refusal_sentence, title_html
from lesionviz.widgets.case_view import CaseView
from lesionviz.widgets.image_picker import ImagePicker

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

LOG = logging.getLogger(__name__)
STYLE = (Path(__file__).parent / "static" / "explorer.css").read_text(encoding="utf-8")
PREDICTED = "the model's answer"
"""Choice of target class that follows the answer."""
SENSITIVITIES = (0.8, 0.85, 0.9, 0.95)
HINT = "Choose a dermoscopic image, or try one of the samples."


class Explorer(ipywidgets.VBox):  # type: ignore[misc]
    """The whole instrument, as one widget.

    Args:
        classifier: what to question; by default the bundled one, which is loaded in the background
            so that the interface appears at once.

    Attributes:
        image: a path, bytes, PIL image or uint8 array (H, W, 3); setting it asks the classifier.
        target: code of the class to explain, or None for the predicted one.
        layer: the block whose map is shown.
        alpha: share of the heatmap in the overlay, 0 to 1, when set from Python. A slider moved by a
            person stays in the browser.
        prediction: the answer for ``image``; None until there is one.
        explanation: the map on view; None until there is one.
        sensitivity: share of melanomas that a threshold should find (0.8, 0.85, 0.9 or 0.95), to see beside the
            answer whether this picture is above it; None shows no threshold.
        insist: show the answer although the model refuses the picture (``prediction.refusal`` says why); a new
            picture sets it back.
        error: what is wrong with the last input, in a sentence; empty when nothing is.
    """

    image = traitlets.Any(None, allow_none=True)
    target = traitlets.Unicode(None, allow_none=True)
    layer = traitlets.Unicode(LAYERS[-1])
    alpha = traitlets.Float(0.5, min=0, max=1)
    prediction = traitlets.Any(None, allow_none=True)
    explanation = traitlets.Any(None, allow_none=True)
    sensitivity = traitlets.Float(None, allow_none=True)
    insist = traitlets.Bool(False)
    error = traitlets.Unicode("")

    def __init__(self, classifier: LesionClassifier | None = None) -> None:
        self._classifier = _available(classifier) if classifier else _loading()
        self._picture: LesionImage | None = None
        self._view = CaseView()
        self._message = ipywidgets.HTML(message_html(HINT, "hint"))
        self._answer = ipywidgets.HTML()
        self._target = ipywidgets.Dropdown(
            options=[(PREDICTED, "")] + [(f"{d.name} ({d.code})", d.code) for d in DIAGNOSES],
            value="",
            description="Explain",
        )
        self._layer = ipywidgets.Dropdown(options=LAYERS[::-1], value=self.layer, description="Layer")
        self._threshold = ipywidgets.Dropdown(
            options=[("off", 0.0)] + [(f"find {s:.0%} of melanomas", s) for s in SENSITIVITIES],
            value=0.0,
            description="Threshold",
        )
        self._threshold.add_class("lv-threshold-choice")
        self._controls = ipywidgets.HBox([self._target, self._layer, self._threshold])
        self._insist = ipywidgets.Button(description="Show the answer anyway")
        self._insist.on_click(lambda _: setattr(self, "insist", True))
        self._insist.add_class("lv-insist")
        self._insist.layout.display = "none"
        picker = ImagePicker(
            synthetic_samples(),
            on_start=self._upload_started,
            on_file=self._upload_arrived,
            on_sample=self._set_sample,
            on_problem=self._refuse,
        )
        notice = ipywidgets.HTML(notice_html())
        for widget, name in (
            (notice, "lv-notice-box"),
            (self._controls, "lv-controls"),
            (self._answer, "lv-answer-box"),
            (self._message, "lv-message-box"),
        ):
            widget.add_class(name)
        super().__init__(
            children=[
                ipywidgets.HTML(f"<style>{STYLE}</style>{title_html()}"),
                notice,
                picker,
                self._message,
                self._insist,
                self._answer,
                self._controls,
                self._view,
            ]
        )
        self.add_class("lv-explorer")
        self._show_result(False)
        traitlets.link((self, "layer"), (self._layer, "value"))
        traitlets.dlink((self, "target"), (self._target, "value"), lambda code: code or "")
        traitlets.dlink((self._target, "value"), (self, "target"), lambda code: code or None)
        traitlets.dlink((self, "alpha"), (self._view, "alpha"))
        traitlets.dlink((self, "sensitivity"), (self._threshold, "value"), lambda share: share or 0.0)
        traitlets.dlink((self._threshold, "value"), (self, "sensitivity"), lambda share: share or None)
        self.observe(lambda change: self._open(change.new), "image")
        self.observe(lambda _: self._show_answer(), ["insist", "sensitivity"])
        self.observe(lambda _: self._explain(), ["target", "layer"])

    @traitlets.validate("target")
    def _valid_target(self, proposal: Any) -> str | None:
        return None if proposal.value is None else CODES[target_index(proposal.value)]

    @traitlets.validate("layer")
    def _valid_layer(self, proposal: Any) -> str:
        future = self._classifier
        size = future.result().preprocessing.size if future.done() and not future.exception() else 224
        return check_layer(proposal.value, size)

    @traitlets.validate("sensitivity")
    def _valid_sensitivity(self, proposal: Any) -> float | None:
        if proposal.value is not None and proposal.value not in SENSITIVITIES:
            choices = ", ".join(map(str, SENSITIVITIES))
            raise LesionvizError(f"The sensitivity must be one of {choices}, or None, not {proposal.value!r}.")
        value: float | None = proposal.value
        return value

    def _set_sample(self, sample: LesionImage) -> None:
        """Show a drawn sample with its answer: everyone knows that it is a drawing, and it is there to be tried."""
        self._set_image(sample)
        self.insist = True

    def _set_image(self, image: ImageSource | None) -> None:
        self.image = image

    def _upload_started(self, name: str) -> None:
        self._set_image(None)
        self._clear()  # also when there was no image, but an error
        self._message.value = message_html(f"Receiving {name} …", "working")

    def _upload_arrived(self, name: str, data: bytes) -> None:
        with self._guard(name):
            self._set_image(open_image(data, name))

    def _refuse(self, sentence: str) -> None:
        """Show what is wrong instead of any result."""
        self._set_image(None)
        self.error = sentence
        self._message.value = message_html(sentence, "error")

    def _open(self, source: ImageSource | None) -> None:
        """Clear the old result, then ask the classifier about the new picture."""
        self._clear()
        if source is None:
            return
        with self._guard("This picture"):
            picture = open_image(source)
            self._message.value = message_html(f"Looking at {picture.name} …", "working")
            classifier = self._classifier.result()
            self._name_layers(classifier.preprocessing.size)
            self.prediction = classifier.predict(picture)
            self._picture = picture
            self._threshold.layout.display = "" if classifier.checkpoint.operating_points else "none"
            self._show_answer()

    def _show_answer(self) -> None:
        """Show the answer for the picture on view; if the model refuses it, say so, and wait to be asked."""
        if self._picture is None:
            return
        with self._guard(self._picture.name):
            refused = bool(self.prediction.refusal) and not self.insist
            self._insist.layout.display = "" if refused else "none"
            self._show_result(not refused)
            if refused:
                self._message.value = message_html(refusal_sentence(self.prediction), "refused")
                return
            points = self._classifier.result().checkpoint.operating_points
            point = next((point for point in points if point["sensitivity"] == self.sensitivity), None)
            self._answer.value = answer_html(self.prediction, point)
            self._message.value = ""
            if self.explanation is None:
                self._explain()

    def _clear(self) -> None:
        self._picture = self.prediction = self.explanation = None
        self.insist = False
        self._insist.layout.display = "none"
        self.error = self._answer.value = ""
        self._message.value = message_html(HINT, "hint")
        self._view.clear()
        self._show_result(False)

    def _explain(self) -> None:
        """Show the map of the chosen class and layer for the picture on view."""
        if self._picture is None or (self.prediction.refusal and not self.insist):
            return
        with self._guard(self._picture.name):
            classifier = self._classifier.result()
            target = self.target or self.prediction.diagnosis
            self.explanation = classifier.explain(self._picture, target, self.layer)
            self._view.show(self.explanation, classifier.preprocessing)

    def _name_layers(self, size: int) -> None:
        """Name each layer with its grid, once the input size is known."""
        place = {
            LAYERS[-1]: ", closest to the answer",
            LAYERS[0]: ", furthest from the answer",
        }
        options = [(f"{layer}, {describe_grid(layer, size)}{place.get(layer, '')}", layer) for layer in LAYERS[::-1]]
        if self._layer.options != tuple(options):
            with self.hold_trait_notifications():
                chosen = self.layer
                self._layer.options = options
                self._layer.value = chosen

    def _show_result(self, visible: bool) -> None:
        for widget in (self._answer, self._controls, self._view):
            widget.layout.display = "" if visible else "none"

    @contextmanager
    def _guard(self, name: str) -> Iterator[None]:
        """Show a refusal as it is; show any defect as one plain sentence, and log its details."""
        try:
            yield
        except LesionvizError as error:
            self._refuse(str(error))
        except Exception:
            # The last door before the person: whatever went wrong, the old result must not stay.
            LOG.exception("explorer failed on %s", name)
            self._refuse(f"{name} could not be examined: something inside lesionviz failed. See the log.")


def _loading() -> Future[LesionClassifier]:
    """Load the default classifier in the background: torch takes seconds to import."""

    def load() -> LesionClassifier:
        from lesionviz.classifier import load

        return load()

    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lesionviz-load")
    future = pool.submit(load)
    pool.shutdown(wait=False)
    return future


def _available(classifier: LesionClassifier) -> Future[LesionClassifier]:
    future: Future[LesionClassifier] = Future()
    future.set_result(classifier)
    return future

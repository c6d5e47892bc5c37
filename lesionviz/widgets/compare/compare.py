"""``Compare``: maps of one case side by side, by class, layer or method, or the same map of two pictures or two models.

Raw maps travel once, as for ``CaseView``; the browser draws every tile, on one scale, under one pointer. What a person
chose is handed over when the focus leaves. Every trait and message may come from whoever has the page's kernel id, and
nothing that Python relies on is read back from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import traitlets

from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging import ImageSource, open_image
from lesionviz.trust.second_model import FIRST, Opinion, SecondModel
from lesionviz.trust.two_models import Model
from lesionviz.widgets.case.bundle import case_bundle, pack_maps, photo_of
from lesionviz.widgets.case.map_widget import MapWidget
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier
    from lesionviz.cluster import Examiner
    from lesionviz.imaging import LesionImage

Mode: TypeAlias = Literal[
    "by class", "by layer", "by method", "why one and not another", "two pictures", "two models"
]
MODES: tuple[Mode, ...] = get_args(Mode)
SHARED_SCALES = ("", "shared", "each its own")
EVIDENCE = ("", "for", "for and against")
PLACES = ("case", "maps", "second", "second_maps", "other", "other_maps")
"""The traits of the two pictures, and of the first as a second model saw it."""


class _Place:
    """One of the two pictures, or the first by a second model: what the kernel knows, whatever a browser may claim."""

    def __init__(self, case: str, maps: str) -> None:
        self.case, self.maps = case, maps
        """Names of the traits that tell the browser."""
        self.looked: Case | None = None
        self.jobs: list[Job] = []
        self.completing = False
        self.asked: set[str] = set()

    def reset(self, case: Case | None = None) -> None:
        for job in self.jobs:
            job.cancel()
        self.looked, self.jobs, self.completing, self.asked = case, [], False, set()


class Compare(MapWidget):
    """Maps side by side on one scale.

    Args:
        classifier: what to ask; or a :class:`Background` shared with other widgets. By default the bundled one,
            which is loaded in the background.
        second: another model, to hold its maps of the same picture against the first one's.

    Attributes:
        mode: what differs between the tiles; one of ``MODES``.
        target: code of the class whose evidence is shown; empty follows the model's answer for the first picture.
        against: code of the class held against it in the mode ``"why one and not another"``; empty takes NV, or MEL
            when NV is explained.
        layer: the block whose maps are shown, except in the mode ``"by layer"``.
        method: how maps are made, except in the mode ``"by method"``.
        scale: ``"shared"``, ``"each its own"``, or empty for what suits the mode: methods each their own, as their
            values are different things, and models, as their logits are; everything else shared. Layers share evidence per
            picture area (value × cells²).
        evidence: ``"for"`` the class, ``"for and against"``, or empty for what suits the mode: both for a contrast.
        colours: the colour map of positive evidence.
        alpha: share of the heatmap in the tiles, 0 to 1.
        threshold: evidence below this share of the scale is not drawn, 0 to 1.
        message: what is being done, or why something could not be; empty when there is nothing to say.
        waiting: name of the picture that is being looked at, while one is.
        case, second: the two pictures as the browser gets them (``bundle.py``); empty when there is none.
        maps, second_maps: their packed maps by method.
        other, other_maps: the same of the first picture as a second model saw it, without the photograph.
        models: what the two models are called; empty where there is one.
        alone: whether there can be one model only, as in a class.
    """

    _esm = script(
        "parts/dom",
        "parts/lifeline",
        "parts/recovery",
        "case/maps",
        "case/stage",
        "case/controls",
        "compare/compare_tiles",
        "compare/compare",
        "compare/compare_widget",
    )
    _css = style("parts/base", "case/stage", "case/case_view", "compare/compare")

    second = traitlets.Dict().tag(sync=True)
    second_maps = traitlets.Dict().tag(sync=True)
    other = traitlets.Dict().tag(sync=True)
    other_maps = traitlets.Dict().tag(sync=True)
    models: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)
    alone = traitlets.Bool(False).tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    waiting = traitlets.Unicode("").tag(sync=True)
    mode = traitlets.Enum(MODES, MODES[0]).tag(sync=True)
    scale = traitlets.Enum(SHARED_SCALES, SHARED_SCALES[0]).tag(sync=True)
    evidence = traitlets.Enum(EVIDENCE, EVIDENCE[0]).tag(sync=True)
    alpha = traitlets.Float(0.8, min=0, max=1).tag(sync=True)

    def __init__(
        self,
        classifier: LesionClassifier | Background | None = None,
        second: LesionClassifier | None = None,
        **traits: Any,
    ) -> None:
        super().__init__(**traits)
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        if second is not None:
            self._background.stand_beside(second)
        self.alone = self._background.line is not None
        self._first, self._second = _Place("case", "maps"), _Place("second", "second_maps")
        self._other = _Place("other", "other_maps")
        self._awaited: _Place | None = None
        self.on_msg(self._on_message)

    def show(self, image: ImageSource) -> None:
        """Ask the classifier about a picture and compare its maps; a second picture goes.

        Returns at once where a kernel's loop runs, and shows the maps when they are there.

        Args:
            image: a path, bytes, PIL image or uint8 array (H, W, 3).

        Raises:
            LesionvizError: it cannot be used; see :func:`lesionviz.imaging.open_image`. What goes wrong later is said
                in ``message``.
        """
        picture = open_image(image)
        self.clear()
        self._examine(self._first, picture)
        if self._background.second.model is not None:
            self._ask(self._background.second.model, picture)

    def add(self, image: ImageSource) -> None:
        """Put a second picture beside the first, and compare the two.

        Args and errors are those of :meth:`show`.

        Raises:
            LesionvizError: there is no first picture yet.
        """
        picture = open_image(image)
        if self._first.looked is None and not self._first.jobs:
            raise LesionvizError(
                f"{picture.name} has nothing to be compared with. Call show(image) with the first picture before add."
            )
        self.clear_second()
        self.mode = "two pictures"
        self._examine(self._second, picture)

    def put(self, case: Case, photo: bytes, drawn: bool = False) -> None:
        """Show a case that was looked at elsewhere; a second picture stays.

        Args:
            case: from the classifier; where it is not completed, the maps that lack are asked for.
            photo: of the picture, from :func:`lesionviz.widgets.case.bundle.photo_of`.
            drawn: whether the network answered that knows drawings alone.
        """
        self._put(self._first, case, photo, drawn)

    def put_second(self, case: Case, photo: bytes) -> None:
        """Put a photograph's case that was looked at elsewhere beside the first; args as for :meth:`put`."""
        self._put(self._second, case, photo)

    def put_model(self, opinion: Opinion) -> None:
        """Put what a second model saw in the first picture beside what the first saw there; its case is completed."""
        if self._first.looked is None or self._first.looked.upload != opinion.case.upload:
            return  # of a picture that is gone
        with self.hold_sync():
            self.models = [Model.of(self._background.examiner.checkpoint, FIRST).title, opinion.second.model.title]
            self._put(self._other, opinion.case, b"")

    def clear_model(self) -> None:
        """Take away what a second model saw."""
        self._other.reset()
        with self.hold_sync():
            self.other, self.other_maps, self.models = {}, {}, []

    def drop_with_second(self, job: Job) -> None:
        """Tie work on the second picture to it: when it is taken away or another comes, nothing of this does."""
        self._second.jobs.append(job)

    def say(self, words: str) -> None:
        """Set ``message``; nothing is being looked at."""
        self._say(words, "", None)

    def await_second(self, name: str) -> None:
        """Say that the second picture is being looked at elsewhere."""
        self._await(self._second, name)

    def _await(self, place: _Place, name: str) -> None:
        self._say(f"Looking at {name} …", name, place)

    def _say(self, words: str, waiting: str, place: _Place | None) -> None:
        self._awaited = place
        with self.hold_sync():
            self.message, self.waiting = words, waiting

    def clear(self) -> None:
        """Take both pictures away."""
        self.clear_second()
        self.clear_model()
        self._clear(self._first)

    def clear_second(self) -> None:
        """Take the second picture away, and what was compared with it."""
        self._clear(self._second)
        if self.mode == "two pictures":
            self.mode = MODES[0]

    def _clear(self, place: _Place) -> None:
        place.reset()
        with self.hold_sync():
            self.say("")
            self.set_trait(place.case, {})
            self.set_trait(place.maps, {})

    def _put(self, place: _Place, case: Case, photo: bytes, drawn: bool = False) -> None:
        place.reset(case)
        place.asked.add(self.method)
        if place is not self._other:
            self.input_size = case.input_size
        with self.hold_sync():
            if self._awaited in (None, place):
                self.say("")
            self._send_maps(place, case)
            self.set_trait(place.case, case_bundle(case, photo, drawn))

    def _send_maps(self, place: _Place, case: Case) -> None:
        """Send the maps that the browser has asked for, as far as the case holds them."""
        place.looked = case
        self.set_trait(place.maps, {method: pack_maps(case, method) for method in METHODS if method in place.asked})

    def _examine(self, place: _Place, picture: LesionImage) -> None:
        """Ask for the answer and all maps, in the background."""
        place.reset()

        def work(examiner: Examiner) -> tuple[Case, bytes]:
            return examiner.complete(examiner.examine(picture)), photo_of(picture)

        self._await(place, picture.name)
        place.jobs.append(
            self._background.submit(
                work, lambda result: self._put(place, *result), lambda error: self._failed(error, picture.name)
            )
        )

    def _ask(self, second: SecondModel, picture: LesionImage) -> None:
        """Ask a second model for its answer and all its maps, in the background."""

        def work(_examiner: Examiner) -> Opinion:
            return Opinion(second, second.classifier.complete(second.classifier.examine(picture)))

        self._other.jobs.append(
            self._background.submit(work, self.put_model, lambda error: self._failed(error, picture.name))
        )

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Send the maps of a method that the browser has not got; or say everything again."""
        if asks_again(content):
            say_again(self, [(self, [*PLACES, "models", "message", "waiting"])])
            return
        key = content.get("key") if isinstance(content, dict) and content.get("kind") == "method" else None
        if not isinstance(key, str) or key not in METHODS:
            return
        for place in (self._first, self._second, self._other):
            if place.looked is not None:
                place.asked.add(key)
                self._send_maps(place, place.looked)
                if not place.looked.completed and not place.completing and place is not self._other:
                    self._complete(place, place.looked)

    def _complete(self, place: _Place, case: Case) -> None:
        """Ask for the maps that a case lacks."""
        place.completing = True
        place.jobs.append(
            self._background.submit(
                lambda examiner: examiner.complete(case),
                lambda completed: self._send_maps(place, completed),
                lambda error: self._failed(error, case.name),
            )
        )

    def _failed(self, error: Exception, name: str) -> None:
        self.say(sentence(error, name))

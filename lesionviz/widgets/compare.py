"""``Compare``: maps of one case side by side, by class, layer or method, or the same map of two pictures.

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
from lesionviz.network import LAYERS
from lesionviz.widgets.background import Background, Job, sentence
from lesionviz.widgets.case import Bundle, all_maps, case_bundle
from lesionviz.widgets.front_end import script, style
from lesionviz.widgets.map_widget import MapWidget

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier
    from lesionviz.imaging import LesionImage

Mode: TypeAlias = Literal["by class", "by layer", "by method", "why one and not another", "two pictures"]
MODES: tuple[Mode, ...] = get_args(Mode)
SHARED_SCALES = ("", "shared", "each its own")
EVIDENCE = ("", "for", "for and against")


class _Place:
    """One of the two pictures: what the kernel knows of it, whatever a browser may claim."""

    def __init__(self, case: str, maps: str) -> None:
        self.case, self.maps = case, maps
        """Names of the traits that tell the browser."""
        self.picture: LesionImage | None = None
        self.packed: dict[str, Bundle] = {}
        self.jobs: list[Job] = []
        self.asked: set[str] = set()

    def reset(self, picture: LesionImage | None, packed: dict[str, Bundle]) -> None:
        for job in self.jobs:
            job.cancel()
        self.picture, self.packed, self.jobs, self.asked = picture, packed, [], set()


class Compare(MapWidget):
    """Maps side by side on one scale.

    Args:
        classifier: what to ask; or a :class:`Background` shared with other widgets. By default the bundled one,
            which is loaded in the background.

    Attributes:
        mode: what differs between the tiles; one of ``MODES``.
        target: code of the class whose evidence is shown; empty follows the model's answer for the first picture.
        against: code of the class held against it in the mode ``"why one and not another"``; empty takes NV, or MEL
            when NV is explained.
        layer: the block whose maps are shown, except in the mode ``"by layer"``.
        method: how maps are made, except in the mode ``"by method"``.
        scale: ``"shared"``, ``"each its own"``, or empty for what suits the mode: methods each their own, as their
            values are different things, everything else shared. Layers share evidence per picture area (value × cells²).
        evidence: ``"for"`` the class, ``"for and against"``, or empty for what suits the mode: both for a contrast.
        colours: the colour map of positive evidence.
        alpha: share of the heatmap in the tiles, 0 to 1.
        threshold: evidence below this share of the scale is not drawn, 0 to 1.
        message: what is being done, or why something could not be; empty when there is nothing to say.
        case, second: the two pictures as the browser gets them (``widgets/case.py``); empty when there is none.
        maps, second_maps: their packed maps by method.
    """

    _esm = script("dom", "maps", "stage", "controls", "compare_tiles", "compare", "compare_widget")
    _css = style("base", "stage", "case_view", "compare")

    second = traitlets.Dict().tag(sync=True)
    second_maps = traitlets.Dict().tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    mode = traitlets.Enum(MODES, MODES[0]).tag(sync=True)
    scale = traitlets.Enum(SHARED_SCALES, SHARED_SCALES[0]).tag(sync=True)
    evidence = traitlets.Enum(EVIDENCE, EVIDENCE[0]).tag(sync=True)
    alpha = traitlets.Float(0.8, min=0, max=1).tag(sync=True)

    def __init__(self, classifier: LesionClassifier | Background | None = None, **traits: Any) -> None:
        super().__init__(**traits)
        self._background = classifier if isinstance(classifier, Background) else Background(classifier)
        self._first, self._second = _Place("case", "maps"), _Place("second", "second_maps")
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

    def add(self, image: ImageSource) -> None:
        """Put a second picture beside the first, and compare the two.

        Args and errors are those of :meth:`show`.

        Raises:
            LesionvizError: there is no first picture yet.
        """
        picture = open_image(image)
        if self._first.picture is None:
            raise LesionvizError(
                f"{picture.name} has nothing to be compared with. Call show(image) with the first picture before add."
            )
        self.clear_second()
        self.mode = "two pictures"
        self._examine(self._second, picture)

    def put(self, picture: LesionImage, case: Bundle, maps: dict[str, Bundle]) -> None:
        """Show a case that was packed elsewhere; a second picture stays.

        Args:
            picture: kept to compute the maps of further methods.
            case: from :func:`lesionviz.widgets.case.case_bundle`.
            maps: by method, from :func:`lesionviz.widgets.case.pack_maps`; layers that lack are asked for.
        """
        self._put(self._first, picture, case, maps)

    def put_second(self, picture: LesionImage, case: Bundle, maps: dict[str, Bundle]) -> None:
        """Put a case that was packed elsewhere beside the first; args as for :meth:`put`."""
        self._put(self._second, picture, case, maps)

    def add_maps(self, packed: Bundle, method: str) -> None:
        """Add the maps of a method to the first picture, computed elsewhere."""
        self._add_maps(self._first, packed, method)

    def clear(self) -> None:
        """Take both pictures away."""
        self.clear_second()
        self._clear(self._first)

    def clear_second(self) -> None:
        """Take the second picture away, and what was compared with it."""
        self._clear(self._second)
        if self.mode == "two pictures":
            self.mode = MODES[0]

    def _clear(self, place: _Place) -> None:
        place.reset(None, {})
        with self.hold_sync():
            self.message = ""
            self.set_trait(place.case, {})
            self.set_trait(place.maps, {})

    def _put(self, place: _Place, picture: LesionImage, case: Bundle, maps: dict[str, Bundle]) -> None:
        place.reset(picture, dict(maps))
        self.input_size = case["size"]
        with self.hold_sync():
            self.message = ""
            self.set_trait(place.maps, dict(place.packed))
            self.set_trait(place.case, case)

    def _add_maps(self, place: _Place, packed: Bundle, method: str) -> None:
        place.packed[method] = packed
        self.set_trait(place.maps, dict(place.packed))

    def _examine(self, place: _Place, picture: LesionImage) -> None:
        """Ask for the answer and all maps of the chosen method, in the background."""
        place.reset(picture, {})
        method = self.method

        def work(classifier: LesionClassifier) -> tuple[Bundle, Bundle]:
            maps = all_maps(picture, classifier, method)
            return case_bundle(picture, classifier.examine(picture), classifier), maps

        def done(result: tuple[Bundle, Bundle]) -> None:
            case, maps = result
            self._put(place, picture, case, {method: maps})

        self.message = f"Looking at {picture.name} …"
        place.jobs.append(self._background.submit(work, done, lambda error: self._failed(error, picture)))

    def _on_message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Compute the maps of a method that the browser has not got, once for a picture."""
        key = content.get("key") if isinstance(content, dict) and content.get("kind") == "method" else None
        if not isinstance(key, str) or key not in METHODS:
            return
        for place in (self._first, self._second):
            if place.picture is not None and key not in place.asked and not _complete(place.packed.get(key)):
                place.asked.add(key)
                self._compute(place, place.picture, key)

    def _compute(self, place: _Place, picture: LesionImage, method: str) -> None:
        place.jobs.append(
            self._background.submit(
                lambda classifier: all_maps(picture, classifier, method),
                lambda packed: self._add_maps(place, packed, method),
                lambda error: self._failed(error, picture),
            )
        )

    def _failed(self, error: Exception, picture: LesionImage) -> None:
        self.message = sentence(error, picture.name)


def _complete(packed: Bundle | None) -> bool:
    """Whether a method's maps are there for every layer."""
    return packed is not None and len(packed["layers"]) == len(LAYERS)

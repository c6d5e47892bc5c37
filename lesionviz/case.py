"""``Case``: one picture that the classifier has looked at, as plain data.

Frozen bytes, numbers and NumPy arrays: it pickles, travels between processes, and needs no torch. Explanations, words,
the browser's bundle, a batch's row and the quiz's verdict are made from it. The full-size picture is not in it: whoever
asked has that, and an overlay takes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from lesionviz.diagnoses import CODES, Target, target_index
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS, Method, find_method
from lesionviz.explanation.result import Explanation
from lesionviz.network import LAYERS, check_layer
from lesionviz.prediction import Prediction

Maps: TypeAlias = "Mapping[tuple[str, str], npt.NDArray[np.float32]]"


@dataclass(frozen=True, eq=False)
class Case:
    """One picture, looked at once.

    Two are equal when all that they hold is.

    Attributes:
        identity: names this look; another look at the same picture has another one.
        upload: SHA-256 of the file that was looked at, or of its pixels where it was no file; hexadecimal.
        name: what to call the picture in front of a person.
        size: width and height of the picture, pixels.
        box: left, top, right, bottom of the part of it that the network saw, pixels.
        seen: what the network saw, uint8 (S, S, 3), RGB.
        prediction: the answer.
        logits: of the four classes, upright and before the temperature: the numbers that maps explain.
        biases: the part of each logit that comes from the head's bias and from no place in the picture.
        embedding: what the head sees, float32, of as many channels as ``features.8`` has.
        maps: by method and layer, the signed maps of the four classes, float32 (4, cells, cells), in units of the logit;
            those of ``features.8`` at least.
    """

    identity: str
    upload: str
    name: str
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    seen: npt.NDArray[np.uint8] = field(repr=False)
    prediction: Prediction
    logits: tuple[float, ...]
    biases: tuple[float, ...]
    embedding: npt.NDArray[np.float32] = field(repr=False)
    maps: Maps = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "maps", MappingProxyType(dict(self.maps)))
        self.seen.flags.writeable = self.embedding.flags.writeable = False
        for maps in self.maps.values():
            maps.flags.writeable = False

    @property
    def input_size(self) -> int:
        """Side of what the network saw, pixels."""
        return len(self.seen)

    @property
    def completed(self) -> bool:
        """Whether the maps of all methods and layers are there."""
        return len(self.maps) == len(METHODS) * len(LAYERS)

    def holds(self, layer: str, method: str, contrast: bool = False) -> bool:
        """Whether :meth:`explanation` has the maps of a method at a layer; with ``contrast``, one class against another."""
        return (method, layer) in self.maps and (METHODS[method].linear or not contrast)

    def explanation(
        self,
        target: Target | None = None,
        layer: str = LAYERS[-1],
        method: str = "gradcam",
        against: Target | None = None,
    ) -> Explanation:
        """Return where the evidence for a class lies: a look-up, without the network.

        Args:
            target: the class to explain; by default the one with the largest logit.
            layer: the block to read, ``features.0`` (fine) to ``features.8`` (coarse, closest to the answer).
            method: a key of ``METHODS`` (:mod:`lesionviz.explanation.methods`).
            against: another class: the map then says why the target *and not* this one. Only for methods that are
                linear in the gradient, whose map of a difference is the difference of their maps.

        Returns:
            An explanation without the picture; :meth:`Explanation.on` adds it for overlays.

        Raises:
            LesionvizError: the class, layer or method is not known, its maps are not in this case, or the method is not
                linear and a contrast was asked for.
        """
        index, other = check_classes(target, against, self.logits, self.name)
        layer, how = check_layer(layer, self.input_size), find_method(method)
        maps = self._maps(how, layer)
        raw = maps[index]
        if other is not None:
            if not how.linear:
                raise LesionvizError(
                    f"{how.name} is not linear in the gradient, so its map of a difference cannot be made from its maps. "
                    f"Ask the classifier: explain(image, target, layer, method, against={CODES[other]!r})."
                )
            raw = raw - maps[other]
            raw.flags.writeable = False
        return Explanation.between(
            index,
            other,
            self.logits,
            self.biases,
            raw=raw,
            layer=layer,
            method=how.key,
            source=self.name,
            size=self.size,
            box=self.box,
            shared_peak=max(0.0, float(maps.max())) if other is None else None,
        )

    def _maps(self, method: Method, layer: str) -> npt.NDArray[np.float32]:
        """Return the maps (4, cells, cells) of a method at a layer."""
        try:
            return self.maps[method.key, layer]
        except KeyError:
            raise LesionvizError(
                f"The maps of {method.name} at {layer} are not in this case of {self.name}. "
                "classifier.complete(case) returns one that holds all of them."
            ) from None

    def to_plain(self) -> dict[str, Any]:
        """Return what :mod:`lesionviz.wire` packs; the names of the picture and of its file stay where they are."""
        values = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in {"name", "upload"}}
        maps = [[method, layer, maps] for (method, layer), maps in self.maps.items()]
        return {**values, "prediction": self.prediction.to_plain(), "maps": maps}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], name: str, upload: str) -> Case:
        """Return what :meth:`to_plain` was made of.

        Args:
            plain: from it.
            name, upload: as the attributes; they are known here alone.
        """
        values = {
            **plain,
            **{key: tuple(plain[key]) for key in ("size", "box", "logits", "biases")},
            "prediction": Prediction.from_plain(plain["prediction"], name),
            "maps": {(method, layer): maps for method, layer, maps in plain["maps"]},
        }
        return cls(**values, name=name, upload=upload)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy plain data, and be frozen again on the other side."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values["maps"] = dict(self.maps)
        return (type(self), tuple(values.values()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Case):
            return NotImplemented
        plain = ("identity", "upload", "name", "size", "box", "prediction", "logits", "biases")
        return (
            all(getattr(self, name) == getattr(other, name) for name in plain)
            and np.array_equal(self.seen, other.seen)
            and np.array_equal(self.embedding, other.embedding)
            and self.maps.keys() == other.maps.keys()
            and all(np.array_equal(maps, other.maps[key]) for key, maps in self.maps.items())
        )

    def __hash__(self) -> int:
        return hash((self.identity, self.upload, self.completed))


def check_classes(
    target: Target | None, against: Target | None, logits: Sequence[float], name: str
) -> tuple[int, int | None]:
    """Return the indices of the class to explain and of the one held against it, or None.

    Args:
        target: a class, or None for the one with the largest logit.
        against: a class, or None.
        logits: of the four classes.
        name: of the picture, for the words of an error.

    Raises:
        LesionvizError: one is not known, or both are the same.
    """
    other = None if against is None else target_index(against)
    if target is None:
        index = max(range(len(logits)), key=logits.__getitem__)
        if index == other:
            raise LesionvizError(
                f"{name}: the answer is {CODES[index]} itself. Name the class to explain, or another one to hold "
                "against it."
            )
    else:
        index = target_index(target)
        if index == other:
            raise LesionvizError(f"A contrast needs two different classes, not {CODES[index]} twice.")
    return index, other

"""``Prediction``: the classifier's answer for one picture, as plain data that pickles and needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Prediction:
    """The classifier's answer for one picture.

    Attributes:
        diagnosis: code of the most probable class.
        confidence: its probability, 0 to 1.
        probabilities: of every class by code; they add up to 1. Cannot be changed.
        source: name of the picture that the answer belongs to.
        refusal: why the answer should not be used, as a clause such as "the picture is too blurred"; empty when it may
            be, or when the model was not calibrated.
        warning: what the answer should be read with, as a clause such as "this may be a diagnosis that the model does not
            know"; usually empty.
        unfamiliarity: how little the answer stands out, which that warning hangs on; None where the model does not ask.
        notes: what is worth knowing about the picture and its quality, each a few words; usually nothing.
    """

    diagnosis: str
    confidence: float
    probabilities: Mapping[str, float]
    source: str
    refusal: str = ""
    notes: tuple[str, ...] = ()
    warning: str = ""
    unfamiliarity: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", MappingProxyType(dict(self.probabilities)))

    def to_plain(self) -> dict[str, Any]:
        """Return what :mod:`lesionviz.wire` packs; the picture's name stays where it is."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "source"}
        return {**values, "probabilities": dict(self.probabilities)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], source: str) -> Prediction:
        """Return what :meth:`to_plain` was made of; ``source`` as the attribute."""
        return cls(**{**plain, "notes": tuple(plain["notes"])}, source=source)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy plain data: a view of a mapping does neither."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["probabilities"] = dict(self.probabilities)
        return (type(self), tuple(values.values()))

    def __hash__(self) -> int:
        return hash((self.source, self.diagnosis, self.confidence))

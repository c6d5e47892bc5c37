"""An evaluation: how a classifier did on one part of a collection; what judges makes it, what reports reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from lesionviz.classifier import LesionClassifier
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval
from lesionviz.evaluation.evidence import EvidenceInside
from lesionviz.evaluation.measures import Floats, Integers, calibration_error
from lesionviz.evaluation.metrics import Metrics
from lesionviz.evaluation.plain import to_plain
from lesionviz.evaluation.silence import Silence


@dataclass(frozen=True)
class Evaluation:
    """How a classifier did on one part of a collection.

    Attributes:
        data: name of the collection's folder.
        part: ``"test"``, ``"validation"``, ``"train"`` or ``"all"``.
        lesions: how many lesions the images show.
        metrics: counts and the figures that follow from them.
        predictions: one row for each image: ``image``, ``lesion``, ``diagnosis``, ``source``, what else the collection
            records, ``predicted``, ``refusal``, ``warning``, ``unfamiliarity`` and the probability of each class.
        classifier: what was judged.
        figures: every measure (:mod:`lesionviz.evaluation.measures`) with its 95 % interval by lesion.
        baseline: the measures of answering with the most frequent class every time.
        groups: figures by source, sex, age and body site.
        silence: who gets no answer, and who a warning.
        line: its line in the table of sources; see :func:`lesionviz.evaluation.sources.source_figures`.
        operating: what thresholds that were chosen on validation images do on these.
        others: the same classifier on what is new to it of other collections, such as another clinic's.
        unlike: names of the folders with pictures that should get no diagnosis.
        evidence: how much of the evidence lies inside the lesion, where outlines were given.
        source: the one clinic of the collection that was judged, or "" for all.
        damaged: names of images that could not be used and were left out.
        notes: sentences about what was passed over in folders of pictures that should get no diagnosis.
    """

    data: str
    part: str
    lesions: int
    metrics: Metrics
    predictions: pd.DataFrame
    classifier: LesionClassifier
    figures: Mapping[str, Interval]
    baseline: Mapping[str, float]
    groups: pd.DataFrame
    silence: Silence
    line: Mapping[str, Interval | float | int]
    operating: pd.DataFrame
    others: Sequence[Evaluation] = field(default_factory=tuple)
    unlike: Sequence[str] = ()
    evidence: EvidenceInside | None = None
    source: str = ""
    damaged: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def name(self) -> str:
        """What was judged, for people: the collection, and the clinic in it."""
        return f"{self.data}, {self.source}" if self.source else self.data

    @property
    def truth(self) -> Integers:
        """Class indices, (N,)."""
        indices: Integers = self.predictions["diagnosis"].map(CODES.index).to_numpy(np.int64)
        return indices

    @property
    def probabilities(self) -> Floats:
        """Calibrated probabilities, (N, 4)."""
        values: Floats = self.predictions[list(CODES)].to_numpy(np.float64)
        return values

    @property
    def uncalibrated(self) -> Floats:
        """Probabilities without the temperature, (N, 4)."""
        powers = self.probabilities**self.classifier.checkpoint.temperature
        values: Floats = powers / powers.sum(axis=1, keepdims=True)
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return every number, and what it was measured on; NaN becomes None."""
        checkpoint = self.classifier.checkpoint
        groups = self.groups.reset_index().to_dict("records") if len(self.groups) else []
        content = {
            "data": self.data,
            **({"source": self.source} if self.source else {}),
            "part": self.part,
            "lesions": self.lesions,
            **({"damaged": list(self.damaged)} if self.damaged else {}),
            "classes": list(CODES),
            "model_sha256": checkpoint.file_sha256,
            "temperature": checkpoint.temperature,
            "views": self.classifier.views,
            "split": dict(checkpoint.split),
            **self.metrics.to_dict(),
            "measures": dict(self.figures),
            "ece_before_temperature": calibration_error(self.truth, self.uncalibrated),
            "majority_baseline": dict(self.baseline),
            "groups": groups,
            "refusals": self.silence.refusals.to_dict("records"),
            "unknown_diagnoses": self.silence.unknown.to_dict("records"),
            "source_line": dict(self.line),
            "operating_points": self.operating.to_dict("records"),
            "evidence_inside_lesion": asdict(self.evidence) if self.evidence else None,
            "other_collections": [other.to_dict() for other in self.others],
        }
        plain: dict[str, Any] = to_plain(content)
        return plain

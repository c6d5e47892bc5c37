"""Answer sets: of the four diagnoses so many that the right one is among them as often as was asked for.

Split conformal prediction with the score 1 − p(right class), which gives the smallest sets: LAC (Sadinle, Lei and
Wasserman 2019, doi 10.1080/01621459.2017.1395341). Photographs of one lesion are not independent, so every lesion
counts once, and its photographs share that (hierarchical conformal prediction: Lee, Barber and Willett 2023, arXiv
2306.06342). A class with enough images has a threshold of its own (Mondrian conformal prediction), so that its rate
holds among its own lesions, too; classes with too few share one.

**Which images.** Those in the checkpoint's ``calibration``: of the validation images, by lesion, those that did not
choose the epoch where the choice went by sources (:mod:`lesionviz.data.halves`); where it did not, the very same
validation images chose the epoch, and :attr:`AnswerSets.also_chose` says so. On the same images the temperature (one
number), the thresholds for melanoma and the refusal were fitted. Only the temperature enters a score; that it was
fitted here, too, is the one thing that the guarantee does not cover. Refused pictures are among them, so the rate is
that of all pictures, not of those answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError

CAN_SHOW = (
    "It can show which diagnoses the model does not tell apart here: all that it cannot leave out are in the set."
)
CANNOT_SHOW = (
    "It cannot promise anything for this one picture, for other clinics and cameras, or for a diagnosis that the model "
    "does not know: no set holds that."
)
WHY_NONE = (
    "This model keeps no record of the images that it was calibrated on, so no answer sets can be fitted. lesionviz "
    "calibrate makes one that does."
)
LEVEL = 0.9
LEVELS = (0.8, 0.9, 0.95, 0.99)
"""Some to choose from; every level from 0.5 to 1 will do."""
ENOUGH = 10
"""Images that a threshold must leave out on average before a class gets its own: 100 at 90 %."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AnswerSet:
    """The set for one picture.

    Attributes:
        level: that was asked for.
        codes: of the diagnoses in it, the most probable first; at least the answer itself.
    """

    level: float
    codes: tuple[str, ...]

    @property
    def without_malignant(self) -> bool:
        """Whether every malignant diagnosis is left out."""
        return not any(each.malignant for each in DIAGNOSES if each.code in self.codes)


@dataclass(frozen=True, eq=False)
class AnswerSets:
    """Makes sets of a model's calibrated probabilities, without the model.

    Attributes:
        scores: for each of the four classes, the scores 1 − p of its calibration images, ascending.
        weights: the share of its lesion that each of them has: one by the number of that lesion's photographs.
        sources: collections that they are from, and how many of each.
        also_chose: the same images chose the epoch, so that the rate is a little flattering.
    """

    scores: tuple[Floats, ...] = field(repr=False)
    weights: tuple[Floats, ...] = field(repr=False)
    sources: tuple[tuple[str, int], ...]
    also_chose: bool

    @property
    def images(self) -> int:
        """How many images they were fitted on."""
        return sum(map(len, self.scores))

    def groups(self, level: float = LEVEL) -> tuple[tuple[str, ...], ...]:
        """Return which classes have a threshold in common: rare ones, until together they have enough images."""
        need = ENOUGH / (1 - level) - 1e-6 if level < 1 else np.inf
        alone = sorted(range(len(CODES)), key=lambda index: (len(self.scores[index]), index))
        together: list[int] = []
        while alone and (
            len(self.scores[alone[0]]) < need
            or (together and sum(len(self.scores[index]) for index in together) < need)
        ):
            together.append(alone.pop(0))
        groups = sorted(sorted(each) for each in (together, *([index] for index in alone)) if each)
        return tuple(tuple(CODES[index] for index in each) for each in groups)

    def thresholds(self, level: float = LEVEL) -> dict[str, float]:
        """Return, by class, the largest score with which it is in a set; infinite where it is in every one.

        A higher level never has a lower one: where classes come to share a threshold, it is not below what each had alone.

        Raises:
            LesionvizError: the level is not from 0.5 to 1.
        """
        level = check_level(level)
        counts = sorted(map(len, self.scores))
        # The groups change where a class, or the rare ones together, have just enough images.
        changes = (1 - ENOUGH / count for count in (*counts, *np.cumsum(counts)) if count)
        found = [self._thresholds(each) for each in (*(c for c in changes if 0.5 <= c < level), level)]
        return {code: max(each[code] for each in found) for code in CODES}

    def _thresholds(self, level: float) -> dict[str, float]:
        """Return the thresholds of one level by its own groups alone."""
        found: dict[str, float] = {}
        for group in self.groups(level):
            indices = [CODES.index(code) for code in group]
            scores, weights = (np.concatenate([of[index] for index in indices]) for of in (self.scores, self.weights))
            found |= dict.fromkeys(group, quantile(scores, weights, level))
        return found

    def of(self, probabilities: Mapping[str, float], level: float = LEVEL) -> AnswerSet:
        """Return the set for one picture.

        Args:
            probabilities: calibrated, of the four classes by code.
            level: how often sets shall hold the right diagnosis, 0.5 to 1.

        Raises:
            LesionvizError: the level is out of range.
        """
        thresholds = self.thresholds(level)
        order = sorted(CODES, key=lambda code: -probabilities[code])
        # The answer is in its own set even where its score is too large: that makes sets right more often, not less.
        return AnswerSet(level, tuple(c for c in order if c == order[0] or 1 - probabilities[c] <= thresholds[c]))

    def sentence(self, level: float = LEVEL) -> str:
        """Say what a set promises, and for which classes alone as well."""
        if level == 1:
            return "All four diagnoses are in the set, always."
        own = [group[0] for group in self.groups(level) if len(group) == 1]
        shared = [group for group in self.groups(level) if len(group) > 1]
        # The answer is always in its set, so that at low levels sets are right more often than was asked for.
        count = f"about {100 * level:.4g}" if level >= LEVEL else f"{100 * level:.4g} or more"
        said = f"Of 100 pictures like those it was fitted on, sets made this way hold the right diagnosis in {count}."
        if len(own) == len(CODES):
            said += " So they do among the pictures of each class alone."
        elif own:
            said += f" So they do among the pictures of {_listed(own)} alone."
        for group in shared:
            said += f" {_listed(list(group))} have too few pictures for that each, and share a threshold."
        if self.also_chose:
            said += " Those pictures also chose the model's epoch, so elsewhere it may be fewer."
        return said

    def to_plain(self) -> dict[str, Any]:
        """Return what :mod:`lesionviz.wire` packs."""
        return {
            "scores": list(self.scores),
            "weights": list(self.weights),
            "sources": [list(each) for each in self.sources],
            "also_chose": self.also_chose,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> AnswerSets:
        """Return what :meth:`to_plain` was made of."""
        sources = tuple((name, count) for name, count in plain["sources"])
        return cls(tuple(plain["scores"]), tuple(plain["weights"]), sources, plain["also_chose"])


def answer_sets(checkpoint: Checkpoint) -> AnswerSets | None:
    """Return the sets that a checkpoint's own record of its calibration images gives; None where it has none.

    Nothing is stored besides: that record is in the checkpoint, and fitting it takes milliseconds.
    """
    kept = checkpoint.calibration
    if not kept:
        return None
    logits, truth, lesion, source = (np.asarray(kept[key]) for key in ("logits", "truth", "lesion", "source"))
    scaled = logits.astype(np.float64) / checkpoint.temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    own = 1 - shares[np.arange(len(truth)), truth]
    counts = np.bincount(source, minlength=len(kept["sources"]))
    return fit(
        own,
        truth,
        lesion,
        tuple((name, int(count)) for name, count in zip(kept["sources"], counts, strict=True)),
        also_chose=checkpoint.recipe.get("choose_by") != "sources",
    )


def fit(
    scores: Floats,
    truth: npt.NDArray[Any],
    lesions: npt.NDArray[Any],
    sources: tuple[tuple[str, int], ...] = (),
    also_chose: bool = False,
) -> AnswerSets:
    """Return the sets that scores give.

    Args:
        scores: (N,) one minus the probability of the right class.
        truth: (N,) index of the right class.
        lesions: (N,) the lesion of each image.
        sources, also_chose: as the attributes.
    """
    _, lesion, photographs = np.unique(lesions, return_inverse=True, return_counts=True)
    order = np.argsort(scores, kind="stable")
    by_class = [order[truth[order] == index] for index in range(len(CODES))]
    weights = 1 / photographs[lesion]
    return AnswerSets(
        tuple(scores[own] for own in by_class), tuple(weights[own] for own in by_class), sources, also_chose
    )


def quantile(scores: Floats, weights: Floats, level: float) -> float:
    """Return the smallest score that, with all below it, has a share ``level`` of the weight of all and one more.

    That one more, infinite, stands for the picture that is asked about. With one photograph of each of N lesions it
    is the ⌈level · (N + 1)⌉-th smallest score.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    wanted = level * (weights.sum() + 1)
    found = np.flatnonzero(reached >= wanted - 1e-9)  # sums of thirds are not exact
    return float(scores[order][found[0]]) if len(found) else float("inf")


def check_level(level: Any) -> float:
    """Return a level, if it is one.

    Raises:
        LesionvizError: it is not.
    """
    if isinstance(level, (int, float)) and not isinstance(level, bool) and 0.5 <= level <= 1:
        return float(level)
    raise LesionvizError(f"The share of sets that hold the right diagnosis must be from 0.5 to 1, not {level!r}.")


def _listed(codes: list[str]) -> str:
    return codes[0] if len(codes) == 1 else f"{', '.join(codes[:-1])} and {codes[-1]}"

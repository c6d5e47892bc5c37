"""A reader study's design: who sees which case with the AI, in what order, and where the AI is made wrong, by a seed.

Readers come in pairs. The first of a pair sees a random half of the cases with the AI, and the second sees the other half
with it, so that after every pair each case was seen equally often with and without. Each reader sees each case once, in an
order of his own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import floor

import numpy as np

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game.rules import whole
from lesionviz.game.sets import MAX_CASES, QuizSet, evenly
from lesionviz.prediction import Prediction

MAX_READERS = 200
MOST_WRONG = 0.5
"""The largest share of cases in which the AI may be made wrong: an AI that is mostly wrong is another study."""
MAX_CONSENT = 10_000
"""Letters of a consent text."""
SURE = ("1 guessing", "2 unsure", "3 fairly sure", "4 very sure", "5 certain")
"""The five steps of confidence; their places are what is recorded, 1 to 5."""
RULE = (
    "In a case with a deliberately wrong AI, the most probable of the three false diagnoses is shown as its answer. Where "
    "the model itself says something else, the probabilities of the two change places, and a refusal is left out. The map "
    "shown is the model's own for the diagnosis that is shown."
)
LIMITS = (
    "A study like this shows how these readers did on these cases: with few readers or cases its intervals are wide, it "
    "says nothing of patients, and the page gives no ethics approval, which is yours to ask for."
)
CONSENT = (
    "You are asked to read pictures of skin lesions and to name a diagnosis for each, some with an AI's answer beside the "
    "picture and some without. The AI can be wrong. Some details of the study are explained only at its end.\n\n"
    "Recorded are the name that you choose (any will do), your answers, how sure you are, how long you look, and how often "
    "you pause. It stays in a file on this computer, and whoever runs the study can save it as a table.\n\n"
    "Taking part is voluntary. You can stop at any time and go on later, and you can withdraw at any time, without giving "
    "a reason: then everything that was recorded of you is deleted, and only counted that somebody withdrew. Tables that "
    "were saved before are out of this page's reach."
)


@dataclass(frozen=True)
class Turn:
    """One case in a reader's order: its number in the study, from 1, and whether the AI's answer stands beside it."""

    case: int
    with_ai: bool


@dataclass(frozen=True)
class StudyCase:
    """A case of a study.

    Attributes:
        number: from 1, the same for all readers.
        image: where the picture comes from.
        truth: code of its diagnosis.
        wrong: whether its AI is made wrong.
    """

    number: int
    image: str
    truth: str
    wrong: bool


@dataclass(frozen=True)
class Design:
    """What makes a study, and makes it again.

    Attributes:
        seed: of all that is left to chance.
        share: of cases with a deliberately wrong AI, 0 to ``MOST_WRONG``.
        consent: what a reader agrees to.
        source: what the set of pictures is called.
        drawn: whether they are drawings, which the small network answers.
        cases: in the order of their numbers.
    """

    seed: int
    share: float
    consent: str
    source: str
    drawn: bool
    cases: tuple[StudyCase, ...]

    def turns(self, place: int) -> list[Turn]:
        """Return the cases in the order in which the reader of a place, 0 for the first, sees them."""
        truths, wrong = [case.truth for case in self.cases], {case.number for case in self.cases if case.wrong}
        first = half(truths, wrong, self.seed, place // 2)
        order = np.random.default_rng([self.seed, 3, place]).permutation(len(truths)) + 1
        return [Turn(int(number), (int(number) in first) == (place % 2 == 0)) for number in order]


def design_of(pictures: QuizSet, cases: int, seed: int, share: float, consent: str) -> Design:
    """Return the design of a new study on pictures of a set.

    Args:
        pictures: the set.
        cases: how many; fewer where the set has fewer lesions.
        seed: of the choice of cases, the halves and the orders.
        share: of cases with a deliberately wrong AI.
        consent: what a reader agrees to before anything is recorded.

    Raises:
        LesionvizError: one of them is not what it should be.
    """
    whole("cases", cases, 2, MAX_CASES)
    whole("seed", seed, 0, 2**32 - 1)
    if type(share) not in (int, float) or not 0 <= share <= MOST_WRONG:
        raise LesionvizError(
            f"The share of cases with a deliberately wrong AI must be from 0 to {MOST_WRONG}, not {share!r}."
        )
    if not consent.strip() or len(consent) > MAX_CONSENT:
        raise LesionvizError(f"A study needs a consent text of 1 to {MAX_CONSENT:,} letters. Write one.")
    items = pictures.choose(cases, seed)
    if len(items) < 2:
        raise LesionvizError(f"{pictures.name} shows {len(items)} lesion. A study needs at least two.")
    wrong = wrong_cases([item.truth for item in items], share, seed)
    numbered = tuple(StudyCase(n, item.name, item.truth, n in wrong) for n, item in enumerate(items, 1))
    return Design(seed, float(share), consent.strip(), pictures.name, pictures.drawn, numbered)


def wrong_count(cases: int, share: float) -> int:
    """Return how many of so many cases a share is, to the nearest whole number, and up from a half."""
    return floor(cases * share + 0.5)


def wrong_cases(truths: Sequence[str], share: float, seed: int) -> frozenset[int]:
    """Return the numbers of the cases in which the AI is made wrong, as evenly from the diagnoses as can be."""
    random = np.random.default_rng([seed, 1])
    groups: dict[str, list[int]] = {}
    for index in random.permutation(len(truths)):
        groups.setdefault(truths[index], []).append(int(index) + 1)
    return frozenset(evenly(groups, wrong_count(len(truths), share)))


def half(truths: Sequence[str], wrong: Collection[int], seed: int, pair: int) -> frozenset[int]:
    """Return the numbers of the cases that the first reader of a pair sees with the AI; the second sees the others with it.

    The two halves differ by one case at most, in all and among those with a wrong AI, and in each diagnosis by one (two,
    where some of its cases have a wrong AI): cases of a kind stand in a row, and every other one of the row is taken.
    """
    random = np.random.default_rng([seed, 2, pair])
    kinds: dict[tuple[bool, str], list[int]] = {}
    for index in random.permutation(len(truths)):
        kinds.setdefault((int(index) + 1 in wrong, truths[index]), []).append(int(index) + 1)
    row = [number for _, numbers in sorted(kinds.items()) for number in numbers]
    return frozenset(row[int(random.integers(2)) :: 2])


def misled(prediction: Prediction, truth: str) -> Prediction:
    """Return the answer that is shown where the AI is made wrong, by ``RULE``."""
    shown = max((code for code in CODES if code != truth), key=lambda code: prediction.probabilities[code])
    shares = dict(prediction.probabilities)
    own = prediction.diagnosis
    shares[shown], shares[own] = shares[own], shares[shown]
    return replace(prediction, diagnosis=shown, confidence=shares[shown], probabilities=shares, refusal="")

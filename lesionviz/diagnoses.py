"""The four diagnoses that the classifier tells apart, in the order of its outputs.

Everything that depends on a diagnosis (names, colours, which ones are malignant) is read from here.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TypeAlias

from lesionviz.errors import LesionvizError

Target: TypeAlias = str | int
"""A target class as people give it: a code, a name, or an index into :data:`DIAGNOSES`."""


@dataclass(frozen=True)
class Diagnosis:
    """One class of the classifier.

    Attributes:
        code: the short name used in ISIC tables, checkpoints and file names.
        name: the name in words, lower case.
        colour: ``#rrggbb`` for charts, from the Okabe-Ito palette, told apart by colour-blind people.
        malignant: whether it is a cancer.
        sentence: one plain sentence for people who do not know the word.
    """

    code: str
    name: str
    colour: str
    malignant: bool
    sentence: str


DIAGNOSES: tuple[Diagnosis, ...] = (
    Diagnosis(
        "BCC",
        "basal cell carcinoma",
        "#0072B2",
        True,
        "A basal cell carcinoma is the most common skin cancer; it grows slowly and very rarely spreads.",
    ),
    Diagnosis(
        "BKL",
        "benign keratosis",
        "#E69F00",
        False,
        "Benign keratoses are benign growths of the upper skin, such as seborrhoeic keratosis and solar lentigo.",
    ),
    Diagnosis(
        "MEL",
        "melanoma",
        "#D55E00",
        True,
        "A melanoma is a cancer of the pigment cells that can spread; finding it early matters most.",
    ),
    Diagnosis(
        "NV",
        "melanocytic nevus",
        "#009E73",
        False,
        "A melanocytic nevus is a mole, a benign group of pigment cells.",
    ),
)
CODES: tuple[str, ...] = tuple(diagnosis.code for diagnosis in DIAGNOSES)
TAUGHT_UNKNOWN: tuple[str, ...] = ("AK", "AKIEC", "SCC", "SCCKA")
"""Labels of other diagnoses (actinic keratosis, squamous cell carcinoma) that may teach a training what it is not to know.

All further ones are never seen, so that they tell what the classifier does with what is new to it.
"""


def target_index(target: Target) -> int:
    """Return the index (0 to 3) of a target class given as code, name or index.

    Raises:
        LesionvizError: it is none of the four; the text lists them and suggests a near spelling.
    """
    if isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(DIAGNOSES):
        return target
    choices = ", ".join(f"{d.code} ({d.name})" for d in DIAGNOSES)
    if isinstance(target, str):
        known = {spelling.lower(): i for i, d in enumerate(DIAGNOSES) for spelling in (d.code, d.name)}
        wanted = target.strip().lower()
        if wanted in known:
            return known[wanted]
        near = difflib.get_close_matches(wanted, known, n=1)
        if near:
            code = DIAGNOSES[known[near[0]]].code
            raise LesionvizError(
                f"The target class {target!r} is not known. Did you mean {code}? Choose from: {choices}."
            )
    raise LesionvizError(
        f"The target class {target!r} is not known. Choose from: {choices}, or an index from 0 to 3."
    )

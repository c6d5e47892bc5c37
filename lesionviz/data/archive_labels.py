"""What the ISIC Archive's words for a diagnosis mean here: one of the four classes, another diagnosis, or too little.

The archive says a diagnosis in up to five steps, ``diagnosis_1`` (benign, malignant, indeterminate) to
``diagnosis_5``, each finer than the one before (https://www.isic-archive.com); earlier tables, that of
ISIC 2020 for one, have a single word. Benign keratoses are those of HAM10000's class (Tschandl et al. 2018,
doi 10.1038/sdata.2018.161): seborrhoeic keratosis, solar lentigo and lichen-planus-like keratosis.
"""

from __future__ import annotations

from collections.abc import Sequence

CLASSES = {
    "nevus": "NV",
    "blue nevus": "NV",
    "melanoma": "MEL",
    "melanoma in situ": "MEL",
    "melanoma invasive": "MEL",
    "melanoma, nos": "MEL",
    "malignant melanocytic proliferations (melanoma)": "MEL",
    "basal cell carcinoma": "BCC",
    "seborrheic keratosis": "BKL",
    "solar lentigo": "BKL",
    "lentigo nos": "BKL",
    "ink-spot lentigo": "BKL",
    "lichen planus like keratosis": "BKL",
    "lichenoid keratosis": "BKL",
    "pigmented benign keratosis": "BKL",
    "benign keratosis": "BKL",
}
"""The class that a name of a diagnosis means, whatever step it stands at; names in lower case. ``Melanoma metastasis`` is
none: a metastasis grows from below and has not the looks of a melanoma that began in that place."""
SUBTYPES = {
    "nevus, ": "NV",
    "basal cell carcinoma, ": "BCC",
    "seborrheic keratosis, ": "BKL",
    "solar lentigo, ": "BKL",
}
"""Beginnings of names that mean a class, too: ``Nevus, NOS, Compound``, ``Basal cell carcinoma, Nodular``."""
VAGUE = (
    "benign",
    "malignant",
    "indeterminate",
    "unknown",
    "atypical melanocytic proliferation",
    "benign epidermal proliferations",
    "benign melanocytic proliferations",
    "flat melanotic pigmentations - not melanocytic nevus",
    "malignant epidermal proliferations",
    "malignant adnexal epithelial proliferations - follicular",
    "indeterminate epidermal proliferations",
)
"""Names after which a diagnosis may still be one of the four classes, or not."""
VAGUE_GROUPS = ("indeterminate melanocytic proliferations", "collision")
"""Beginnings of names that stay vague whatever follows them: neither nevus nor melanoma, or two lesions in one."""


def meaning(steps: Sequence[str | None]) -> tuple[str, bool]:
    """Return the label of a diagnosis, and whether it is too vague to be a class or an unknown diagnosis.

    Args:
        steps: its names, from the coarsest to the finest; missing ones are None.

    Returns:
        A code of the four classes, or the finest name as it is written; ``""`` where there is none.
    """
    names = [step for step in steps if step]
    if not names:
        return "", True
    plain = [name.lower() for name in names]
    if any(name.startswith(VAGUE_GROUPS) for name in plain):
        return names[-1], True
    if not any("metastasis" in name for name in plain):
        for name in reversed(plain):
            code = CLASSES.get(name) or next((c for start, c in SUBTYPES.items() if name.startswith(start)), None)
            if code:
                return code, False
    return names[-1], plain[-1] in VAGUE

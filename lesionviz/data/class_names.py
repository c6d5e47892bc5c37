"""What people call the four classes, and the diagnoses that belong to them: names of folders, labels in tables.

The class BKL is that of HAM10000 (Tschandl et al. 2018, doi 10.1038/sdata.2018.161): seborrhoeic keratosis, solar lentigo,
which is its flat form, and lichen-planus-like keratosis. Actinic keratosis, lichen planus and lentigo maligna are none.
"""

from __future__ import annotations

import re
from functools import cache

from lesionviz.data.archive_labels import CLASSES, SUBTYPES
from lesionviz.data.folders import nfc
from lesionviz.diagnoses import CODES, DIAGNOSES

SYNONYMS: dict[str, set[str]] = {
    "BCC": {"basal cell cancer", "basalioma"},
    "BKL": {
        "benign keratosis like lesion",
        "benign keratosis like lesions",
        "benign keratotic lesion",
        "pigmented benign keratosis",
        "pbk",
    },
    "MEL": {"malignant melanoma"},
    "NV": {"nevus", "nev", "mole", "moles"},
}
"""Other names of a class itself."""
INCLUDED: dict[str, set[str]] = {
    "BCC": {f"{kind} basal cell carcinoma" for kind in ("nodular", "superficial", "pigmented", "infiltrative")},
    "BKL": {
        *(f"{kind}seborrheic keratosis" for kind in ("", "pigmented ", "irritated ", "inflamed ", "clonal ")),
        *("sk", "sebk", "seb k", "seb ker", "sek", "seborrheic wart", "senile wart", "senile keratosis"),
        *("seborrheic verruca", "verruca seborrheica", "verruca seborrhoica", "basal cell papilloma"),
        *("solar lentigo", "lentigo solaris", "lentigo senilis", "senile lentigo", "actinic lentigo", "sl"),
        *("ink spot lentigo", "age spot", "age spots", "liver spot", "liver spots"),
        *("lichen planus like keratosis", "lichenoid keratosis", "benign lichenoid keratosis", "lplk", "blk"),
    },
    "MEL": {
        *(
            f"{kind} melanoma"
            for kind in ("superficial spreading", "nodular", "acral", "acral lentiginous", "invasive")
        ),
        *("in situ melanoma", "melanoma (in situ)", "lentigo maligna", "lentigo maligna melanoma"),
    },
    "NV": {
        f"{kind} nevus"
        for kind in (
            *(
                "acral",
                "atypical",
                "clark",
                "common",
                "compound",
                "congenital",
                "dermal",
                "dysplastic",
                "intradermal",
            ),
            *("junctional", "reed", "spitz"),
        )
    },
}
"""Diagnoses that belong to a class, and their abbreviations."""
PLURALS = {
    "carcinomas": "carcinoma",
    "keratoses": "keratosis",
    "lentigines": "lentigo",
    "lentigos": "lentigo",
    "melanomas": "melanoma",
    "nevi": "nevus",
}
assert SYNONYMS.keys() == INCLUDED.keys() == set(CODES)


def diagnosis_of(label: str) -> str | None:
    """Return the code of the class that a label means: its code, its name, or a diagnosis in it; None for all others.

    Capitals, British spelling, plurals, hyphens and underscores make no difference, nor does a number before the name, an
    abbreviation before or behind it that says the same, with brackets or without, or words that only capitals part.
    """
    plain = _plain(label)
    known = _known()
    if plain in known:
        return known[plain]
    bracket = re.fullmatch(r"(.+) \((.+)\)", plain)
    if bracket:
        one, other = (known.get(part) for part in bracket.groups())
        return one if one == other else None
    words = plain.split(" ")
    for cut in (1, len(words) - 1):  # "BKL - benign keratosis", "solar lentigo SL"
        one, other = known.get(" ".join(words[:cut])), known.get(" ".join(words[cut:]))
        if one and one == other:
            return one
    return next((code for start, code in SUBTYPES.items() if plain.startswith(start)), None)


def names_class(label: str) -> bool:
    """Return whether a label means one of the classes itself, not one of several diagnoses in it."""
    return _plain(label) in {_plain(name) for diagnosis in DIAGNOSES for name in _names_of(diagnosis.code)}


def _names_of(code: str) -> set[str]:
    return {code, *SYNONYMS[code], *(diagnosis.name for diagnosis in DIAGNOSES if diagnosis.code == code)}


@cache
def _known() -> dict[str, str]:
    """Return the code of every name, the names in plain form."""
    names = {**CLASSES, **{name: code for code in CODES for name in _names_of(code) | INCLUDED[code]}}
    return {_plain(name): code for name, code in names.items()}


def _plain(label: str) -> str:
    """Return a label in small letters and American spelling, in the singular, its words apart by single blanks."""
    apart = re.sub(r"(?<=[a-z]{3})(?=[A-Z][a-z]{2})", " ", nfc(label))
    text = re.sub(r"[\s_./–-]+", " ", apart.casefold()).strip()
    text = re.sub(r"^\d+ (?=\D)", "", text).replace("rrhoe", "rrhe").replace("naev", "nev")
    return " ".join(PLURALS.get(word, word) for word in text.split(" "))

"""Several collections in one training: each is split on its own, and none shares an image with another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lesionviz.data.collection import COLUMNS, Collection
from lesionviz.data.plain_layouts import ISIC_ID
from lesionviz.data.read import read_collection
from lesionviz.data.split import Split, split_at_random, split_by_lesion
from lesionviz.errors import LesionvizError

ALSO_VALIDATION, ALSO_TEST = 0.1, 0.4
"""Parts of an additional collection: half of it is never trained on, to measure how the model does at other clinics."""


@dataclass(frozen=True)
class Portion:
    """A collection and its split.

    Attributes:
        collection: where the images are.
        split: which part each of them is in.
    """

    collection: Collection
    split: Split

    @property
    def name(self) -> str:
        """The name of the collection's folder."""
        return self.collection.folder.resolve().name

    def rows(self, part: str, of: str = "table") -> pd.DataFrame:
        """Return the rows of one part whose image is here; the same errors as :meth:`Split.rows`.

        Args:
            part: one of the split's.
            of: ``"table"``, or ``"others"``: those of other diagnoses, in the part of their lesion, or, where the
                table does not have it, in one drawn by its name and the seed.
        """
        if of == "table":
            return self.split.rows(self.collection, part)
        others = self.collection.others[self.collection.others["path"].notna()]
        known = dict(zip(self.split.table["lesion"], self.split.table["part"], strict=True))
        parts = others["lesion"].map(lambda lesion: known.get(lesion) or self._spread(lesion))
        return others[(parts == part).to_numpy(bool)]

    def _spread(self, lesion: str) -> str:
        digest = hashlib.sha256(f"{self.split.seed} {lesion}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        test, validation = self.split.test, self.split.validation
        return "test" if place < test else "validation" if place < test + validation else "train"


def also_portions(also: Iterable[str | Path | Collection], main: Portion) -> tuple[Portion, ...]:
    """Split additional collections in the main one's way and with its seed, larger parts kept out.

    Args:
        also: folders or tables in known layouts, or collections.
        main: the collection that is judged while training; its split is left as it is.

    Raises:
        LesionvizError: a collection cannot be used, has the name of another, or shares an image with it.
    """
    portions = [main]
    for place in also:
        collection = place if isinstance(place, Collection) else read_collection(place)
        divide = split_at_random if main.split.by == "random" else split_by_lesion
        portion = Portion(collection, divide(collection, main.split.seed, ALSO_VALIDATION, ALSO_TEST))
        for other in portions:
            _refuse_shared_images(other, portion)
        portions.append(portion)
    return tuple(portions[1:])


def rows_of(portions: Sequence[Portion], part: str, of: str = "table") -> pd.DataFrame:
    """Return the present rows of one part of every portion, in their order, with the columns that all have."""
    return pd.concat([portion.rows(part, of)[list(COLUMNS)] for portion in portions], ignore_index=True)


def describe_splits(main: Portion, also: Sequence[Portion]) -> dict[str, Any]:
    """Return what a checkpoint records of the splits: the main one's, and the others with their names in ``also``."""
    described = main.split.describe()
    if also:
        described["also"] = [{"name": each.name, **each.split.describe()} for each in also]
    return described


def _refuse_shared_images(one: Portion, other: Portion) -> None:
    """Make sure that no image that is here is in both, so that none is trained on in one and kept out in the other."""
    if one.name == other.name:
        raise LesionvizError(
            f"Two collections are called {one.name}; the model's record tells them apart by the names of their "
            "folders. Give one of them another name."
        )
    shared = _identities(one.collection.present) & _identities(other.collection.present)
    if shared:
        raise LesionvizError(
            f"{other.name} shares {len(shared):,} images, {min(shared)} for one, with {one.name}: what one split keeps "
            "out, the other may train on. Leave them out of one of the two."
        )


def _identities(rows: pd.DataFrame) -> set[str]:
    """Return what tells images apart across collections: ISIC ids, and paths of files."""
    ids = rows["image"].str.extract(ISIC_ID, expand=False).dropna()
    return {*ids, *(str(Path(path).resolve()) for path in rows["path"])}

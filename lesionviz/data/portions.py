"""Several collections in one training: each is split on its own, and nothing that one keeps out is learned from another.

The splits are made from each collection's own table and stay as they are. On top of them lies who is *kept out*: what
must never take part, and, of two images that are or look the same, the one whose part may be learned from while the
other's may not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lesionviz.data.collection import COLUMNS, Collection
from lesionviz.data.never import Never, identity
from lesionviz.data.plain_layouts import ISIC_ID
from lesionviz.data.read import read_collection
from lesionviz.data.split import PARTS, Split, split_at_random, split_by_lesion
from lesionviz.data.twins import Twins, twins_of
from lesionviz.errors import LesionvizError

ALSO_VALIDATION, ALSO_TEST = 0.1, 0.4
"""Parts of an additional collection, unless asked otherwise: half of it is never trained on, to measure how the model does
at other clinics."""
RANKS = {part: rank for rank, part in enumerate(PARTS)}
"""How far from learning a part is."""


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
        """Return the rows of one part whose image is here; parts, frames and errors are those of :meth:`Split.rows`."""
        return self.split.rows(self.collection, part, of)


@dataclass(frozen=True)
class Division:
    """All collections of one training, and who is in which part of them.

    Attributes:
        main: the collection that is judged while training.
        also: the additional ones.
        never: what was asked to take no part.
        twins: pictures that look the same, or None where nobody looked.
        named: how many images that are in a collection ``never`` names.
    """

    main: Portion
    also: tuple[Portion, ...] = ()
    never: Never = field(default_factory=Never)
    twins: Twins | None = None
    named: int = 0

    @property
    def portions(self) -> tuple[Portion, ...]:
        """The main one, and the others."""
        return (self.main, *self.also)

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint records of all splits, and of why images are kept out."""
        described = describe_splits(self.main, self.also)
        if self.never:
            described["never"] = self.never.describe()
        if self.twins is not None:
            described["twins"] = self.twins.describe()
        elif self.also:
            described["twins"] = None
        damaged = [f"{each.name}/{image}" for each in self.portions for image in each.collection.damaged]
        if damaged:
            described["damaged"] = damaged
        return described

    def sentences(self) -> list[str]:
        """Say who is kept out, and why."""
        said = []
        if self.never:
            said.append(
                f"Never trained on: {len(self.never.ids):,} images by name"
                + (f" and those of {', '.join(self.never.sources)}" if self.never.sources else "")
                + f"; {self.named:,} of them are in these collections."
            )
        if self.twins is not None:
            said += self.twins.sentences()
        counts = [(each.name, len(each.split.kept_out)) for each in self.portions if each.split.kept_out]
        if counts:
            said.append(
                "Kept out besides the splits, with what shows the same lesion or patient: "
                + ", ".join(f"{count:,} rows of {name}" for name, count in counts)
                + "."
            )
        return said


def divide(
    main: Portion,
    also: Iterable[str | Path | Collection] = (),
    *,
    keep_out: float = ALSO_TEST,
    never: Never | None = None,
    twins: bool = True,
    progress: bool = False,
) -> Division:
    """Split additional collections, and keep out of all what must not take part.

    Args:
        main: the collection that is judged while training; its split is left as it is.
        also: folders or tables in known layouts, or collections.
        keep_out: test share of the additional ones.
        never: images that take no part, with what shows the same lesion or patient.
        twins: look for pictures that look the same, where there are several collections or pictures never to be
            trained on, so that none is learned from while its twin is kept out.
        progress: show bars where someone is looking.

    Raises:
        LesionvizError: a collection cannot be used, has the name of another or shares an image with it, a share is out
            of range, or a clinic that is never to be trained on is in none.
    """
    never = never or Never()
    others = also_portions(also, main, keep_out)
    portions = [main, *others]
    rows = _rows(portions)
    _refuse_unknown_sources(rows, never)
    named, from_source = (mask.to_numpy(bool) for mask in (never.named(rows), never.from_source(rows)))
    groups, own = rows["group"].to_numpy(np.int64), rows["part"].map(RANKS).to_numpy(np.int64)
    # A validation image that is not here chooses nothing, so it is the one to give way to another table's training image.
    absent = (own == RANKS["validation"]) & rows["path"].isna().to_numpy()
    ranks = np.where(named | from_source, RANKS["test"], np.where(absent, RANKS["train"], own))
    links, found = [_same_ids(rows)], None
    if twins and (others or never.pictures):
        # Pictures that are named and in no collection take part in the search as lesions of their own, kept out.
        ids = set(rows["image"].map(identity))
        strange = [path for path in never.pictures if identity(path.name) not in ids]
        groups = np.concatenate([groups, groups.max() + 1 + np.arange(len(strange))])
        ranks = np.concatenate([ranks, np.full(len(strange), RANKS["test"])])
        here = np.flatnonzero(rows["path"].notna())
        places = np.concatenate([here, len(rows) + np.arange(len(strange))])
        paths = [*rows["path"].iloc[here], *map(str, strange)]
        names = [
            f"{name}/{image}" for name, image in zip(rows["name"].iloc[here], rows["image"].iloc[here], strict=True)
        ]
        names += [f"{path.parent.name}/{path.name}" for path in strange]
        found = twins_of(paths, names, groups[places], ranks[places], progress)
        links.append(places[found.pairs])
    allowed = _nearest_allowed(groups, ranks, np.concatenate(links))[: len(rows)]
    shared = np.isin(groups[: len(rows)], groups[links[0]])
    moved = (own < allowed) | (absent & shared & (allowed == RANKS["train"]))
    # Of a clinic that nobody saw every image is kept out, so that the test part is that of the clinics that were seen.
    out = rows[moved | rows["group"].isin(rows["group"][from_source]).to_numpy(bool)]
    kept = [frozenset(out["image"][out["portion"] == number]) for number in range(len(portions))]
    first, *rest = (
        replace(each, split=replace(each.split, kept_out=images)) for each, images in zip(portions, kept, strict=True)
    )
    return Division(first, tuple(rest), never, found, int((named | from_source).sum()))


def also_portions(
    also: Iterable[str | Path | Collection], main: Portion, keep_out: float = ALSO_TEST
) -> tuple[Portion, ...]:
    """Split additional collections in the main one's way and with its seed, larger parts kept out.

    Args:
        also: folders or tables in known layouts, or collections.
        main: the collection that is judged while training; its split is left as it is.
        keep_out: share of the images in the test part, in steps of 5 %; beside it 10 % are validation images.

    Raises:
        LesionvizError: a collection cannot be used, has the name of another, or shares an image with it, or the share
            is out of range.
    """
    if isinstance(keep_out, bool) or not isinstance(keep_out, int | float) or not 0.05 <= keep_out <= 0.85:
        raise LesionvizError(
            f"The share to keep out must be from 0.05 to 0.85, not {keep_out!r}: another tenth is for validation, and "
            "some must be left for training."
        )
    portions = [main]
    for place in also:
        collection = place if isinstance(place, Collection) else read_collection(place)
        divide = split_at_random if main.split.by == "random" else split_by_lesion
        portion = Portion(collection, divide(collection, main.split.seed, ALSO_VALIDATION, float(keep_out)))
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


def _rows(portions: Sequence[Portion]) -> pd.DataFrame:
    """Return all rows of all collections, with the number and name of the portion, the part, and a number for the group.

    A group is what must stay together: a lesion or patient, or, in a split at random, an image.
    """
    frames = [
        each.collection.everything().assign(
            portion=number, name=each.name, part=lambda rows, each=each: each.split.parts_of(rows)
        )
        for number, each in enumerate(portions)
    ]
    rows = pd.concat(frames, ignore_index=True)
    together = [
        rows["image"] if portions[0].split.by == "random" else rows["lesion"],
        rows["portion"],
    ]
    return rows.assign(group=rows.groupby(together, sort=False).ngroup())


def _same_ids(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return pairs of rows, (pairs, 2), that have the same ISIC id: images of another table, with a file here or not."""
    ids = rows["image"].str.extract(ISIC_ID, expand=False)
    named = pd.DataFrame({"id": ids, "row": np.arange(len(rows))}).dropna()
    first = named.groupby("id")["row"].transform("first")
    pairs: npt.NDArray[np.int64] = np.stack([first, named["row"]], axis=1)[first != named["row"]].astype(np.int64)
    return pairs


def _nearest_allowed(
    groups: npt.NDArray[np.int64], ranks: npt.NDArray[np.int64], links: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return for each image how near to learning it may come: not nearer than anything that it belongs to.

    Args:
        groups: for each image its lesion's or patient's number.
        ranks: how far from learning each must stay by itself.
        links: (pairs, 2) images that are or look the same.

    Groups that links hold together count as one, through as many links as there are.
    """
    count = int(groups.max(initial=-1)) + 1
    ones = np.ones(len(links), dtype=np.int8)
    graph = coo_array((ones, (groups[links[:, 0]], groups[links[:, 1]])), shape=(count, count))
    _, together = connected_components(graph, directed=False)
    furthest = np.zeros(count, dtype=np.int64)
    np.maximum.at(furthest, together[groups], ranks)
    allowed: npt.NDArray[np.int64] = furthest[together[groups]]
    return allowed


def _refuse_unknown_sources(rows: pd.DataFrame, never: Never) -> None:
    """Make sure that a clinic that is never to be trained on is in a collection, and its name not misspelt."""
    for source in never.sources:
        if not replace(never, sources=(source,)).from_source(rows).any():
            known = sorted(set(rows["source"].dropna()))
            raise LesionvizError(
                f"No image is from a source called {source!r}. The sources are: {', '.join(map(str, known[:12]))}."
            )


def _refuse_shared_images(one: Portion, other: Portion) -> None:
    """Make sure that no image that is here is in both, so that none is trained on in one and kept out in the other."""
    if one.name == other.name:
        raise LesionvizError(
            f"Two collections are called {one.name}; the model's record tells them apart by the names of their "
            "folders. Give one of them another name."
        )
    shared = _identities(one.collection) & _identities(other.collection)
    if shared:
        raise LesionvizError(
            f"{other.name} shares {len(shared):,} images, {min(shared)} for one, with {one.name}: what one split keeps "
            "out, the other may train on. Leave them out of one of the two."
        )


def _identities(collection: Collection) -> set[str]:
    """Return what tells the images that are here apart across collections: ISIC ids, and paths of files."""
    rows = collection.everything()
    rows = rows[rows["path"].notna()]
    ids = rows["image"].str.extract(ISIC_ID, expand=False).dropna()
    return {*ids, *(str(Path(path).resolve()) for path in rows["path"])}

"""Which images of a collection a model may be judged on: its split, made again from what the checkpoint records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pandas as pd

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.collection import Collection
from lesionviz.data.never import of_source
from lesionviz.data.portions import Portion
from lesionviz.data.split import KEPT_OUT, PARTS, Split, split_at_random, split_by_lesion
from lesionviz.diagnoses import TAUGHT_UNKNOWN
from lesionviz.errors import LesionvizError

ALL = "all"
ADVICE = (
    "Images of a part may be among those that it was trained on. If this collection is new to the model, "
    f"judge it on everything (--part {ALL})."
)


def rows_of_part(checkpoint: Checkpoint, collection: Collection, part: str) -> pd.DataFrame:
    """Return the present rows of a part of the model's own split, after making sure that it is the same split.

    Raises:
        LesionvizError: the part is unknown, or the split does not come out as the model records it.
    """
    if part == ALL:
        return collection.present
    if part not in PARTS:
        raise LesionvizError(f"The part {part!r} is not known. Choose from: {', '.join((*PARTS, ALL))}.")
    return recorded_split(checkpoint, collection).rows(collection, part)


def rows_of_other(checkpoint: Checkpoint, other: Collection) -> tuple[pd.DataFrame, str]:
    """Return what a model never saw of another collection than its main one, and the name of that part.

    That is all of it, or, where the model was trained on a part of it, its test part.

    Raises:
        LesionvizError: it has the name of a collection that the model was trained on, but other images.
    """
    split = _split_of_other(checkpoint, other)
    return (other.present, ALL) if split is None else (split.rows(other, "test"), "test")


def rows_of_source(checkpoint: Checkpoint, other: Collection, source: str) -> tuple[pd.DataFrame, str]:
    """Return what a model never saw of one clinic in another collection, and the name of that part.

    That is the clinic's share of the test part and of what the training kept out besides, or all of it, where the model
    knows nothing of the collection. Nothing was learned or chosen from either. Without rows where the clinic has none.

    Raises:
        LesionvizError: as :func:`rows_of_other`.
    """
    rows, part = other.present, ALL
    split = _split_of_other(checkpoint, other)
    if split is not None:
        parts = split.parts_of(rows)
        part = KEPT_OUT if (parts[of_source(rows, [source])] == KEPT_OUT).all() else "test"
        rows = rows[parts.isin(["test", KEPT_OUT])]
    return rows[of_source(rows, [source])], part


def unknown_rows(checkpoint: Checkpoint, collection: Collection) -> pd.DataFrame:
    """Return the rows of diagnoses that a model does not know and did not learn from, whose image is here.

    A model that was taught what is unknown (``recipe.outlier_weight``) has seen images of the kinds in
    ``TAUGHT_UNKNOWN``; of these only the test part of its own collections is left.

    Raises:
        LesionvizError: the record of its splits is damaged.
    """
    here = collection.present_of("others")
    if not checkpoint.recipe.get("outlier_weight"):
        return here
    split = _split_as_one_of(_records(checkpoint), collection)
    if split is None:  # a collection that is new to it
        return here
    return here[~here["diagnosis"].isin(TAUGHT_UNKNOWN) | (split.parts_of(here) == "test")]


def close_up_rows(checkpoint: Checkpoint, collection: Collection) -> pd.DataFrame:
    """Return the close-ups, which are no dermoscopy, that a model's refusal cannot have learned from, whose image is here.

    Of a collection that it was trained on those are the test part's.

    Raises:
        LesionvizError: the record of its splits is damaged.
    """
    here = collection.present_of("close_ups")
    if here.empty or not checkpoint.split:
        return here
    split = _split_as_one_of(_records(checkpoint), collection)
    return here if split is None else here[split.parts_of(here) == "test"]


def recorded_split(checkpoint: Checkpoint, collection: Collection) -> Split:
    """Make the split of a collection that a checkpoint records again: the main one's, or an additional one's.

    Raises:
        LesionvizError: it records none, or the split does not come out the same.
    """
    if not checkpoint.split:
        raise LesionvizError(f"The model does not record how its images were split. {ADVICE}")
    records = _records(checkpoint)
    found = _split_as_one_of(records, collection)
    if found is None:
        expected = ", ".join(f"{str(record.get('sha256'))[:12]}…" for record in records)
        raise LesionvizError(
            f"The split of {collection.folder} is not the one that the model was trained with ({expected}). {ADVICE}"
        )
    return found


def recorded_portions(checkpoint: Checkpoint, collections: Sequence[Collection]) -> tuple[Portion, ...]:
    """Return all collections that a model was trained on, with their splits, the main one first.

    Args:
        checkpoint: records the splits.
        collections: the main one, then the others in any order.

    Raises:
        LesionvizError: one is missing or is not among the recorded, or its split does not come out the same.
    """
    splits = [recorded_split(checkpoint, each) for each in collections]
    expected = [str(record.get("sha256")) for record in _records(checkpoint)]
    order = [split.describe()["sha256"] for split in splits]
    missing = [
        str(record.get("name", "the main collection"))
        for record in _records(checkpoint)
        if record.get("sha256") not in order
    ]
    if missing or len(order) != len(expected):
        raise LesionvizError(
            f"The model was trained on {len(expected)} collections, and {len(order)} were given"
            + (f"; {', '.join(missing)} is missing" if missing else "")
            + ". Give the main one with --data and each other one with --also."
        )
    portions = {sha: Portion(each, split) for sha, each, split in zip(order, collections, splits, strict=True)}
    return tuple(portions[sha] for sha in expected)


def _records(checkpoint: Checkpoint) -> list[Mapping[str, Any]]:
    """Return the records of the main split and of the additional collections'; models of earlier versions have one."""
    also = checkpoint.split.get("also", [])
    if not isinstance(also, list) or not all(isinstance(record, dict) for record in also):
        raise LesionvizError(f"The model's record of its splits is damaged. {ADVICE}")
    return [checkpoint.split, *also]


def _split_of_other(checkpoint: Checkpoint, other: Collection) -> Split | None:
    """Return the split of another collection than a model's main one; None where it is new to the model.

    Raises:
        LesionvizError: it has the name of a collection that the model was trained on, but other images.
    """
    records = _records(checkpoint)[1:]
    split = _split_as_one_of(records, other)
    name = other.folder.resolve().name
    if split is None and any(record.get("name") == name for record in records):
        raise LesionvizError(
            f"The model was trained on a part of a collection called {name}, and {other.folder} does not "
            "hold the same images, so it cannot be told which of them are new to it. Give the same collection, "
            "or, if this is another one, give its folder another name."
        )
    return split


def _split_as_one_of(records: Iterable[Mapping[str, Any]], collection: Collection) -> Split | None:
    """Split a collection as the first record says after which it comes out the same; None where there is no such one.

    To split thousands of lesions takes seconds, so what several records say in the same words is done once.
    """
    divide = cache(partial(_split, collection))
    for record in records:
        seed, validation, test = (record.get(key) for key in ("seed", "validation", "test"))
        if type(seed) is not int or not isinstance(validation, float) or not isinstance(test, float):
            raise LesionvizError(f"The model's record of its split is damaged. {ADVICE}")
        split = divide(record.get("by") == "random", seed, validation, test)
        if split is None or split.describe()["sha256"] != record.get("sha256"):
            continue
        kept_out = record.get("kept_out", [])
        if not isinstance(kept_out, list) or not all(isinstance(image, str) for image in kept_out):
            raise LesionvizError(f"The model's record of its split is damaged. {ADVICE}")
        return replace(split, kept_out=frozenset(kept_out))
    return None


def _split(collection: Collection, at_random: bool, seed: int, validation: float, test: float) -> Split | None:
    """Split a collection; None where it is too small, so that it never was."""
    try:
        return (split_at_random if at_random else split_by_lesion)(collection, seed, validation, test)
    except LesionvizError:
        return None


def refuse_known_images(
    checkpoint: Checkpoint, collection: Collection, other: Collection, rows: pd.DataFrame
) -> None:
    """Make sure that rows of another collection share no image id with those that the model was trained or chosen on.

    Args:
        checkpoint: the model.
        collection: its main one.
        other: where the rows are from.
        rows: what is to be judged.

    Raises:
        LesionvizError: some do.
    """
    split = recorded_split(checkpoint, collection)
    known = split.table["image"][split.parts_of(split.table).isin(["train", "validation"])]
    shared = rows["image"][rows["image"].isin(known)]
    if not shared.empty:
        raise LesionvizError(
            f"{other.folder} is not new to the model: {len(shared):,} of its images, {shared.iloc[0]} for one, have the "
            "ids of images that it was trained or chosen on. Leave them out."
        )

"""Images that must take no part in training, calibration or choice: named one by one, or by the clinic they are from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from lesionviz.data.folders import is_image, nfc, walk
from lesionviz.data.plain_layouts import ISIC_ID, TABLES
from lesionviz.data.tables import SUFFIXES, read_table
from lesionviz.errors import LesionvizError

ID_COLUMNS = ("isic_id", "image", "image_id", "image_name")
"""Where a table or a JSON object may name an image."""
ADVICE = (
    "Give a folder of images, a text file with one id a line, a CSV with a column isic_id or image, or a JSON list of "
    "ids or of objects with an isic_id."
)
MAX_BYTES = 64 * 2**20
"""Largest list that is read."""


@dataclass(frozen=True)
class Never:
    """Who takes no part.

    Attributes:
        ids: what :func:`identity` makes of the names of images.
        sources: clinics, as a collection's ``source`` or ``attribution`` calls them.
        places: names of the files and folders that the ids are from, for the record.
        pictures: the image files of those folders; what looks like one of them takes no part either.
    """

    ids: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    pictures: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.ids or self.sources)

    def named(self, rows: pd.DataFrame) -> pd.Series[bool]:
        """Return which rows are named by their image."""
        return rows["image"].map(identity).isin(self.ids)

    def from_source(self, rows: pd.DataFrame) -> pd.Series[bool]:
        """Return which rows are from one of the clinics."""
        return of_source(rows, self.sources)

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint records: how many ids, their hash, and the clinics' names."""
        digest = hashlib.sha256("\n".join(sorted(self.ids)).encode()).hexdigest()
        return {
            "places": list(self.places),
            "images": len(self.ids),
            "sha256": digest,
            "sources": sorted(self.sources),
        }


def read_never(places: Iterable[str | Path] = (), sources: Iterable[str] = ()) -> Never:
    """Read lists of images and the names of clinics.

    Args:
        places: folders, whose image files' names count, and files with ids: text, CSV or JSON.
        sources: names of clinics.

    Raises:
        LesionvizError: a place is missing, cannot be read, or names no image.
    """
    ids, pictures, names = set[str](), list[Path](), list[str]()
    for place in map(Path, places):
        if place.is_dir():
            walked = walk(place)
            if walked.closed:
                raise LesionvizError(
                    f"{walked.closed[0]} cannot be looked into, so it is not known what must take no part. Make it "
                    "readable."
                )
            pictures += walked.images
            written = [
                path.stem for path in (*walked.images, *filter(is_image, walked.lost))
            ]  # a link has a name, too
        elif place.is_file():
            written = _ids_in(place)
        else:
            raise LesionvizError(f"There is no file or folder {place}. {ADVICE}")
        if not written:
            raise LesionvizError(f"{place} names no image. {ADVICE}")
        ids |= {identity(name) for name in written}
        names.append(place.name)
    clinics = tuple(dict.fromkeys(source.strip() for source in sources))
    if not all(clinics):
        raise LesionvizError(
            "A source that is never trained on has no name. Write it as the collection's table does."
        )
    return Never(frozenset(ids), clinics, tuple(names), tuple(pictures))


def identity(image: str) -> str:
    """Return what tells an image across collections: the ISIC id in its name, else the name without folder and ending."""
    image = nfc(image)
    found = re.search(ISIC_ID, image)
    if found:
        return found[1]
    path = PurePosixPath(image.strip())
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def of_source(rows: pd.DataFrame, sources: Iterable[str]) -> pd.Series[bool]:
    """Return which rows have one of these names as ``source`` or ``attribution``, whatever the case of its letters."""
    wanted = {source.lower() for source in sources}
    chosen = pd.Series(False, index=rows.index)
    for column in ("source", "attribution"):
        if column in rows:
            chosen |= rows[column].astype(object).fillna("").str.lower().isin(wanted)
    return chosen


def _ids_in(path: Path) -> list[str]:
    """Return the ids in a text, CSV or JSON file."""
    if path.suffix.lower() in TABLES:
        table = read_table(path, (), ADVICE)
        column = next((name for name in ID_COLUMNS if name in table), None)
        if column is None:
            raise LesionvizError(f"{path.name} has none of the columns {', '.join(ID_COLUMNS)}. {ADVICE}")
        return [str(name) for name in table[column].dropna()]
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LesionvizError(f"{path.name} is larger than {MAX_BYTES // 2**20} MiB, too large for a list of ids.")
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise LesionvizError(f"{path.name} cannot be read as text ({error}). {ADVICE}") from error
    if path.suffix.lower() != ".json":
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return list(_ids_of(json.loads(text)))
    except (ValueError, RecursionError) as error:
        raise LesionvizError(f"{path.name} is not readable JSON ({error}). {ADVICE}") from error


def _ids_of(value: Any) -> Iterable[str]:
    """Find the ids in what a JSON file holds: strings of lists, and what objects have under a name of ``ID_COLUMNS``."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, str):
                yield item
            else:
                yield from _ids_of(item)
    elif isinstance(value, dict):
        name = next((value[column] for column in ID_COLUMNS if isinstance(value.get(column), str)), None)
        if name is not None:
            yield name
        else:
            for item in value.values():
                if isinstance(item, list | dict):
                    yield from _ids_of(item)

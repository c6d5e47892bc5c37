"""Which images a run is about: folders, patterns, tables of paths and collections become one list, always in one order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from lesionviz.data.collection import Collection
from lesionviz.data.folders import is_image, walk
from lesionviz.data.plain_layouts import TABLES
from lesionviz.data.read import OFFICIAL, read_collection
from lesionviz.data.tables import read_table
from lesionviz.errors import LesionvizError

Source: TypeAlias = str | Path | Collection
PATHS = ("path", "image_path", "file", "filename", "image")
"""Columns of a table that may hold the paths; the first that is there does."""
ADVICE = f"Expected is a column of paths, named {', '.join(PATHS[:-1])} or {PATHS[-1]}."


def find_images(sources: Source | Iterable[Source]) -> tuple[list[str], list[str]]:
    """Return the absolute paths of all images, each once, and sentences about what was passed over.

    Sources are taken in the order in which they are given; what one of them holds is sorted.

    Args:
        sources: folders, whose pictures are found at any depth; files; patterns such as ``"2024/**/*.jpg"``; tables
            (CSV) with a column of paths, relative to the table or absolute; and collections.

    Raises:
        LesionvizError: a source is not there, or holds no images.
    """
    listed = [sources] if isinstance(sources, (str, Path, Collection)) else list(sources)
    found: list[str] = []
    notes: list[str] = []
    for source in listed:
        images, said = _images_of(source)
        found += [os.path.abspath(image) for image in images]  # noqa: PTH100 -- links stay as they are named
        notes += said
    once = list(dict.fromkeys(found))
    if len(once) < len(found):
        notes.append(f"{len(found) - len(once):,} images are named more than once and are looked at once")
    readable = [image for image in once if _is_utf8(image)]
    if len(readable) < len(once):
        notes.append(f"{len(once) - len(readable):,} files have names that are no UTF-8 and are passed over")
    if not readable:
        raise LesionvizError("No images were named. Give folders, files, patterns or a CSV of paths.")
    return readable, notes


def _images_of(source: Source) -> tuple[list[str], list[str]]:
    if isinstance(source, Collection):
        rows = source.everything()
        return rows["path"][rows["path"].notna()].tolist(), list(source.notes)
    path = Path(source)
    if path.is_dir():
        walked = walk(path)
        if not walked.images:
            raise LesionvizError(f"The folder {path} holds no images. Give one with images in it or below it.")
        return list(map(str, walked.images)), [f"{path.name}: {note}" for note in walked.notes()]
    if path.is_file():
        return _of_table(path) if path.suffix.lower() in TABLES else ([str(path)], [])
    if glob.has_magic(str(source)):
        matches = sorted(glob.glob(str(source), recursive=True))  # noqa: PTH207 -- absolute patterns, too
        images = [match for match in matches if is_image(Path(match)) and Path(match).is_file()]
        if not images:
            raise LesionvizError(f"No image fits the pattern {source}. Check it, and put it between quotes.")
        return images, []
    raise LesionvizError(f"There is no file or folder {source}. Check the path and its spelling.")


def _of_table(path: Path) -> tuple[list[str], list[str]]:
    """Return the images that a table names, whether they are there or not: a missing one becomes a row that says so."""
    if path.name in OFFICIAL:
        return _images_of(read_collection(path))
    table = read_table(path, (), ADVICE)
    names = {str(column).lower(): column for column in reversed(table.columns)}
    column = next((names[name] for name in PATHS if name in names), None)
    if column is None:
        raise LesionvizError(f"{path.name} has the columns {', '.join(map(str, table.columns[:12]))}. {ADVICE}")
    written = table[column].dropna().tolist()
    images = [str(path.parent / each) for each in written]
    if not any(map(os.path.exists, images)):
        raise LesionvizError(
            f"None of the {len(images):,} files that {path.name} names in its column {column} is there, such as "
            f"{images[0] if images else 'none at all'}. Write paths relative to the table, or absolute ones."
        )
    empty = len(table) - len(written)
    return images, [f"{path.name}: {empty:,} rows name no file and are passed over"] if empty else []


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True

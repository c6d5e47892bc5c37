"""Walks folders as people keep them: links are followed, loops end, and nothing is passed over without a word.

The one door to the files of a folder, whatever it is for. Names are compared in one form of Unicode (NFC): a Mac takes
letters and their accents apart, everybody else does not.
"""

from __future__ import annotations

import heapq
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionviz.imaging import ENDINGS, pixels_of

DOWNSAMPLED = "_downsampled"
"""ISIC 2019 ends some ids with this; some mirrors leave it out of the file's name."""
SHOWN = 5
"""How many examples are named."""


@dataclass(frozen=True)
class Walk:
    """What lies in a folder and below it.

    Attributes:
        folder: where the walk began.
        files: every file, also of linked folders, sorted; without what is hidden.
        hidden: how many files and folders have names that begin with a dot.
        lost: links that lead nowhere.
        again: links to a folder that is walked anyway, or that holds this one: a loop.
        closed: folders that cannot be looked into.
        misnamed: files and folders whose names are not UTF-8; nothing that is written could name them.
    """

    folder: Path
    files: tuple[Path, ...] = ()
    hidden: int = 0
    lost: tuple[Path, ...] = ()
    again: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()
    misnamed: tuple[Path, ...] = ()

    @property
    def images(self) -> tuple[Path, ...]:
        """The files that end like pictures."""
        return tuple(path for path in self.files if is_image(path))

    def notes(self, taken: Iterable[Path] = ()) -> list[str]:
        """Say what was passed over, and why.

        Args:
            taken: files that are no pictures and were read all the same, such as the table.
        """
        left = set(self.files) - set(taken)
        others = Counter(path.suffix.lower() or "without ending" for path in left if not is_image(path))
        others["hidden"] = self.hidden
        said = []
        if others.total():
            ordered = sorted((-count, ending) for ending, count in others.items() if count)
            kinds = " · ".join(f"{ending} {-count:,}" for count, ending in ordered)
            said.append(f"{others.total():,} files are no images and are passed over: {kinds}")
        for places, what in (
            (self.lost, "links lead nowhere, so what they stand for is not here"),
            (self.again, "links lead to a folder that is read anyway and are not followed"),
            (self.closed, "folders cannot be looked into, so what they hold is not here"),
            (self.misnamed, "files or folders have names that are no UTF-8 and are passed over; give them others"),
        ):
            if places:
                said.append(f"{len(places):,} {what}: {some(self.name_of(place) for place in places)}")
        return said

    def name_of(self, path: Path) -> str:
        """Return the name of a file below the folder, with slashes, in NFC."""
        return nfc(path.relative_to(self.folder).as_posix().encode("utf-8", "replace").decode())


def nfc(name: str) -> str:
    """Return a name in the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def is_image(path: Path) -> bool:
    """Return whether a file's name ends like a picture's."""
    return path.suffix.lower() in ENDINGS


def some(names: Iterable[str]) -> str:
    """Return the first few of some names, and how many more there are."""
    names = list(names)
    more = f" … and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def walk(folder: Path) -> Walk:
    """Find the files in a folder and below it.

    Every folder is walked once, under its own name rather than a link's. A link to a folder that holds this one is not
    followed: it would lead through the whole disk.
    """
    files, lost, again, closed, misnamed = [list[Path]() for _ in range(5)]
    hidden = 0
    root = folder.resolve()
    seen = {_identity(place) for place in root.parents}
    todo, links = ([folder] if folder.is_dir() else []), list[Path]()
    while todo or links:
        linked = not todo
        place = heapq.heappop(links) if linked else todo.pop()
        try:
            identity = _identity(place)
            if identity in seen:
                again += [place] if linked else []
                continue
            seen.add(identity)
            with os.scandir(place) as scan:
                entries = list(scan)
        except OSError:
            closed.append(place)
            continue
        for entry in entries:
            path = place / entry.name
            if entry.name.startswith("."):
                hidden += 1
                continue
            if not _is_utf8(entry.name):
                misnamed.append(path)
                continue
            try:
                mode = entry.stat().st_mode
            except OSError:  # nowhere, or round in a circle of links
                lost.append(path)
                continue
            if stat.S_ISDIR(mode):
                if entry.is_symlink():
                    heapq.heappush(links, path)
                else:
                    todo.append(path)
            elif stat.S_ISREG(mode):
                files.append(path)
    ordered = (tuple(sorted(places)) for places in (lost, again, closed, misnamed))
    return Walk(folder, tuple(sorted(files)), hidden, *ordered)


def place_images(
    ids: Iterable[str], folder: Path, taken: Iterable[Path] = ()
) -> tuple[list[str | None], tuple[str, ...]]:
    """Return the path of each id's file below a folder, or None where it is not here, and sentences about the rest.

    Args:
        ids: names of images without ending.
        folder: where to look.
        taken: the tables that were read, which are not said to be passed over.
    """
    walked = walk(folder)
    found, notes = one_for_each(walked, {path: nfc(path.stem) for path in walked.images})
    paths = [
        found.get(image) or found.get(image.removesuffix(DOWNSAMPLED)) or found.get(image + DOWNSAMPLED)
        for image in map(nfc, ids)
    ]
    unnamed = sorted(set(found.values()) - set(paths))
    if unnamed:
        names = some(walked.name_of(path) for path in unnamed)
        notes.append(f"{len(unnamed):,} images are in no row that is read, and are passed over: {names}")
    return [None if path is None else str(path) for path in paths], (*notes, *walked.notes(taken))


def one_for_each(walked: Walk, ids: dict[Path, str]) -> tuple[dict[str, Path], list[str]]:
    """Return the file of each id, of several the one with most pixels, and a sentence about those that had several.

    Of files with as many pixels the one with more bytes is taken, of these the first in order.

    Args:
        walked: where the files are.
        ids: of each file.
    """
    files: dict[str, list[Path]] = {}
    for path, image in ids.items():
        files.setdefault(image, []).append(path)
    several = {image: sorted(paths, key=_largest_first) for image, paths in files.items() if len(paths) > 1}
    notes = []
    if several:
        examples = some(
            f"{walked.name_of(paths[0])} (not {some(map(walked.name_of, paths[1:]))})" for paths in several.values()
        )
        notes.append(f"{len(several):,} images have several files, of which the largest is taken: {examples}")
    return {image: several.get(image, paths)[0] for image, paths in files.items()}, notes


def _largest_first(path: Path) -> tuple[int, int, Path]:
    return -pixels_of(path), -path.stat().st_size, path


def _identity(place: Path) -> tuple[int, int]:
    """Return what tells a folder apart, whatever names lead to it."""
    state = place.stat()
    return state.st_dev, state.st_ino


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that were no UTF-8 come as lone surrogates
        return False
    return True


def below(walked: Walk, names: Sequence[str]) -> list[Path]:
    """Return the files of these names that do not lie in the folder itself."""
    return [path for path in walked.files if path.name in names and path.parent != walked.folder]

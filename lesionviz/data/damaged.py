"""Images that cannot be used: looked for before any work begins, named all at once, left out where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm.auto import tqdm

from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_thumbnail

SIDE = 32
"""Side of the pictures that a look decodes: all bytes of a file are read, hardly any pixel is made, which is faster."""
NAMED = 1000
"""How many are named at most; a list of more helps nobody."""
ADVICE = (
    "Copy them again, or go on without them (--skip-damaged); lesionviz data inspect with --out writes why of each."
)


def damaged_among(paths: Iterable[str | Path], progress: bool = True) -> dict[str, str]:
    """Look at image files, and return by path why those that cannot be used cannot.

    Args:
        paths: the files; each is looked at once.
        progress: show a bar where someone is looking.
    """
    files = list(dict.fromkeys(map(str, paths)))
    with ThreadPoolExecutor() as pool:
        looked = tqdm(
            pool.map(why_unusable, files),
            total=len(files),
            desc="Looking at images",
            leave=False,
            disable=None if progress else True,
        )
        return {path: why for path, why in zip(files, looked, strict=True) if why}


def why_unusable(path: str | Path) -> str:
    """Return why an image file cannot be used, or nothing."""
    try:
        open_thumbnail(path, SIDE)
    except LesionvizError as error:
        return str(error)
    return ""


def refuse_damaged(damaged: Mapping[str, str], advice: str = ADVICE) -> None:
    """Name all files that cannot be used, with the reason of the first.

    Args:
        damaged: for each path, why.
        advice: what to do, a sentence.

    Raises:
        LesionvizError: there are some.
    """
    if damaged:
        # On one line: of processes that train together, lines are what is handed on.
        why = next(iter(damaged.values()))
        raise LesionvizError(
            f"{len(damaged):,} image{'s' if len(damaged) > 1 else ''} cannot be used: {names_of(damaged)}. "
            f"Of the first: {why} {advice}"
        )


def names_of(paths: Iterable[str]) -> str:
    """Return the names of files for people, each with that of its folder."""
    names = ["/".join(Path(path).parts[-2:]) for path in paths]
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

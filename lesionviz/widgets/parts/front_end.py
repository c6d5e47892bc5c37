"""The browser's side of the widgets: plain JavaScript and style sheets, put together from small files.

A widget's script is one module. Files are joined in the given order and share their names; only the last one
exports ``render``. There is no build step: what lies beside the Python of a room is what runs.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

ROOMS = Path(__file__).parents[1]


@cache
def script(*names: str) -> str:
    """Return the module made of some files, each named ``room/file`` without ``.js``."""
    return _joined(names, "js")


@cache
def style(*names: str) -> str:
    """Return the style sheet made of some files, each named ``room/file`` without ``.css``."""
    return _joined(names, "css")


def _joined(names: tuple[str, ...], suffix: str) -> str:
    return "\n".join((ROOMS / f"{name}.{suffix}").read_text(encoding="utf-8") for name in names)

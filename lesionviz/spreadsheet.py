"""Text for a spreadsheet's cells: names of files and people are strangers' words, and must not become formulas."""

from __future__ import annotations

STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""With these, also behind blanks, a spreadsheet starts a formula."""


def harmless(text: str) -> str:
    """Return a cell's text so that no spreadsheet takes it for a formula: with an apostrophe before it."""
    return f"'{text}" if text.lstrip().startswith(STARTS) or text[:1] in {"\t", "\r", "\n"} else text

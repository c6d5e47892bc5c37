"""What learners call themselves: a stranger's words, made printable, short, and told apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

MAX_LEARNER = 60
"""Letters of a name."""


def plain_name(wish: str) -> str:
    """Return a name as it can be shown: on one line, printable, of at most ``MAX_LEARNER`` letters; it may be empty."""
    return " ".join("".join(c if c.isprintable() else " " for c in wish).split())[:MAX_LEARNER].rstrip()


def free_name(wish: str, taken: Collection[str]) -> str:
    """Return a name that no other learner has; a number where none was wished for."""
    plain = plain_name(wish)
    spoken = {alike(name) for name in taken}
    name = plain or f"Learner {len(taken) + 1}"
    number = 2
    while alike(name) in spoken:
        name = f"{plain or 'Learner'} ({number})"
        number += 1
    return name


def alike(name: str) -> str:
    """Return the same for names that a reader takes for one: capitals, widths and ways to write an accent aside."""
    return unicodedata.normalize("NFKC", name).casefold()

"""Sentences on the terminal: printed at once, and in plain letters where it cannot show the others."""

from __future__ import annotations

import codecs
import contextlib
import io
import sys

from lesionviz.errors import PREFIX

PLAIN = {
    "×": "x",
    "–": "-",
    "−": "-",
    "…": "...",
    "·": "-",
    "≥": ">=",
    "≤": "<=",
    "“": '"',
    "”": '"',
    "’": "'",
    "→": "->",
}
"""What stands for a sign on a terminal that cannot show it; a question mark for any other."""


def say(sentence: str) -> None:
    """Print a sentence."""
    print(sentence, flush=True)


def complain(sentence: str) -> None:
    """Print a sentence about something that is wrong, where errors go."""
    print(f"{PREFIX}{sentence}", file=sys.stderr)


def print_on_any_terminal() -> None:
    """Replace the signs that the terminal cannot show, instead of ending with an error in the middle of a sentence."""
    codecs.register_error("lesionviz-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # and no stream of somebody's own
            with contextlib.suppress(ValueError):  # closed
                stream.reconfigure(errors="lesionviz-plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end

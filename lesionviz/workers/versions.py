"""Whether another machine's Python fits ours, in one sentence where it does not."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from lesionviz.machine import version

EXACT, MINOR = ("lesionviz", "distributed"), ("python", "torch")
"""Packages of which both sides need the very same version, and those of which the first two numbers count."""
PACKAGES = ("lesionviz", "distributed", "torch")
ON_SCHEDULER, ON_WORKER = ("python", "lesionviz", "distributed"), ("python", *PACKAGES)


def own_versions() -> dict[str, str]:
    """Return the versions on this machine; nothing is imported."""
    return {"python": platform.python_version(), **{name: version(name) or "" for name in PACKAGES}}


def misfit(who: str, theirs: Mapping[str, str | None], ours: Mapping[str, str], names: tuple[str, ...]) -> str:
    """Return a sentence that names both sides' versions where they do not fit, else nothing.

    Args:
        who: the other side, as the subject of the sentence.
        theirs: its versions by package; without what it has not.
        ours: this machine's.
        names: what must fit.
    """

    def counts(name: str, whole: str) -> str:
        return whole if name in EXACT else ".".join(whole.split(".")[:2])

    wrong = [name for name in names if counts(name, theirs.get(name) or "") != counts(name, ours[name])]
    if not wrong:
        return ""

    def said(versions: Mapping[str, str | None]) -> str:
        names = {name: "Python" if name == "python" else name for name in wrong}
        return ", ".join(
            f"{names[name]} {counts(name, found)}" if (found := versions.get(name)) else f"no {names[name]}"
            for name in wrong
        )

    return f"{who} has {said(theirs)} and this machine has {said(ours)}: install the same on both."

"""Prints the lowest versions that ``pyproject.toml`` allows of what users need, as constraints for pip.

``make test-oldest`` installs them and runs the tests: a lower bound is a promise. Uses the standard library alone, because
it runs before anything is installed.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,-]+\])?>=(?P<version>[\d.]+)")


def lowest(requirements: list[str]) -> list[str]:
    """Return ``name==version`` for each requirement, which must have the form ``name>=version``."""
    pinned = []
    for requirement in requirements:
        found = REQUIREMENT.fullmatch(requirement)
        if found is None:
            raise SystemExit(f"{requirement!r} in {PYPROJECT.name} is not of the form name>=version.")
        pinned.append(f"{found['name']}=={found['version']}")
    return pinned


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["dependencies"])))

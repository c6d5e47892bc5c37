"""Options that several commands have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where commands are added."""


def add_data_and_out(command: argparse.ArgumentParser) -> None:
    """Add ``--data`` and ``--out``."""
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder or table of labelled images")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")


def add_model(command: argparse.ArgumentParser) -> None:
    """Add ``--model``."""
    command.add_argument("--model", type=Path, metavar="FILE", help="a best_model.pth (default: the bundled one)")


def add_skip_damaged(command: argparse.ArgumentParser) -> None:
    """Add ``--skip-damaged``."""
    command.add_argument(
        "--skip-damaged",
        action="store_true",
        help="go on without images that cannot be used, and say how many (default: name them all and stop)",
    )


def add_several(
    command: argparse._ActionsContainer, name: str, metavar: str, explained: str, kind: type = Path
) -> None:
    """Add an option that may be given several times; without it the list is empty."""
    command.add_argument(name, type=kind, action="append", default=[], metavar=metavar, help=explained)

"""``lesionviz doctor``: looks at this installation; it must run where nothing else does."""

from __future__ import annotations

import argparse

from lesionviz.cli.options import Commands
from lesionviz.cli.terminal import say


def add_doctor(commands: Commands) -> None:
    """Add the command."""
    doctor = commands.add_parser("doctor", help="look at this installation, and say what to do about what is wrong")
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from lesionviz.doctor import examine, to_text

    findings = examine()
    say(to_text(findings))
    return int(any(finding.state == "WRONG" for finding in findings))

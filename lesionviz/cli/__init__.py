"""The command line: ``lesionviz dashboard``, ``lesionviz train``, ``lesionviz evaluate``.

It reads options, calls the library and prints sentences; a :class:`LesionvizError` becomes one line
and exit status 1. Nothing is computed here. Each file holds a group of commands, and imports what they need when one runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import lesionviz
from lesionviz.cli.dashboard import add_dashboard
from lesionviz.cli.data import add_data
from lesionviz.cli.doctor import add_doctor
from lesionviz.cli.evaluation import add_compare, add_evaluate, add_faithfulness_and_shortcuts, add_index
from lesionviz.cli.score import add_score
from lesionviz.cli.terminal import complain, print_on_any_terminal
from lesionviz.cli.training import add_calibrate, add_train, add_train_drawings
from lesionviz.errors import LesionvizError
from lesionviz.machine import give_home


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    print_on_any_terminal()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] != ["doctor"] and (told := give_home()):
            complain(told)
        # The doctor must be able to look at an installation in which nothing else can be imported.
        options = _parser(complete=given[:1] != ["doctor"]).parse_args(given)
        result: int = options.run(options)
    except LesionvizError as error:
        complain(str(error))
        return 1
    except ImportError as error:
        complain(f"{error}. A package is missing or broken; lesionviz doctor says which.")
        return 1
    except BrokenPipeError:  # whoever read has seen enough, as `head` does; nothing is left to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        complain("stopped.")
        return 130
    return result


def _parser(complete: bool = True) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lesionviz",
        description="Train, question and show a skin-lesion classifier. For research and teaching.",
    )
    parser.add_argument("--version", action="version", version=f"lesionviz {lesionviz.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_dashboard(commands)
    add_doctor(commands)
    if not complete:
        return parser
    add_evaluate(commands)
    add_compare(commands)
    add_calibrate(commands)
    add_index(commands)
    add_faithfulness_and_shortcuts(commands)
    add_score(commands)
    add_data(commands)
    add_train(commands)
    add_train_drawings(commands)
    return parser

"""A picture on view and whom a check asks about it: what tests of "Can I trust this answer?" stand on."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from lesionviz.case import Case
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Far, Near
from lesionviz.widgets.checks.check import Check
from lesionviz.widgets.parts.background import Background


@dataclass
class OnView:
    """A picture as the page shows it."""

    case: Case
    drawn: bool = False


def background_of(examiner: Near | Far) -> Background:
    """A background whose model is loaded and is this one."""
    background = Background(LesionClassifier)  # type: ignore[arg-type]  # nobody asks it
    background._examiner = Future()
    background._examiner.set_result(examiner)
    return background


def press(check: Check, content: Any = None) -> None:
    """Send a check what a browser sends: by default that its button was pressed."""
    check._handle_custom_msg({"kind": "ask"} if content is None else content, [])

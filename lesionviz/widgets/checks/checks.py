"""``Checks``: the fold "Can I trust this answer?" under the pictures of a case, with a section for each check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import ipywidgets
import traitlets

from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.answer_set import AnswerSetCheck
from lesionviz.widgets.checks.check import Check, Kept, Looked
from lesionviz.widgets.checks.pointing import PointingCheck
from lesionviz.widgets.checks.stillness import StillnessCheck
from lesionviz.widgets.checks.what_if import WhatIfCheck
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import Part

TITLE = "Can I trust this answer?"


class Fold(anywidget.AnyWidget):
    """A heading that folds away what follows it, and a way to each of its parts; the browser's own business.

    Attributes:
        title: the heading.
        parts: headings of the sections that follow.
    """

    _esm = script("parts/dom", "checks/fold")
    _css = style("parts/base", "checks/checks")

    title = traitlets.Unicode("").tag(sync=True)
    parts: traitlets.List[str] = traitlets.List().tag(sync=True)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take nothing from a browser."""


class Checks(ipywidgets.VBox):  # type: ignore[misc]
    """All checks of the answer on view.

    Args:
        background: whom to ask, and the thread for it.
        view: that shows the picture and its map.
    """

    def __init__(self, background: Background, view: CaseView) -> None:
        self._checks: Sequence[Check] = (
            AnswerSetCheck(background),
            PointingCheck(background, view),
            StillnessCheck(background),
            WhatIfCheck(background),
        )
        sections = ipywidgets.Box(self._checks)
        super().__init__([Fold(title=TITLE, parts=[check.texts["title"] for check in self._checks]), sections])
        self.add_class("lv-checks")
        sections.add_class("lv-checks-sections")

    def show(self, looked: Looked | None) -> None:
        """Turn to another picture, or to none."""
        for check in self._checks:
            check.show(looked)

    def kept(self) -> list[Kept]:
        """Return what was found out about the picture on view, for its page and its sheet."""
        return [kept for check in self._checks if (kept := check.kept()) is not None]

    def parts_to_say_again(self) -> list[Part]:
        """Return what only Python knows of the checks."""
        return [(check, ["state"]) for check in self._checks]

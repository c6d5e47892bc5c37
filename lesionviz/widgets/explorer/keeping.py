"""``Keeping``: the buttons that make a file of the case on view, and the making of it in the background."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.checks.checks import Checks
from lesionviz.widgets.explorer.state import State
from lesionviz.widgets.export.export import case_page, case_sheet
from lesionviz.widgets.parts.background import Background, sentence
from lesionviz.widgets.parts.downloads import Downloads

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.cluster import Examiner
    from lesionviz.trust.two_models import TwoModels


class Keeping:
    """Makes files of the case on view.

    Args:
        background: makes them.
        view: whose case and choices they show.
        checks: whose findings they tell.
        state: returns where the page stands.
        second: returns what two models say of a case; None where there is one model.

    Attributes:
        downloads: the buttons.
    """

    def __init__(
        self,
        background: Background,
        view: CaseView,
        checks: Checks,
        state: Callable[[], State],
        second: Callable[[Case], TwoModels | None],
    ) -> None:
        self.downloads = Downloads({"page": "Web page", "pdf": "PDF", "png": "Picture"}, self._make)
        self._background, self._view, self._checks, self._state, self._second = (
            background,
            view,
            checks,
            state,
            second,
        )

    def _make(self, key: str) -> None:
        """Make a file and hand it to the browser."""
        examined = self._state().on_view
        if examined is None:
            return
        source = examined.prediction.source
        kept = self._checks.kept()  # as they stand now
        stem = "".join(letter if letter.isalnum() else "-" for letter in PurePath(source).stem).strip("-") or "case"

        def work(examiner: Examiner) -> tuple[str, bytes, str]:
            examiner = examiner.answering(examined.drawn)
            now, checkpoint, case = datetime.now(), examiner.checkpoint, examiner.complete(examined.case)
            point, second = self._state().point, self._second(case)
            if key == "page":
                page = case_page(case, self._view, checkpoint, now, point, kept, second)
                return f"{stem}.html", page.encode(), "text/html"
            kind: Literal["pdf", "png"] = "pdf" if key == "pdf" else "png"
            sheet = case_sheet(case, self._view, checkpoint, now, kind, point, kept, second)
            return f"{stem}.{kind}", sheet, "application/pdf" if key == "pdf" else "image/png"

        def done(made: tuple[str, bytes, str]) -> None:
            if self._state().on_view is examined:
                self.downloads.deliver(*made)
            else:  # the view may have turned to the next picture while it was being read
                self.downloads.fail(f"{source} is no longer on view, so no file was made of it.")

        def failed(error: Exception) -> None:
            if self._state().on_view is examined:
                self.downloads.fail(sentence(error, "The file"))

        self._background.submit(work, done, failed)

"""One case in the browser: its answer, its pictures and maps, and everything that a person can turn about them."""

from lesionviz.widgets.case.case_view import CaseView

__all__ = ["CaseView"]

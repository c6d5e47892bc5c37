"""Maps side by side on one scale."""

from lesionviz.widgets.compare.compare import Compare

__all__ = ["Compare"]

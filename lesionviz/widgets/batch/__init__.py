"""Many files, one row each."""

from lesionviz.widgets.batch.batch import Batch

__all__ = ["Batch"]

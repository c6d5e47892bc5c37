"""pyarrow, which reads and writes the tables: imported when a run needs it, and missed in a sentence."""

from __future__ import annotations

from typing import Any

from lesionviz.errors import LesionvizError


def arrow() -> tuple[Any, Any]:
    """Return the modules ``pyarrow`` and ``pyarrow.parquet``.

    Raises:
        LesionvizError: they are not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise LesionvizError(
            f"Tables of a whole archive need pyarrow ({error}). Install it with: pip install 'lesionviz[parquet]'."
        ) from error
    return pyarrow, parquet

"""Figures as JSON can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lesionviz.evaluation.bootstrap import Interval


def to_plain(value: Any) -> Any:
    """Return a value as JSON can hold it; NaN becomes None."""
    if isinstance(value, Interval):
        return to_plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        return to_plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value

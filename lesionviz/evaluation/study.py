"""Writes what a study of maps or answers found: a line for every image, the summary, and the same for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from lesionviz.files import replacing


def save_study(out: Path, name: str, table: pd.DataFrame, summary: Mapping[str, Any], text: str) -> None:
    """Write ``<name>.csv`` (every image), ``<name>.json`` (the summary) and ``<name>.md`` (the summary for people)."""
    with replacing(out / f"{name}.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.5f")
    with replacing(out / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    with replacing(out / f"{name}.md") as temporary:
        temporary.write_text(text, encoding="utf-8")

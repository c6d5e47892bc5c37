"""The table of a run opens in pandas, Polars and DuckDB, and says the same in each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from stand_in import IMAGES, OPTIONS, StandIn, draw_archive

from lesionviz.archive.run import run

polars = pytest.importorskip("polars")
duckdb = pytest.importorskip("duckdb")
pytestmark = pytest.mark.heavy
FILTER = "diagnosis IS NOT NULL AND NOT warned AND confidence > 0.3"


def test_pandas_polars_and_duckdb_count_filter_and_average_alike(tmp_path: Path) -> None:
    (archive := tmp_path / "in").mkdir()
    table = str(run(draw_archive(archive), tmp_path / "out", StandIn(), OPTIONS, progress=False).table)

    frame = pd.read_parquet(table)
    answered = frame[frame["diagnosis"].notna()]
    sure = answered[~answered["warned"].astype(bool) & (answered["confidence"] > 0.3)]
    own = (len(frame), int(frame["error"].notna().sum()), sorted(sure["number"]), frame["confidence"].mean())

    column = polars.col
    lazy = polars.read_parquet(table)
    kept = lazy.filter(column("diagnosis").is_not_null() & ~column("warned") & (column("confidence") > 0.3))
    theirs = (lazy.height, lazy["error"].count(), sorted(kept["number"].to_list()), lazy["confidence"].mean())

    with duckdb.connect() as base:

        def rows(query: str) -> list[tuple[Any, ...]]:
            return base.execute(query, [table]).fetchall()

        ((count, failed, mean),) = rows("SELECT count(*), count(error), avg(confidence) FROM read_parquet(?)")
        numbers = sorted(number for (number,) in rows(f"SELECT number FROM read_parquet(?) WHERE {FILTER}"))

    assert own[:2] == (IMAGES, 3)
    assert 0 < len(own[2]) < IMAGES
    assert theirs[:3] == own[:3]
    assert (count, failed, numbers) == own[:3]
    assert [theirs[3], mean] == pytest.approx([own[3]] * 2, rel=1e-5)
    assert lazy["notes"].to_list() == [None if notes is None else list(notes) for notes in frame["notes"]]

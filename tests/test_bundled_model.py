"""The checkpoint that a newcomer meets first."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data.read import read_collection
from lesionviz.evaluation.parts import recorded_portions
from lesionviz.evaluation.report.commands import training_command
from lesionviz.files import sha256
from lesionviz.training.judging import named_rows

CARD = Path(__file__).parents[1] / "MODEL_CARD.md"


def test_it_is_small_was_trained_and_says_where_it_comes_from() -> None:
    bundled = Checkpoint.load(BUNDLED)
    assert BUNDLED.stat().st_size < 10_000_000
    assert bundled.recipe["epochs"] > 1
    assert bundled.metrics["validation"]["balanced_accuracy"] > 0.7
    assert "not for commercial use" in bundled.licence
    assert any("ImageNet" in line for line in bundled.history)


def test_the_model_card_is_about_this_very_file() -> None:
    card = CARD.read_text(encoding="utf-8")
    bundled = Checkpoint.load(BUNDLED)
    assert sha256(BUNDLED) in card
    assert bundled.split["sha256"] in card
    assert training_command(bundled) in card


@pytest.mark.once
def test_its_splits_come_out_of_the_official_tables_and_keep_out_what_must_never_be_learned(isic2019: Path) -> None:
    bundled = Checkpoint.load(BUNDLED)
    records = [bundled.split, *bundled.split.get("also", [])]
    places = [isic2019, *(isic2019.parent / record["name"] for record in records[1:])]
    if not all(place.is_dir() for place in places):
        pytest.skip(f"needs {' and '.join(place.name for place in places[1:])} beside {isic2019.name}")
    portions = recorded_portions(bundled, [read_collection(place) for place in places])
    assert [each.split.describe()["sha256"] for each in portions] == [record["sha256"] for record in records]
    seen = pd.concat([named_rows(portions, part) for part in ("train", "validation")])
    assert len(seen) > 10_000
    assert not seen["source"].isin(bundled.split["never"]["sources"]).any()
    originals = {file.stem for file in (isic2019.parent / "originals").rglob("*.*")}
    assert not seen["image"].map(lambda name: Path(name).stem).isin(originals).any()

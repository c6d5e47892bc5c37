"""The checkpoint that a newcomer meets first."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion, also_portions, describe_splits
from lesionviz.data.split import split_by_lesion
from lesionviz.evaluation.report.commands import training_command
from lesionviz.files import sha256

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


def test_its_split_comes_out_of_the_official_tables(isic2019: Path) -> None:
    recorded = {"by": "lesion"} | dict(Checkpoint.load(BUNDLED).split)
    collection = read_isic2019(isic2019)
    main = Portion(collection, split_by_lesion(collection))
    places = [isic2019.parent / record["name"] for record in recorded.get("also", [])]
    if not all(place.is_dir() for place in places):
        pytest.skip(f"needs {' and '.join(place.name for place in places)} beside {isic2019.name}")
    assert describe_splits(main, also_portions(places, main)) == recorded

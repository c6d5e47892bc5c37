"""Drawn artefacts, and the report on what they do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.artefacts import ARTEFACTS
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import split_by_lesion
from lesionviz.evaluation.shortcuts import ShortcutReport, shortcuts

SKIN = Image.new("RGB", (300, 240), (220, 170, 150))


@pytest.mark.parametrize("name", ARTEFACTS)
def test_an_artefact_changes_only_the_pixels_that_it_says_and_darkens_them(name: str) -> None:
    changed, touched = ARTEFACTS[name](SKIN, np.random.default_rng(0))
    before, after = np.asarray(SKIN, int), np.asarray(changed, int)
    assert changed.size == SKIN.size
    assert 0.005 < touched.mean() < 0.5
    assert np.array_equal(before[~touched], after[~touched])
    assert after[touched].sum() < before[touched].sum()
    assert np.abs(after - before).max() > 80


def test_the_vignette_leaves_the_middle_and_blackens_the_corners() -> None:
    changed, touched = ARTEFACTS["dark vignette"](SKIN, np.random.default_rng(0))
    assert not touched[80:160, 100:200].any()
    assert max(changed.getpixel((0, 0))) < 20


def test_the_ring_surrounds_the_middle() -> None:
    _, touched = ARTEFACTS["ink ring"](SKIN, np.random.default_rng(0))
    assert not touched[70:170, 100:200].any()
    assert touched[120, :150].any()
    assert touched[120, 150:].any()


@pytest.mark.parametrize("name", ["ruler", "ink ring", "hair"])
def test_the_same_seed_draws_the_same(name: str) -> None:
    one, other, third = (ARTEFACTS[name](SKIN, np.random.default_rng(seed))[0].tobytes() for seed in (1, 1, 2))
    assert one == other
    assert one != third


@pytest.mark.heavy
def test_the_report_asks_about_every_artefact_on_test_images(
    small_checkpoint: Checkpoint, drawn_folder: Path, tmp_path: Path
) -> None:
    collection = read_isic2019(drawn_folder)
    split = split_by_lesion(collection)
    classifier = LesionClassifier(replace(small_checkpoint, split=split.describe()))
    report = shortcuts(collection, classifier, tmp_path, images=4)
    assert len(report.table) == 4 * len(ARTEFACTS)
    assert set(report.table["image"]) <= set(split.rows(collection, "test")["image"])
    flipped = report.table["before"] != report.table["after"]
    assert (report.table["flipped"] == flipped).all()
    paths = collection.table.set_index("image")["path"]
    for row in report.table.itertuples():
        assert classifier.predict(paths[row.image]).diagnosis == row.before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shortcuts.csv", "shortcuts.json", "shortcuts.md"]


def test_figures_of_a_known_table() -> None:
    line = {
        "lesion": "a",
        "artefact": "hair",
        "before": "NV",
        "after": "NV",
        "change": 0.0,
        "evidence": 0.2,
        "area": 0.1,
    }
    table = pd.DataFrame(
        [
            line | {"flipped": 0.0, "to malignant": 0.0, "to benign": np.nan},
            line | {"flipped": 1.0, "to malignant": 1.0, "to benign": np.nan, "lesion": "b"},
        ]
    )
    means = ShortcutReport(table, 2).summary().set_index("figure")["mean"]
    assert means["flipped"] == means["to malignant"] == 0.5
    assert np.isnan(means["to benign"])
    assert means["evidence"] == pytest.approx(0.2)

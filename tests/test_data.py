from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lesionviz.data.isic2019 import GROUND_TRUTH, IMAGES, METADATA, read_isic2019
from lesionviz.data.split import FILE, PARTS, split_by_lesion
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256


def test_reading_joins_the_tables_keeps_four_classes_and_counts_missing_images(drawn_folder: Path) -> None:
    collection = read_isic2019(drawn_folder)
    # 4 × 24 drawn, one nevus without lesion id, two without image; AK and DF are left out
    assert (len(collection.table), len(collection.others)) == (99, 2)
    assert len(collection.present) == 97
    assert collection.present["diagnosis"].value_counts().to_dict() == {"NV": 25, "BCC": 24, "BKL": 24, "MEL": 24}
    assert "2 rows have no image file here and are passed over" in collection.describe()
    assert all(Path(path).is_file() for path in collection.present["path"])


def test_photographs_of_one_lesion_share_it_and_a_missing_id_makes_a_lesion_of_its_own(drawn_folder: Path) -> None:
    table = read_isic2019(drawn_folder).table
    sizes = table.groupby("lesion").size()
    assert sizes["SYN_BCC0000"] == 2
    alone = table[table["source"] == "unknown"]
    assert alone["lesion"].tolist() == alone["image"].tolist()
    assert len(alone) == 1


@pytest.fixture
def spoiled(drawn_folder: Path, tmp_path: Path) -> Callable[[str, Callable[[str], str]], Path]:
    """Copy the drawn collection and rewrite one of its tables."""

    def spoil(name: str, rewrite: Callable[[str], str]) -> Path:
        folder = tmp_path / "spoiled"
        shutil.copytree(drawn_folder, folder)
        (folder / name).write_text(rewrite((folder / name).read_text()))
        return folder

    return spoil


@pytest.mark.parametrize(
    ("name", "rewrite", "words"),
    [
        (GROUND_TRUTH, lambda text: text.replace("ISIC_0000001,0.0", "ISIC_0000001,1.0"), "exactly one label"),
        (GROUND_TRUTH, lambda text: text.replace("ISIC_0000001", "ISIC_0000000"), "more than once"),
        (METADATA, lambda text: text.replace("lesion_id", "lesion"), "no column lesion_id"),
        (METADATA, lambda text: text.replace("\nISIC_0000001", "\n"), "row 3 has no image id"),
    ],
)
def test_broken_tables_are_refused_in_words(
    name: str, rewrite: Callable[[str], str], words: str, spoiled: Callable[[str, Callable[[str], str]], Path]
) -> None:
    with pytest.raises(LesionvizError, match=words):
        read_isic2019(spoiled(name, rewrite))


def test_missing_folders_tables_and_images_are_named(drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="no folder"):
        read_isic2019(tmp_path / "nowhere")
    with pytest.raises(LesionvizError, match=GROUND_TRUTH):
        read_isic2019(tmp_path)
    for name in (GROUND_TRUTH, METADATA):
        shutil.copy(drawn_folder / name, tmp_path)
    with pytest.raises(LesionvizError, match=IMAGES):
        read_isic2019(tmp_path)


def test_no_lesion_falls_into_two_parts(drawn_folder: Path) -> None:
    split = split_by_lesion(read_isic2019(drawn_folder))
    assert split.table.groupby("lesion")["part"].nunique().max() == 1
    assert set(split.table["part"]) == set(PARTS)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_split(drawn_folder: Path) -> None:
    collection = read_isic2019(drawn_folder)
    assert split_by_lesion(collection, seed=1).to_csv() == split_by_lesion(collection, seed=1).to_csv()
    assert split_by_lesion(collection, seed=1).to_csv() != split_by_lesion(collection, seed=2).to_csv()


def test_a_partial_download_gets_the_same_split(drawn_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn_folder, tmp_path / "part")
    for image in sorted((tmp_path / "part" / IMAGES).iterdir())[::2]:
        image.unlink()
    whole, part = read_isic2019(drawn_folder), read_isic2019(tmp_path / "part")
    assert len(part.present) < len(whole.present)
    assert split_by_lesion(part).to_csv() == split_by_lesion(whole).to_csv()


def test_the_saved_split_has_the_hash_that_is_recorded(drawn_folder: Path, tmp_path: Path) -> None:
    split = split_by_lesion(read_isic2019(drawn_folder))
    assert split.save(tmp_path) == split.describe()["sha256"] == sha256(tmp_path / FILE)
    assert pd.read_csv(tmp_path / FILE).columns.tolist() == ["image", "lesion", "diagnosis", "part"]


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.15), (0.15, 0.0), (0.6, 0.5)])
def test_impossible_fractions_are_refused(validation: float, test: float, drawn_folder: Path) -> None:
    with pytest.raises(LesionvizError, match=r"at least 0\.05"):
        split_by_lesion(read_isic2019(drawn_folder), validation=validation, test=test)


@pytest.mark.once
def test_the_real_split_is_stratified_and_keeps_lesions_together(isic2019: Path) -> None:
    collection = read_isic2019(isic2019)
    split = split_by_lesion(collection)
    assert split.table.groupby("lesion")["part"].nunique().max() == 1
    counts = {part: split.rows(collection, part)["diagnosis"].value_counts(normalize=True) for part in PARTS}
    for part in ("validation", "test"):
        assert (counts[part] - counts["train"]).abs().max() < 0.01
        assert len(split.rows(collection, part)) / len(collection.present) == pytest.approx(0.15, abs=0.01)

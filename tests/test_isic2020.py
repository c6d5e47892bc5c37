"""ISIC 2020's official table: patients, single-word diagnoses, and "unknown" for benign without more."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionviz.data.isic2020 import GROUND_TRUTHS, read_isic2020
from lesionviz.data.read import read_collection
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError

HEADER = (
    "image_name,patient_id,lesion_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target"
)
ROWS = (
    "ISIC_0000001,IP_1,IL_1,male,45.0,head/neck,unknown,benign,0",
    "ISIC_0000002,IP_1,IL_2,male,45.0,torso,melanoma,malignant,1",
    "ISIC_0000003,IP_2,IL_3,,,,nevus,benign,0",
    "ISIC_0000004,,IL_4,,,,lentigo NOS,benign,0",
    "ISIC_0000005,IP_3,IL_5,,,,cafe-au-lait macule,benign,0",
    "ISIC_0000006,IP_4,IL_6,,,,atypical melanocytic proliferation,benign,0",
)


def lay_out(folder: Path, *rows: str, name: str = GROUND_TRUTHS[0], header: str = HEADER) -> None:
    (folder / name).write_text("\n".join([header, *rows, ""]))
    for number in (1, 2, 3):
        path = folder / "train" / f"ISIC_000000{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        draw_lesion("NV", number, (48, 40)).save(path)


@pytest.mark.parametrize("name", GROUND_TRUTHS)
def test_each_word_goes_where_it_belongs(name: str, tmp_path: Path) -> None:
    lay_out(tmp_path, *ROWS, name=name)
    collection = read_collection(tmp_path)
    assert dict(zip(collection.table["image"], collection.table["diagnosis"], strict=True)) == {
        "ISIC_0000002": "MEL",
        "ISIC_0000003": "NV",
        "ISIC_0000004": "BKL",
    }
    assert collection.table["lesion"].tolist() == ["IP_1", "IP_2", "IL_4"]
    assert collection.others["diagnosis"].tolist() == ["cafe-au-lait macule"]
    assert collection.undetermined["image"].tolist() == ["ISIC_0000001", "ISIC_0000006"]
    assert collection.undetermined["lesion"].tolist() == ["IP_1", "IP_4"]


def test_the_first_version_without_lesions_is_read(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        *(",".join((r.split(",")[:2]) + r.split(",")[3:]) for r in ROWS),
        header=HEADER.replace("lesion_id,", ""),
    )
    assert read_collection(tmp_path).table["lesion"].tolist() == ["IP_1", "IP_2", "ISIC_0000004"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (ROWS[1].replace(",1", ",0"), "has the diagnosis 'melanoma' and the target 0"),
        (ROWS[2].replace(",0", ",1"), "has the diagnosis 'nevus' and the target 1"),
        (ROWS[2].replace(",0", ",2"), "has the target '2'; expected is one of 0 or 1"),
        (ROWS[2].replace("nevus", "wart"), "has the diagnosis 'wart'"),
        (ROWS[0], "names ISIC_0000001 more than once"),
    ],
)
def test_broken_tables_are_refused(row: str, words: str, tmp_path: Path) -> None:
    lay_out(tmp_path, ROWS[0], row)
    with pytest.raises(LesionvizError, match=words) as error:
        read_isic2020(tmp_path)
    assert str(error.value).endswith(".")


def test_a_train_csv_of_paths_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("path,label\ntrain/ISIC_0000001.jpg,MEL\n")
    draw = tmp_path / "train" / "ISIC_0000001.jpg"
    draw.parent.mkdir()
    draw_lesion("MEL", 1, (48, 40)).save(draw)
    assert "a table of paths" in read_collection(tmp_path).layout


def test_a_table_of_the_official_length_is_read_whole(tmp_path: Path) -> None:
    words = ["nevus", *["unknown"] * 5, "melanoma"]
    rows = [
        f"ISIC_{number + 1:07d},IP_{number // 16},IL_{number},male,45.0,torso,{words[number % 7]},,{int(number % 7 == 6)}"
        for number in range(33_126)
    ]
    lay_out(tmp_path, *rows)
    collection = read_collection(tmp_path)
    assert len(collection.everything()) == 33_126

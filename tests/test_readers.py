"""What people have is read or refused in words: official layouts, folders, tables, and a zoo of broken CSVs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lesionviz.data.inspection import inspect
from lesionviz.data.isic2018 import GROUPINGS, HAM10000, ISIC2018
from lesionviz.data.isic2019 import GROUND_TRUTH, IMAGES, METADATA, read_isic2019
from lesionviz.data.isic2020 import GROUND_TRUTHS
from lesionviz.data.read import COMMON_NAMES, KNOWN, OFFICIAL, READ_WITH, read_collection
from lesionviz.data.split import Split, leakage_report, leakage_text, split_at_random, split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError


def draw(path: Path, number: int = 0, code: str = "NV") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_lesion(code, number, (48, 40)).save(path)


@pytest.mark.parametrize("name", HAM10000)
def test_ham10000_is_read_with_its_lesions_and_details(name: str, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        draw(tmp_path / f"HAM10000_images_part_{1 + number % 2}" / f"ISIC_000000{number}.jpg", number)
    (tmp_path / name).write_text(
        "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
        "HAM_1,ISIC_0000002,mel,histo,80.0,male,scalp\n"
        "HAM_1,ISIC_0000001,mel,histo,80.0,male,scalp\n"
        "HAM_2,ISIC_0000003,akiec,histo,,female,back\n"
        "HAM_3,ISIC_0000004,nv,histo,5.0,unknown,back\n"
    )
    collection = read_collection(tmp_path)
    assert collection.table["image"].tolist() == ["ISIC_0000001", "ISIC_0000002", "ISIC_0000004"]
    assert collection.table["lesion"].tolist() == ["HAM_1", "HAM_1", "HAM_3"]
    assert collection.table["age"].tolist() == [80.0, 80.0, 5.0]
    assert collection.table["path"].isna().tolist() == [False, False, True]
    assert collection.others["diagnosis"].tolist() == ["AKIEC"]


@pytest.mark.parametrize("grouped", [True, False])
def test_isic_2018_is_read_with_and_without_its_groupings(grouped: bool, tmp_path: Path) -> None:
    for number in (1, 2):
        draw(tmp_path / "ISIC2018_Task3_Training_Input" / f"ISIC_000000{number}.jpg", number)
    (tmp_path / ISIC2018[0]).write_text(
        "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_0000001,1.0,0,0,0,0,0,0\nISIC_0000002,0,0.0,1,0,0,0,0\n"
    )
    if grouped:
        (tmp_path / GROUPINGS).write_text(
            "image,lesion_id,diagnosis_confirm_type\nISIC_0000001,HAM_9,histo\nISIC_0000002,HAM_9,histo\n"
        )
    collection = read_collection(tmp_path)
    assert collection.table["diagnosis"].tolist() == ["MEL", "BCC"]
    assert collection.table["lesion"].nunique() == (1 if grouped else 2)
    assert ("without lesion ids" in collection.layout) is not grouped


def test_isic_2019_without_metadata_counts_each_image_as_a_lesion_and_says_so(
    drawn_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / GROUND_TRUTH).write_bytes((drawn_folder / GROUND_TRUTH).read_bytes())
    (tmp_path / IMAGES).symlink_to(drawn_folder / IMAGES)
    collection = read_collection(tmp_path)
    assert collection.table["lesion"].is_unique
    assert METADATA in collection.describe()


def test_whole_numbers_extra_columns_and_downsampled_names_are_understood(tmp_path: Path) -> None:
    draw(tmp_path / IMAGES / "ISIC_0000001.jpg")  # the table calls it ..._downsampled
    draw(tmp_path / IMAGES / "nested" / "ISIC_0000002.JPG")
    (tmp_path / GROUND_TRUTH).write_text(
        "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK,score\n"
        "ISIC_0000001_downsampled,1,0,0,0,0,0,0,0,0,7\nISIC_0000002,0,1,0,0,0,0,0,0,0,8\n"
    )
    assert read_isic2019(tmp_path).present["diagnosis"].tolist() == ["MEL", "NV"]


def test_class_folders_take_codes_and_names_keep_others_aside_and_group_copies(tmp_path: Path) -> None:
    draw(tmp_path / "Melanoma" / "ISIC_0055828.jpg", 1)
    draw(tmp_path / "Melanoma" / "590_ISIC_0055828.jpg", 2)
    draw(tmp_path / "nv" / "a.png", 3)
    draw(tmp_path / "nv" / "deep" / "b.png", 3)  # the same bytes
    draw(tmp_path / "nv" / "c.png", 4)
    draw(tmp_path / "scars" / "d.png", 5)
    collection = read_collection(tmp_path)
    lesions = collection.table.set_index("image")["lesion"]
    assert lesions["Melanoma/ISIC_0055828.jpg"] == lesions["Melanoma/590_ISIC_0055828.jpg"] == "ISIC_0055828"
    assert lesions["nv/a.png"] == lesions["nv/deep/b.png"] != lesions["nv/c.png"]
    assert collection.others["diagnosis"].tolist() == ["scars"]


def test_a_table_of_paths_is_read_with_groups_from_its_own_folder(tmp_path: Path) -> None:
    for number in range(3):
        draw(tmp_path / "pictures" / f"{number}.png", number)
    table = tmp_path / "labels.csv"
    table.write_text(
        "\ufeffpath, label ,group\npictures/0.png,Basal cell carcinoma,p1\npictures\\1.png,bkl,p1\n"
        "pictures/2.png,wart,p2\npictures/3.png,mel,p3\n",
        encoding="utf-8",
    )
    collection = read_collection(tmp_path)
    assert collection.table["diagnosis"].tolist() == ["BCC", "BKL", "MEL"]
    assert collection.table["lesion"].tolist() == ["p1", "p1", "p3"]
    assert len(collection.present) == 2
    assert read_collection(table).table.equals(collection.table)


def test_two_layouts_in_one_folder_are_refused_and_the_table_itself_decides(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "a.png")
    (tmp_path / "labels.csv").write_text("path,label\nMEL/a.png,MEL\n")
    with pytest.raises(LesionvizError, match=r"in 2 ways: labels\.csv, one folder for each class"):
        read_collection(tmp_path)
    assert len(read_collection(tmp_path / "labels.csv").present) == 1


def test_a_folder_without_a_known_layout_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match=r"(?s)none of the known layouts.*HAM10000.*one folder for each class"):
        read_collection(tmp_path)
    with pytest.raises(LesionvizError, match="There is no folder"):
        read_collection(tmp_path / "nowhere")


def test_two_folders_of_one_class_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "a.png")
    draw(tmp_path / "melanoma" / "b.png")
    with pytest.raises(LesionvizError, match="MEL and melanoma mean the same class"):
        read_collection(tmp_path)


HEAD = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
ROW = "ISIC_0000001,1,0,0,0,0,0,0,0,0\n"
OFFICIAL_ZOO: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", "is empty"),
    "header only": (HEAD, "a header and no rows"),
    "missing column": (HEAD.replace("BCC", "BC") + ROW, "has no column BCC"),
    "two ones in a row": (HEAD + ROW.replace("1,0", "1,1", 1), "row 2 .*several"),
    "no one in a row": (HEAD + ROW.replace("1,0", "0,0", 1), "row 2 .*none"),
    "NaN label": (HEAD + ROW.replace("1,0", "nan,0", 1), "row 2 .*empty or non-numeric"),
    "half a label": (HEAD + ROW.replace("1,0", "0.5,0", 1), "row 2 .*other than 0 and 1"),
    "duplicate ids": (HEAD + ROW + ROW, "names ISIC_0000001 more than once"),
    "missing id": (HEAD + ROW + ROW.replace("ISIC_0000001", ""), "row 3 has no image id"),
    "path as id": (HEAD + ROW.replace("ISIC_0000001", "../../etc/passwd"), "row 2 has the image id"),
    "semicolons": ((HEAD + ROW).replace(",", ";"), "by semicolons"),
    "UTF-16 with its mark": ((HEAD + ROW).encode("utf-16"), "UTF-16"),
    "Latin-1": ((HEAD + ROW.replace("ISIC", "Läsion")).encode("latin-1"), "not saved as UTF-8"),
    "more values than columns": (HEAD + ROW.replace("\n", ",1,2\n"), "more values in a row|not a readable CSV"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "not a readable CSV|has no column|UTF-8"),
}


@pytest.mark.parametrize("kind", OFFICIAL_ZOO)
def test_zoo_of_broken_official_tables(kind: str, tmp_path: Path) -> None:
    content, words = OFFICIAL_ZOO[kind]
    (tmp_path / GROUND_TRUTH).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(lambda: read_collection(tmp_path), f"{GROUND_TRUTH}.*({words})")


PATHS_ZOO: dict[str, tuple[str, str]] = {
    "path outside the folder": ("path,label\n../secret.png,MEL\n", "row 2 .*leads out of"),
    "absolute path": ("path,label\n/etc/passwd.png,MEL\n", "row 2 .*leads out of"),
    "drive letter": ("path,label\nC:\\secret.png,MEL\n", "row 2 .*leads out of"),
    "not an image": ("path,label\nnotes.txt,MEL\n", "row 2 .*does not end like an image"),
    "missing label": ("path,label\na.png,MEL\nb.png,\n", "row 3 has no label"),
    "missing group": ("path,label,group\na.png,MEL, \n", "row 2 has no group"),
    "the same path twice": ("path,label\na.png,MEL\n./a.png,NV\n", r"names a\.png more than once"),
    "unknown labels only": ("path,label\na.png,wart\n", "no label means one of the four classes.*'wart'"),
    "images elsewhere": ("path,label\nb.png,MEL\n", "None of the 1 images"),
    "missing column": ("path,class\na.png,MEL\n", "has no column label"),
}


@pytest.mark.parametrize("kind", PATHS_ZOO)
def test_zoo_of_broken_tables_of_paths(kind: str, tmp_path: Path) -> None:
    content, words = PATHS_ZOO[kind]
    draw(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(content)
    refused(lambda: read_collection(tmp_path / "labels.csv"), words)


ANY_ZOO: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", "is empty"),
    "another table's columns": ("colour,weight\nred,7\n", "has no column"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xfe", "not a readable CSV|has no column|UTF-8"),
}


@pytest.mark.parametrize("kind", ANY_ZOO)
@pytest.mark.parametrize("table", [name for name in OFFICIAL if name not in COMMON_NAMES])
def test_every_layout_refuses_a_broken_table_in_words(table: str, kind: str, tmp_path: Path) -> None:
    """A new reader comes here by its entry alone."""
    content, words = ANY_ZOO[kind]
    for name in filter(None, (table, READ_WITH.get(table))):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(lambda: read_collection(tmp_path), f"{re.escape(table)}.*({words})")


def test_every_layout_is_among_those_that_a_person_is_told_of() -> None:
    spellings = {*HAM10000, *GROUND_TRUTHS}  # of which one stands there for all
    untold = {table for table in OFFICIAL if table not in KNOWN} - spellings
    assert untold == set(), "each layout needs a line in KNOWN"


def refused(read: Callable[[], object], words: str) -> None:
    """A broken table ends in one sentence or two that name it and say what to do, not in a traceback."""
    with pytest.raises(LesionvizError, match=f"(?s){words}") as error:
        read()
    assert str(error.value).endswith(".")
    assert len(str(error.value)) < 500


def test_inspection_names_unreadable_images_and_files_that_are_there_twice(tmp_path: Path) -> None:
    draw(tmp_path / "one.png", 1)
    draw(tmp_path / "again.png", 1)
    draw(tmp_path / "two.png", 2)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "labels.csv").write_text(
        "path,label,group\none.png,MEL,a\nagain.png,NV,b\ntwo.png,NV,c\nbroken.png,NV,d\n"
    )
    found = inspect(read_collection(tmp_path))
    assert list(found.unreadable) == ["broken.png"]
    assert found.duplicates["image"].tolist() == ["again.png", "one.png"]
    text = found.to_text()
    for words in (
        "1 images cannot be used",
        "again.png  =  one.png",
        "again.png NV / one.png MEL",
        "tear them apart",
    ):
        assert words in text
    assert len(found.figure().axes) == 2


def test_files_without_a_picture_are_no_copies_of_one_lesion(tmp_path: Path) -> None:
    for code in ("MEL", "NV"):
        draw(tmp_path / code / "good.png", code=code)
        for number in range(3):
            (tmp_path / code / f"{number}.jpg").write_bytes(b"" if code == "MEL" else b"<html>404 Not found")
    collection = read_collection(tmp_path)
    assert collection.table["lesion"].nunique() == 8
    found = inspect(collection)
    assert len(found.unreadable) == 6
    assert found.duplicates.empty


def test_leakage_is_counted_by_hand_on_a_small_table() -> None:
    rows = [("a", "L1", "MEL", "test"), ("b", "L1", "MEL", "train"), ("c", "L2", "MEL", "test")]
    rows += [("d", "L3", "NV", "test"), ("e", "L3", "NV", "validation"), ("f", "L4", "NV", "train")]
    split = Split(pd.DataFrame(rows, columns=["image", "lesion", "diagnosis", "part"]), 0, 0.1, 0.5)
    report = leakage_report(split)
    assert report["images"].to_dict() == {"MEL": 2, "NV": 1, "all": 3}
    assert report["leaked"].to_dict() == {"MEL": 1, "NV": 1, "all": 2}
    assert report["share"]["all"] == pytest.approx(2 / 3)


def test_a_small_folder_is_told_at_the_first_look_that_no_model_can_be_trained_on_it(tmp_path: Path) -> None:
    for number in range(23):
        code = "NV" if number < 20 else "MEL"
        draw(tmp_path / code / f"{number}.png", number, code)
    assert leakage_text(read_collection(tmp_path)) == (
        "No two images are known to show the same lesion, so a split's leakage cannot be counted."
    )
    (tmp_path / "NV" / "19.png").unlink()
    said = leakage_text(small := read_collection(tmp_path))
    assert "A model cannot be trained on these alone. 22 images are too few" in said
    assert "the largest here has 19" in said
    with pytest.raises(LesionvizError, match="--part all"):
        split_by_lesion(small)


@pytest.mark.once
def test_a_random_split_of_the_whole_isic_2019_leaks_six_of_ten_test_images_and_ours_none(isic2019: Path) -> None:
    collection = read_collection(isic2019)
    shares = [leakage_report(split_at_random(collection, seed))["share"]["all"] for seed in range(3)]
    assert all(0.59 <= share <= 0.61 for share in shares)
    assert leakage_report(split_by_lesion(collection))["share"].tolist() == [0, 0, 0, 0, 0]


def test_a_random_split_is_stratified_and_seeded(drawn_folder: Path) -> None:
    collection = read_collection(drawn_folder)
    split = split_at_random(collection, seed=1)
    assert split.to_csv() == split_at_random(collection, seed=1).to_csv() != split_at_random(collection, 2).to_csv()
    assert split.table["part"].value_counts().to_dict() == {"train": 69, "validation": 15, "test": 15}  # of 99
    assert split.describe()["by"] == "random"


def test_folders_with_unknown_names_and_single_images_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "Melanom" / "a.png")
    with pytest.raises(LesionvizError, match="Its folders Melanom are not named after a class"):
        read_collection(tmp_path)
    with pytest.raises(LesionvizError, match=r"a\.png is one image"):
        read_collection(tmp_path / "Melanom" / "a.png")


def test_a_class_without_images_is_said(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "a.png")
    draw(tmp_path / "NV" / "b.png", 2)
    assert "No image of BCC, BKL is here" in read_collection(tmp_path).describe()

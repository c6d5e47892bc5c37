"""Folders as people have them: links, other files, several files of one id, other forms of Unicode, tables beside them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data import folders
from lesionviz.data.class_names import diagnosis_of
from lesionviz.data.folders import walk
from lesionviz.data.isic2018 import HAM10000
from lesionviz.data.isic2019 import GROUND_TRUTH, IMAGES
from lesionviz.data.never import read_never
from lesionviz.data.outlines import find_outlines
from lesionviz.data.read import read_collection
from lesionviz.data.split import split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.data.tables import read_table
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import _pictures_in
from lesionviz.imaging import pixels_of
from lesionviz.widgets.batch.queue import tasks_of
from lesionviz.widgets.quiz.folder import FolderUpload

NFC, NFD = (unicodedata.normalize(form, "Fälle") for form in ("NFC", "NFD"))
HEAD = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"


def draw(path: Path, number: int = 0, size: tuple[int, int] = (48, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_lesion("NV", number, size).save(path)
    return path


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


# --- links ------------------------------------------------------------------------------------------------------------
def test_links_to_files_folders_and_folders_in_them_are_followed(tmp_path: Path) -> None:
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    draw(elsewhere / "deep" / "a.png")
    draw(tmp_path / "third" / "b.png", 1)
    (elsewhere / "more").symlink_to(tmp_path / "third")
    draw(here / "c.png", 2)
    (here / "linked").symlink_to(elsewhere)
    (here / "d.png").symlink_to(here / "c.png")
    (here / "e.png").symlink_to(os.path.relpath(tmp_path / "third" / "b.png", here))
    found = walk(here)
    assert names(found.images, here) == ["c.png", "d.png", "e.png", "linked/deep/a.png", "linked/more/b.png"]
    assert not found.notes()


@pytest.mark.parametrize("target", [".", "..", "../..", "/", "MEL"])
def test_a_loop_ends_is_named_and_hides_nothing(target: str, tmp_path: Path) -> None:
    folder = tmp_path / "outer" / "folder"
    draw(folder / "MEL" / "a.png")
    (folder / "again").symlink_to(target)
    found = walk(folder)
    assert names(found.images, folder) == ["MEL/a.png"]
    assert found.notes() == ["1 links lead to a folder that is read anyway and are not followed: again"]


def test_two_links_in_a_circle_and_links_to_nowhere_are_named(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "a.png")
    (tmp_path / "MEL" / "one.png").symlink_to("two.png")
    (tmp_path / "MEL" / "two.png").symlink_to("one.png")
    (tmp_path / "gone").symlink_to("nowhere")
    said = read_collection(tmp_path).describe()
    assert "3 links lead nowhere, so what they stand for is not here: MEL/one.png, MEL/two.png, gone" in said


def test_a_folder_that_two_names_lead_to_is_read_once_under_its_own(tmp_path: Path) -> None:
    draw(tmp_path / "NV" / "a.png")
    draw(tmp_path / "MEL" / "b.png", 1)
    (tmp_path / "BCC").symlink_to("NV")  # comes first by name
    collection = read_collection(tmp_path)
    assert collection.table["image"].tolist() == ["MEL/b.png", "NV/a.png"]
    assert "read anyway and are not followed: BCC" in collection.describe()


@pytest.mark.parametrize("what", ["class", "images of a table", "table's folder"])
def test_linked_folders_are_read_in_every_layout(what: str, tmp_path: Path) -> None:
    (place := tmp_path / "place").mkdir()
    if what == "class":
        draw(tmp_path / "store" / "deep" / "a.png")
        (place / "melanoma").symlink_to(tmp_path / "store")
    else:
        draw(tmp_path / "store" / "ISIC_0000001.jpg")
        (place / "images").symlink_to(tmp_path / "store")
        (place / HAM10000[0]).write_text("lesion_id,image_id,dx\nHAM_1,ISIC_0000001,mel\n")
        if what == "table's folder":
            (tmp_path / "linked").symlink_to(place)
            place = tmp_path / "linked"
    assert read_collection(place).present["diagnosis"].tolist() == ["MEL"]


def test_a_folder_that_cannot_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path / "MEL" / "a.png")
    draw(tmp_path / "NV" / "b.png", 1)
    scan = os.scandir

    def refuse(place: Path) -> object:  # root may look everywhere, so permissions would not do
        if Path(place).name == "NV":
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(folders.os, "scandir", refuse)
    assert (
        "1 folders cannot be looked into, so what they hold is not here: NV" in read_collection(tmp_path).describe()
    )
    with pytest.raises(LesionvizError, match="NV cannot be looked into"):
        read_never([tmp_path])  # whose pictures must not be learned from by mistake


def test_names_that_are_no_utf8_are_named_and_nothing_breaks(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "a.png")
    draw(tmp_path / "MEL" / "x.png").rename(tmp_path / "MEL" / os.fsdecode(b"M\xe9lanome.png"))
    said = read_collection(tmp_path).describe()
    assert "1 files or folders have names that are no UTF-8" in said
    said.encode()


def test_pipes_and_folders_that_end_like_pictures_are_no_pictures(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "folder.png" / "a.png")
    os.mkfifo(tmp_path / "MEL" / "pipe.png")
    assert read_collection(tmp_path).table["image"].tolist() == ["MEL/folder.png/a.png"]


# --- what is passed over ----------------------------------------------------------------------------------------------
def test_files_that_are_passed_over_are_counted_by_ending(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "a.png")
    for name in ("notes.txt", "more.TXT", "raw.CR2", "README", "film.mp4", ".DS_Store", "deep/LICENSE.txt"):
        path = tmp_path / "MEL" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("no picture")
    said = read_collection(tmp_path).describe()
    assert "7 files are no images and are passed over: .txt 3 · .cr2 1 · .mp4 1 · hidden 1 · without ending 1" in said


def test_loose_images_and_images_without_a_row_are_said(tmp_path: Path) -> None:
    draw(tmp_path / "classes" / "MEL" / "a.png")
    draw(tmp_path / "classes" / "loose.png", 1)
    assert "1 images lie in no folder of a class and are passed over: loose.png" in (
        read_collection(tmp_path / "classes").describe()
    )
    for name in ("ISIC_0000001.jpg", "ISIC_0000002.jpg"):
        draw(tmp_path / IMAGES / name)
    (tmp_path / GROUND_TRUTH).write_text(HEAD + "ISIC_0000001,1,0,0,0,0,0,0,0,0\n")
    assert "1 images are in no row that is read, and are passed over: ISIC_0000002.jpg" in (
        read_collection(tmp_path).describe()
    )


def test_a_complete_layout_says_nothing_of_what_was_passed_over(drawn_folder: Path) -> None:
    assert read_collection(drawn_folder).notes == ()


# --- several files of one id ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("files", "largest"),
    [
        ({"a/ISIC_0000001.jpg": (60, 40), "b/ISIC_0000001.jpg": (90, 70)}, "b/ISIC_0000001.jpg"),
        (
            {"ISIC_0000001.jpg": (90, 70), "ISIC_0000001.png": (60, 40)},
            "ISIC_0000001.jpg",
        ),  # though PNG has more bytes
        ({"a/ISIC_0000001.jpg": (60, 40), "b/ISIC_0000001.bmp": (60, 40)}, "b/ISIC_0000001.bmp"),  # more bytes
        (
            {"a/ISIC_0000001.png": (60, 40), "b/ISIC_0000001.png": (60, 40)},
            "a/ISIC_0000001.png",
        ),  # the first in order
    ],
)
def test_of_several_files_of_one_id_the_largest_is_taken_and_said(
    files: dict[str, tuple[int, int]], largest: str, tmp_path: Path
) -> None:
    for name, size in files.items():
        draw(tmp_path / name, size=size)
    (tmp_path / HAM10000[0]).write_text("lesion_id,image_id,dx\nHAM_1,ISIC_0000001,mel\n")
    collection = read_collection(tmp_path)
    (other,) = files.keys() - {largest}
    assert collection.table["path"].tolist() == [str(tmp_path / largest)]
    assert (
        f"1 images have several files, of which the largest is taken: {largest} (not {other})"
        in collection.describe()
    )


def test_a_broken_copy_does_not_win_and_a_phones_pair_is_one_image(tmp_path: Path) -> None:
    draw(tmp_path / "MEL" / "IMG_1.jpg")
    (tmp_path / "MEL" / "IMG_1.png").write_bytes(b"x" * 99_999)
    draw(tmp_path / "MEL" / "deep" / "IMG_1.jpg", 1)  # another folder, another picture
    collection = read_collection(tmp_path)
    assert collection.table["image"].tolist() == ["MEL/IMG_1.jpg", "MEL/deep/IMG_1.jpg"]
    assert pixels_of(tmp_path / "MEL" / "IMG_1.png") == 0
    assert "MEL/IMG_1.jpg (not MEL/IMG_1.png)" in collection.describe()


# --- Unicode ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("on_disk", "written"), [(NFC, NFD), (NFD, NFC), (NFD, NFD)])
def test_a_tables_names_are_found_in_either_form(on_disk: str, written: str, tmp_path: Path) -> None:
    draw(tmp_path / on_disk / f"{on_disk}.png")
    (tmp_path / "labels.csv").write_text(f"path,label\n{written}/{written}.png,MEL\n", encoding="utf-8")
    assert read_collection(tmp_path / "labels.csv").present["image"].tolist() == [f"{NFC}/{NFC}.png"]


def test_folders_outlines_and_lists_compare_names_in_one_form(tmp_path: Path) -> None:
    draw(tmp_path / "classes" / "MEL" / f"{NFD}.png")
    collection = read_collection(tmp_path / "classes")
    assert collection.table["image"].tolist() == [f"MEL/{NFC}.png"]
    outline = draw(tmp_path / "outlines" / f"{NFC}_segmentation.png")
    assert find_outlines(collection.table["path"].tolist(), [tmp_path / "outlines"]) == [str(outline)]
    (tmp_path / "never.txt").write_text(f"{NFD}.png\n", encoding="utf-8")
    assert read_never([tmp_path / "never.txt"]).named(collection.table).tolist() == [True]


def test_one_name_in_both_forms_is_one_image(tmp_path: Path) -> None:
    for form in (NFC, NFD):
        draw(tmp_path / "MEL" / f"{form}.png")
    if len(list((tmp_path / "MEL").iterdir())) < 2:
        pytest.skip("this disk does not tell the two forms apart")
    collection = read_collection(tmp_path)
    assert len(collection.table) == 1
    assert "1 images have several files" in collection.describe()


# --- names of classes -------------------------------------------------------------------------------------------------
BKL = (
    *("seborrheic keratosis", "Seborrhoeic_Keratoses", "SEBORRHEIC-KERATOSIS", "seb_k", "SK", "SEK", "sebk"),
    *("pigmented seborrheic keratosis", "irritated seborrhoeic keratosis", "senile wart", "basal cell papilloma"),
    *(
        "solar lentigo",
        "Solar lentigines",
        "solar_lentigos",
        "lentigo solaris",
        "actinic lentigo",
        "senile lentigo",
        "SL",
    ),
    *("lichen planus-like keratosis", "lichen-planus like keratoses", "LPLK", "lichenoid keratosis", "BLK"),
    *("benign keratosis-like lesions", "ink spot lentigo", "3. Seborrheic Keratosis", "seborrheic keratosis (SK)"),
    *("BKL - benign keratosis", "solar lentigo - SL", "LPLK / BLK", "SolarLentigo", "SeborrheicKeratoses"),
)
OTHERS = (
    *(
        "actinic keratosis",
        "AK",
        "keratosis",
        "keratoacanthoma",
        "lichen planus",
        "lentigo",
        "lentigo simplex",
        "wart",
    ),
    *("seborrheic dermatitis", "seborrheic keratoses and other benign tumors", "nevus sebaceous", "epidermal nevus"),
    *("not BKL", "BKL other", "BKL - melanoma", "NonMelanoma", "LentigoSimplex"),
    *("melanoma metastasis", "non melanoma", "not melanoma", "basal cell carcinoma (mel)", "SCC", "", "3"),
)


@pytest.mark.parametrize("name", BKL)
def test_diagnoses_that_bkl_includes_are_bkl(name: str) -> None:
    assert diagnosis_of(name) == "BKL"


@pytest.mark.parametrize("name", OTHERS)
def test_diagnoses_that_only_sound_like_it_are_none(name: str) -> None:
    assert diagnosis_of(name) is None


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *(
            ("lentigo maligna", "MEL"),
            ("Melanoma in situ", "MEL"),
            ("melanoma (in situ)", "MEL"),
            ("Melanomas", "MEL"),
        ),
        *(
            ("Dysplastic naevus", "NV"),
            ("melanocytic nevi", "NV"),
            ("Blue_Nevus", "NV"),
            ("5. Melanocytic Nevi (NV)", "NV"),
        ),
        *(
            ("nodular basal cell carcinoma", "BCC"),
            ("Basal-cell carcinomas", "BCC"),
            ("basal cell carcinoma (BCC)", "BCC"),
        ),
    ],
)
def test_the_other_classes_have_their_diagnoses_too(name: str, code: str) -> None:
    assert diagnosis_of(name) == code


def test_folders_of_several_diagnoses_are_one_class_and_it_is_said(tmp_path: Path) -> None:
    for number, name in enumerate(
        ("seborrheic keratosis", "solar_lentigo", "LPLK", "BKL", "MEL", "actinic keratosis")
    ):
        draw(tmp_path / name / "a.png", number)
    collection = read_collection(tmp_path)
    assert collection.table["diagnosis"].value_counts().to_dict() == {"BKL": 4, "MEL": 1}
    assert collection.others["diagnosis"].tolist() == ["actinic keratosis"]
    assert "LPLK as BKL, seborrheic keratosis as BKL, solar_lentigo as BKL" in collection.describe()


def test_labels_of_tables_and_folders_from_a_browser_go_through_the_same_door(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("path,label\na.png,Solar lentigo\n")
    assert read_collection(tmp_path).table["diagnosis"].tolist() == ["BKL"]
    upload = FolderUpload()
    upload.begin({"id": 1, "paths": ["set/seborrhoeic keratosis/a.png", "set/LPLK/b.png", "set/wart/c.png"]})
    assert [code for _, code in upload.wanted.values()] == ["BKL", "BKL"]


# --- tables -----------------------------------------------------------------------------------------------------------
def test_dataverses_table_with_tabs_and_quotes_is_read(tmp_path: Path) -> None:
    draw(tmp_path / "HAM10000_images_part_1" / "ISIC_0027419.jpg")
    rows = [
        ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"],
        ['"HAM_0000118"', '"ISIC_0027419"', '"bkl"', '"histo"', "80.0", '"male"', '"scalp"', '"vidir_modern"'],
    ]
    (tmp_path / "HAM10000_metadata.tab").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    for place in (tmp_path, tmp_path / "HAM10000_metadata.tab"):
        table = read_collection(place).present
        assert table[["image", "lesion", "diagnosis", "age", "site"]].values.tolist() == [
            ["ISIC_0027419", "HAM_0000118", "BKL", 80.0, "scalp"]
        ]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.tab", "LABELS.CSV", "labels.txt"])
def test_tabs_are_read_whatever_the_ending(name: str, tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / name).write_text("path\tlabel\na.png\tmelanoma, NOS\n")
    place = tmp_path / name if name.endswith("txt") else tmp_path
    assert read_collection(place).table["diagnosis"].tolist() == ["MEL"]


@pytest.mark.parametrize(
    "end",
    [
        "\n\n\n",
        ",,\n,,\n",
        ", ,\t\n",
        ",,,,,,,,\n",
        '"","",""\n',
        "\r\n,,\r\n",
        "\x1a",
        "\0" * 100,
        "\ufeff",
        "\xa0,\xa0,\n",
        ",,\n" * 2000,
        ",",
    ],
)
def test_empty_rows_at_the_end_do_not_matter(end: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(f"path,label,group\na.png,MEL,\nb.png,NV,x\n{end}".encode())
    assert read_table(path, ("path", "label"), "")["path"].tolist() == ["a.png", "b.png"]


def test_an_empty_row_between_others_and_a_table_of_nothing_else_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "one.csv").write_text("path,label\n,\na.png,MEL\n")
    with pytest.raises(LesionvizError, match="row 2 has no path"):
        read_collection(tmp_path / "one.csv")
    (tmp_path / "two.csv").write_text("path,label\n,\n,\n")
    with pytest.raises(LesionvizError, match="header and no rows"):
        read_collection(tmp_path / "two.csv")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("labels.csv", "file,class\na,b\n", "it has no column path, label; it has file, class"),
        (
            "metadata.csv",
            "isic_id,diagnosis\na,b\n",
            "it has no column image_type, diagnosis_1, diagnosis_2, diagnosis_3",
        ),
        ("train.csv", "path\na\n", "it has no column image_name, patient_id, diagnosis, target"),
        ("semicolons.CSV", "path;label\na;b\n", "it separates its columns by semicolons"),
        ("empty.tsv", "", "it is empty"),
        ("labels.xlsx", "PK", "it is a spreadsheet; save it as CSV UTF-8"),
        ("utf16.csv", "path,label\na,b\n".encode("utf-16"), "it is saved as UTF-16"),
        *(
            (name, "lesion_id,image_id,dx\n", "it must be plain text under the name HAM10000_metadata.csv")
            for name in ("HAM10000_metadata.tsv", "ham10000_metadata.CSV", "HAM10000_metadata (1).csv")
        ),
        ("HAM10000_metadata.csv.gz", b"\x1f\x8b", "it must be plain text under the name HAM10000_metadata.csv"),
    ],
)
def test_a_table_that_was_seen_and_not_taken_is_named_with_the_reason(
    name: str, content: str | bytes, why: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LesionvizError) as error:  # alone
        read_collection(tmp_path)
    assert f"The table {name} is not taken: {why}" in str(error.value)
    draw(tmp_path / "MEL" / "a.png")  # beside a layout that is read
    assert f"The table {name} is not taken: {why}" in read_collection(tmp_path).describe()


def test_a_table_beside_an_official_one_is_named_and_the_second_official_one_is_not(
    drawn_folder: Path, tmp_path: Path
) -> None:
    for path in drawn_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "mine.csv").write_text("path,label\na.png,MEL\n")
    assert read_collection(tmp_path).notes == (f"The table mine.csv is not taken: {GROUND_TRUTH} is",)


def test_copies_of_the_official_table_beside_it_are_named(drawn_folder: Path, tmp_path: Path) -> None:
    for path in drawn_folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    copy = GROUND_TRUTH.replace(".csv", " (1).csv")
    (tmp_path / copy).write_bytes((tmp_path / GROUND_TRUTH).read_bytes())
    assert read_collection(tmp_path).notes == (f"The table {copy} is not taken: {GROUND_TRUTH} is",)


def test_folders_of_classes_one_deeper_are_pointed_at(tmp_path: Path) -> None:
    for place in ("train/MEL", "test/seborrheic keratosis", "other/things"):
        draw(tmp_path / place / "a.png")
    with pytest.raises(LesionvizError, match=r"Folders named after a class lie one deeper: give test or train\. "):
        read_collection(tmp_path)


def test_an_official_table_one_folder_down_is_pointed_at(tmp_path: Path) -> None:
    (tmp_path / "dataverse_files").mkdir()
    (tmp_path / "dataverse_files" / HAM10000[2]).write_text("lesion_id\timage_id\tdx\n")
    with pytest.raises(LesionvizError, match=r"HAM10000_metadata\.tab lies in dataverse_files: give that folder"):
        read_collection(tmp_path)


# --- folders for other purposes ---------------------------------------------------------------------------------------
def test_pictures_without_a_diagnosis_are_all_found_whatever_their_names(tmp_path: Path) -> None:
    for name in ("phones_of_skin/a/1.png", "phones_of_skin/b/1.png", "loose.png"):
        draw(tmp_path / name)
    draw(tmp_path / ".." / f"{tmp_path.name}_other" / "2.png")
    (tmp_path / "linked").symlink_to(tmp_path.parent / f"{tmp_path.name}_other")
    counts = {name: len(paths) for name, paths in _pictures_in(walk(tmp_path)).items()}
    assert counts == {"phones of skin": 2, tmp_path.name.replace("_", " "): 1, "linked": 1}


def test_a_list_of_images_never_trained_on_has_those_of_links_and_every_picture(tmp_path: Path) -> None:
    draw(tmp_path / "never" / "a" / "1.png")
    draw(tmp_path / "never" / "b" / "1.png", 1)
    (tmp_path / "never" / "ISIC_0000007.jpg").symlink_to("nowhere")
    never = read_never([tmp_path / "never"])
    assert never.ids == {"1", "ISIC_0000007"}
    assert len(never.pictures) == 2


def test_a_batch_follows_links_and_gives_those_to_nowhere_a_row(tmp_path: Path) -> None:
    draw(tmp_path / "store" / "a.png")
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "batch" / "loop").symlink_to(".")
    (tmp_path / "batch" / "gone.png").symlink_to("nowhere")
    assert [task.name for task in tasks_of(tmp_path / "batch")] == ["batch/gone.png", "batch/linked/a.png"]


@pytest.mark.heavy
@pytest.mark.once
def test_the_real_tables_read_as_before(isic2019: Path) -> None:
    collection = read_collection(isic2019)
    assert collection.notes == ()
    assert len(collection.present) == 9429  # 10,013 images less 584 of other diagnoses
    assert split_by_lesion(collection).describe()["sha256"] == Checkpoint.load(BUNDLED).split["sha256"]

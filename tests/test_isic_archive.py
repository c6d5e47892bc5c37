"""The ISIC Archive's download: diagnoses in steps, patients, institutions and licences, other photographs kept aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionviz.data.archive_labels import meaning
from lesionviz.data.isic_archive import METADATA, read_isic_archive
from lesionviz.data.read import read_collection
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError

HEADER = (
    "isic_id,attribution,copyright_license,age_approx,diagnosis_1,diagnosis_2,diagnosis_3,fitzpatrick_skin_type,"
    "image_type,lesion_id,patient_id,sex"
)
MELANOMA = "Malignant,Malignant melanocytic proliferations (Melanoma)"
NEVUS = "Benign,Benign melanocytic proliferations,Nevus"
ROWS = (
    f"ISIC_0000001,Clinic A,CC-BY,40,{NEVUS},II,dermoscopic,,,male",
    f"ISIC_0000002,Clinic A,CC-BY,,{MELANOMA},Melanoma Invasive,,dermoscopic,IL_1,IP_1,",
    f"ISIC_0000003,Clinic A,CC-BY,,{MELANOMA},Melanoma in situ,,dermoscopic,IL_1,,",
    f"ISIC_0000004,Clinic B,CC-0,,{MELANOMA},Melanoma metastasis,,dermoscopic,IL_2,,",
    "ISIC_0000005,Clinic B,CC-0,,Benign,,,,dermoscopic,,IP_1,",
    f"ISIC_0000006,Clinic B,CC-0,,{NEVUS},,clinical: close-up,IL_2,,",
    "ISIC_0000007,,,,Benign,Benign soft tissue proliferations - Vascular,,,dermoscopic,,,",
)


def lay_out(folder: Path, *rows: str, header: str = HEADER) -> None:
    (folder / METADATA).write_text("\n".join([header, *rows, ""]))
    for number in (1, 2, 5, 6):
        path = folder / "images" / f"ISIC_000000{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        draw_lesion("NV", number, (48, 40)).save(path)


def test_each_row_goes_where_it_belongs(tmp_path: Path) -> None:
    lay_out(tmp_path, *ROWS)
    collection = read_collection(tmp_path)
    found = {of: collection.frame(of)[["image", "diagnosis"]].to_numpy().tolist() for of in ("table", "others")}
    assert found == {
        "table": [["ISIC_0000001", "NV"], ["ISIC_0000002", "MEL"], ["ISIC_0000003", "MEL"]],
        "others": [
            ["ISIC_0000004", "Melanoma metastasis"],
            ["ISIC_0000007", "Benign soft tissue proliferations - Vascular"],
        ],
    }
    assert collection.undetermined[["image", "diagnosis"]].to_numpy().tolist() == [["ISIC_0000005", "Benign"]]
    assert collection.close_ups[["image", "diagnosis"]].to_numpy().tolist() == [["ISIC_0000006", "NV"]]
    assert collection.table["source"].tolist() == ["Clinic A"] * 3
    assert collection.table["skin_tone"].fillna("").tolist() == ["II", "", ""]


def test_a_patient_is_kept_together_and_brings_along_the_rows_of_its_lesions(tmp_path: Path) -> None:
    lay_out(tmp_path, *ROWS)
    groups = read_collection(tmp_path).everything().set_index("image")["lesion"]
    assert groups["ISIC_0000001"] == "ISIC_0000001"  # neither patient nor lesion
    # The third row has no patient; its lesion has one in the second.
    assert groups["ISIC_0000002"] == groups["ISIC_0000003"] == groups["ISIC_0000005"] == "IP_1"
    assert groups["ISIC_0000004"] == groups["ISIC_0000006"] == "IL_2"


def test_licences_and_attributions_are_counted_and_printed(tmp_path: Path) -> None:
    lay_out(tmp_path, *ROWS)
    said = read_collection(tmp_path).describe()
    for words in (
        "2 images of 2 patients or lesions are here",
        "1 rows of dermoscopy have no definite diagnosis and are kept aside (1 are here)",
        "Licences: CC-BY 2 · CC-0 2",
        "Attribution: Clinic A 2 · Clinic B 2",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("steps", "label", "vague"),
    [
        (["Malignant", "Malignant melanocytic proliferations (Melanoma)", None], "MEL", False),
        (["Malignant", "Malignant melanocytic proliferations (Melanoma)", "Melanoma, NOS"], "MEL", False),
        (["Malignant", "…", "Melanoma metastasis", "Melanoma metastasis, Epidermotropic"], None, False),
        (
            ["Malignant", "Malignant adnexal epithelial proliferations - Follicular", "Basal cell carcinoma"],
            "BCC",
            False,
        ),
        (["Malignant", "…", "Basal cell carcinoma", "Basal cell carcinoma, Nodular"], "BCC", False),
        (["Malignant", "Malignant adnexal epithelial proliferations - Follicular"], None, True),
        (["Benign", "Benign epidermal proliferations", "Lichen planus like keratosis"], "BKL", False),
        (["Benign", "Benign epidermal proliferations", "Pigmented benign keratosis"], "BKL", False),
        (["Benign", "Benign melanocytic proliferations", "Nevus", "Nevus, Spitz"], "NV", False),
        (["Benign", "Benign epidermal proliferations", "Epidermal nevus"], None, False),
        (["Benign", "Flat melanotic pigmentations - not melanocytic nevus", "Solar lentigo"], "BKL", False),
        (["Indeterminate", "Indeterminate epidermal proliferations", "Solar or actinic keratosis"], None, False),
        (["Indeterminate", "Indeterminate melanocytic proliferations", "Atypical melanocytic neoplasm"], None, True),
        (["Malignant", "Collision - At least one malignant proliferation"], None, True),
        (["Indeterminate", None, None], None, True),
        ([None, None, None], None, True),
    ],
)
def test_what_the_archives_words_mean(steps: list[str | None], label: str | None, vague: bool) -> None:
    last = next((step for step in reversed(steps) if step), "")
    assert meaning(steps) == (label or last, vague)


def test_rows_without_image_type_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    lay_out(tmp_path, *ROWS, f"ISIC_0000009,Clinic A,CC-BY,,{NEVUS},,,,,")
    collection = read_collection(tmp_path)
    assert len(collection.everything()) == len(ROWS)
    assert "1 rows without image_type left out" in collection.describe()


def test_a_table_called_metadata_of_something_else_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / METADATA).write_text("path,label\na.png,MEL\n")
    draw_lesion("MEL", 1, (48, 40)).save(tmp_path / "a.png")
    assert "a table of paths" in read_collection(tmp_path).layout


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((ROWS[0], ROWS[0]), "names ISIC_0000001 more than once"),
        ((ROWS[0].replace("ISIC_0000001", "a/b"),), "letters, digits"),
        (("," + ROWS[0].partition(",")[2],), "row 2 has no image id"),
        ((ROWS[3], ROWS[6]), "No dermoscopic image of the four classes was found"),
    ],
)
def test_broken_tables_are_refused(rows: tuple[str, ...], words: str, tmp_path: Path) -> None:
    lay_out(tmp_path, *rows)
    with pytest.raises(LesionvizError, match=words):
        read_collection(tmp_path)


def test_a_real_download_is_read(isic2019: Path) -> None:
    folder = isic2019.parent / "ISIC_archive"
    if not folder.is_dir():
        pytest.skip(f"needs ISIC_archive beside {isic2019.name}")
    collection = read_isic_archive(folder)
    assert collection.table["diagnosis"].value_counts().to_dict() == {"NV": 1103, "MEL": 451, "BKL": 10}
    assert (len(collection.others), len(collection.undetermined), len(collection.close_ups)) == (36, 348, 0)
    society = collection.table[collection.table["source"] == "International Dermoscopy Society"]
    assert society["diagnosis"].value_counts().to_dict() == {"NV": 361, "MEL": 104}

"""MILK10k's official layout: labels by lesion, images by kind, close-ups kept aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from lesionviz.data.milk10k import GROUND_TRUTH, IMAGES, LABELS, METADATA, read_milk10k
from lesionviz.data.read import read_collection
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError

LESIONS = {"IL_1": "BCC", "IL_2": "MEL", "IL_3": "SCCKA"}
HEADER = "lesion_id,image_type,isic_id,attribution,copyright_license,age_approx,sex,skin_tone_class,site"


def truth(lesions: dict[str, str] = LESIONS) -> str:
    rows = [f"{lesion},{','.join(str(float(label == each)) for each in LABELS)}" for lesion, label in lesions.items()]
    return "\n".join([f"lesion_id,{','.join(LABELS)}", *rows, ""])


def metadata() -> str:
    rows = []
    for number, lesion in enumerate(LESIONS):
        rows.append(f"{lesion},clinical: close-up,ISIC_000000{number},the team,CC-BY-NC,70,male,2,foot")
        rows.append(f"{lesion},dermoscopic,ISIC_000001{number},the team,CC-BY-NC,,female,5,")
    return "\n".join([HEADER, *rows, ""])


def lay_out(folder: Path, truth: str = truth(), metadata: str = metadata()) -> None:
    (folder / GROUND_TRUTH).write_text(truth)
    (folder / METADATA).write_text(metadata)
    for lesion, image in (("IL_1", "ISIC_0000010"), ("IL_1", "ISIC_0000000"), ("IL_3", "ISIC_0000012")):
        path = folder / IMAGES / lesion / f"{image}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_lesion("BCC", len(image), (48, 40)).save(path)


def test_dermoscopy_close_ups_and_other_diagnoses_go_into_frames_of_their_own(tmp_path: Path) -> None:
    lay_out(tmp_path)
    collection = read_collection(tmp_path)
    assert collection.table[["image", "lesion", "diagnosis", "source"]].to_numpy().tolist() == [
        ["ISIC_0000010", "IL_1", "BCC", "MILK10k"],
        ["ISIC_0000011", "IL_2", "MEL", "MILK10k"],
    ]
    assert collection.table["path"].isna().tolist() == [False, True]
    assert collection.table["skin_tone"].tolist() == ["5", "5"]
    assert collection.others["diagnosis"].tolist() == ["SCCKA"]
    assert collection.close_ups["image"].tolist() == ["ISIC_0000000", "ISIC_0000001", "ISIC_0000002"]
    assert collection.close_ups["diagnosis"].tolist() == ["BCC", "MEL", "SCCKA"]
    assert collection.present_of("close_ups")["lesion"].tolist() == ["IL_1"]
    assert collection.undetermined.empty


def test_what_was_found_and_whose_it_is_are_said(tmp_path: Path) -> None:
    lay_out(tmp_path)
    said = read_collection(tmp_path).describe()
    for words in (
        "MILK10k: 3 labelled rows, 2 of them in the four classes (1 of other diagnoses kept aside)",
        "3 photographs are not dermoscopy and are kept aside (1 are here)",
        "Licences: CC-BY-NC 3",
        "Attribution: the team 3",
    ):
        assert words in said


ZOO = {
    "two labels": (truth().replace("IL_2,0.0,0.0", "IL_2,0.0,1.0"), None, r"lesion IL_2\) does not have exactly one"),
    "no label": (truth({"IL_1": "none", "IL_2": "BCC", "IL_3": "MEL"}), None, r"lesion IL_1\).*it has none"),
    "a lesion twice": (
        truth() + truth().splitlines()[1],
        None,
        "names IL_1 more than once. Keep one row for each lesion",
    ),
    "an unknown lesion": (truth({"IL_1": "BCC", "IL_2": "NV"}), None, "the lesion IL_3, which .* does not name"),
    "no such column": (truth().replace("SCCKA", "SCC"), None, "no column SCCKA"),
    "an image twice": (None, metadata().replace("0000011", "0000010"), "names ISIC_0000010 more than once"),
    "an image that leads away": (None, metadata().replace("ISIC_0000011", "../x"), "letters, digits"),
    "no kind": (None, metadata().replace("IL_2,dermoscopic", "IL_2,"), "row 5 has no image_type"),
    "no kinds": (None, metadata().replace("image_type", "kind"), "no column image_type"),
    "only close-ups": (None, metadata().replace("dermoscopic", "clinical: overview"), "holds no dermoscopic image"),
}


@pytest.mark.parametrize("kind", ZOO)
def test_zoo_of_broken_tables(kind: str, tmp_path: Path) -> None:
    labels, images, words = ZOO[kind]
    lay_out(tmp_path, labels or truth(), images or metadata())
    with pytest.raises(LesionvizError, match=f"(?s){words}") as error:
        read_collection(tmp_path)
    assert str(error.value).endswith(".")


def test_a_missing_metadata_table_is_named(tmp_path: Path) -> None:
    lay_out(tmp_path)
    (tmp_path / METADATA).unlink()
    with pytest.raises(LesionvizError, match=f"{METADATA} is not in"):
        read_collection(tmp_path)


def test_the_official_tables_are_read(isic2019: Path) -> None:
    folder = isic2019.parent / "MILK10k"
    if not folder.is_dir():
        pytest.skip(f"needs MILK10k beside {isic2019.name}")
    collection = read_milk10k(folder)
    # The official figures: 5,240 lesions, each with a dermoscopic image and a close-up.
    assert len(collection.table) + len(collection.others) == len(collection.close_ups) == 5240
    assert collection.table["diagnosis"].value_counts().to_dict() == {"BCC": 2522, "NV": 746, "BKL": 544, "MEL": 450}
    assert set(collection.close_ups["lesion"]) == {*collection.table["lesion"], *collection.others["lesion"]}

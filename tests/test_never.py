"""Lists of images that must take no part: whatever people have them in, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from lesionviz.data.never import Never, identity, read_never
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ids.txt", "\ufeffISIC_0000001\n\n  ISIC_0000002.jpg \n"),
        ("ids.csv", "isic_id,label\nISIC_0000001,MEL\nISIC_0000002_downsampled,NV\n"),
        ("ids.csv", "image\nMEL/ISIC_0000001.jpg\nISIC_0000002\n"),
        ("ids.json", json.dumps(["ISIC_0000001", "ISIC_0000002"])),
        (
            "ids.json",
            json.dumps({"what": "x", "samples": [{"isic_id": f"ISIC_000000{n}", "w": [1]} for n in (1, 2)]}),
        ),
    ],
)
def test_ids_are_found_in_text_csv_and_json(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    never = read_never([tmp_path / name])
    assert never.ids == {"ISIC_0000001", "ISIC_0000002"}
    assert never.places == (name,)


def test_the_images_of_a_folder_count_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("ISIC_0000001.jpg", "deep/anna.png"):
        draw_lesion("NV", 1, (48, 40)).save(tmp_path / name)
    never = read_never([tmp_path])
    assert never.ids == {"ISIC_0000001", "anna"}
    assert len(never.pictures) == 2
    rows = pd.DataFrame({"image": ["NV/590_ISIC_0000001.jpg", "x/anna.png", "ISIC_0000002"]})
    assert never.named(rows).tolist() == [True, True, False]


def test_an_image_is_known_by_its_isic_id_else_by_its_name() -> None:
    assert identity("MEL/590_ISIC_0055828.jpg") == "ISIC_0055828"
    assert identity("MEL/a.b.png") == "a.b"
    assert identity("patient.1") == "patient.1"


def test_the_record_does_not_hang_on_the_order() -> None:
    one, other = (Never(frozenset(ids), ("b", "a")).describe() for ids in (["x", "y"], ["y", "x"]))
    assert one == other
    # printf 'x\\ny' | sha256sum
    assert one["sha256"] == "9ab9de25768ac172235e119b76362ecddad33878fe9a7792cdddbe47236f9a87"
    assert not Never()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("ids.csv", "name\nISIC_0000001\n", "none of the columns isic_id"),
        ("ids.json", "{", "not readable JSON"),
        ("ids.json", "[" * 100_000, "not readable JSON"),
        ("ids.json", "{}", "names no image"),
        ("ids.txt", "\n \n", "names no image"),
        ("ids.txt", b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_broken_lists_are_refused(name: str, content: str | bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LesionvizError, match=words) as error:
        read_never([tmp_path / name])
    assert len(str(error.value)) < 500
    with pytest.raises(LesionvizError, match="no file or folder"):
        read_never([tmp_path / "nowhere"])
    with pytest.raises(LesionvizError, match="has no name"):
        read_never(sources=[" "])

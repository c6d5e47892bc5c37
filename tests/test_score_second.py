"""A second model over an archive: both answers in one table, the first run untouched, resumed like any run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pytest

from lesionviz.archive.second import BOTH, FOLDER, SAID, write_both
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import load
from lesionviz.cli import main
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError


@pytest.fixture(scope="module")
def place(small_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures, one broken file, and two models of which the second has its head turned round."""
    folder = tmp_path_factory.mktemp("archive")
    turned = {
        name: small_checkpoint.state_dict[name].flip(0) for name in ("classifier.1.weight", "classifier.1.bias")
    }
    small_checkpoint.save(folder / "first.pth")
    replace(small_checkpoint, state_dict={**small_checkpoint.state_dict, **turned}).save(folder / "turned.pth")
    (folder / "images").mkdir()
    for seed, code in enumerate(CODES[:3]):
        draw_lesion(code, seed, (120, 90)).save(folder / "images" / f"{code}.png")
    (folder / "images" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return folder


def score(place: Path, out: Path, *more: str) -> int:
    paths = [] if "--resume" in more else [str(place / "images")]
    model = ["--model", str(place / "first.pth"), "--second", str(place / "turned.pth")]
    return main(["score", *paths, "--out", str(out), "--threads", "1", *model, *more])


@pytest.mark.heavy
def test_both_answers_stand_in_one_table_and_the_first_run_is_what_it_is_alone(place: Path, tmp_path: Path) -> None:
    assert score(place, tmp_path / "both") == 0
    assert (
        main(["score", str(place / "images"), "--out", str(tmp_path / "alone"), "--model", str(place / "first.pth")])
        == 0
    )
    one, alone = (pd.read_parquet(tmp_path / name / "scores.parquet") for name in ("both", "alone"))
    pd.testing.assert_frame_equal(one, alone)
    table = pd.read_parquet(tmp_path / "both" / BOTH)
    assert list(table.columns) == ["image", "sha256", *SAID, *(f"second_{name}" for name in SAID), "models_agree"]
    first, second = load(place / "first.pth"), load(place / "turned.pth")
    for line in table[table["error"].isna()].itertuples():
        assert line.diagnosis == first.predict(line.image).diagnosis
        assert line.second_diagnosis == second.predict(line.image).diagnosis
        assert line.second_confidence == pytest.approx(second.predict(line.image).confidence, abs=1e-5)
        assert line.models_agree is False  # its classes are turned round
    broken = table[table["error"].notna()]
    assert len(broken) == 1
    assert broken["models_agree"].isna().all()
    about = json.loads(parquet.read_schema(tmp_path / "both" / BOTH).metadata[b"lesionviz"])
    assert about["models_sha256"] == [first.checkpoint.file_sha256, second.checkpoint.file_sha256]


@pytest.mark.heavy
@pytest.mark.once
def test_a_second_model_is_resumed_and_a_picture_that_changed_meanwhile_gets_no_second_answer(
    place: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(place / "images", images)
    options = ["--out", str(tmp_path / "out"), "--model", str(place / "first.pth")]
    assert main(["score", str(images), *options]) == 0
    draw_lesion("NV", 9, (90, 90)).save(images / "BCC.png")
    again = ["score", *options, "--resume", "--second", str(place / "turned.pth")]
    assert main(again) == 0
    written = (tmp_path / "out" / BOTH).read_bytes()
    table = pd.read_parquet(tmp_path / "out" / BOTH).set_index("image")
    changed = table.loc[str(images / "BCC.png")]
    assert changed["diagnosis"] is not None
    assert pd.isna(changed["second_diagnosis"])
    assert pd.isna(changed["models_agree"])
    assert table["second_diagnosis"].notna().sum() == 2
    assert main(again) == 0
    assert (tmp_path / "out" / BOTH).read_bytes() == written


@pytest.mark.heavy
@pytest.mark.once
def test_a_second_run_about_other_images_is_refused(place: Path, tmp_path: Path) -> None:
    assert score(place, tmp_path / "out") == 0
    assert (
        main(
            [
                "score",
                str(place / "images" / "MEL.png"),
                "--out",
                str(tmp_path / "other"),
                "--model",
                str(place / "turned.pth"),
            ]
        )
        == 0
    )
    shutil.rmtree(tmp_path / "out" / FOLDER)
    shutil.move(tmp_path / "other", tmp_path / "out" / FOLDER)
    with pytest.raises(LesionvizError, match="about other images"):
        write_both(tmp_path / "out")


def test_a_hostile_second_model_is_refused_before_anything_is_scored(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil.pth").write_bytes(b"PK\x03\x04 cut short")
    assert (
        main(["score", str(place / "images"), "--out", str(tmp_path / "out"), "--second", str(tmp_path / "evil.pth")])
        != 0
    )
    assert "evil.pth is damaged" in capsys.readouterr().err
    assert not (tmp_path / "out" / "scores.parquet").exists()


def test_a_run_that_is_not_finished_has_nothing_to_stand_beside(place: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="holds no finished run"):
        write_both(tmp_path)
    assert not (tmp_path / FOLDER).exists()

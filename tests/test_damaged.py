"""Damaged images of a collection: all named at once before any work begins, left out when told, and counted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import lesionviz
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier, load
from lesionviz.cli import main
from lesionviz.data import damaged as room
from lesionviz.data import pixel_cache
from lesionviz.data.damaged import NAMED, damaged_among, refuse_damaged, why_unusable
from lesionviz.data.isic2019 import IMAGES, read_isic2019
from lesionviz.data.pixel_cache import PixelCache
from lesionviz.data.portions import Portion
from lesionviz.data.split import FILE, split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.compare import compare
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.faithfulness import faithfulness
from lesionviz.evaluation.index import make_index
from lesionviz.evaluation.report.commands import training_command
from lesionviz.evaluation.report.save import CARD, JSON
from lesionviz.evaluation.shortcuts import shortcuts
from lesionviz.files import sha256
from lesionviz.imaging import open_image
from lesionviz.preprocessing import Preprocessing
from lesionviz.recipe import Recipe
from lesionviz.training import launch
from lesionviz.training.calibration import calibrate
from lesionviz.training.train import train
from lesionviz.training.usable import CAUTION, caution

SMALL = Recipe(size=64, epochs=1, probe_share=0, last_blocks_share=0, batch_size=16)


def _saved(path: Path, picture: Image.Image, **options: Any) -> None:
    picture.save(path, **options)


def _cut(path: Path, share: float, **options: Any) -> None:
    draw_lesion("NV", 1, (160, 120)).save(path, **options)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


PICTURE = draw_lesion("MEL", 3, (160, 120))
DAMAGED: dict[str, Callable[[Path], object]] = {
    "empty.jpg": lambda path: path.write_bytes(b""),
    "text.jpg": lambda path: path.write_bytes(b"<html>404 Not Found</html>"),
    "half.jpg": lambda path: _cut(path, 0.5),
    "most.jpg": lambda path: _cut(path, 0.9),
    "progressive.jpg": lambda path: _cut(path, 0.6, progressive=True),
    "half.png": lambda path: _cut(path, 0.5),
    "half.webp": lambda path: _cut(path, 0.5),
    "half.tif": lambda path: _cut(path, 0.5),
    "half.bmp": lambda path: _cut(path, 0.5),
    "zeros.jpg": lambda path: path.write_bytes(bytes(5000)),
    "thumbnail.png": lambda path: _saved(path, PICTURE.resize((20, 16))),
    "folder.jpg": lambda path: path.mkdir(),
}
SOUND: dict[str, Callable[[Path], object]] = {
    "plain.jpg": lambda path: _saved(path, PICTURE),
    "progressive.jpg": lambda path: _saved(path, PICTURE, progressive=True),
    "cmyk.jpg": lambda path: _saved(path, PICTURE.convert("CMYK")),
    "grey.png": lambda path: _saved(path, PICTURE.convert("L")),
    "deep.png": lambda path: _saved(path, Image.fromarray(np.asarray(PICTURE.convert("L"), np.uint16) * 257)),
    "palette.bmp": lambda path: _saved(path, PICTURE.convert("P")),
    "endless.jpg": lambda path: _cut(path, 0.9999),  # its end marker alone is missing
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_quick_look_finds_what_the_door_refuses(name: str, tmp_path: Path) -> None:
    DAMAGED[name](tmp_path / name)
    with pytest.raises(LesionvizError) as error:
        open_image(tmp_path / name)
    assert why_unusable(tmp_path / name) == str(error.value)


@pytest.mark.parametrize("name", SOUND)
def test_a_quick_look_lets_pass_what_the_door_reads(name: str, tmp_path: Path) -> None:
    SOUND[name](tmp_path / name)
    assert open_image(tmp_path / name).pixels.size == PICTURE.size
    assert why_unusable(tmp_path / name) == ""


def test_all_damaged_files_are_named_on_one_line_with_the_reason_of_the_first(tmp_path: Path) -> None:
    for name, make in DAMAGED.items():
        make(tmp_path / name)
    SOUND["plain.jpg"](tmp_path / "plain.jpg")
    found = damaged_among(sorted(tmp_path.iterdir()), progress=False)
    assert {Path(path).name for path in found} == set(DAMAGED)
    with pytest.raises(LesionvizError) as error:
        refuse_damaged(found)
    text = str(error.value)
    assert text.startswith(f"{len(DAMAGED)} images cannot be used: ")
    assert all(name in text for name in DAMAGED)
    assert "\n" not in text
    assert "--skip-damaged" in text


def test_a_list_without_end_is_cut(tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match=r"0999\.jpg and 234 more\."):
        refuse_damaged({f"folder/{number:04d}.jpg": "why." for number in range(NAMED + 234)})


def test_the_cache_collects_every_failure_and_keeps_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(8)]
    for number, path in enumerate(paths):
        draw_lesion("NV", number, (48, 40)).save(path)
    for number in (1, 4, 5):
        paths[number].write_bytes(b"no picture")
    paths[7].unlink()
    cache = PixelCache(Preprocessing(size=64), tmp_path / "cache")
    lost = {str(paths[number]) for number in (1, 4, 5, 7)}
    assert set(cache.damaged(paths)) == lost
    with pytest.raises(LesionvizError, match=r"(?s)4 images cannot be used: .*7\.png.*1\.png.*4\.png.*5\.png"):
        cache.get(paths)
    opened = []
    monkeypatch.setattr(pixel_cache, "open_image", lambda path: opened.append(path) or open_image(path))
    sound = [path for path in paths if str(path) not in lost]
    assert len(cache.get(sound)) == 4
    assert opened == []
    draw_lesion("NV", 4, (48, 40)).save(paths[4])  # copied again
    assert set(cache.damaged(paths)) == lost - {str(paths[4])}


@pytest.fixture
def spoiled(drawn_folder: Path, tmp_path: Path) -> tuple[Path, dict[str, list[str]]]:
    """A copy of the drawn collection with two damaged images in each part, and their names by part."""
    folder = tmp_path / "spoiled"
    shutil.copytree(drawn_folder, folder)
    collection = read_isic2019(folder)
    split = split_by_lesion(collection)
    names = {}
    for part in ("train", "validation", "test"):
        rows = split.rows(collection, part).iloc[[0, -1]]
        names[part] = rows["image"].tolist()
        for path in rows["path"]:
            Path(path).write_bytes(Path(path).read_bytes()[:300] + path.encode())  # no two alike
    return folder, names


@pytest.mark.heavy
@pytest.mark.parametrize("cache", [True, False])
def test_a_training_names_all_at_once_before_it_begins_and_looks_at_no_test_image(
    cache: bool, spoiled: tuple[Path, dict[str, list[str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = spoiled
    monkeypatch.setenv(pixel_cache.CACHE, str(tmp_path / "cache"))  # what other tests have decoded is not looked at
    looked = []
    monkeypatch.setattr(room, "open_thumbnail", lambda path, side: looked.append(path) or open_image(path))
    monkeypatch.setattr(pixel_cache, "open_image", lambda path: looked.append(path) or open_image(path))
    monkeypatch.setattr("lesionviz.training.loop.initial_network", lambda *_: pytest.fail("work has begun"))
    with pytest.raises(LesionvizError) as error:
        train(folder, tmp_path / "out", init="scratch", recipe=replace(SMALL, cache=cache), cpu=True)
    assert str(error.value).startswith("4 images cannot be used: ")
    assert all(image in str(error.value) for image in names["train"] + names["validation"])
    assert not any(image in str(error.value) for image in names["test"])
    collection = read_isic2019(folder)
    split = split_by_lesion(collection)
    assert {str(path) for path in looked} == {
        path for part in ("train", "validation") for path in split.rows(collection, part)["path"]
    }
    assert not list((tmp_path / "out").glob("*"))


@pytest.fixture
def outlined(spoiled: tuple[Path, dict[str, list[str]]]) -> tuple[Path, list[Path]]:
    """Outlines for the spoiled collection, and those that cannot be used: one cut, one of another size."""
    folder, names = spoiled
    outlines = _outlines(folder, folder.parent / "masks")
    rows = split_by_lesion(collection := read_isic2019(folder)).rows(collection, "train")
    cut, other = (outlines / f"{name}_segmentation.png" for name in rows["image"].iloc[[1, 2]])
    cut.write_bytes(cut.read_bytes()[:60])
    Image.new("L", (96, 128), 255).save(other)
    for name in names["test"]:  # is not opened
        (outlines / f"{name}_segmentation.png").write_bytes(b"no picture")
    return outlines, [cut, other]


@pytest.mark.heavy
@pytest.mark.parametrize("cache", [True, False])
def test_damaged_outlines_are_named_with_all_others_before_a_training_begins(
    cache: bool,
    spoiled: tuple[Path, dict[str, list[str]]],
    outlined: tuple[Path, list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, names = spoiled
    outlines, broken = outlined
    monkeypatch.setattr("lesionviz.training.loop.initial_network", lambda *_: pytest.fail("work has begun"))
    recipe = replace(SMALL, cache=cache, outline_weight=0.5)
    with pytest.raises(LesionvizError) as error:
        train(folder, tmp_path / "out", init="scratch", recipe=recipe, cpu=True, outlines=[outlines])
    text = str(error.value)
    assert text.startswith("6 images cannot be used: ")
    assert all(name in text for name in [*names["train"], *names["validation"], *(path.name for path in broken)])
    for part in ("train", "validation"):
        for name in names[part]:
            draw_lesion("NV", 1, (128, 96)).save(folder / IMAGES / f"{name}.jpg")
    with pytest.raises(LesionvizError) as error:
        train(folder, tmp_path / "out", init="scratch", recipe=recipe, cpu=True, outlines=[outlines])
    assert str(error.value).startswith("2 images cannot be used: ")
    assert "--skip-damaged): images are then learned from without outline" in str(error.value)


@pytest.mark.heavy
@pytest.mark.once
def test_a_training_passes_over_damaged_outlines_and_keeps_their_images(
    spoiled: tuple[Path, dict[str, list[str]]], outlined: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    folder, names = spoiled
    outlines, broken = outlined
    recipe = replace(SMALL, outline_weight=0.5)
    result = train(
        folder, tmp_path / "out", init="scratch", recipe=recipe, cpu=True, outlines=[outlines], skip_damaged=True
    )
    history = " ".join(Checkpoint.load(result.checkpoint).history)
    rows = split_by_lesion(collection := read_isic2019(folder)).rows(collection, "train")
    learned = len(rows) - len(names["train"])
    assert f"Fine-tuned on {learned:,} images" in history
    assert f"{learned - len(broken):,} training images came with an outline" in history
    assert "2 outlines could not be used." in history


@pytest.mark.heavy
def test_a_training_goes_on_without_them_and_records_them(
    spoiled: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    folder, names = spoiled
    said: list[str] = []
    result = train(
        folder, tmp_path / "out", init="scratch", recipe=SMALL, cpu=True, skip_damaged=True, report=said.append
    )
    checkpoint = Checkpoint.load(result.checkpoint)
    expected = sorted(names["train"] + names["validation"])
    assert sorted(checkpoint.split["damaged"]) == [f"spoiled/{image}" for image in expected]
    assert "4 images could not be used and were left out." in checkpoint.history[1]
    assert any("4 images cannot be used and are left out" in sentence for sentence in said)
    assert (
        checkpoint.split["sha256"]
        == sha256(tmp_path / "out" / FILE)
        == split_by_lesion(read_isic2019(folder)).describe()["sha256"]
    )  # who is in which part hangs on the table alone
    assert "--skip-damaged" in training_command(checkpoint)
    assert checkpoint.refusal  # calibrated, on those that are left


def test_collections_without_files_keep_their_rows(drawn_folder: Path) -> None:
    collection = read_isic2019(drawn_folder)
    gone = collection.present.iloc[[2, 5]]
    without = collection.without(frozenset(gone["path"]))
    assert without.damaged == tuple(gone["image"])
    assert len(without.table) == len(collection.table)
    assert len(without.present) == len(collection.present) - 2
    said = without.describe()
    assert "2 images cannot be used and are left out" in said
    assert "2 rows have no image file here" in said  # those that never had one
    assert split_by_lesion(without).to_csv() == split_by_lesion(collection).to_csv()
    assert collection.without(frozenset()) is collection


@pytest.fixture
def model(small_checkpoint: Checkpoint, drawn_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint that records the split of the drawn collection."""
    split = split_by_lesion(read_isic2019(drawn_folder)).describe()
    replace(small_checkpoint, split=split).save(tmp_path / "model.pth")
    return tmp_path / "model.pth"


def _outlines(folder: Path, to: Path) -> Path:
    to.mkdir(exist_ok=True)
    for path in (folder / IMAGES).iterdir():
        Image.new("L", (128, 96), 255).save(to / f"{path.stem}_segmentation.png")
    return to


JUDGES: dict[str, tuple[str, Callable[..., Any]]] = {
    "evaluate": ("test", lambda folder, model, **more: evaluate(folder, model, draws=5, **more)),
    "compare": ("test", lambda folder, model, **more: compare(model, model, folder, draws=5, **more)),
    "shortcuts": ("test", lambda folder, model, **more: shortcuts(folder, model, **more)),
    "faithfulness": (
        "test",
        lambda folder, model, **more: faithfulness(
            folder, _outlines(folder, folder.parent / "outlines"), model, layers=["features.8"], **more
        ),
    ),
    "index": ("train", lambda folder, model, **more: make_index(folder, model, **more)),
    "calibrate": (
        "train+validation",
        lambda folder, model, **more: calibrate(
            Checkpoint.load(model), [Portion(c := read_isic2019(folder), split_by_lesion(c))], **more
        ),
    ),
}


@pytest.mark.heavy
@pytest.mark.parametrize("judge", JUDGES)
def test_every_judge_names_all_before_it_asks_the_network(
    judge: str, spoiled: tuple[Path, dict[str, list[str]]], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, names = spoiled
    parts, run = JUDGES[judge]
    for door in ("predict_many", "outputs_of", "examine_seen", "explain_seen"):
        monkeypatch.setattr(LesionClassifier, door, lambda *_arguments: pytest.fail("work has begun"))
    with pytest.raises(LesionvizError) as error:
        run(folder, model)
    expected = {image for part in parts.split("+") for image in names[part]}
    assert str(error.value).startswith(f"{len(expected)} images cannot be used: ")
    assert all(image in str(error.value) for image in expected)


@pytest.mark.heavy
def test_an_evaluation_without_them_is_that_of_a_folder_without_them_and_says_how_many(
    spoiled: tuple[Path, dict[str, list[str]]],
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, names = spoiled
    monkeypatch.setattr(lesionviz, "evaluate", partial(evaluate, draws=5))
    out = tmp_path / "out"
    assert main(["evaluate", "--data", str(folder), "--model", str(model), "--out", str(out), "--skip-damaged"]) == 0
    assert "2 images could not be used and were left out" in capsys.readouterr().out
    assert sorted(json.loads((out / JSON).read_text())["damaged"]) == sorted(names["test"])
    card = (out / CARD).read_text()
    assert "2 images could not be used and were left out" in card
    assert "--skip-damaged" in card
    for image in names["test"]:
        (folder / IMAGES / f"{image}.jpg").unlink()
    clean = evaluate(folder, model, draws=5)
    assert clean.predictions["image"].tolist() == pd.read_csv(out / "predictions.csv")["image"].tolist()
    assert clean.damaged == ()


@pytest.mark.heavy
@pytest.mark.once
def test_other_judges_go_on_without_them_and_count_them(
    spoiled: tuple[Path, dict[str, list[str]]], model: Path, tmp_path: Path
) -> None:
    folder, _ = spoiled
    comparison = compare(model, model, folder, tmp_path, draws=5, skip_damaged=True)
    assert comparison.damaged == json.loads((tmp_path / "comparison.json").read_text())["damaged"] == 2
    assert "2 images could not be used" in comparison.to_markdown()
    said: list[str] = []
    make_index(folder, model, skip_damaged=True, report=said.append)
    assert said == ["2 images could not be used and were left out."]
    report = shortcuts(folder, model, images=4, seed=1, skip_damaged=True)
    assert report.images + report.damaged == 4
    collection = read_isic2019(folder)
    calibrated = calibrate(
        Checkpoint.load(model), [Portion(collection, split_by_lesion(collection))], skip_damaged=True
    )
    assert calibrated.history[-1] == "Calibrated; 4 images could not be used and were left out."


def test_pictures_that_should_get_no_diagnosis_and_other_clinics_are_looked_at_too(
    drawn_folder: Path, classifier: LesionClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("clinic/MEL/a.png", "clinic/NV/b.png", "unlike/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    monkeypatch.setattr(LesionClassifier, "predict_many", lambda *_: pytest.fail("work has begun"))
    judged = load()  # pictures of other things are asked about where there is a refusal
    with pytest.raises(LesionvizError, match=r"3 images cannot be used: MEL/a\.png, NV/b\.png, unlike/c\.png"):
        evaluate(drawn_folder, judged, part="all", other=[tmp_path / "clinic"], unlike=[tmp_path / "unlike"])


@pytest.mark.heavy
def test_outlines_are_looked_at_too(
    drawn_folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlines = _outlines(drawn_folder, tmp_path / "outlines")
    rows = split_by_lesion(collection := read_isic2019(drawn_folder)).rows(collection, "test")
    broken = outlines / f"{rows['image'].iloc[0]}_segmentation.png"
    broken.write_bytes(b"no picture")
    with monkeypatch.context() as patch:
        patch.setattr(LesionClassifier, "predict_many", lambda *_: pytest.fail("work has begun"))
        with pytest.raises(LesionvizError, match=f"1 image cannot be used: outlines/{broken.name}"):
            evaluate(drawn_folder, model, masks=outlines)
    judged = evaluate(drawn_folder, model, masks=outlines, draws=5, skip_damaged=True)
    assert judged.evidence is not None
    assert judged.evidence.images == len(rows) - 1 == judged.metrics.images - 1


def test_a_part_of_nothing_but_damaged_images_is_refused(classifier: LesionClassifier, tmp_path: Path) -> None:
    (tmp_path / "MEL").mkdir()
    (tmp_path / "MEL" / "a.png").write_bytes(b"no picture")
    with pytest.raises(LesionvizError, match="None of the 1 images can be used"):
        evaluate(tmp_path, classifier, part="all", skip_damaged=True)


def test_inspect_writes_the_whole_list_and_prints_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "collection"
    for number in range(9):
        path = folder / "MEL" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture, of this length" * (number + 1))
    draw_lesion("NV", 1, (48, 40)).save(folder / "MEL" / "good.png")
    assert main(["data", "inspect", str(folder), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "9 images cannot be used" in printed
    assert "… and 4 more" in printed
    listed = pd.read_csv(tmp_path / "out" / "damaged.csv")
    assert listed["image"].tolist() == [f"MEL/{number}.png" for number in range(9)]
    assert listed["why"].str.contains("not a picture").all()
    assert set(listed["collection"]) == {"collection"}
    assert all(Path(path).is_file() for path in listed["path"])


@pytest.mark.parametrize("skip", [True, False])
def test_several_processes_are_told_to_leave_them_out(
    skip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ToldError(Exception):
        pass

    def follow(command: list[str], *_: object) -> None:
        raise ToldError(command)

    monkeypatch.setattr(launch, "_follow", follow)
    with pytest.raises(ToldError) as told:
        launch.train_on_processes(2, "data", tmp_path, skip_damaged=skip)
    assert ("--skip-damaged" in told.value.args[0]) is skip


# --- one class alone --------------------------------------------------------------------------------------------------
ALL = ("BCC", "BKL", "MEL", "NV")


@pytest.mark.parametrize(
    ("learned", "judged", "words"),
    [
        (ALL, ALL, ""),
        (("MEL",), ("MEL",), "All 3 training images are of one class, MEL.*mean nothing"),
        (("NV",), ALL, "one class, NV"),
        (("MEL", "NV"), ALL, "No training image is of BCC or BKL"),
        (("BCC", "MEL", "NV"), ("BCC", "MEL", "NV"), "No training image is of BKL:"),
        (ALL, ("BCC", "BKL", "NV"), "No validation image is of MEL"),
    ],
)
def test_missing_classes_are_warned_of(learned: tuple[str, ...], judged: tuple[str, ...], words: str) -> None:
    rows = [pd.DataFrame({"diagnosis": [code for code in codes for _ in range(3)]}) for codes in (learned, judged)]
    said = caution(*rows)
    assert bool(said) is bool(words)
    assert pd.Series([said]).str.contains(words).all()


@pytest.mark.heavy
def test_a_training_on_one_class_alone_says_that_its_figures_mean_nothing(tmp_path: Path) -> None:
    for number in range(24):
        path = tmp_path / "one" / "seborrheic keratosis" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_lesion("BKL", number, (64, 64)).save(path)
    said: list[str] = []
    result = train(tmp_path / "one", tmp_path / "out", init="scratch", recipe=SMALL, cpu=True, report=said.append)
    (sentence,) = [sentence for sentence in said if sentence.startswith(CAUTION)]
    assert "one class, BKL" in sentence
    assert "mean nothing" in Checkpoint.load(result.checkpoint).history[1]

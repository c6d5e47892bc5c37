"""Several collections in one training: splits of their own, and nothing that is kept out is learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion, also_portions, describe_splits, rows_of
from lesionviz.data.read import read_collection
from lesionviz.data.split import FILE, split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.parts import recorded_split, rows_of_other
from lesionviz.evaluation.sections import training_command
from lesionviz.files import sha256
from lesionviz.recipe import Recipe
from lesionviz.training import loop
from lesionviz.training.augmentation import LabelledImages
from lesionviz.training.loop import BEST, HISTORY, TrainingResult, train

SMALL = Recipe(
    size=96, train_size=96, first_size=64, epochs=2, probe_share=0.5, last_blocks_share=0, batch_size=16, cache=False
)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another clinic's 60 drawn images in folders, without carcinomas, as ISIC 2017 has none."""
    folder = tmp_path_factory.mktemp("data") / "clinic"
    for number in range(60):
        code = ("BKL", "MEL", "NV")[number % 3]
        path = folder / code / f"picture_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_lesion(code, 900 + number, (96, 96)).save(path)
    return folder


@pytest.fixture(scope="module")
def opened(
    drawn_folder: Path, clinic: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingResult, set[str], list[tuple[int, int]]]:
    """A training on both collections, the files that it opened, and (epoch, side) of every training batch."""
    seen, sides = set[str](), list[tuple[int, int]]()
    fetch, batch = LabelledImages.__getitem__, loop._Run._batch

    def watch(self: LabelledImages, index: int) -> tuple[torch.Tensor, int]:
        assert not isinstance(self._pictures[index], np.ndarray)
        seen.add(str(self._pictures[index]))
        return fetch(self, index)

    def measure(self: loop._Run, pictures: torch.Tensor) -> torch.Tensor:
        if not torch.is_inference_mode_enabled():  # which validation runs in
            sides.append((self.epoch + 1, pictures.shape[-1]))
        return batch(self, pictures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LabelledImages, "__getitem__", watch)
        patch.setattr(loop._Run, "_batch", measure)
        out = tmp_path_factory.mktemp("run")
        result = train(drawn_folder, out, also=[clinic], init="scratch", recipe=SMALL, cpu=True)
    return result, seen, sides


@pytest.mark.heavy
def test_the_main_split_is_the_same_with_and_without_a_second_collection(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]], drawn_folder: Path
) -> None:
    alone = split_by_lesion(read_isic2019(drawn_folder))
    recorded = dict(Checkpoint.load(opened[0].checkpoint).split)
    assert sha256(opened[0].checkpoint.parent / FILE) == alone.describe()["sha256"]
    assert {key: recorded[key] for key in recorded if key != "also"} == alone.describe()


@pytest.mark.heavy
def test_what_either_split_keeps_out_is_never_opened(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]], drawn_folder: Path, clinic: Path
) -> None:
    main = Portion(read_isic2019(drawn_folder), split_by_lesion(read_isic2019(drawn_folder)))
    (other,) = also_portions([clinic], main)
    assert opened[1] == {
        path for p in (main, other) for part in ("train", "validation") for path in p.rows(part)["path"]
    }
    assert not opened[1] & {path for p in (main, other) for path in p.rows("test")["path"]}


def test_half_of_an_additional_collection_is_kept_out(drawn_folder: Path, clinic: Path) -> None:
    main = Portion(read_isic2019(drawn_folder), split_by_lesion(read_isic2019(drawn_folder)))
    (other,) = also_portions([clinic], main)
    counts = other.split.table["part"].value_counts()
    assert counts.to_dict() == {"train": 30, "test": 24, "validation": 6}  # 50, 40 and 10 % of 60
    assert len(rows_of([main, other], "train")) == len(main.rows("train")) + 30
    assert "also" not in describe_splits(main, [])  # one collection is recorded as by earlier versions


@pytest.mark.heavy
def test_training_pictures_grow_by_epoch(opened: tuple[TrainingResult, set[str], list[tuple[int, int]]]) -> None:
    assert set(opened[2]) == {(1, 64), (2, 96)}  # the sides 64 and 96, one epoch each


@pytest.mark.heavy
def test_files_history_and_command_name_both_collections(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]],
) -> None:
    out = opened[0].checkpoint.parent
    checkpoint = Checkpoint.load(opened[0].checkpoint)
    assert sorted(path.name for path in out.iterdir()) == [BEST, HISTORY, FILE, "split_clinic.csv"]
    assert checkpoint.split["also"][0]["sha256"] == sha256(out / "split_clinic.csv")
    assert "also_balanced_accuracy" in pd.read_csv(out / HISTORY)
    assert "--also clinic" in training_command(checkpoint)
    assert "and clinic, the epoch chosen on" in checkpoint.history[1]
    assert "(CC BY-NC 4.0) and the trainer's own images" in checkpoint.licence


@pytest.mark.heavy
def test_the_epoch_is_chosen_on_the_main_collection(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]], drawn_folder: Path
) -> None:
    judged = evaluate(drawn_folder, opened[0].checkpoint, part="validation", draws=5)
    assert judged.metrics.to_dict() == Checkpoint.load(opened[0].checkpoint).metrics["validation"]


@pytest.mark.heavy
def test_a_resumed_training_on_both_equals_an_unbroken_one(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]],
    drawn_folder: Path,
    clinic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole_epoch = loop._Run._train

    def stop_in_second_epoch(run: loop._Run) -> float:
        if run.epoch == 1:
            raise KeyboardInterrupt
        return whole_epoch(run)

    monkeypatch.setattr(loop._Run, "_train", stop_in_second_epoch)
    assert train(drawn_folder, tmp_path, also=[clinic], init="scratch", recipe=SMALL, cpu=True).interrupted
    monkeypatch.undo()
    with pytest.raises(LesionvizError, match="another split"):
        train(drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True, resume=True)
    resumed = train(drawn_folder, tmp_path, also=[clinic], init="scratch", recipe=SMALL, cpu=True, resume=True)
    pd.testing.assert_frame_equal(resumed.history.drop(columns="seconds"), opened[0].history.drop(columns="seconds"))
    a, b = (Checkpoint.load(result.checkpoint).state_dict for result in (opened[0], resumed))
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.heavy
def test_evaluation_judges_what_was_kept_out_and_says_so(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]], drawn_folder: Path, clinic: Path, tmp_path: Path
) -> None:
    evaluation = evaluate(drawn_folder, opened[0].checkpoint, tmp_path, other=[clinic], draws=5)
    (other,) = evaluation.others
    kept_out = pd.read_csv(opened[0].checkpoint.parent / "split_clinic.csv").query("part == 'test'")
    assert other.part == "test"
    assert other.predictions["image"].tolist() == kept_out["image"].tolist()
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert "On 24 images of another collection, clinic (test part: kept out of a training that used others" in card
    assert "| clinic, test | 24 |" in card
    assert "Also trained on a part of clinic" in card
    assert evaluate(clinic, opened[0].checkpoint, draws=5).metrics.images == 24  # named as the main one, too


def test_a_collection_that_is_new_is_judged_whole(small_checkpoint: Checkpoint, clinic: Path) -> None:
    rows, part = rows_of_other(small_checkpoint, read_collection(clinic))
    assert (len(rows), part) == (60, "all")


@pytest.mark.heavy
def test_a_changed_collection_of_the_same_name_is_refused(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]], drawn_folder: Path, clinic: Path
) -> None:
    collection = read_collection(clinic)
    fewer = replace(collection, table=collection.table[:-1])
    with pytest.raises(LesionvizError, match="trained on a part of a collection called clinic"):
        evaluate(drawn_folder, opened[0].checkpoint, other=[fewer], draws=5)


@pytest.mark.parametrize("also", ["yes", ["clinic"], [{"name": "clinic"}]])
def test_a_damaged_record_is_refused(also: object, small_checkpoint: Checkpoint, clinic: Path) -> None:
    collection = read_collection(clinic)
    record = split_by_lesion(collection).describe() | {"also": also, "sha256": "0" * 64}
    with pytest.raises(LesionvizError, match="record of its split"):
        recorded_split(LesionClassifier(replace(small_checkpoint, split=record)).checkpoint, collection)


def test_collections_that_share_an_image_or_a_name_are_refused(
    drawn_folder: Path, clinic: Path, tmp_path: Path
) -> None:
    main = Portion(read_isic2019(drawn_folder), split_by_lesion(read_isic2019(drawn_folder)))
    copied = tmp_path / "copied"
    for number in range(30):
        path = copied / "NV" / f"turned_{main.collection.present['image'].iloc[0]}.png" if not number else None
        path = path or copied / ("BKL", "MEL", "NV")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_lesion("NV", number, (96, 96)).save(path)
    more = read_collection(copied)
    more = replace(more, table=pd.concat([more.table, read_collection(clinic).table], ignore_index=True))
    with pytest.raises(
        LesionvizError, match=f"copied shares 1 images, ISIC_0000000 for one, with {drawn_folder.name}"
    ):
        also_portions([more], main)
    with pytest.raises(LesionvizError, match="Two collections are called clinic"):
        also_portions([clinic, clinic], main)

"""Several collections in one training: splits of their own, and nothing that is kept out is learned from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.collection import FRAMES, Collection, make_collection
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.never import Never, read_never
from lesionviz.data.portions import Portion, also_portions, describe_splits, divide, rows_of
from lesionviz.data.read import read_collection
from lesionviz.data.split import FILE, KEPT_OUT, PARTS, Split, split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.parts import recorded_split, rows_of_other, rows_of_source
from lesionviz.evaluation.report.commands import training_command
from lesionviz.files import sha256
from lesionviz.recipe import Recipe
from lesionviz.training import loop
from lesionviz.training.augmentation import LabelledImages
from lesionviz.training.loop import BEST, HISTORY
from lesionviz.training.train import TrainingResult, train

pytestmark = pytest.mark.usefixtures("few_strangers")
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
    fetch, batch = LabelledImages.__getitem__, loop.Run._batch

    def watch(self: LabelledImages, index: int) -> tuple[torch.Tensor, int]:
        assert not isinstance(self._pictures[index], np.ndarray)
        seen.add(str(self._pictures[index]))
        return fetch(self, index)

    def measure(self: loop.Run, pictures: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():  # not so in validation
            sides.append((self.epoch + 1, pictures.shape[-1]))
        return batch(self, pictures)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LabelledImages, "__getitem__", watch)
        patch.setattr(loop.Run, "_batch", measure)
        out = tmp_path_factory.mktemp("run")
        result = train(drawn_folder, out, also=[clinic], init="scratch", recipe=SMALL, cpu=True)
    return result, seen, sides


@pytest.mark.heavy
@pytest.mark.once
def test_the_main_split_is_the_same_with_and_without_a_second_collection(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]], drawn_folder: Path
) -> None:
    alone = split_by_lesion(read_isic2019(drawn_folder))
    recorded = dict(Checkpoint.load(opened[0].checkpoint).split)
    assert sha256(opened[0].checkpoint.parent / FILE) == alone.describe()["sha256"]
    assert {key: recorded[key] for key in recorded if key not in {"also", "twins"}} == alone.describe()


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
@pytest.mark.once
def test_a_resumed_training_on_both_equals_an_unbroken_one(
    opened: tuple[TrainingResult, set[str], list[tuple[int, int]]],
    drawn_folder: Path,
    clinic: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole_epoch = loop.Run._train

    def stop_in_second_epoch(run: loop.Run) -> float:
        if run.epoch == 1:
            raise KeyboardInterrupt
        return whole_epoch(run)

    monkeypatch.setattr(loop.Run, "_train", stop_in_second_epoch)
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


def test_a_split_that_several_records_describe_alike_is_made_once(
    small_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, _ = main_and_other()
    record, made = main.split.describe(), list[int]()

    def counted(collection: Collection, seed: int, *shares: float) -> Split:
        made.append(seed)
        return split_by_lesion(collection, seed, *shares)

    monkeypatch.setattr("lesionviz.evaluation.parts.split_by_lesion", counted)
    others = [{"sha256": "0" * 64}, {"sha256": "1" * 64, "seed": 7}, {}]  # the last one is this collection's
    records = [record | each for each in others]
    checkpoint = replace(small_checkpoint, split={**records[0], "also": records[1:]})
    assert recorded_split(checkpoint, main.collection).to_csv() == main.split.to_csv()
    assert made == [2019, 7]


@pytest.mark.parametrize("also", ["yes", ["clinic"], [{"name": "clinic"}]])
def test_a_damaged_record_is_refused(also: object, small_checkpoint: Checkpoint, clinic: Path) -> None:
    collection = read_collection(clinic)
    record = split_by_lesion(collection).describe() | {"also": also, "sha256": "0" * 64}
    with pytest.raises(LesionvizError, match="record of its split"):
        recorded_split(LesionClassifier(replace(small_checkpoint, split=record)).checkpoint, collection)


@pytest.mark.heavy
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


def tables(name: str, rows: int = 240, first: int = 0, here: bool = True) -> Collection:
    """A collection of two photographs a lesion and a close-up beside every lesion's first; nobody opens its files.

    Of its two clinics the second has every fourth lesion.
    """
    made = []
    for number in range(rows):
        lesion = number // 2
        label = ("BCC", "BKL", "MEL", "NV", "DF")[lesion % 5]
        clinic = "Clinic B" if lesion % 4 == 3 else "Clinic A"
        path = f"/nowhere/{name}/{number}.jpg" if here else None
        made.append((f"ISIC_{first + number:07d}", f"{name}_{lesion}", label, clinic, path, False))
        if number % 2 == 0:
            made.append((f"{name}_close_{number}", f"{name}_{lesion}", label, clinic, path and path + "c", True))
    frame = pd.DataFrame(made, columns=["image", "lesion", "diagnosis", "source", "path", "close_up"])
    return make_collection(frame, Path("/nowhere") / name, name, close_up=frame["close_up"])


def main_and_other() -> tuple[Portion, Collection]:
    main = tables("main")
    return Portion(main, split_by_lesion(main)), tables("other", first=1000)


def parts(portion: Portion) -> pd.DataFrame:
    rows = portion.collection.everything()
    return rows.assign(part=portion.split.parts_of(rows))


@pytest.mark.parametrize("share", [0.3, 0.2, 0.4])
def test_as_much_is_kept_out_as_asked_and_a_tenth_validates(share: float) -> None:
    main, other = main_and_other()
    (portion,) = divide(main, [other], keep_out=share, twins=False).also
    shares = portion.split.table["part"].value_counts(normalize=True)
    assert shares["test"] == pytest.approx(share, abs=0.03)
    assert shares["validation"] == pytest.approx(0.1, abs=0.03)
    assert portion.split.describe()["test"] == share


@pytest.mark.parametrize("share", [0, 1, 0.9, True, "half"])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    main, other = main_and_other()
    with pytest.raises(LesionvizError, match=r"must be from 0\.05 to 0\.85"):
        divide(main, [other], keep_out=share)


def test_a_close_up_and_other_diagnoses_go_with_their_lesion_and_all_parts_have_some() -> None:
    main, _ = main_and_other()
    rows = parts(main)
    assert (rows.groupby("lesion")["part"].nunique() == 1).all()
    assert set(rows["of"]) == {"table", "others", "close_ups"}
    # Lesions that the table does not have are spread by a hash, about as the fractions say: 24 of them here.
    assert set(rows["part"][rows["of"] == "others"]) == set(PARTS)
    assert main.rows("train", "undetermined").empty
    everything = [main.rows(part, of)["image"] for part in (*PARTS, KEPT_OUT) for of in FRAMES]
    assert sorted(pd.concat(everything)) == sorted(rows["image"])
    assert parts(main).equals(rows)
    with pytest.raises(LesionvizError, match="no rows called 'rest'"):
        main.rows("train", "rest")


def test_what_is_named_leaves_training_and_validation_with_its_whole_lesion_and_no_split_changes() -> None:
    main, other = main_and_other()
    named = [main.rows(part)["image"].iloc[0] for part in PARTS] + ["somebody_elses"]
    division = divide(main, [other], never=Never(frozenset(named)), twins=False)
    before, after = parts(main), parts(division.main)
    lesions = before.set_index("image")["lesion"][named[:2]]
    assert (after["part"][after["lesion"].isin(lesions)] == KEPT_OUT).all()  # of training and of validation
    assert after["part"][~after["lesion"].isin(lesions)].equals(before["part"][~before["lesion"].isin(lesions)])
    assert division.main.split.to_csv() == main.split.to_csv()
    record = division.describe()
    assert record["never"]["images"] == 4
    assert record["kept_out"] == sorted(after["image"][after["part"] == KEPT_OUT])
    assert "4 images by name; 3 of them are in these collections" in " ".join(division.sentences())


@pytest.mark.heavy
def test_a_clinic_that_is_named_is_kept_out_whole_and_judged_alone(small_checkpoint: Checkpoint) -> None:
    main, other = main_and_other()
    division = divide(main, [other], never=read_never(sources=["clinic b"]), twins=False)
    for portion in division.portions:
        rows = parts(portion)
        assert ((rows["part"] == KEPT_OUT) == (rows["source"] == "Clinic B")).all()
    checkpoint = replace(small_checkpoint, split=division.describe())
    assert set(rows_of_other(checkpoint, other)[0]["source"]) == {"Clinic A"}
    rows, part = rows_of_source(checkpoint, other, "Clinic B")
    assert part == KEPT_OUT
    assert len(rows) == (other.table["source"] == "Clinic B").sum()
    rows, part = rows_of_source(checkpoint, other, "Clinic A")
    assert part == "test"
    assert rows["image"].tolist() == division.also[0].rows("test")["image"].tolist()
    assert recorded_split(checkpoint, main.collection).kept_out == division.main.split.kept_out
    with pytest.raises(LesionvizError, match=r"source called 'Clinic C'. The sources are: Clinic A, Clinic B"):
        divide(main, [other], never=read_never(sources=["Clinic C"]), twins=False)


def test_what_another_table_keeps_out_is_not_learned_from_though_its_file_is_only_here() -> None:
    """As of ISIC 2017's images, which ISIC 2019's tables name, too."""
    main, _ = main_and_other()
    absent = tables("absent", first=1000, here=False)
    everything = replace(
        main.collection,
        table=pd.concat([main.collection.table, absent.table]).sort_values("image", ignore_index=True),
    )
    whole = Portion(everything, split_by_lesion(everything))
    division = divide(whole, [tables("other", first=1000)], twins=False)
    one, other = (parts(each).set_index("image")["part"] for each in division.portions)
    split = parts(whole).set_index("image")["part"]
    both = [image for image in one.index if image in other.index]
    assert len(both) == 192  # of 240, four fifths are in the four classes
    assert not [image for image in both if split[image] == "test" and other[image] in {"train", "validation"}]
    assert not [image for image in both if other[image] in {"test", "validation"} and one[image] == "train"]
    assert not [image for image in both if one[image] == "validation" and other[image] == "train"]
    assert (other == "train").sum() > 60  # of about 150: those that are training images of both, or validate nothing


def test_a_damaged_list_of_what_was_kept_out_is_refused(small_checkpoint: Checkpoint) -> None:
    main, _ = main_and_other()
    for wrong in ("all", [1], {}):
        checkpoint = replace(small_checkpoint, split=main.split.describe() | {"kept_out": wrong})
        with pytest.raises(LesionvizError, match="record of its split is damaged"):
            recorded_split(checkpoint, main.collection)


@pytest.mark.heavy
def test_twins_across_collections_are_kept_apart_recorded_and_written(drawn_folder: Path, tmp_path: Path) -> None:
    main = Portion(read_isic2019(drawn_folder), split_by_lesion(read_isic2019(drawn_folder)))
    kept = main.rows("test").iloc[0]
    clinic = tmp_path / "clinic"
    for number in range(60):
        path = clinic / ("BKL", "MEL", "NV")[number % 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_lesion(path.parent.name, 5000 + number, (96, 96)).save(path)
    alone = divide(main, [clinic])
    learned = alone.also[0].rows("train").iloc[0]
    with Image.open(kept["path"]) as picture:  # the same photograph, brighter, mirrored, under another name
        ImageEnhance.Brightness(ImageOps.mirror(picture)).enhance(1.1).save(learned["path"])
    division = divide(main, [clinic])
    pair = (f"{drawn_folder.name}/{kept['image']}", f"clinic/{learned['image']}")
    assert division.twins is not None
    assert pair in division.twins.names
    assert learned["image"] in division.also[0].split.kept_out
    assert learned["image"] not in rows_of(division.portions, "train")["image"].tolist()
    assert division.describe()["twins"] == division.twins.describe() != alone.describe()["twins"]
    assert " = ".join(pair) in " ".join(division.sentences())
    switched_off = divide(main, [clinic], twins=False)
    assert switched_off.describe()["twins"] is None
    assert not switched_off.also[0].split.kept_out


@pytest.mark.heavy
def test_what_is_never_to_be_trained_on_is_recorded_written_and_never_opened(
    drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = Portion(read_isic2019(drawn_folder), split_by_lesion(read_isic2019(drawn_folder)))
    named = [main.rows(part)["image"].iloc[0] for part in ("train", "validation")]
    (tmp_path / "never.txt").write_text("\n".join(named))
    seen = set[str]()
    fetch = LabelledImages.__getitem__

    def watch(self: LabelledImages, index: int) -> tuple[torch.Tensor, int]:
        seen.add(Path(str(self._pictures[index])).stem)
        return fetch(self, index)

    monkeypatch.setattr(LabelledImages, "__getitem__", watch)
    short = replace(SMALL, epochs=1, train_size=64, size=64)
    out = tmp_path / "run"
    result = train(drawn_folder, out, never=[tmp_path / "never.txt"], init="scratch", recipe=short, cpu=True)
    assert seen
    assert not seen & result.split.kept_out
    assert set(named) <= result.split.kept_out
    checkpoint = Checkpoint.load(result.checkpoint)
    assert checkpoint.split["never"]["places"] == ["never.txt"]
    assert recorded_split(checkpoint, main.collection).kept_out == result.split.kept_out
    assert "--never never.txt" in training_command(checkpoint).replace("\\\n", "")


@pytest.mark.once
def test_the_splits_of_the_real_collections_are_as_they_were(isic2019: Path) -> None:
    collection = read_isic2019(isic2019)
    main = Portion(collection, split_by_lesion(collection))
    recorded = "40438cf47b8ba031becd9a048ac1e7fbb770d2d886305ad1982dd8b5d41c1e61"
    assert main.split.describe()["sha256"] == recorded
    clinics = [isic2019.parent / name for name in ("MILK10k", "ISIC_archive")]
    if not all(place.is_dir() for place in clinics):
        pytest.skip(f"needs MILK10k and ISIC_archive beside {isic2019.name}")
    never = read_never(sources=["International Dermoscopy Society"])
    division = divide(main, clinics, keep_out=0.3, never=never, twins=False)
    assert division.main.split.describe()["sha256"] == recorded
    milk, archive = division.also
    rows = parts(milk)
    assert (rows.groupby("lesion")["part"].nunique() == 1).all()
    assert len(archive.rows(KEPT_OUT)) >= 465

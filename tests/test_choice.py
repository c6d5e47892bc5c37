"""Which epoch is kept, by hand; halves of the validation part; outliers; and a training with all of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.collection import Collection
from lesionviz.data.halves import halves
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Portion
from lesionviz.data.split import split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, TAUGHT_UNKNOWN
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.parts import unknown_rows
from lesionviz.preprocessing import Preprocessing
from lesionviz.recipe import Recipe
from lesionviz.training import loop
from lesionviz.training.choice import choice_score, mean_flips
from lesionviz.training.judging import Judge, chosen_figure
from lesionviz.training.loaders import labels_of
from lesionviz.training.loop import HISTORY
from lesionviz.training.outliers import OUTLIER, outlier_loss, outlier_rows
from lesionviz.training.outline_loss import evidence_outside
from lesionviz.training.probes import draw_probes, probed
from lesionviz.training.train import train

EVERYTHING = Recipe(
    size=64,
    epochs=2,
    probe_share=0,
    last_blocks_share=0,
    batch_size=16,
    learning_rate=1e-3,
    augmentation="clinics",
    source_power=0.5,
    outlier_weight=1.0,
    choose_by="sources",
)


def rows_of(*cells: tuple[str, str, str, int]) -> pd.DataFrame:
    """Rows of a collection, a source and a diagnosis, so many of each."""
    rows = [cell[:3] for cell in cells for _ in range(cell[3])]
    return pd.DataFrame(rows, columns=["collection", "source", "diagnosis"])


def answers(*codes: tuple[str, int]) -> np.ndarray:
    """Logits that answer with a code, so many of each."""
    return np.array([[4.0 * (code == other) for other in CODES] for code, count in codes for _ in range(count)])


def test_the_score_by_hand() -> None:
    rows = rows_of(("A", "one", "MEL", 10), ("A", "one", "NV", 10), ("B", "two", "BCC", 10), ("B", "two", "NV", 10))
    # A: 8 of 10 melanomas and all nevi are right: 0.9. ROC-AUC: (0.8 + 1) / 2 = 0.9, ties count half. So its mark is 0.9.
    # B: no melanoma, so its mark is its balanced accuracy: (0.5 + 1) / 2 = 0.75.
    logits = answers(("MEL", 8), ("NV", 2), ("NV", 10), ("BCC", 5), ("NV", 5), ("NV", 10))
    found = choice_score(rows, logits, flips=0.1)
    assert found["score"] == pytest.approx((0.9 + 0.75) / 2 - 0.05)
    assert found["flips"] == 0.1
    assert found["balanced_accuracy_A"] == pytest.approx(0.9)
    assert found["roc_auc_MEL_A"] == pytest.approx(0.9)
    assert found["balanced_accuracy_B"] == pytest.approx(0.75)
    assert math.isnan(found["roc_auc_MEL_B"])


def test_every_collection_has_one_vote_which_its_institutions_share() -> None:
    rows = rows_of(
        ("A", "large", "BCC", 10),
        ("A", "large", "NV", 10),
        ("A", "also large", "BCC", 10),
        ("A", "also large", "NV", 10),
        ("A", "one class", "NV", 30),
        ("B", "small", "BCC", 4),
        ("B", "tiny", "NV", 4),
    )
    # The two large ones count for themselves: 1 and 0.5. The third has one class, and nobody to be put together with.
    logits = answers(("BCC", 10), ("NV", 10), ("NV", 10), ("NV", 10), ("MEL", 30), ("BCC", 4), ("BCC", 2), ("NV", 2))
    found = choice_score(rows, logits, flips=0.0)
    assert found["balanced_accuracy_A"] == pytest.approx(0.75)
    assert found["balanced_accuracy_B"] == pytest.approx(0.75)  # too small to be parted, so one source: (1 + 0.5) / 2
    more = pd.concat([rows, rows_of(("A", "few", "BCC", 10))], ignore_index=True)
    together = choice_score(more, np.concatenate([logits, answers(("BCC", 10))]), flips=0.0)
    # Now 30 nevi, all wrong, and 10 BCC, all right, are a source of their own: (1 + 0.5 + 0.5) / 3.
    assert together["balanced_accuracy_A"] == pytest.approx(2 / 3)
    assert together["score"] == pytest.approx((2 / 3 + 0.75) / 2)


def test_a_class_of_four_images_does_not_make_a_figure() -> None:
    rows = rows_of(("A", "one", "BCC", 10), ("A", "one", "NV", 10), ("A", "one", "MEL", 4))
    logits = answers(("BCC", 10), ("NV", 10), ("NV", 4))
    assert choice_score(rows, logits, 0.0)["balanced_accuracy_A"] == 1
    assert math.isnan(choice_score(rows, logits, 0.0)["roc_auc_MEL_A"])


def test_flips_are_the_share_of_answers_that_change() -> None:
    plain = answers(("BCC", 1), ("NV", 1))
    drawn = np.stack([answers(("BCC", 2), ("MEL", 1), ("NV", 1)), answers(("NV", 3), ("BCC", 1))])
    assert mean_flips(plain, drawn) == pytest.approx(3 / 8)


def test_the_history_says_what_chose() -> None:
    assert chosen_figure(["balanced_accuracy", "score"]) == "score"
    assert chosen_figure(["balanced_accuracy"]) == "balanced_accuracy"


def test_halves_part_lesions_and_hang_on_their_names_alone() -> None:
    rows = pd.DataFrame({"lesion": [f"lesion {number // 2}" for number in range(2000)]})
    one, other = halves(rows)
    assert len(one) + len(other) == 2000
    assert not set(one["lesion"]) & set(other["lesion"])
    assert 0.45 < len(one) / 2000 < 0.55
    part, _ = halves(rows[::-1].iloc[500:1200])
    assert set(part["lesion"]) <= set(one["lesion"])
    assert [len(half) for half in halves(rows[:0])] == [0, 0]


def test_uniform_probabilities_cost_log_4_and_a_favourite_more() -> None:
    labels = torch.tensor([OUTLIER, 2])
    logits = torch.tensor([[1.0, 1, 1, 1], [9, 0, 0, 0]])
    assert outlier_loss(logits, labels).item() == pytest.approx(math.log(4) / 2)  # over both images, known or not
    # p = 1/2, 1/6, 1/6, 1/6: the mean of log 2, log 6, log 6, log 6
    favourite = torch.tensor([[math.log(3.0), 0, 0, 0], [9, 0, 0, 0]])
    assert outlier_loss(favourite, labels).item() == pytest.approx((math.log(2) + 3 * math.log(6)) / 4 / 2)
    assert outlier_loss(logits, torch.tensor([0, 2])).item() == 0
    learned = torch.tensor([[2.0, 0, 0, 0]], requires_grad=True)
    outlier_loss(learned, torch.tensor([OUTLIER])).backward()  # type: ignore[no-untyped-call]
    assert learned.grad is not None
    assert learned.grad[0, 0] > 0 > learned.grad[0, 1]  # towards equal


def test_an_outlier_is_asked_for_no_evidence() -> None:
    maps = torch.rand(2, 4, 2, 2)
    outlines = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    outlines[..., :4] = 255
    both = evidence_outside(maps, torch.tensor([1, OUTLIER]), outlines)
    assert both.item() == pytest.approx(evidence_outside(maps[:1], torch.tensor([1]), outlines[:1]).item() / 2)


@pytest.fixture(scope="module")
def with_others(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """The drawn collection, with pictures of other diagnoses that are taught or never seen."""
    folder = tmp_path_factory.mktemp("others")
    rows = []
    for label in ("AK", "SCC", "VASC", "DF"):
        for number in range(12):
            path = folder / f"{label}{number}.png"
            draw_lesion("BKL", 100 + number, (80, 80)).save(path)
            name = f"{label}{number}"
            rows.append((name, name, label, "drawn", str(path)))
    others = pd.DataFrame(rows, columns=["image", "lesion", "diagnosis", "source", "path"])
    return replace(read_isic2019(drawn_folder), others=others)


def test_only_taught_kinds_of_the_training_part_teach(with_others: Collection, drawn_folder: Path) -> None:
    split = split_by_lesion(with_others)
    portion = Portion(with_others, split)
    rows = outlier_rows([portion])
    assert set(rows["diagnosis"]) == {"AK", "SCC"}
    assert 0 < len(rows) < 24
    kept = {part: set(portion.rows(part, of="others")["image"]) for part in ("train", "validation", "test")}
    assert set(rows["image"]) <= kept["train"]
    assert sum(map(len, kept.values())) == 48
    assert not set(TAUGHT_UNKNOWN) & {"VASC", "DF", "INF", "BEN_OTH", "MAL_OTH", *CODES}
    assert labels_of(rows) == [OUTLIER] * len(rows)
    plain = read_isic2019(drawn_folder)
    with pytest.raises(LesionvizError, match="No training image of AK, AKIEC, SCC, SCCKA"):
        outlier_rows([Portion(plain, split_by_lesion(plain))])


def test_a_model_is_asked_about_none_of_the_unknown_images_that_taught_it(
    with_others: Collection, small_checkpoint: Checkpoint
) -> None:
    split = split_by_lesion(with_others)
    taught = replace(small_checkpoint, recipe={"outlier_weight": 0.5}, split=split.describe())
    asked = set(unknown_rows(taught, with_others)["image"])
    assert not asked & set(outlier_rows([Portion(with_others, split)])["image"])
    tested = Portion(with_others, split).rows("test", of="others")
    assert asked == {*tested["image"], *(f"{label}{number}" for label in ("VASC", "DF") for number in range(12))}
    for checkpoint in (replace(taught, recipe={}), replace(taught, split={**taught.split, "sha256": "0" * 64})):
        assert len(unknown_rows(checkpoint, with_others)) == 48  # it learned from none of them


def test_probes_are_drawn_once_for_all_alike_from_every_collection(with_others: Collection) -> None:
    rows = with_others.present.assign(collection=["a"] * 90 + ["b"] * (len(with_others.present) - 90))
    chosen = probed(rows, 12)
    assert np.array_equal(chosen, probed(rows, 12))
    assert rows["collection"].iloc[chosen].value_counts().to_dict() == {"a": 6, "b": 6}
    assert len(probed(rows, 1000)) == len(rows)
    paths = rows["path"].iloc[chosen[:3]].tolist()
    drawings, again = (draw_probes(paths, Preprocessing(size=64)) for _ in range(2))
    assert drawings.pixels.shape == (12, 64, 64, 3)
    assert np.array_equal(drawings.pixels, again.pixels)
    assert len({picture.tobytes() for picture in drawings.pixels}) == 12


def test_lesions_that_cannot_be_halved_are_refused(with_others: Collection) -> None:
    split = split_by_lesion(with_others)
    validation = split.table["part"] == "validation"
    first = split.table["image"][validation].iloc[0]
    few = split.table.assign(part=split.table["part"].where(~validation | (split.table["image"] == first), "train"))
    with pytest.raises(LesionvizError, match="1 validation lesions cannot be halved"):
        Judge(EVERYTHING, [Portion(with_others, replace(split, table=few))])


@pytest.mark.heavy
def test_a_training_with_everything_resumes_to_the_unbroken_result(
    with_others: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"init": "scratch", "recipe": EVERYTHING, "cpu": True}
    # Takes a while, and says nothing here.
    monkeypatch.setattr("lesionviz.training.train.calibrate", lambda checkpoint, *_, **__: checkpoint)
    whole = train(with_others, tmp_path / "whole", **options)  # type: ignore[arg-type]
    columns = {
        "score",
        "flips",
        f"balanced_accuracy_{with_others.folder.name}",
        f"roc_auc_MEL_{with_others.folder.name}",
    }
    assert columns < set(whole.history)
    assert whole.best_epoch == whole.history["score"].idxmax() + 1
    assert whole.history["flips"].between(0, 1).all()
    checkpoint = Checkpoint.load(whole.checkpoint)
    kept = whole.history.iloc[whole.best_epoch - 1]
    assert checkpoint.metrics["choice"]["score"] == kept["score"]
    assert any("images of other diagnoses (AK, SCC) taught it to prefer none" in text for text in checkpoint.history)
    one_epoch = loop.Run._train

    def stop_in_second_epoch(run: loop.Run) -> float:
        if run.epoch == 1:
            raise KeyboardInterrupt
        return one_epoch(run)

    monkeypatch.setattr(loop.Run, "_train", stop_in_second_epoch)
    assert train(with_others, tmp_path / "broken", **options).interrupted  # type: ignore[arg-type]
    monkeypatch.setattr(loop.Run, "_train", one_epoch)
    resumed = train(with_others, tmp_path / "broken", resume=True, **options)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(resumed.history.drop(columns="seconds"), whole.history.drop(columns="seconds"))
    state = Checkpoint.load(resumed.checkpoint).state_dict
    assert all(torch.equal(state[key], checkpoint.state_dict[key]) for key in state)
    assert pd.read_csv(tmp_path / "broken" / HISTORY)["epoch"].tolist() == [1, 2]

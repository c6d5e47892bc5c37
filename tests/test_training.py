"""Training on drawn images: small, but the real loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import load
from lesionviz.data import pixel_cache
from lesionviz.data.collection import Collection
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import FILE, split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.evaluate import evaluate
from lesionviz.evaluation.metrics import Metrics
from lesionviz.evaluation.report.commands import training_command
from lesionviz.files import sha256
from lesionviz.imaging import LesionImage, open_image
from lesionviz.network import build_network
from lesionviz.recipe import Recipe
from lesionviz.training import loop
from lesionviz.training.augmentation import LabelledImages, Plain, augmented
from lesionviz.training.initial_weights import initial_network
from lesionviz.training.loop import BEST, HISTORY
from lesionviz.training.record import licence_of
from lesionviz.training.train import TrainingResult, train
from lesionviz.training.unfinished import UNFINISHED

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("few_strangers")]
SMALL = Recipe(size=64, epochs=3, probe_share=0.34, last_blocks_share=0.34, batch_size=16, learning_rate=1e-3)


@pytest.fixture(scope="module")
def trained(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return train(drawn_folder, tmp_path_factory.mktemp("run"), init="scratch", recipe=SMALL, cpu=True)


def test_a_run_leaves_split_history_and_the_best_model(trained: TrainingResult) -> None:
    out = trained.checkpoint.parent
    assert sorted(path.name for path in out.iterdir()) == [BEST, HISTORY, FILE]
    history = pd.read_csv(out / HISTORY)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["train_loss"].gt(0).all()
    assert trained.best_epoch == history["balanced_accuracy"].idxmax() + 1
    assert not trained.interrupted


def test_the_checkpoint_records_how_it_came_about(trained: TrainingResult, drawn_folder: Path) -> None:
    checkpoint = Checkpoint.load(trained.checkpoint)
    assert checkpoint.recipe == SMALL.to_dict() | {"data": drawn_folder.name, "init": "scratch", "half": False}
    assert f"--data {drawn_folder.name} " in training_command(checkpoint)  # whatever the folder is called
    assert checkpoint.split["sha256"] == sha256(trained.checkpoint.parent / FILE)
    assert checkpoint.metrics["epoch"] == trained.best_epoch
    assert checkpoint.preprocessing.size == 64
    assert "CC BY-NC 4.0" in checkpoint.licence
    assert "random weights" in checkpoint.history[0]


def test_the_stored_figure_is_what_the_stored_model_reaches_on_validation(
    trained: TrainingResult, drawn_folder: Path
) -> None:
    judged = evaluate(drawn_folder, trained.checkpoint, part="validation", draws=5)
    stored = Checkpoint.load(trained.checkpoint).metrics["validation"]
    assert judged.metrics.to_dict() == stored
    assert stored["balanced_accuracy"] == balanced_accuracy_score(
        judged.predictions["diagnosis"], judged.predictions["predicted"]
    )


def test_training_batches_differ_from_evaluation_batches_and_from_each_other(drawn_folder: Path) -> None:
    """The original's did not: its transforms were overwritten on the shared dataset."""
    paths = read_isic2019(drawn_folder).present["path"].tolist()[:16]
    recipe = Recipe(size=64)
    training = LabelledImages(paths, [0] * 16, augmented(recipe))
    evaluation = LabelledImages(paths, [0] * 16, Plain(recipe.preprocessing))
    first, second = (torch.stack([training[i][0] for i in range(16)]) for _ in range(2))
    fixed, again = (torch.stack([evaluation[i][0] for i in range(16)]) for _ in range(2))
    assert torch.equal(fixed, again)
    for one, other in ((first, second), (first, fixed)):
        assert all(not torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert first.dtype == fixed.dtype == torch.uint8
    assert first.shape == fixed.shape == (16, 3, 64, 64)


def test_every_symmetry_of_the_square_occurs() -> None:
    torch.manual_seed(0)
    transform = augmented(Recipe(size=64, smallest_crop=1.0))
    marked = draw_lesion("NV", 1, (64, 64))
    marked.paste((255, 255, 0), (0, 0, 12, 12))
    marked.paste((0, 0, 255), (52, 0, 64, 12))
    seen = set()
    for _ in range(200):
        pixels = transform(marked).to(torch.int)
        corners = [pixels[:, 3, 3], pixels[:, 3, -4], pixels[:, -4, 3], pixels[:, -4, -4]]
        yellow = int(np.argmax([c[0] + c[1] - 2 * c[2] for c in corners]))
        blue = int(np.argmax([2 * c[2] - c[0] - c[1] for c in corners]))
        seen.add((yellow, blue))
    assert len(seen) == 8


def test_the_same_seed_gives_the_same_history_and_weights(
    trained: TrainingResult, drawn_folder: Path, tmp_path: Path
) -> None:
    again = train(drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True)
    pd.testing.assert_frame_equal(again.history.drop(columns="seconds"), trained.history.drop(columns="seconds"))
    a, b = (Checkpoint.load(result.checkpoint).state_dict for result in (trained, again))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_an_interrupted_run_keeps_its_best_model_and_resumes_to_the_unbroken_result(
    trained: TrainingResult, drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_epoch = loop.Run._train

    def stop_in_second_epoch(run: loop.Run) -> float:
        if run.epoch == 1:
            raise KeyboardInterrupt
        return whole_epoch(run)

    monkeypatch.setattr(loop.Run, "_train", stop_in_second_epoch)
    stopped = train(drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True)
    assert stopped.interrupted
    assert load(stopped.checkpoint).preprocessing.size == 64
    monkeypatch.undo()

    with pytest.raises(LesionvizError, match="--resume"):
        train(drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True)
    with pytest.raises(LesionvizError, match="another recipe"):
        train(drawn_folder, tmp_path, init="scratch", recipe=Recipe(size=96), cpu=True, resume=True)

    resumed = train(drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True, resume=True)
    assert not (tmp_path / UNFINISHED).exists()
    pd.testing.assert_frame_equal(resumed.history.drop(columns="seconds"), trained.history.drop(columns="seconds"))
    a, b = (Checkpoint.load(result.checkpoint).state_dict for result in (trained, resumed))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_resume_without_an_unfinished_run_is_refused(drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="no unfinished training"):
        train(drawn_folder, tmp_path, init="scratch", recipe=SMALL, cpu=True, resume=True)


def test_test_images_are_never_opened_while_training(
    drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = read_isic2019(drawn_folder)
    test_paths = set(split_by_lesion(collection).rows(collection, "test")["path"])
    opened = set()
    recipe = Recipe(size=64, epochs=1, batch_size=16, cache=False)
    fetch = LabelledImages.__getitem__

    def watch(self: LabelledImages, index: int) -> tuple[torch.Tensor, int]:
        opened.add(self._pictures[index])
        return fetch(self, index)

    monkeypatch.setattr(LabelledImages, "__getitem__", watch)
    train(drawn_folder, tmp_path, init="scratch", recipe=recipe, cpu=True)
    assert opened
    assert not opened & test_paths


def test_init_from_a_file_takes_the_trunk_and_leaves_the_head_random(tmp_path: Path) -> None:
    source = build_network().state_dict()
    torch.save({key: t for key, t in source.items() if not key.startswith("classifier.")}, tmp_path / "trunk.pth")
    torch.save(dict(source), tmp_path / "whole.pth")
    for name in ("trunk.pth", "whole.pth"):
        network, origin = initial_network(tmp_path / name)
        state = network.state_dict()
        assert all(torch.equal(state[key], source[key]) for key in source if not key.startswith("classifier."))
        assert not torch.equal(state["classifier.1.weight"], source["classifier.1.weight"])
        assert name in origin


def test_an_earlier_model_may_be_started_from_and_its_history_goes_on(
    small_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    split = {"sha256": "a" * 64, "also": [{"name": "clinic", "sha256": "b" * 64}]}
    path = tmp_path / "earlier.pth"
    replace(small_checkpoint, split=split, history=("Trunk from ImageNet.", "Fine-tuned on drawings.")).save(path)
    network, origin = initial_network(path, split)
    state = network.state_dict()
    assert torch.equal(state["features.8.0.weight"], small_checkpoint.state_dict["features.8.0.weight"])
    assert not torch.equal(state["classifier.1.weight"], small_checkpoint.state_dict["classifier.1.weight"])
    assert f"earlier model of SHA-256 {sha256(path)} (Trunk from ImageNet. Fine-tuned on drawings)" in origin
    alone = {"sha256": "a" * 64}
    for another in (alone, split | {"sha256": "c" * 64}, None):  # the clinic's test part, or ours, may be known to it
        with pytest.raises(LesionvizError, match=r"earlier\.pth was trained on another split"):
            initial_network(path, another)
    replace(small_checkpoint, split=alone).save(path)
    assert initial_network(path, split)  # more collections than before


def test_a_failed_download_names_the_two_other_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_arguments: object, **_options: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", offline)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(LesionvizError, match=r"no route to host.*--init FILE.*--init scratch"):
        initial_network("imagenet")


@pytest.mark.parametrize("content", [{"features.0.0.weight": torch.zeros(1)}, {"state_dict": {"a": torch.zeros(1)}}])
def test_a_foreign_trunk_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "resnet.pth")
    with pytest.raises(LesionvizError, match=r"resnet\.pth does not hold the trunk"):
        initial_network(tmp_path / "resnet.pth")


def test_patience_ends_a_training_that_gets_no_better(
    drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = iter([0.5, 0.7, 0.6, 0.7, 0.9])  # the same figure again is not better
    validate = loop.Run._validate

    def as_told(run: loop.Run, train_loss: float) -> tuple[float, Metrics, dict[str, float]]:
        loss, metrics, more = validate(run, train_loss)
        return loss, replace(metrics, balanced_accuracy=next(reached)), more

    monkeypatch.setattr(loop.Run, "_validate", as_told)
    patient = replace(SMALL, epochs=9, patience=2, cache=False)
    result = train(drawn_folder, tmp_path, init="scratch", recipe=patient, cpu=True)
    assert result.history["balanced_accuracy"].tolist() == [0.5, 0.7, 0.6, 0.7]
    assert result.best_epoch == 2
    assert not (tmp_path / UNFINISHED).exists()


def test_the_originals_procedure_runs_and_is_judged_on_its_own_random_split(
    drawn_folder: Path, tmp_path: Path
) -> None:
    recipe = replace(Recipe.original(epochs=1), size=64, batch_size=16)
    result = train(drawn_folder, tmp_path, init="scratch", recipe=recipe, cpu=True)
    assert result.history["learning_rate"].tolist() == [1e-4]
    judged = evaluate(drawn_folder, result.checkpoint, draws=5)
    assert judged.predictions["image"].tolist() == (
        result.split.rows(read_isic2019(drawn_folder), "test")["image"].tolist()
    )
    assert Checkpoint.load(result.checkpoint).split["by"] == "random"
    assert "which training may have seen too" in Checkpoint.load(result.checkpoint).history[1]


def test_training_from_the_cache_opens_each_image_once(
    drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pixel_cache.CACHE, str(tmp_path / "cache"))
    opened: list[str] = []

    def counting(path: str) -> LesionImage:
        opened.append(str(path))
        return open_image(path)

    monkeypatch.setattr(pixel_cache, "open_image", counting)
    train(drawn_folder, tmp_path / "run", init="scratch", recipe=SMALL, cpu=True)
    collection = read_isic2019(drawn_folder)
    split = split_by_lesion(collection)
    expected = [path for part in ("train", "validation") for path in split.rows(collection, part)["path"]]
    assert sorted(opened) == sorted(expected)


def test_a_finished_training_is_not_overwritten(trained: TrainingResult, drawn_folder: Path) -> None:
    with pytest.raises(LesionvizError, match="holds a finished training"):
        train(drawn_folder, trained.checkpoint.parent, init="scratch", recipe=SMALL, cpu=True)


@pytest.mark.parametrize(
    ("layout", "init", "expected"),
    [
        ("ISIC 2019", "imagenet", "ISIC 2019 images (CC BY-NC 4.0) from ImageNet weights: not for commercial use."),
        ("HAM10000", "scratch", "HAM10000 images (CC BY-NC 4.0) from random weights: not for commercial use."),
        ("one folder for each class", "scratch", "the trainer's own images from random weights."),
    ],
)
def test_the_licence_says_what_the_weights_were_made_of(
    layout: str, init: str, expected: str, tmp_path: Path
) -> None:
    collection = Collection(pd.DataFrame(), tmp_path, layout=layout)
    assert licence_of([collection], init).endswith(f"Trained on {expected}")


def test_a_kill_between_the_files_of_the_first_epoch_does_not_block_the_folder(
    drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_run: loop.Run) -> None:
        raise SystemExit  # after best_model.pth, before unfinished.pth

    one = replace(SMALL, epochs=1, cache=False)
    monkeypatch.setattr(loop.Run, "_save_unfinished", killed)
    with pytest.raises(SystemExit):
        train(drawn_folder, tmp_path, init="scratch", recipe=one, cpu=True)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [BEST, FILE]
    monkeypatch.undo()
    assert len(train(drawn_folder, tmp_path, init="scratch", recipe=one, cpu=True).history) == 1

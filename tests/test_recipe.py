"""What a recipe's settings do, each worked out by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.report.commands import training_command
from lesionviz.network import LAYERS, build_network
from lesionviz.recipe import Recipe
from lesionviz.training.augmentation import training_way
from lesionviz.training.averaging import moving_average
from lesionviz.training.balance import Balancing
from lesionviz.training.stages import StagedNetwork, frozen_blocks

LABELS = [0] * 1 + [1] * 4 + [2] * 16 + [3] * 64


def test_class_weights_have_mean_one_over_the_images() -> None:
    balancing = Balancing.of(LABELS, "weights", power=0.5)
    weights = balancing.weights
    assert (weights[0] / weights[3]).item() == pytest.approx(8)  # (64 / 1) ** 0.5
    assert weights[LABELS].mean().item() == pytest.approx(1)
    assert Balancing.of(LABELS, "weights", power=0).weights.tolist() == pytest.approx([1, 1, 1, 1])
    assert balancing.shift.tolist() == [0, 0, 0, 0]
    assert balancing.sampler(torch.Generator()) is None


def test_full_balance_by_sampling_draws_every_class_alike() -> None:
    balancing = Balancing.of(LABELS, "sampling", power=1)
    generator = torch.Generator().manual_seed(0)
    drawn = Counter(LABELS[index] for _ in range(100) for index in balancing.sampler(generator) or ())
    assert sum(drawn.values()) == 100 * len(LABELS)
    assert all(count / sum(drawn.values()) == pytest.approx(0.25, abs=0.02) for count in drawn.values())
    assert balancing.weights.tolist() == [1, 1, 1, 1]


def test_logit_adjustment_adds_the_log_frequencies_in_the_loss() -> None:
    balancing = Balancing.of(LABELS, "logits", power=1)
    logits, labels = torch.zeros(1, 4), torch.tensor([0])
    assert balancing.loss(logits, labels, 0).item() == pytest.approx(-math.log(1 / 85), rel=1e-5)  # 1 of 85 images
    assert balancing.weights.tolist() == [1, 1, 1, 1]


def test_the_loss_of_a_batch_is_the_mean_of_the_losses_of_its_halves() -> None:
    """With torch's own mean over class weights it is not, and two processes would learn something else."""
    balancing = Balancing.of(LABELS, "weights", power=1)
    logits, labels = torch.randn(8, 4), torch.tensor([0, 1, 2, 3, 3, 3, 3, 3])
    halves = [balancing.loss(logits[part], labels[part], 0.1) for part in (slice(4), slice(4, 8))]
    assert balancing.loss(logits, labels, 0.1).item() == pytest.approx(sum(h.item() for h in halves) / 2, rel=1e-5)


def test_no_balance_is_torchs_cross_entropy() -> None:
    logits, labels = torch.randn(8, 4), torch.arange(8) % 4
    ours = Balancing.of(LABELS, "none", power=1).loss(logits, labels, 0.1)
    assert ours.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1).item())


def test_stages_go_from_the_head_over_the_last_blocks_to_the_whole_network() -> None:
    recipe = Recipe(epochs=10, probe_share=0.2, last_blocks_share=0.35)
    assert [frozen_blocks(recipe, epoch) for epoch in range(10)] == [9, 9, 6, 6, 6, 0, 0, 0, 0, 0]
    kept = Recipe(epochs=10, probe_share=0.2, last_blocks_share=0.35, frozen_blocks=3)
    assert [frozen_blocks(kept, epoch) for epoch in range(10)] == [9, 9, 6, 6, 6, 3, 3, 3, 3, 3]
    assert frozen_blocks(Recipe(epochs=1), 0) == 0  # a short training is not spent on the head alone


@pytest.mark.parametrize("frozen", [0, 6, 9])
def test_only_blocks_that_are_not_frozen_learn_and_count_batch_statistics(frozen: int) -> None:
    torch.manual_seed(0)
    staged = StagedNetwork(build_network())
    before = {key: value.clone() for key, value in staged.network.state_dict().items()}
    staged.frozen = frozen
    optimizer = torch.optim.SGD(staged.parameters(), lr=0.1)
    staged.train()(torch.randn(4, 3, 64, 64))[0].square().sum().backward()
    optimizer.step()
    after = staged.network.state_dict()
    changed = {".".join(key.split(".")[:2]) for key in before if not torch.equal(before[key], after[key])}
    assert changed == {*LAYERS[frozen:], "classifier.1"}


def test_a_staged_network_computes_what_the_network_computes() -> None:
    staged = StagedNetwork(build_network()).eval()
    batch = torch.randn(2, 3, 64, 64)
    for frozen in (0, 6, 9):
        staged.frozen = frozen
        logits, maps = staged(batch)
        assert torch.equal(logits, staged.network(batch))
        bias = staged.network.get_parameter("classifier.1.bias")
        assert torch.allclose(maps.mean((2, 3)) + bias, logits, atol=1e-5)


def test_the_moving_average_follows_by_hand() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0)
    average = moving_average(network, decay=0.2)
    values = []
    for weight in (1.0, 2.0, 3.0):
        with torch.no_grad():
            network.weight.fill_(weight)
        average.update_parameters(network)
        values.append(average.module.weight.item())
    # the first is a copy; then the decay is (1 + 1) / (10 + 1) = 2/11, then min(0.2, 3/12) = 0.2
    second = 2 / 11 * 1 + 9 / 11 * 2
    assert values == pytest.approx([1, second, 0.2 * second + 0.8 * 3])


def test_the_original_recipe_is_what_ran_in_the_notebook() -> None:
    original = Recipe.original()
    assert original.preprocessing.to_dict() | {"mean": 0, "std": 0} == {
        "size": 224,
        "geometry": "stretch",
        "mean": 0,
        "std": 0,
    }
    assert (original.learning_rate, original.weight_decay, original.schedule) == (1e-4, 0, "constant")
    assert (original.augmentation, original.balance, original.ema) == ("none", "none", 0)
    assert original.split_by == "random"
    assert original.cached_training == original.preprocessing  # nothing is cropped, so nothing needs room


def test_cached_training_pictures_have_room_for_crops() -> None:
    assert (
        Recipe(size=224).cached_training.size == Recipe(size=224, augmentation="clinics").cached_training.size == 256
    )
    assert Recipe(size=224, augmentation="none").cached_training.size == 224


def test_a_recipe_survives_its_own_dictionary() -> None:
    recipe = Recipe(size=96, balance="logits", seed=3, cache=False)
    assert Recipe.from_dict(recipe.to_dict() | {"init": "x", "half": True}) == recipe


def test_recipes_of_the_first_version_keep_their_meaning() -> None:
    old = Recipe.from_dict({"size": 160, "epochs": 12, "class_weight_power": 0.25})
    assert (old.balance, old.balance_power, old.ema, old.cache, old.probe_share) == ("weights", 0.25, 0, False, 0)


def test_the_command_of_the_bundled_model_spells_out_every_setting() -> None:
    command = training_command(Checkpoint.load(BUNDLED)).replace("\\\n", " ").split()
    assert command[:2] == ["lesionviz", "train"]
    for name, value in Recipe.from_dict(Checkpoint.load(BUNDLED).recipe).to_dict().items():
        dashed = name.replace("_", "-")
        assert (f"--no-{dashed}" if value is False else f"--{dashed}") in command


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 10},
        {"epochs": 0},
        {"batch_size": 1},
        {"learning_rate": -1.0},
        {"seed": 0.5},
        {"epochs": True},
        {"balance": "luck"},
        {"schedule": "never"},
        {"cache": 1},
        {"ema": 1.0},
        {"probe_share": 0.6, "last_blocks_share": 0.6},
        {"first_size": 256},
        {"train_size": 32},
        {"augmentation": "some"},
        {"artefact_share": 1.5},
        {"source_power": -0.5},
        {"outlier_weight": 11.0},
        {"choose_by": "mood"},
    ],
)
def test_impossible_recipes_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(LesionvizError, match=next(iter(wrong))):
        Recipe(**wrong)  # type: ignore[arg-type]


def test_sides_grow_in_steps_of_32_each_for_an_equal_share_of_the_epochs() -> None:
    growing = Recipe(size=224, train_size=192, first_size=128, epochs=7)
    assert growing.sides == (128, 160, 192)
    # 7 epochs over 3 sides: the floor of epoch * 3 / 7
    assert [growing.training_side(epoch) for epoch in range(7)] == [128, 128, 128, 160, 160, 192, 192]
    assert Recipe(size=200, first_size=128, epochs=1).training_side(0) == 128
    assert Recipe(size=200, first_size=128).sides == (128, 160, 192, 200)
    assert growing.preprocessing.size == 224
    assert growing.cached_training.size == round(192 * 8 / 7)


def test_without_sides_of_their_own_training_pictures_are_as_large_as_the_input() -> None:
    assert {Recipe(size=160).training_side(epoch) for epoch in range(12)} == {160}
    assert Recipe.from_dict({"size": 160, "epochs": 3}).sides == (160,)  # saved before there were other sides


@pytest.mark.parametrize("epoch", [0, 3, 6])
def test_training_pictures_have_the_side_of_their_epoch(epoch: int) -> None:
    for augmentation in ("full", "clinics", "none"):
        recipe = Recipe(size=96, first_size=64, epochs=7, augmentation=augmentation)
        way = training_way(recipe, epoch)
        assert way(draw_lesion("NV", 1, (96, 96))).shape == (
            3,
            recipe.training_side(epoch),
            recipe.training_side(epoch),
        )

"""Sources that tell nothing of the diagnosis, each figure worked out by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from lesionviz.training.balance import MOST, Balancing, EvenSampler, independence

# 10 BCC and 30 NV of a hospital, 50 BCC and 10 NV of a practice: 60 and 40, and by source 40 and 60.
CELLS = {(0, "hospital"): 10, (3, "hospital"): 30, (0, "practice"): 50, (3, "practice"): 10}
LABELS = np.array([label for (label, _), count in CELLS.items() for _ in range(count)])
SOURCES = np.array([source for (_, source), count in CELLS.items() for _ in range(count)])


def shares(drawn: np.ndarray) -> dict[str, float]:
    """Share of BCC in each source, as drawn."""
    of = {source: source == SOURCES for source in ("hospital", "practice")}
    return {name: float(drawn[here & (LABELS == 0)].sum() / drawn[here].sum()) for name, here in of.items()}


def test_at_full_power_every_source_has_the_classes_in_the_shares_of_all() -> None:
    drawn = independence(LABELS, SOURCES, 1)
    # 60 x 40 / 100 = 24 BCC of the hospital instead of 10, 36 of the practice instead of 50; 16 and 24 NV.
    assert [drawn[(label == LABELS) & (source == SOURCES)].sum() for label, source in CELLS] == pytest.approx(
        [24, 16, 36, 24]
    )
    assert shares(drawn) == pytest.approx({"hospital": 0.6, "practice": 0.6})
    assert drawn.mean() == pytest.approx(1)


def test_sources_come_closer_the_higher_the_power() -> None:
    assert independence(LABELS, SOURCES, 0).tolist() == [1.0] * 100
    gaps = []
    for power in (0, 0.25, 0.5, 0.75, 1):
        found = shares(independence(LABELS, SOURCES, power))
        gaps.append(found["practice"] - found["hospital"])
    assert gaps[0] == pytest.approx(50 / 60 - 10 / 40)
    assert gaps == sorted(gaps, reverse=True)
    # at one half: each cell times the root of its factor, 10 x 2.4 ** 0.5 of 10 x 2.4 ** 0.5 + 30 x (16 / 30) ** 0.5 ...
    root = {
        cell: count * (wanted / count) ** 0.5
        for (cell, count), wanted in zip(CELLS.items(), (24, 16, 36, 24), strict=True)
    }
    expected = root[0, "practice"] / (root[0, "practice"] + root[3, "practice"])
    assert shares(independence(LABELS, SOURCES, 0.5))["practice"] == pytest.approx(expected)


def test_a_handful_of_images_is_not_drawn_without_end() -> None:
    labels = np.array([0] * 1 + [3] * 499 + [0] * 499 + [3] * 1)
    sources = np.array(["a"] * 500 + ["b"] * 500)
    drawn = independence(labels, sources, 1)
    assert drawn[0] == drawn[-1] == MOST  # 250 without a limit
    assert drawn.max() == MOST


def test_the_loss_weighs_classes_by_how_often_they_are_drawn_and_outliers_are_average() -> None:
    labels = [*LABELS.tolist(), -1, -1]
    sources = [*SOURCES.tolist(), "hospital", "practice"]
    balancing = Balancing.of(labels, "weights", 1.0, sources, 1.0)
    assert balancing.weights[0] / balancing.weights[3] == pytest.approx(40 / 60)
    assert balancing.sampling is not None
    assert balancing.sampling[-2:] == [1, 1]
    assert sum(balancing.sampling[:-2]) == pytest.approx(100)
    assert Balancing.of(labels, "weights", 1.0).sampling is None
    both = Balancing.of(labels, "sampling", 1.0, sources, 1.0).sampling
    assert both is not None
    drawn = np.array(both[:-2])
    assert [drawn[(label == LABELS) & (source == SOURCES)].sum() for label, source in CELLS] == pytest.approx(
        [20, 20, 30, 30]  # both classes alike in both sources, which count 40 and 60 as before
    )


def test_an_outlier_counts_nothing_in_the_loss_of_the_diagnosis() -> None:
    balancing = Balancing.of(LABELS.tolist(), "weights", 0.5)
    logits = torch.randn(4, 4)
    labels = torch.tensor([0, 3, 0, 3])
    with_outlier = balancing.loss(torch.cat([logits, torch.randn(1, 4)]), torch.tensor([0, 3, 0, 3, -1]), 0.1)
    assert with_outlier.item() == pytest.approx(balancing.loss(logits, labels, 0.1).item() * 4 / 5, rel=1e-5)


def test_equal_weights_draw_every_image_once_and_others_by_their_weight_to_one() -> None:
    generator = torch.Generator().manual_seed(0)
    assert sorted(EvenSampler([2.0] * 50, generator)) == list(range(50))
    weights = [0.5, 0.5, 1, 2, 3.5, 0.5, 0, 0]  # 8 images that weigh 8
    counts: Counter[int] = Counter()
    for _ in range(400):
        drawn = Counter(EvenSampler(weights, generator))
        assert sum(drawn.values()) == 8
        assert all(int(weight) <= drawn[number] <= int(np.ceil(weight)) for number, weight in enumerate(weights))
        counts += drawn
    for number, weight in enumerate(weights):
        assert counts[number] / 400 == pytest.approx(weight, abs=0.1)


def test_an_order_is_drawn_again_from_its_seed() -> None:
    orders = [list(EvenSampler([1.0, 2.0] * 20, torch.Generator().manual_seed(seed))) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]

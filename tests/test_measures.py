"""Measures against scikit-learn on the drawn-out images, intervals against simulation, all on random labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import by_lesion, mean_by_group
from lesionviz.evaluation.measures import ISIC2019_SHARES, calibration_error, measures


def random_case(seed: int, images: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.choice(4, images, p=[0.1, 0.15, 0.2, 0.55])
    scores = random.normal(size=(images, 4)) + 1.5 * np.eye(4)[truth]
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return truth, probabilities


@pytest.mark.parametrize("seed", range(3))
def test_every_measure_is_scikit_learns_on_random_labels(seed: int) -> None:
    truth, probabilities = random_case(seed)
    answer = probabilities.argmax(axis=1)
    found = measures(truth, probabilities)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, answer, average="weighted")
    expected = {
        "accuracy": (truth == answer).mean(),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, answer),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "macro_f1": sk.f1_score(truth, answer, average="macro"),
    }
    matrix = sk.confusion_matrix(truth, answer)
    for index, code in enumerate(CODES):
        of_class, called = truth == index, answer == index
        expected[f"sensitivity_{code}"] = matrix[index, index] / matrix[index].sum()
        expected[f"specificity_{code}"] = (~of_class & ~called).sum() / (~of_class).sum()
        expected[f"roc_auc_{code}"] = sk.roc_auc_score(of_class, probabilities[:, index])
        expected[f"average_precision_{code}"] = sk.average_precision_score(of_class, probabilities[:, index])
    malignant = np.isin(truth, [0, 2])  # BCC, MEL
    expected["malignant_sensitivity"] = np.isin(answer, [0, 2])[malignant].mean()
    expected["malignant_specificity"] = (~np.isin(answer, [0, 2]))[~malignant].mean()
    expected["malignant_roc_auc"] = sk.roc_auc_score(malignant, probabilities[:, 0] + probabilities[:, 2])
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    assert {*expected, "accuracy_at_isic2019_shares", "ece", "malignant_average_precision"} == found.keys()


def test_weights_are_as_good_as_repeated_images() -> None:
    truth, probabilities = random_case(5)
    counts = np.random.default_rng(1).integers(0, 3, len(truth))
    repeated = np.repeat(np.arange(len(truth)), counts)
    weighted = measures(truth, probabilities, counts.astype(float))
    for name, value in measures(truth[repeated], probabilities[repeated]).items():
        assert weighted[name] == pytest.approx(value), name


def test_accuracy_at_isic_2019_shares_weighs_the_sensitivities_by_hand() -> None:
    # sensitivities: BCC 1/1, BKL 0/1, MEL 1/2, NV 2/2
    truth = np.array([0, 1, 2, 2, 3, 3])
    probabilities = np.eye(4)[[0, 3, 2, 3, 3, 3]]
    expected = (0.1423 * 1 + 0.1124 * 0 + 0.1937 * 0.5 + 0.5515 * 1) / 0.9999
    assert sum(ISIC2019_SHARES.values()) == pytest.approx(0.9999)
    assert measures(truth, probabilities)["accuracy_at_isic2019_shares"] == pytest.approx(expected)


def test_a_class_without_images_has_no_figure_and_breaks_none() -> None:
    found = measures(np.array([3, 3, 0]), np.eye(4)[[3, 0, 0]])
    assert np.isnan(found["sensitivity_MEL"])
    assert np.isnan(found["roc_auc_BKL"])
    assert found["specificity_MEL"] == 1
    assert found["balanced_accuracy"] == 0.75
    assert np.isnan(found["accuracy_at_isic2019_shares"])


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1, 0, 0], [0.9, 0.1, 0, 0], [0.5, 0.2, 0.2, 0.1], [0.5, 0.3, 0.1, 0.1]])
    truth = np.array([0, 1, 0, 0])
    # at 0.9 one of two is right (gap 0.4), at 0.5 both are (gap 0.5); two images each
    assert calibration_error(truth, probabilities) == pytest.approx(0.45)
    assert calibration_error(truth, probabilities, np.array([1.0, 1, 0, 0])) == pytest.approx(0.4)
    assert calibration_error(np.array([0]), np.array([[1.0, 0, 0, 0]])) == 0


def clustered(random: np.random.Generator, lesions: int = 150) -> tuple[np.ndarray, np.ndarray]:
    """Right or wrong answers (1 or 0) of a true accuracy of 0.7, alike within a lesion of one to three images."""
    sizes = random.integers(1, 4, lesions)
    chance = random.beta(1.4, 0.6, lesions)  # mean 0.7
    group = np.repeat(np.arange(lesions), sizes)
    return (random.random(len(group)) < chance[group]).astype(float), group


def test_95_percent_intervals_hold_the_truth_in_95_percent_of_simulations() -> None:
    random = np.random.default_rng(2019)
    simulations, held = 1200, 0
    for number in range(simulations):
        values, group = clustered(random)
        _, low, high = mean_by_group(values, group, draws=400, seed=number)
        held += low <= 0.7 <= high
    assert held / simulations == pytest.approx(0.95, abs=0.02)


def test_resampling_images_instead_of_lesions_would_hold_it_less_often() -> None:
    random = np.random.default_rng(7)
    widths = []
    for number in range(50):
        values, group = clustered(random)
        images = np.arange(len(values))
        widths.append([np.subtract(*mean_by_group(values, g, seed=number)[:0:-1]) for g in (group, images)])
    by_group, by_image = np.mean(widths, axis=0)
    assert by_group > 1.1 * by_image


def test_the_general_bootstrap_agrees_with_the_fast_one() -> None:
    values, group = clustered(np.random.default_rng(3))

    def accuracy(weight: np.ndarray) -> dict[str, float]:
        return {"accuracy": float(np.average(values, weights=weight))}

    slow = by_lesion(accuracy, group, draws=2000)["accuracy"]
    mean, low, high = mean_by_group(values, group)
    assert slow.value == pytest.approx(mean)
    assert (slow.low, slow.high) == pytest.approx((low, high), abs=0.01)


def test_two_models_on_the_same_images_are_compared_draw_by_draw() -> None:
    """A model that is better on every image is surely better, however wide either interval is alone."""
    values, group = clustered(np.random.default_rng(4), lesions=40)
    better = np.maximum(values, (np.arange(len(values)) % 5 == 0).astype(float))

    def difference(weight: np.ndarray) -> dict[str, float]:
        a, b = (np.average(v, weights=weight) for v in (values, better))
        return {"a": float(a), "b": float(b), "difference": float(b - a)}

    found = by_lesion(difference, group)
    assert found["a"].high > found["b"].low  # alone they overlap
    assert found["difference"].low > 0

"""Answer sets: thresholds worked out by hand, and how often sets are right on data whose law is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.trust.answer_sets import AnswerSet, AnswerSets, answer_sets, fit, quantile
from lesionviz.wire import pack, unpack

NINE = np.arange(1, 10) / 10  # 0.1 to 0.9


def of(scores_by_class: dict[str, np.ndarray], lesions: np.ndarray | None = None) -> AnswerSets:
    scores = np.concatenate(list(scores_by_class.values()))
    truth = np.concatenate([np.full(len(each), CODES.index(code)) for code, each in scores_by_class.items()])
    return fit(scores, truth, np.arange(len(scores)) if lesions is None else lesions)


def drawn(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a classifier that is right in about seven of ten, and the truth."""
    truth = random.choice(4, count, p=[0.15, 0.15, 0.2, 0.5])
    logits = random.normal(0, 1, (count, 4)) + 2 * np.eye(4)[truth] * random.uniform(0, 2, (count, 1))
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True), truth


# --- thresholds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "expected"), [(0.9, 0.9), (0.8, 0.8), (0.75, 0.8), (0.5, 0.5), (0.91, np.inf)])
def test_of_nine_scores_the_threshold_is_the_one_that_ten_would_have(level: float, expected: float) -> None:
    # ⌈0.9 · 10⌉ = 9th, ⌈0.8 · 10⌉ = 8th, ⌈7.5⌉ = 8th, ⌈5⌉ = 5th; ⌈9.1⌉ = 10th is the picture that is asked about.
    assert quantile(np.random.default_rng(0).permutation(NINE), np.ones(9), level) == expected


def test_photographs_of_one_lesion_share_its_weight() -> None:
    # Four lesions, one with three photographs: weights 1, 1, 1 and 3 · 1/3, and one more makes five.
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    weights = np.array([1, 1, 1 / 3, 1 / 3, 1 / 3, 1])
    assert quantile(scores, weights, 0.6) == 0.5  # 3 of 5: both first, then all three photographs
    assert quantile(scores, weights, 0.5) == 0.4  # 2.5 of 5: two photographs bring it to 2⅔
    assert quantile(scores, weights, 0.8) == 0.6
    assert quantile(scores, weights, 0.81) == np.inf
    fitted = of({"NV": scores}, np.array([0, 1, 2, 2, 2, 3]))
    assert fitted.weights[CODES.index("NV")].tolist() == pytest.approx(weights.tolist())


def test_the_set_of_one_picture_by_hand() -> None:
    sets = of({code: np.linspace(0.01, 1, 100) for code in CODES})  # each has 100 images: the 91st of 101 is 0.91
    assert sets.thresholds(0.9) == pytest.approx(dict.fromkeys(CODES, 0.91))
    shares = {"BCC": 0.05, "BKL": 0.1, "MEL": 0.15, "NV": 0.7}
    assert sets.of(shares, 0.9) == AnswerSet(0.9, ("NV", "MEL", "BKL"))  # 1 − 0.05 is too much
    assert sets.of(shares, 0.5).codes == ("NV",)


def test_the_answer_is_in_its_set_however_sure_the_others_were() -> None:
    sets = of({code: np.full(100, 0.001) for code in CODES})
    assert sets.of({"BCC": 0.2, "BKL": 0.2, "MEL": 0.3, "NV": 0.3}, 0.9).codes == ("MEL",)


def test_the_set_of_level_one_holds_all() -> None:
    sets = of({code: np.zeros(1000) for code in CODES})
    assert sets.of({"BCC": 0.0, "BKL": 0.0, "MEL": 0.0, "NV": 1.0}, 1).codes == ("NV", "BCC", "BKL", "MEL")
    assert sets.sentence(1) == "All four diagnoses are in the set, always."


def test_a_set_says_whether_every_malignant_diagnosis_is_left_out() -> None:
    assert AnswerSet(0.9, ("NV", "BKL")).without_malignant
    assert not AnswerSet(0.9, ("NV", "MEL")).without_malignant
    assert not AnswerSet(0.9, ("BCC",)).without_malignant


# --- classes with enough images, and with too few -------------------------------------------------------------------


def test_a_class_with_ten_images_beyond_the_level_has_its_own_threshold_and_others_share_one() -> None:
    sets = of(
        {"BCC": np.zeros(60), "BKL": np.full(99, 0.2), "MEL": np.full(100, 0.3), "NV": np.linspace(0, 0.1, 500)}
    )
    assert sets.groups(0.9) == (("BCC", "BKL"), ("MEL",), ("NV",))  # 100 are needed
    assert sets.groups(0.8) == (("BCC",), ("BKL",), ("MEL",), ("NV",))  # 50
    assert sets.groups(0.95) == (("BCC", "BKL", "MEL"), ("NV",))  # 200, and together they are 259
    assert sets.groups(0.97) == (("BCC", "BKL", "MEL", "NV"),)  # 333
    assert sets.groups(0.999) == (("BCC", "BKL", "MEL", "NV"),)  # never enough, yet all there are
    told = sets.sentence(0.9)
    assert "in about 90." in told
    assert "pictures of MEL and NV alone" in told
    assert "BCC and BKL have too few" in told
    assert "80 or more" in sets.sentence(0.8)
    assert "pictures of each class alone." in sets.sentence(0.8)


def test_two_classes_too_few_together_take_the_next_rarest_in() -> None:
    sets = of({"BCC": np.zeros(10), "BKL": np.zeros(20), "MEL": np.zeros(150), "NV": np.zeros(400)})
    assert sets.groups(0.9) == (("BCC", "BKL", "MEL"), ("NV",))


@pytest.mark.parametrize("seed", range(20))
def test_a_higher_level_never_leaves_out_what_a_lower_one_holds(seed: int) -> None:
    random = np.random.default_rng(seed)
    sets = of({code: random.beta(0.5, 2, random.integers(0, 400)) for code in CODES})
    levels = np.sort(random.uniform(0.5, 1, 60))
    for code in CODES:
        thresholds = [sets.thresholds(float(level))[code] for level in levels]
        assert thresholds == sorted(thresholds)


def test_a_class_without_any_image_is_still_judged() -> None:
    sets = of({"MEL": np.linspace(0, 0.5, 200), "NV": np.linspace(0, 0.5, 200)})
    assert sets.groups(0.9) == (("BCC", "BKL", "MEL"), ("NV",))
    assert sets.of({"BCC": 0.1, "BKL": 0.1, "MEL": 0.1, "NV": 0.7}).codes == ("NV",)


# --- how often they are right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_sets_are_right_as_often_as_they_promise_in_every_class(level: float) -> None:
    random, held, asked = np.random.default_rng(7), np.zeros(4), np.zeros(4)
    for _ in range(60):  # 60 calibrations of 2,400: the law of their mean is what is promised
        shares, truth = drawn(random, 2400)
        sets = fit(1 - shares[np.arange(2400), truth], truth, np.arange(2400))
        new, right = drawn(random, 1000)
        thresholds = np.array([sets.thresholds(level)[code] for code in CODES])
        inside = 1 - new <= thresholds
        held += np.bincount(right, inside[np.arange(1000), right], 4)
        asked += np.bincount(right, minlength=4)
    for index in range(4):
        # Each calibration is off by about sqrt(level · (1 − level) / 360) at least once more than chance alone.
        low, high = binom.interval(0.999, 60 * 360, level)
        spare = (high - low) / 2 / (60 * 360) + 1 / 360
        assert level - spare < held[index] / asked[index] < level + spare


def test_lesions_with_many_photographs_do_not_make_sets_wrong_for_the_next_lesion() -> None:
    """Where hard lesions are photographed five times as often, counting photographs would make sets too large."""
    random, by_lesion, by_photograph = np.random.default_rng(3), [], []
    for _ in range(200):
        hard = random.random(400) < 0.2
        level_of = np.where(hard, 0.8, 0.2) + random.normal(0, 0.05, 400)
        lesions = np.repeat(np.arange(400), np.where(hard, 5, 1))
        scores = level_of[lesions] + random.normal(0, 0.01, len(lesions))
        truth = np.full(len(scores), 3)
        new = np.where(random.random(400) < 0.2, 0.8, 0.2) + random.normal(0, 0.05, 400)
        by_lesion.append((new <= fit(scores, truth, lesions).thresholds(0.9)["NV"]).mean())
        by_photograph.append((new <= fit(scores, truth, np.arange(len(scores))).thresholds(0.9)["NV"]).mean())
    assert np.mean(by_lesion) == pytest.approx(0.9, abs=0.01)
    assert np.mean(by_photograph) > 0.94


# --- the bundled model, and what crosses a line ---------------------------------------------------------------------


def test_the_bundled_models_own_record_gives_sets_whose_thresholds_are_the_classic_ones_by_lesion() -> None:
    checkpoint = Checkpoint.load(BUNDLED)
    sets = answer_sets(checkpoint)
    assert sets is not None
    assert sets.images == len(checkpoint.calibration["truth"]) == sum(count for _, count in sets.sources)
    assert not sets.also_chose
    assert sets.groups(0.9) == tuple((code,) for code in CODES)
    logits, truth, lesion = (checkpoint.calibration[key].numpy() for key in ("logits", "truth", "lesion"))
    shares = np.exp(logits.astype(float) / checkpoint.temperature)
    shares /= shares.sum(axis=1, keepdims=True)
    for index, code in enumerate(CODES):
        own = truth == index
        counts = {each: (lesion == each).sum() for each in set(lesion[own])}
        order = sorted((1 - shares[row, index], 1 / counts[lesion[row]]) for row in np.flatnonzero(own))
        reached = np.cumsum([weight for _, weight in order])
        expected, _ = order[int(np.argmax(reached >= 0.9 * (len(counts) + 1) - 1e-9))]
        assert sets.thresholds(0.9)[code] == pytest.approx(expected)


def test_a_model_without_a_record_has_no_sets_and_one_whose_images_chose_its_epoch_says_so(
    small_checkpoint: Checkpoint,
) -> None:
    assert answer_sets(small_checkpoint) is None
    bundled = Checkpoint.load(BUNDLED)
    sets = answer_sets(replace(bundled, recipe={**bundled.recipe, "choose_by": "main"}))
    assert sets is not None
    assert "also chose" in sets.sentence()


def test_sets_cross_the_line_unchanged() -> None:
    sets = answer_sets(Checkpoint.load(BUNDLED))
    assert sets is not None
    again = AnswerSets.from_plain(unpack(pack(sets.to_plain())))
    assert again.sources == sets.sources
    assert all(np.array_equal(*pair) for pair in zip(again.scores, sets.scores, strict=True))
    assert again.thresholds(0.93) == sets.thresholds(0.93)
    assert again.sentence() == sets.sentence()


@pytest.mark.parametrize("level", [0.4, 1.1, float("nan"), True, "90", None])
def test_what_is_no_level_gets_a_sentence(level: object) -> None:
    with pytest.raises(LesionvizError, match=r"from 0\.5 to 1"):
        of({"NV": NINE}).thresholds(level)

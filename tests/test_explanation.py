"""Maps against values worked out by hand; display pixel by pixel. What holds of every method: ``test_methods.py``."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import psutil
import pytest
import torch
from PIL import Image

from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation import engine
from lesionviz.explanation.methods import METHODS
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import LesionImage, open_image
from lesionviz.network import LAYERS

SAMPLE = synthetic_samples()[2]


def input_of(classifier: LesionClassifier, *pictures: LesionImage) -> torch.Tensor:
    return classifier._runner.batch([classifier.preprocessing.resize(picture.pixels) for picture in pictures])


def explanation(raw: list[list[float]], size: tuple[int, int], box: tuple[int, int, int, int]) -> Explanation:
    picture = LesionImage(Image.effect_noise(size, 60).convert("RGB"), "noise")
    return Explanation(np.array(raw, np.float32), "MEL", "features.8", "gradcam", "noise", size, box, image=picture)


def logits_of(classifier: LesionClassifier, picture: LesionImage) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = classifier._network(input_of(classifier, picture))[0]
    return logits


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
@pytest.mark.parametrize("target", range(4))
def test_sum_of_the_map_plus_bias_is_the_logit_at_features_8(
    target: int, method: str, classifier: LesionClassifier
) -> None:
    shown = classifier.explain(SAMPLE, target, method=method)
    bias = classifier.checkpoint.state_dict["classifier.1.bias"][target].item()
    logit = logits_of(classifier, SAMPLE)[target].item()
    assert float(shown.raw.sum()) + bias == pytest.approx(logit, abs=1e-4)
    assert (shown.logit, shown.bias) == pytest.approx((logit, bias), abs=1e-5)
    assert shown.completeness() < 1e-4


def test_contrast_sum_plus_bias_difference_is_the_logit_difference(classifier: LesionClassifier) -> None:
    logits = logits_of(classifier, SAMPLE)
    bias = classifier.checkpoint.state_dict["classifier.1.bias"]
    for target, against in itertools.permutations(range(4), 2):
        shown = classifier.explain(SAMPLE, target, against=against)
        difference = (logits[target] - logits[against]).item()
        assert float(shown.raw.sum()) + (bias[target] - bias[against]).item() == pytest.approx(difference, abs=1e-4)
        assert shown.completeness() < 1e-4
        assert shown.subject == f"{CODES[target]} and not {CODES[against]}"


def test_a_contrast_is_antisymmetric_for_gradcam(classifier: LesionClassifier) -> None:
    one = classifier.explain(SAMPLE, "MEL", "features.4", against="NV").raw
    other = classifier.explain(SAMPLE, "NV", "features.4", against="MEL").raw
    assert np.allclose(one, -other, rtol=1e-4, atol=1e-6 * np.abs(one).max())


def test_a_contrast_of_the_answer_with_itself_is_refused(classifier: LesionClassifier) -> None:
    answer = classifier.predict(SAMPLE).diagnosis
    with pytest.raises(LesionvizError, match="Name the class to explain"):
        classifier.explain(SAMPLE, against=answer)


def test_completeness_of_a_map_that_lacks_something_is_its_share(classifier: LesionClassifier) -> None:
    shown = replace(classifier.explain(SAMPLE), raw=np.full((2, 2), 1.0, np.float32), bias=1.0, logit=10.0)
    assert shown.completeness() == 0.5  # 4 + 1 of 10


A = torch.tensor([[[1.0, 2.0], [0.0, 4.0]], [[3.0, 0.0], [1.0, -1.0]]])
G = torch.tensor([[[0.5, -1.0], [2.0, 0.5]], [[-2.0, 0.0], [1.0, 1.0]]])
"""Two channels of 2 × 2 cells, and a gradient; channel means of the gradient are 0.5 and 0."""


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("gradcam", [[0.5 * 1, 0.5 * 2], [0.5 * 0, 0.5 * 4]]),
        ("hirescam", [[0.5 * 1 - 2 * 3, -1 * 2 + 0], [0 + 1 * 1, 0.5 * 4 - 1 * 1]]),
        ("layercam", [[0.5 * 1 + 0, 0 + 0], [0 + 1 * 1, 0.5 * 4 - 1 * 1]]),
    ],
)
def test_methods_follow_their_formula_worked_out_by_hand(method: str, expected: list[list[float]]) -> None:
    assert METHODS[method].function(A, G).tolist() == pytest.approx(np.array(expected))


def test_gradcam_plus_plus_follows_its_formula_worked_out_by_hand() -> None:
    """Positive activations add up to 7 and 4; a = 1 / (2 + g sum) where g is positive.

    Channel 0: g = 0.5, 2, 0.5: 0.5 / 5.5 + 2 / 16 + 0.5 / 5.5. Channel 1: g = 1, 1: 1 / 6 + 1 / 6.
    """
    first, second = 2 * 0.5 / 5.5 + 2 / 16, 2 / 6
    expected = first * A[0] + second * A[1]
    assert torch.allclose(METHODS["gradcam++"].function(A, G), expected, atol=1e-6)
    tiny = METHODS["gradcam++"].function(A * 1e12, G * 1e-12)  # cubes of such gradients are not numbers any more
    assert torch.allclose(tiny, expected, rtol=1e-4)
    assert METHODS["gradcam++"].function(A, torch.zeros_like(G)).abs().max() == 0


def test_hirescam_and_gradcam_are_the_same_map_at_features_8(classifier: LesionClassifier) -> None:
    maps = [classifier.explain(SAMPLE, "BKL", method=method).raw for method in ("gradcam", "hirescam")]
    assert np.allclose(*maps, rtol=1e-4, atol=1e-6)


@pytest.mark.heavy
def test_explaining_many_gives_each_picture_its_own_map(classifier: LesionClassifier) -> None:
    samples = synthetic_samples()
    for layer in ("features.3", "features.8"):
        many = list(classifier.explain_many(samples, layer=layer, batch_size=3))
        for sample, shown in zip(samples, many, strict=True):
            alone = LesionClassifier(classifier.checkpoint).explain(sample, layer=layer)
            assert (shown.source, shown.target) == (sample.name, alone.target)
            assert np.abs(shown.raw - alone.raw).max() <= 1e-4 * np.abs(alone.raw).max()


def test_the_shared_scale_makes_the_maps_of_all_classes_comparable(classifier: LesionClassifier) -> None:
    maps = classifier.explain_all(SAMPLE)
    peaks = {code: float(maps["features.3", code].raw.max()) for code in CODES}
    assert {maps["features.3", code].shared_peak for code in CODES} == {max(0.0, *peaks.values())}
    strongest = max(peaks, key=peaks.__getitem__)
    weakest = min(peaks, key=peaks.__getitem__)
    same = maps["features.3", strongest]
    assert same.heatmap("shared across classes").tobytes() == same.heatmap("per map").tobytes()
    other = maps["features.3", weakest]
    assert other.heatmap("shared across classes").tobytes() != other.heatmap("per map").tobytes()


def test_the_shared_scale_is_refused_where_the_other_classes_were_not_computed(classifier: LesionClassifier) -> None:
    fresh = LesionClassifier(classifier.checkpoint).explain(SAMPLE, "MEL", "features.2")
    with pytest.raises(LesionvizError, match="explain_all"):
        fresh.heatmap("shared across classes")


def test_changed_weights_are_noticed(classifier: LesionClassifier) -> None:
    fresh = LesionClassifier(classifier.checkpoint)
    before = fresh.explain(SAMPLE, "NV").raw
    with torch.no_grad():
        fresh._network.get_parameter("classifier.1.weight").mul_(2)
    assert np.allclose(fresh.explain(SAMPLE, "NV").raw, 2 * before, rtol=1e-4)


def test_bfloat16_maps_point_to_the_same_places(classifier: LesionClassifier) -> None:
    small = LesionClassifier(classifier.checkpoint, precision=torch.bfloat16)
    for layer in ("features.5", "features.8"):
        full, half = (c.explain(SAMPLE, "MEL", layer).raw for c in (classifier, small))
        assert half.dtype == np.float32
        assert np.corrcoef(full.ravel(), half.ravel())[0, 1] > 0.97


def test_the_default_target_is_the_diagnosis(classifier: LesionClassifier) -> None:
    assert classifier.explain(SAMPLE).target == classifier.predict(SAMPLE).diagnosis


def test_raw_maps_are_signed_float32_and_read_only(classifier: LesionClassifier) -> None:
    raw = classifier.explain(SAMPLE, layer="features.3").raw
    assert raw.dtype == np.float32
    assert raw.shape == (12, 12)
    with pytest.raises(ValueError, match="read-only"):
        raw[0, 0] = 1


def test_explaining_leaves_nothing_on_the_network(classifier: LesionClassifier) -> None:
    network = classifier._network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    for layer in LAYERS:
        classifier.explain(SAMPLE, "NV", layer)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks or m.training for m in network.modules())


def test_explaining_works_inside_inference_mode_and_gives_the_same(classifier: LesionClassifier) -> None:
    outside = classifier.explain(SAMPLE, "NV", "features.4").raw
    with torch.inference_mode():
        inside = classifier.explain(SAMPLE, "NV", "features.4").raw
    assert np.array_equal(inside, outside)


@pytest.mark.heavy
def test_eight_threads_with_sixteen_calls_each_get_their_own_maps(classifier: LesionClassifier) -> None:
    cases = [(sample, layer) for sample in synthetic_samples() for layer in ("features.3", "features.8")]
    expected = {(s.name, layer): classifier.explain(s, "MEL", layer).raw for s, layer in cases}
    wrong: list[str] = []

    def work(start: int) -> None:
        for i in range(16):
            sample, layer = cases[(start + i) % len(cases)]
            raw = classifier.explain(sample, "MEL", layer).raw
            if not np.allclose(raw, expected[sample.name, layer], rtol=1e-4, atol=1e-6):
                wrong.append(f"{sample.name} {layer}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_alpha_zero_returns_the_image_bit_for_bit(classifier: LesionClassifier) -> None:
    assert classifier.explain(SAMPLE).overlay(alpha=0).tobytes() == SAMPLE.pixels.tobytes()


def test_alpha_one_returns_the_heatmap_where_the_network_looked(classifier: LesionClassifier) -> None:
    shown = classifier.explain(SAMPLE)
    left, top, right, bottom = shown.box
    overlay, heat = (np.asarray(p.convert("RGB")) for p in (shown.overlay(alpha=1), shown.heatmap()))
    assert np.array_equal(overlay[top:bottom, left:right], heat[top:bottom, left:right])
    assert np.array_equal(overlay[:, :left], np.asarray(SAMPLE.pixels)[:, :left])


def test_alpha_one_half_is_the_mean_of_image_and_heatmap() -> None:
    shown = explanation([[0, 1], [2, 3]], (64, 64), (0, 0, 64, 64))
    mean = (np.asarray(shown.image.pixels, float) + np.asarray(shown.heatmap().convert("RGB"), float)) / 2
    assert np.abs(np.asarray(shown.overlay(0.5), float) - mean).max() <= 1


def test_heatmap_and_overlay_have_the_pictures_own_geometry(classifier: LesionClassifier) -> None:
    for size in [(600, 450), (97, 333)]:
        picture = open_image(Image.new("RGB", size, (180, 140, 120)))
        shown = classifier.explain(picture)
        assert shown.heatmap().size == shown.overlay().size == size


def test_one_hot_cell_lands_half_pixel_aligned_in_the_centre_square() -> None:
    """Cell (row 1, column 3) of 5 × 5 over the square 75..525 of a 600 × 450 picture.

    A cell is 90 pixels wide, so its centre lies at x = 75 + 3.5 × 90 = 390 and y = 1.5 × 90 = 135. There
    bilinear weights are 1, and they fall to one half 45 pixels away, on the border of the cell.
    """
    raw = [[0.0] * 5 for _ in range(5)]
    raw[1][3] = 2.0
    strength = _strength(explanation(raw, (600, 450), (75, 0, 525, 450)))
    rows, columns = np.nonzero(strength > 0.5)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (90, 179, 345, 434)
    peak = np.argwhere(strength == strength.max()).mean(axis=0)
    assert peak.tolist() == pytest.approx([134.5, 389.5])


def _strength(shown: Explanation) -> npt.NDArray[np.float64]:
    """Read strengths back from viridis, whose colours are all different."""
    from matplotlib import colormaps

    table = {tuple(c[:3]): i / 255 for i, c in enumerate(colormaps["viridis"](np.arange(256), bytes=True).tolist())}
    pixels = np.asarray(shown.heatmap())
    strength = np.zeros(pixels.shape[:2])
    left, top, right, bottom = shown.box
    for y in range(top, bottom):
        for x in range(left, right):
            strength[y, x] = table[tuple(pixels[y, x, :3].tolist())]
    return strength


def test_a_constant_map_is_drawn_evenly_and_called_flat() -> None:
    shown = explanation([[3.0, 3.0], [3.0, 3.0]], (64, 64), (0, 0, 64, 64))
    assert len(shown.heatmap().getcolors()) == 1  # min-max scaling would divide by zero or invent a hot spot
    assert "nearly flat" in shown.remark


def test_a_map_without_positive_evidence_is_drawn_empty_and_said_to_be() -> None:
    shown = explanation([[-3.0, -1.0], [-2.0, -5.0]], (64, 64), (0, 0, 64, 64))
    lowest = explanation([[0.0, 0.0], [0.0, 1.0]], (64, 64), (0, 0, 64, 64)).heatmap().getpixel((1, 1))
    assert shown.heatmap().getcolors() == [(64 * 64, lowest)]
    assert shown.remark == "No positive evidence for MEL at features.8."


def test_signed_scale_is_white_at_zero_red_for_and_blue_against() -> None:
    shown = explanation([[-2.0, 0.0], [0.0, 2.0]], (64, 64), (0, 0, 64, 64)).heatmap("signed")
    for_, against = shown.getpixel((63, 63)), shown.getpixel((0, 0))
    assert for_[0] > for_[2] + 60
    assert against[2] > against[0] + 60
    zero = explanation([[0.0, 0.0], [0.0, 0.0]], (64, 64), (0, 0, 64, 64)).heatmap("signed").getpixel((9, 9))
    assert min(zero[:3]) > 240


def test_the_heatmap_is_transparent_where_the_network_did_not_look() -> None:
    alpha = np.asarray(explanation([[1.0, 2.0], [0.0, 1.0]], (100, 60), (20, 0, 80, 60)).heatmap())[..., 3]
    assert (alpha[:, 20:80] == 255).all()
    assert (alpha[:, :20] == 0).all()
    assert (alpha[:, 80:] == 0).all()


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_impossible_alphas_are_refused(alpha: float) -> None:
    with pytest.raises(LesionvizError, match="Alpha must be"):
        explanation([[1.0]], (64, 64), (0, 0, 64, 64)).overlay(alpha)


@pytest.mark.parametrize("options", [{"scale": "min-max"}, {"colours": "rainbow"}])
def test_unknown_scales_and_colour_maps_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(LesionvizError, match="Choose from"):
        explanation([[1.0]], (64, 64), (0, 0, 64, 64)).heatmap(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "melanom"}, "Did you mean MEL"),
        ({"target": True}, "True"),
        ({"layer": "features.9"}, r"features\.3 \(12 × 12 cells\)"),
        ({"method": "eigencam"}, "Choose from: gradcam"),
        ({"method": "Grad-CAM"}, "Did you mean gradcam"),
        ({"target": "MEL", "against": "mel"}, "two different classes"),
        ({"against": 9}, "9"),
    ],
)
def test_bad_requests_are_refused_by_name(options: dict[str, str], words: str, classifier: LesionClassifier) -> None:
    with pytest.raises(LesionvizError, match=words):
        classifier.explain(SAMPLE, **options)


@pytest.mark.slow
def test_memory_after_two_hundred_pictures_is_flat(classifier: LesionClassifier) -> None:
    fresh = LesionClassifier(classifier.checkpoint)
    process = psutil.Process()

    def explain(count: int) -> None:
        for n in range(count):
            fresh.explain_all(Image.effect_noise((96, 96), 20 + n).convert("RGB"))

    explain(60)  # allocators and caches settle
    before = process.memory_info().rss
    explain(200)
    assert process.memory_info().rss - before < 60e6  # 200 pictures would have 600 MB


def test_in_a_batch_with_every_answer_each_picture_gets_the_gradient_of_its_own(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = synthetic_samples()
    monkeypatch.setattr(engine, "_targets", lambda *_: [0, 1, 2, 3])
    slope = engine.forward_with_gradient(classifier._network, input_of(classifier, *samples), "features.3", None)
    maps = slope.maps(METHODS["gradcam"])
    for index, sample in enumerate(samples):
        alone = classifier.complete(classifier.examine(sample)).explanation(index, "features.3").raw
        assert np.abs(maps[index] - alone).max() <= 1e-4 * np.abs(alone).max()

"""The harness for CAM methods: every method × layer × class goes through it, and a new one is tested by its entry alone.

A method is a function and an entry of ``METHODS`` (:mod:`lesionviz.explanation.methods`); nothing here names one. What an
entry promises, ``linear`` among it, is measured. Values worked out by hand stand in ``test_explanation.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from lesionviz.case import Case
from lesionviz.classifier import LesionClassifier
from lesionviz.data.drawings import draw, typical
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS, Method, find_method
from lesionviz.imaging import LesionImage
from lesionviz.network import LAYERS
from lesionviz.widgets import CaseView, Compare, Explorer

SAMPLE = LesionImage(draw(typical("MEL", 3), 3, (160, 120)), "a small drawing")
every_method = pytest.mark.parametrize("method", METHODS)
every_map = [
    pytest.mark.parametrize("code", CODES),
    pytest.mark.parametrize("layer", LAYERS),
    every_method,
]


def of_every_map(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for every method × layer × class."""
    for mark in every_map:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def case(classifier: LesionClassifier) -> Case:
    return classifier.complete(classifier.examine(SAMPLE))


@pytest.fixture(scope="module")
def textbook(classifier: LesionClassifier) -> dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]]:
    """Activations and gradients by layer and class, by hooks and ``backward``, on a second network of the same weights."""
    network = classifier.checkpoint.network().requires_grad_(True)
    kept: dict[str, torch.Tensor] = {}

    def keeper(layer: str) -> Callable[[torch.nn.Module, object, torch.Tensor], None]:
        def keep(_module: torch.nn.Module, _inputs: object, output: torch.Tensor) -> None:
            output.retain_grad()
            kept[layer] = output

        return keep

    for layer in LAYERS:
        network.get_submodule(layer).register_forward_hook(keeper(layer))
    found = {}
    for index, code in enumerate(CODES):
        pixels = classifier.preprocessing.resize(SAMPLE.pixels)
        network(classifier._runner.batch([pixels]))[0, index].backward()
        for layer, output in kept.items():
            assert output.grad is not None
            found[layer, code] = output.detach(), output.grad.detach().clone()
    return found


LARGEST = "the largest difference, as a share of the peak, of what must be one map"


def apart(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """The largest difference of two maps, as a share of the second's largest value."""
    return float(np.abs(one - other).max() / np.abs(other).max())


# --- what needs no network, first: whoever adds a method meets the plainest refusal before all others ------------------


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_an_entry_says_what_people_read(method: Method) -> None:
    assert METHODS[method.key] is find_method(method.key) is method
    assert re.fullmatch(r"[a-z0-9+]+", method.key), "a key is what callers type: small letters, digits and plus signs"
    assert re.search(r"\d{4}, (arXiv \d{4}\.\d{5}|doi 10\.\S+)$", method.paper), "author, year, arXiv or doi"
    assert re.fullmatch(r"[A-Z].*\.", method.guarantee), "what it promises, in a sentence"
    assert (method.function.__doc__ or "").strip(), "the formula stands in the function's docstring"
    assert [one.name for one in METHODS.values()].count(method.name) == 1


@every_method
def test_without_a_gradient_there_is_no_evidence(method: str) -> None:
    activations = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    peak = METHODS[method].function(activations, torch.zeros_like(activations)).abs().max().item()
    assert peak == 0, "without any gradient the map must be zero everywhere: this one does not hang on the class"


@every_method
def test_pictures_of_a_batch_do_not_mix(method: str) -> None:
    generator = torch.Generator().manual_seed(1)
    activations, gradient = (torch.randn(3, 8, 5, 5, generator=generator) for _ in range(2))
    function = METHODS[method].function
    batch = function(activations, gradient)
    assert batch.shape == (3, 5, 5), "(3, 8, 5, 5) must give (3, 5, 5): only the channels are summed over"
    for index in range(3):
        alone = function(activations[index], gradient[index])
        same = torch.allclose(batch[index], alone, rtol=1e-5, atol=1e-5)
        assert same, (
            "a picture's map is another one alone than in a batch: count dimensions from the end (-3, -2, -1)"
        )
    # At features.8 one picture meets the gradients of four classes, which are the same at every place.
    flat = gradient[:, :, :1, :1].expand(-1, -1, 5, 5)
    each = torch.stack([function(activations[0], one) for one in flat])
    together = function(activations[:1], flat)
    assert together.shape == each.shape, "(1, C, h, w) with gradients (N, C, h, w) must give (N, h, w)"
    same = torch.allclose(together, each, rtol=1e-5, atol=1e-5)
    assert same, "the gradients of several classes mix, or their maps are other ones than each alone"


@every_method
def test_linear_is_said_of_the_methods_that_are(method: str) -> None:
    """Where it is, the page makes the map of "this and not that" from two maps that it has."""
    generator = torch.Generator().manual_seed(2)
    activations, one, other = (torch.randn(8, 5, 5, generator=generator) for _ in range(3))
    function = METHODS[method].function
    of_difference = function(activations, one - other)
    difference = function(activations, one) - function(activations, other)
    linear = torch.allclose(of_difference, difference, rtol=1e-4, atol=1e-4)
    assert linear is METHODS[method].linear, f"the entry must say linear={linear}"


# --- on the network: every layer, every class ------------------------------------------------------------------------


@of_every_map
def test_a_map_is_its_formula_on_textbook_gradients(
    method: str,
    layer: str,
    code: str,
    case: Case,
    textbook: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]],
) -> None:
    raw = case.explanation(code, layer, method).raw
    expected = METHODS[method].function(*textbook[layer, code])[0].numpy()
    assert raw.dtype == np.float32
    assert raw.shape == expected.shape == textbook[layer, code][0].shape[-2:]
    assert np.isfinite(raw).all()
    assert not raw.flags.writeable
    difference = apart(raw, expected)
    assert difference <= 1e-5, "another map than the formula gives on the gradients of hooks and backward()"


def of_every_pair(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test for every layer × class, and every method × layer and method × class among them."""
    names = list(METHODS)
    chosen = [
        (names[(row + column) % len(names)], layer, CODES[column % len(CODES)])
        for row, layer in enumerate(LAYERS)
        for column in range(max(len(names), len(CODES)))
    ]
    return pytest.mark.parametrize(("method", "layer", "code"), chosen)(test)


@pytest.mark.heavy
@pytest.mark.once
@of_every_pair
def test_one_picture_several_and_a_case_give_the_same_map(
    method: str, layer: str, code: str, case: Case, classifier: LesionClassifier
) -> None:
    expected = case.explanation(code, layer, method).raw
    shown = classifier.explain(SAMPLE, code, layer, method)
    assert (shown.target, shown.layer, shown.method) == (code, layer, method)
    difference = apart(shown.raw, expected)
    assert difference <= 1e-5, f"{LARGEST}: asked for alone and all at once"
    *_, last = classifier.explain_many([synthetic_samples()[0], SAMPLE], code, layer, method)
    difference = apart(last.raw, expected)
    assert difference <= 1e-4, f"{LARGEST}: in a batch, which adds up in another order"


@of_every_map
def test_a_map_can_be_drawn_and_laid_over_its_picture(method: str, layer: str, code: str, case: Case) -> None:
    shown = case.explanation(code, layer, method).on(SAMPLE)
    assert shown.heatmap().size == shown.overlay().size == SAMPLE.pixels.size
    assert shown.overlay(alpha=0).tobytes() == SAMPLE.pixels.tobytes()


@every_method
def test_what_is_seen_first_stays_when_the_other_maps_come(
    method: str, case: Case, classifier: LesionClassifier
) -> None:
    first = classifier.examine(SAMPLE)
    assert np.array_equal(classifier.complete(first).maps[method, LAYERS[-1]], first.maps[method, LAYERS[-1]])
    assert apart(first.maps[method, LAYERS[-1]], case.maps[method, LAYERS[-1]]) <= 1e-5


@pytest.mark.parametrize("layer", LAYERS)
@every_method
def test_the_classes_have_maps_of_their_own(method: str, layer: str, case: Case) -> None:
    """A map that is the same for every class, as Eigen-CAM's, explains none of them."""
    maps = case.maps[method, layer]
    assert len(maps) == len(CODES)
    for index, one in enumerate(maps):
        for other in maps[index + 1 :]:
            difference = apart(one, other)
            assert difference > 1e-3, f"{CODES[index]} and another class have the same map: it explains neither"


@pytest.mark.parametrize("layer", LAYERS)
@every_method
def test_a_contrast_is_made_or_refused_in_words(
    method: str, layer: str, case: Case, classifier: LesionClassifier
) -> None:
    asked = classifier.explain(SAMPLE, "MEL", layer, method, against="NV").raw
    if METHODS[method].linear:
        # Both maps may be far larger than their difference: what is left of rounding is measured by them.
        size = max(np.abs(case.explanation(code, layer, method).raw).max() for code in ("MEL", "NV"))
        assert np.abs(case.explanation("MEL", layer, method, against="NV").raw - asked).max() <= 1e-4 * size
    else:
        with pytest.raises(LesionvizError, match=f"{re.escape(METHODS[method].name)} is not linear"):
            case.explanation("MEL", layer, method, against="NV")


@pytest.fixture(scope="module")
def single_and_double(classifier: LesionClassifier) -> list[tuple[Case, Case]]:
    """Each sample's maps by every method, and those of the same network in double precision."""
    double = LesionClassifier(classifier.checkpoint, precision=torch.float64)
    both = (classifier, double)
    return [tuple(c.complete(c.examine(sample)) for c in both) for sample in synthetic_samples()]  # type: ignore[misc]


@pytest.mark.heavy
@pytest.mark.once
@every_method
def test_single_precision_is_enough(method: str, single_and_double: list[tuple[Case, Case]]) -> None:
    """Against the same network in double precision: no map hangs on rounding."""
    for single, exact in single_and_double:
        for layer in LAYERS:
            for one, other in zip(single.maps[method, layer], exact.maps[method, layer], strict=True):
                assert apart(one, other) <= 1e-4, "what rounding changes, of the peak"


def test_a_method_that_is_added_later_is_offered_by_every_widget(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who adds one in a notebook has imported the widgets long before."""
    later = Method(
        "later", "Later", METHODS["hirescam"].function, "nobody 2026, arXiv 0000.00000", "None.", linear=True
    )
    monkeypatch.setitem(METHODS, later.key, later)
    view, compare, explorer = CaseView(classifier, SAMPLE, method="later"), Compare(classifier), Explorer(classifier)
    assert view.case["methods"][-1] == {"key": "later", "name": "Later", "linear": True}
    assert view.maps["later"]["values"] == CaseView(classifier, SAMPLE, method="hirescam").maps["hirescam"]["values"]
    compare.show(SAMPLE)
    compare.method = "later"
    explorer.image, explorer.insist, explorer.method = SAMPLE, True, "later"
    assert compare.method == explorer.method == explorer.explanation.method == "later"

"""``examine`` and ``complete``: the answer of ``predict`` and every map, as one parcel that needs the network no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation import engine
from lesionviz.explanation.methods import METHODS
from lesionviz.network import LAYERS
from lesionviz.preprocessing import Preprocessing

SAMPLE = synthetic_samples()[1]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the network's blocks were run on."""
    counted: list[object] = []
    run = engine.run_blocks

    def count(*args: Any, **options: Any) -> Any:
        counted.append(args)
        return run(*args, **options)

    monkeypatch.setattr(engine, "run_blocks", count)
    monkeypatch.setattr("lesionviz.runner.run_blocks", count)
    return counted


def test_examine_gives_the_answer_of_predict_refusal_included() -> None:
    bundled = load()
    for sample in synthetic_samples():
        one, other = bundled.examine(sample).prediction, bundled.predict(sample)
        assert (one.diagnosis, one.source, one.refusal) == (other.diagnosis, other.source, other.refusal)
        assert dict(one.probabilities) == pytest.approx(dict(other.probabilities), abs=1e-5)


def test_maps_at_features_8_come_with_the_answer_from_one_forward(
    classifier: LesionClassifier, runs: list[object]
) -> None:
    case = classifier.examine(SAMPLE)
    assert len(runs) == 1
    shown = {(code, key): case.explanation(code, method=key) for code in CODES for key in METHODS}
    contrast = case.explanation("MEL", against="NV")
    assert len(runs) == 1
    for (code, key), explanation in shown.items():
        assert np.allclose(explanation.raw, classifier.explain(SAMPLE, code, method=key).raw, rtol=1e-4, atol=1e-6)
    assert np.allclose(contrast.raw, classifier.explain(SAMPLE, "MEL", against="NV").raw, rtol=1e-4, atol=1e-5)


@pytest.mark.heavy
def test_a_completed_case_holds_every_map_that_explain_computes(
    classifier: LesionClassifier, runs: list[object]
) -> None:
    case = classifier.complete(classifier.examine(SAMPLE))
    before = len(runs)
    shown = {
        (code, layer, key): case.explanation(code, layer, key)
        for code in CODES
        for layer in LAYERS
        for key in METHODS
    }
    assert len(runs) == before
    assert len(shown) == len(CODES) * len(LAYERS) * len(METHODS)
    for (code, layer, key), explanation in shown.items():
        if code == "MEL" or layer == "features.4":
            alone = classifier.explain(SAMPLE, code, layer, key)
            assert np.abs(explanation.raw - alone.raw).max() <= 1e-4 * np.abs(alone.raw).max()
            assert (explanation.logit, explanation.bias) == pytest.approx((alone.logit, alone.bias), abs=1e-5)
            assert (explanation.source, explanation.size, explanation.box) == (alone.source, alone.size, alone.box)


@pytest.mark.parametrize("layer", ["features.2", "features.6", "features.8"])
@pytest.mark.parametrize("method", [key for key, method in METHODS.items() if method.linear])
def test_a_contrast_from_a_case_is_the_one_that_explain_computes(
    method: str, layer: str, classifier: LesionClassifier
) -> None:
    case = classifier.complete(classifier.examine(SAMPLE))
    exact = classifier.explain(SAMPLE, "BKL", layer, method, against="MEL")
    shown = case.explanation("BKL", layer, method, against="MEL")
    largest = max(float(np.abs(case.explanation(code, layer, method).raw).max()) for code in ("BKL", "MEL"))
    assert np.abs(shown.raw - exact.raw).max() <= 1e-4 * largest
    assert (shown.logit, shown.bias, shown.against) == pytest.approx((exact.logit, exact.bias, exact.against))


def test_completing_twice_costs_nothing_and_changes_nothing(classifier: LesionClassifier, runs: list[object]) -> None:
    case = classifier.complete(classifier.examine(SAMPLE))
    before = len(runs)
    assert classifier.complete(case) is case
    assert len(runs) == before


def test_completing_keeps_the_answer_and_the_maps_that_were_on_view(classifier: LesionClassifier) -> None:
    case = classifier.examine(SAMPLE)
    completed = classifier.complete(case)
    assert (completed.identity, completed.prediction) == (case.identity, case.prediction)
    assert all(completed.maps[key] is maps for key, maps in case.maps.items())


def test_a_case_of_another_model_is_not_completed(classifier: LesionClassifier) -> None:
    case = classifier.examine(SAMPLE)
    other = LesionClassifier(classifier.checkpoint)
    with torch.no_grad():
        other._network.get_parameter("classifier.1.weight").mul_(2)
    larger = LesionClassifier(_at(classifier, 128))
    for stranger in (other, larger):
        with pytest.raises(LesionvizError, match=r"another model.*Examine the picture again"):
            stranger.complete(case)


def _at(classifier: LesionClassifier, size: int) -> Any:
    from dataclasses import replace

    return replace(classifier.checkpoint, preprocessing=Preprocessing(size=size))

"""``examine``: the answer of ``predict``, from a run that the explanations need not repeat."""

from __future__ import annotations

from typing import Any

import pytest

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.explanation import engine


def test_examine_gives_the_answer_of_predict_refusal_included() -> None:
    bundled = load()
    for sample in synthetic_samples():
        one, other = bundled.examine(sample), bundled.predict(sample)
        assert (one.diagnosis, one.source, one.refusal) == (other.diagnosis, other.source, other.refusal)
        assert dict(one.probabilities) == pytest.approx(dict(other.probabilities), abs=1e-5)


def test_after_examine_maps_at_features_8_cost_no_further_run(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = LesionClassifier(classifier.checkpoint)
    runs: list[object] = []

    def counted(*args: Any, **options: Any) -> Any:
        runs.append(args)
        return run(*args, **options)

    run = engine.run_blocks
    monkeypatch.setattr(engine, "run_blocks", counted)
    monkeypatch.setattr("lesionviz.classifier.run_blocks", counted)
    sample = synthetic_samples()[1]
    fresh.examine(sample)
    assert len(runs) == 1
    for code in CODES:
        fresh.explain(sample, code)
    fresh.explain(sample, "MEL", against="NV")
    fresh.examine(sample)
    assert len(runs) == 1

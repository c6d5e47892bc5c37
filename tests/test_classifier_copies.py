"""A classifier is the same one when it was copied, pickled, or loaded under somebody else's settings of torch."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Preprocessing

COPIES: dict[str, Callable[[LesionClassifier], LesionClassifier]] = {
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "pickle": lambda c: pickle.loads(pickle.dumps(c)),
    "pickle 2": lambda c: pickle.loads(pickle.dumps(c, protocol=2)),
    "in a list, twice": lambda c: pickle.loads(pickle.dumps([c, c]))[1],
}


@pytest.fixture(scope="module")
def small_checkpoint(small_checkpoint: Checkpoint) -> Checkpoint:
    """At 64 pixels, which is faster still."""
    return replace(small_checkpoint, preprocessing=Preprocessing(size=64))


@pytest.fixture(scope="module")
def classifier(small_checkpoint: Checkpoint) -> LesionClassifier:
    return LesionClassifier(small_checkpoint)


def everything(classifier: LesionClassifier) -> tuple[object, ...]:
    """Answer, embedding and maps of a drawn picture, with and without gradients."""
    picture = synthetic_samples()[0]
    prediction = classifier.examine(picture).prediction
    maps = [classifier.explain(picture, "MEL", layer).raw.tobytes() for layer in ("features.3", "features.8")]
    many = next(classifier.explain_many([picture], "NV", "features.5")).raw.tobytes()
    outputs = next(classifier.outputs_of([picture]))
    return dict(prediction.probabilities), prediction.refusal, *maps, many, outputs.embeddings.tobytes()


@pytest.fixture(scope="module")
def original(classifier: LesionClassifier) -> tuple[object, ...]:
    return everything(classifier)


@pytest.mark.heavy
@pytest.mark.parametrize("way", COPIES)
def test_a_copy_answers_and_explains_the_same(
    way: str, classifier: LesionClassifier, original: tuple[object, ...]
) -> None:
    other = COPIES[way](classifier)
    assert other is not classifier
    assert everything(other) == original


def test_a_copy_keeps_views_and_precision(small_checkpoint: Checkpoint) -> None:
    first = LesionClassifier(small_checkpoint, precision=torch.bfloat16, views=8)
    other = pickle.loads(pickle.dumps(first))
    assert other.views == 8
    sample = synthetic_samples()[1]
    assert other.predict(sample) == first.predict(sample)


def test_weights_that_were_changed_after_loading_are_copied_too(small_checkpoint: Checkpoint) -> None:
    first, sample = LesionClassifier(small_checkpoint), synthetic_samples()[0]
    before = first.predict(sample)
    with torch.no_grad():
        first._network.get_parameter("classifier.1.bias")[2] += 3
    assert first.predict(sample) != before
    for make in (copy.deepcopy, COPIES["pickle"]):
        assert make(first).predict(sample) == first.predict(sample)


def test_a_copy_is_independent(small_checkpoint: Checkpoint) -> None:
    first, sample = LesionClassifier(small_checkpoint), synthetic_samples()[0]
    other = copy.deepcopy(first)
    before = first.predict(sample)
    with torch.no_grad():
        other._network.get_parameter("classifier.1.weight").zero_()
    assert first.predict(sample) == before


def _answer(classifier: LesionClassifier) -> dict[str, float]:
    return dict(classifier.predict(synthetic_samples()[0]).probabilities)


@pytest.mark.slow
def test_another_process_answers_the_same(classifier: LesionClassifier) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_answer, classifier).result() == pytest.approx(_answer(classifier), abs=1e-6)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "default device meta": lambda: default_device("meta"),
    "device block": lambda: torch.device("meta"),
    "default dtype double": lambda: default_dtype(torch.float64),
    "default dtype half": lambda: default_dtype(torch.float16),
}


@pytest.fixture(scope="module", params=["bare", "half"])
def saved(
    request: pytest.FixtureRequest, small_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tuple[object, ...]]:
    """A file of weights, and what the classifier that was loaded from it says."""
    path = tmp_path_factory.mktemp("model") / "model.pth"
    if request.param == "bare":
        torch.save({key: t.half() for key, t in small_checkpoint.state_dict.items()}, path)
    else:
        small_checkpoint.save(path, half=True)
    return path, everything(LesionClassifier(Checkpoint.load(path)))


@pytest.mark.heavy
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_while_loading_change_nothing_later(setting: str, saved: tuple[Path, tuple[object, ...]]) -> None:
    path, expected = saved
    with SETTINGS[setting]():  # type: ignore[operator]
        classifier = LesionClassifier(Checkpoint.load(path))
    assert everything(classifier) == expected


@pytest.fixture(scope="module")
def eight_views(small_checkpoint: Checkpoint) -> tuple[object, ...]:
    return everything(LesionClassifier(small_checkpoint, views=8))


@pytest.mark.heavy
@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_while_asking_change_nothing_either(
    setting: str, small_checkpoint: Checkpoint, eight_views: tuple[object, ...]
) -> None:
    with SETTINGS[setting]():  # type: ignore[operator]
        assert everything(LesionClassifier(small_checkpoint, views=8)) == eight_views


@pytest.mark.parametrize("device", ["gpu0", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_named(device: str, small_checkpoint: Checkpoint) -> None:
    with pytest.raises(LesionvizError, match=rf"The device {device} cannot be used here \(.+\)\. Use another"):
        LesionClassifier(small_checkpoint, device=device)


def test_probabilities_of_a_batch_follow_no_default(classifier: LesionClassifier) -> None:
    size = classifier.preprocessing.size
    batch = torch.zeros((2, 3, size, size), dtype=torch.uint8)
    expected = classifier.probabilities(batch, "MEL")
    with default_device("meta"):
        assert np.array_equal(classifier.probabilities(batch, "MEL"), expected)

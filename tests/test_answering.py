"""Pictures made ready elsewhere get the answers, embeddings and maps that they would get one by one."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from lesionviz.answering import see
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Preprocessing


@pytest.fixture(scope="module")
def judging() -> LesionClassifier:
    """The bundled model with its refusal, at 96 pixels."""
    bundled = Checkpoint.load(BUNDLED)
    small = Checkpoint(bundled.state_dict, Preprocessing(size=96), refusal=bundled.refusal)
    return LesionClassifier(small)


def test_pictures_that_were_made_ready_get_the_same_answers_embeddings_and_maps(judging: LesionClassifier) -> None:
    samples = synthetic_samples()
    seen = [pickle.loads(pickle.dumps(see(each, judging.preprocessing, measure=True))) for each in samples]
    answers = judging.answers(seen)
    assert list(answers.predictions) == list(judging.predict_many(samples))
    cases = [judging.examine(each) for each in samples]
    np.testing.assert_allclose(answers.embeddings, [case.embedding for case in cases], atol=1e-5)
    np.testing.assert_allclose(
        answers.maps, [case.maps["gradcam", "features.8"] for case in cases], atol=1e-5, rtol=1e-4
    )


def test_folded_batch_norms_change_no_answer(judging: LesionClassifier) -> None:
    folded = LesionClassifier(judging.checkpoint, folded=True)
    for ours, plain in zip(*(each.predict_many(synthetic_samples()) for each in (folded, judging)), strict=True):
        assert (ours.diagnosis, ours.refusal, ours.warning) == (plain.diagnosis, plain.refusal, plain.warning)
        assert ours.probabilities == pytest.approx(plain.probabilities, abs=1e-5)


def test_folded_batch_norms_are_gone_and_stay_gone_in_a_copy(judging: LesionClassifier) -> None:
    def norms(classifier: LesionClassifier) -> int:
        return sum(type(module).__name__ == "BatchNorm2d" for module in classifier._network.modules())

    folded = LesionClassifier(judging.checkpoint, folded=True)
    assert norms(judging) == 49
    assert norms(folded) == norms(pickle.loads(pickle.dumps(folded))) == 0


def test_a_picture_of_another_size_is_refused(judging: LesionClassifier) -> None:
    wrong = see(synthetic_samples()[0], Preprocessing(size=64))
    with pytest.raises(LesionvizError, match="is 64 × 64 pixels; the model sees 96 × 96"):
        judging.answers([wrong])

"""``Case``: plain data that pickles, compares and explains without torch."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pytest

from lesionviz.case import Case
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging import open_image
from lesionviz.network import LAYERS

SAMPLE = synthetic_samples()[2]


@pytest.fixture(scope="module")
def case(classifier: LesionClassifier) -> Case:
    return classifier.complete(classifier.examine(SAMPLE))


def by_hand(**changes: object) -> Case:
    """A case of 32 x 32 pixels, one cell, whose maps are small whole numbers: class k has k + 1."""
    maps = {(key, LAYERS[-1]): np.arange(1, 5, dtype=np.float32).reshape(4, 1, 1) for key in METHODS}
    prediction = changes.pop("prediction", None)
    values: dict[str, object] = {
        "identity": "one look",
        "upload": "ab",
        "name": "arm.jpg",
        "size": (64, 32),
        "box": (16, 0, 48, 32),
        "seen": np.zeros((32, 32, 3), np.uint8),
        "prediction": prediction,
        "logits": (0.5, 1.5, 2.5, 3.0),
        "biases": (-0.5, -0.5, -0.5, -1.0),
        "embedding": np.zeros(1280, np.float32),
        "maps": maps,
    }
    return Case(**{**values, **changes})  # type: ignore[arg-type]


def test_an_explanation_by_hand() -> None:
    shown = by_hand().explanation("MEL")
    assert (shown.raw.tolist(), shown.logit, shown.bias, shown.shared_peak) == ([[3.0]], 2.5, -0.5, 4.0)
    assert (shown.source, shown.size, shown.box) == ("arm.jpg", (64, 32), (16, 0, 48, 32))
    assert shown.completeness() == 0
    assert by_hand().explanation().target == "NV"  # the largest logit


def test_a_contrast_by_hand() -> None:
    shown = by_hand().explanation("MEL", against="BCC")
    assert (shown.raw.tolist(), shown.logit, shown.bias, shown.shared_peak) == ([[2.0]], 2.0, 0.0, None)
    assert shown.completeness() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "melanom"}, "melanom"),
        ({"layer": "features.9"}, "features.9"),
        ({"method": "eigencam"}, "Choose from: gradcam"),
        ({"target": "MEL", "against": "mel"}, "two different classes"),
        ({"against": "NV"}, "the answer is NV itself"),
        ({"layer": "features.3"}, r"Grad-CAM at features\.3 are not in this case.*classifier\.complete"),
        ({"method": "layercam", "against": "BCC"}, "LayerCAM is not linear.*explain"),
    ],
)
def test_what_a_case_cannot_tell_is_refused_by_name(options: dict[str, str], words: str) -> None:
    with pytest.raises(LesionvizError, match=words):
        by_hand().explanation(**options)


def test_the_overlay_takes_the_picture_that_the_asker_kept(case: Case, classifier: LesionClassifier) -> None:
    shown = case.explanation("MEL", "features.3")
    assert shown.image is None
    with pytest.raises(LesionvizError, match="came without its picture"):
        shown.overlay()
    assert shown.on(SAMPLE).overlay(alpha=0).tobytes() == SAMPLE.pixels.tobytes()
    assert shown.heatmap().size == SAMPLE.pixels.size
    with pytest.raises(LesionvizError, match="Give the picture that the answer is about"):
        shown.on(open_image(SAMPLE.pixels.crop((0, 0, 50, 60)), "other"))


def test_a_case_knows_its_upload_by_the_bytes_of_the_file(classifier: LesionClassifier, tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "arm.png"
    SAMPLE.pixels.save(path)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert classifier.examine(path).upload == classifier.examine(path.read_bytes()).upload == expected
    drawn = classifier.examine(SAMPLE)  # never was a file
    assert drawn.upload == classifier.examine(SAMPLE.pixels).upload != expected
    other = SAMPLE.pixels.copy()
    other.putpixel((0, 0), (1, 2, 3))
    assert classifier.examine(other).upload != drawn.upload
    assert drawn.identity != classifier.examine(SAMPLE).identity


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_case_is_equal_and_frozen_again(protocol: int, case: Case) -> None:
    other = pickle.loads(pickle.dumps(case, protocol))
    assert other == case
    assert hash(other) == hash(case)
    assert other is not case
    for array in (other.seen, other.embedding, *other.maps.values()):
        assert not array.flags.writeable
    with pytest.raises(TypeError):
        other.maps["gradcam", "features.8"] = array
    with pytest.raises(TypeError):
        other.prediction.probabilities["MEL"] = 1.0
    with pytest.raises(FrozenInstanceError):
        other.name = "other"
    assert copy.deepcopy(case) == case


def test_a_pickled_case_stays_below_two_megabytes(case: Case) -> None:
    assert len(pickle.dumps(case)) < 2e6


@pytest.mark.parametrize(
    "name", ["identity", "upload", "name", "size", "logits", "seen", "embedding", "maps", "prediction"]
)
def test_cases_that_differ_in_anything_are_not_equal(name: str, case: Case) -> None:
    changes = {
        "size": (1, 1),
        "logits": (0.0, 0.0, 0.0, 0.0),
        "seen": case.seen + 1,
        "embedding": case.embedding + 1,
        "maps": {**case.maps, ("gradcam", "features.3"): case.maps["gradcam", "features.3"] + 1},
        "prediction": replace(case.prediction, confidence=0.1),
    }
    assert replace(case, **{name: changes.get(name, "other")}) != case
    assert replace(case) == case
    assert case != "case"


def test_a_case_explains_and_speaks_without_torch(case: Case, tmp_path: Path) -> None:
    """A kernel whose classifier lives elsewhere gets a case and needs no torch for anything that it shows."""
    path = tmp_path / "case.pickle"
    path.write_bytes(pickle.dumps(case))
    code = f"""
import pickle, sys
case = pickle.loads(open({str(path)!r}, "rb").read())
shown = case.explanation("MEL", "features.3")
print(shown.finding, shown.heatmap().size, case.prediction.probabilities["MEL"], hash(case), case == case)
from lesionviz.widgets.case.bundle import case_bundle, pack_maps
assert len(pack_maps(case, "layercam")["layers"]) == 9 and case_bundle(case, b"")["id"] == case.identity
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(case.explanation("MEL", "features.3").finding)


def test_every_class_of_a_case_shares_its_peak(case: Case) -> None:
    for layer in ("features.3", "features.8"):
        peaks = {case.explanation(code, layer).shared_peak for code in CODES}
        assert peaks == {max(0.0, *(float(case.explanation(code, layer).raw.max()) for code in CODES))}

"""The Explorer driven by its traits and by what a browser (or a stranger) would send."""

from __future__ import annotations

import io
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.network import LAYERS
from lesionviz.refusal import FEATURES, QUALITY, Refusal
from lesionviz.widgets import Explorer
from lesionviz.widgets.answer import NOTICE
from lesionviz.widgets.image_picker import ImagePicker


@pytest.fixture
def explorer(classifier: LesionClassifier) -> Explorer:
    return Explorer(classifier)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "arm <b>left.jpg"
    draw_lesion("MEL", 5, (300, 200)).save(path)
    return path


def picker(explorer: Explorer) -> ImagePicker:
    return next(child for child in explorer.children if isinstance(child, ImagePicker))


def send(explorer: Explorer, content: Any, *pieces: bytes) -> None:
    """Deliver a message as the browser's side of the picker does."""
    picker(explorer)._handle_custom_msg(content, [memoryview(piece) for piece in pieces])


def upload(explorer: Explorer, name: str, data: bytes, piece: int = 1000) -> None:
    send(explorer, {"kind": "start", "name": name, "size": len(data)})
    for start in range(0, len(data), piece):
        send(explorer, {"kind": "piece"}, data[start : start + piece])


def page(explorer: Explorer) -> str:
    """All the HTML on view."""
    return "".join(child.value for child in explorer.children if hasattr(child, "value"))


def test_setting_an_image_gives_the_classifiers_answer_and_map(
    explorer: Explorer, classifier: LesionClassifier, drawn: Path
) -> None:
    explorer.image = drawn
    expected = classifier.predict(drawn)
    assert explorer.prediction == expected
    assert explorer.explanation.target == expected.diagnosis
    assert np.allclose(explorer.explanation.raw, classifier.explain(drawn).raw, rtol=1e-4)
    assert f"{expected.confidence:.1%}" in page(explorer)


@pytest.mark.parametrize("kind", ["path", "bytes", "pil", "array"])
def test_every_kind_of_image_can_be_set(kind: str, explorer: Explorer, drawn: Path) -> None:
    with Image.open(drawn) as opened:
        opened.load()
    explorer.image = {"path": str(drawn), "bytes": drawn.read_bytes(), "pil": opened, "array": np.asarray(opened)}[
        kind
    ]
    assert explorer.error == ""
    assert explorer.prediction is not None


def test_target_and_layer_change_the_map(explorer: Explorer, classifier: LesionClassifier) -> None:
    sample = synthetic_samples()[0]
    explorer.image = sample
    explorer.target, explorer.layer = "NV", "features.3"
    expected = classifier.explain(sample, "NV", "features.3").raw
    assert np.abs(explorer.explanation.raw - expected).max() <= 1e-4 * np.abs(expected).max()
    explorer.target = None
    assert explorer.explanation.target == explorer.prediction.diagnosis


def test_names_and_codes_of_targets_mean_the_same(explorer: Explorer) -> None:
    explorer.target = "melanoma"
    assert explorer.target == "MEL"


@pytest.mark.parametrize(("trait", "value"), [("target", "melanom"), ("layer", "features.9")])
def test_unknown_choices_are_refused_and_change_nothing(trait: str, value: str, explorer: Explorer) -> None:
    before = getattr(explorer, trait)
    with pytest.raises(LesionvizError, match="Did you mean"):
        setattr(explorer, trait, value)
    assert getattr(explorer, trait) == before


def test_layers_are_named_with_their_grid(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    assert explorer._layer.options[0] == ("features.8, 3 × 3 cells, closest to the answer", "features.8")
    assert explorer._layer.options[5] == ("features.3, 12 × 12 cells", "features.3")
    assert [layer for _, layer in explorer._layer.options] == list(LAYERS[::-1])


def test_the_name_of_the_file_is_shown_and_cannot_be_html(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    assert "arm &lt;b&gt;left.jpg" in page(explorer)
    assert "<b>left" not in page(explorer)


def test_the_notice_is_there_before_and_after(explorer: Explorer) -> None:
    assert NOTICE in page(explorer)
    explorer.image = synthetic_samples()[0]
    assert NOTICE in page(explorer)


def assert_no_result(explorer: Explorer) -> None:
    assert explorer.prediction is None
    assert explorer.explanation is None
    assert explorer._answer.value == ""
    assert explorer._view.photo == explorer._view.heatmap == explorer._view.network_input == b""


def test_an_unusable_image_clears_the_old_result_and_says_why(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    explorer.image = b"no picture"
    assert_no_result(explorer)
    assert "not a picture" in explorer.error
    assert explorer.error in page(explorer)
    explorer.image = synthetic_samples()[0]
    assert explorer.error == ""
    assert explorer.prediction is not None


def test_an_upload_in_pieces_arrives_whole_under_its_name(explorer: Explorer, drawn: Path) -> None:
    upload(explorer, "left arm.jpg", drawn.read_bytes())
    assert explorer.prediction.source == "left arm.jpg"


def test_a_new_upload_clears_the_old_result_before_it_has_arrived(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    send(explorer, {"kind": "start", "name": "next.jpg", "size": 5000})
    assert_no_result(explorer)
    assert "next.jpg" in page(explorer)


def test_a_new_upload_clears_an_old_error(explorer: Explorer) -> None:
    explorer.image = b"no picture"
    send(explorer, {"kind": "start", "name": "next.jpg", "size": 5000})
    assert explorer.error == ""


def test_a_corrupt_upload_is_refused_by_name(explorer: Explorer, drawn: Path) -> None:
    explorer.image = synthetic_samples()[0]
    upload(explorer, "cut.jpg", drawn.read_bytes()[:2000])
    assert_no_result(explorer)
    assert "cut.jpg is damaged" in explorer.error


def test_uploading_the_same_file_again_shows_it_again(explorer: Explorer, drawn: Path) -> None:
    for _ in range(2):
        upload(explorer, "same.jpg", drawn.read_bytes())
        assert explorer.prediction.source == "same.jpg"


def test_of_two_uploads_the_last_one_wins(explorer: Explorer, drawn: Path) -> None:
    send(explorer, {"kind": "start", "name": "first.jpg", "size": 10_000})
    send(explorer, {"kind": "piece"}, bytes(500))
    upload(explorer, "second.jpg", drawn.read_bytes())
    assert explorer.prediction.source == "second.jpg"


def test_an_oversize_file_is_refused_without_its_bytes(explorer: Explorer) -> None:
    explorer.image = synthetic_samples()[0]
    send(explorer, {"kind": "start", "name": "scan.tif", "size": -1})
    assert_no_result(explorer)
    assert "scan.tif" in explorer.error
    assert "64 MiB" in explorer.error


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        (None, []),
        ("start", []),
        ({"kind": "start", "name": 5, "size": "many"}, []),
        ({"kind": "start", "name": "x" * 10_000, "size": True}, []),
        ({"kind": "piece"}, []),
        ({"kind": "piece"}, [b"unannounced"]),
        ({"kind": "piece"}, [b"one", b"two"]),
        ({"kind": "sample", "number": 99}, []),
        ({"kind": "sample", "number": -1}, []),
        ({"kind": "sample", "number": "0"}, []),
        ({"kind": "reboot"}, []),
    ],
)
def test_hostile_messages_are_ignored_or_refused(content: Any, pieces: list[bytes], explorer: Explorer) -> None:
    send(explorer, content, *pieces)
    assert_no_result(explorer)
    assert len(page(explorer)) < 20_000


def test_more_bytes_than_announced_are_refused(explorer: Explorer) -> None:
    send(explorer, {"kind": "start", "name": "x.jpg", "size": 10})
    send(explorer, {"kind": "piece"}, bytes(11))
    assert "did not arrive as announced" in explorer.error


def test_clicking_a_sample_shows_it_as_synthetic(explorer: Explorer) -> None:
    send(explorer, {"kind": "sample", "number": 2})
    assert explorer.prediction.source == "synthetic melanoma"


def test_a_defect_becomes_one_plain_sentence_and_goes_to_the_log(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(LesionClassifier, "explain", fail)
    with caplog.at_level(logging.ERROR):
        explorer.image = synthetic_samples()[0]
    assert_no_result(explorer)
    assert "something inside lesionviz failed" in explorer.error
    assert "secret detail" not in page(explorer)
    assert "secret detail" in caplog.text


def test_without_a_classifier_the_default_is_loaded_in_the_background(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def slow() -> LesionClassifier:
        go.wait(20)
        return classifier

    monkeypatch.setattr("lesionviz.classifier.load", slow)
    explorer = Explorer()  # returns although the model is not there yet
    assert not explorer._classifier.done()
    go.set()
    explorer.image = synthetic_samples()[0]
    assert explorer.prediction is not None


def test_what_the_browser_gets_is_the_picture_the_network_sees_and_an_aligned_heatmap(
    explorer: Explorer, classifier: LesionClassifier
) -> None:
    big = draw_lesion("NV", 3, (1800, 1200))
    explorer.image = big
    view = explorer._view
    shown = Image.open(io.BytesIO(view.network_input))
    assert shown.tobytes() == classifier.preprocessing.resize(big).tobytes()
    photo, heat = (Image.open(io.BytesIO(data)) for data in (view.photo, view.heatmap))
    assert photo.size == heat.size == (900, 600)
    assert heat.mode == "RGBA"


def test_alpha_set_from_python_reaches_the_view(explorer: Explorer) -> None:
    explorer.alpha = 0.2
    assert explorer._view.alpha == 0.2


POINT = {"sensitivity": 0.9, "threshold": 0.25, "specificity": 0.7, "benign_per_melanoma": 2.5}


@pytest.fixture
def strict(small_checkpoint: Checkpoint) -> LesionClassifier:
    """A classifier that refuses whatever is darker than a quarter of full brightness."""
    limits = dict.fromkeys(QUALITY, (-100.0, 100.0)) | {"brightness": (0.25, 100.0)}
    refusal = Refusal(limits, np.zeros(FEATURES), np.eye(FEATURES), 1e9, 1e9, 0.95)
    return LesionClassifier(replace(small_checkpoint, refusal=refusal.to_dict(), operating_points=(POINT,)))


DARK = Image.new("RGB", (120, 90), (30, 20, 10))


def test_a_refused_picture_gets_no_diagnosis_until_the_person_insists(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = DARK
    assert explorer.prediction.refusal == "the picture is too dark"
    assert "the model gives no answer, because the picture is too dark." in page(explorer)
    assert explorer.prediction.diagnosis not in explorer._answer.value
    assert explorer.explanation is None
    assert explorer._insist.layout.display == ""
    explorer.target = "MEL"  # another class does not bring the map back
    assert explorer.explanation is None
    explorer._insist.click()
    assert explorer.insist
    assert "Do not rely on this answer: the picture is too dark." in explorer._answer.value
    assert explorer.explanation.target == "MEL"
    assert explorer._insist.layout.display == "none"


def test_nothing_can_be_insisted_on_before_there_is_a_picture(strict: LesionClassifier) -> None:
    assert Explorer(strict)._insist.layout.display == "none"


def test_insisting_ends_with_the_picture(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = DARK
    explorer.insist = True
    explorer.image = Image.new("RGB", (120, 90), (20, 20, 20))
    assert not explorer.insist
    assert explorer._answer.value == ""
    explorer.image = draw_lesion("NV", 1, (120, 90))
    assert explorer.prediction.refusal == ""
    assert explorer.explanation is not None
    assert explorer._insist.layout.display == "none"


def test_a_threshold_is_held_against_the_probability_of_melanoma(strict: LesionClassifier) -> None:
    explorer = Explorer(strict)
    explorer.image = draw_lesion("NV", 1, (120, 90))
    assert "lv-threshold" not in explorer._answer.value
    explorer.sensitivity = 0.9
    melanoma = explorer.prediction.probabilities["MEL"]
    side = "at or above" if melanoma >= 0.25 else "below"
    assert f"Melanoma {melanoma:.1%} is {side} 25.0%, the threshold that found 90%" in explorer._answer.value
    assert "called 2.5 images of benign lesions" in explorer._answer.value
    with pytest.raises(LesionvizError, match="sensitivity must be one of"):
        explorer.sensitivity = 0.33
    explorer.sensitivity = None
    assert "lv-threshold" not in explorer._answer.value


def test_a_model_without_thresholds_offers_none(explorer: Explorer, drawn: Path) -> None:
    explorer.image = drawn
    assert explorer._threshold.layout.display == "none"

"""Threshold and fade of a heatmap, by hand on maps of one or two values."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lesionviz.errors import LesionvizError
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import LesionImage


def half(**changes: object) -> Explanation:
    """Evidence of 2 everywhere, half of the largest of the four classes."""
    picture = LesionImage(Image.new("RGB", (40, 40), (200, 150, 100)), "plain")
    values: dict[str, object] = {"raw": np.full((2, 2), 2, np.float32), "shared_peak": 4.0} | changes
    return Explanation(
        target="MEL",
        layer="features.8",
        method="gradcam",
        source=picture.name,
        size=picture.pixels.size,
        image=picture,
        box=(0, 0, 40, 40),
        **values,  # type: ignore[arg-type]
    )


def opacity(picture: Image.Image) -> set[int]:
    return set(np.asarray(picture)[..., 3].ravel().tolist())


@pytest.mark.parametrize(
    ("threshold", "fade", "expected"),
    [(0, False, 255), (0.5, False, 255), (0.51, False, 0), (0.5, True, 128), (0.51, True, 0)],
)
def test_half_the_scale_is_left_out_above_a_threshold_of_half(threshold: float, fade: bool, expected: int) -> None:
    assert opacity(half().heatmap("shared across classes", threshold=threshold, fade=fade)) == {expected}


def test_a_faded_overlay_takes_alpha_times_the_share_of_the_scale() -> None:
    shown = half()
    colour = np.asarray(shown.heatmap("shared across classes"), float)[0, 0, :3]
    expected = np.array([200, 150, 100]) * (1 - 0.6 * 0.5) + colour * 0.6 * 0.5
    overlay = np.asarray(shown.overlay(0.6, "shared across classes", fade=True), float)
    assert np.abs(overlay - expected).max() <= 2  # Pillow rounds twice
    even = np.asarray(shown.overlay(0.6, "shared across classes"), float)
    assert np.abs(even - (np.array([200, 150, 100]) * 0.4 + colour * 0.6)).max() <= 1


def test_an_overlay_below_the_threshold_is_the_picture_bit_for_bit() -> None:
    shown = half()
    assert shown.overlay(1, "shared across classes", threshold=0.9).tobytes() == shown.image.pixels.tobytes()


def test_on_the_signed_scale_evidence_against_counts_as_much() -> None:
    left_against = half(raw=np.array([[-1, 2], [-1, 2]], np.float32))
    faded = np.asarray(left_against.heatmap("signed", fade=True))[..., 3]
    assert (faded[20, 0], faded[20, 39]) == (128, 255)
    above = np.asarray(left_against.heatmap("signed", threshold=0.6))[..., 3]
    assert (above[20, 0], above[20, 39]) == (0, 255)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), True, "0.5", None])
def test_impossible_thresholds_are_refused(threshold: float) -> None:
    with pytest.raises(LesionvizError, match="The threshold must be"):
        half().heatmap(threshold=threshold)
    with pytest.raises(LesionvizError, match="The threshold must be"):
        half().overlay(threshold=threshold)

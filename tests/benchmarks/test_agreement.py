"""Our maps against those of other libraries, on the bundled model and one test image.

Needs the ``bench`` extra; ``make bench`` installs it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lesionviz.classifier import load
from lesionviz.diagnoses import CODES
from lesionviz.explanation.display import upsample
from lesionviz.imaging import open_image

peer = pytest.importorskip("pytorch_grad_cam", reason="needs the bench extra: make bench")


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("layer", ["features.8", "features.3"])
def test_gradcam_agrees_with_pytorch_grad_cam_up_to_its_scaling(layer: str, code: str, photo: Path) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    picture = open_image(photo)
    classifier = load()
    size = classifier.preprocessing.size
    ours = upsample(classifier.explain(picture, code, layer).raw.clip(0), size, size)

    network = classifier.checkpoint.network().requires_grad_(True)
    with peer.GradCAM(network, target_layers=[network.get_submodule(layer)]) as gradcam:
        theirs = gradcam(classifier._input([picture]), targets=[ClassifierOutputTarget(CODES.index(code))])[0]
    assert theirs.shape == ours.shape == (size, size)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999

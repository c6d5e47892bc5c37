"""Our maps against those of other libraries, on the bundled model and one test image.

Needs the ``bench`` extra; ``make bench`` installs it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lesionviz.classifier import LesionClassifier, load
from lesionviz.diagnoses import CODES
from lesionviz.explanation.display import upsample
from lesionviz.explanation.engine import forward, last_maps
from lesionviz.explanation.methods import METHODS
from lesionviz.imaging import LesionImage, open_image
from lesionviz.machine import has
from lesionviz.network import LAYERS

PEERS = ("pytorch_grad_cam", "captum")
pytestmark = pytest.mark.skipif(not all(map(has, PEERS)), reason="needs the bench extra: make bench")


@pytest.fixture(scope="module")
def classifier() -> LesionClassifier:
    return load()


@pytest.fixture(scope="module")
def trainable(classifier: LesionClassifier) -> torch.nn.Module:
    """The same weights where peers can hook and call backward."""
    return classifier.checkpoint.network().requires_grad_(True)


@pytest.fixture(scope="module")
def picture(photo: Path) -> LesionImage:
    return open_image(photo)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("layer", ["features.8", "features.3"])
def test_gradcam_agrees_with_pytorch_grad_cam_up_to_its_scaling(
    layer: str, code: str, classifier: LesionClassifier, trainable: torch.nn.Module, picture: LesionImage
) -> None:
    import pytorch_grad_cam as peer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    size = classifier.preprocessing.size
    ours = upsample(classifier.explain(picture, code, layer).raw.clip(0), size, size)
    with peer.GradCAM(trainable, target_layers=[trainable.get_submodule(layer)]) as gradcam:
        theirs = gradcam(input_of(classifier, picture), targets=[ClassifierOutputTarget(CODES.index(code))])[0]
    assert theirs.shape == ours.shape == (size, size)
    if ours.max() == 0:  # no evidence for the class: the peer's map is flat, too
        assert np.ptp(theirs) == 0
    else:
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("layer", LAYERS)
def test_raw_maps_agree_with_captum_to_five_digits(
    layer: str, code: str, classifier: LesionClassifier, trainable: torch.nn.Module, picture: LesionImage
) -> None:
    import captum.attr as captum

    ours = classifier.explain(picture, code, layer).raw
    peer = captum.LayerGradCam(trainable, trainable.get_submodule(layer))
    theirs = peer.attribute(input_of(classifier, picture), target=CODES.index(code)).detach().numpy()[0, 0]
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def input_of(classifier: LesionClassifier, *pictures: LesionImage) -> torch.Tensor:
    return classifier._runner.batch([classifier.preprocessing.resize(picture.pixels) for picture in pictures])


def test_a_map_at_features_8_saves_no_memory_for_a_backward_pass(
    classifier: LesionClassifier, picture: LesionImage
) -> None:
    saved: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor.numel() * tensor.element_size())
        return tensor

    batch = input_of(classifier, picture)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        last_maps(classifier._network, forward(classifier._network, batch), METHODS["gradcam"])
    assert sum(saved) == 0

"""What the tests share: a drawn collection, a small trained model, real images where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.data.synthetic_collection import write_synthetic_isic2019
from lesionviz.diagnoses import CODES
from lesionviz.network import build_network
from lesionviz.preprocessing import Preprocessing, to_tensor

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def drawn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn collection in the ISIC 2019 layout."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic_isic2019(folder)
    return folder


@pytest.fixture(scope="session")
def random_checkpoint() -> Checkpoint:
    """A network with random weights whose batch norms pass signals on, so that maps are not flat."""
    torch.manual_seed(7)
    network = build_network()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
    with torch.no_grad():
        drawn = torch.stack([to_tensor(draw_lesion(code, n, (96, 96))) for code in CODES for n in range(4)])
        for _ in range(20):
            network(Preprocessing(size=96).normalise(drawn))
        network.get_parameter("classifier.1.weight").normal_(0, 0.05)
        network.get_parameter("classifier.1.bias").normal_(0, 0.5)
    return Checkpoint(state_dict=network.eval().state_dict(), preprocessing=Preprocessing(size=96))


@pytest.fixture(scope="session")
def classifier(random_checkpoint: Checkpoint) -> LesionClassifier:
    return LesionClassifier(random_checkpoint)


@pytest.fixture(scope="session")
def isic2019() -> Path:
    """The real collection; tests that need it are skipped where it is not at hand."""
    folder = Path(os.environ.get("LESIONVIZ_DATA") or SHARED / "data" / "ISIC_2019")
    if not folder.is_dir():
        pytest.skip("needs real ISIC 2019 images: name their folder in LESIONVIZ_DATA")
    return folder


@pytest.fixture(scope="session")
def photo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real test image where the data is at hand, a drawn one elsewhere."""
    try:
        collection = read_isic2019(request.getfixturevalue("isic2019"))
    except pytest.skip.Exception:
        path = tmp_path_factory.mktemp("photo") / "drawn.jpg"
        draw_lesion("BKL", 4, (600, 450)).save(path, quality=95)
        return path
    rows = split_by_lesion(collection).rows(collection, "test")
    return Path(rows["path"][rows["diagnosis"] == "MEL"].iloc[0])

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionviz import similarity
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import split_by_lesion
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.index import make_index
from lesionviz.similarity import EMBEDDING, SimilarityIndex


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(similarity.VARIABLE, str(tmp_path / "index"))


@pytest.fixture
def judged(small_checkpoint: Checkpoint, drawn_folder: Path) -> LesionClassifier:
    return LesionClassifier(replace(small_checkpoint, split=split_by_lesion(read_isic2019(drawn_folder)).describe()))


@pytest.mark.heavy
def test_a_training_image_finds_itself_and_then_other_lesions(judged: LesionClassifier, drawn_folder: Path) -> None:
    path = make_index(drawn_folder, judged)
    assert path.parent.name == "index"
    collection = read_isic2019(drawn_folder)
    rows = split_by_lesion(collection).rows(collection, "train")
    image = rows.iloc[10]
    cases = judged.similar(image["path"], 4)
    assert cases[0].image == image["image"]
    assert cases[0].diagnosis == image["diagnosis"]
    assert cases[0].path == image["path"]
    assert cases[0].similarity == pytest.approx(1, abs=1e-3)
    assert [c.similarity for c in cases] == sorted((c.similarity for c in cases), reverse=True)
    assert len({c.lesion for c in cases}) == 4
    assert {c.image for c in cases} <= set(rows["image"])  # no test image is shown as a case


def test_nearest_by_hand() -> None:
    embeddings = np.zeros((4, EMBEDDING), np.float32)
    embeddings[:, :2] = [[1, 0], [10, 1], [0, 1], [1, 1]]
    columns = {"image": list("abcd"), "lesion": ["L1", "L1", "L2", "L3"], "diagnosis": ["NV"] * 4, "path": [""] * 4}
    index = SimilarityIndex.of(embeddings, **{k: np.array(v) for k, v in columns.items()})
    asked = np.zeros(EMBEDDING, np.float32)
    asked[0] = 7
    cases = index.nearest(asked, 5)
    assert [case.image for case in cases] == ["a", "d", "c"]  # b shows the lesion of a
    assert [case.similarity for case in cases] == pytest.approx([1, 2**-0.5, 0], abs=1e-3)


def test_without_an_index_the_command_is_named(judged: LesionClassifier, drawn_folder: Path) -> None:
    image = read_isic2019(drawn_folder).present["path"].iloc[0]
    with pytest.raises(LesionvizError, match="lesionviz index --data DIR"):
        judged.similar(image)
    for wrong in (0, True, 2.0):
        with pytest.raises(LesionvizError, match="k must be"):
            judged.similar(image, wrong)  # type: ignore[arg-type]


@pytest.mark.heavy
def test_another_models_index_is_not_found(judged: LesionClassifier, drawn_folder: Path) -> None:
    make_index(drawn_folder, judged)
    state = dict(judged.checkpoint.state_dict)
    state["classifier.1.bias"] = state["classifier.1.bias"] + 1
    other = LesionClassifier(replace(judged.checkpoint, state_dict=state))
    assert other.index_path != judged.index_path
    # temperature and refusal do not change what is similar
    assert LesionClassifier(replace(judged.checkpoint, temperature=2.0)).index_path == judged.index_path


@pytest.mark.heavy
def test_a_new_index_is_used_without_a_new_classifier(judged: LesionClassifier, drawn_folder: Path) -> None:
    image = read_isic2019(drawn_folder).present["path"].iloc[0]
    make_index(drawn_folder, judged)
    few = len(judged._kept_index.read())
    make_index(drawn_folder, judged, part="all")
    assert len(judged._kept_index.read()) > few
    assert judged.similar(image, 1)[0].path == image


@pytest.mark.heavy
@pytest.mark.parametrize("damage", ["noise", "pickle", "shape", "label"])
def test_damaged_or_hostile_indices_are_refused(damage: str, judged: LesionClassifier, drawn_folder: Path) -> None:
    path = make_index(drawn_folder, judged)
    content = dict(np.load(path))
    if damage == "noise":
        path.write_bytes(b"no index")
    elif damage == "pickle":
        torch.save(content["image"].tolist(), path)
    elif damage == "shape":
        np.savez(path, **content | {"embeddings": content["embeddings"][:, :3]})
    else:
        np.savez(path, **content | {"diagnosis": np.full(len(content["image"]), "<script>")})
    with pytest.raises(LesionvizError, match=r"is damaged\. Make it again"):
        judged.similar(read_isic2019(drawn_folder).present["path"].iloc[0])


def test_the_network_for_drawings_gets_no_index_of_photographs(drawn_folder: Path) -> None:
    with pytest.raises(LesionvizError, match="knows drawings alone"):
        make_index(drawn_folder, drawn_classifier(), part="all")
    assert not drawn_classifier().index_path.exists()

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lesionviz.checkpoint import VARIABLE, Checkpoint
from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Preprocessing


@pytest.fixture
def content(small_checkpoint: Checkpoint, tmp_path: Path) -> dict[str, object]:
    """The dict inside a good checkpoint, to be spoiled."""
    small_checkpoint.save(tmp_path / "good.pth")
    loaded: dict[str, object] = torch.load(tmp_path / "good.pth", weights_only=True)
    return loaded


def test_everything_survives_a_round_trip(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    full = replace(
        small_checkpoint,
        temperature=1.5,
        recipe={"epochs": 3},
        split={"seed": 1},
        metrics={"epoch": 2},
        licence="for tests",
        history=("drawn",),
    )
    full.save(tmp_path / "model.pth")
    loaded = Checkpoint.load(tmp_path / "model.pth")
    assert len(loaded.file_sha256) == 64
    for name in ("preprocessing", "temperature", "recipe", "split", "metrics", "licence", "history"):
        assert getattr(loaded, name) == getattr(full, name)
    assert all(torch.equal(loaded.state_dict[key], full.state_dict[key]) for key in full.state_dict)


def test_half_precision_takes_half_the_room_and_answers_the_same(
    small_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    small_checkpoint.save(tmp_path / "full.pth")
    small_checkpoint.save(tmp_path / "half.pth", half=True)
    assert (tmp_path / "half.pth").stat().st_size < 0.55 * (tmp_path / "full.pth").stat().st_size
    full, half = (load(tmp_path / name) for name in ("full.pth", "half.pth"))
    for sample in synthetic_samples():
        a, b = full.predict(sample), half.predict(sample)
        assert a.probabilities == pytest.approx(b.probabilities, abs=0.01)


def test_the_original_notebooks_bare_state_dict_loads(small_checkpoint: Checkpoint, tmp_path: Path) -> None:
    torch.save(dict(small_checkpoint.state_dict), tmp_path / "best_model.pth")
    classifier = load(tmp_path / "best_model.pth")
    assert classifier.preprocessing == Preprocessing(size=224, geometry="stretch")
    assert sum(classifier.predict(synthetic_samples()[0]).probabilities.values()) == pytest.approx(1)


def test_temperature_divides_the_logits(small_checkpoint: Checkpoint) -> None:
    sample = synthetic_samples()[1]
    plain = LesionClassifier(small_checkpoint).predict(sample)
    cooled = LesionClassifier(replace(small_checkpoint, temperature=2.0)).predict(sample)
    ratio = {code: p**0.5 for code, p in plain.probabilities.items()}  # softmax(z / 2) ~ sqrt(softmax(z))
    assert cooled.probabilities == pytest.approx({c: r / sum(ratio.values()) for c, r in ratio.items()})


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of a stranger ran",))


def test_code_in_a_file_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"format": _Bomb()}, tmp_path / "evil.pth")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(_Bomb()))
    for name in ("evil.pth", "evil.pkl"):
        with pytest.raises(LesionvizError, match=r"Expected is a best_model\.pth"):
            Checkpoint.load(tmp_path / name)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("data", [b"", b"not a model", b"PK\x03\x04 cut short"])
def test_damaged_files_are_refused_in_words(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(data)
    with pytest.raises(LesionvizError, match=r"broken\.pth is damaged"):
        Checkpoint.load(tmp_path / "broken.pth")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match=r"no file .*lost\.pth"):
        Checkpoint.load(tmp_path / "lost.pth")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ({"version": 99}, "format version 99"),
        ({"classes": ["NV", "MEL", "BKL", "BCC"]}, "tells apart"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"recipe": None}, "recipe"),
        ({"state_dict": {}}, "missing"),
        ({"preprocessing": Preprocessing().to_dict() | {"size": 10**6}}, "input size"),
        ({"preprocessing": {"size": 224}}, "incomplete"),
    ],
)
def test_spoiled_contents_are_refused_by_name(
    spoil: dict[str, object], words: str, content: dict[str, object], tmp_path: Path
) -> None:
    torch.save(content | spoil, tmp_path / "spoiled.pth")
    with pytest.raises(LesionvizError, match=words):
        Checkpoint.load(tmp_path / "spoiled.pth")


@pytest.mark.parametrize(
    ("tensor", "words"),
    [(torch.zeros(7, 1280), "7 classes, 4 expected"), (torch.full((4, 1280), float("nan")), "not finite")],
)
def test_a_wrong_head_is_refused(
    tensor: torch.Tensor, words: str, small_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    torch.save(dict(small_checkpoint.state_dict) | {"classifier.1.weight": tensor}, tmp_path / "head.pth")
    with pytest.raises(LesionvizError, match=words):
        Checkpoint.load(tmp_path / "head.pth")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.pth"
    small_checkpoint.save(path)
    before = path.read_bytes()

    def half_way(_content: object, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", half_way)
    with pytest.raises(OSError, match="disk full"):
        small_checkpoint.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_default_can_be_named_in_the_environment(
    small_checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_checkpoint.save(tmp_path / "other.pth")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other.pth"))
    assert Checkpoint.load().preprocessing.size == 96

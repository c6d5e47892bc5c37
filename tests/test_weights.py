"""Checkpoints as people have them: a good network in every wrapping, and everything else named for what it is."""

from __future__ import annotations

import argparse
import datetime
import io
import pickle
import sys
import threading
import uuid
import zipfile
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256
from lesionviz.network import build_network
from lesionviz.training.initial_weights import KNOWN, initial_network, starts_from_imagenet
from lesionviz.weights.find import find_weights
from lesionviz.weights.timm import from_timm

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def good() -> State:
    """A four-class network that is nobody's, with numbers in its running statistics, too."""
    torch.manual_seed(5)
    return {
        key: t + 0.1 * torch.rand_like(t) if t.is_floating_point() else t
        for key, t in build_network().state_dict().items()
    }


def before(state: State, prefix: str) -> State:
    return {prefix + key: tensor for key, tensor in state.items()}


def timm_names(state: State) -> State:
    """The same tensors under timm's names, in the order in which both packages define them (as in timm 1.0.31)."""
    names = ["conv_stem.weight", *_norm("bn1")]
    blocks = (1, 2, 2, 3, 3, 4, 1)
    squeeze = [f"se.{name}.{kind}" for name in ("conv_reduce", "conv_expand") for kind in ("weight", "bias")]
    for stage, count in enumerate(blocks):
        for block in range(count):
            parts = [
                "conv_pw.weight",
                *_norm("bn1"),
                "conv_dw.weight",
                *_norm("bn2"),
                *squeeze,
                "conv_pwl.weight",
                *_norm("bn3"),
            ]
            if stage == 0:
                parts = ["conv_dw.weight", *_norm("bn1"), *squeeze, "conv_pw.weight", *_norm("bn2")]
            names += [f"blocks.{stage}.{block}.{part}" for part in parts]
    names += ["conv_head.weight", *_norm("bn2"), "classifier.weight", "classifier.bias"]
    return dict(zip(names, state.values(), strict=True))


def _norm(name: str) -> list[str]:
    return [f"{name}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")]


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "DataParallel": lambda s: before(s, "module."),
    "compile": lambda s: before(s, "_orig_mod."),
    "Lightning": lambda s: {"state_dict": before(s, "model."), "epoch": 3, "hyper_parameters": {"lr": 0.1}},
    "DataParallel of compile": lambda s: before(s, "module._orig_mod."),
    "compile of DataParallel": lambda s: before(s, "_orig_mod.module."),
    "all three": lambda s: {"state_dict": before(s, "model._orig_mod.module.")},
    "some other attribute": lambda s: before(s, "net.backbone."),
    "compiled part": lambda s: {key.replace("features.", "features._orig_mod."): t for key, t in s.items()},
    "parallel part": lambda s: {key.replace("features.", "features.module."): t for key, t in s.items()},
    "state_dict": lambda s: {"state_dict": s},
    "model_state_dict": lambda s: {"model_state_dict": s, "optimizer_state_dict": {"state": {}, "param_groups": []}},
    "model": lambda s: {"model": s, "epoch": 9},
    "another name": lambda s: {"weights_of_our_best": s, "note": "the third try"},
    "deep": lambda s: {"checkpoint": {"model": {"state_dict": before(s, "module.")}}},
    "ordered": lambda s: OrderedDict(s),
    "parameters": lambda s: {k: torch.nn.Parameter(t) if t.is_floating_point() else t for k, t in s.items()},
    "averaged model": lambda s: before(s, "module.") | {"n_averaged": torch.tensor(7)},
    "loss beside": lambda s: {"state_dict": before(s, "model.") | {"criterion.weight": torch.ones(4)}},
    "without counts": lambda s: {key: t for key, t in s.items() if not key.endswith("num_batches_tracked")},
    "double": lambda s: {k: t.double() if t.is_floating_point() else t for k, t in s.items()},
    "timm": timm_names,
    "timm, Lightning": lambda s: {"state_dict": before(timm_names(s), "model.")},
}


@pytest.mark.heavy
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_good_network_is_found_in_every_wrapping(wrapping: str, good: State, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save(WRAPPINGS[wrapping](good), path)
    loaded = Checkpoint.load(path)
    assert loaded.state_dict.keys() == good.keys()
    assert all(torch.equal(loaded.state_dict[key], good[key]) for key in good)
    assert "how it was trained is not recorded" in loaded.history[0]
    assert ("timm" in loaded.history[0]) == ("timm" in wrapping)


@pytest.mark.heavy
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_training_may_start_from_every_wrapping(wrapping: str, good: State, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    torch.save(WRAPPINGS[wrapping](good), path)
    network, origin = initial_network(path)
    state = network.state_dict()
    assert all(torch.equal(state[key], good[key]) for key in good if key.startswith("features."))
    assert not torch.equal(state["classifier.1.weight"], good["classifier.1.weight"])
    assert f"the file theirs.pth of SHA-256 {sha256(path)}, of unknown origin" in origin
    assert "ImageNet" not in origin


def test_what_loops_leave_beside_the_weights_is_passed_over(good: State, tmp_path: Path) -> None:
    network = build_network()
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.zeros(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    beside = {
        "optimizer": optimizer.state_dict(),
        "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 3).state_dict(),
        "accuracy": np.float64(0.8),
        "loss": np.float32(0.5),
        "epoch": np.int64(7),
        "improved": np.bool_(True),
        "curve": np.linspace(0, 1, 5),
        "options": argparse.Namespace(lr=0.1, out=Path("runs/one")),
        "place": Path("runs/one"),
        "when": datetime.datetime(2026, 1, 1),
        "took": datetime.timedelta(hours=2),
        "counts": defaultdict(int, {"NV": 3}),
        "rng": torch.get_rng_state(),
        "day": datetime.date(2026, 1, 1),
        "when_there": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "last": deque([0.5, 0.25], maxlen=9),
        "frozen": frozenset({"features"}),
        "seen": {"NV"},
        "phase": 1j,
        "steps": range(3),
        "part": slice(2),
        "facts": SimpleNamespace(lr=0.1),
        "run": uuid.UUID(int=7),
        "numpy_rng": np.random.RandomState(0).get_state()[1],
    }
    torch.save({"model_state_dict": good} | beside, tmp_path / "best.pth")
    loaded = Checkpoint.load(tmp_path / "best.pth").state_dict
    assert all(torch.equal(loaded[key], good[key]) for key in good)


def test_figures_of_an_older_numpy_are_passed_over(good: State, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(
        {"state_dict": good, "accuracy": np.float64(0.8)}, tmp_path / "new.pth", _use_new_zipfile_serialization=False
    )
    data = (tmp_path / "new.pth").read_bytes()
    assert b"numpy._core.multiarray" in data or b"numpy.core.multiarray" in data
    buffer.write(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    (tmp_path / "old.pth").write_bytes(buffer.getvalue())
    assert Checkpoint.load(tmp_path / "old.pth").state_dict.keys() == good.keys()


def test_torchs_older_file_format_is_read(good: State, tmp_path: Path) -> None:
    torch.save(before(good, "module."), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert Checkpoint.load(tmp_path / "old.pth").state_dict.keys() == good.keys()


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of a stranger ran",))


def _save_whole(folder: Path) -> Path:
    torch.save(build_network(), folder / "theirs.pth")
    return folder / "theirs.pth"


def _save_whole_old(folder: Path) -> Path:
    torch.save(build_network(), folder / "theirs.pth", _use_new_zipfile_serialization=False)
    return folder / "theirs.pth"


def _save_within(folder: Path) -> Path:
    torch.save({"epoch": 3, "model": torch.nn.DataParallel(build_network())}, folder / "theirs.pth")
    return folder / "theirs.pth"


def _save_pickle(folder: Path) -> Path:
    (folder / "theirs.pth").write_bytes(pickle.dumps(torch.nn.Sequential(torch.nn.Linear(2, 2)), protocol=2))
    return folder / "theirs.pth"


def _save_pickle_of_today(folder: Path) -> Path:
    (folder / "theirs.pth").write_bytes(pickle.dumps(build_network()))
    return folder / "theirs.pth"


def _save_whole_in_protocol_4(folder: Path) -> Path:
    torch.save({"model": build_network(), "again": torch.nn.Linear(2, 2)}, folder / "theirs.pth", pickle_protocol=4)
    return folder / "theirs.pth"


def _save_own_class(folder: Path) -> Path:
    module = ModuleType("their_code")
    exec("import torch\nclass LesionNet(torch.nn.Sequential): pass", module.__dict__)
    module.LesionNet.__module__ = "their_code"  # type: ignore[attr-defined]
    sys.modules["their_code"] = module
    try:
        torch.save(module.LesionNet(torch.nn.Linear(2, 2)), folder / "theirs.pth")  # type: ignore[attr-defined]
    finally:
        del sys.modules["their_code"]
    return folder / "theirs.pth"


@pytest.mark.heavy
@pytest.mark.parametrize(
    "save",
    [
        *(_save_whole, _save_whole_old, _save_within, _save_pickle, _save_own_class),
        *(_save_pickle_of_today, _save_whole_in_protocol_4),
    ],
)
@pytest.mark.filterwarnings("ignore:.*Couldn't retrieve source:UserWarning")
def test_a_pickled_model_is_called_one(save: Callable[[Path], Path], tmp_path: Path) -> None:
    path = save(tmp_path)
    for read in (Checkpoint.load, initial_network):
        with pytest.raises(
            LesionvizError, match=r"theirs\.pth holds a pickled model \(.+\)\. Save its state dict"
        ) as caught:
            read(path)
        assert "damaged" not in str(caught.value)
        assert "torch.save(model.state_dict(), FILE)" in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_torchscript_model_is_called_one(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2))
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, 2)), tmp_path / "traced.pt")
    with pytest.raises(LesionvizError, match=r"traced\.pt holds a TorchScript model\. Save its state dict"):
        Checkpoint.load(tmp_path / "traced.pt")


@pytest.mark.parametrize("member", ["theirs/archive_format", "serialized_exported_program.json"])
def test_a_program_of_torch_export_is_called_one(member: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "theirs.pt2", "w") as archive:  # as newer and older versions of torch lay it out
        archive.writestr(member, "pt2")
    with pytest.raises(LesionvizError, match=r"theirs\.pt2 holds a program of torch\.export\. Save its state dict"):
        Checkpoint.load(tmp_path / "theirs.pt2")


def test_a_state_dict_in_another_protocol_is_told_how_to_be_saved(good: State, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pth"
    for save in (
        lambda: torch.save({"state_dict": good, "loss": np.float64(1)}, path, pickle_protocol=4),
        lambda: path.write_bytes(pickle.dumps(good, protocol=4)),
    ):
        save()
        with pytest.raises(
            LesionvizError, match=r"theirs\.pth is pickled with protocol 4, .*torch\.save\(model\.state"
        ):
            Checkpoint.load(path)


def test_other_objects_are_named_and_not_run(good: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": good, "hook": _Bomb()}, tmp_path / "evil.pth")
    torch.save({"state_dict": good, "hook": _Bomb()}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": good, "hook": _Bomb()}, tmp_path / "new.pth", pickle_protocol=4)
    for name in ("evil.pth", "old.pth", "new.pth"):
        with pytest.raises(LesionvizError, match=rf"{name} holds Python objects \(.*print\).*would run their code"):
            Checkpoint.load(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_stand_ins_do_nothing_with_hostile_states(good: State, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return (np.ndarray, ((10**12,), "O"), {"__class__": int, "shape": (-1,)})

    torch.save({"state_dict": good, "array": Hostile()}, tmp_path / "hostile.pth")
    assert Checkpoint.load(tmp_path / "hostile.pth").state_dict.keys() == good.keys()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "is an HDF5 file, as Keras writes it"),
        (b'\x40\0\0\0\0\0\0\0{"a": {"dtype": "F32"}}' + bytes(50), "is a safetensors file.*load_file"),
        (b"PK\3\4 cut short", "is damaged"),
        (pickle.dumps({"a": 1}, 4), "is pickled with protocol 4"),
        (pickle.dumps({"a": 1}, 2), "is damaged or is not a model file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is only a pointer of Git LFS.*git lfs pull"),
        (b"\n<!DOCTYPE html><html><title>Sign in", "is a web page.*Download the file again"),
        (b"", "is damaged"),
    ],
)
def test_other_kinds_of_file_are_named(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.pth").write_bytes(data)
    with pytest.raises(LesionvizError, match=rf"theirs\.pth {words}"):
        Checkpoint.load(tmp_path / "theirs.pth")


@pytest.mark.heavy
@pytest.mark.parametrize("count", [1, 2, 7, 8, 1000])
def test_another_number_of_classes_is_said_by_number(count: int, good: State, tmp_path: Path) -> None:
    heads = {"classifier.1.weight": torch.zeros(count, 1280), "classifier.1.bias": torch.zeros(count)}
    for content in (good | heads, {"state_dict": before(timm_names(good | heads), "model.")}):
        torch.save(content, tmp_path / "theirs.pth")
        with pytest.raises(
            LesionvizError, match=rf"theirs\.pth tells apart {count:,} classes, 4 expected: BCC, BKL, MEL, NV"
        ):
            Checkpoint.load(tmp_path / "theirs.pth")
        _, origin = initial_network(tmp_path / "theirs.pth")
        assert f"its head told apart {count:,} classes" in origin
        assert "ImageNet" not in origin


def test_of_several_networks_none_is_guessed(good: State, tmp_path: Path) -> None:
    for content in (
        {"model": good, "ema": good},
        before(good, "student.") | before(good, "teacher."),
        good | before(good, "module."),
        {"network": good, "average": before(good, "module.")},
    ):
        torch.save(content, tmp_path / "two.pth")
        with pytest.raises(
            LesionvizError, match=r"two\.pth holds several networks \(.+, .+\)\. Save the state dict of the one"
        ):
            Checkpoint.load(tmp_path / "two.pth")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(4, 512)},
            "another network.*2 are unknown",
        ),
        ({"_conv_stem.weight": torch.zeros(32, 3, 3, 3)}, "efficientnet_pytorch.*other answers"),
        ({"epoch": 3}, "no named tensors"),
        ({}, "no named tensors"),
        ([torch.zeros(2)], "does not hold named tensors"),
        (torch.zeros(3), "does not hold named tensors"),
        ({1: torch.zeros(2)}, "does not hold named tensors"),
    ],
)
def test_what_is_no_efficientnet_is_refused_in_words(content: object, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "theirs.pth")
    with pytest.raises(LesionvizError, match=rf"theirs\.pth .*{words}"):
        Checkpoint.load(tmp_path / "theirs.pth")


ODD: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "no values": (lambda t: t.to("meta"), "only a shape"),
    "sparse": (lambda t: t.to_sparse(), "sparse values"),
    "quantised": (lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8), "quantised values"),
    "whole numbers": (lambda t: t.to(torch.int8), "kind int8"),
    "complex": (lambda t: t.to(torch.complex64), "kind complex64"),
}


@pytest.mark.heavy
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_tensors_without_ordinary_numbers_are_refused_by_name(
    kind: str, good: State, small_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    change, words = ODD[kind]
    path, spoiled = tmp_path / "theirs.pth", {"classifier.1.weight": change(good["classifier.1.weight"])}
    torch.save(good | spoiled, path)
    for read in (Checkpoint.load, initial_network):
        with pytest.raises(
            LesionvizError, match=rf"theirs\.pth: classifier\.1\.weight holds .*{words}.*ordinary float32"
        ):
            read(path)
    small_checkpoint.save(path)
    content = torch.load(path, weights_only=True)
    content["state_dict"] |= spoiled
    torch.save(content, path)
    with pytest.raises(LesionvizError, match=rf"classifier\.1\.weight holds .*{words}"):
        Checkpoint.load(path)


def test_a_file_that_opens_itself_for_ever_ends(tmp_path: Path) -> None:
    loop: dict[str, Any] = {"epoch": 1}
    loop["self"] = loop
    torch.save(loop, tmp_path / "loop.pth")
    with pytest.raises(LesionvizError, match=r"loop\.pth holds no state dict"):
        Checkpoint.load(tmp_path / "loop.pth")


def test_names_of_timm_are_converted_one_to_one(good: State) -> None:
    converted = from_timm(timm_names(good))
    assert list(converted) == list(good)
    assert all(converted[key] is good[key] for key in good)
    assert from_timm({"blocks.9.0.odd.weight": good["classifier.1.bias"]}).keys() == {"blocks.9.0.odd.weight"}


BESIDE: dict[str, dict[str, Any]] = {
    "timm's own loop": {"arch": "tf_efficientnet_b0", "epoch": 3},
    "a release": {"pretrained_cfg": {"architecture": "tf_efficientnet_b0", "tag": "ns_jft_in1k"}},
    "options": {"hyper_parameters": {"model": {"name": "tf_efficientnet_b0.ns_jft_in1k"}}},
    "the hub": {"model_name": "hf_hub:timm/tf_efficientnet_b0.aa_in1k"},
}


@pytest.mark.parametrize("where", BESIDE)
def test_a_network_that_only_looks_like_timms_is_refused_by_the_name_beside_it(
    where: str, good: State, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": timm_names(good)} | BESIDE[where], path)
    for read in (Checkpoint.load, initial_network):
        with pytest.raises(
            LesionvizError, match=r"theirs\.pth is of timm's tf_efficientnet_b0.* pads and normalises in"
        ):
            read(path)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "beside",
    [
        {"arch": "efficientnet_b0"},
        {"pretrained_cfg": {"architecture": "efficientnet_b0", "origin": "better than my_tf_efficientnet_b0"}},
        {"epoch": 3},
    ],
)
def test_timms_own_network_is_taken_and_its_double_is_warned_of(
    beside: dict[str, Any], good: State, tmp_path: Path
) -> None:
    path = tmp_path / "theirs.pth"
    torch.save({"state_dict": timm_names(good)} | beside, path)
    assert "a tf_efficientnet_b0 has the same names" in Checkpoint.load(path).history[0]
    assert "a tf_efficientnet_b0 has the same names" in initial_network(path)[1]
    torch.save({"state_dict": good, "arch": "tf_efficientnet_b0"}, path)  # torchvision's names: another's note
    assert "tf_efficientnet_b0" not in Checkpoint.load(path).history[0]


@pytest.mark.heavy
def test_many_threads_read_files_with_figures_at_once(good: State, tmp_path: Path) -> None:
    torch.save({"state_dict": good, "accuracy": np.float64(1)}, tmp_path / "best.pth")
    failed: list[BaseException] = []

    def read() -> None:
        try:
            Checkpoint.load(tmp_path / "best.pth")
        except LesionvizError as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


# --- where a training starts ---------------------------------------------------------------------------------------------

SPLIT = {"sha256": "a" * 64}


def test_torchvisions_own_file_is_known_by_its_hash(
    good: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import EfficientNet_B0_Weights

    assert f"-{next(iter(KNOWN))}." in EfficientNet_B0_Weights.IMAGENET1K_V1.url
    torch.save(good, tmp_path / "b0.pth")
    assert "unknown origin" in initial_network(tmp_path / "b0.pth")[1]
    assert not starts_from_imagenet(tmp_path / "b0.pth")
    monkeypatch.setitem(KNOWN, sha256(tmp_path / "b0.pth")[:8], KNOWN[next(iter(KNOWN))])
    assert initial_network(tmp_path / "b0.pth")[1] == (
        "The trunk started from b0.pth: torchvision's EfficientNet-B0 IMAGENET1K_V1 (ImageNet), as published, "
        "the head from random weights."
    )
    assert starts_from_imagenet(tmp_path / "b0.pth")


@pytest.mark.heavy
@pytest.mark.parametrize("wrapping", ["DataParallel", "Lightning", "timm", "double"])
def test_the_bundled_model_is_known_again_in_any_wrapping(wrapping: str, tmp_path: Path) -> None:
    bundled = Checkpoint.load(BUNDLED)
    torch.save(WRAPPINGS[wrapping](dict(bundled.state_dict)), tmp_path / "anonymous.pth")
    with pytest.raises(LesionvizError, match=r"anonymous\.pth was trained on another split"):
        initial_network(tmp_path / "anonymous.pth", SPLIT)
    _, origin = initial_network(tmp_path / "anonymous.pth", bundled.split)
    assert bundled.history[0].rstrip(".") in origin
    assert "an earlier model" in origin


def test_a_split_that_is_recorded_anywhere_is_held_to(good: State, tmp_path: Path) -> None:
    for content in ({"state_dict": good, "split": SPLIT}, {"model": good, "facts": {"split": SPLIT}}):
        torch.save(content, tmp_path / "theirs.pth")
        assert initial_network(tmp_path / "theirs.pth", SPLIT)
        with pytest.raises(LesionvizError, match=r"theirs\.pth was trained on another split"):
            initial_network(tmp_path / "theirs.pth", {"sha256": "b" * 64})


def test_what_an_unknown_file_has_seen_is_said_to_be_unknown(good: State, tmp_path: Path) -> None:
    torch.save({"state_dict": good}, tmp_path / "theirs.pth")
    _, origin = initial_network(tmp_path / "theirs.pth", SPLIT)
    assert "whether it has seen images of this test part cannot be told" in origin
    assert "found in its 'state_dict'" in origin
    assert find_weights({"state_dict": good}, "theirs.pth").classes == 4

"""What the doctor says of healthy and of broken installations, and that it never faints."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from lesionviz import doctor, machine
from lesionviz.checkpoint import BUNDLED
from lesionviz.cli import main
from lesionviz.doctor import Finding, State, examine, to_text
from lesionviz.errors import LesionvizError
from lesionviz.machine import check_shared_memory, writable

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _quick_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing torch takes seconds; one test does it."""
    monkeypatch.setattr(doctor, "TRY_TORCH", "print(2, False)")


def found(name: str) -> Finding:
    return {finding.name: finding for finding in examine()}[name]


def test_it_looks_at_everything_that_the_dashboard_stands_on() -> None:
    names = {finding.name for finding in examine()}
    assert names >= {"Python", "torch", "Pillow", "formats", "widgets", "home", "temporary files", "cache"}
    assert names >= {"Jupyter's runtime files", "port", "memory", "bundled model", "terminal"}


def test_lines_are_aligned_and_of_plain_letters() -> None:
    text = to_text(
        [Finding("a", "ok", "1"), Finding("long name", "WRONG", "2", "Do it."), Finding("b", "note", "3", "Or not.")]
    )
    assert text.splitlines() == [
        "ok     a          1",
        "WRONG  long name  2",
        "                  -> Do it.",
        "note   b          3",
        "                  -> Or not.",
        "",
        "1 of 3 things are wrong.",
    ]
    assert to_text(examine()).isascii()


@pytest.mark.parametrize(("state", "status"), [("ok", 0), ("note", 0), ("WRONG", 1)])
def test_only_what_is_wrong_gives_exit_status_1(
    state: State, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("thing", state, "told", "Do it.")])
    assert main(["doctor"]) == status
    assert f"{state:<6} thing  told" in capsys.readouterr().out


@pytest.mark.heavy
def test_the_pair_of_torch_and_torchvision_is_really_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "nms" in doctor.TRY_TORCH
    (finding,) = doctor._torch()
    assert finding.state == "ok"
    assert "threads" in finding.told


@pytest.mark.parametrize(
    ("code", "told", "advice"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist')", "nms", "do not belong together"),
        ("import a_torch_that_is_not_there", "No module named", "Install both: pip install torch torchvision"),
        ("raise ImportError('libcudart.so.12: cannot open')", "libcudart", "--force-reinstall"),
        (
            "import os; os.kill(os.getpid(), 4)",
            "ended with -4",
            "--force-reinstall",
        ),  # an instruction that is unknown
    ],
)
def test_a_torch_that_cannot_be_imported_is_described(
    code: str, told: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "TRY_TORCH", code)
    finding = found("torch")
    assert finding.state == "WRONG"
    assert told in finding.told
    assert advice in finding.advice


def test_a_torch_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "TRY_TORCH", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "PATIENCE", 0.5)
    assert "not imported after" in found("torch").told


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"jupyterlab-widgets": "1.1.7"}, "ipywidgets 8.* and jupyterlab-widgets 1.1.7 do not belong together"),
        ({"widgetsnbextension": "3.6.6"}, "widgetsnbextension 3.6.6 do not belong together"),
        ({"ipywidgets": "7.8.1"}, "ipywidgets 7.8.1 and jupyterlab-widgets 3.* do not belong together"),
        ({"voila": None}, "voila missing"),
        ({"anywidget": None}, "anywidget missing"),
    ],
)
def test_widgets_that_do_not_match_are_named(
    versions: dict[str, str | None], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: versions.get(name, real(name)))
    finding = next(each for each in doctor._widgets() if each.name == "widgets")
    assert finding.state == "WRONG"
    assert all(part in finding.told for part in words.split("*"))
    assert "pip install -U ipywidgets" in finding.advice


def test_widgets_that_jupyter_does_not_find_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "jupyter_paths", lambda: [str(tmp_path)])
    finding = found("widgets in Jupyter")
    assert finding.state == "WRONG"
    assert "jupyterlab-widgets, anywidget" in finding.told


@pytest.mark.parametrize("lost", ["pillow_heif", "pydicom"])
def test_a_missing_reader_is_a_note_with_its_command(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.has
    monkeypatch.setattr(doctor, "has", lambda name: name != lost and real(name))
    finding = found("formats")
    assert finding.state == "note"
    assert f"pip install {lost.replace('_', '-')}" in finding.advice


def test_a_package_that_is_missing_or_too_old_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: {"tqdm": None, "pandas": "1.0"}.get(name, real(name)))
    told = {finding.name: finding for finding in doctor._packages()}
    assert told["tqdm"].told.startswith("is missing")
    assert told["pandas"].told.startswith("1.0 is installed")
    assert told["pandas"].advice.startswith("Install it: pip install 'pandas>=")


def test_folders_that_cannot_be_written_to_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("HOME", str(blocked))
    monkeypatch.setenv("LESIONVIZ_CACHE", str(blocked / "cache"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(blocked / "runtime"))
    for name, advice in (
        ("home", "works all the same"),
        ("cache", "LESIONVIZ_CACHE"),
        ("Jupyter's runtime files", "RUNTIME"),
    ):
        finding = found(name)
        assert (finding.state, "cannot be written to" in finding.told) == ("note", True)
        assert advice in finding.advice


def test_looking_at_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    assert writable(tmp_path / "not" / "yet" / "there")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert not writable(tmp_path / "file" / "below")


def test_taken_ports_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(doctor, "PORT", taken.getsockname()[1])
        finding = found("port")
        assert finding.state == "note"
        assert f"{taken.getsockname()[1]} is taken" in finding.told

    def refuse(*_arguments: object) -> None:
        raise OSError(1, "Operation not permitted")

    class Blocked(socket.socket):
        bind = refuse  # type: ignore[assignment]

    monkeypatch.setattr(doctor.socket, "socket", Blocked)
    assert found("port").state == "WRONG"


def test_too_little_memory_is_wrong_and_little_shared_memory_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_memory", lambda: 300 * 2**20)
    assert found("memory").state == "WRONG"
    monkeypatch.setattr(doctor, "available_memory", lambda: None)
    assert found("memory").state == "note"
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(64 * 2**20, 0, 64 * 2**20))
    finding = next(each for each in doctor._memory() if each.name == "shared memory")
    assert (finding.state, "docker run --shm-size" in finding.advice) == ("note", True)


def test_workers_without_room_are_refused_before_a_training_begins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 * 2**20, 0, 64 * 2**20))
    check_shared_memory(0, 10**12)
    check_shared_memory(2, 16 * 2**20)
    with pytest.raises(LesionvizError, match=r"3 workers .* 64 MiB are free and 96 MiB may be needed.*--workers 0"):
        check_shared_memory(3, 16 * 2**20)
    arguments = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--workers", "8", "--size", "224"]
    assert main(arguments) == 1
    assert "--shm-size" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_damaged_or_missing_model_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert found("bundled model").state == "ok"
    copied = tmp_path / "best_model.pth"
    shutil.copy(f"{BUNDLED}.sha256", f"{copied}.sha256")
    monkeypatch.setattr(doctor, "MODEL", copied)
    assert "is missing" in found("bundled model").told
    copied.write_bytes(BUNDLED.read_bytes()[:-1])
    assert (found("bundled model").state, found("bundled model").advice) == ("WRONG", "Install lesionviz again.")
    copied.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert found("bundled model").advice == "git lfs pull"
    monkeypatch.setenv("LESIONVIZ_MODEL", str(tmp_path / "lost.pth"))
    assert found("chosen model").state == "WRONG"
    assert "does not exist" in found("chosen model").told
    monkeypatch.setenv("LESIONVIZ_MODEL", str(tmp_path))
    assert found("chosen model").state == "WRONG"
    assert found("chosen model").told.endswith("which is a folder")
    assert "file in it" in found("chosen model").advice
    (tmp_path / "own.pth").touch()
    monkeypatch.setenv("LESIONVIZ_MODEL", str(tmp_path / "own.pth"))
    assert (found("chosen model").state, found("chosen model").advice) == ("ok", "")


def test_a_look_that_fails_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def faint(*_arguments: Any) -> Any:
        raise KeyError("odd machine")

    for name in ("version", "has", "available_memory", "writable", "sha256", "jupyter_paths"):
        with monkeypatch.context() as patch:
            patch.setattr(doctor, name, faint)
            findings = examine()
        wrong = [finding for finding in findings if "odd machine" in finding.told]
        assert wrong, name
        assert len(findings) > len(wrong)


def test_it_runs_where_nothing_is_installed_and_on_a_terminal_of_ascii(tmp_path: Path) -> None:
    """A bare Python without any package, as after a failed installation."""
    venv.create(tmp_path / "bare")
    root = Path(doctor.__file__).parents[1]
    code = f"import sys; sys.path.append({str(root)!r}); from lesionviz.cli import main; sys.exit(main(['doctor']))"
    environment = {"PYTHONIOENCODING": "ascii", "LANG": "C", "PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    done = subprocess.run(
        [tmp_path / "bare" / "bin" / "python", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert "Install both: pip install torch torchvision" in done.stdout
    assert "No module named 'PIL'" in done.stdout
    assert "things are wrong." in done.stdout

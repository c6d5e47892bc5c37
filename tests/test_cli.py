from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import lesionviz
from lesionviz.cli import main
from lesionviz.training.loop import BEST


@pytest.mark.heavy
@pytest.mark.usefixtures("few_strangers")
def test_train_then_evaluate_writes_model_and_figures(
    drawn_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesionviz, "evaluate", partial(lesionviz.evaluate, draws=5))
    run, figures = tmp_path / "run", tmp_path / "figures"
    small = ["--size", "64", "--epochs", "1", "--batch-size", "16", "--cpu", "--half"]
    assert main(["train", "--data", str(drawn_folder), "--out", str(run), "--init", "scratch", *small]) == 0
    assert "2 rows have no image file here" in capsys.readouterr().out
    arguments = ["--data", str(drawn_folder), "--model", str(run / BEST), "--out", str(figures)]
    assert main(["evaluate", *arguments]) == 0
    printed = capsys.readouterr().out
    figure = json.loads((figures / "metrics.json").read_text())
    assert f"(balanced accuracy) it is right in {figure['balanced_accuracy']:.1%}" in printed
    assert "MEL: sensitivity" in printed
    assert "--epochs 1" in (figures / "MODEL_CARD.md").read_text()


def test_errors_are_one_line_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("lesionviz: There is no folder")
    assert error.count("\n") == 1


def test_a_missing_model_is_refused_before_the_server_starts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--no-browser", "--model", "lost.pth"]) == 1
    assert "no file lost.pth" in capsys.readouterr().err


def test_importing_the_package_and_asking_for_help_load_neither_torch_nor_jupyter() -> None:
    code = (
        "import sys, lesionviz, lesionviz.cli\n"
        "try: lesionviz.cli.main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join({'torch', 'ipywidgets', 'voila', 'pandas', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--label-smoothing" in done.stdout


@pytest.mark.heavy
def test_making_an_explorer_waits_for_neither_torch_nor_a_model() -> None:
    code = (
        "import sys, concurrent.futures as f\n"
        "f.ThreadPoolExecutor.submit = lambda self, work: f.Future()\n"  # the background load never runs
        "import lesionviz; lesionviz.Explorer()\n"
        "sys.exit(', '.join({'torch', 'pandas', 'sklearn'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_recipe_option_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    for words in ("passes over the training images", "share of the target spread over the other classes"):
        assert words in shown
    assert ":mod:" not in shown


def test_a_broken_package_is_one_line_that_names_the_doctor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "lesionviz.evaluation.index", None)
    assert main(["index", "--data", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "lesionviz doctor" in error
    assert error.count("\n") == 1

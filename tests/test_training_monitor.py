"""The training monitor: what it says while it runs, how it stops, and what a person sees in JupyterLab."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from servers import running_lab, write_notebook

from lesionviz.checkpoint import Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.recipe import Recipe
from lesionviz.training.progress import Progress
from lesionviz.widgets.monitor.training_monitor import TrainingMonitor, curves_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SMALL = Recipe(size=64, epochs=2, batch_size=16, cache=False)
LONG = Recipe(size=64, epochs=500, batch_size=16, cache=False)
ROW = {"epoch": 1, "train_loss": 1.25, "validation_loss": 1.5, "accuracy": 0.5, "balanced_accuracy": 0.4}


@pytest.mark.heavy
def test_a_training_runs_beside_the_caller_and_ends_with_its_result(drawn_folder: Path, tmp_path: Path) -> None:
    monitor = TrainingMonitor()
    assert monitor.wait() is None
    monitor.start(drawn_folder, tmp_path / "run", init="scratch", recipe=SMALL, cpu=True)
    assert monitor.running
    with pytest.raises(LesionvizError, match="under way"):
        monitor.start(drawn_folder, tmp_path / "other")
    result = monitor.wait(300)
    assert result is not None
    assert not monitor.running
    assert monitor._button.disabled
    assert monitor._bar.value == 1
    assert f"Epoch {result.best_epoch} was the best" in monitor._status.value
    assert "balanced accuracy" in monitor._curves.value
    assert Checkpoint.load(result.checkpoint).metrics["epoch"] == result.best_epoch


@pytest.mark.heavy
def test_stop_ends_cleanly_with_the_best_model_saved(drawn_folder: Path, tmp_path: Path) -> None:
    monitor = TrainingMonitor()
    monitor.start(drawn_folder, tmp_path, init="scratch", recipe=LONG, cpu=True)
    deadline = time.monotonic() + 300
    while not monitor._rows and time.monotonic() < deadline:
        time.sleep(0.05)
    monitor._button.click()
    result = monitor.wait(300)
    assert result is not None
    assert result.interrupted
    assert len(result.history) < 500
    assert monitor._status.value.count("Stopped. Epoch") == 1
    assert Checkpoint.load(result.checkpoint).preprocessing.size == 64


@pytest.mark.heavy
def test_stopping_before_the_first_epoch_ends_says_that_nothing_is_kept(drawn_folder: Path, tmp_path: Path) -> None:
    monitor = TrainingMonitor()
    monitor.start(drawn_folder, tmp_path, init="scratch", recipe=LONG, cpu=True)
    monitor.stop()
    assert monitor.wait(300) is None
    assert "nothing to keep" in monitor._status.value


def test_a_failure_is_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    monitor = TrainingMonitor()
    monitor.start(tmp_path / "nowhere", tmp_path / "run")
    with pytest.raises(LesionvizError, match="There is no folder"):
        monitor.wait(60)
    assert 'role="alert"' in monitor._status.value
    assert "Traceback" not in monitor._status.value
    assert not monitor.running


def test_events_become_words_curves_and_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("lesionviz.widgets.monitor.training_monitor.time.monotonic", lambda: now[0])
    monitor = TrainingMonitor()
    monitor.watch(Progress("training", 2, 3, 5, 20, 0.75))
    now[0] += 10  # 5 steps more in 10 s are 10 steps of this epoch in 10 s: 1 s a step
    monitor.watch(Progress("training", 2, 3, 10, 20, 0.7))
    # 10 steps are left in this epoch and 20 in the next
    assert "Epoch 2 of 3, learning, step 10 of 20, training loss 0.700. About 30 s left." in monitor._status.value
    assert monitor._bar.value == pytest.approx(1.5 / 3)
    monitor.watch(Progress("epoch", 2, 3, 20, 20, 0.6, {**ROW, "epoch": 2}))
    assert "Best so far: epoch 2, balanced accuracy 40.0%" in monitor._status.value


def test_curves_say_in_words_what_they_show_and_take_the_colour_of_the_page() -> None:
    svg = curves_html([ROW], [(0.5, 1.3), (1.0, 1.25)])
    assert svg.startswith("<svg")
    assert 'role="img"' in svg
    assert "After epoch 1: training loss 1.250, validation loss 1.500, validation balanced accuracy 40.0%." in svg
    assert "currentColor" in svg
    assert "#010203" not in svg
    assert curves_html([], []) == ""


def test_lines_carry_events_unchanged() -> None:
    event = Progress("epoch", 1, 2, 3, 3, 0.5, ROW)
    assert Progress.from_line(event.to_line() + "\n") == event
    assert Progress.from_line("Epoch 1 of 2: something else\n") is None


@pytest.mark.slow
@pytest.mark.browser
def test_in_jupyterlab_the_curves_are_live_and_the_button_stops(
    browser: Browser, drawn_folder: Path, tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    code = (
        "from lesionviz.recipe import Recipe\nfrom lesionviz.widgets import TrainingMonitor\n"
        f"monitor = TrainingMonitor()\nmonitor.start({str(drawn_folder)!r}, 'run', init='scratch', cpu=True,\n"
        "              recipe=Recipe(size=64, epochs=500, batch_size=16, cache=False))\nmonitor"
    )
    notebook = write_notebook(tmp_path / "monitor.ipynb", code)
    with running_lab(notebook) as (address, _), browser.new_page(viewport={"width": 1280, "height": 900}) as page:
        page.set_default_timeout(120_000)
        page.goto(address)
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()
        page.keyboard.press("Shift+Enter")
        status = page.locator(".lv-monitor").get_by_role("status")
        expect(status).to_contain_text("Best so far: epoch", timeout=120_000)
        expect(page.get_by_role("img", name=re.compile("Training curves. After epoch"))).to_be_visible(
            timeout=120_000
        )
        if folder := os.environ.get("LESIONVIZ_SCREENSHOTS"):
            page.locator(".lv-monitor").screenshot(path=Path(folder) / "monitor.png")
            page.screenshot(path=Path(folder) / "monitor-lab.png")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(status).to_contain_text("Stopped. Epoch", timeout=120_000)
        assert Checkpoint.load(tmp_path / "run" / "best_model.pth").preprocessing.size == 64

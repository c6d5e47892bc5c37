"""``TrainingMonitor``: watch a training in a notebook while it runs, and stop it when it has learned enough.

::

    monitor = TrainingMonitor()
    monitor.start("ISIC_2019", "my_model", recipe=Recipe(epochs=12), processes=2)
    monitor

The training runs beside the notebook, in a thread or in processes of its own, so that other cells and the stop
button work meanwhile. Outside Jupyter use :func:`lesionviz.train`, which draws a bar.
"""

from __future__ import annotations

import logging
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets
import traitlets

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    from lesionviz.training.progress import Progress
    from lesionviz.training.train import TrainingResult

LOG = logging.getLogger(__name__)
SECONDS_BETWEEN_DRAWINGS = 2.0
SECONDS_BETWEEN_WORDS = 0.25
INK = "#010203"
"""Drawn in this colour, which the page then replaces by its own: dark on light, light on dark."""
IDLE = "No training has been started. Call start(data, out)."
STYLE = """<style>
.lv-monitor { padding: 8px; max-width: 900px; }
.lv-monitor svg { max-width: 100%; height: auto; color: var(--jp-ui-font-color1, currentColor); }
.lv-monitor .lv-status { margin: 0; line-height: 1.5; color: var(--jp-ui-font-color1, currentColor); }
.lv-monitor .lv-failed { border-left: 4px solid #d55e00; padding-left: 8px; }
.lv-monitor .widget-hprogress { width: 100%; }
</style>"""


class TrainingMonitor(ipywidgets.VBox):  # type: ignore[misc]
    """Curves, time left and a stop button for one training at a time.

    Attributes:
        result: what the last training left behind; None until it has ended.
        error: why it failed, in a sentence; empty when it did not.
        running: whether a training is under way.
    """

    result = traitlets.Any(None, allow_none=True)
    error = traitlets.Unicode("")
    running = traitlets.Bool(False)

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._rows: list[dict[str, Any]] = []
        self._points: list[tuple[float, float]] = []
        self._phase_began = self._drawn = self._worded = 0.0
        self._phase: tuple[str, int] = ("", 0)
        self._status = ipywidgets.HTML(_status(IDLE))
        self._bar = ipywidgets.FloatProgress(min=0, max=1, description="Training", layout={"width": "auto"})
        self._curves = ipywidgets.HTML()
        self._button = ipywidgets.Button(
            description="Stop", tooltip="End the training and keep the best epoch", disabled=True
        )
        self._button.on_click(lambda _: self.stop())
        super().__init__([ipywidgets.HTML(STYLE), self._status, self._bar, self._curves, self._button])
        self.add_class("lv-monitor")

    def start(self, data: Any, out: Any, *, processes: int = 1, **options: Any) -> None:
        """Start a training and return at once.

        Args:
            data, out, options: as for :func:`lesionviz.train`.
            processes: how many processes share every batch; more than one are started by ``torchrun``, and
                ``data`` must then be a folder or table.

        Raises:
            LesionvizError: one is under way already.
        """
        if self.running:
            raise LesionvizError("A training is under way. Stop it first, or use another monitor.")
        self._stop.clear()
        self._rows, self._points, self._phase = [], [], ("", 0)
        self.result, self.error, self.running = None, "", True
        self._button.disabled, self._bar.value, self._curves.value = False, 0, ""
        self._say("Reading the images …")
        arguments = {"data": data, "out": out, "processes": processes, **options}
        self._thread = threading.Thread(target=self._run, kwargs=arguments, name="lesionviz-train", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the training to end after its current steps; the best epoch so far is kept."""
        self._stop.set()
        if self.running:
            self._button.disabled = True
            self._say("Stopping …")

    def wait(self, timeout: float | None = None) -> TrainingResult | None:
        """Wait for the end and return the result.

        Raises:
            LesionvizError: the training failed.
        """
        if self._thread is not None:
            try:
                self._thread.join(timeout)
            except KeyboardInterrupt:  # Jupyter's own stop button
                self.stop()
                self._thread.join()
        if self.error:
            raise LesionvizError(self.error)
        result: TrainingResult | None = self.result
        return result

    def watch(self, event: Progress) -> None:
        """Show an event of a training; for :func:`lesionviz.train`'s ``watch``."""
        now = time.monotonic()
        if (event.phase, event.epoch) != self._phase:
            self._phase, self._phase_began = (event.phase, event.epoch), now
        if event.phase == "training":
            self._points.append((event.epoch - 1 + event.step / event.steps, event.loss))
        if event.row is not None:
            self._rows.append(dict(event.row))
        if event.row is not None or now - self._drawn > SECONDS_BETWEEN_DRAWINGS:
            self._drawn = now
            self._curves.value = curves_html(self._rows, self._points)
        if event.row is not None or now - self._worded > SECONDS_BETWEEN_WORDS:
            self._worded = now
            within = event.step / event.steps if event.phase == "training" else 1
            self._bar.value = (event.epoch - 1 + within) / event.epochs
            if not self._stop.is_set():
                self._say(f"{self._where(event)}{self._time_left(event, now)}")

    def _where(self, event: Progress) -> str:
        best = max(self._rows, key=lambda row: float(row["balanced_accuracy"]), default=None)
        reached = ""
        if best:
            reached = f" Best so far: epoch {best['epoch']}, balanced accuracy {best['balanced_accuracy']:.1%}."
        doing = {"training": "learning", "validation": "being judged", "epoch": "done"}[event.phase]
        return (
            f"Epoch {event.epoch} of {event.epochs}, {doing}, step {event.step} of {event.steps}, "
            f"training loss {event.loss:.3f}.{reached}"
        )

    def _time_left(self, event: Progress, now: float) -> str:
        """Estimate from the pace of this epoch; early stages run faster than later ones, so it is a guess."""
        if event.phase != "training" or now - self._phase_began < 1:
            return ""
        pace = (now - self._phase_began) / event.step
        seconds = pace * (event.steps - event.step + event.steps * (event.epochs - event.epoch))
        return f" About {_duration(seconds)} left."

    def _run(self, **arguments: Any) -> None:
        from lesionviz.training.launch import train_on_processes
        from lesionviz.training.usable import CAUTION

        report, cautions = arguments.pop("report", None), list[str]()

        def hear(sentence: str) -> None:
            if sentence.startswith(CAUTION):
                cautions.append(sentence)
            if report is not None:
                report(sentence)

        try:
            result = train_on_processes(**arguments, report=hear, watch=self.watch, stop=self._stop.is_set)
            if len(result.history) and result.best_epoch:
                best = result.history.set_index("epoch")["balanced_accuracy"][result.best_epoch]
                self._say(
                    f"{'Stopped' if result.interrupted else 'Finished'}. Epoch {result.best_epoch} was the best, "
                    f"balanced accuracy {best:.1%} on the validation images. Saved as {result.checkpoint}."
                    + "".join(f" {sentence}" for sentence in cautions)
                )
            self._bar.value = self._bar.value if result.interrupted else 1
            self._curves.value = curves_html(result.history.to_dict("records"), self._points)
            self.result = result
        except KeyboardInterrupt:
            self._say("Stopped before the first epoch had ended; there is nothing to keep.")
        except LesionvizError as error:
            self._fail(str(error))
        except Exception as error:
            # The last door before the person: the thread must not end without a word.
            LOG.exception("training failed")
            self._fail(f"The training failed inside lesionviz ({type(error).__name__}). See the log.")
        finally:
            self._button.disabled = True
            self.running = False

    def _fail(self, sentence: str) -> None:
        self.error = sentence
        self._status.value = _status(sentence, "lv-failed", "alert")

    def _say(self, sentence: str) -> None:
        self._status.value = _status(sentence)


def curves_html(rows: list[dict[str, Any]], points: list[tuple[float, float]]) -> str:
    """Return the curves as one SVG picture with a text that says what they show."""
    import pandas as pd

    from lesionviz.evaluation.report.document import svg
    from lesionviz.training.figure import training_figure

    if not rows and len(points) < 2:
        return ""
    history = pd.DataFrame(rows)
    spoken = "Training curves."
    if rows:
        last = rows[-1]
        spoken = (
            f"Training curves. After epoch {last['epoch']}: training loss {last['train_loss']:.3f}, validation loss "
            f"{last['validation_loss']:.3f}, validation balanced accuracy {last['balanced_accuracy']:.1%}."
        )
    running = pd.DataFrame(points, columns=["epoch", "loss"])
    return svg(training_figure(history, running, INK), spoken, INK)


def _status(sentence: str, kind: str = "", role: str = "status") -> str:
    return f'<p class="lv-status {kind}" role="{role}">{escape(sentence)}</p>'


def _duration(seconds: float) -> str:
    """Return a time in words, no more precise than an estimate is."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"

"""The training loop: epoch after epoch over a collection, the best one kept as ``best_model.pth``.

It runs on accelerate: on a CPU, a GPU, or as one of several processes started by ``torchrun``, which then
share every batch. On GPUs it computes in bfloat16 and batch norm sees the whole batch; on CPUs each
process normalises its own part of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate.utils import broadcast, set_seed
from tqdm.auto import tqdm

from lesionviz.data.portions import Division
from lesionviz.evaluation.metrics import Metrics
from lesionviz.files import replacing
from lesionviz.recipe import Recipe
from lesionviz.training.batches import Batches
from lesionviz.training.choice import SCORE
from lesionviz.training.clinics import as_elsewhere
from lesionviz.training.dice import Dice
from lesionviz.training.initial_weights import initial_network
from lesionviz.training.judging import Judge, chosen_figure, named_rows
from lesionviz.training.loaders import Loaders
from lesionviz.training.moving_parts import MovingParts
from lesionviz.training.outliers import outlier_loss, outlier_rows
from lesionviz.training.outline_loss import evidence_outside
from lesionviz.training.processes import accelerator_of
from lesionviz.training.progress import Progress, Watcher
from lesionviz.training.record import Record, images_told, licence_of, options_of, outlines_told, unknown_told
from lesionviz.training.stages import frozen_blocks
from lesionviz.training.unfinished import UNFINISHED, Unfinished
from lesionviz.training.usable import caution, usable_division

BEST = "best_model.pth"
HISTORY = "history.csv"
STEPS_BETWEEN_QUESTIONS = 5
"""Several processes agree on whether to stop, and tell their watchers, once in so many steps."""


class Run:
    """One training; :meth:`one_epoch` moves it on.

    Args:
        recipe: every number that decides the outcome.
        division: the collections and who is in which part of them.
        init: ``"imagenet"``, ``"scratch"`` or the path of a state dict.
        out: folder for what it saves.
        outlines: folders of lesions' outlines.
        half: store the weights in half precision.
        cpu: use the CPU even where a GPU is at hand.
        workers: processes that read images beside the training.
        skip_damaged: go on without images that cannot be used.
        watch: receives events.
        stop: asked every few steps whether to end.

    Attributes:
        division: without what cannot be used.
        caution: what its figures mean where classes are missing, or nothing.
        pressed: whether Ctrl-C was pressed, where somebody remembers it.
        epoch: how many are done.
        best_epoch: the one that is kept, counted from 1.
        history: a row for each epoch.
    """

    def __init__(
        self,
        recipe: Recipe,
        division: Division,
        init: str | Path,
        out: Path,
        *,
        outlines: Sequence[Path] = (),
        half: bool,
        cpu: bool,
        workers: int,
        skip_damaged: bool = False,
        watch: Watcher | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self.recipe, self.out, self.half, self.watch, self.stop = recipe, out, half, watch, stop
        self.pressed: Callable[[], bool] = lambda: False
        self.epoch, self.best_epoch, self.history = 0, 0, list[dict[str, Any]]()
        self.accelerator = accelerator_of(recipe, cpu)
        loaders = Loaders(recipe, self.accelerator, workers)
        self.division = usable_division(division, recipe, loaders, skip_damaged, outlines)
        portions, splits = self.division.portions, self.division.describe()
        set_seed(recipe.seed)  # the head starts at random, the same on every process
        network, origin = initial_network(init, splits)

        self.judge = Judge(recipe, portions)
        learned, choosing = named_rows(portions, "train"), self.judge.rows.iloc[self.judge.choosing]
        self.caution = caution(learned, choosing)
        told = [images_told(recipe, portions, learned, choosing, self.caution)]
        if recipe.outlier_weight:
            unknown = outlier_rows(portions)
            told.append(unknown_told(unknown))
            learned = pd.concat([learned, unknown], ignore_index=True)
        self.batches = Batches(recipe, self.accelerator, loaders, learned, self.judge, outlines)
        if self.batches.outlined is not None:
            told.append(outlines_told(self.batches.outlined, len(loaders.passed_over)))
        self.parts = MovingParts(network, recipe, self.accelerator, len(self.batches.training))
        licence = licence_of([each.collection for each in portions], init)
        options = options_of(portions[0].name, init, half, outlines)
        self.record = Record(recipe, options, splits, origin, " ".join(told), licence)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or patience has run out."""
        waited = self.epoch - self.best_epoch
        return self.epoch >= self.recipe.epochs or 0 < self.recipe.patience <= waited

    def one_epoch(self) -> str:
        """Train for one epoch, validate, save; return a sentence about it."""
        started = time.monotonic()
        train_loss = self._train()
        validation_loss, metrics, more = self._validate(train_loss)
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "learning_rate": self.parts.learning_rate,
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "accuracy": metrics.accuracy,
            "balanced_accuracy": metrics.balanced_accuracy,
        }
        row |= more
        row["seconds"] = round(time.monotonic() - started, 1)
        figure = chosen_figure(row)
        best = max((past[figure] for past in self.history), default=-1.0)
        self.history.append(row)
        if row[figure] > best:
            self.best_epoch = self.epoch
        if self.accelerator.is_main_process:
            if self.best_epoch == self.epoch:
                self.record.checkpoint(self.parts.kept, self.epoch, metrics, more).save(
                    self.out / BEST, half=self.half
                )
            # The history comes last: without it and without an unfinished training, a kill in the first
            # epoch's end has left nothing that anyone could go on with, and the folder may be used anew.
            self._save_unfinished()
            with replacing(self.out / HISTORY) as temporary:
                pd.DataFrame(self.history).to_csv(temporary, index=False)
        steps = len(self.batches.training)
        self._tell("epoch", steps, steps, train_loss, row)
        return (
            f"Epoch {self.epoch} of {self.recipe.epochs}: training loss {train_loss:.3f}, validation loss "
            f"{validation_loss:.3f}, accuracy {metrics.accuracy:.3f}, balanced accuracy "
            f"{metrics.balanced_accuracy:.3f}{f', score {more[SCORE]:.3f}' if SCORE in more else ''}"
            f"{', the best so far' if self.best_epoch == self.epoch else ''}"
        )

    def _train(self) -> float:
        """Take one optimizer step for each batch; return the mean loss."""
        # Every random source starts anew from the epoch's number, so that a resumed training sees the
        # same images in the same order, cut and coloured the same way, as an unbroken one. Processes
        # must not cut their parts of a batch alike.
        set_seed(self.recipe.seed + 1_000_003 * (self.epoch + 1) + self.accelerator.process_index)
        self.batches.begin(self.epoch)
        self.parts.learn(frozen_blocks(self.recipe, self.epoch))
        total, steps = torch.zeros((), device=self.accelerator.device), len(self.batches.training)
        bar = self._progress(self.batches.training, f"Epoch {self.epoch + 1}/{self.recipe.epochs}")
        for step, (pictures, labels, *outlines) in enumerate(bar, start=1):
            pictures, outlines = self._varied(pictures, outlines, step)
            with self.accelerator.autocast():
                logits, maps = self.parts.staged(self._batch(pictures))
            loss = self.batches.balancing.loss(logits.float(), labels, self.recipe.label_smoothing)
            if self.recipe.outlier_weight:
                loss = loss + self.recipe.outlier_weight * outlier_loss(logits.float(), labels)
            if outlines:
                loss = loss + self.recipe.outline_weight * evidence_outside(maps, labels, *outlines)
            self.parts.step(loss)
            total += loss.detach()
            if step % STEPS_BETWEEN_QUESTIONS == 0 or step == steps:
                bar.set_postfix(loss=f"{total.item() / step:.3f}")
                self._tell("training", step, steps, total.item() / step)
                self._stop_if_asked()
        mean: float = self.accelerator.reduce(total, "mean").item() / steps
        return mean

    def _validate(self, train_loss: float) -> tuple[float, Metrics, dict[str, float]]:
        """Return what the judge says of the kept network."""
        logits = self._answers(self.batches.validation, train_loss)
        return self.judge.figures(
            logits, None if self.batches.probes is None else self._answers(self.batches.probes, train_loss)
        )

    @torch.no_grad()  # torch 2.5 cannot gather inference tensors
    def _answers(self, loader: Any, train_loss: float) -> npt.NDArray[np.float64]:
        """Return the logits (N, 4) of the kept network for what a loader hands out, in the order of its positions."""
        network = self.parts.kept.eval()
        if self.accelerator.num_processes > 1:  # batch norm's statistics differ between processes
            for buffer in network.buffers():
                buffer.copy_(broadcast(buffer))
        found, places = [], []
        bar = self._progress(loader, "Validation")
        for step, (pictures, positions) in enumerate(bar, start=1):
            with self.accelerator.autocast():
                outputs = network(self._batch(pictures))
            # gather_for_metrics drops the samples that several processes pad the last batch with.
            outputs, positions = self.accelerator.gather_for_metrics((outputs, positions))
            found.append(outputs.float())
            places.append(positions)
            self._tell("validation", step, len(loader), train_loss)
            if step % STEPS_BETWEEN_QUESTIONS == 0:
                self._stop_if_asked()
        logits: npt.NDArray[np.float64] = torch.cat(found)[torch.cat(places).argsort()].double().cpu().numpy()
        return logits

    def _batch(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the network's input."""
        return self.recipe.preprocessing.normalise(pictures).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _varied(
        self, pictures: torch.Tensor, outlines: list[torch.Tensor], step: int
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return a training batch after the half of the augmentation that runs on the device."""
        if self.recipe.augmentation != "clinics":
            return pictures, outlines
        dice = Dice(pictures.device, self.recipe.seed, self.epoch, step, self.accelerator.process_index)
        return as_elsewhere(pictures, outlines, dice, self.recipe.artefact_share)

    def _progress(self, loader: Any, description: str) -> Any:
        """Show a bar on the main process, where someone is looking and nobody else shows one."""
        hidden = True if self.watch or not self.accelerator.is_main_process else None  # None: if not a terminal
        return tqdm(loader, desc=description, leave=False, disable=hidden)

    def _tell(self, phase: str, step: int, steps: int, loss: float, row: dict[str, Any] | None = None) -> None:
        if self.watch and self.accelerator.is_main_process:
            epoch = self.epoch + (row is None)  # the epoch under way, or the one that has ended
            self.watch(Progress(phase, epoch, self.recipe.epochs, step, steps, loss, row))

    def _stop_if_asked(self) -> None:
        """End like Ctrl-C when the stop function says so; all processes at the same step."""
        asked = torch.tensor(float(self.pressed() or bool(self.stop and self.stop())), device=self.accelerator.device)
        if self.accelerator.num_processes > 1:
            asked = self.accelerator.reduce(asked, "sum")
        if asked.item():
            raise KeyboardInterrupt

    def _save_unfinished(self) -> None:
        Unfinished(
            self.recipe, self.record.split, self.record.origin, self.history, self.best_epoch, self.parts.state()
        ).save(self.out / UNFINISHED)

    def restore(self, path: Path) -> None:
        """Take up a training where :meth:`one_epoch` left it.

        Raises:
            LesionvizError: it was started with another recipe or split.
        """
        unfinished = Unfinished.read(path, self.recipe, self.record.split)
        self.parts.load_state(unfinished.parts)
        self.history, self.best_epoch, self.epoch = unfinished.history, unfinished.best_epoch, len(unfinished.history)
        self.record = replace(self.record, origin=unfinished.origin)

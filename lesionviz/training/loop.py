"""The training loop: epochs over a collection, the best one kept as ``best_model.pth``.

What a run leaves in its folder: ``split.csv``, ``history.csv`` (a row for each epoch), ``best_model.pth``,
and, until it is finished, ``unfinished.pth``, from which ``resume`` goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint, read_tensors
from lesionviz.data.collection import Collection
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.split import Split, split_by_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.metrics import Metrics, score
from lesionviz.files import replacing
from lesionviz.network import Network
from lesionviz.training.augmentation import LabelledImages, augmented, plain
from lesionviz.training.initial_weights import IMAGENET, initial_network
from lesionviz.training.recipe import Recipe

BEST = "best_model.pth"
HISTORY = "history.csv"
UNFINISHED = "unfinished.pth"
LICENCE = (
    "For research and teaching, not for diagnosis. Trained on ISIC 2019 images (CC BY-NC 4.0) "
    "from ImageNet weights: not for commercial use."
)


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        checkpoint: path of ``best_model.pth``.
        history: one row for each epoch: ``epoch``, ``learning_rate`` (at its end), ``train_loss``,
            ``validation_loss``, ``accuracy``, ``balanced_accuracy`` (validation), ``seconds``.
        best_epoch: the epoch that was kept, counted from 1.
        split: which images were trained on.
        interrupted: whether it was stopped by hand before the last epoch.
    """

    checkpoint: Path
    history: pd.DataFrame
    best_epoch: int
    split: Split
    interrupted: bool


def train(
    data: str | Path | Collection,
    out: str | Path,
    *,
    init: str | Path = IMAGENET,
    recipe: Recipe | None = None,
    split_seed: int = 2019,
    resume: bool = False,
    half: bool = False,
    cpu: bool = False,
    workers: int = 0,
    report: Callable[[str], None] | None = None,
) -> TrainingResult:
    """Fine-tune an EfficientNet-B0 and keep the epoch with the best validation balanced accuracy.

    Args:
        data: a folder in the ISIC 2019 layout, or a collection.
        out: folder for the results; made when missing.
        init: ``"imagenet"``, ``"scratch"`` or the path of a state dict.
        recipe: every number that decides the outcome; by default ``Recipe()``.
        split_seed: of the lesion-grouped split.
        resume: go on with the unfinished training in ``out``.
        half: store the weights in half precision, 8 MB instead of 16.
        cpu: use the CPU even where a GPU is at hand.
        workers: processes that decode images beside the training.
        report: receives sentences about what is found and reached; by default they are dropped.

    Raises:
        LesionvizError: the data, the starting weights or ``out`` cannot be used.
    """
    say = report or (lambda sentence: None)
    out, recipe = Path(out), recipe or Recipe()
    collection = data if isinstance(data, Collection) else read_isic2019(data)
    say(collection.describe())
    unfinished = out / UNFINISHED
    if unfinished.exists() and not resume:
        raise LesionvizError(
            f"{out} holds an unfinished training. Go on with it (--resume), or choose another folder."
        )
    if resume and not unfinished.exists():
        raise LesionvizError(f"{out} holds no unfinished training to resume. Start one without --resume.")

    split = split_by_lesion(collection, seed=split_seed)
    run = _Run(recipe, collection, split, init, out, half=half, cpu=cpu, workers=workers)
    if resume:
        run.restore(unfinished)
        say(f"Resuming after epoch {run.epoch}.")
    elif run.accelerator.is_main_process:
        split.save(out)
    interrupted = False
    try:
        while run.epoch < recipe.epochs:
            say(run.one_epoch())
    except KeyboardInterrupt:
        if not run.history:
            raise
        interrupted = True
        say(f"Stopped by hand. {out / BEST} holds the best epoch so far.")
    if not interrupted:
        unfinished.unlink(missing_ok=True)
    return TrainingResult(out / BEST, pd.DataFrame(run.history), run.best_epoch, split, interrupted)


class _Run:
    """The moving parts of one training; :meth:`one_epoch` moves them on."""

    def __init__(
        self,
        recipe: Recipe,
        collection: Collection,
        split: Split,
        init: str | Path,
        out: Path,
        *,
        half: bool,
        cpu: bool,
        workers: int,
    ) -> None:
        self.recipe, self.split, self.out = recipe, split, out
        self.init, self.half = init, half
        self.epoch, self.best_epoch, self.history = 0, 0, list[dict[str, Any]]()
        mixed = "bf16" if torch.cuda.is_available() and not cpu else "no"
        self.accelerator = Accelerator(cpu=cpu, mixed_precision=mixed)
        set_seed(recipe.seed)  # the head starts at random

        network, self.origin = initial_network(init)
        train_rows, validation_rows = split.rows(collection, "train"), split.rows(collection, "validation")
        self.trained_on = (
            f"Fine-tuned on {len(train_rows):,} images of {train_rows['lesion'].nunique():,} lesions, the epoch "
            f"chosen on {len(validation_rows):,} images of {validation_rows['lesion'].nunique():,} other lesions."
        )
        labels = _labels(train_rows)
        self.weights = _class_weights(labels, recipe.class_weight_power).to(self.accelerator.device)
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.order = torch.Generator()
        training: DataLoader[Any] = DataLoader(
            LabelledImages(train_rows["path"], labels, augmented(recipe)),
            batch_size=recipe.batch_size,
            shuffle=True,
            # A last batch of one image would break batch norm.
            drop_last=len(train_rows) > recipe.batch_size,
            num_workers=workers,
            generator=self.order,
        )
        validation: DataLoader[Any] = DataLoader(
            LabelledImages(validation_rows["path"], _labels(validation_rows), plain(recipe.preprocessing)),
            batch_size=2 * recipe.batch_size,
            num_workers=workers,
        )
        # channels_last runs 1.3 to 1.4 times as fast on a CPU.
        network = network.to(memory_format=torch.channels_last)
        self.network, self.optimizer, self.training, self.validation = self.accelerator.prepare(
            network, optimizer, training, validation
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=recipe.learning_rate,
            total_steps=recipe.epochs * len(self.training),
            pct_start=0.2,
        )

    def one_epoch(self) -> str:
        """Train for one epoch, validate, save; return a sentence about it."""
        started = time.monotonic()
        train_loss = self._train()
        validation_loss, metrics = self._validate()
        self.epoch += 1
        row = {
            "epoch": self.epoch,
            "learning_rate": self.schedule.get_last_lr()[0],
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "accuracy": metrics.accuracy,
            "balanced_accuracy": metrics.balanced_accuracy,
            "seconds": round(time.monotonic() - started, 1),
        }
        best = max((past["balanced_accuracy"] for past in self.history), default=-1.0)
        self.history.append(row)
        if metrics.balanced_accuracy > best:
            self.best_epoch = self.epoch
        if self.accelerator.is_main_process:
            if self.best_epoch == self.epoch:
                self._checkpoint(metrics).save(self.out / BEST, half=self.half)
            with replacing(self.out / HISTORY) as temporary:
                pd.DataFrame(self.history).to_csv(temporary, index=False)
            self._save_unfinished()
        return (
            f"Epoch {self.epoch} of {self.recipe.epochs}: training loss {train_loss:.3f}, validation loss "
            f"{validation_loss:.3f}, accuracy {metrics.accuracy:.3f}, balanced accuracy "
            f"{metrics.balanced_accuracy:.3f}{', the best so far' if self.best_epoch == self.epoch else ''}"
        )

    def _train(self) -> float:
        """Take one optimizer step for each batch; return the mean loss."""
        # Every random source starts anew from the epoch's number, so that a resumed training sees the
        # same images in the same order, cut and coloured the same way, as an unbroken one.
        set_seed(self.recipe.seed + 1_000_003 * (self.epoch + 1))
        self.order.manual_seed(self.recipe.seed + self.epoch + 1)
        self.network.train()
        total = 0.0
        bar = self._progress(self.training, f"Epoch {self.epoch + 1}/{self.recipe.epochs}")
        for step, (pictures, labels) in enumerate(bar, start=1):
            loss = self._loss(self._logits(pictures), labels, self.recipe.label_smoothing)
            self.optimizer.zero_grad()
            self.accelerator.backward(loss)
            self.optimizer.step()
            self.schedule.step()
            total += loss.item()
            bar.set_postfix(loss=f"{total / step:.3f}")
        return total / len(self.training)

    @torch.inference_mode()
    def _validate(self) -> tuple[float, Metrics]:
        """Return the mean loss and the figures over the validation images."""
        self.network.eval()
        logits, truth = [], []
        for pictures, labels in self._progress(self.validation, "Validation"):
            # gather_for_metrics drops the samples that several processes pad the last batch with.
            outputs, targets = self.accelerator.gather_for_metrics((self._logits(pictures), labels))
            logits.append(outputs.float())
            truth.append(targets)
        outputs, targets = torch.cat(logits), torch.cat(truth)
        loss = self._loss(outputs, targets, 0.0).item()
        return loss, score(targets.cpu().numpy(), outputs.argmax(1).cpu().numpy())

    def _logits(self, pictures: torch.Tensor) -> torch.Tensor:
        batch = self.recipe.preprocessing.normalise(pictures).contiguous(memory_format=torch.channels_last)
        with self.accelerator.autocast():
            logits: torch.Tensor = self.network(batch)
        return logits

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(logits, labels, weight=self.weights, label_smoothing=smoothing)

    def _progress(self, loader: Any, description: str) -> Any:
        """Show a bar on the main process, where someone is looking."""
        hidden = True if not self.accelerator.is_main_process else None  # None: hidden when not a terminal
        return tqdm(loader, desc=description, leave=False, disable=hidden)

    def _checkpoint(self, metrics: Metrics) -> Checkpoint:
        network: Network = self.accelerator.unwrap_model(self.network)
        return Checkpoint(
            state_dict=network.state_dict(),
            preprocessing=self.recipe.preprocessing,
            recipe=self.recipe.to_dict() | {"init": Path(self.init).name, "half": self.half},
            split=self.split.describe(),
            metrics={"epoch": self.epoch, "validation": metrics.to_dict()},
            licence=LICENCE,
            history=(self.origin, self.trained_on),
        )

    def _save_unfinished(self) -> None:
        with replacing(self.out / UNFINISHED) as temporary:
            torch.save(
                {
                    "recipe": self.recipe.to_dict(),
                    "split": self.split.describe(),
                    "origin": self.origin,
                    "history": self.history,
                    "best_epoch": self.best_epoch,
                    "network": self.accelerator.unwrap_model(self.network).state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                },
                temporary,
            )

    def restore(self, path: Path) -> None:
        """Take up a training where :meth:`one_epoch` left it.

        Raises:
            LesionvizError: it was started with another recipe or split.
        """
        state = read_tensors(path)
        for key, mine in (("recipe", self.recipe.to_dict()), ("split", self.split.describe())):
            if state.get(key) != mine:
                raise LesionvizError(
                    f"The unfinished training in {path.parent} has another {key}: {state.get(key)}. "
                    "Resume it with the same options and images, or choose another folder."
                )
        self.accelerator.unwrap_model(self.network).load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.best_epoch = state["history"], state["best_epoch"]
        self.origin, self.epoch = state["origin"], len(self.history)


def _labels(rows: pd.DataFrame) -> list[int]:
    return [CODES.index(code) for code in rows["diagnosis"]]


def _class_weights(labels: list[int], power: float) -> torch.Tensor:
    """Return a weight for each class whose mean over the images is 1."""
    counts = np.bincount(labels, minlength=len(CODES)).clip(min=1)
    weights = (len(labels) / counts) ** power
    return torch.tensor(weights / (weights * counts).sum() * len(labels), dtype=torch.float32)

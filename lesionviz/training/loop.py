"""The training loop: epochs over a collection, the best one kept as ``best_model.pth``.

What a run leaves in its folder: ``split.csv`` (and one more for each additional collection), ``twins.csv`` (pairs of
pictures that look the same, where there are any), ``history.csv`` (a row for each epoch), ``best_model.pth``, and, until
it is finished, ``unfinished.pth``, from which ``resume`` goes on.

It runs on accelerate: on a CPU, a GPU, or as one of several processes started by ``torchrun``, which then
share every batch. On GPUs it computes in bfloat16 and batch norm sees the whole batch; on CPUs each
process normalises its own part of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate.utils import broadcast, set_seed
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.collection import Collection
from lesionviz.data.never import read_never
from lesionviz.data.plain_layouts import ISIC_ID
from lesionviz.data.portions import ALSO_TEST, Division, Portion, divide
from lesionviz.data.read import read_collection
from lesionviz.data.split import Split, split_at_random, split_by_lesion
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.metrics import Metrics
from lesionviz.evaluation.usable import left_out
from lesionviz.files import replacing
from lesionviz.network import Network
from lesionviz.recipe import Recipe
from lesionviz.training.augmentation import LabelledImages, training_way
from lesionviz.training.averaging import moving_average
from lesionviz.training.balance import Balancing
from lesionviz.training.calibration import calibrate
from lesionviz.training.choice import SCORE
from lesionviz.training.clinics import as_elsewhere
from lesionviz.training.dice import Dice
from lesionviz.training.initial_weights import IMAGENET, SCRATCH, initial_network
from lesionviz.training.interrupt import remembered
from lesionviz.training.judging import Judge, chosen_figure, named_rows
from lesionviz.training.loaders import Loaders, labels_of
from lesionviz.training.outliers import outlier_loss, outlier_rows
from lesionviz.training.outline_loss import evidence_outside
from lesionviz.training.probes import draw_probes
from lesionviz.training.processes import accelerator_of
from lesionviz.training.progress import Progress, Watcher
from lesionviz.training.stages import StagedNetwork, frozen_blocks
from lesionviz.training.usable import CAUTION, caution, usable_division
from lesionviz.weights import read_tensors

BEST = "best_model.pth"
HISTORY = "history.csv"
UNFINISHED = "unfinished.pth"
TWINS = "twins.csv"
STEPS_BETWEEN_QUESTIONS = 5
"""Several processes agree on whether to stop, and tell their watchers, once in so many steps."""


@dataclass(frozen=True)
class TrainingResult:
    """What a training left behind.

    Attributes:
        checkpoint: path of ``best_model.pth``.
        history: one row for each epoch: ``epoch``, ``learning_rate`` (at its end), ``train_loss``,
            ``validation_loss``, ``accuracy``, ``balanced_accuracy`` (validation), ``seconds``, and
            ``also_balanced_accuracy``, of the additional collections' validation images, where there are any; of a
            choice by sources also the columns of :mod:`lesionviz.training.choice`.
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
    also: Iterable[str | Path | Collection] = (),
    keep_out: float = ALSO_TEST,
    never: Iterable[str | Path] = (),
    never_sources: Iterable[str] = (),
    twins: bool = True,
    outlines: Iterable[str | Path] = (),
    init: str | Path = IMAGENET,
    recipe: Recipe | None = None,
    split_seed: int = 2019,
    split: Split | None = None,
    resume: bool = False,
    half: bool = False,
    cpu: bool = False,
    workers: int = 0,
    skip_damaged: bool = False,
    report: Callable[[str], None] | None = None,
    watch: Watcher | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainingResult:
    """Fine-tune an EfficientNet-B0 and keep the best epoch: by validation balanced accuracy, unless the recipe says else.

    When it is finished, the kept model is calibrated (:mod:`lesionviz.training.calibration`).

    Args:
        data: a folder or table in a known layout (:mod:`lesionviz.data.read`), or a collection.
        out: folder for the results; made when missing.
        also: additional collections to learn from. A part of each is kept out, to judge the model on other clinics
            (:mod:`lesionviz.data.portions`); the epoch and the calibration are still chosen on ``data`` alone.
        keep_out: test share of the additional collections; a tenth beside it is for validation.
        never: folders of images, and files with ids, that take no part, with what shows the same lesion or patient
            (:mod:`lesionviz.data.never`).
        never_sources: names of clinics that take no part.
        twins: of pictures that look the same (:mod:`lesionviz.data.twins`), learn from none whose twin is kept out;
            looked for where there are several collections, or folders in ``never``.
        outlines: folders of lesions' outlines (:mod:`lesionviz.data.outlines`), for ``recipe.outline_weight``.
        init: ``"imagenet"``, ``"scratch"`` or the path of a state dict.
        recipe: every number that decides the outcome; by default ``Recipe()``.
        split_seed: of the split.
        split: a split made by hand, instead of the recipe's.
        resume: go on with the unfinished training in ``out``.
        half: store the weights in half precision, 8 MB instead of 16.
        cpu: use the CPU even where a GPU is at hand.
        workers: processes that read images beside the training.
        skip_damaged: go on without images that cannot be used, as if they were not here; they are named in the record.
        report: receives sentences about what is found and reached; by default they are dropped.
        watch: receives events while it runs; bars are then not drawn.
        stop: asked after every step; when it answers True, the training ends as if stopped by hand.

    Raises:
        LesionvizError: the data, the starting weights or ``out`` cannot be used. Of damaged images all are named, before
            anything is learned.
    """
    out, recipe = Path(out), recipe or Recipe()
    collection = data if isinstance(data, Collection) else read_collection(data)
    unfinished = out / UNFINISHED
    if unfinished.exists() and not resume:
        raise LesionvizError(
            f"{out} holds an unfinished training. Go on with it (--resume), or choose another folder."
        )
    if (out / BEST).exists() and (out / HISTORY).exists() and not resume:
        raise LesionvizError(f"{out} holds a finished training. Choose another folder, or move {BEST} away.")
    if resume and not unfinished.exists():
        raise LesionvizError(f"{out} holds no unfinished training to resume. Start one without --resume.")

    if split is None:
        by = split_by_lesion if recipe.split_by == "lesion" else split_at_random
        split = by(collection, seed=split_seed)
    division = divide(
        Portion(collection, split),
        also,
        keep_out=keep_out,
        never=read_never(never, never_sources),
        twins=twins,
        progress=watch is None,
    )
    run = _Run(
        recipe,
        division,
        init,
        out,
        outlines=[Path(folder) for folder in outlines],
        half=half,
        cpu=cpu,
        workers=workers,
        skip_damaged=skip_damaged,
        watch=watch,
        stop=stop,
    )
    division = run.division
    collection, split, others = division.main.collection, division.main.split, division.also
    say = report if report and run.accelerator.is_main_process else lambda sentence: None
    for each in (collection, *(other.collection for other in others)):
        say(each.describe())
    for sentence in division.sentences():
        say(sentence)
    if run.caution:
        say(CAUTION + run.caution)
    if resume:
        run.restore(unfinished)
        say(f"Resuming after epoch {run.epoch}.")
    elif run.accelerator.is_main_process:
        split.save(out)
        for other in others:
            other.split.save(out, f"split_{other.name}.csv")
        if division.twins is not None and division.twins.names:
            with replacing(out / TWINS) as temporary:
                division.twins.table().to_csv(temporary, index=False)
    interrupted = False
    try:
        with remembered() as run.pressed:
            while not run.finished:
                say(run.one_epoch())
    except KeyboardInterrupt:
        if not run.history:
            raise
        interrupted = True
        say(f"Stopped by hand. {out / BEST} holds the best epoch so far, not calibrated (lesionviz calibrate).")
    if run.accelerator.is_main_process and not interrupted:
        say("Calibrating on the validation images.")
        device = run.accelerator.device
        best = calibrate(Checkpoint.load(out / BEST), division.portions, not watch, device, looked_at=True)
        best.save(out / BEST, half=half)
        unfinished.unlink(missing_ok=True)
    return TrainingResult(out / BEST, pd.DataFrame(run.history), run.best_epoch, split, interrupted)


class _Run:
    """The moving parts of one training; :meth:`one_epoch` moves them on."""

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
        self.recipe, self.out = recipe, out
        self.init, self.half, self.watch, self.stop = init, half, watch, stop
        self.pressed: Callable[[], bool] = lambda: False  # Ctrl-C, where train() remembers it
        self.outlines = outlines
        self.epoch, self.best_epoch, self.history = 0, 0, list[dict[str, Any]]()
        self.accelerator = accelerator_of(recipe, cpu)
        loaders = Loaders(recipe, self.accelerator, workers)
        division = self.division = usable_division(division, recipe, loaders, skip_damaged, outlines)
        set_seed(recipe.seed)  # the head starts at random, the same on every process

        main, also = division.main, division.also
        self.splits = division.describe()
        network, self.origin = initial_network(init, self.splits)
        portions = [main, *also]
        self.judge = Judge(recipe, portions)
        train_rows, choosing = named_rows(portions, "train"), self.judge.rows.iloc[self.judge.choosing]
        self.trained_on = (
            f"Fine-tuned on {len(train_rows):,} images of {train_rows['lesion'].nunique():,} lesions"
            + (f" from {' and '.join(each.name for each in portions)}" if also else "")
            + f", the epoch chosen on {len(choosing):,} images of {choosing['lesion'].nunique():,} "
            + ("other lesions." if recipe.split_by == "lesion" else "lesions, which training may have seen too.")
        )
        self.caution = caution(train_rows, choosing)
        damaged = sum(len(each.collection.damaged) for each in portions)
        self.trained_on += f" {left_out(damaged)}" if damaged else ""
        self.trained_on += f" {self.caution}" if self.caution else ""
        if recipe.outlier_weight:
            unknown = outlier_rows(portions)
            kinds = ", ".join(sorted(set(unknown["diagnosis"])))
            self.trained_on += (
                f" {len(unknown):,} images of other diagnoses ({kinds}) taught it to prefer none of the four."
            )
            train_rows = pd.concat([train_rows, unknown], ignore_index=True)
        self.licence = _licence([each.collection for each in portions], init)
        self.order = torch.Generator()
        labels, paths = labels_of(train_rows), train_rows["path"].tolist()
        self.balancing = Balancing.of(
            labels,
            recipe.balance,
            recipe.balance_power,
            (train_rows["collection"] + " " + train_rows["source"]).tolist(),
            recipe.source_power,
        ).to(self.accelerator.device)
        drawn = loaders.outlines(paths, outlines)
        if drawn is not None:
            have = sum(position is not None for position in drawn.positions)
            self.trained_on += (
                f" {have:,} training images came with an outline of the lesion, inside which the evidence should lie."
            )
            if lost := len(loaders.passed_over):
                self.trained_on += f" {lost:,} outline{'s' if lost > 1 else ''} could not be used."
        self.pictures = LabelledImages(
            loaders.pictures(paths, recipe.cached_training), labels, training_way(recipe, epoch=0), drawn
        )
        training = loaders.training(self.pictures, self.balancing, self.order)
        validated = self.judge.rows["path"]
        validation = loaders.judging(loaders.pictures(validated, recipe.preprocessing))
        self.probes: Any = None
        if self.judge.by_sources:
            drawings = draw_probes(validated.iloc[self.judge.probed].tolist(), recipe.preprocessing)
            self.probes = self.accelerator.prepare(loaders.judging(drawings))

        network = network.to(self.accelerator.device)
        if self.accelerator.num_processes > 1 and self.accelerator.device.type == "cuda":
            network = torch.nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        # channels_last runs 1.3 to 1.4 times as fast on a CPU.
        staged = StagedNetwork(network.to(memory_format=torch.channels_last))
        optimizer = torch.optim.AdamW(staged.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.staged, self.optimizer, self.training, self.validation = self.accelerator.prepare(
            staged, optimizer, training, validation
        )
        self.average = moving_average(network, recipe.ema) if recipe.ema else None
        self.schedule: torch.optim.lr_scheduler.LRScheduler
        if recipe.schedule == "one-cycle":
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=recipe.learning_rate,
                total_steps=recipe.epochs * len(self.training),
                pct_start=recipe.warm_up,
            )
        else:
            self.schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1)

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
            "learning_rate": self.schedule.get_last_lr()[0],
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
                self._checkpoint(metrics, more).save(self.out / BEST, half=self.half)
            # The history comes last: without it and without an unfinished training, a kill in the first
            # epoch's end has left nothing that anyone could go on with, and the folder may be used anew.
            self._save_unfinished()
            with replacing(self.out / HISTORY) as temporary:
                pd.DataFrame(self.history).to_csv(temporary, index=False)
        self._tell("epoch", len(self.training), len(self.training), train_loss, row)
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
        self.order.manual_seed(self.recipe.seed + self.epoch + 1)
        self.accelerator.unwrap_model(self.staged).frozen = frozen_blocks(self.recipe, self.epoch)
        self.staged.train()
        self.pictures.transform = training_way(self.recipe, self.epoch)
        total = torch.zeros((), device=self.accelerator.device)
        bar = self._progress(self.training, f"Epoch {self.epoch + 1}/{self.recipe.epochs}")
        for step, (pictures, labels, *outlines) in enumerate(bar, start=1):
            pictures, outlines = self._varied(pictures, outlines, step)
            with self.accelerator.autocast():
                logits, maps = self.staged(self._batch(pictures))
            loss = self.balancing.loss(logits.float(), labels, self.recipe.label_smoothing)
            if self.recipe.outlier_weight:
                loss = loss + self.recipe.outlier_weight * outlier_loss(logits.float(), labels)
            if outlines:
                loss = loss + self.recipe.outline_weight * evidence_outside(maps, labels, *outlines)
            self.optimizer.zero_grad()
            self.accelerator.backward(loss)
            self.optimizer.step()
            self.schedule.step()
            if self.average is not None:
                self.average.update_parameters(self.accelerator.unwrap_model(self.staged).network)
            total += loss.detach()
            if step % STEPS_BETWEEN_QUESTIONS == 0 or step == len(self.training):
                bar.set_postfix(loss=f"{total.item() / step:.3f}")
                self._tell("training", step, len(self.training), total.item() / step)
                self._stop_if_asked()
        mean: float = self.accelerator.reduce(total, "mean").item() / len(self.training)
        return mean

    def _validate(self, train_loss: float) -> tuple[float, Metrics, dict[str, float]]:
        """Return what the judge says of the kept network."""
        logits = self._answers(self.validation, train_loss)
        return self.judge.figures(logits, None if self.probes is None else self._answers(self.probes, train_loss))

    @torch.no_grad()  # torch 2.5 cannot gather inference tensors
    def _answers(self, loader: Any, train_loss: float) -> npt.NDArray[np.float64]:
        """Return the logits (N, 4) of the kept network for what a loader hands out, in the order of its positions."""
        network = self._kept_network().eval()
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

    def _kept_network(self) -> Network:
        """Return the network that is judged and saved: the average, where there is one."""
        network: Network = (
            self.average.module if self.average is not None else self.accelerator.unwrap_model(self.staged).network
        )
        return network

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

    def _checkpoint(self, metrics: Metrics, more: dict[str, float]) -> Checkpoint:
        return Checkpoint(
            state_dict=self._kept_network().state_dict(),
            preprocessing=self.recipe.preprocessing,
            recipe=self.recipe.to_dict() | self._options(),
            split=self.splits,
            metrics={"epoch": self.epoch, "validation": metrics.to_dict()}
            | ({"choice": more} if SCORE in more else {}),
            licence=self.licence,
            history=(self.origin, self.trained_on),
        )

    def _options(self) -> dict[str, Any]:
        """Return what else belongs to the command that trains this model, as a checkpoint records it."""
        options: dict[str, Any] = {"init": Path(self.init).name, "half": self.half}
        # Folders of outlines are often called like the images': the last two names tell which they are.
        names = ["/".join(folder.resolve().parts[-2:]) for folder in self.outlines]
        return options | ({"outlines": names} if names else {})

    def _save_unfinished(self) -> None:
        with replacing(self.out / UNFINISHED) as temporary:
            torch.save(
                {
                    "recipe": self.recipe.to_dict(),
                    "split": self.splits,
                    "origin": self.origin,
                    "history": self.history,
                    "best_epoch": self.best_epoch,
                    "network": self.accelerator.unwrap_model(self.staged).network.state_dict(),
                    "average": None if self.average is None else self.average.state_dict(),
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
        recipe = Recipe.from_dict(state.get("recipe", {})).to_dict()  # of an earlier version, with what it meant
        for key, its, mine in (("recipe", recipe, self.recipe.to_dict()), ("split", state.get("split"), self.splits)):
            if its != mine:
                raise LesionvizError(
                    f"The unfinished training in {path.parent} has another {key}: {its}. "
                    "Resume it with the same options and images, or choose another folder."
                )
        self.accelerator.unwrap_model(self.staged).network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.history, self.best_epoch = state["history"], state["best_epoch"]
        self.origin, self.epoch = state["origin"], len(self.history)


def _licence(collections: Sequence[Collection], init: str | Path) -> str:
    """Say what the weights may be used for, from what they were made of."""
    images = " and ".join(dict.fromkeys(map(_source, collections)))
    archive = "ISIC" in images or "HAM" in images or "NC" in images
    start = {IMAGENET: "ImageNet weights", SCRATCH: "random weights"}.get(
        str(init), "other weights, whose terms hold too"
    )
    sentence = f"For research and teaching, not for diagnosis. Trained on {images} from {start}"
    return sentence + (": not for commercial use." if archive or str(init) != SCRATCH else ".")


def _source(collection: Collection) -> str:
    """Say whose images a collection holds, and under what licence."""
    if "licence" in collection.table and collection.table["licence"].notna().any():
        licences = ", ".join(sorted(collection.table["licence"].dropna().unique()))
        return f"{collection.layout.split(' (')[0]} images ({licences})"
    if collection.layout.startswith(("ISIC", "HAM")):
        return f"{collection.layout.split(' without')[0]} images (CC BY-NC 4.0)"
    if len(collection.table) and collection.table["image"].str.extract(ISIC_ID, expand=False).notna().all():
        return f"ISIC archive images ({collection.folder.resolve().name}, research use)"
    return "the trainer's own images"

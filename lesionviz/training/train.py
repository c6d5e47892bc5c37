"""``train``: fine-tunes the classifier on a collection, from its images to a calibrated ``best_model.pth``.

What a run leaves in its folder: ``split.csv`` (and one more for each additional collection), ``twins.csv`` (pairs of
pictures that look the same, where there are any), ``history.csv`` (a row for each epoch), ``best_model.pth``, and, until
it is finished, ``unfinished.pth``, from which ``resume`` goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.collection import Collection
from lesionviz.data.never import read_never
from lesionviz.data.portions import ALSO_TEST, Division, Portion, divide
from lesionviz.data.read import read_collection
from lesionviz.data.split import Split, split_at_random, split_by_lesion
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing
from lesionviz.interrupt import remembered
from lesionviz.recipe import Recipe
from lesionviz.training.calibration import calibrate
from lesionviz.training.initial_weights import IMAGENET
from lesionviz.training.loop import BEST, HISTORY, Run
from lesionviz.training.progress import Watcher
from lesionviz.training.unfinished import UNFINISHED
from lesionviz.training.usable import CAUTION

TWINS = "twins.csv"


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
    _check_folder(out, resume)
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
    run = Run(
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
    say = report if report and run.accelerator.is_main_process else lambda sentence: None
    for each in division.portions:
        say(each.collection.describe())
    for sentence in division.sentences():
        say(sentence)
    if run.caution:
        say(CAUTION + run.caution)
    if resume:
        run.restore(out / UNFINISHED)
        say(f"Resuming after epoch {run.epoch}.")
    elif run.accelerator.is_main_process:
        _save_division(division, out)
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
        (out / UNFINISHED).unlink(missing_ok=True)
    return TrainingResult(out / BEST, pd.DataFrame(run.history), run.best_epoch, division.main.split, interrupted)


def _check_folder(out: Path, resume: bool) -> None:
    """Make sure that a folder holds an unfinished training if and only if that is to go on."""
    unfinished = (out / UNFINISHED).exists()
    if unfinished and not resume:
        raise LesionvizError(
            f"{out} holds an unfinished training. Go on with it (--resume), or choose another folder."
        )
    if (out / BEST).exists() and (out / HISTORY).exists() and not resume:
        raise LesionvizError(f"{out} holds a finished training. Choose another folder, or move {BEST} away.")
    if resume and not unfinished:
        raise LesionvizError(f"{out} holds no unfinished training to resume. Start one without --resume.")


def _save_division(division: Division, out: Path) -> None:
    """Write who is in which part, and which pictures look the same."""
    division.main.split.save(out)
    for other in division.also:
        other.split.save(out, f"split_{other.name}.csv")
    if division.twins is not None and division.twins.names:
        with replacing(out / TWINS) as temporary:
            division.twins.table().to_csv(temporary, index=False)

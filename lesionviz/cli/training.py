"""The commands that make a model: ``train`` and ``calibrate``."""

from __future__ import annotations

import argparse
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from lesionviz.cli.options import Commands, add_data_and_out, add_model, add_several, add_skip_damaged
from lesionviz.cli.terminal import say


def add_calibrate(commands: Commands) -> None:
    """Add ``calibrate``."""
    calibrated = commands.add_parser(
        "calibrate", help="fit temperature, thresholds and refusal of a model on its validation images"
    )
    calibrated.set_defaults(run=_calibrate)
    calibrated.add_argument("--data", type=Path, required=True, metavar="DIR", help="what it was trained on")
    add_several(calibrated, "--also", "DIR", "what it was trained on besides, each")
    calibrated.add_argument("--out", type=Path, required=True, metavar="FILE", help="the calibrated best_model.pth")
    calibrated.add_argument("--size", type=int, help="another side of the input in pixels (default: the model's)")
    calibrated.add_argument("--half", action="store_true", help="store weights in half precision (8 MB)")
    add_model(calibrated)
    add_skip_damaged(calibrated)


def add_train_drawings(commands: Commands) -> None:
    """Add ``train-drawings``."""
    drawn = commands.add_parser("train-drawings", help="make the small network that knows drawings alone, in minutes")
    drawn.set_defaults(run=_train_drawings)
    drawn.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write it")
    drawn.add_argument("--pictures", type=int, help="how many lesions to draw")
    drawn.add_argument("--epochs", type=int, help="passes over them")
    drawn.add_argument("--seed", type=int, help="of the random numbers")


def add_train(commands: Commands) -> None:
    """Add ``train``."""
    train = commands.add_parser("train", help="fine-tune the classifier on a folder of images")
    train.set_defaults(run=_train)
    add_data_and_out(train)
    add_several(
        train,
        "--also",
        "DIR",
        "another collection to learn from, a part of which is kept out; may be given several times",
    )
    train.add_argument(
        "--keep-out",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="test share of each --also, in steps of 0.05; another 0.1 is for validation (default: 0.4)",
    )
    add_several(
        train,
        "--never",
        "FILE|DIR",
        "images that take no part, with their lesions: a folder of them, or ids in a text, CSV or JSON file; may be "
        "given several times",
    )
    add_several(
        train,
        "--never-source",
        "NAME",
        "a clinic (source or attribution) that takes no part; may be given several times",
        str,
    )
    train.add_argument(
        "--twins",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with several collections, look for pictures that look the same, and learn from none whose twin is kept out "
        "(default: yes)",
    )
    add_several(
        train,
        "--outlines",
        "DIR",
        "<image>_segmentation.png outlines of lesions, for --outline-weight; may be given several times",
    )
    train.add_argument(
        "--init",
        default="imagenet",
        metavar="imagenet|scratch|FILE",
        help="starting weights: torchvision's ImageNet ones (the default), none, or a state dict",
    )
    train.add_argument("--resume", action="store_true", help="go on with the unfinished training in --out")
    train.add_argument("--half", action="store_true", help="store the weights in half precision (8 MB)")
    train.add_argument("--cpu", action="store_true", help="use the CPU even where a GPU is at hand")
    train.add_argument("--workers", type=int, default=0, help="processes that decode images (default: 0)")
    train.add_argument("--split-seed", type=int, default=2019, help="of the split by lesion (default: 2019)")
    train.add_argument(
        "--processes", type=int, default=1, metavar="N", help="share every batch between N processes (default: 1)"
    )
    add_skip_damaged(train)
    # How a training that was started on several processes is followed from the one that started it.
    train.add_argument("--progress-lines", action="store_true", help=argparse.SUPPRESS)
    train.add_argument("--stop-file", type=Path, help=argparse.SUPPRESS)
    _add_recipe(train)


def _add_recipe(train: argparse.ArgumentParser) -> None:
    """Add an option for every setting of a recipe, explained as the recipe does."""
    from lesionviz.recipe import CHOICES, Recipe

    recipe = train.add_argument_group("recipe")
    explained = _attributes(Recipe)
    for field in fields(Recipe):
        kind = type(field.default)
        how: dict[str, Any] = {"type": kind}
        if kind is bool:
            how = {"action": argparse.BooleanOptionalAction}
        elif field.name in CHOICES:
            how = {"choices": CHOICES[field.name], "metavar": "|".join(CHOICES[field.name])}
        recipe.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=field.default,
            help=f"{explained[field.name]} (default: {field.default})",
            **how,
        )


def _attributes(described: type) -> dict[str, str]:
    """Return what a docstring says of each attribute, without reStructuredText or percent signs."""
    # Without its indentation, which Python 3.13 takes off by itself.
    text = (inspect.getdoc(described) or "").partition("Attributes:")[2].replace("``", "").replace("%", " percent")
    text = re.sub(r":\w+:`([^`]+)`", r"\1", text)
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(sentence.split()).rstrip(".") for name, sentence in found}


def _train(options: argparse.Namespace) -> int:
    from lesionviz.recipe import Recipe

    recipe = Recipe(**{f.name: getattr(options, f.name) for f in fields(Recipe)})  # refused before torch is loaded
    from lesionviz.machine import check_shared_memory
    from lesionviz.training.launch import train_on_processes

    # Floats of three channels; validation batches are twice as large.
    check_shared_memory(options.workers * options.processes, 2 * recipe.batch_size * 3 * recipe.size**2 * 4)

    stop_file: Path | None = options.stop_file
    result = train_on_processes(
        options.processes,
        options.data,
        options.out,
        also=options.also,
        keep_out=options.keep_out,
        never=options.never,
        never_sources=options.never_source,
        twins=options.twins,
        outlines=options.outlines,
        init=options.init,
        recipe=recipe,
        split_seed=options.split_seed,
        resume=options.resume,
        half=options.half,
        cpu=options.cpu,
        workers=options.workers,
        skip_damaged=options.skip_damaged,
        report=say,
        watch=(lambda event: say(event.to_line())) if options.progress_lines else None,
        stop=stop_file.exists if stop_file else None,
    )
    if options.progress_lines:  # somebody else tells the end
        return 0
    say(f"Best epoch: {result.best_epoch}. Saved as {result.checkpoint}.")
    return 130 if result.interrupted else 0


def _calibrate(options: argparse.Namespace) -> int:
    from lesionviz.checkpoint import Checkpoint
    from lesionviz.data.read import read_collection
    from lesionviz.evaluation.parts import recorded_portions
    from lesionviz.training.calibration import calibrate

    checkpoint = Checkpoint.load(options.model)
    portions = recorded_portions(checkpoint, [read_collection(place) for place in (options.data, *options.also)])
    calibrated = calibrate(checkpoint, portions, size=options.size, skip_damaged=options.skip_damaged)
    calibrated.save(options.out, half=options.half)
    say(
        f"Temperature {calibrated.temperature:.3f}; {calibrated.refusal['accepted']:.1%} of the validation images "
        f"are accepted. Saved as {options.out}."
    )
    return 0


def _train_drawings(options: argparse.Namespace) -> int:
    from lesionviz.training.drawings import DrawingRecipe, train_on_drawings

    given = {name: getattr(options, name) for name in ("pictures", "epochs", "seed")}
    recipe = DrawingRecipe(**{name: value for name, value in given.items() if value is not None})
    checkpoint = train_on_drawings(options.out, recipe, say)
    say(f"{options.out}: SHA-256 {checkpoint.file_sha256}")
    return 0

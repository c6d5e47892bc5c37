"""The commands that make a model, set its input's side and judge it again, as a model card prints them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.portions import ALSO_TEST
from lesionviz.evaluation.result import Evaluation
from lesionviz.recipe import Recipe


def training_command(checkpoint: Checkpoint) -> str:
    """Return the command that trains the model again, every recipe setting spelled out."""
    recipe = checkpoint.recipe
    words = ["--data", _data(recipe)]
    for record in checkpoint.split.get("also", []):
        words += ["--also", record["name"]]
    words += _keeping_out(checkpoint.split)
    outlines = recipe.get("outlines")
    for name in outlines if isinstance(outlines, list) else []:
        words += ["--outlines", str(name)]
    words += ["--out", "OUT"]
    for name, value in (("init", recipe.get("init")), ("split-seed", checkpoint.split.get("seed"))):
        words += [f"--{name}", str(value)] if value is not None else []
    words += Recipe.from_dict(recipe).to_arguments() + (["--half"] if recipe.get("half") else [])
    return shlex.join(["lesionviz", "train", *words]).replace(" --", " \\\n  --")


def calibration_command(checkpoint: Checkpoint) -> str:
    """Return the command that gives the trained model the side of its input."""
    size, half = checkpoint.preprocessing.size, " --half" if checkpoint.recipe.get("half") else ""
    also = "".join(f" --also {record['name']}" for record in checkpoint.split.get("also", []))
    return (
        f"lesionviz calibrate --data {shlex.quote(_data(checkpoint.recipe))}{also} --model OUT/best_model.pth "
        f"--size {size} --out best_model.pth{half}"
    )


def evaluation_command(evaluation: Evaluation) -> str:
    """Return the command that judges the model again."""
    clinics = dict.fromkeys(other.source for other in evaluation.others if other.source)
    places = " ".join(
        [f"--other {other.data}" for other in evaluation.others if not other.source]
        + [f"--other-source {shlex.quote(clinic)}" for clinic in clinics]
        + [f"--unlike {name}" for name in evaluation.unlike]
        + ([f"--masks {evaluation.evidence.masks}"] if evaluation.evidence else [])
        + ([f"--views {evaluation.classifier.views}"] if evaluation.classifier.views > 1 else [])
        + (["--skip-damaged"] if any(each.damaged for each in (evaluation, *evaluation.others)) else [])
    )
    return f"lesionviz evaluate --data {shlex.quote(evaluation.data)} --part {evaluation.part} {places}".rstrip()


def _data(recipe: Mapping[str, Any]) -> str:
    """Return the name of the folder that a model learned from; models that do not record it learned from ISIC 2019."""
    return str(recipe.get("data", "ISIC_2019"))


def _keeping_out(split: Mapping[str, Any]) -> list[str]:
    """Return the options that say who was kept out, where they are not the usual ones."""
    words: list[str] = []
    also, never = split.get("also", []), split.get("never", {})
    if also and also[0]["test"] != ALSO_TEST:
        words += ["--keep-out", str(also[0]["test"])]
    words += [word for place in never.get("places", []) for word in ("--never", place)]
    words += [word for source in never.get("sources", []) for word in ("--never-source", source)]
    words += ["--skip-damaged"] if split.get("damaged") else []
    return words + (["--no-twins"] if also and split.get("twins") is None else [])

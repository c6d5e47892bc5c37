"""The model card: what a checkpoint is, how it was made, how good it is; every figure is generated."""

from __future__ import annotations

import shlex

from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.evaluation.metrics import Metrics
from lesionviz.recipe import Recipe


def model_card(checkpoint: Checkpoint, metrics: Metrics, data: str, part: str, lesions: int) -> str:
    """Return the card as Markdown.

    Args:
        checkpoint: the model.
        metrics: its figures.
        data: name of the folder that they were measured on.
        part: the part of the split they were measured on.
        lesions: how many lesions that part shows.
    """
    split = checkpoint.split
    sections = [
        "# Model card\n\nWritten by `lesionviz evaluate`; no figure is typed by hand.",
        "## Use\n\n"
        "For research and teaching: to show how a classifier of dermoscopic images answers, and why. It is not a "
        "medical device, its answer is not a diagnosis, and it must not decide about anyone's care.\n\n"
        "It chooses among " + ", ".join(f"{d.name} ({d.code})" for d in DIAGNOSES) + ", and will name one of them "
        "for any picture, also for one that shows none of them.",
        "## Model\n\n"
        f"EfficientNet-B0 (torchvision), input {checkpoint.preprocessing.size} × {checkpoint.preprocessing.size} "
        f"pixels, {checkpoint.preprocessing.geometry} of the picture.\n\n"
        + "\n".join(f"- {line}" for line in checkpoint.history)
        + f"\n- SHA-256 of the file: `{checkpoint.file_sha256}`"
        + (f"\n\nLicence of the weights: {checkpoint.licence}" if checkpoint.licence else ""),
    ]
    if checkpoint.recipe:
        sections.append(f"## How it was trained\n\n```bash\n{training_command(checkpoint)}\n```")
    if split and part != "all":
        sections.append(
            "## Split\n\nBy lesion: all photographs of one lesion fall into one part. Seed "
            f"{split.get('seed')}, {split.get('test', 0):.0%} test, {split.get('validation', 0):.0%} validation.\n"
            f"SHA-256 of `split.csv`: `{split.get('sha256')}`\n\n"
            "The kept epoch was chosen on the validation images; the test images chose nothing."
        )
    sections += [
        f"## Figures\n\nMeasured by `lesionviz evaluate --data {data} --part {part}` on {metrics.images:,} "
        f"images of {lesions:,} lesions.\n\n{_figures(metrics)}\n\n{_by_class(metrics)}\n\n"
        f"Confusion matrix (rows true, columns predicted):\n\n{_confusion(metrics)}",
        "## Limits\n\n"
        "- ISIC does not record skin tone, so no figure says how the model does on dark skin.\n"
        "- A class-activation map shows where evidence lies, not that the model is right.\n"
        "- The figures hold for images like those above; other clinics and cameras are expected to do worse.",
    ]
    return "\n\n".join(sections) + "\n"


def training_command(checkpoint: Checkpoint) -> str:
    """Return the command that trains the model again, every recipe setting spelled out."""
    recipe = checkpoint.recipe
    words = ["--data", "ISIC_2019", "--out", "OUT"]
    for name, value in (("init", recipe.get("init")), ("split-seed", checkpoint.split.get("seed"))):
        words += [f"--{name}", str(value)] if value is not None else []
    words += Recipe.from_dict(recipe).to_arguments() + (["--half"] if recipe.get("half") else [])
    return shlex.join(["lesionviz", "train", *words]).replace(" --", " \\\n  --")


def _figures(metrics: Metrics) -> str:
    rows = {
        "Accuracy": metrics.accuracy,
        "Balanced accuracy": metrics.balanced_accuracy,
        "Precision (weighted)": metrics.precision,
        "Recall (weighted)": metrics.recall,
        "F1 (weighted)": metrics.f1,
    }
    return "| figure | value |\n|---|---|\n" + "\n".join(f"| {n} | {v:.1%} |" for n, v in rows.items())


def _by_class(metrics: Metrics) -> str:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.1%}"

    return "| class | images | sensitivity | specificity |\n|---|---|---|---|\n" + "\n".join(
        f"| {code} | {sum(row):,} | {share(metrics.sensitivity[code])} | {share(metrics.specificity[code])} |"
        for code, row in zip(CODES, metrics.confusion, strict=True)
    )


def _confusion(metrics: Metrics) -> str:
    head = "| | " + " | ".join(CODES) + " |\n|---|" + "---|" * len(CODES) + "\n"
    return head + "\n".join(
        f"| **{code}** | " + " | ".join(f"{n:,}" for n in row) + " |"
        for code, row in zip(CODES, metrics.confusion, strict=True)
    )

"""What a report says of the model itself: what it is, and what it was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.folders import some
from lesionviz.evaluation.report.commands import calibration_command, training_command
from lesionviz.evaluation.report.document import Bullets, Command, Paragraph, Part
from lesionviz.evaluation.usable import left_out
from lesionviz.network import ARCHITECTURES
from lesionviz.recipe import Recipe


def details_parts(checkpoint: Checkpoint) -> list[Part]:
    """Say what the model is, how it was trained, and what may be done with it."""
    size = checkpoint.preprocessing.size
    parts: list[Part] = [
        Paragraph(
            f"{ARCHITECTURES[checkpoint.architecture]} (torchvision), input {size} × {size} pixels, "
            f"{checkpoint.preprocessing.geometry} of the picture. Temperature {checkpoint.temperature:.3f}."
        ),
        Bullets([*checkpoint.history, f"SHA-256 of the file: `{checkpoint.file_sha256}`"]),
    ]
    if checkpoint.licence:
        parts.append(Paragraph(f"Licence of the weights: {checkpoint.licence}"))
    if checkpoint.recipe:
        parts += [Paragraph("Trained by:"), Command(training_command(checkpoint))]
        if size != Recipe.from_dict(checkpoint.recipe).size:
            parts += [
                Paragraph(
                    f"Then its input was set to {size} × {size} pixels, a side chosen on the validation images, by:"
                ),
                Command(calibration_command(checkpoint)),
            ]
    return parts


def training_data_parts(checkpoint: Checkpoint) -> list[Part]:
    """Say how the images were split, and which of them chose what."""
    split = checkpoint.split
    if not split:
        return [Paragraph("Not recorded.")]
    how = (
        "By lesion: all photographs of one lesion fall into one part."
        if split.get("by", "lesion") == "lesion"
        else "At random by image: **test images may show lesions that were trained on**, and figures flatter the model."
    )
    return [
        Paragraph(
            f"{how} Seed {split.get('seed')}, {split.get('test', 0):.0%} test, {split.get('validation', 0):.0%} "
            f"validation. SHA-256 of `split.csv`: `{split.get('sha256')}`"
        ),
        *(
            Paragraph(
                f"Also trained on a part of {record['name']}, split on its own with the same seed: {record['test']:.0%} "
                f"test and {record['validation']:.0%} validation images kept out. SHA-256 of the split: "
                f"`{record['sha256']}`"
            )
            for record in split.get("also", [])
        ),
        *_kept_out_besides(split),
        Paragraph(
            "The kept epoch, the temperature, the thresholds and the refusal were chosen on the validation images; the "
            "test images chose nothing."
        ),
    ]


def _kept_out_besides(split: Mapping[str, Any]) -> list[Part]:
    """Say what was kept out on top of the splits, and why."""
    parts: list[Part] = []
    never, twins = split.get("never"), split.get("twins")
    if never:
        clinics = f", and every image of {', '.join(never['sources'])}" if never["sources"] else ""
        parts.append(
            Paragraph(
                "Never in training, calibration or choice, with what shows the same lesion or patient: "
                f"{never['images']:,} images by name (SHA-256 of their sorted ids: `{never['sha256']}`){clinics}."
            )
        )
    if twins:
        parts.append(
            Paragraph(
                f"{twins['pairs']:,} pairs of pictures of different lesions look the same, {twins['torn']:,} of them in "
                "different parts; of those, the one that would have been learned from was dropped. SHA-256 of the pairs: "
                f"`{twins['sha256']}`"
            )
        )
    dropped = [
        (name, len(record["kept_out"]))
        for name, record in (("the main collection", split), *((r["name"], r) for r in split.get("also", [])))
        if record.get("kept_out")
    ]
    damaged = split.get("damaged", [])
    if damaged:
        parts.append(Paragraph(f"{left_out(len(damaged))} {some(damaged)}"))
    if dropped:
        counts = ", ".join(f"{count:,} of {name}" for name, count in dropped)
        parts.append(
            Paragraph(f"Rows of the tables, with an image or not, that were kept out besides the splits: {counts}.")
        )
    return parts

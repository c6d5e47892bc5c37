"""Does the answer hang on a ruler, on ink, on hair, on dark corners? Draws them and asks again.

A shortcut is something in the picture that went with a diagnosis in the training data without being part
of it (Winkler et al. 2019, doi 10.1001/jamadermatol.2019.1735, on skin markings). The answer to the same
lesion should not change when one is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.artefacts import ARTEFACTS
from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.evaluation.bootstrap import mean_by_group
from lesionviz.evaluation.evidence import evidence_share
from lesionviz.evaluation.measures import MALIGNANT_CODES
from lesionviz.evaluation.parts import rows_of_part
from lesionviz.evaluation.study import save_study
from lesionviz.evaluation.usable import left_out, look_at, usable_rows
from lesionviz.imaging import LesionImage, open_image

FIGURES = {
    "flipped": "another diagnosis",
    "to malignant": "benign became malignant",
    "to benign": "malignant became benign",
    "change": "change of the first answer's probability",
    "evidence": "positive evidence on the artefact",
    "area": "area of the artefact",
}


@dataclass(frozen=True)
class ShortcutReport:
    """What drawing each artefact did.

    Attributes:
        table: one row for each image and artefact: ``image``, ``lesion``, ``artefact``, ``before`` and ``after``
            (codes), ``flipped``, ``to malignant`` and ``to benign`` (0 or 1), ``change`` (of the first answer's
            probability), ``evidence`` (share of the new map's positive evidence on the drawn pixels) and
            ``area`` (their share of what the network sees: what an even map would put there).
        images: how many were judged.
        damaged: how many of those drawn could not be used and were left out.
    """

    table: pd.DataFrame
    images: int
    damaged: int = 0

    def summary(self) -> pd.DataFrame:
        """Return mean, low and high of every figure by artefact; intervals bootstrapped by lesion."""
        rows = [
            (artefact, figure, *mean_by_group(group[figure].to_numpy(float), group["lesion"].to_numpy()))
            for artefact, group in self.table.groupby("artefact", sort=False)
            for figure in FIGURES
        ]
        return pd.DataFrame(rows, columns=["artefact", "figure", "mean", "low", "high"])

    def to_markdown(self) -> str:
        """Return the summary as a table, with 95 % intervals."""
        lines = [
            f"{self.images:,} test images; means with 95 % intervals, bootstrapped by lesion."
            + (f" {left_out(self.damaged)}" if self.damaged else ""),
            "",
            "| artefact | " + " | ".join(FIGURES.values()) + " |",
            "|---|" + "---|" * len(FIGURES),
        ]
        for artefact, group in self.summary().groupby("artefact", sort=False):
            figures = group[["mean", "low", "high"]].to_numpy()
            cells = [f"{mean:.1%} ({low:.1%} to {high:.1%})" for mean, low, high in figures]
            lines.append(f"| {artefact} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def save(self, out: Path) -> None:
        """Write ``shortcuts.csv`` (every image), ``shortcuts.json`` (the summary) and ``shortcuts.md``."""
        summary = {
            "images": self.images,
            "damaged": self.damaged,
            "figures": self.summary().to_dict(orient="records"),
        }
        save_study(out, "shortcuts", self.table, summary, self.to_markdown())


def shortcuts(
    data: str | Path | Collection,
    model: str | Path | LesionClassifier | None = None,
    out: str | Path | None = None,
    images: int = 500,
    seed: int = 0,
    skip_damaged: bool = False,
) -> ShortcutReport:
    """Draw each artefact on test images and compare the answers.

    Args:
        data: a folder in the ISIC 2019 layout, or a collection; only the model's test part is used.
        model: a checkpoint's path or a classifier; by default the bundled one.
        out: folder for the results; by default nothing is written.
        images: how many test images to draw.
        seed: of the choice and of the drawing.
        skip_damaged: go on without images that cannot be used.

    Raises:
        LesionvizError: data or model cannot be used.
    """
    classifier = model if isinstance(model, LesionClassifier) else load(model)
    collection = data if isinstance(data, Collection) else read_collection(data)
    rows = rows_of_part(classifier.checkpoint, collection, "test")
    rows = rows.sample(min(images, len(rows)), random_state=seed)
    damaged = look_at(rows["path"], skip_damaged)
    rows = usable_rows(rows, damaged)
    random = np.random.default_rng(seed)
    found: list[dict[str, Any]] = []
    for row in tqdm(rows.itertuples(), total=len(rows), desc="Drawing artefacts", disable=None):
        for line in _probe(classifier, open_image(row.path), random):
            found.append({"image": row.image, "lesion": row.lesion} | line)
    report = ShortcutReport(pd.DataFrame(found), len(rows), len(damaged))
    if out is not None:
        report.save(Path(out))
    return report


def _probe(classifier: LesionClassifier, picture: LesionImage, random: np.random.Generator) -> list[dict[str, Any]]:
    """Return one line for each artefact drawn on a picture."""
    drawn = {name: draw(picture.pixels, random) for name, draw in ARTEFACTS.items()}
    before, *answers = classifier.predict_many([picture, *(changed for changed, _ in drawn.values())])
    left, top, right, bottom = classifier.preprocessing.box(*picture.pixels.size)
    lines = []
    for (name, (changed, touched)), after in zip(drawn.items(), answers, strict=True):
        seen = touched[top:bottom, left:right]
        was, became = before.diagnosis in MALIGNANT_CODES, after.diagnosis in MALIGNANT_CODES
        lines.append(
            {
                "artefact": name,
                "before": before.diagnosis,
                "after": after.diagnosis,
                "flipped": float(before.diagnosis != after.diagnosis),
                "to malignant": float(became) if not was else np.nan,
                "to benign": float(not became) if was else np.nan,
                "change": after.probabilities[before.diagnosis] - before.confidence,
                "evidence": evidence_share(classifier.explain(changed).raw, seen),
                "area": float(seen.mean()),
            }
        )
    return lines

"""How often does an answer hold still under what should not matter, and does holding still go with being right?

    python tests/benchmarks/stillness.py --data ISIC_2019 --images 500 --kept stillness.csv

Every picture is answered as it is and in its twenty-three variants (`lesionviz.trust.stillness`): 24 forwards, with the
batch norms folded. Test images, all with the answer that the model would give, also those that it refuses. Every picture
is kept in a file when it is done, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from kept import keep, kept
from sklearn.metrics import roc_auc_score
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.read import read_collection
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval, by_lesion, mean_by_group
from lesionviz.evaluation.parts import rows_of_part
from lesionviz.trust.stillness import FORWARDS, VARIANTS, stillness

GROUPS: dict[str, tuple[str, ...]] = {
    "turned and mirrored": ("turn", "upside", "mirrored"),
    "shifted": ("shifted",),
    "zoomed": ("larger", "smaller"),
    "light": ("brighter", "darker", "light"),
    "sharpness": ("blurred", "sharpened"),
    "saved as JPEG": ("JPEG",),
}
"""Words by which the variants of a group are known."""
Flags = npt.NDArray[np.bool_]


def group_of(variant: str) -> str:
    """Return the group of a variant."""
    (found,) = (name for name, words in GROUPS.items() if any(word in variant for word in words))
    return found


def lines_of(classifier: LesionClassifier, path: str) -> list[dict[str, Any]]:
    """Return a line for each variant of a picture."""
    found = stillness(classifier, classifier.examine(path).seen)
    return [
        {
            "answer": found.diagnosis,
            "confidence": found.confidence,
            "variant": each.name,
            "there": each.diagnosis,
            "left": each.probability,
        }
        for each in found.variants
    ]


def report(table: pd.DataFrame) -> None:
    """Print how often answers are kept, by group and by class, and how often they are right."""
    table = table.assign(kept=table["there"] == table["answer"], group=table["variant"].map(group_of))
    table = table.assign(fallen=(table["confidence"] - table["left"]).clip(lower=0))

    def share(values: pd.Series, lesions: pd.Series) -> Interval:
        return Interval(*mean_by_group(values.to_numpy(float), lesions.to_numpy()))

    print("| what is changed | variants | answers kept | images that keep it under all | mean of the deepest fall |")
    print("|---|---|---|---|---|")
    parts = [(name, table[table["group"] == name]) for name in GROUPS]
    for name, rows in [*parts, ("**everything**", table)]:
        by_image = rows.groupby("image").agg(
            lesion=("lesion", "first"), all=("kept", "all"), fallen=("fallen", "max")
        )
        cells = (share(rows["kept"], rows["lesion"]), share(by_image["all"], by_image["lesion"]))
        fall = 100 * by_image["fallen"].mean()
        print(f"| {name} | {rows['variant'].nunique()} | {cells[0]} | {cells[1]} | {fall:.1f} points |")

    images = table.groupby("image").agg(
        lesion=("lesion", "first"),
        truth=("truth", "first"),
        answer=("answer", "first"),
        confidence=("confidence", "first"),
        all=("kept", "all"),
        kept=("kept", "mean"),
    )
    print("\n| class | images of it | kept under all | images answered so | kept under all |")
    print("|---|---|---|---|---|")
    for code in CODES:
        those, named = (images[images[column] == code] for column in ("truth", "answer"))
        cells = (share(those["all"], those["lesion"]), share(named["all"], named["lesion"]))
        print(f"| {code} | {len(those):,} | {cells[0]} | {len(named):,} | {cells[1]} |")

    right, still = ((images["truth"] == images["answer"]).to_numpy(), images["all"].to_numpy(bool))

    def told_apart(column: str, weight: npt.NDArray[np.float64]) -> float:
        if not 0 < weight[right].sum() < weight.sum():
            return np.nan
        return float(roc_auc_score(right, images[column], sample_weight=weight))

    def figures(weight: npt.NDArray[np.float64]) -> dict[str, float]:
        def mean(values: Flags, among: Flags) -> float:
            return float(np.average(values[among], weights=weight[among])) if weight[among].sum() else np.nan

        kept, not_kept = mean(right, still), mean(right, ~still)
        return {
            "right where the answer is kept under all": kept,
            "right where some variant gets another answer": not_kept,
            "difference": kept - not_kept,
            "of the wrong answers, kept under all": mean(still, ~right),
            "of the right answers, kept under all": mean(still, right),
            "right from wrong by the share of variants that keep the answer, ROC-AUC": told_apart("kept", weight),
            "right from wrong by the answer's probability alone, ROC-AUC": told_apart("confidence", weight),
        }

    print("\n| figure | value |")
    print("|---|---|")
    for name, each in by_lesion(figures, images["lesion"].to_numpy()).items():
        print(f"| {name} | {each} |")


def main() -> None:
    """Look at what was not looked at, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--part", default="test", choices=["test", "validation"])
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--kept", type=Path, required=True)
    options = parser.parse_args()
    assert {group_of(name) for name in VARIANTS} == set(GROUPS)
    checkpoint = Checkpoint.load(options.model)
    rows = rows_of_part(checkpoint, read_collection(options.data), options.part)
    rows = rows.sample(min(options.images, len(rows)), random_state=0)
    known = {"model": checkpoint.file_sha256[:12], "part": options.part}
    done = set(kept(options.kept, known)["image"])
    classifier = LesionClassifier(checkpoint, folded=True)
    for row in tqdm(rows.itertuples(), total=len(rows), desc="Changing", disable=None):
        if row.image not in done:
            about = known | {"image": row.image, "lesion": row.lesion, "truth": row.diagnosis}
            keep(options.kept, about, lines_of(classifier, row.path))
    table = kept(options.kept, known)
    print(
        f"{len(rows):,} {options.part} images of {rows['lesion'].nunique():,} lesions, model `{known['model']}`; "
        f"95 % intervals, bootstrapped by lesion; {FORWARDS} forwards an image.\n"
    )
    report(table[table["image"].isin(rows["image"])])


if __name__ == "__main__":
    main()

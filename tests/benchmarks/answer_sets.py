"""How often do answer sets hold the right diagnosis, and how large are they? By source and by class; and unknown diagnoses.

    python tests/benchmarks/answer_sets.py --data ISIC_2019 --other ISIC_2017 --other MILK10k --other ISIC_archive \
        --other-source 'International Dermoscopy Society' --kept answers.csv

The sets are those that the model's own record of its calibration images gives; nothing is chosen here. The
probabilities are kept in a file, so that a run that was stopped goes on, and another level costs nothing. ``--part
validation`` looks at the images that they were fitted on, among others: for trying this script, not for figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.collection import Collection
from lesionviz.data.read import read_collection
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.bootstrap import Interval, mean_by_group
from lesionviz.evaluation.measures import MALIGNANT_CODES
from lesionviz.evaluation.parts import rows_of_other, rows_of_part, rows_of_source, unknown_rows
from lesionviz.trust.answer_sets import LEVELS, WHY_NONE, answer_sets

COLUMNS = ["source", "image", "lesion", "diagnosis", *CODES]
BATCH = 32
FEW = 20
"""Images below which no figure is given."""


def groups(
    classifier: LesionClassifier, collection: Collection, others: list[Collection], part: str, sources: list[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield what is judged, with its name: parts, clinics that were kept out, and unknown diagnoses."""
    known = classifier.checkpoint
    yield collection.folder.name, rows_of_part(known, collection, part)
    for other in others if part == "test" else ():
        yield other.folder.name, rows_of_other(known, other)[0]
        for source in sources:
            yield f"{other.folder.name}, {source}", rows_of_source(known, other, source)[0]
    for each in (collection, *others) if part == "test" else ():
        yield f"{each.folder.name}, unknown", unknown_rows(known, each)


def look(classifier: LesionClassifier, name: str, rows: pd.DataFrame, kept: Path) -> None:
    """Add the probabilities of some images to a file, without those that it has."""
    done = set(pd.read_csv(kept)["image"][pd.read_csv(kept)["source"] == name]) if kept.exists() else set()
    rows = rows[~rows["image"].isin(done)]
    for start in tqdm(range(0, len(rows), BATCH), desc=name, disable=None):
        batch = rows.iloc[start : start + BATCH]
        answers = classifier.predict_many(batch["path"], BATCH)
        lines = [
            (name, row.image, row.lesion, row.diagnosis, *answer.probabilities.values())
            for row, answer in zip(batch.itertuples(), answers, strict=True)
        ]
        pd.DataFrame(lines, columns=COLUMNS).to_csv(kept, mode="a", header=not kept.exists(), index=False)


def share(values: np.ndarray, rows: pd.DataFrame) -> str:
    """Return a share with its interval, bootstrapped by lesion."""
    return str(Interval(*mean_by_group(values.astype(float), rows["lesion"].to_numpy()))) if len(rows) >= FEW else "–"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path, action="append", default=[])
    parser.add_argument("--other-source", action="append", default=[])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--part", default="test", choices=["test", "validation"])
    parser.add_argument("--images", type=int, default=10**9, help="of each source at most")
    parser.add_argument("--kept", type=Path, required=True)
    options = parser.parse_args()
    classifier = load(options.model)
    sets = answer_sets(classifier.checkpoint)
    if sets is None:
        raise SystemExit(WHY_NONE)
    collection, others = read_collection(options.data), [read_collection(each) for each in options.other]
    for name, rows in groups(classifier, collection, others, options.part, options.other_source):
        if len(rows):
            look(classifier, name, rows.sample(min(len(rows), options.images), random_state=0), options.kept)
    table = pd.read_csv(options.kept)
    known = table[table["diagnosis"].isin(CODES)]
    print(
        f"Model `{classifier.checkpoint.file_sha256[:12]}`, part {options.part}. 95 % intervals, bootstrapped by lesion.\n"
    )

    def made(rows: pd.DataFrame, level: float) -> list[tuple[str, ...]]:
        return [sets.of(dict(zip(CODES, each, strict=True)), level).codes for each in rows[list(CODES)].to_numpy()]

    def line(name: str, rows: pd.DataFrame, level: float) -> None:
        codes = made(rows, level)
        held = np.array([truth in each for truth, each in zip(rows["diagnosis"], codes, strict=True)])
        sizes = np.array([len(each) for each in codes])
        figures = (share(held, rows), f"{sizes.mean():.2f}", share(sizes == 1, rows))
        print(f"| {name} | {len(rows):,} | {level:.0%} | {' | '.join(figures)} |")

    head = "| {} | images | asked for | right one held | mean size | one diagnosis alone |\n|---|---|---|---|---|---|"
    print(head.format("source"))
    for name, rows in known.groupby("source", sort=False):
        for level in LEVELS:
            line(name, rows, level)
    print("\n" + head.format("class"))
    for (name, code), rows in known.groupby(["source", "diagnosis"], sort=False):
        if len(rows) >= FEW:
            line(f"{name}, {code}", rows, 0.9)
    print(
        "\n| images of | images | asked for | no malignant diagnosis in the set | answer benign |\n|---|---|---|---|---|"
    )
    asked = [(name, rows) for name, rows in table[~table["diagnosis"].isin(CODES)].groupby("source", sort=False)]
    malignant = known[known["diagnosis"].isin(MALIGNANT_CODES)]
    asked += [(f"{name}, MEL and BCC", rows) for name, rows in malignant.groupby("source", sort=False)]
    for name, rows in asked:
        for level in LEVELS:
            without = np.array([not set(each) & set(MALIGNANT_CODES) for each in made(rows, level)])
            benign = np.array([each[0] not in MALIGNANT_CODES for each in made(rows, level)])
            print(f"| {name} | {len(rows):,} | {level:.0%} | {share(without, rows)} | {share(benign, rows)} |")


if __name__ == "__main__":
    main()

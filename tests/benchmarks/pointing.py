"""Which layer's and which method's maps point at what matters? How often the check of the pointing passes.

    python tests/benchmarks/pointing.py --data ISIC_2019 --part validation --images 60 --kept pointing.csv
    python tests/benchmarks/pointing.py --data ISIC_2019 --part test --images 500 --kept pointing.csv \
        --layers features.8 --methods gradcam

The first looks at every layer and method on validation images and names the one that passes most often; the second
confirms that one on test images, once. Each picture's own answer is explained. Every picture is kept in a file when it is
done, so that a run that was stopped goes on. A map costs 41 forwards (with the batch norms folded), the same place only
once: all thirty-six maps of a picture take a minute or more, one map some seconds. ``random place`` is no method: it marks
a random place that matches Grad-CAM's, and should pass once in twenty times at most.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kept import keep, kept
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.read import read_collection
from lesionviz.evaluation.bootstrap import Interval, mean_by_group
from lesionviz.evaluation.parts import rows_of_part
from lesionviz.explanation.methods import METHODS
from lesionviz.network import LAYERS
from lesionviz.trust.places import elsewhere, marked
from lesionviz.trust.pointing import RULE, Pointing, pointing
from lesionviz.trust.squares import Mask

RANDOM = "random place"
BADGES = ("passes", "does not pass", "cannot tell")
RANDOM_SEED = 11


class Judge:
    """The model twice: as it is, for maps, and with batch norms folded, for many probabilities."""

    def __init__(self, checkpoint: Checkpoint, threshold: float) -> None:
        self.whole, self.quick = LesionClassifier(checkpoint), LesionClassifier(checkpoint, folded=True)
        self.threshold = threshold

    def judge(self, path: str, wanted: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
        """Yield a line for each wanted layer and method."""
        case = self.whole.examine(path)
        if any(layer != LAYERS[-1] for layer, _ in wanted):
            case = self.whole.complete(case)
        target = case.prediction.diagnosis
        found: dict[bytes, Pointing] = {}
        for layer, method in wanted:
            mask = self._mask(case.explanation(target, layer, "gradcam" if method == RANDOM else method).raw, method)
            place = np.packbits(mask).tobytes()
            if place not in found:
                found[place] = pointing(self.quick, case.seen, mask, target)
            one = found[place]
            yield {
                "layer": layer,
                "method": method,
                "target": target,
                "badge": one.badge,
                "why": one.cannot_tell_because,
                "before": one.before,
                "area": one.area,
                "pieces": one.pieces,
                "drop": np.mean(one.drops) if one.drops else np.nan,
                "random": np.mean(one.random_drops) if one.drops and one.random_drops[0] else np.nan,
            }

    def _mask(self, raw: np.ndarray, method: str) -> Mask:
        mask = marked(raw, self.whole.preprocessing.size, self.threshold)
        if method != RANDOM or not mask.any():
            return mask
        places = elsewhere(mask, 1, np.random.default_rng(RANDOM_SEED))
        return places[0] if places else np.zeros_like(mask)


def report(table: pd.DataFrame) -> None:
    """Print how often each layer and method passes, the most often first."""
    print("| layer | method | images | " + " | ".join(BADGES) + " | drop | random drop | marked |")
    print("|---|---|---|---|---|---|---|---|---|")
    groups = sorted(table.groupby(["layer", "method"]), key=lambda each: -(each[1]["badge"] == "passes").mean())
    for (layer, method), rows in groups:
        lesions = rows["lesion"].to_numpy()
        cells = [str(Interval(*mean_by_group((rows["badge"] == each).to_numpy(float), lesions))) for each in BADGES]
        means = [f"{rows[name].mean():.1%}" for name in ("drop", "random", "area")]
        print(f"| {layer} | {method} | {len(rows):,} | {' | '.join(cells + means)} |")
    print(f"\nMost often: {' '.join(groups[0][0])}.")


def main() -> None:
    """Look at what was not looked at, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--part", default="validation", choices=["test", "validation"])
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--layers", nargs="+", default=LAYERS, choices=LAYERS)
    parser.add_argument("--methods", nargs="+", default=[*METHODS, RANDOM], choices=[*METHODS, RANDOM])
    parser.add_argument("--threshold", type=float, default=0.5, help="share of the map's peak (default: 0.5)")
    parser.add_argument("--kept", type=Path, required=True)
    options = parser.parse_args()
    checkpoint = Checkpoint.load(options.model)
    rows = rows_of_part(checkpoint, read_collection(options.data), options.part)
    rows = rows.sample(min(options.images, len(rows)), random_state=0)
    known = {"model": checkpoint.file_sha256[:12], "part": options.part, "threshold": options.threshold}
    wanted = [(layer, method) for layer in options.layers for method in options.methods]

    def table_so_far() -> pd.DataFrame:
        blank = {"drop": [""], "random": [""]}
        return kept(options.kept, known, "layer", "method", keep_default_na=False, na_values=blank)

    done = set(table_so_far()[["image", "layer", "method"]].itertuples(index=False, name=None))
    judge = Judge(checkpoint, options.threshold)
    for row in tqdm(rows.itertuples(), total=len(rows), desc="Taking away", disable=None):
        missing = [each for each in wanted if (row.image, *each) not in done]
        if missing:
            keep(options.kept, known | {"image": row.image, "lesion": row.lesion}, judge.judge(row.path, missing))
    table = table_so_far()
    chosen = set(wanted)
    named = pd.Series(list(zip(table["layer"], table["method"], strict=True)), index=table.index)
    print(
        f"{len(rows):,} {options.part} images, model `{known['model']}`; 95 % intervals, bootstrapped by lesion. {RULE}\n"
    )
    report(table[table["image"].isin(rows["image"]) & named.isin(chosen)])


if __name__ == "__main__":
    main()

"""Do the maps show what the classifier uses? Every method and layer, judged on the same images.

Four questions, each with a baseline beside it:

- **deletion and insertion** (Petsiuk et al. 2018, arXiv 1806.07421): blur the cells that a map ranks highest,
  or sharpen them in a blurred picture; a faithful map moves the class's probability more than a random one.
- **place**: share of positive evidence inside the lesion's outline and along the picture's border, and whether
  the peak lies in the outline (the pointing game, Zhang et al. 2016, arXiv 1608.00507); beside the outline's area.
- **randomisation** (Adebayo et al. 2018, arXiv 1810.03292): with the head, or the head and the upper blocks, or
  everything replaced by random weights, a map that depends on what was learned must change.
- **a network with random weights** answers the place question too: what it reaches comes from the architecture.

It judges the classifier from outside and therefore stands above it. Figures carry 95 % intervals,
bootstrapped by lesion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import ImageFilter
from scipy.stats import spearmanr
from tqdm.auto import tqdm

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.collection import Collection
from lesionviz.data.outlines import with_outline
from lesionviz.data.read import read_collection
from lesionviz.evaluation.bootstrap import mean_by_group
from lesionviz.evaluation.evidence import evidence_share, read_outline, spread_evidence
from lesionviz.evaluation.measures import Floats
from lesionviz.evaluation.parts import rows_of_part
from lesionviz.evaluation.study import save_study
from lesionviz.evaluation.usable import left_out, look_at, usable_rows
from lesionviz.explanation.methods import METHODS
from lesionviz.files import replacing
from lesionviz.imaging import LesionImage, open_image
from lesionviz.network import LAYERS, grid_size
from lesionviz.preprocessing import to_tensor

RANDOM = "random map"
UNTRAINED = "untrained network"
STEPS = (0.25, 0.5, 0.75)
"""Shares of the cells that are blurred or sharpened, besides none and all."""
BORDER = 0.1
"""Width of the border strip, as a share of the side."""
STAGES = {"head": (), "upper blocks": ("features.8", "features.7", "features.6"), "everything": LAYERS}
"""What is replaced by random weights, besides the head."""
FIGURES = ("deletion", "insertion", "inside", "pointing", "border", *(f"rank after {stage}" for stage in STAGES))


@dataclass(frozen=True)
class FaithfulnessReport:
    """What was found.

    Attributes:
        table: one row for each image, layer and method (also ``"random map"`` and ``"untrained network"``):
            ``image``, ``lesion``, ``layer``, ``method`` and the figures; a figure that does not apply is NaN.
        lesion_area: mean share of the network's view that lies inside the outline: what an even map reaches.
        images, lesions: how many were judged.
        model_sha256: of the checkpoint file.
        damaged: how many of those drawn could not be used and were left out.
    """

    table: pd.DataFrame
    lesion_area: float
    images: int
    lesions: int
    model_sha256: str
    damaged: int = 0

    def summary(self) -> pd.DataFrame:
        """Return mean, low and high of every figure, indexed by layer, method and figure."""
        rows = []
        for (layer, method), group in self.table.groupby(["layer", "method"], sort=False):
            for figure in FIGURES:
                values = group[figure].to_numpy(float)
                if not np.isnan(values).all():
                    mean, low, high = mean_by_group(values, group["lesion"].to_numpy())
                    rows.append((layer, method, figure, mean, low, high))
        columns = ["layer", "method", "figure", "mean", "low", "high"]
        return pd.DataFrame(rows, columns=columns).set_index(["layer", "method", "figure"])

    def to_markdown(self) -> str:
        """Return the summary as one table, with intervals."""
        summary = self.summary()
        lines = [
            f"{self.images:,} test images of {self.lesions:,} lesions; means with 95 % intervals, bootstrapped by "
            f"lesion. The outline covers {self.lesion_area:.1%} of what the network sees. "
            f"Model `{self.model_sha256[:12]}`." + (f" {left_out(self.damaged)}" if self.damaged else ""),
            "",
            "| layer | method | " + " | ".join(FIGURES) + " |",
            "|---|---|" + "---|" * len(FIGURES),
        ]
        for layer, method in self.table[["layer", "method"]].drop_duplicates().itertuples(index=False):
            cells = []
            for figure in FIGURES:
                if (layer, method, figure) in summary.index:
                    mean, low, high = summary.loc[(layer, method, figure)]
                    cells.append(f"{mean:.3f} ({low:.3f}–{high:.3f})")
                else:
                    cells.append("–")
            lines.append(f"| {layer} | {method} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def save(self, out: Path) -> None:
        """Write ``faithfulness.csv`` (every image), ``.json`` (the summary), ``.md`` and ``.png``."""
        from lesionviz.evaluation.report.figures import faithfulness_figure

        summary = {
            "images": self.images,
            "damaged": self.damaged,
            "lesions": self.lesions,
            "lesion_area": self.lesion_area,
            "model_sha256": self.model_sha256,
            "figures": self.summary().reset_index().to_dict(orient="records"),
        }
        save_study(out, "faithfulness", self.table, summary, self.to_markdown())
        with replacing(out / "faithfulness.png") as temporary:
            faithfulness_figure(self.summary()).savefig(temporary, dpi=150)


def faithfulness(
    data: str | Path | Collection,
    masks: str | Path,
    model: str | Path | None = None,
    out: str | Path | None = None,
    images: int = 500,
    layers: Sequence[str] = LAYERS,
    seed: int = 0,
    skip_damaged: bool = False,
) -> FaithfulnessReport:
    """Judge every method at every layer on test images with outlines.

    Args:
        data: a folder in the ISIC 2019 layout, or a collection; only images of the model's test part are used.
        masks: folder with ``<image>_segmentation.png``, white where the lesion is, in the image's frame.
        model: a checkpoint's path; by default the bundled one.
        out: folder for the results; by default nothing is written.
        images: how many to draw from the test images that have an outline.
        layers: which blocks.
        seed: of the choice of images, of the random maps and of the random weights.
        skip_damaged: go on without images that cannot be used.

    Raises:
        LesionvizError: data, model or masks cannot be used.
    """
    checkpoint = Checkpoint.load(model)
    classifier = LesionClassifier(checkpoint)
    collection = data if isinstance(data, Collection) else read_collection(data)
    rows = with_outline(rows_of_part(classifier.checkpoint, collection, "test"), Path(masks))
    rows = rows.sample(min(images, len(rows)), random_state=seed)
    damaged = look_at([*rows["path"], *rows["outline"]], skip_damaged)
    rows = usable_rows(rows, damaged)
    rows = usable_rows(rows.assign(path=rows["outline"]), damaged).assign(path=rows["path"])
    judge = _Judge(checkpoint, tuple(layers), seed)
    found: list[dict[str, Any]] = []
    areas = []
    for row in tqdm(rows.itertuples(), total=len(rows), desc="Judging maps", disable=None):
        picture = open_image(row.path)
        outline = read_outline(Path(row.outline), picture, judge.classifier)
        areas.append(outline.mean())
        found += [{"image": row.image, "lesion": row.lesion} | line for line in judge.judge(picture, outline)]
    report = FaithfulnessReport(
        pd.DataFrame(found),
        float(np.mean(areas)),
        len(rows),
        rows["lesion"].nunique(),
        checkpoint.file_sha256,
        len(damaged),
    )
    if out is not None:
        report.save(Path(out))
    return report


def randomised(checkpoint: Checkpoint, blocks: Sequence[str], seed: int) -> Checkpoint:
    """Return a checkpoint whose head and named blocks have lost what they learned.

    Every weight tensor there is shuffled: its values stay, so signals keep their size, their places do not.
    """
    generator = torch.Generator().manual_seed(seed)

    def shuffled(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].view_as(tensor)

    prefixes = ("classifier.", *(f"{block}." for block in blocks))
    state = {
        key: shuffled(tensor) if key.startswith(prefixes) and tensor.ndim > 1 else tensor
        for key, tensor in checkpoint.state_dict.items()
    }
    return replace(checkpoint, state_dict=state)


class _Judge:
    """The classifier, its randomised copies, and the questions."""

    def __init__(self, checkpoint: Checkpoint, layers: tuple[str, ...], seed: int) -> None:
        self.classifier = LesionClassifier(checkpoint)
        # Thousands of perturbed pictures an image: bfloat16 is faster, and probabilities need few digits.
        self.quick = LesionClassifier(checkpoint, precision=torch.bfloat16)
        self.copies = {
            stage: LesionClassifier(randomised(checkpoint, blocks, seed)) for stage, blocks in STAGES.items()
        }
        self.layers, self.random = layers, np.random.default_rng(seed)
        self.size = checkpoint.preprocessing.size

    def judge(self, picture: LesionImage, outline: npt.NDArray[np.bool_]) -> Iterator[dict[str, Any]]:
        """Yield one line of figures for each layer and method."""
        target = self.classifier.predict(picture).diagnosis
        maps: dict[tuple[str, str], Floats] = {}
        for method in METHODS:
            shown = self.classifier.explain_all(picture, method)
            maps |= {(layer, method): shown[layer, target].raw.astype(float) for layer in self.layers}
        for layer in self.layers:
            cells = grid_size(layer, self.size)
            maps[layer, RANDOM] = self.random.random((cells, cells))
        moved = self._deletion_and_insertion(picture, list(maps.values()), target)
        for ((layer, method), raw), (deletion, insertion) in zip(maps.items(), moved, strict=True):
            line = {"layer": layer, "method": method, "deletion": deletion, "insertion": insertion}
            line |= place(raw, outline)
            for stage, copy in self.copies.items():
                if method != RANDOM:
                    other = copy.explain_all(picture, method)[layer, target].raw
                    line[f"rank after {stage}"] = rank_agreement(raw, other)
            yield line
        untrained = self.copies["everything"].explain_all(picture)
        for layer in self.layers:
            raw = untrained[layer, target].raw.astype(float)
            yield {"layer": layer, "method": UNTRAINED} | place(raw, outline)

    def _deletion_and_insertion(
        self, picture: LesionImage, maps: list[Floats], target: str
    ) -> list[tuple[float, float]]:
        """Return the areas under both curves for each map, from one batched pass."""
        seen = self.classifier.preprocessing.resize(picture.pixels)
        sharp = to_tensor(seen)
        blurred = to_tensor(seen.filter(ImageFilter.GaussianBlur(self.size / 10)))
        tops = [top_cells(raw, share, self.size) for raw in maps for share in STEPS]
        top = torch.from_numpy(np.stack(tops)).unsqueeze(1)
        batch = torch.cat(
            [sharp[None], blurred[None], torch.where(top, blurred, sharp), torch.where(top, sharp, blurred)]
        )
        probability = self.quick.probabilities(batch, target)
        whole, nothing = probability[0], probability[1]
        deleted, inserted = probability[2:].reshape(2, len(maps), len(STEPS))
        at = np.array([0.0, *STEPS, 1.0])
        return [
            (float(np.trapezoid([whole, *d, nothing], at)), float(np.trapezoid([nothing, *i, whole], at)))
            for d, i in zip(deleted, inserted, strict=True)
        ]


def top_cells(raw: Floats, share: float, size: int) -> npt.NDArray[np.bool_]:
    """Return the pixels (size, size) of the highest-ranked share of a map's cells."""
    order = np.argsort(-raw, axis=None, kind="stable")
    chosen = np.zeros(raw.size, bool)
    chosen[order[: round(share * raw.size)]] = True
    cell = np.arange(size) * len(raw) // size
    return chosen.reshape(raw.shape)[np.ix_(cell, cell)]


def place(raw: npt.NDArray[Any], outline: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return where a map's positive evidence lies.

    Args:
        raw: signed map (cells, cells).
        outline: (H, W), True inside the lesion, of the part that the network sees.

    Returns:
        ``inside`` and ``border``: shares of the positive evidence; ``pointing``: 1 when the peak lies inside.
        NaN when there is no positive evidence.
    """
    height, width = outline.shape
    spread = spread_evidence(raw, outline)
    if spread.sum() <= 0:
        return {"inside": np.nan, "border": np.nan, "pointing": np.nan}
    strip = np.ones_like(outline)
    y, x = round(BORDER * height), round(BORDER * width)
    strip[y : height - y, x : width - x] = False
    return {
        "inside": evidence_share(raw, outline),
        "border": evidence_share(raw, strip),
        "pointing": float(outline.flat[spread.argmax()]),
    }


def rank_agreement(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    """Return Spearman's rank correlation of two maps; NaN when one is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(spearmanr(one, other, axis=None).statistic)

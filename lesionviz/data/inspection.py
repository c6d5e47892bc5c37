"""Looks at every image of a collection: what is there, what is missing, broken or there twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from lesionviz.data.collection import Collection
from lesionviz.data.damaged import why_unusable
from lesionviz.data.twins import Twins, twins_of
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.files import sha256

SHOWN = 5
"""How many examples of a problem are named."""


@dataclass(frozen=True)
class Inspection:
    """What a look at every image found.

    Attributes:
        collection: what was looked at.
        unreadable: for each image that cannot be used, why.
        duplicates: rows whose files, as far as they can be used, have the same bytes as another's, with their ``content``.
    """

    collection: Collection
    unreadable: dict[str, str]
    duplicates: pd.DataFrame

    def counts(self) -> pd.DataFrame:
        """Return images that are here, by diagnosis (rows) and source (columns)."""
        present = self.collection.present
        table = pd.crosstab(present["diagnosis"], present["source"])
        return table.reindex([code for code in CODES if code in table.index])

    def damaged(self) -> pd.DataFrame:
        """Return one row for each image that cannot be used: ``collection``, ``image``, ``path``, ``why``."""
        rows = self.collection.everything()
        rows = rows[rows["image"].isin(self.unreadable)]
        return pd.DataFrame(
            {
                "collection": self.collection.folder.resolve().name,
                "image": rows["image"],
                "path": rows["path"],
                "why": rows["image"].map(self.unreadable),
            }
        )

    def to_text(self) -> str:
        """Say what was found, in lines for people."""
        lines = [self.collection.describe(), "", self.counts().to_string(), ""]
        for of, what in (
            ("others", "Other diagnoses"),
            ("close_ups", "Not dermoscopy"),
            ("undetermined", "No definite diagnosis"),
        ):
            labels = self.collection.frame(of)["diagnosis"].value_counts()
            if len(labels):
                lines.append(f"{what}: " + " · ".join(f"{name or 'none'} {n:,}" for name, n in labels.items()))
        lines += _list("images cannot be used", [f"{image}: {why}" for image, why in self.unreadable.items()])
        groups = self.duplicates.groupby("content")
        same = ["  =  ".join(rows["image"]) for _, rows in groups]
        torn = [" = ".join(rows["image"]) for _, rows in groups if rows["lesion"].nunique() > 1]
        torn_labels = [
            " / ".join(rows["image"] + " " + rows["diagnosis"])
            for _, rows in groups
            if rows["diagnosis"].nunique() > 1
        ]
        lines += _list("files are there more than once", same)
        lines += _list("of them count as different lesions, so a split may tear them apart", torn) if torn else []
        lines += _list("of them have different diagnoses", torn_labels) if torn_labels else []
        return "\n".join(lines)

    def figure(self) -> Figure:
        """Draw the images that are here by class, and within each by source."""
        counts = self.counts()
        figure = Figure(figsize=(7.5, 3.2), layout="constrained")
        axes, by_source = figure.subplots(1, 2, width_ratios=[1, 1.4])
        colours = {diagnosis.code: diagnosis.colour for diagnosis in DIAGNOSES}
        totals = counts.sum(axis=1)
        bars = axes.barh(totals.index, totals, color=[colours[code] for code in totals.index])
        axes.bar_label(bars, [f"{n:,}" for n in totals], padding=3)
        axes.margins(x=0.2)
        axes.set_title("images by class", fontsize=10)
        left = pd.Series(0.0, index=counts.index)
        for source in counts.columns:
            share = counts[source] / totals
            by_source.barh(counts.index, share, left=left, label=source)
            left = left + share
        by_source.set_title("share of each class by source", fontsize=10)
        by_source.set_xlim(0, 1)
        by_source.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        for each in (axes, by_source):
            each.invert_yaxis()
            each.spines[["top", "right"]].set_visible(False)
        return figure


def inspect(collection: Collection) -> Inspection:
    """Open every image that is here, and compare the bytes of all files."""
    rows = collection.everything()
    rows = rows[rows["path"].notna()]
    with ThreadPoolExecutor() as pool:
        looked = pool.map(_look, rows["path"])
        found = list(tqdm(looked, total=len(rows), desc="Looking at images", leave=False, disable=None))
    problems = {image: why for image, (why, _) in zip(rows["image"], found, strict=True) if why}
    contents = rows.assign(content=[digest for _, digest in found])[[not why for why, _ in found]]
    return Inspection(collection, problems, contents[contents["content"].duplicated(keep=False)])


def inspect_twins(collections: Sequence[Collection]) -> Twins:
    """Find pictures that look the same across collections and inside them, but for those of one lesion or patient."""
    rows = pd.concat(
        [each.everything().assign(name=each.folder.resolve().name, number=n) for n, each in enumerate(collections)],
        ignore_index=True,
    )
    rows = rows[rows["path"].notna()].reset_index(drop=True)
    groups = rows.groupby(["number", "lesion"]).ngroup().to_numpy(np.int64)
    names = [f"{name}/{image}" for name, image in zip(rows["name"], rows["image"], strict=True)]
    return twins_of(rows["path"].tolist(), names, groups, progress=True)


def _look(path: str) -> tuple[str, str]:
    """Return why an image cannot be used, or nothing, and the digest of its file."""
    return why_unusable(path), sha256(Path(path))


def _list(what: str, items: Iterable[str]) -> list[str]:
    """Return a heading with the number of items and the first few of them."""
    items = list(items)
    more = [f"  … and {len(items) - SHOWN:,} more"] if len(items) > SHOWN else []
    return [f"{len(items):,} {what}", *(f"  {item}" for item in items[:SHOWN]), *more]

"""Photographs as users have them against their small copies: is the answer the same, and who is refused?

    python tests/benchmarks/originals.py --originals DIR --data DIR [--data DIR ...] [--model FILE]

``--originals`` holds a folder for each collection, named as the collection's own, with images of the same names as there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from lesionviz.classifier import load
from lesionviz.data.folders import walk
from lesionviz.data.read import read_collection
from lesionviz.evaluation.silence import answers_of


def main() -> None:
    """Print one line for each collection, and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--originals", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    classifier = load(options.model)
    tables = []
    for folder in options.data:
        large = {path.stem: path for path in walk(options.originals / folder.resolve().name).images}
        rows = read_collection(folder).everything()
        rows = rows[rows["path"].notna() & rows["image"].isin(large) & (rows["of"] != "close_ups")]
        pairs = [rows["path"].tolist(), [large[image] for image in rows["image"]]]
        small, full = (answers_of(classifier, paths, folder.name) for paths in pairs)
        tables.append(
            pd.DataFrame(
                {
                    "collection": folder.resolve().name,
                    "same": [a.diagnosis == b.diagnosis for a, b in zip(small, full, strict=True)],
                    "small refused": [bool(answer.refusal) for answer in small],
                    "original refused": [bool(answer.refusal) for answer in full],
                }
            )
        )
    table = pd.concat(tables, ignore_index=True)
    print(f"model {classifier.checkpoint.file_sha256[:12]}")
    shown = pd.concat([table, table.assign(collection="all")]).groupby("collection", sort=False)
    print(shown.mean().assign(pairs=shown.size()).to_string(float_format="{:.1%}".format))


if __name__ == "__main__":
    main()

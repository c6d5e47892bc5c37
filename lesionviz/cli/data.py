"""``lesionviz data``: looks at labelled images, or downloads the official ones."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lesionviz.cli.options import Commands
from lesionviz.cli.terminal import say
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing


def add_data(commands: Commands) -> None:
    """Add the command and those that belong to it."""
    parser = commands.add_parser("data", help="look at labelled images, or download the official ones")
    inner = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = inner.add_parser("inspect", help="say what is in a folder: classes, sources, missing, broken, twice")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("places", type=Path, nargs="+", metavar="DIR", help="folders or tables of labelled images")
    inspect.add_argument(
        "--twins",
        action="store_true",
        help="also find pictures that look the same, across all folders and inside them",
    )
    inspect.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="also write the text, a figure and the list of all damaged images there",
    )
    inspect.add_argument("--split-seed", type=int, default=2019, help="of the split whose leakage is counted")
    download = inner.add_parser("download", help="fetch the ISIC 2019 training data (9.1 GB)")
    download.set_defaults(run=_download)
    download.add_argument("folder", type=Path, metavar="DIR", help="where to")
    samples = inner.add_parser("samples", help="fetch twelve freely licensed photographs to try the page with (CC-0)")
    samples.set_defaults(run=_samples)
    samples.add_argument("folder", type=Path, metavar="DIR", help="where to; a folder for each class is made there")
    download.add_argument("--accept-licence", action="store_true", help="do not ask whether you accept it")


def _inspect(options: argparse.Namespace) -> int:
    import pandas as pd

    from lesionviz.data.inspection import inspect, inspect_twins
    from lesionviz.data.read import read_collection
    from lesionviz.data.split import leakage_text

    collections = [read_collection(place) for place in options.places]
    texts, written, damaged = [], ["inspection.txt"], []
    for collection in collections:
        inspection = inspect(collection)
        texts.append(inspection.to_text() + "\n\n" + leakage_text(collection, options.split_seed))
        say(texts[-1] + "\n")
        damaged.append(inspection.damaged())
        if options.out:
            name = collection.folder.resolve().name
            written.append(f"inspection_{name}.png" if len(collections) > 1 else "inspection.png")
            with replacing(options.out / written[-1]) as temporary:
                inspection.figure().savefig(temporary, dpi=150)
    if options.twins:
        twins = inspect_twins(collections)
        texts.append("\n".join(twins.sentences()))
        say(texts[-1] + "\n")
        if options.out:
            written.append("twins.csv")
            with replacing(options.out / written[-1]) as temporary:
                twins.table().drop(columns="torn").to_csv(temporary, index=False)
    if options.out and any(map(len, damaged)):
        written.append("damaged.csv")
        with replacing(options.out / written[-1]) as temporary:
            pd.concat(damaged).to_csv(temporary, index=False)
    if options.out:
        with replacing(options.out / written[0]) as temporary:
            temporary.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        say(f"Written to {options.out}: {', '.join(written)}")
    return 0


def _download(options: argparse.Namespace) -> int:
    from lesionviz.data.download import LICENCE, download_isic2019

    say(LICENCE)
    if not options.accept_licence:
        if not sys.stdin.isatty():
            raise LesionvizError("Nobody is here to accept the licence. Say so with --accept-licence.")
        if input("Do you accept this licence? [y/N] ").strip().lower() not in {"y", "yes"}:
            say("Nothing was downloaded.")
            return 1
    download_isic2019(options.folder)
    say(f"Complete. Look at it with: lesionviz data inspect {options.folder}")
    return 0


def _samples(options: argparse.Namespace) -> int:
    from lesionviz.data.samples import ATTRIBUTION, fetch_samples

    found = fetch_samples(options.folder, report=say)
    say(f"{len(found)} photographs are in {options.folder}; whose they are is in {ATTRIBUTION} there.")
    return 0

"""A second model over the same archive: a run inside the first one's folder, and a table that holds both answers.

The first run is not touched: its table, its page and what resumes it stay as they are without a second model. The second
is resumed like any run. Both have the same images in the same order; a row has the second's answer only where the file was
still the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from lesionviz.archive.arrow import arrow
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.run import Scored, score
from lesionviz.archive.schema import NOTICE
from lesionviz.archive.store import TABLE, written
from lesionviz.errors import LesionvizError

FOLDER = "second"
"""Where the second model's run lies, inside the first one's folder."""
BOTH = "two_models.parquet"
"""The table of both answers, in the first one's folder."""
ROWS = 8192
"""How many rows are put together at a time."""
SAID = ("diagnosis", "confidence", "refusal", "error")
"""What is taken of each model's answer."""


def score_second(
    folder: str | Path, model: str | Path, scoring: Callable[..., Scored] = score, **options: Any
) -> Scored:
    """Ask a second model about every image of a finished run, or go on with that, and write the table of both.

    Args:
        folder: of the finished run.
        model: the second model's checkpoint.
        scoring: what scores; :func:`lesionviz.archive.run.score`.
        options: of that, such as ``threads``.

    Raises:
        LesionvizError: the run is not finished, or as for :func:`lesionviz.archive.run.score`.
    """
    first, own = Path(folder), Path(folder) / FOLDER
    images = [row["image"] for row in _rows(first, ["image"])]
    begun = Manifest.load(own) is not None
    scored = scoring(None if begun else images, own, model=model, resume=True, **options)
    if scored.finished:
        write_both(first)
    return scored


def write_both(folder: Path) -> Path:
    """Write the table of both models' answers from two finished runs, and return its path.

    Its columns are those of the first run named in ``SAID`` with ``image`` and ``sha256``, the same with ``second_`` before
    their names, and ``models_agree``: null unless both give an answer.

    Raises:
        LesionvizError: one of the runs is not finished.
    """
    pa, parquet = arrow()
    columns = ["image", "sha256", *SAID]
    with _file(folder) as file:
        kind = file.schema_arrow
    fields = [kind.field(name) for name in columns]
    fields += [pa.field(f"second_{name}", kind.field(name).type) for name in SAID]
    models = [manifest.model_sha256 for each in (folder, folder / FOLDER) if (manifest := Manifest.load(each))]
    about = json.dumps({"models_sha256": models, "notice": NOTICE})
    schema = pa.schema([*fields, pa.field("models_agree", pa.bool_())], metadata={"lesionviz": about})
    pairs = zip_longest(_rows(folder, columns), _rows(folder / FOLDER, columns), fillvalue={"image": "nothing"})
    with written(folder / BOTH) as temporary, parquet.ParquetWriter(temporary, schema, compression="zstd") as writer:
        while lines := [_beside(*pair) for pair in islice(pairs, ROWS)]:
            writer.write_table(pa.Table.from_pylist(lines, schema=schema))
    return folder / BOTH


def _beside(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return a row of both answers to one picture."""
    if first["image"] != second["image"]:
        raise LesionvizError(
            f"The second model's run is about other images ({second['image']} beside {first['image']}). Remove its folder, "
            f"{FOLDER}, and begin it anew."
        )
    seen = second if second["sha256"] == first["sha256"] else {}  # the file has changed between the two
    both = first["diagnosis"] is not None and seen.get("diagnosis") is not None
    agree = first["diagnosis"] == seen["diagnosis"] if both else None
    return {**first, **{f"second_{name}": seen.get(name) for name in SAID}, "models_agree": agree}


def _rows(folder: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a finished run's table; no more than some thousand are in memory at a time."""
    with _file(folder) as file:
        for batch in file.iter_batches(ROWS, columns=columns):
            yield from batch.to_pylist()


def _file(folder: Path) -> Any:
    """Open the table of a finished run.

    Raises:
        LesionvizError: there is none, or it cannot be read.
    """
    pa, parquet = arrow()
    try:
        return parquet.ParquetFile(folder / TABLE)
    except FileNotFoundError:
        raise LesionvizError(
            f"{folder} holds no finished run, so a second model has nothing to stand beside. Go on with it first."
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise LesionvizError(f"{folder / TABLE} cannot be read ({error}). Begin the run anew.") from error

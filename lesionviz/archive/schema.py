"""The columns of ``scores.parquet`` and of every part, and what they mean; the files carry the same words.

Each Parquet field has its ``description`` in its metadata, and the schema has ``lesionviz`` in its own: JSON with the
model, the engine, the precision and the versions. In pandas::

    table = pandas.read_parquet("scores/scores.parquet")
    answered = table[table["diagnosis"].notna()]

A refused picture has no diagnosis: what the network said all the same stands in the columns ``forced_…``, so that nobody
counts it by accident. A broken image has nothing but its path and its ``error``, and its hash where the file could be read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lesionviz.archive.arrow import arrow
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.prediction import Prediction

NOTICE = "For research and teaching; not a diagnosis."
ANSWER = ("diagnosis", "confidence", *CODES)
_TEXT, _SHARE = "string", "float32"
_PROBABILITIES = {d.code: (_SHARE, f"calibrated probability of {d.name}, 0 to 1") for d in DIAGNOSES}
COLUMNS: dict[str, tuple[str, str]] = {
    "number": ("int64", "place of the image in the list of the run, from 0"),
    "image": (_TEXT, "absolute path of the file"),
    "sha256": (_TEXT, "SHA-256 of the file's bytes, hexadecimal; null where it could not be read"),
    "width": ("int32", "of the upright picture, pixels; null where it is broken"),
    "height": ("int32", "of the upright picture, pixels; null where it is broken"),
    "diagnosis": (_TEXT, "code of the most probable class; null where the model gives no answer"),
    "confidence": (_SHARE, "probability of the diagnosis; null where the model gives no answer"),
    **{
        code: (kind, f"{words}; null where the model gives no answer")
        for code, (kind, words) in _PROBABILITIES.items()
    },
    "refused": ("bool", "whether the model gives no answer; null where the image is broken"),
    "refusal": (_TEXT, "why not, as a clause; null where it does"),
    "warned": ("bool", "whether the answer should be read with a warning; null where the image is broken"),
    "warning": (_TEXT, "the warning, as a clause; null where there is none"),
    "unfamiliarity": (_SHARE, "how little the answer stands out; null where the model does not ask"),
    "notes": (
        "list<string>",
        "what is worth knowing about the picture and its quality, each a few words; usually none",
    ),
    "error": (_TEXT, "why the image could not be used, in a sentence; null where it could"),
    "forced_diagnosis": (_TEXT, "what the network says of a refused picture; NOT VALID, see refusal"),
    "forced_confidence": (_SHARE, "probability of forced_diagnosis; NOT VALID, see refusal"),
    **{
        f"forced_{code}": (kind, f"{words}, of a refused picture; NOT VALID, see refusal")
        for code, (kind, words) in _PROBABILITIES.items()
    },
}
"""Name, Arrow type and meaning of every column; null means that there is none."""
EMBEDDING = "what the network's head sees: the channel means of features.8"
MAPS = (
    "signed Grad-CAM maps at features.8 in units of the logit, in C order (class, row, column); classes in the order "
    f"{', '.join(CODES)}; each sums, with the head's bias, to its logit (upright view, before the temperature)"
)


@dataclass(frozen=True, eq=False)
class Row:
    """What becomes of one image.

    Attributes:
        number: its place in the list.
        image: its path.
        sha256: of its bytes; empty where they could not be read.
        size: width and height in pixels; None where it is broken.
        prediction: the answer; None where it is broken.
        error: why it is, in a sentence.
        embedding: (1280,), where it was asked for and there is one.
        maps: (4, cells, cells), where they were asked for and there are some.
    """

    number: int
    image: str
    sha256: str = ""
    size: tuple[int, int] | None = None
    prediction: Prediction | None = None
    error: str = ""
    embedding: npt.NDArray[np.float32] | None = None
    maps: npt.NDArray[np.float32] | None = None


def schema(facts: Mapping[str, Any], embedding: int = 0, maps: tuple[int, ...] = ()) -> Any:
    """Return the Arrow schema.

    Args:
        facts: what the table is about, as JSON can hold it.
        embedding: how long embeddings are; 0 for none.
        maps: shape of an image's maps; empty for none.
    """
    pa, _ = arrow()
    kinds = {"list<string>": pa.list_(pa.string()), "bool": pa.bool_()}
    fields = [
        pa.field(name, kinds.get(kind) or getattr(pa, kind)(), metadata={"description": words})
        for name, (kind, words) in COLUMNS.items()
    ]
    if embedding:
        fields.append(pa.field("embedding", pa.list_(pa.float32(), embedding), metadata={"description": EMBEDDING}))
    if maps:
        told = {"description": MAPS, "shape": json.dumps(list(maps))}
        fields.append(pa.field("maps", pa.list_(pa.float32(), int(np.prod(maps))), metadata=told))
    about = json.dumps({**facts, "notice": NOTICE}, sort_keys=True)
    return pa.schema(fields, metadata={"lesionviz": about})


def part_of(rows: Sequence[Row], of: Any) -> bytes:
    """Return rows as the bytes of a Parquet file with a schema from :func:`schema`."""
    pa, parquet = arrow()
    lines = [_line(row) for row in rows]
    arrays = [pa.array([line[name] for line in lines], of.field(name).type) for name in COLUMNS]
    arrays += [
        _vectors([getattr(row, name) for row in rows], of.field(name).type) for name in of.names[len(COLUMNS) :]
    ]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=of), buffer, compression="zstd")
    return buffer.getvalue()


def _line(row: Row) -> dict[str, Any]:
    line: dict[str, Any] = dict.fromkeys(COLUMNS)
    line |= {"number": row.number, "image": row.image, "sha256": row.sha256 or None, "error": row.error or None}
    answer = row.prediction
    if row.size is not None:
        line["width"], line["height"] = row.size
    if answer is not None:
        values = (answer.diagnosis, answer.confidence, *(answer.probabilities[code] for code in CODES))
        line |= {f"forced_{name}" if answer.refusal else name: v for name, v in zip(ANSWER, values, strict=True)}
        line |= {"refused": bool(answer.refusal), "refusal": answer.refusal or None}
        line |= {"warned": bool(answer.warning), "warning": answer.warning or None}
        line |= {"unfamiliarity": answer.unfamiliarity, "notes": list(answer.notes)}
    return line


def _vectors(values: Sequence[npt.NDArray[np.float32] | None], kind: Any) -> Any:
    """Return arrays, some of which may be missing, as a column of lists of fixed length."""
    pa, _ = arrow()
    flat = np.zeros((len(values), kind.list_size), np.float32)
    for place, value in enumerate(values):
        if value is not None:
            flat[place] = value.ravel()
    missing = pa.array([value is None for value in values])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), type=kind, mask=missing)

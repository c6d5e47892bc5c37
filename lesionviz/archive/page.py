"""The page about a finished run: one HTML file with its figures inside, made like the report of an evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from lesionviz.archive.join import BINS, NAMED, Counts
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.schema import COLUMNS, NOTICE
from lesionviz.archive.store import TABLE, Session
from lesionviz.diagnoses import DIAGNOSES
from lesionviz.evaluation.report.document import Bullets, Command, Paragraph, Part, Picture, Section, Table, to_page

TITLE = "What the model says of an archive"


def summary_page(manifest: Manifest, counts: Counts, sessions: Sequence[Session]) -> str:
    """Return a page that needs nothing else."""
    return to_page(
        TITLE,
        [
            Section("In short", _short(manifest, counts)),
            Section("Answers", _answers(counts)),
            Section("No answer", _silence(counts)),
            Section("What could not be used", _failures(counts)),
            Section("Time", _time(sessions)),
            Section("What it was made of", _made_of(manifest)),
            Section("The table", _table()),
        ],
    )


def _short(manifest: Manifest, counts: Counts) -> list[Part]:
    answered, warned = counts.diagnoses.total(), counts.warned.total()
    malignant = sum(counts.diagnoses[d.code] for d in DIAGNOSES if d.malignant)
    said = [
        f"{_of(answered, counts)} got an answer; {_of(malignant, counts)} a malignant one.",
        f"{_of(warned, counts)} got theirs with a warning, {_of(counts.refusals.total(), counts)} got none, and "
        f"{_of(counts.failed, counts)} could not be used.",
        f"**{NOTICE}** Most pictures of diagnoses that the model does not know still get a name, and that cannot be right.",
    ]
    return [
        Paragraph(f"{counts.images:,} images. {' '.join(said)}"),
        *([Bullets(manifest.notes)] if manifest.notes else []),
    ]


def _answers(counts: Counts) -> list[Part]:
    if not counts.diagnoses:
        return [Paragraph("There are none.")]
    rows = [
        (f"{d.name} ({d.code})", _of(counts.diagnoses[d.code], counts), _of(counts.warned[d.code], counts))
        for d in DIAGNOSES
    ]
    return [
        Table(("diagnosis", "images", "of them with a warning"), rows),
        Picture(_diagnosis_figure(counts), "Bars: how many images got each diagnosis, and how many with a warning"),
        Picture(_confidence_figure(counts), "Histogram of the probability of the answer, by diagnosis"),
    ]


def _silence(counts: Counts) -> list[Part]:
    parts: list[Part] = [Paragraph("No picture was refused.")]
    if counts.refusals:
        parts = [_reasons("why there is no answer", counts.refusals, counts)]
    if counts.notes:
        parts.append(_reasons("the picture is", counts.notes, counts))
    return parts


def _failures(counts: Counts) -> list[Part]:
    if not counts.failed:
        return [Paragraph("Every file could be used.")]
    more = f" The first {NAMED} of them; all are in the table." if counts.failed > NAMED else ""
    return [
        Paragraph(f"{_of(counts.failed, counts)} could not be used.{more}"),
        Table(("file", "why"), counts.failures),
    ]


def _time(sessions: Sequence[Session]) -> list[Part]:
    rows = [
        (
            each.began,
            f"{each.images:,}",
            duration(each.seconds),
            f"{each.images / each.seconds:,.1f}" if each.seconds else "–",
        )
        for each in sessions
    ]
    return [Table(("begun", "images", "time", "images a second"), rows)] if rows else [Paragraph("Not recorded.")]


def _made_of(manifest: Manifest) -> list[Part]:
    versions = ", ".join(f"{name} {number}" for name, number in sorted(manifest.versions.items()))
    rows = [
        ("model", manifest.model_sha256),
        ("engine", manifest.engine),
        ("precision", manifest.precision),
        ("views", str(manifest.views)),
        ("batches", f"{manifest.batch} images, never across the rim of a part of {manifest.shard}"),
        ("list of images", manifest.images_sha256),
        ("versions", versions),
    ]
    return [Table(("what", "which"), rows)]


def _table() -> list[Part]:
    return [
        Paragraph(
            f"`{TABLE}` has a row for each image, in the order of the list. It opens in pandas, Polars and DuckDB:"
        ),
        Command(
            f'pandas.read_parquet("{TABLE}")\npolars.scan_parquet("{TABLE}")\n'
            f"duckdb.sql(\"select diagnosis, count(*) from '{TABLE}' group by 1\")"
        ),
        Table(("column", "type", "meaning"), [(name, kind, words) for name, (kind, words) in COLUMNS.items()]),
    ]


def _diagnosis_figure(counts: Counts) -> Figure:
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    codes = [d.code for d in DIAGNOSES]
    axes.bar(codes, [counts.diagnoses[code] for code in codes], color=[d.colour for d in DIAGNOSES])
    warned = [counts.warned[code] for code in codes]
    axes.bar(codes, warned, color="none", edgecolor="black", hatch="///", label="with a warning")
    axes.set_ylabel("images")
    if any(warned):
        axes.legend(fontsize=8, frameon=False)
    return figure


def _confidence_figure(counts: Counts) -> Figure:
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    edges = np.linspace(0, 1, BINS + 1)
    below = np.zeros(BINS)
    for diagnosis, number in zip(DIAGNOSES, counts.confidence, strict=True):
        axes.bar(edges[:-1], number, 1 / BINS, below, align="edge", color=diagnosis.colour, label=diagnosis.code)
        below += number
    axes.set(xlim=(0.2, 1), xlabel="probability of the answer", ylabel="images")
    axes.legend(fontsize=8, frameon=False)
    return figure


def _reasons(name: str, counter: Counter[str], counts: Counts) -> Table:
    rows = [(words, _of(number, counts)) for words, number in counter.most_common()]
    return Table((name, "images"), rows)


def _of(number: int, counts: Counts) -> str:
    return f"{number:,} ({number / max(counts.images, 1):.1%})"


def duration(seconds: float) -> str:
    """Return a time in words that are short: hours and minutes, or minutes and seconds."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{seconds:.1f} s"

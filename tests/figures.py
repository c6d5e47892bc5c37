"""Recomputes every printed figure that a machine can recompute without data, and names those that differ.

    python tests/figures.py

From the bundled model's record, from confusion matrices, from other figures of the same table, or from the code. What
cannot be had that way carries a line ``<!-- measured: commit …, model … -->`` below it; see ``test_figures.py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, balanced_accuracy_score, precision_recall_fscore_support

from lesionviz.archive.pool import MANY
from lesionviz.archive.run import DEFAULTS
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data.portions import ALSO_TEST, ALSO_VALIDATION
from lesionviz.diagnoses import CODES
from lesionviz.evaluation.measures import ISIC2019_SHARES
from lesionviz.evaluation.report.document import Section, to_markdown
from lesionviz.evaluation.report.model_sections import details_parts, training_data_parts
from lesionviz.explanation.methods import METHODS
from lesionviz.files import sha256
from lesionviz.network import LAYERS, grid_size
from lesionviz.trust import pointing, stillness
from lesionviz.widgets.checks.pointing import GENERALLY as POINTING_IN_GENERAL
from lesionviz.widgets.checks.stillness import GENERALLY as STILL_IN_GENERAL

ROOT = Path(__file__).parents[1]
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
MALIGNANT = ("MEL", "BCC")


@dataclass(frozen=True)
class Figure:
    """What a page prints and what comes out today."""

    page: str
    what: str
    printed: str
    computed: str

    @property
    def differs(self) -> bool:
        return self.printed != self.computed

    def __str__(self) -> str:
        return f"{self.page}: {self.what}: printed is {self.printed!r}, it comes out as {self.computed!r}"


class Page:
    """A Markdown page, read for its figures; ``texts`` stands in for files, in tests."""

    def __init__(self, name: str, texts: dict[str, str] | None = None) -> None:
        self.name = name
        self.text = (texts or {}).get(name) or (ROOT / name).read_text(encoding="utf-8")
        self.flat = " ".join(self.text.split())

    def said(self, pattern: str, what: str, *computed: object) -> Iterator[Figure]:
        """Compare each group of a pattern (blanks may be line breaks) with what was computed for it."""
        found = re.search(pattern, self.flat)
        printed = found.groups() if found else ("not found",) * len(computed)
        for number, (one, other) in enumerate(zip(printed, map(str, computed), strict=True), 1):
            yield Figure(self.name, what if len(computed) == 1 else f"{what}, {number}", one, other)

    def rows(self, header: str, after: str = "") -> list[list[str]]:
        """The cells of the first table whose header begins so, behind some text."""
        table = self.text[self.text.index(after) :]
        table = table[table.index(header) :].split("\n\n")[0]
        return [[cell.strip(" *") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()[2:]]


def number(cell: str) -> float:
    """The first number of a cell."""
    return float(re.search(r"-?[\d,.]+", cell)[0].replace(",", ""))  # type: ignore[index]


def percent(share: float) -> str:
    return f"{share:.1%}"


def card(page: Page) -> Iterator[Figure]:
    """The card's paragraphs about the model are its record's, and its figures follow from its confusion matrix."""
    bundled = Checkpoint.load(BUNDLED)
    yield from page.said(r"SHA-256 of the file: `(\w+)`", "hash of the bundled file", sha256(BUNDLED))
    for title, parts in (
        ("Model details", details_parts(bundled)),
        ("Training data", training_data_parts(bundled)),
    ):
        written = to_markdown("", [Section(title, parts)]).partition("\n\n")[2].strip()
        printed = page.text[page.text.index(f"## {title}") :].split("\n\n## ")[0].strip()
        for one, other in zip(printed.split("\n\n"), written.split("\n\n"), strict=True):
            yield Figure(page.name, f"{title}: {other[:40]}…", one, other)
    chosen = {round(100 * point["sensitivity"]): point["threshold"] for point in bundled.operating_points}
    for row in page.rows("| chosen to find"):
        yield Figure(page.name, f"threshold that finds {row[0]}", row[1], percent(chosen[round(number(row[0]))]))

    matrix = np.array([[int(cell) for cell in row[1:]] for row in page.rows("| true \\ predicted")])
    truth, answer = (np.repeat(places.ravel(), matrix.ravel()) for places in np.indices(matrix.shape))
    printed = {row[0]: row for row in page.rows("| figure | value")}
    most_frequent = np.full_like(truth, matrix.sum(axis=1).argmax())
    for column, answers in ((1, answer), (2, most_frequent)):
        for name, value in measures(truth, answers).items():
            yield Figure(page.name, f"{name}, column {column}", printed[name][column].split(" ")[0], percent(value))
    for index, row in enumerate(page.rows("| class | images | sensitivity")):
        true, said = truth == index, answer == index
        expected = (f"{true.sum():,}", percent((said & true).sum() / true.sum()))
        expected += (percent((~said & ~true).sum() / (~true).sum()),)
        for what, cell, value in zip(("images", "sensitivity", "specificity"), row[1:4], expected, strict=True):
            yield Figure(page.name, f"{row[0]}: {what}", cell.split(" ")[0], value)
    counts = ", ".join(f"{code} {count:,}" for code, count in zip(CODES, matrix.sum(axis=1), strict=True))
    yield from page.said(r"lesions: (BCC [\d,]+, BKL [\d,]+, MEL [\d,]+, NV [\d,]+)\.", "images by class", counts)
    yield from page.said(
        r"Of ([\d,]+) test images of [\d,]+ lesions it names ([\d.]+%).*?right in ([\d.]+%).*?recognises ([\d.]+%)",
        "in short",
        f"{matrix.sum():,}",
        *(percent(measures(truth, answer)[name]) for name in ("Accuracy", "Balanced accuracy")),
        percent(matrix[2, 2] / matrix[2].sum()),
    )
    yield from sums(page, matrix)


def measures(truth: npt.NDArray[np.int64], answer: npt.NDArray[np.int64]) -> dict[str, float]:
    """The card's figures, by scikit-learn."""
    weighted = precision_recall_fscore_support(truth, answer, average="weighted", zero_division=0)
    each = precision_recall_fscore_support(truth, answer, labels=range(len(CODES)), zero_division=0)
    ill, called_ill = (np.isin(values, [CODES.index(code) for code in MALIGNANT]) for values in (truth, answer))
    shares = np.array([ISIC2019_SHARES[code] for code in CODES])
    return {
        "Accuracy": accuracy_score(truth, answer),
        "Balanced accuracy": balanced_accuracy_score(truth, answer),
        "Precision (weighted)": weighted[0],
        "Recall (weighted)": weighted[1],
        "F1 (weighted)": weighted[2],
        "F1 (macro)": each[2].mean(),
        "Accuracy at ISIC 2019 class shares": (each[1] * shares).sum() / shares.sum(),
        "Malignant (MEL, BCC): sensitivity": called_ill[ill].mean(),
        "Malignant (MEL, BCC): specificity": (~called_ill[~ill]).mean(),
    }


def sums(page: Page, matrix: npt.NDArray[np.int64]) -> Iterator[Figure]:
    """Groups add up to the whole, and means over sources are theirs."""
    groups = page.rows("| group | images")
    for kind in ("sex", "age in years", "body site"):
        mine = [row for row in groups if row[0].startswith(f"{kind}: ")]
        images, melanomas = (f"{sum(number(row[column]) for row in mine):,.0f}" for column in (1, 2))
        if kind != "body site":  # groups with few images are not listed there
            yield Figure(page.name, f"images by {kind}", images, f"{matrix.sum():,}")
            yield Figure(page.name, f"melanomas by {kind}", melanomas, f"{matrix[2].sum():,}")
    sources = page.rows("| images of | images | melanomas")
    mean = np.mean([number(row[3]) for row in sources])
    yield from page.said(r"the mean over (\d) sources: ([\d.]+%)", "mean over sources", len(sources), f"{mean:.1f}%")
    silent = {row[0]: row[1] for row in page.rows("| pictures | images | refused")}
    for row in sources:
        yield Figure(page.name, f"images of {row[0]}, refused or not", silent[row[0]], row[1])
    tones = page.rows("| group | images", "MILK10k, test\n")
    yield Figure(page.name, "images by skin tone", f"{sum(number(row[1]) for row in tones):,.0f}", sources[2][1])


def readme(page: Page, benchmarks: Page, card: Page) -> Iterator[Figure]:
    """What README says in words is what the card and the tables say in figures."""
    sources = page_sensitivities(card)
    yield from page.said(
        r"misses (\w+) in (\w+) of the melanomas among its test images of ISIC 2019, and up to (\w+) in twenty elsewhere",
        "missed melanomas",
        WORDS[round(10 * (1 - sources[0]))],
        "ten",
        WORDS[round(20 * (1 - min(sources[1:])))],
    )
    yield from page.said(
        r"all: (\w+) layers x (\w+) classes x (\w+) methods",
        "how many maps a case holds",
        *(WORDS[len(each)] for each in (LAYERS, CODES, METHODS)),
    )
    yield from page.said(
        r"Methods: (`[^,]*`(?:, `[^,]*`)*), each", "the methods", ", ".join(f"`{key}`" for key in METHODS)
    )
    yield from page.said(r"\| methods \| (\d+),", "how many methods", len(METHODS))
    ring = {row[0]: row for row in benchmarks.rows("| artefact |")}["ink ring"]
    yield from page.said(
        r"turns (\d+) % of the malignant answers benign, although only (\d+) % of the evidence",
        "the ring of ink",
        *(f"{number(ring[column]):.0f}" for column in (3, 5)),
    )
    speed = speeds(benchmarks)
    for row, job in (
        ("map at features.8", "map at features.8"),
        ("4 classes × 9 layers", "4 classes x 9 layers"),
        ("another class of the same picture", "another class"),
    ):
        cells = next(each for each in page.rows("| | lesionviz |") if each[0] == row)[1:5]
        for library, cell in zip(("lesionviz", "grad-cam", "torchcam", "captum"), cells, strict=True):
            digits = len(cell.split(" ")[0].partition(".")[2])
            yield Figure(page.name, f"{job}, {library}", cell.split(" ")[0], f"{speed[job, library]:.{digits}f}")
    yield from page.said(
        r"9 layers\) cost ([\d.]+) forward", "passes", f"{speed['4 classes x 9 layers', 'lesionviz']:.1f}"
    )


def page_sensitivities(card: Page) -> list[float]:
    """The sensitivity for melanoma on each source, the main collection first."""
    return [number(row[5]) / 100 for row in card.rows("| images of | images | melanomas")]


def speeds(page: Page) -> dict[tuple[str, str], float]:
    """Passes by job and library at 224 pixels."""
    block = page.text[page.text.index("224 px, 2 threads") :].split("```")[0]
    found = re.findall(r"^(\S.*?) {2,}(lesionviz|grad-cam|torchcam|captum) +([\d.]+)", block, flags=re.MULTILINE)
    return {(job, library): float(value) for job, library, value in found}


def faithfulness(page: Page) -> Iterator[Figure]:
    """The sentences about layers and methods repeat the table below them."""
    table = {(row[0], row[1]): row for row in page.rows("| layer | method |")}

    def gain(layer: int, method: str) -> float:
        row = table[f"features.{layer}", method]
        return number(row[3]) - number(row[2])

    def cell(layer: int, method: str, column: int) -> float:
        return number(table[f"features.{layer}", method][column])

    early = [gain(layer, "hirescam") for layer in range(1, 5)]
    weak = [gain(layer, "gradcam") for layer in range(4)]
    untrained = [cell(layer, "untrained network", 4) for layer in range(9)]
    yield from page.said(
        r"\(insertion minus deletion ([\d.]+) and ([\d.]+); .*?nearly as much \(([\d.]+) to ([\d.]+)\)",
        "insertion minus deletion",
        *(f"{value:.2f}" for value in (gain(5, "hirescam"), gain(5, "layercam"), min(early), max(early))),
    )
    yield from page.said(
        r"features.5 (\d+) and (\d+) % lie inside the lesion, which covers (\d+) % of the view",
        "inside the lesion",
        *(f"{100 * cell(5, method, 4):.0f}" for method in ("hirescam", "layercam")),
        f"{number(page.flat.partition('The outline covers ')[2]):.0f}",
    )
    yield from page.said(
        r"(\d+) × \d+ cells, and (\d+) × \d+ at features.8",
        "cells",
        *(grid_size(layer, 224) for layer in ("features.5", "features.8")),
    )
    yield from page.said(
        r"better than chance \(([\d.]+)\).*?does little \(([\d.]+) to ([\d.]+)\)",
        "Grad-CAM",
        *(f"{value:.2f}" for value in (gain(8, "gradcam"), min(weak), max(weak))),
    )
    yield from page.said(
        r"An untrained network puts (\d+) to (\d+) %",
        "untrained",
        *(f"{100 * value:.0f}" for value in (min(untrained), max(untrained))),
    )
    yield from page.said(
        r"random one \(rank correlation ([\d.]+)\)", "Grad-CAM++ and a random head", f"{cell(1, 'gradcam++', 7):.2f}"
    )


def tables(page: Page) -> Iterator[Figure]:
    """What adds up, or is a ratio of what stands beside it."""
    rows = {(row[0], row[1]): row for row in page.rows("| procedure | test part")}
    for who in ("original", "ours"):
        for column, what in ((3, "accuracy"), (4, "balanced accuracy")):
            gap = number(rows[who, "random"][column]) - number(rows[who, "by lesion"][column])
            printed = rows[who, "inflation, points"][column].replace("*", "").split(" ")[0]
            same = abs(gap - float(printed)) < 0.11  # both were rounded
            yield Figure(page.name, f"inflation of {what}, {who}", printed, printed if same else f"{gap:+.1f}")
        parts = sum(number(rows[who, f"random, {kind} lesion"][2]) for kind in ("known", "new"))
        yield Figure(page.name, f"random test part, {who}", rows[who, "random"][2], f"{parts:,.0f}")
    taken = [number(value) for value in re.findall(r"took it ([\d,]+) s and ours ([\d,]+) s", page.flat)[0]]
    yield from page.said(r"ours [\d,]+ s: ([\d.]+) times as fast", "a training's time", f"{taken[0] / taken[1]:.1f}")
    line = [row for row in page.rows("| | count | median") if row[0].endswith("first map")]
    yield from page.said(
        r"None of the (\d+) answers was another's", "answers of a class", f"{sum(number(row[1]) for row in line):.0f}"
    )


def checks(card: Page, benchmarks: Page) -> Iterator[Figure]:
    """What the card and the pages say of checks is what the tables say; the forwards are those of the code."""
    costs = {row[0].split(",")[0]: row[1] for row in benchmarks.rows("| check | forwards |")}
    for check, forwards in (
        ("does the pointing matter", pointing.FORWARDS),
        ("does it hold still", stillness.FORWARDS),
    ):
        yield Figure(benchmarks.name, f"forwards: {check}", costs[check], str(forwards))
    cell = r"([\d.]+% \([\d.]+–[\d.]+\))"
    sets = {(row[0], row[2]): row[3] for row in benchmarks.rows("| source | images | asked for |")}
    sets |= {(row[0], row[2]): row[3] for row in benchmarks.rows("| class | images | asked for |")}
    yield from card.said(
        rf"in 90% hold the right diagnosis for {cell} of .*? but for {cell} of the melanomas of MILK10k",
        "answer sets",
        sets["ISIC_2019", "90%"],
        sets["MILK10k, MEL", "90%"],
    )
    (passed,) = (
        row for row in benchmarks.rows("| layer | method | images |") if row[:2] == ["features.8", "gradcam"]
    )
    yield from card.said(rf"looks: of (\d+) test images, .*? did for {cell}", "pointing", passed[2], passed[3])
    chosen = benchmarks.rows("| layer | method | images |", "What was chosen, on validation images")
    (chance,) = (row for row in chosen if row[1] == "random place")
    kept = {row[0]: row[3] for row in benchmarks.rows("| what is changed |")}["everything"]
    by_class = {row[0]: row[2] for row in benchmarks.rows("| class | images of it |")}
    right = {row[0]: row[1] for row in benchmarks.rows("| figure | value |", "## How often an answer holds still")}
    others = right["right where some variant gets another answer"]
    yield from card.said(
        rf"Of 500 test images, {cell} .*? of the melanomas {cell}; .*? {cell} are answered rightly",
        "holding still",
        kept,
        by_class["MEL"],
        others,
    )
    models = {row[0]: row[1] for row in benchmarks.rows("| figure | value |", "## Two models")}
    yield from card.said(
        rf"disagrees, this one is right in {cell}", "two models", models["first right where they disagree"]
    )
    strokes = [row[1] for row in benchmarks.rows("| stroke |")]
    yield from card.said(rf"stroke with a brush turns up to {cell}", "strokes", max(strokes, key=number))

    def whole(figure: str) -> list[str]:
        return [f"{float(each):.0f}" for each in re.findall(r"[\d.]+", figure)]

    held = right["right where the answer is kept under all"]
    count = f"{number(passed[2]) * number(passed[3]) / 100:.0f}"
    for words, expected in (
        (STILL_IN_GENERAL, ["500", *whole(kept), "95", whole(held)[0], whole(others)[0]]),
        (POINTING_IN_GENERAL, [passed[2], count, *whole(passed[3]), "95", chance[2]]),
    ):
        printed = re.findall(r"\d+", words.replace("features.8", ""))
        yield Figure("the page", f"{words[:40]}…", " ".join(sorted(printed)), " ".join(sorted(expected)))


def everything(texts: dict[str, str] | None = None) -> list[Figure]:
    """All figures; ``texts`` stands in for pages, in tests."""
    names = ("README.md", "MODEL_CARD.md", "tests/benchmarks/README.md")
    start, model, benchmarks = (Page(name, texts) for name in names)
    archive, training = (Page(f"lesionviz/{room}/README.md", texts) for room in ("archive", "training"))
    return [
        *card(model),
        *readme(start, benchmarks, model),
        *faithfulness(benchmarks),
        *tables(benchmarks),
        *checks(model, benchmarks),
        *archive.said(r"fixed parts of (\d+)", "images in a part", DEFAULTS["shard"]),
        *archive.said(r"From ([\d,]+) on each core", "images from which on there are processes", f"{MANY:,}"),
        *training.said(
            r"\((\d+) and (\d+) % unless you say so\)",
            "kept out of a further collection",
            *(f"{100 * share:.0f}" for share in (ALSO_TEST, ALSO_VALIDATION)),
        ),
    ]


def main() -> int:
    figures = everything()
    wrong = [figure for figure in figures if figure.differs]
    for figure in wrong:
        print(figure)
    print(f"{len(figures)} figures were computed again; {len(wrong)} differ.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""Printed figures are those that come out, and what cannot be computed again says of which model it is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from figures import ROOT, everything

from lesionviz.checkpoint import BUNDLED
from lesionviz.files import sha256

MEASURED = re.compile(
    r"^<!-- measured: commit (?P<commit>[0-9a-f]{7,40}), "
    r"(?:model (?P<model>[0-9a-f]{8,64})|not the bundled model: .+) -->$",
    flags=re.MULTILINE,
)
CARD = "MODEL_CARD.md"
BENCHMARKS = "tests/benchmarks/README.md"
WHOLE = (CARD, "tests/benchmarks/experiments.md")
"""Pages of which one line speaks for all tables: they were written at once, or say of each what it is about."""


def sections(name: str) -> list[str]:
    """What a measured line has to stand in: a page, or each of its sections that shows figures."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if name in WHOLE:
        return [text]
    shows = re.compile(r"^```text$|^\|[^\n]*\d\.\d", flags=re.MULTILINE)
    return [part for part in re.split(r"^(?=## )", text, flags=re.MULTILINE) if shows.search(part)]


def test_every_figure_that_can_be_computed_again_is_what_is_printed() -> None:
    figures = everything()
    assert len(figures) > 100
    wrong = [str(figure) for figure in figures if figure.differs]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize(
    ("page", "old", "new", "what"),
    [
        (CARD, "| Accuracy | 84.9%", "| Accuracy | 85.9%", "Accuracy, column 1"),
        (CARD, "| **MEL** | 6 | 8 | 117", "| **MEL** | 6 | 8 | 118", "MEL: sensitivity"),
        (CARD, "10,058 images of 8,164", "10,059 images of 8,164", "Model details: - The trunk"),
        ("README.md", "three in ten", "two in ten", "missed melanomas, 1"),
        ("README.md", "| 4.19 |", "| 4.29 |", "map at features.8, grad-cam"),
        (BENCHMARKS, "deletion\n  0.30 and", "deletion\n  0.33 and", "insertion minus deletion, 1"),
        (BENCHMARKS, "None of the 622", "None of the 632", "answers of a class"),
    ],
)
def test_a_figure_that_was_mistyped_is_named(page: str, old: str, new: str, what: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.count(old) == 1
    wrong = [figure for figure in everything({page: text.replace(old, new)}) if figure.differs]
    assert any(figure.page == page and figure.what.startswith(what) for figure in wrong)


@pytest.mark.parametrize("name", ["README.md", BENCHMARKS, *WHOLE])
def test_what_was_measured_names_its_commit_and_the_bundled_model(name: str) -> None:
    parts = sections(name)
    assert parts
    for part in parts:
        found = [*MEASURED.finditer(part)]
        assert found, f"a line <!-- measured: commit …, model … --> is missing in {name}:\n{part[:100]}"
        for line in found:
            assert line["model"] is None or sha256(BUNDLED).startswith(line["model"]), (
                f"{name}: {line[0]} is about another model than the bundled one; measure again, or say of which it is"
            )


def test_the_commits_that_are_named_are_in_the_history() -> None:
    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)

    if not Path(ROOT / ".git").exists() or git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("needs the whole history")
    for name in ("README.md", BENCHMARKS, *WHOLE):
        for line in MEASURED.finditer((ROOT / name).read_text(encoding="utf-8")):
            assert git("cat-file", "-e", f"{line['commit']}^{{commit}}").returncode == 0, line[0]

"""Pages do what they say: code blocks run on drawn images, or say why not, and links lead somewhere.

``<!-- not run: reason -->`` on the line before a fence marks a block that does not run. The marks are counted, and what a
marked block asks of ``lesionviz`` and ``make`` must exist all the same.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

import lesionviz
from lesionviz.cli import _parser
from lesionviz.data.synthetic import draw_lesion
from lesionviz.data.synthetic_collection import write_synthetic_isic2019

ROOT = Path(__file__).parents[1]
MARKS = 23
"""At most so many blocks may be marked. It only falls."""
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>python|bash)\n(?P<text>.*?)^(?P=indent)```$", flags=re.MULTILINE | re.DOTALL
)
GENERATED = {"MODEL_CARD.md": "`lesionviz evaluate` wrote it, of real images"}
"""Pages that a command writes, which cannot mark their blocks; they count as marked."""
MARK = re.compile(r"<!-- not run: (?P<reason>\S.*?) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block of Python or bash."""

    page: str
    line: int
    language: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(text: str, page: str = "page.md") -> Iterator[Block]:
    """The blocks of a page, each with the reason not to run it, or none."""
    for found in FENCE.finditer(text):
        mark = MARK.search(text[: found.start()])
        line = text.count("\n", 0, found.start()) + 1
        reason = mark["reason"] if mark else GENERATED.get(page, "")
        yield Block(page, line, found["language"], dedent(found["text"]), reason)


def pages() -> list[str]:
    """The Markdown files of the repository."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return sorted(name for name in listed.splitlines() if (ROOT / name).is_file())


if not (PAGES := pages()):
    pytest.skip("needs the repository: a source distribution has no list of its pages", allow_module_level=True)
BLOCKS = [block for page in PAGES for block in blocks_of((ROOT / page).read_text(encoding="utf-8"), page)]
RUN = {page: [block for block in BLOCKS if block.page == page and not block.reason] for page in PAGES}


def test_blocks_are_found_with_their_marks_wherever_they_stand() -> None:
    text = (
        "```python\na = 1\n```\n<!-- not run: takes hours -->\n```bash\nmake x\n```\n"
        "- item\n\n  ```python\n  b = 2\n  ```\n"
        "```text\nc\n```\n<!-- not run: too far away -->\n\n```bash\nd\n```\n<!-- not run:  -->\n```bash\ne\n```\n"
    )
    found = [(block.line, block.language, block.text, block.reason) for block in blocks_of(text)]
    assert found == [
        (1, "python", "a = 1\n", ""),
        (5, "bash", "make x\n", "takes hours"),
        (10, "python", "b = 2\n", ""),
        (18, "bash", "d\n", ""),
        (22, "bash", "e\n", ""),
    ]


def test_every_block_runs_or_says_why_not_and_the_marks_only_fall(capsys: pytest.CaptureFixture[str]) -> None:
    marked = [block for block in BLOCKS if block.reason]
    with capsys.disabled():
        print(f"\n{len(marked)} of {len(BLOCKS)} code blocks in Markdown are not run (at most {MARKS}):")
        for block in marked:
            print(f"  {block}  {block.reason}")
    assert len(marked) <= MARKS, "run the new block, or another one that is marked"
    assert len(marked) == MARKS, "fewer than before: lower MARKS, so that it cannot rise again"


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200, "move what is long beside what it explains"


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of a block of bash, continued lines joined and comments left out."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        while "&&" in words:
            yield words[: words.index("&&")]
            words = words[words.index("&&") + 1 :]
        if words:
            yield words


MARKED = [block for block in BLOCKS if block.language == "bash" and block.reason]


@pytest.mark.parametrize("block", MARKED, ids=str)
def test_a_command_that_is_not_run_exists_with_its_options(block: Block) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for words in commands(block.text):
        if words[0] == "lesionviz":
            # The card names what was judged, and leaves out where to: its commands are for reading.
            _parser().parse_args([*words[1:], *(["--out", "OUT"] if block.page in GENERATED else [])])
        elif words[0] == "make":
            assert {word for word in words[1:] if "=" not in word} <= set(targets), words
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings_that_are_there(page: str) -> None:
    text = re.sub(r"```.*?```|`[^`]*`", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{page}: {link}"


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what pages name: a drawn collection in the layout of ISIC 2019, and a model of a short training."""
    folder = tmp_path_factory.mktemp("pages")
    write_synthetic_isic2019(folder / "ISIC_2019", per_class=20)
    recipe = lesionviz.Recipe(epochs=1, size=64, train_size=64, first_size=64, cache=False, batch_size=16)
    lesionviz.train(
        lesionviz.read_collection(folder / "ISIC_2019"), folder / "runs" / "mine", recipe=recipe, init="scratch"
    )
    return folder


@pytest.fixture
def stand_ins(trained: Path, tmp_path: Path) -> Path:
    """A folder of its own for each page, in which every picture and folder that a page names is there, drawn."""
    (tmp_path / "ISIC_2019").symlink_to(trained / "ISIC_2019")
    (tmp_path / "runs").symlink_to(trained / "runs")
    draw_lesion("MEL", 3, (600, 450)).save(tmp_path / "lesion.jpg")
    (tmp_path / "archive").mkdir()
    for number in range(3):
        draw_lesion("NV", number, (320, 240)).save(tmp_path / "archive" / f"{number}.jpg")
    return tmp_path


@pytest.mark.heavy
@pytest.mark.once
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page != "README.md" else [])
        for page, blocks in RUN.items()
        if blocks
    ],
)
def test_the_blocks_of_a_page_run_one_after_the_other(
    page: str, stand_ins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python in one namespace, bash in one folder, from a shell with ``.venv/bin`` on its path, as a person has it."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    namespace: dict[str, object] = {"__name__": "__main__"}
    with chdir(stand_ins):
        for block in RUN[page]:
            if block.language == "python":
                padding = "\n" * block.line  # so that a traceback names the line of the page
                exec(compile(padding + block.text, str(ROOT / page), "exec"), namespace)
            else:
                done = subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", block.text], capture_output=True, text=True, timeout=300
                )
                assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

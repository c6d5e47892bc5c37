"""The batch in the real Voila and JupyterLab, offline: a mixed folder from drop to CSV, on a desk and on a phone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import PATIENCE, accessibility, go, offline_page, phone, sideways, theme
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from servers import running, write_notebook

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.quality import QUALITY
from lesionviz.refusal import FEATURES, DistanceRefusal
from lesionviz.widgets.case.answer import NOTICE

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)

CELL = """
import time
import ipywidgets
from lesionviz.classifier import load, LesionClassifier
from lesionviz.widgets import Batch

class Slow(LesionClassifier):
    "Slow enough for a person to press Cancel."
    def examine(self, image):
        time.sleep(0.25)
        return super().examine(image)

opened = ipywidgets.Label("nothing opened")
def on_open(name, data):
    opened.value = f"opened {name}, {len(data)} bytes"

batch = Batch(Slow(load(MODEL).checkpoint), on_open=on_open)
ipywidgets.VBox([opened, batch])
"""


@pytest.fixture(scope="module")
def model(small_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model, refusing whatever is darker than a quarter of full brightness."""
    limits = dict.fromkeys(QUALITY, (-100.0, 100.0)) | {"brightness": (0.25, 100.0)}
    refusal = DistanceRefusal(limits, np.zeros(FEATURES), np.eye(FEATURES), 1e9, 1e9, 0.95)
    path = tmp_path_factory.mktemp("model") / "model.pth"
    replace(small_checkpoint, refusal=refusal.to_dict()).save(path)
    return path


@pytest.fixture(scope="module", params=["voila", pytest.param("lab", marks=pytest.mark.slow)])
def page(
    request: pytest.FixtureRequest, browser: Browser, model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """One page for all tests, which clear what the one before has left."""
    code = f"MODEL = {str(model)!r}\n{CELL}"
    notebook = write_notebook(tmp_path_factory.mktemp("served") / "page.ipynb", code)
    with (
        running(request.param, notebook) as (address, _),
        offline_page(browser, address, viewport={"width": 1280, "height": 1000}) as page,
    ):
        go(page, request.param, address)
        expect(page.get_by_text("No files yet.")).to_be_visible()
        yield page


@pytest.fixture
def fresh(page: Page) -> Iterator[Page]:
    yield page
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("No files yet.")).to_be_visible()


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six files of which two are pictures that get an answer, and one that computers leave behind."""
    folder = tmp_path_factory.mktemp("choice") / "clinic"
    (folder / "left").mkdir(parents=True)
    draw_lesion("MEL", 3, (300, 200)).save(folder / "a <b>.jpg")
    draw_lesion("NV", 5, (300, 200)).save(folder / "left" / "b.png")
    Image.new("RGB", (120, 90), (30, 20, 10)).save(folder / "dark.png")
    (folder / "cut.jpg").write_bytes((folder / "a <b>.jpg").read_bytes()[:2000])
    (folder / "notes.txt").write_text("the patient says")
    (folder / ".DS_Store").write_text("x")
    with (folder / "scan.tif").open("wb") as file:
        file.truncate(65 * 2**20)
    return folder


def choose_folder(page: Page, folder: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a folder").click()
    chooser.value.set_files(folder)


def names(page: Page) -> list[str]:
    return page.locator("tbody .lv-batch-name").all_text_contents()


def row(page: Page, name: str) -> str:
    return page.locator("tbody tr", has_text=name).inner_text()


def head(page: Page, title: str) -> None:
    page.get_by_role("columnheader", name=re.compile(f"^{title}")).get_by_role("button").click()


def test_a_mixed_folder_from_choice_to_table_filter_open_and_csv(
    fresh: Page, mixed: Path, model: Path, tmp_path: Path
) -> None:
    page = fresh
    choose_folder(page, mixed)
    expect(page.get_by_text("6 files", exact=True)).to_be_visible()
    expect(page.get_by_role("progressbar", name="Files looked at")).to_be_hidden()
    assert names(page) == [
        f"clinic/{n}" for n in ("a <b>.jpg", "cut.jpg", "dark.png", "left/b.png", "notes.txt", "scan.tif")
    ]

    classifier = LesionClassifier(Checkpoint.load(model))
    expected = {name: classifier.predict(mixed / name) for name in ("a <b>.jpg", "left/b.png", "dark.png")}
    for name in ("a <b>.jpg", "left/b.png"):
        text, prediction = row(page, name), expected[name]
        assert prediction.diagnosis in text
        for share in (prediction.confidence, *prediction.probabilities.values()):
            assert f"{share:.1%}" in text
    assert "No answer" in row(page, "dark.png")
    assert "because the picture is too dark" in row(page, "dark.png")
    assert "%" not in row(page, "dark.png")
    assert "cut.jpg is damaged" in row(page, "cut.jpg")
    assert "notes.txt is not a picture" in row(page, "notes.txt")
    assert "scan.tif has more than 64 MiB" in row(page, "scan.tif")
    expect(page.get_by_text("1 without an answer", exact=True)).to_be_visible()
    expect(page.get_by_text("3 failed", exact=True)).to_be_visible()
    expect(page.get_by_text(NOTICE)).to_be_visible()

    # Sorting: numbers start with the highest, what has none stays last either way.
    pair = sorted(("a <b>.jpg", "left/b.png"), key=lambda name: -expected[name].probabilities["MEL"])
    head(page, "MEL")
    assert names(page)[:2] == [f"clinic/{name}" for name in pair]
    expect(page.locator("th[aria-sort=descending]")).to_have_text(re.compile("^MEL"))
    head(page, "MEL")
    assert names(page)[:2] == [f"clinic/{name}" for name in pair[::-1]]
    expect(page.locator("th[aria-sort=ascending]")).to_have_text(re.compile("^MEL"))
    head(page, "File")
    assert names(page) == sorted(names(page))
    head(page, "File")
    assert names(page) == sorted(names(page), reverse=True)

    page.get_by_label("Show", exact=True).select_option(label="failed")
    expect(page.get_by_text("3 of 6 files shown").first).to_be_visible()
    page.get_by_label("Name contains").fill("CUT")
    assert names(page) == ["clinic/cut.jpg"]
    page.get_by_label("Name contains").fill("nowhere")
    expect(page.get_by_text("No file fits this filter.")).to_be_visible()
    page.get_by_label("Name contains").fill("")
    page.get_by_label("Show", exact=True).select_option(label="all files")

    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as CSV").click()
    path = tmp_path / "table.csv"
    saving.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = {line["file"]: line for line in csv.DictReader(file)}
    assert lines["clinic/dark.png"]["diagnosis"] == ""
    assert lines["clinic/dark.png"]["refused_because"] == "the picture is too dark"
    assert lines["clinic/left/b.png"]["diagnosis"] == expected["left/b.png"].diagnosis
    for code in CODES:
        assert lines["clinic/left/b.png"][code] == f"{expected['left/b.png'].probabilities[code]:.6f}"
    assert lines["clinic/left/b.png"]["model_sha256"] == classifier.checkpoint.file_sha256

    page.get_by_label("Show the forced answers").check()
    assert "Forced, not valid" in row(page, "dark.png")
    assert f"{expected['dark.png'].confidence:.1%}" in row(page, "dark.png")
    page.get_by_label("Show the forced answers").uncheck()

    size = (mixed / "left" / "b.png").stat().st_size
    page.get_by_role("button", name="Open clinic/left/b.png").press("Enter")
    expect(page.get_by_text(f"opened clinic/left/b.png, {size} bytes")).to_be_visible()

    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("No files yet.")).to_be_visible()
    page.get_by_role("button", name="Bring back 6 rows").click()
    expect(page.locator("tbody tr")).to_have_count(6)


def test_dropped_files_show_progress_and_cancelling_keeps_what_is_done(fresh: Page) -> None:
    page = fresh
    picture = draw_lesion("BKL", 2, (200, 150))
    page.evaluate(
        """async ([width, height]) => {
            const canvas = Object.assign(document.createElement("canvas"), { width, height });
            canvas.getContext("2d").fillStyle = "#c08060";
            canvas.getContext("2d").fillRect(0, 0, width, height);
            const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
            const transfer = new DataTransfer();
            for (let n = 120; n; n--) transfer.items.add(new File([blob], `${n}.jpg`, { type: "image/jpeg" }));
            const zone = document.querySelector(".lv-batch-zone");
            for (const type of ["dragenter", "dragover", "drop"]) {
                zone.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
            }
        }""",
        list(picture.size),
    )
    expect(page.get_by_role("progressbar", name="Files looked at")).to_have_attribute("max", "120")
    expect(
        page.locator(".lv-batch-words", has_text=re.compile(r"^\d+ of 120, about \d+ (s|min) left$"))
    ).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("were not looked at and are not in the table.")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Files looked at")).to_be_hidden()
    head(page, "No.")
    done = len(names(page))
    assert 3 <= done < 120
    assert names(page) == [f"{n}.jpg" for n in range(1, done + 1)]  # by number, not as they lay
    expect(page.get_by_text(f"Cancelled: {120 - done} files")).to_be_visible()


def test_a_narrow_phone_scrolls_the_table_and_not_the_page(fresh: Page, mixed: Path) -> None:
    page = fresh
    choose_folder(page, mixed)
    expect(page.get_by_text("6 files", exact=True)).to_be_visible()
    with phone(page):
        assert sideways(page, ".lv-batch") == []
        region = page.get_by_role("region", name="Table of answers")
        region.focus()
        region.press("ArrowRight")
        page.wait_for_function("document.querySelector('.lv-batch-region').scrollLeft > 0")


def test_folders_of_the_computer_are_named_in_jupyterlab_and_not_in_anybodys_voila(page: Page) -> None:
    part = page.locator(".lv-archive")
    part.get_by_text("A whole folder on this computer").click()
    if page.locator(".jp-NotebookPanel").count():
        expect(part.get_by_label("Folder with images")).to_be_visible()
    else:
        expect(part.get_by_text("This page may be anybody's, so it names no folders")).to_be_visible()
        expect(part.get_by_role("textbox")).to_have_count(0)
    assert accessibility(page, ".lv-batch") == ""
    part.get_by_text("A whole folder on this computer").click()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_with_and_without_rows(fresh: Page, mixed: Path, dark: bool) -> None:
    page = fresh
    theme(page, dark)
    assert accessibility(page, ".lv-batch") == ""
    choose_folder(page, mixed)
    expect(page.get_by_text("6 files", exact=True)).to_be_visible()
    page.get_by_label("Show the forced answers").check()
    assert accessibility(page, ".lv-batch") == ""
    page.get_by_label("Show the forced answers").uncheck()
    theme(page, False)

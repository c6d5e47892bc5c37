"""A run over a whole folder, begun on one page and found again on another, in the real dashboard and JupyterLab."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow.parquet as parquet
import pytest
from pages import PATIENCE, accessibility, go, offline_page, phone, sideways, theme, until
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from servers import running, running_dashboard, write_notebook

from lesionviz.archive.known import VARIABLE
from lesionviz.archive.state import Run
from lesionviz.archive.store import SESSIONS
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
SUMMARY = "A whole folder on this computer"


@dataclass(frozen=True)
class Place:
    """A server whose pages show a batch, and its process."""

    kind: str
    address: str
    pid: int

    def open(self, page: Page) -> Locator:
        """Open the page of the batch anew; give its folded part."""
        go(page, self.kind, self.address)
        if self.kind == "voila":
            page.get_by_role("tab", name="Batch").click()
        expect(page.get_by_text("No files yet.")).to_be_visible()
        return page.locator(".lv-archive")


@pytest.fixture(scope="module", params=["voila", "lab"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The dashboard for one person, or JupyterLab, with a list of runs of its own."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder / "data" / "runs.json"))
        if request.param == "lab":
            notebook = write_notebook(folder / "page.ipynb", "import lesionviz\nlesionviz.Batch()")
            with running("lab", notebook) as (address, pid):
                yield Place("lab", address, pid)
        else:
            with running_dashboard([Path(sys.executable).with_name("lesionviz")], folder) as (address, pid):
                yield Place("voila", address, pid)


@pytest.fixture
def page(browser: Browser, place: Place) -> Iterator[Page]:
    with offline_page(browser, place.address, viewport={"width": 1280, "height": 1000}) as page:
        yield page


def pictures(folder: Path, count: int) -> Path:
    """Draw lesions, with a picture that is refused and a file that is none."""
    folder.mkdir()
    for number in range(count):
        draw_lesion(CODES[number % 4], number, (240, 180)).save(folder / f"{number:03}.jpg")
    Image.new("RGB", (120, 90), (120, 120, 120)).save(folder / "blank.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    return folder


def run_of(part: Locator, out: Path) -> Locator:
    return part.get_by_role("listitem").filter(has_text=out.name)


def kernels(pid: int) -> set[psutil.Process]:
    found = psutil.Process(pid).children(recursive=True)
    return {
        child for child in found if "ipykernel" in " ".join(child.as_dict(["cmdline"], ad_value=[])["cmdline"] or [])
    }


def test_a_run_goes_on_without_its_page_and_the_results_are_there_when_it_is_opened_again(
    place: Place, page: Page, browser: Browser, tmp_path: Path
) -> None:
    images, out = pictures(tmp_path / "clinic", 22), tmp_path / "clinic-scores"
    with browser.new_page() as first:  # no gate before it, which would hold back the word that it goes
        first.set_default_timeout(PATIENCE)
        part = place.open(first)
        expect(part.get_by_label("Folder with images")).to_be_hidden()  # quiet: most people choose images
        part.get_by_text(SUMMARY).focus()
        first.keyboard.press("Enter")
        first.keyboard.press("Tab")
        first.keyboard.type(str(tmp_path / "nowhere"))
        first.keyboard.press("Enter")
        expect(part.get_by_role("alert")).to_have_text(
            f"There is no folder {tmp_path / 'nowhere'}. Check the path and its spelling."
        )
        assert accessibility(first, ".lv-batch") == ""
        part.get_by_label("Folder with images").fill(f"{images}/")
        expect(part.get_by_label("Folder for results")).to_have_value(str(out))
        first.keyboard.press("Enter")
        expect(run_of(part, out).get_by_role("progressbar", name=f"Images done, {out.name}")).to_be_visible()
        before = kernels(place.pid)
        first.goto("about:blank")
        if place.kind == "voila":
            until(first, lambda: bool(before - kernels(place.pid)))  # the page's own; another may be kept ready
    until(page, lambda: (out / "manifest.json").exists() and Run.read(out).finished)

    part = place.open(page)
    expect(part.get_by_text("1 run", exact=True)).to_be_visible()
    part.get_by_text(SUMMARY).click()
    expect(run_of(part, out)).to_contain_text("Finished: 24 images, 1 of them could not be used.")
    run_of(part, out).get_by_role("button", name="Show results").click()
    expect(page.get_by_text(f"Results in {out}")).to_be_visible()
    table = parquet.read_table(out / "scores.parquet").to_pylist()
    names = page.locator("tbody .lv-batch-name")
    expect(names).to_have_count(24)
    assert names.all_text_contents() == [f"clinic/{Path(line['image']).name}" for line in table]
    first = page.locator("tbody tr", has_text="001.jpg")
    (line,) = (each for each in table if each["image"].endswith("001.jpg"))
    prefix = "forced_" if line["refused"] else ""
    page.get_by_label("Show the forced answers").check()
    expect(first).to_contain_text(line[f"{prefix}diagnosis"])
    expect(first).to_contain_text(f"{line[f'{prefix}MEL']:.1%}")
    page.get_by_label("Show", exact=True).select_option(label="failed")
    assert names.all_text_contents() == ["clinic/broken.jpg"]
    page.get_by_label("Show", exact=True).select_option(label="all files")

    for dark in (False, True):
        theme(page, dark)
        assert accessibility(page, ".lv-batch") == ""
    theme(page, False)
    with phone(page):
        assert sideways(page, ".lv-batch") == []
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as Parquet").click()
    assert saving.value.path().read_bytes() == (out / "scores.parquet").read_bytes()
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as CSV").click()
    with saving.value.path().open(encoding="utf-8-sig", newline="") as file:
        assert [each["file"] for each in csv.DictReader(file)] == names.all_text_contents()

    if place.kind == "voila":  # where there is an Explorer around it
        (images / "003.jpg").write_bytes((images / "002.jpg").read_bytes())
        page.get_by_role("button", name="Open clinic/003.jpg").click()
        expect(page.get_by_text("clinic/003.jpg is no longer the file of which this row tells")).to_be_visible()
        page.get_by_role("button", name="Open clinic/002.jpg").click()
        expect(page.locator(".lv-explore").get_by_text("clinic/002.jpg").first).to_be_visible()
        page.get_by_role("tab", name="Batch").click()
    page.get_by_role("button", name="Close the run").click()
    expect(page.get_by_text("No files yet.")).to_be_visible()


@pytest.mark.parametrize("place", ["voila"], indirect=True)
def test_a_run_of_the_command_line_is_seen_stopped_and_gone_on_with_to_the_same_table(
    place: Place, page: Page, tmp_path: Path
) -> None:
    images, out, whole = pictures(tmp_path / "images", 58), tmp_path / "slow", tmp_path / "whole"
    score = [sys.executable, "-m", "lesionviz", "score", str(images), "--shard-size", "4", "--out"]
    subprocess.run([*score, str(whole)], check=True, capture_output=True)
    with subprocess.Popen([*score, str(out)], start_new_session=True, stderr=subprocess.DEVNULL) as process:
        until(page, (out / SESSIONS).exists)  # written after each part
        process.send_signal(signal.SIGSTOP)  # so that it is not done before somebody stops it
        part = place.open(page)  # by itself, as something is under way
        item = run_of(part, out)
        expect(item).to_contain_text(" of 60 images, ")
        expect(item).to_contain_text(" a second, about ")
        assert accessibility(page, ".lv-batch") == ""
        with phone(page):
            assert sideways(page, ".lv-batch") == []
        item.get_by_role("button", name="Stop").press("Enter")
        expect(item).to_contain_text("Stopping; what is done stays.")
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 130
    expect(item).to_contain_text("Interrupted: ")
    done = Run.read(out).done
    assert 0 < done < 60
    expect(item).to_contain_text(f"{done} of 60 images.")
    expect(item.get_by_role("button", name="Continue")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"Results in {out}")).to_be_visible()  # by themselves: the page has seen it finish
    expect(page.get_by_text("60 files", exact=True)).to_be_visible()
    assert (out / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()
    run_of(part, whole).get_by_role("button", name="Take off the list").click()
    expect(run_of(part, whole)).to_have_count(0)
    assert Run.read(whole).finished

"""When the connection is lost in the middle of a batch, a teacher's folder, a quiz or a comparison: the page says so, sends
again what was lost, and goes on where it was; nothing comes twice. When Python has stopped, it says that.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cable import Cable, cable
from faults import Wire, answered, asleep, banner, explorer, kernels, lose, regain
from pages import PATIENCE, accessibility, go, until
from playwright.sync_api import Browser, Page, expect
from servers import running_dashboard, running_lab, write_notebook

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
LOST = pytest.mark.parametrize("there", [True, False], ids=["what was sent is lost", "the answer is lost"])


@dataclass
class Place:
    """A page of the dashboard, the address of its server, its kernel's parent, and the cable between."""

    page: Page
    address: str
    server: int
    cable: Cable
    wire: Wire


@pytest.fixture(scope="module")
def model(small_checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that refuses nothing."""
    path = tmp_path_factory.mktemp("model") / "model.pth"
    small_checkpoint.save(path)
    return path


@pytest.fixture(scope="module")
def place(browser: Browser, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One page for all tests."""
    wire, folder = Wire(), tmp_path_factory.mktemp("place")
    with (
        running_dashboard([sys.executable, "-m", "lesionviz"], folder, "--model", str(model)) as (address, pid),
        cable(port := urlsplit(address).port or 0) as laid,
        explorer(browser, "voila", address.replace(f":{port}/", f":{laid.port}/"), wire, clock=True) as page,
    ):
        yield Place(page, address, pid, laid, wire)
        page.goto("about:blank")


@pytest.fixture(autouse=True)
def _whole_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no cut cable to the tests that follow."""
    yield
    if "place" in request.fixturenames and (place := request.getfixturevalue("place")).cable.is_cut:
        regain(place.page, place.cable)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with twelve pictures of each class: enough for the cable to be cut before the last."""
    folder = tmp_path_factory.mktemp("pictures") / "lesson"
    for code in CODES:
        (folder / code).mkdir(parents=True)
        for seed in range(12):
            draw_lesion(code, seed, (120, 90)).save(folder / code / f"{seed}.png")
    return folder


def tab(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def batch(page: Page, folder: Path) -> None:
    page.locator(".lv-batch-zone input[webkitdirectory]").set_input_files(folder)


def two_pictures(page: Page, folder: Path, first: str, second: str, size: tuple[int, int] = (240, 180)) -> list[Path]:
    """Draw and choose two, the second of this size, and wait for the answer to the first."""
    tab(page, "Explore")
    pictures = [folder / first, folder / second]
    draw_lesion("NV", 1, (240, 180)).save(pictures[0])
    draw_lesion("MEL", 2, (240, 180)).resize(size).save(pictures[1])
    page.locator(".lv-picker input[type=file]").set_input_files(pictures)
    answered(page, pictures[0])
    return pictures


def every_file_has_one_row(page: Page, folder: Path) -> None:
    """Wait until the batch has come to its end."""
    files = sorted(folder.rglob("*.png"), key=lambda path: (path.parent, int(path.stem)))
    expect(page.locator(".lv-batch tbody tr")).to_have_count(len(files))
    expect(page.locator(".lv-batch-progress")).to_be_hidden()
    names = page.locator(".lv-batch tbody .lv-batch-name").all_text_contents()
    assert names == [str(path.relative_to(folder.parent)) for path in files]


@LOST
def test_a_batch_goes_on_where_it_was_and_no_file_has_two_rows(there: bool, place: Place, lesson: Path) -> None:
    page, wire = place.page, place.wire
    tab(page, "Batch")
    connections = wire.connections
    wire.at_file(6, lambda: place.cable.cut(there=there))
    batch(page, lesson)
    until(page, lambda: place.cable.is_cut)
    lose(page)
    words = page.locator(".lv-batch-words")
    assert accessibility(page, ".lv-explorer") == ""
    expect(words).to_have_text(
        re.compile(r"^\d of 48\. The rest follows by itself as soon as the connection is back\.$")
    )
    regain(page, place.cable)
    every_file_has_one_row(page, lesson)
    assert wire.connections == connections + 1
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("No files yet.")).to_be_visible()


def test_a_batch_that_was_cancelled_without_a_connection_does_not_go_on(place: Place, lesson: Path) -> None:
    page, wire = place.page, place.wire
    tab(page, "Batch")
    wire.at_file(6, place.cable.cut)
    batch(page, lesson)
    until(page, lambda: place.cable.is_cut)
    lose(page)
    page.locator(".lv-batch-progress").get_by_role("button", name="Cancel").click()
    expect(page.locator(".lv-batch-words")).to_have_text(re.compile(r"^\d of 48\. Cancelled\.$"))
    regain(page, place.cable)
    expect(page.locator(".lv-batch-message")).to_have_text(re.compile(r"^Cancelled: 4\d files were not looked at"))
    expect(page.locator(".lv-batch-progress")).to_be_hidden()
    assert page.locator(".lv-batch tbody tr").count() < 10
    page.get_by_role("button", name="Clear").click()
    batch(page, lesson)
    every_file_has_one_row(page, lesson)
    page.get_by_role("button", name="Clear").click()


@LOST
def test_a_teachers_folder_becomes_a_whole_set(there: bool, place: Place, lesson: Path) -> None:
    page, wire = place.page, place.wire
    tab(page, "Quiz")
    if page.get_by_role("button", name="Back to the drawn samples").is_visible():
        page.get_by_role("button", name="Back to the drawn samples").click()
    expect(page.get_by_role("heading", name="Drawn samples")).to_be_visible()
    files = wire.files
    wire.at_file(6, lambda: place.cable.cut(there=there))
    page.locator(".lv-quiz-zone input[type=file]").set_input_files(lesson)
    until(page, lambda: place.cable.is_cut)
    lose(page)
    expect(page.locator(".lv-quiz-progress span")).to_have_text(
        re.compile(r"^\d+ of 48 pictures\. The rest follows by itself as soon as the connection is back\.$")
    )
    expect(page.get_by_role("button", name="Start the quiz")).to_be_disabled()
    assert accessibility(page, ".lv-explorer") == ""
    regain(page, place.cable)
    expect(page.get_by_role("heading", name="lesson", exact=True)).to_be_visible()
    expect(page.get_by_role("slider", name="Cases")).to_have_attribute("aria-valuetext", "20 of 48")
    expect(page.locator(".lv-quiz-problems")).to_have_count(0)
    expect(page.locator(".lv-quiz-progress")).to_be_hidden()
    assert wire.files <= files + 48 + 1


@LOST
def test_an_answer_to_the_quiz_counts_once(there: bool, place: Place) -> None:
    page = place.page
    tab(page, "Quiz")
    page.get_by_role("button", name="Start the quiz").click()
    page.get_by_role("radio", name="Melanoma MEL").check()
    place.cable.cut(there=there)
    page.get_by_role("button", name="Commit").click()
    lose(page)
    expect(page.locator(".lv-quiz > .lv-lost")).to_contain_text("What you did last has not arrived yet.")
    regain(page, place.cable)
    expect(page.get_by_role("heading", name=re.compile("ight: it is"))).to_be_visible()
    expect(page.locator(".lv-quiz > .lv-lost")).to_be_hidden()
    page.get_by_role("button", name="Next case").first.click()
    expect(page.locator(".lv-quiz-header")).to_contain_text(re.compile("[01] of 1 right"))
    page.get_by_role("button", name="End the round here").click()
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_role("button", name="Start the quiz")).to_be_visible()


@LOST
def test_a_second_picture_goes_beside_the_first(there: bool, place: Place, tmp_path: Path) -> None:
    page, wire = place.page, place.wire
    pictures = two_pictures(page, tmp_path, f"first {there}.png", name := f"second {there}.png")
    files = wire.files
    place.cable.cut(there=there)
    page.get_by_role("button", name=f"Compare with {name}").click()
    way = page.locator(".lv-picker-way")
    expect(way).to_have_text(f"{name} is on its way to Compare …")
    lose(page)
    expect(way).to_have_text(f"{name} has no answer yet. It gets one by itself as soon as the connection is back.")
    answered(page, pictures[0])  # is still on view
    assert accessibility(page, ".lv-explorer") == ""
    regain(page, place.cable)
    expect(page.get_by_role("tab", name="Compare", exact=True)).to_have_attribute("aria-selected", "true")
    tiles = page.locator(".lv-compare .lv-tile:visible figcaption strong")
    expect(tiles).to_have_text([path.name for path in pictures])
    expect(way).to_be_hidden()
    assert wire.files == files + (2 if there else 1)


def test_where_python_looks_at_the_second_picture_its_lost_answer_is_said_again(place: Place, tmp_path: Path) -> None:
    page, wire = place.page, place.wire
    two_pictures(page, tmp_path, "first.png", "large.jpg", size=(7000, 5000))  # takes a while
    files = wire.files
    page.get_by_role("button", name="Compare with large.jpg").click()
    note = page.locator(".lv-compare .lv-note")
    expect(note).to_have_text("Looking at large.jpg …")
    place.cable.cut()
    lose(page)
    expect(note).to_have_text("large.jpg has no answer yet. It gets one by itself as soon as the connection is back.")
    regain(page, place.cable)
    expect(page.locator(".lv-compare .lv-tile:visible figcaption strong")).to_have_text(["first.png", "large.jpg"])
    expect(note).to_be_empty()
    assert wire.files == files + 1


@pytest.mark.slow
@pytest.mark.parametrize(("where", "method"), [("Explore", "HiResCAM"), ("Compare", "LayerCAM")])
def test_maps_that_nobody_heard_of_are_asked_for_again(where: str, method: str, place: Place, tmp_path: Path) -> None:
    page = place.page
    two_pictures(page, tmp_path, "first.png", "second.png")
    tab(page, where)
    part = page.locator(f".lv-{where.lower()}")
    tiles = part.locator(".lv-tile:visible, .lv-figure-heatmap")
    expect(tiles.first).to_be_visible()
    if where == "Explore":
        part.get_by_text("More ways to look").click()
    place.cable.cut()
    part.get_by_role("combobox", name="Method").select_option(label=method)
    missing = part.locator(".lv-without-map").first
    expect(missing).to_be_visible()
    lose(page)
    if where == "Compare":
        expect(part.locator(".lv-waiting")).to_contain_text("come by themselves as soon as the connection is back")
    regain(page, place.cable)
    expect(part.locator(".lv-without-map")).to_have_count(0)


def test_when_python_has_stopped_nothing_is_said_to_follow(place: Place, lesson: Path, tmp_path: Path) -> None:
    """The last one: the page is of no use afterwards."""
    page = place.page
    for name in ("Batch", "Quiz"):
        tab(page, name)
    expect(page.locator(".lv-quiz-zone")).to_be_visible()
    two_pictures(page, tmp_path, "first.png", "last.png")
    (kernel,) = kernels(place.server)
    with asleep(kernel):
        batch(page, lesson)
        page.locator(".lv-quiz-zone input[type=file]").set_input_files(lesson)
        page.get_by_role("button", name="Compare with last.png").click()
        way = page.locator(".lv-picker-way")
        expect(way).to_have_text("last.png waits until Python takes it up.")
        expect(page.locator(".lv-batch-words")).to_have_text("0 of 48. The rest waits until Python takes it up.")
        expect(page.locator(".lv-quiz-progress span")).to_contain_text("waits until Python takes it up")
        kernel.kill()
    banner(page, "gone", "Python has stopped")
    expect(way).to_have_text("last.png got no answer before Python stopped. Choose it again afterwards.")
    expect(page.locator(".lv-batch-message")).to_have_text(
        "Python has stopped, so 48 of 48 files got no answer. Reload the page, or run the cell again, and choose them "
        "once more."
    )
    expect(page.locator(".lv-quiz-zone .lv-lost")).to_have_text(
        "Python stopped before the set was complete. Make it again afterwards."
    )
    for progress in (".lv-batch-progress", ".lv-quiz-progress"):
        expect(page.locator(progress)).to_have_attribute("hidden", "")


@pytest.mark.slow
def test_a_batch_alone_in_jupyterlab_goes_on_where_it_was(browser: Browser, model: Path, lesson: Path) -> None:
    """Without a masthead that says what is wrong."""
    code = f"import lesionviz\nfrom lesionviz.widgets import Batch\nBatch(lesionviz.load({str(model)!r}))"
    wire = Wire()
    with (
        running_lab(write_notebook(model.parent / "batch.ipynb", code)) as (address, _),
        cable(port := urlsplit(address).port or 0) as laid,
        browser.new_page() as page,
    ):
        page.set_default_timeout(PATIENCE)
        wire.watch(page)
        page.clock.install()
        go(page, "lab", address.replace(f":{port}/", f":{laid.port}/"))
        expect(page.get_by_text("No files yet.")).to_be_visible()
        wire.at_file(6, laid.cut)
        batch(page, lesson)
        until(page, lambda: laid.is_cut)
        words = page.locator(".lv-batch-words")

        def away() -> bool:
            page.clock.run_for(1_000)
            return "follows by itself" in (words.text_content() or "")

        until(page, away)
        laid.replace()

        def back() -> bool:
            page.clock.run_for(1_000)
            return "follows by itself" not in (words.text_content() or "")

        until(page, back)
        every_file_has_one_row(page, lesson)

"""When Python goes away: the page says so, lets nothing old stand as an answer, and goes on by itself where it can.

One fault a test, in real Voila and real JupyterLab.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pages import PATIENCE, accessibility, go, still
from playwright.sync_api import Browser, Locator, Page, expect
from servers import running, write_notebook

from lesionviz.data.synthetic import draw_lesion

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
KINDS = pytest.mark.parametrize("kind", ["voila", "lab"])
CODE = "import lesionviz\nlesionviz.Explorer()"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three drawn pictures: one with an answer before, one sent while Python is away, one after."""
    paths = [tmp_path / name for name in ("before.png", "meanwhile.png", "after.png")]
    for index, path in enumerate(paths):
        draw_lesion(("NV", "MEL", "BKL")[index], 3 + index, (240, 180)).save(path)
    return paths


@contextmanager
def explorer(browser: Browser, kind: str, address: str) -> Iterator[Page]:
    """A page with an Explorer whose model is there."""
    with browser.new_page() as page:
        page.set_default_timeout(PATIENCE)
        go(page, kind, address)
        expect(page.get_by_text("Model ready")).to_be_visible()
        if kind == "lab":  # puts its own words about lost servers over the page
            page.add_locator_handler(
                page.locator(".jp-Dialog"), lambda dialog: dialog.locator("button").last.click(), no_wait_after=True
            )
        yield page


@dataclass
class Place:
    """A page, and the processes behind it."""

    page: Page
    server: psutil.Process
    kernels: list[psutil.Process]


@pytest.fixture(scope="module", params=["voila", "lab"])
def place(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """For faults that pass: one page for all."""
    notebook = write_notebook(tmp_path_factory.mktemp("place") / "explorer.ipynb", CODE)
    with running(request.param, notebook) as (address, pid), explorer(browser, request.param, address) as page:
        yield Place(page, psutil.Process(pid), kernels(pid))
        page.goto("about:blank")


def begin(page: Page, path: Path) -> None:
    """Have the answer for a first picture on view."""
    choose(page, path)
    answered(page, path)


def choose(page: Page, path: Path) -> None:
    page.locator(".lv-picker input[type=file]").set_input_files(path)


def status(page: Page) -> Locator:
    return page.locator(".lv-status")


def answered(page: Page, path: Path) -> None:
    """Wait for this very picture's answer, and insist on it where the model gives none by itself."""
    ends = re.compile("^(answered|refused)$")
    expect(status(page)).to_have_attribute("data-state", ends)
    if status(page).get_attribute("data-state") == "refused":
        expect(status(page)).to_contain_text(path.name)
        page.get_by_role("button", name="Show the answer anyway").click()
    expect(page.locator(".lv-explore .lv-answer .lv-source")).to_have_text(path.name)
    expect(status(page)).to_have_attribute("data-state", "answered")


def banner(page: Page, kind: str, words: str) -> None:
    """Wait until the page says of this kind of trouble, in these words."""
    expect(page.locator(f'.lv-line-banner[data-line="{kind}"]')).to_contain_text(words)


def nothing_stands(page: Page, path: Path) -> None:
    """Of the last picture nothing is on view; of this one it is said that it has no answer."""
    expect(status(page)).to_have_attribute("data-state", "lost")
    expect(status(page)).to_contain_text(f"{path.name} ")
    expect(page.locator(".lv-explore .lv-answer")).to_be_hidden()
    expect(page.locator(".lv-explore .lv-view")).to_be_hidden()


def switched_off(page: Page, off: bool = True) -> None:
    page.wait_for_function("off => document.querySelector('.lv-picker').inert === off", arg=off)
    expect(page.locator(".lv-model")).to_have_text(re.compile("^Not connected$" if off else "^Model ready"))


def back(page: Page, meanwhile: Path, after: Path) -> None:
    """The banner is gone, what was sent meanwhile has its answer, and the next picture gets one, too."""
    expect(page.locator(".lv-line-banner")).to_be_hidden()
    switched_off(page, False)
    answered(page, meanwhile)
    choose(page, after)
    answered(page, after)


def kernels(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]


@contextmanager
def asleep(*processes: psutil.Process) -> Iterator[Callable[[], None]]:
    """Stop processes as a closed lid does; give what wakes them."""

    def wake() -> None:
        for process in processes:
            if process.is_running():
                process.resume()

    for process in processes:
        process.suspend()
    try:
        yield wake
    finally:
        wake()


@KINDS
def test_a_killed_kernel_ends_the_page_for_good(
    kind: str, browser: Browser, tmp_path: Path, pictures: list[Path]
) -> None:
    notebook = write_notebook(tmp_path / "explorer.ipynb", CODE)
    with running(kind, notebook) as (address, pid), explorer(browser, kind, address) as page:
        begin(page, pictures[0])
        for kernel in kernels(pid):
            kernel.kill()
        choose(page, pictures[1])
        banner(page, "gone", "Python has stopped")
        banner(page, "gone", "Reload the page" if kind == "voila" else "Run the cell again")
        switched_off(page)
        nothing_stands(page, pictures[1])
        if kind == "voila":
            page.get_by_role("button", name="Reload the page").click()
        else:
            page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        expect(page.locator(".lv-line-banner")).to_be_hidden()
        expect(page.get_by_text("Model ready")).to_be_visible()
        begin(page, pictures[2])


def test_a_kernel_that_hangs_is_called_busy_and_goes_on_with_what_waited(place: Place, pictures: list[Path]) -> None:
    page = place.page
    begin(page, pictures[0])
    with asleep(*place.kernels) as wake:
        choose(page, pictures[1])
        banner(page, "busy", "Python is busy")
        expect(page.locator(".lv-model")).to_have_text("Python is busy")
        expect(status(page)).to_have_text("meanwhile.png waits until Python takes it up.")
        expect(page.locator(".lv-explore .lv-answer")).to_be_hidden()
        wake()
        back(page, pictures[1], pictures[2])


def test_a_sleeping_server_is_said_and_awaited(place: Place, pictures: list[Path]) -> None:
    page = place.page
    begin(page, pictures[0])
    with asleep(place.server, *place.kernels) as wake:
        choose(page, pictures[1])
        banner(page, "away", "No connection to the server")
        switched_off(page)
        nothing_stands(page, pictures[1])
        wake()
        back(page, pictures[1], pictures[2])


def test_a_cut_network_is_said_and_mended_by_itself(place: Place, pictures: list[Path]) -> None:
    page = place.page
    begin(page, pictures[0])
    page.context.set_offline(True)
    choose(page, pictures[1])
    banner(page, "away", "No connection to the server")
    switched_off(page)
    page.context.set_offline(False)
    back(page, pictures[1], pictures[2])


@KINDS
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_a_stopped_server_is_said_and_what_is_on_view_stays(
    kind: str, how: signal.Signals, browser: Browser, tmp_path: Path, pictures: list[Path]
) -> None:
    notebook = write_notebook(tmp_path / "explorer.ipynb", CODE)
    with running(kind, notebook) as (address, pid), explorer(browser, kind, address) as page:
        begin(page, pictures[0])
        os.kill(pid, how)
        banner(page, "away", "No connection to the server")
        switched_off(page)
        answered(page, pictures[0])
        page.get_by_role("button", name="Save as PNG").scroll_into_view_if_needed()
        expect(page.locator(".lv-line-banner")).to_be_in_viewport()
        if kind == "voila":
            still(page)
            assert accessibility(page, ".lv-explorer") == ""


@KINDS
def test_after_a_restart_of_the_server_the_page_says_how_to_go_on(
    kind: str, browser: Browser, tmp_path: Path, pictures: list[Path]
) -> None:
    notebook = write_notebook(tmp_path / "explorer.ipynb", CODE)
    with running(kind, notebook) as (address, pid), explorer(browser, kind, address) as page:
        begin(page, pictures[0])
        os.kill(pid, signal.SIGKILL)
        choose(page, pictures[1])
        banner(page, "away", "No connection to the server")
        nothing_stands(page, pictures[1])
        with running(kind, notebook, address):
            banner(page, "gone", "Python has stopped")
            nothing_stands(page, pictures[1])
            if kind == "voila":
                page.get_by_role("button", name="Reload the page").click()
            else:
                go(page, kind, address)
            expect(page.get_by_text("Model ready")).to_be_visible()
            begin(page, pictures[2])
            page.goto("about:blank")

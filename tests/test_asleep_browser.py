"""When nobody looks: a laptop that sleeps with server, kernel and browser on it, and a page in a tab that is hidden. That
is nobody's fault: no alarm is given for it, and afterwards, or meanwhile where it can, all goes on.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from cable import Cable, cable
from conftest import FLAGS
from faults import CODE, Wire, answered, asleep, banner, begin, choose, explorer, kernels, request_of, states
from pages import PATIENCE, until
from playwright.sync_api import Browser, BrowserContext, Page, expect
from servers import running_dashboard, running_lab, write_notebook

from lesionviz.data.synthetic import draw_lesion

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
HOUR = 3_600_000
QUESTION = "**/api/kernels/*no_track_activity*"


@dataclass
class Laptop:
    """A browser of its own with tabs that hide each other, as a person's do, and its process."""

    tabs: BrowserContext
    process: psutil.Process


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@contextmanager
def laptop(browser: Browser, chromium: str) -> Iterator[Laptop]:
    """Start another browser; one that Playwright drives wholly takes each of its pages for seen."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        option = f"--remote-debugging-port={free.getsockname()[1]}"
    owner = browser.browser_type.launch(executable_path=chromium, args=[*FLAGS, option])
    # A process that it has just forked, and that is not yet what it will be, bears its command line as well.
    named = [child for child in psutil.Process().children(recursive=True) if option in _words(child)]
    (process,) = (child for child in named if child.ppid() not in {other.pid for other in named})
    port = option.partition("=")[2]
    seen = browser.browser_type.connect_over_cdp(f"http://127.0.0.1:{port}", no_defaults=True)
    yield Laptop(seen.contexts[0], process)
    seen.close()
    owner.close()


@dataclass
class Place:
    """A page with an Explorer on a laptop, the processes behind it, and the cable between."""

    own: Laptop
    page: Page
    others: list[psutil.Process]
    cable: Cable
    wire: Wire


@contextmanager
def on_a_laptop(kind: str, browser: Browser, chromium: str, folder: Path) -> Iterator[Place]:
    """Open an Explorer in the dashboard or in JupyterLab."""
    if kind == "voila":
        server = running_dashboard([sys.executable, "-m", "lesionviz"], folder)
    else:
        server = running_lab(write_notebook(folder / "explorer.ipynb", CODE))
    wire = Wire()
    with (
        server as (address, pid),
        cable(port := urlsplit(address).port or 0) as laid,
        laptop(browser, chromium) as own,
        explorer(own.tabs, kind, address.replace(f":{port}/", f":{laid.port}/"), wire, clock=True) as page,
    ):
        yield Place(own, page, [psutil.Process(pid), *kernels(pid)], laid, wire)
        page.goto("about:blank")


@pytest.fixture(scope="module")
def place(browser: Browser, chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One page in the dashboard for all tests."""
    with on_a_laptop("voila", browser, chromium, tmp_path_factory.mktemp("place")) as place:
        yield place


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "before.png", tmp_path / "after.png"]
    for seed, path in enumerate(paths):
        draw_lesion(("NV", "MEL")[seed], seed, (240, 180)).save(path)
    return paths


@contextmanager
def hidden(page: Page) -> Iterator[None]:
    """Put another tab before this one."""
    other = page.context.new_page()
    other.bring_to_front()
    page.wait_for_function("document.hidden")
    yield
    page.bring_to_front()
    page.wait_for_function("!document.hidden")
    other.close()


@contextmanager
def alarms(page: Page) -> Iterator[list[str]]:
    """Write down every kind of trouble that the page speaks of."""
    seen: list[str] = []
    page.evaluate(
        """() => {
            globalThis.seenAlarms = [];
            const look = () => {
                const line = document.querySelector(".lv-line-banner:not([hidden])")?.dataset.line;
                if (line && line !== seenAlarms.at(-1)) seenAlarms.push(line);
            };
            globalThis.alarmWatch = new MutationObserver(look);
            const attributeFilter = ["hidden", "data-line"];
            alarmWatch.observe(document.body, { subtree: true, childList: true, attributeFilter });
        }"""
    )
    yield seen
    seen += page.evaluate("() => (alarmWatch.disconnect(), seenAlarms)")


def asked(page: Page) -> None:
    """Wait until the page has asked the server for a sign of life, and has got one."""
    with page.expect_response(QUESTION, timeout=PATIENCE) as answer:
        pass
    assert answer.value.ok


def sleep(own: Laptop, page: Page) -> None:
    """Let the browser sleep; every timer is late afterwards, as after an hour."""
    with asleep(own.process, *own.process.children(recursive=True)):
        pass
    page.clock.fast_forward(HOUR)


def wakes_as_if_nothing_had_been(place: Place, pictures: list[Path]) -> None:
    """Let everything sleep, three times, with different things on their way."""
    page, wire = place.page, place.wire
    files = wire.files
    page.get_by_role("tab", name="Batch", exact=True).click()  # is made now, and awake later
    choice = page.locator(".lv-batch-zone input[type=file]").first
    choice.wait_for(state="attached")
    page.get_by_role("tab", name="Explore", exact=True).click()
    begin(page, pictures[0])
    request, connections = request_of(page), wire.connections
    with states(page) as seen, alarms(page) as given:
        with asleep(*place.others):  # with a question on its way
            with page.expect_request(QUESTION, timeout=PATIENCE):
                pass
            sleep(place.own, page)
        for _ in range(3):
            asked(page)
        answered(page, pictures[0])
        assert request_of(page) == request
        with asleep(*place.others):  # with a picture on its way
            choose(page, pictures[1])
            until(page, lambda: wire.files == files + 2)
            sleep(place.own, page)
        answered(page, pictures[1])
        with asleep(*place.others):  # with a batch on its way
            choice.set_input_files(pictures)
            sleep(place.own, page)
            words = page.locator(".lv-batch-words").text_content() or ""
            assert words.startswith("0 of 2")
            assert "No answer" not in words
        expect(page.locator(".lv-batch-summary b")).to_have_text("2 files")
        page.get_by_role("tab", name="Batch", exact=True).click()
        page.get_by_role("button", name="Clear").click()
        expect(page.get_by_text("No files yet.")).to_be_visible()
    assert not {"away", "gone"} & {*given}
    assert not [state for state in seen if state.endswith(" lost")]
    assert (wire.files, wire.connections) == (files + 4, connections)


def test_a_laptop_that_sleeps_with_all_that_is_on_it_wakes_as_if_nothing_had_been(
    place: Place, pictures: list[Path]
) -> None:
    wakes_as_if_nothing_had_been(place, pictures)


@pytest.mark.slow
def test_a_laptop_with_jupyterlab_on_it_wakes_as_if_nothing_had_been(
    browser: Browser, chromium: str, tmp_path: Path, pictures: list[Path]
) -> None:
    with on_a_laptop("lab", browser, chromium, tmp_path) as place:
        wakes_as_if_nothing_had_been(place, pictures)


def test_a_hidden_page_watches_nothing_and_comes_to_life_when_it_is_shown(place: Place, pictures: list[Path]) -> None:
    page = place.page
    questions: list[str] = []
    page.on("request", lambda request: "no_track_activity" in request.url and questions.append(request.url))
    page.get_by_role("tab", name="Explore", exact=True).click()
    begin(page, pictures[0])
    with states(page) as seen, alarms(page) as given:
        with hidden(page):
            before = len(questions)
            with asleep(*place.others):
                page.clock.run_for(60_000)
            assert len(questions) == before
        asked(page)
        answered(page, pictures[0])
        assert given == seen == []
    assert given == seen == []
    choose(page, pictures[1])
    answered(page, pictures[1])


@pytest.mark.slow
def test_a_page_that_is_shown_while_its_server_sleeps_says_so_then(place: Place, pictures: list[Path]) -> None:
    page = place.page
    page.get_by_role("tab", name="Explore", exact=True).click()
    with asleep(*place.others) as wake:
        with hidden(page):
            choose(page, pictures[0])
            page.clock.run_for(60_000)
            expect(page.locator(".lv-line-banner")).to_be_hidden()
        page.clock.run_for(5_000)
        banner(page, "slow", "The server does not answer")
        wake()
    answered(page, pictures[0])
    expect(page.locator(".lv-line-banner")).to_be_hidden()


@pytest.mark.slow
def test_a_batch_in_a_hidden_page_goes_on_over_a_new_connection(place: Place, tmp_path: Path) -> None:
    page, wire = place.page, place.wire
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for number, path in enumerate(paths):
        draw_lesion("NV", number, (120, 90)).save(path)
    page.get_by_role("tab", name="Batch", exact=True).click()
    connections, files = wire.connections, wire.files
    with hidden(page):
        place.cable.cut()
        page.locator(".lv-batch-zone input[type=file]").first.set_input_files(paths)
        until(page, lambda: wire.files == files + 1)  # lost, with the words that more will follow
        place.cable.tear()
        until(page, lambda: wire.connections > connections)
        expect(page.locator(".lv-batch-progress")).to_be_hidden()
    expect(page.locator(".lv-batch tbody .lv-batch-name")).to_have_text([path.name for path in paths])

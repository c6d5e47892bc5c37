"""What befalls a page with an Explorer in the browser tests, and how it is seen: processes asleep, a line that is lost, a
wire that is counted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from cable import Cable
from pages import PATIENCE, go, until
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocket, expect

CODE = "import lesionviz\nlesionviz.Explorer()"


@dataclass
class Wire:
    """What a page has sent to kernels, and over how many connections."""

    frames: list[bytes] = field(default_factory=list)
    connections: int = 0
    _acts: dict[int, Callable[[], None]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How often a file was announced."""
        return sum(b'"kind":"file"' in frame for frame in self.frames)

    def at_file(self, number: int, act: Callable[[], None]) -> None:
        """Act as soon as so many more files were announced."""
        self._acts[self.files + number] = act

    def watch(self, page: Page) -> None:
        page.on("websocket", self._opened)

    def _opened(self, socket: WebSocket) -> None:
        if "/api/kernels/" in socket.url:
            self.connections += 1
            socket.on("framesent", self._sent)

    def _sent(self, frame: str | bytes) -> None:
        self.frames.append(frame if isinstance(frame, bytes) else frame.encode())
        if act := self._acts.pop(self.files, None):
            act()


@contextmanager
def explorer(
    browser: Browser | BrowserContext, kind: str, address: str, wire: Wire | None = None, clock: bool = False
) -> Iterator[Page]:
    """A page with an Explorer whose model is there; its ``clock``, which runs like any, can be put forward."""
    with browser.new_page() as page:
        page.set_default_timeout(PATIENCE)
        if clock:
            page.clock.install()
        if wire is not None:
            wire.watch(page)
        go(page, kind, address)
        expect(page.get_by_text("Model ready")).to_be_visible()
        if kind == "lab":  # puts its own words about lost servers over the page
            page.add_locator_handler(
                page.locator(".jp-Dialog"), lambda dialog: dialog.locator("button").last.click(), no_wait_after=True
            )
        yield page


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


def request_of(page: Page) -> str | None:
    """The page's name for the choice that it speaks of."""
    return status(page).get_attribute("data-request")


@contextmanager
def states(page: Page) -> Iterator[list[str]]:
    """Write down every state that the page goes through, with the name of its choice."""
    seen: list[str] = []
    page.evaluate(
        """() => {
            const node = document.querySelector(".lv-status");
            const state = () => `${node.dataset.request} ${node.dataset.state}`;
            let last = state();
            globalThis.seenStates = [];
            globalThis.stateWatch = new MutationObserver(() => state() !== last && seenStates.push((last = state())));
            stateWatch.observe(node, { attributeFilter: ["data-state", "data-request"] });
        }"""
    )
    yield seen
    seen += page.evaluate("() => (stateWatch.disconnect(), seenStates)")


def banner(page: Page, kind: str, words: str) -> None:
    """Wait until the page says of this kind of trouble, in these words."""
    expect(page.locator(f'.lv-line-banner[data-line="{kind}"]')).to_contain_text(words)


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
        while any(process.status() != psutil.STATUS_STOPPED for process in processes):
            time.sleep(0.01)
        yield wake
    finally:
        wake()


def lose(page: Page) -> None:
    """Let more time go by without a word from the server than the page waits before it says that it is away."""
    page.clock.run_for(30_000)
    banner(page, "away", "No connection to the server")


def regain(page: Page, cable: Cable) -> None:
    """Lay another cable, and wait until the page has found it."""
    cable.replace()

    def found() -> bool:
        page.clock.run_for(1_000)  # questions over the old one end, and others are put
        return page.locator(".lv-line-banner").is_hidden()

    until(page, found)

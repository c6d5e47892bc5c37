"""What all browser tests do with a page: open it offline in Voila or JupyterLab, watch it for errors, make it narrow or
dark, and ask axe-core about it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route

PATIENCE = 60_000
"""Milliseconds; a busy machine may be slow, and nothing is timed here."""


@contextmanager
def offline_page(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Give an empty page that may reach this address' server only; whoever uses it goes there.

    When it closes, nothing must have asked for anything outside, and no script must have failed.
    """
    origin = re.match(r"http://[^/]+/", address)
    assert origin
    outside: list[str] = []
    problems: list[str] = []

    def gate(route: Route) -> None:
        if route.request.url.startswith((origin[0], "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    with browser.new_page(**options) as page:
        page.set_default_timeout(PATIENCE)
        page.route("**/*", gate)
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        page.goto("about:blank")  # ends Voila's kernel
    assert outside == []
    assert problems == []


def go(page: Page, kind: str, address: str) -> None:
    """Open a notebook's address in Voila; in JupyterLab, run its cells, too, with its file browser put away."""
    page.goto(address)
    if kind == "lab":
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")  # the layout that an earlier page has left
        if page.locator(".jp-FileBrowser").is_visible():
            page.evaluate("void window.jupyterapp.commands.execute('application:toggle-left-area')")
            page.locator(".jp-FileBrowser").wait_for(state="hidden")
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")  # not waited for


def hear(page: Page, frames: list[bytes]) -> None:
    """Add to ``frames`` whatever comes over the page's websockets from now on."""

    def add(frame: str | bytes) -> None:
        frames.append(frame if isinstance(frame, bytes) else frame.encode())

    page.on("websocket", lambda websocket: websocket.on("framereceived", add))


def still(page: Page) -> None:
    """Wait until nothing moves any more: transitions have ended, and two frames have been painted."""
    page.evaluate(
        """async () => {
            await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)));
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
        }"""
    )


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for what happens outside the page, such as a message on its wire; the page goes on meanwhile."""
    for _ in range(PATIENCE // 20):
        if holds():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it did not happen in time")


def theme(page: Page, dark: bool) -> None:
    """Take on a theme: JupyterLab's own there; elsewhere what it sets and our style sheets look at."""
    if page.locator(".jp-NotebookPanel").count():
        name = "JupyterLab Dark" if dark else "JupyterLab Light"
        page.evaluate("theme => void jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=str(not dark).lower())
        page.locator("#jupyterlab-splash").wait_for(state="detached")  # which hides the page while the theme loads
        return
    page.evaluate(
        """dark => {
            document.body.dataset.jpThemeLight = String(!dark);
            const colours = dark ? ["#111111", "#ffffffde"] : ["#ffffff", "#000000de"];
            ["--jp-layout-color1", "--jp-ui-font-color1"].forEach((name, i) =>
                document.body.style.setProperty(name, colours[i]));
            document.body.style.backgroundColor = colours[0];
        }""",
        dark,
    )


@contextmanager
def phone(page: Page) -> Iterator[None]:
    """Make the page as wide as a phone."""
    size = page.viewport_size
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("innerWidth === 390")
    still(page)  # Jupyter's panels take on a new size two frames after the window has
    yield
    if size:
        page.set_viewport_size(size)


def sideways(page: Page, part: str) -> list[str]:
    """Return what reaches out of the page or of a part of it (a CSS selector) and cannot be scrolled on its own."""
    found: list[str] = page.evaluate(
        """part => {
            const root = document.querySelector(part);
            const limit = Math.min(root.parentElement.getBoundingClientRect().right, window.innerWidth) + 0.5;
            const scrolls = e => e !== root && (/auto|scroll|hidden/.test(getComputedStyle(e).overflowX)
                || scrolls(e.parentElement));
            return [root, ...root.querySelectorAll("*")]
                .filter(e => e.offsetParent && e.getBoundingClientRect().right > limit)
                .filter(e => e === root || !scrolls(e.parentElement))
                .map(e => `${e.tagName}.${e.className}: ${e.getBoundingClientRect().right} > ${limit}`)
                .concat(document.documentElement.scrollWidth > window.innerWidth ? ["the page"] : []);
        }""",
        part,
    )
    return found


def accessibility(page: Page, part: str) -> str:
    """Return what axe-core finds in a part of the page (a CSS selector); empty when it finds nothing."""
    found = Axe().run(page, context=part)
    return str(found.generate_report()) if found.violations_count else ""

"""What all browser tests do with a page: open it offline, watch it for errors, and ask axe-core about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
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


def accessibility(page: Page, part: str) -> str:
    """Return what axe-core finds in a part of the page (a CSS selector); empty when it finds nothing."""
    found = Axe().run(page, context=part)
    return str(found.generate_report()) if found.violations_count else ""

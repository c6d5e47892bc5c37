"""What belongs to the dashboard alone: its own configuration, and kernels that end with their pages."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, expect
from servers import running_dashboard

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    folder = tmp_path_factory.mktemp("elsewhere")
    # Configuration in the working directory, which Voila would read, must not change the dashboard.
    (folder / "voila.json").write_text('{"VoilaConfiguration": {"template": "reveal", "show_tracebacks": true}}')
    with running_dashboard([Path(sys.executable).with_name("lesionviz")], folder) as running:
        yield running


def test_leaving_the_page_ends_its_kernel(browser: Browser, server: tuple[str, int]) -> None:
    def kernels() -> int:
        children = psutil.Process(server[1]).children(recursive=True)
        commands = [child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in children]
        return sum("ipykernel_launcher" in " ".join(command) for command in commands)

    before = kernels()
    page = browser.new_page()
    page.goto(server[0])
    expect(page.get_by_text("Choose images")).to_be_visible(timeout=60_000)
    assert kernels() == before + 1
    page.goto("about:blank")
    for _ in range(60):
        if kernels() == before:
            break
        time.sleep(0.5)
    assert kernels() == before
    page.close()


def test_configuration_in_the_working_directory_changes_nothing(browser: Browser, server: tuple[str, int]) -> None:
    with browser.new_page() as page:
        page.goto(server[0])
        expect(page.get_by_text("Choose images")).to_be_visible(timeout=60_000)
        assert page.locator(".reveal").count() == 0
        page.goto("about:blank")

"""What belongs to the dashboard alone: its own configuration, and kernels that end with their pages."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
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


def kernels(pid: int) -> set[int]:
    children = psutil.Process(pid).children(recursive=True)
    commands = {child.pid: child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in children}
    return {child for child, command in commands.items() if "ipykernel_launcher" in " ".join(command)}


def test_leaving_the_page_ends_its_kernel(browser: Browser, server: tuple[str, int]) -> None:
    page = browser.new_page()
    page.goto(server[0])
    expect(page.get_by_text("Choose images")).to_be_visible(timeout=60_000)
    own = kernels(
        server[1]
    )  # the one that was kept ready, or was started for the page: there is no other beside a page
    assert len(own) == 1
    page.goto("about:blank")
    for _ in range(60):
        if not kernels(server[1]) & own:
            break
        time.sleep(0.5)
    assert not kernels(server[1]) & own
    page.close()


def test_a_name_of_somebody_else_is_answered_by_nothing(server: tuple[str, int]) -> None:
    for path in ("", "voila/static/voila.js", "api/kernels/00000000-0000-4000-8000-000000000000", "nothing"):
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(urllib.request.Request(server[0] + path, headers={"Host": "evil.example:8899"}))
        assert "--allow-host" in refused.value.read().decode()


def test_configuration_in_the_working_directory_changes_nothing(browser: Browser, server: tuple[str, int]) -> None:
    with browser.new_page() as page:
        page.goto(server[0])
        expect(page.get_by_text("Choose images")).to_be_visible(timeout=60_000)
        assert page.locator(".reveal").count() == 0
        page.goto("about:blank")

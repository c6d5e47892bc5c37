"""When Python goes away, or is only slow: the page says so, lets nothing old stand as an answer, sends nothing twice that
was not lost, and goes on by itself where it can.

One fault a test, in real Voila and real JupyterLab.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from cable import Cable, cable
from faults import CODE, Wire, answered, asleep, banner, begin, choose, explorer, kernels, request_of, states, status
from pages import PATIENCE, accessibility, go, phone, still, until
from playwright.sync_api import Browser, Locator, Page, Route, WebSocketRoute, expect
from servers import running, running_dashboard, running_lab, running_voila, write_notebook

from lesionviz.data.synthetic import draw_lesion

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
KINDS = pytest.mark.parametrize("kind", ["voila", "lab"])
IN_VOILA = pytest.mark.parametrize("place", ["voila"], indirect=True)
"""For faults after which the page alone decides; a connection that is cut for long is tried in JupyterLab, too."""
KERNEL = re.compile(r"/api/kernels/([0-9a-f-]{36})")
BY_API = """async ([method, path]) => {
  const headers = {'X-XSRFToken': document.cookie.match(/_xsrf=([^;]+)/)?.[1] ?? ''};
  return (await fetch(path, {method, headers})).status;
}"""
"""Ends a kernel as other pages of Jupyter's do, the list of running kernels for example."""


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three drawn pictures: one with an answer before, one sent while Python is away, one after."""
    paths = [tmp_path / name for name in ("before.png", "meanwhile.png", "after.png")]
    for index, path in enumerate(paths):
        draw_lesion(("NV", "MEL", "BKL")[index], 3 + index, (240, 180)).save(path)
    return paths


@dataclass
class Place:
    """A page, the processes behind it, and the cable between."""

    kind: str
    page: Page
    server: psutil.Process
    kernels: list[psutil.Process]
    cable: Cable
    wire: Wire


@pytest.fixture(scope="module", params=["voila", "lab"])
def place(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """For faults that pass: one page for all, in Voila that of the dashboard."""
    kind, folder, wire = request.param, tmp_path_factory.mktemp("place"), Wire()
    if kind == "voila":
        server = running_dashboard([sys.executable, "-m", "lesionviz"], folder)
    else:
        server = running_lab(write_notebook(folder / "explorer.ipynb", CODE))
    with (
        server as (address, pid),
        cable(port := urlsplit(address).port or 0) as laid,
        explorer(browser, kind, address.replace(f":{port}/", f":{laid.port}/"), wire) as page,
    ):
        yield Place(kind, page, psutil.Process(pid), kernels(pid), laid, wire)
        page.goto("about:blank")


def given_up(page: Page) -> None:
    """Wait until the page has given up a question to the server, and put another one."""
    with page.expect_event("requestfailed", lambda request: "/api/kernels/" in request.url, timeout=PATIENCE):
        pass
    with page.expect_request(lambda request: "/api/kernels/" in request.url, timeout=PATIENCE):
        pass


def overlap(upper: Locator, lower: Locator) -> float:
    """By how many pixels the lower of two things reaches up over the upper one."""
    first, second = upper.bounding_box(), lower.bounding_box()
    assert first is not None
    assert second is not None
    return first["y"] + first["height"] - second["y"]


def nothing_stands(page: Page, path: Path) -> None:
    """Of the last picture nothing is on view; of this one it is said that it has no answer."""
    expect(status(page)).to_have_attribute("data-state", "lost")
    expect(status(page)).to_contain_text(f"{path.name} ")
    expect(page.locator(".lv-explore .lv-answer")).to_be_hidden()
    expect(page.locator(".lv-explore .lv-view")).to_be_hidden()


def switched_off(page: Page, off: bool = True) -> None:
    page.wait_for_function("off => document.querySelector('.lv-picker-top').inert === off", arg=off)
    expect(page.locator(".lv-model")).to_have_text(re.compile("^Not connected$" if off else "^Model ready"))


def back(page: Page, meanwhile: Path, after: Path) -> None:
    """The banner is gone, what was sent meanwhile has its answer, and the next picture gets one, too."""
    expect(page.locator(".lv-line-banner")).to_be_hidden()
    switched_off(page, False)
    answered(page, meanwhile)
    choose(page, after)
    answered(page, after)


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


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("voila", "POST", "/voila/api/shutdown/{}"),
        ("lab", "DELETE", "/api/kernels/{}"),
        ("lab", "POST", "/api/kernels/{}/restart"),
        ("lab", "menu", "kernelmenu:shutdown"),
    ],
    ids=["voila-shut-down", "lab-shut-down", "lab-restart", "lab-menu"],
)
def test_a_kernel_that_is_ended_through_jupyter_is_said_and_what_is_on_view_stays(
    kind: str, method: str, path: str, browser: Browser, tmp_path: Path, pictures: list[Path]
) -> None:
    server = (
        running_dashboard([sys.executable, "-m", "lesionviz"], tmp_path)
        if kind == "voila"
        else running_lab(write_notebook(tmp_path / "explorer.ipynb", CODE))
    )
    with server as (address, _), explorer(browser, kind, address) as page:
        begin(page, pictures[0])
        if method == "menu":
            page.evaluate(f"void window.jupyterapp.commands.execute('{path}')")
        else:
            with page.expect_request(lambda request: bool(KERNEL.search(request.url))) as asked:
                pass
            found = KERNEL.search(asked.value.url)
            assert found is not None
            assert page.evaluate(BY_API, [method, path.format(found[1])]) in {200, 204}
        banner(page, "gone", "Python has stopped")
        banner(page, "gone", "what is on view stays")
        switched_off(page)
        answered(page, pictures[0])


class Deaf(Wire):
    """Keeps from a page, from a moment on, what a kernel says unasked.

    Args:
        to: its messages' types.
    """

    def __init__(self, *to: str) -> None:
        super().__init__()
        self.now, self._kept = False, re.compile(f'"msg_type": ?"({"|".join(to)})"'.encode())

    def watch(self, page: Page) -> None:
        page.route_web_socket(re.compile("/api/kernels/"), self._between)

    def _between(self, near: WebSocketRoute) -> None:
        far = near.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            said = message if isinstance(message, bytes) else message.encode()
            if not (self.now and self._kept.search(said)):
                near.send(message)

        far.on_message(pass_on)


def test_a_restart_by_another_page_that_was_not_heard_is_found_out_by_asking(
    browser: Browser, tmp_path: Path, pictures: list[Path]
) -> None:
    wire = Deaf("status", "shutdown_reply")
    with (
        running_lab(write_notebook(tmp_path / "explorer.ipynb", CODE)) as (address, _),
        explorer(browser, "lab", address, wire, clock=True) as page,
    ):
        begin(page, pictures[0])
        with page.expect_request(lambda request: bool(KERNEL.search(request.url))) as asked:
            pass
        found = KERNEL.search(asked.value.url)
        assert found is not None
        wire.now = True
        assert page.evaluate(BY_API, ["POST", f"/api/kernels/{found[1]}/restart"]) == 200
        page.clock.run_for(25_000)
        banner(page, "gone", "Python has stopped")
        answered(page, pictures[0])


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


def test_a_server_that_is_blocked_for_seconds_changes_nothing_on_view(place: Place, pictures: list[Path]) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    request, connections, files = request_of(page), wire.connections, wire.files
    before = page.locator(".lv-explore .lv-view").bounding_box()
    with states(page) as seen, asleep(place.server) as wake:
        banner(page, "slow", "The server does not answer")
        expect(page.locator(".lv-line-banner")).to_be_in_viewport()
        expect(page.locator(".lv-model")).to_have_text("Waiting for the server")
        given_up(page)  # after eight seconds
        banner(page, "slow", "The server does not answer")
        answered(page, pictures[0])
        assert page.locator(".lv-explore .lv-view").bounding_box() == before
        assert not page.locator(".lv-picker-top").evaluate("node => node.inert")
        wake()
        expect(page.locator(".lv-line-banner")).to_be_hidden()
        expect(page.locator(".lv-model")).to_have_text(re.compile("^Model ready"))
        answered(page, pictures[0])
    assert seen == []
    assert (request_of(page), wire.connections, wire.files) == (request, connections, files)
    choose(page, pictures[2])
    answered(page, pictures[2])


def test_a_picture_for_a_blocked_server_waits_and_is_sent_and_answered_once(
    place: Place, pictures: list[Path]
) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    connections, files = wire.connections, wire.files
    with states(page) as seen, asleep(place.server) as wake:
        choose(page, pictures[1])
        request = request_of(page)
        banner(page, "slow", "The server does not answer")
        expect(status(page)).to_have_text("meanwhile.png waits until the server answers.")
        with phone(page):
            page.locator(".lv-explorer").evaluate("node => node.scrollIntoView({ block: 'end' })")
            assert overlap(status(page), page.locator(".lv-line-banner")) <= 0
        expect(page.locator(".lv-explore .lv-answer")).to_be_hidden()
        given_up(page)
        wake()
        answered(page, pictures[1])
        expect(page.locator(".lv-line-banner")).to_be_hidden()
        choose(page, pictures[2])
        answered(page, pictures[2])
    of_this = [state for state in seen if state.startswith(f"{request} ")]
    assert not any(state.endswith("lost") for state in seen)
    assert sum(state.endswith(" answered") for state in of_this) == 1
    assert (wire.connections, wire.files) == (connections, files + 2)


@pytest.mark.parametrize(
    ("place", "how"), [("voila", "held"), ("voila", "refused"), ("lab", "held")], indirect=["place"]
)
def test_while_python_answers_over_its_connection_the_servers_silence_is_no_matter(
    how: str, place: Place, pictures: list[Path]
) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    connections, files = wire.connections, wire.files
    questions: list[Route] = []

    def gate(route: Route) -> None:
        questions.append(route)
        if how == "refused":
            route.abort()

    page.evaluate(
        """() => {
            globalThis.seenWords = [];
            const words = document.querySelector(".lv-model");
            globalThis.wordWatch = new MutationObserver(() => seenWords.push(words.textContent));
            wordWatch.observe(words, { childList: true, characterData: true, subtree: true });
        }"""
    )
    page.route("**/api/kernels/*no_track_activity*", gate)
    until(page, lambda: len(questions) == 6)  # after ten seconds or more
    page.unroute("**/api/kernels/*no_track_activity*")
    said = page.evaluate("() => (wordWatch.disconnect(), seenWords)")
    assert all(words.startswith("Model ready") for words in said)
    expect(page.locator(".lv-line-banner")).to_be_hidden()
    back(page, pictures[0], pictures[2])
    assert (wire.connections, wire.files) == (connections, files + 1)


def test_a_sleeping_server_is_said_and_awaited(place: Place, pictures: list[Path]) -> None:
    page = place.page
    begin(page, pictures[0])
    with asleep(place.server, *place.kernels) as wake:
        choose(page, pictures[1])
        banner(page, "slow", "The server does not answer")
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


def test_a_cut_cable_is_said_and_what_was_under_way_goes_on_when_it_is_mended(
    place: Place, pictures: list[Path]
) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    connections, files = wire.connections, wire.files
    with states(page) as seen:
        place.cable.cut()
        choose(page, pictures[1])
        banner(page, "slow", "The server does not answer. It is very busy, or the network is cut.")
        expect(page.locator(".lv-explore .lv-answer")).to_be_hidden()
        place.cable.mend()
        back(page, pictures[1], pictures[2])
    assert not any(state.endswith("lost") for state in seen)
    assert (wire.connections, wire.files) == (connections, files + 2)


def test_a_cable_that_is_cut_for_long_is_replaced_and_the_picture_sent_again_under_its_name(
    place: Place, pictures: list[Path]
) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    connections, files = wire.connections, wire.files
    with states(page) as seen:
        place.cable.cut()
        choose(page, pictures[1])
        request = request_of(page)
        banner(page, "slow", "The server does not answer")
        banner(page, "away", "No connection to the server")
        switched_off(page)
        nothing_stands(page, pictures[1])
        place.cable.replace()
        answered(page, pictures[1])
        assert request_of(page) == request
        assert wire.files == files + 2  # once into the void
        back(page, pictures[1], pictures[2])
    assert wire.connections == connections + 1
    assert sum(state == f"{request} answered" for state in seen) == 1


@IN_VOILA
def test_a_connection_that_a_router_has_forgotten_alone_is_made_anew(place: Place, pictures: list[Path]) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    connections = wire.connections
    place.cable.cut()
    choose(page, pictures[1])
    banner(page, "slow", "The server does not answer")
    place.cable.replace()  # the server is heard again, and nothing comes over the connection
    banner(page, "busy", "Python is busy and does not answer")
    back(page, pictures[1], pictures[2])
    assert wire.connections == connections + 1


@IN_VOILA
def test_an_answer_that_was_lost_on_its_way_is_said_again(place: Place, pictures: list[Path]) -> None:
    page, wire = place.page, place.wire
    begin(page, pictures[0])
    connections = wire.connections
    place.cable.cut(there=False)  # the picture arrives, and the answer does not
    choose(page, pictures[1])
    request = request_of(page)
    banner(page, "away", "No connection to the server")
    nothing_stands(page, pictures[1])
    place.cable.replace()
    answered(page, pictures[1])
    assert request_of(page) == request
    assert wire.connections == connections + 1
    back(page, pictures[1], pictures[2])


def test_where_the_server_never_answers_but_python_does_nothing_is_said(
    browser: Browser, tmp_path: Path, pictures: list[Path]
) -> None:
    notebook = write_notebook(tmp_path / "explorer.ipynb", CODE)
    questions: list[Route] = []

    def gate(route: Route) -> None:
        questions.append(route)
        route.fulfill(status=(401, 404, 200)[len(questions) % 3], json={"message": "what is a kernel?"})

    with running_voila(notebook) as (address, pid), browser.new_page() as page:
        page.route("**/api/kernels/*no_track_activity*", gate)
        page.set_default_timeout(PATIENCE)
        go(page, "voila", address)
        expect(page.get_by_text("Model ready")).to_be_visible()
        with asleep(*kernels(pid)):  # who could otherwise say that it is there
            asked = len(questions)
            until(page, lambda: len(questions) > asked + 3)
            expect(page.locator(".lv-line-banner")).to_be_hidden()
        switched_off(page, False)
        begin(page, pictures[0])
        for kernel in kernels(pid):
            kernel.kill()
        banner(page, "gone", "Python has stopped")


@pytest.mark.parametrize(
    ("kind", "how"), [("voila", signal.SIGTERM), ("voila", signal.SIGKILL), ("lab", signal.SIGINT)]
)
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

"""The class server as learners and strangers meet it: real Voila, real kernels, a light notebook."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from class_server import LEARNERS, NOTEBOOK, PATIENCE, TEACHERS, Server, Visitor, is_kernel, kernel_of, running_class
from playwright.sync_api import Browser, Page, expect
from servers import running_whole_class, write_notebook

pytestmark = pytest.mark.slow
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
KERNEL = r"(?P<kernel_id>\w+-\w+-\w+-\w+-\w+)"
NOWHERE = "00000000-0000-4000-8000-000000000000"
FILES = ["", "x", "voila.js", "lesionviz/static/index.css", "anywidget/package.json", "light.ipynb", "server.log"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("class")
    with running_class(write_notebook(folder / "light.ipynb", NOTEBOOK), size=40, pool=2) as running:
        yield running


@pytest.fixture
def learner(server: Server) -> Visitor:
    return Visitor(server.address).sign_in()


@pytest.fixture
def kernel(server: Server, learner: Visitor) -> Iterator[str]:
    """A learner's page that is open."""
    kernel = learner.open()
    yield kernel
    learner.leave(kernel)


def paths(routes: list[str], kernel: str) -> set[str]:
    """Paths that really lead to each of the application's routes."""
    found = set()
    for route in routes:
        plain = route.removesuffix("$").replace(KERNEL, kernel)
        filled = {re.sub(r"\(\.\*\)", lambda _, file=file: file, plain) for file in [*FILES, kernel]}
        leads = {path for path in filled if re.fullmatch(route.removesuffix("$"), path)}
        assert leads, f"no path is known that leads to {route}"
        found |= leads
    return found


def test_without_a_token_no_route_gives_anything_but_the_page_to_sign_in(server: Server, kernel: str) -> None:
    stranger = Visitor(server.address)
    page = stranger.ask("/").body
    assert "Token or password" in page
    asked = paths(server.routes, kernel)
    assert f"/api/kernels/{kernel}/channels" in asked
    assert "/teacher" in asked
    assert len(server.routes) >= 10
    for path in sorted(asked | {"/anything", "/voila/query/" + kernel, "//x", "/%2e%2e/x"}):
        for method in METHODS:
            answer = stranger.ask(path, method, "" if method != "GET" else None)
            assert (method, path, answer.status, answer.body) == (method, path, 403, page)
        answer = stranger.upgrade(path)
        assert (path, answer.status, answer.body) == (path, 403, page)
    assert stranger.cookies == {}


def test_a_learner_finds_no_route_open_but_those_of_the_page(server: Server, learner: Visitor, kernel: str) -> None:
    opened = set()
    for path in paths(server.routes, kernel) - {"/", f"/voila/api/shutdown/{kernel}"}:
        for method in METHODS:
            xsrf = {"X_XSRFToken": learner.cookies["_xsrf"]}
            if learner.ask(path, method, "" if method != "GET" else None, **xsrf).status not in {403, 404}:
                opened.add((method, path))
    assert opened == {
        ("GET", f"/api/kernels/{kernel}"),
        ("GET", f"/api/kernels/{kernel}/channels"),  # asks for an upgrade
        ("GET", "/voila/static/voila.js"),
        ("GET", "/voila/templates/lesionviz/static/index.css"),
        ("GET", "/voila/labextensions/anywidget/package.json"),
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/kernels/{}"),
        ("DELETE", "/api/kernels/{}"),
        ("POST", "/voila/api/shutdown/{}"),
        ("POST", "/api/kernels/{}/restart"),
        ("POST", "/api/kernels/{}/interrupt"),
        ("GET", "/api/kernels/{}/channels"),
        ("WebSocket", "/api/kernels/{}/channels"),
        ("GET", "/voila/query/{}"),
        ("WebSocket", "/voila/query/{}"),
    ],
)
def test_with_another_learners_cookie_nothing_of_a_kernel_answers(
    server: Server, learner: Visitor, kernel: str, method: str, path: str
) -> None:
    other = Visitor(server.address).sign_in()
    other.cookies["_xsrf"] = learner.cookies["_xsrf"]
    headers = {"X_XSRFToken": other.cookies["_xsrf"]}

    def ask(kernel: str) -> tuple[int, str]:
        whole = path.format(kernel)
        if method == "WebSocket":
            answer = other.upgrade(whole)
        else:
            answer = other.ask(whole, method, "" if method == "POST" else None, **headers)
        return answer.status, answer.body

    assert ask(kernel) == ask(NOWHERE)  # as if it were not there
    assert ask(kernel)[0] == 404
    assert learner.ask(f"/api/kernels/{kernel}").status == 200
    assert server.kernel(kernel).is_running()


def test_a_kernel_that_is_kept_ready_answers_nobody(server: Server, learner: Visitor, kernel: str) -> None:
    found_ids = [re.search(r"kernel-([0-9a-f-]{36})", " ".join(each.cmdline())) for each in server.kernels()]
    ready = {found[1] for found in found_ids if found} - {kernel}
    assert {learner.ask(f"/api/kernels/{each}").status for each in ready} <= {404}


def test_a_learner_reaches_his_own_kernel(learner: Visitor, kernel: str) -> None:
    assert kernel in learner.ask(f"/api/kernels/{kernel}").body
    assert learner.upgrade(f"/api/kernels/{kernel}/channels").status == 101


def test_one_page_does_not_take_the_connections_of_a_class(server: Server, learner: Visitor, kernel: str) -> None:
    path, answers = f"/api/kernels/{kernel}/channels", []
    with ExitStack() as held:
        for _ in range(9):
            answer, connection = learner.upgraded(path)
            held.callback(connection.close)
            answers.append(answer)
    assert answers == [101] * 8 + [429]


def test_pages_of_strangers_reach_no_kernel_through_a_learners_browser(learner: Visitor, kernel: str) -> None:
    for origin in ("http://evil.example", "null"):
        assert learner.upgrade(f"/api/kernels/{kernel}/channels", Origin=origin).status == 404
        assert learner.ask(f"/voila/api/shutdown/{kernel}", "POST", "", Origin=origin).status == 404
    assert learner.ask(f"/voila/api/shutdown/{kernel}", "POST", "").status == 403  # Jupyter's own check: no _xsrf
    assert learner.ask(f"/api/kernels/{kernel}").status == 200


def test_a_name_of_somebody_else_is_answered_by_nothing(server: Server, learner: Visitor, kernel: str) -> None:
    for path in ("/", f"/?token={LEARNERS}", f"/api/kernels/{kernel}", "/voila/static/voila.js", "/teacher"):
        answer = learner.ask(path, Host=f"evil.example:{learner.port}")
        assert answer.status == 403
        assert "--allow-host" in answer.body
    answer = learner.upgrade(f"/api/kernels/{kernel}/channels", Host="evil.example", Origin="http://evil.example")
    assert answer.status == 403
    assert learner.ask("/voila/static/voila.js", Host=f"localhost:{learner.port}").status == 200


def test_the_teachers_token_opens_the_teachers_page_alone_and_learners_do_not(
    server: Server, learner: Visitor
) -> None:
    teacher = Visitor(server.address).sign_in(TEACHERS)
    assert teacher.ask("/teacher").body == f"the teacher's board for {server.address}?token={LEARNERS}"
    assert teacher.ask("/teacher/nothing").status == 404
    assert teacher.ask("/").status == 403
    assert learner.ask("/teacher").status == 403
    assert teacher.ask("/teacher", "POST", "", Origin="http://evil.example").status == 404


def test_a_kernels_environment_has_a_key_of_its_own_and_nothing_of_the_request(
    server: Server, learner: Visitor, kernel: str
) -> None:
    other = Visitor(server.address).sign_in()
    second = other.open()
    keys = []
    for process in server.kernels():
        whole = "\n".join(f"{name}={value}" for name, value in process.environ().items())
        hidden = [
            LEARNERS,
            TEACHERS,
            "never-in-a-kernel",
            "token=",
            *learner.cookies.values(),
            *other.cookies.values(),
        ]
        assert [each for each in hidden if each in whole] == []
        names = {"VOILA_REQUEST_URL", "QUERY_STRING", "PATH_INFO", "SERVER_NAME", "SERVER_PORT"}
        assert names & set(process.environ()) == set()
        assert process.environ()["LESIONVIZ_DESK"] == "/nowhere"
        keys.append(process.environ()["LESIONVIZ_DESK_KEY"])
    assert {f"key-of-{kernel}", f"key-of-{second}"} <= set(keys)
    assert len(set(keys)) == len(keys)
    other.leave(second)


def test_the_token_is_in_no_log_whatever_goes_wrong(server: Server) -> None:
    stranger = Visitor(server.address)
    secret = "a-token-that-somebody-mistyped"
    stranger.ask(f"/?token={secret}")
    stranger.ask("/sign-in", "POST", f"token={secret}", Content_Type="application/x-www-form-urlencoded")
    stranger.ask(f"/api/kernels/{NOWHERE}?token={LEARNERS}")
    stranger.sign_in()
    stranger.ask(f"/voila/static/nothing?token={LEARNERS}")
    stranger.ask(f"/voila/api/shutdown/{NOWHERE}?token={LEARNERS}", "POST", "")
    log = server.log.read_text()
    assert [each for each in (secret, LEARNERS, TEACHERS, *stranger.cookies.values()) if each in log] == []


def test_a_page_that_is_left_ends_its_kernel_and_the_desk_forgets_it(server: Server) -> None:
    learner = Visitor(server.address).sign_in()
    kernel = learner.open()
    process = server.kernel(kernel)
    assert learner.leave(kernel).status == 204
    server.wait_for("dismissed", kernel)
    process.wait(PATIENCE)
    gone = learner.ask(f"/api/kernels/{kernel}")
    assert (gone.status, gone.headers["Content-Type"]) == (404, "application/json")  # by which the page knows


def test_a_killed_kernel_is_not_replaced_by_an_empty_one(server: Server) -> None:
    learner = Visitor(server.address).sign_in()
    kernel = learner.open()
    server.kernel(kernel).kill()
    server.wait_for("dismissed", kernel)
    assert learner.ask(f"/api/kernels/{kernel}").status == 404
    assert [each for each in server.kernels() if kernel in " ".join(each.cmdline())] == []


def test_a_third_page_ends_the_first_one(server: Server) -> None:
    learner = Visitor(server.address).sign_in()
    first, second, third = (learner.open() for _ in range(3))
    server.wait_for("dismissed", first)
    assert [learner.ask(f"/api/kernels/{each}").status for each in (first, second, third)] == [404, 200, 200]
    for each in (second, third):
        learner.leave(each)


def test_who_finds_no_place_is_told_the_number_in_line_and_the_page_asks_again(tmp_path: Path) -> None:
    with running_class(write_notebook(tmp_path / "light.ipynb", NOTEBOOK), size=1, pool=0) as server:
        first, second, third = (Visitor(server.address).sign_in() for _ in range(3))
        first.open()
        for visitor, place in [(second, 1), (third, 2), (second, 1)]:
            answer = visitor.ask("/")
            assert answer.status == 503
            assert "The class is full (1 of 1)" in answer.body
            assert f"You are number {place} in line; this page tries again by itself." in answer.body
            assert answer.headers["Retry-After"] == "5"
            assert '<meta http-equiv="refresh" content="5">' in answer.body
        assert len(server.kernels()) == 1


@pytest.mark.parametrize(
    "end", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)], ids=["SIGINT", "SIGTERM"]
)
def test_no_kernel_is_left_when_the_server_ends_even_in_the_background_and_while_kernels_start(
    end: int, tmp_path: Path
) -> None:
    notebook = write_notebook(tmp_path / "light.ipynb", NOTEBOOK)
    with running_class(notebook, background=True, size=6, pool=3) as server, ThreadPoolExecutor(4) as browsers:
        learner = Visitor(server.address).sign_in()
        learner.open()
        for _ in range(3):
            browsers.submit(Visitor(server.address).sign_in().ask, "/")
        while len(known := server.kernels()) < 2:
            time.sleep(0.05)
        assert server.end(end) == 0
        assert [each for each in known if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
        mine = [each for each in psutil.process_iter() if is_kernel(each) and "key-of-" in str(_environment(each))]
        assert [each for each in mine if _environment(each).get("PWD") == str(tmp_path)] == []
        assert server.wait_for("desk", "closed")  # after the kernels, then the engine
        assert server.wait_for("engine", "closed")


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def test_a_signal_while_the_engine_still_starts_ends_the_server_as_well(tmp_path: Path) -> None:
    notebook = write_notebook(tmp_path / "light.ipynb", NOTEBOOK)
    with running_class(notebook, listens=False, size=2, slow_start=600) as server:
        server.wait_for("engine", "started")
        assert server.end(signal.SIGINT) == 0
        server.wait_for("engine", "closed")


def test_over_https_the_cookie_is_for_https_alone(tmp_path: Path) -> None:
    certfile, keyfile = _certificate(tmp_path)
    notebook = write_notebook(tmp_path / "light.ipynb", NOTEBOOK)
    with running_class(notebook, size=1, pool=0, certfile=str(certfile), keyfile=str(keyfile)) as server:
        assert server.address.startswith("https://")
        visitor = Visitor(server.address)
        answer = visitor.ask(f"/?token={LEARNERS}")
        assert "Secure" in answer.headers["Set-Cookie"]
        page = visitor.ask("/")
        assert "Secure" in page.headers["Set-Cookie"]
        assert visitor.ask(f"/api/kernels/{kernel_of(page.body)}").status == 200


def _certificate(folder: Path) -> tuple[Path, Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return paths


@pytest.mark.slow
def test_forty_who_open_the_page_within_a_second_all_get_one_and_no_kernel_is_left(tmp_path: Path) -> None:
    with running_class(write_notebook(tmp_path / "light.ipynb", NOTEBOOK), size=40, pool=8) as server:
        visitors = [Visitor(server.address).sign_in() for _ in range(40)]
        with ThreadPoolExecutor(40) as browsers:
            pages = list(browsers.map(lambda visitor: visitor.ask("/").body, visitors))
        kernels = [kernel_of(page) for page in pages]
        assert len(set(kernels)) == 40
        assert all(page.rstrip().endswith("</html>") for page in pages)
        assert any("You are number 1 in line." in page for page in pages)  # said while they waited
        for visitor, kernel in zip(visitors, kernels, strict=True):
            assert visitor.ask(f"/api/kernels/{kernel}").status == 200
        known = server.kernels()
        assert server.end() == 0
        assert [each for each in known if each.is_running()] == []


# --- in a browser -----------------------------------------------------------------------------------------------------
def watched(page: Page) -> list[str]:
    """What goes wrong on a page: errors, and whatever its policy forbade."""
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', e => console.error('policy', e.violatedDirective))"
    )
    return wrong


@pytest.mark.browser
def test_a_browser_signs_in_by_link_uses_the_page_and_leaves_it(browser: Browser, server: Server) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        wrong = watched(page)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.headers.get("referer", "")))
        page.goto(f"{server.address}?token={LEARNERS}")
        assert page.url == server.address
        page.get_by_role("button", name="Press").click()
        expect(page.get_by_text("was pressed")).to_be_visible()
        kernel = kernel_of(page.content())
        assert server.kernel(kernel).is_running()
        assert [each for each in asked if "token" in each] == []
        assert page.evaluate("history.length") <= 2
        assert LEARNERS not in page.content()
        assert wrong == []
        page.goto("about:blank")
        server.wait_for("dismissed", kernel)


@pytest.mark.browser
def test_a_browser_signs_in_by_the_form(browser: Browser, server: Server) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(server.address)
        wrong = watched(page)
        page.get_by_label("Token or password").fill("not the right one")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("This token is not right.")
        field = page.get_by_label("Token or password")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description("This token is not right.")
        expect(field).to_be_focused()
        field.fill(LEARNERS)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Press")).to_be_visible()
        assert page.url == server.address
        assert [each for each in wrong if "403" not in each] == []  # the wrong token's own answer
        page.goto("about:blank")


@pytest.mark.browser
def test_scripts_that_anybody_brought_along_do_not_run(browser: Browser, server: Server) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{server.address}?token={LEARNERS}")
        expect(page.get_by_role("button", name="Press")).to_be_visible()
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"globalThis.taken = 1\">')")
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'globalThis.taken = 2'}))"
        )
        page.wait_for_function("performance.getEntriesByName(new URL('x', location.href).href).length > 0")
        assert page.evaluate("globalThis.taken") is None
        page.goto("about:blank")


@pytest.mark.browser
@pytest.mark.slow
def test_the_real_explorer_answers_and_is_exported_under_the_policy(browser: Browser, tmp_path: Path) -> None:
    with running_whole_class(tmp_path, 2, "--pool", "1") as opened, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(1000 * PATIENCE)
        wrong = watched(page)
        page.goto(opened.learners)
        page.get_by_role("button", name="Try the synthetic melanoma").click()
        expect(page.locator(".lv-status")).to_have_attribute("data-state", "answered", timeout=1000 * PATIENCE)
        for name in ("Save as PNG", "Web page", "PDF", "Picture"):
            with page.expect_download() as download:
                page.get_by_role("button", name=name, exact=True).first.click()
            assert download.value.path().stat().st_size > 1000
        assert wrong == []
        page.goto("about:blank")

"""The door of the server, without Voila: by which name it is asked for, who is signed in, and what it opens to whom."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import Application, RequestHandler

from lesionviz.errors import LesionvizError
from lesionviz.serving.gate import Gate, GatedApplication, take_token
from lesionviz.serving.hosts import Hosts, check_host_name
from lesionviz.serving.sessions import MOST_SESSIONS, Sessions, TooManyAttemptsError

LEARNERS, TEACHERS = "for all of the learners", "for the teacher alone"
KERNEL, OTHER = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"


class Clock:
    """Seconds that only a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Everything(RequestHandler):
    """Would answer anything: what is seen of it was let through."""

    def prepare(self) -> None:
        self.finish("let through")


Ask = Callable[..., Awaitable[HTTPResponse]]


def visit(steps: Callable[[Ask], Awaitable[None]], base_url: str = "/") -> None:
    """Ask an application that answers every path, through the gate of a class; the first learner has a kernel."""
    owners: dict[str, str] = {}
    sessions = Sessions({"learner": LEARNERS, "teacher": TEACHERS}, clock=Clock())
    gate = Gate(Hosts(), base_url=base_url, sessions=sessions, session_of=owners.get, teacher=True)

    async def go() -> None:
        application = GatedApplication(gate, handlers=[(".*", Everything)])
        server = application.listen(0, "127.0.0.1")
        port = next(iter(server._sockets.values())).getsockname()[1]
        client = AsyncHTTPClient(force_instance=True)

        async def ask(path: str, method: str = "GET", body: str | None = None, **headers: str) -> HTTPResponse:
            sent = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
            request = HTTPRequest(
                f"http://127.0.0.1:{port}{path}",
                method,
                sent,
                body,
                follow_redirects=False,
                allow_nonstandard_methods=True,
            )
            answer = await client.fetch(request, raise_error=False)
            if "lesionviz-learner" in answer.headers.get("Set-Cookie", "") and KERNEL not in owners:
                secret = SimpleCookie(answer.headers["Set-Cookie"])[gate.cookie_name("learner")].value
                session = sessions.find(secret, "learner")
                assert session is not None
                owners[KERNEL] = session.name
            return answer

        await steps(ask)
        server.stop()
        client.close()

    asyncio.run(go())


def cookie(answer: HTTPResponse) -> str:
    return answer.headers["Set-Cookie"].partition(";")[0]


# --- names -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "localhost:8866",
        "LOCALHOST.:8866",
        "127.0.0.1:8866",
        "127.8.9.1",
        "[::1]:8866",
        "[::ffff:127.0.0.1]",
        "192.168.1.20:8866",
        "lab.example.org",
        "10.1.1.1",
        socket.gethostname(),
    ],
)
def test_names_of_this_machine_and_allowed_ones_are_known(header: str) -> None:
    assert Hosts(["Lab.Example.org", "10.1.1.1"]).knows(header, arrived_at="192.168.1.20")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "evil.example",
        "localhost.evil.example",
        "evil.example:8866",
        "127.0.0.1.evil.example",
        "192.168.1.21",
        "0.0.0.0:8866",
        "8.8.8.8",
        "[::2]",
        "localhost:8866:1",
        "localhost@evil.example",
        "evil.example/localhost",
        "localhost, evil.example",
        "localhost evil.example",
        "[localhost]",
        "::1",
        "2130706433",
        "0x7f.1",
    ],
)
def test_no_other_name_is_known(header: str | None) -> None:
    assert not Hosts(["lab.example.org"]).knows(header, arrived_at="192.168.1.20")


@pytest.mark.parametrize(
    "name", ["http://lab.example.org", "lab.example.org:8866", "lab/", "*", "", "a b", "-", "lab\n"]
)
def test_what_is_no_name_cannot_be_allowed(name: str) -> None:
    if name == "lab\n":
        assert check_host_name(name) == "lab"
        return
    with pytest.raises(LesionvizError, match="is not the name of a computer"):
        check_host_name(name)


def test_a_foreign_name_is_refused_before_anything_else_and_told_what_to_do() -> None:
    async def steps(ask: Ask) -> None:
        signed_in = cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}"))
        for path in ("/", "/?token=x", "/teacher", f"/api/kernels/{KERNEL}", "/voila/static/voila.js"):
            answer = await ask(path, Host="evil.example", Cookie=signed_in)
            assert answer.code == 403
            assert b"--allow-host" in answer.body
            assert "Set-Cookie" not in answer.headers

    visit(steps)


# --- signing in ------------------------------------------------------------------------------------------------------
def test_without_a_session_every_path_and_method_is_the_same_page() -> None:
    async def steps(ask: Ask) -> None:
        pages = set()
        for path in (
            "/",
            "/favicon.ico",
            "/teacher",
            f"/api/kernels/{KERNEL}",
            "/voila/static/voila.js",
            "//x",
            "/sign-in",
        ):
            for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"):
                answer = await ask(path, method, body="" if method in {"PUT", "PATCH"} else None)
                assert answer.code == 403
                pages.add(answer.body)
        answer = await ask("/", "POST", body=f"token={LEARNERS}")  # not where the form goes
        pages.add(answer.body)
        assert len(pages) == 1
        assert (await ask("/", "HEAD")).code == 403
        page = pages.pop().decode()
        assert "Token or password" in page
        assert not re.search(r"<script|src=|lesionviz", page)

    visit(steps)


@pytest.mark.parametrize(("token", "name", "place"), [(LEARNERS, "learner", "/"), (TEACHERS, "teacher", "/teacher")])
@pytest.mark.parametrize("by", ["link", "form"])
def test_a_token_is_exchanged_for_a_cookie_that_no_script_reads(token: str, name: str, place: str, by: str) -> None:
    async def steps(ask: Ask) -> None:
        quoted = token.replace(" ", "%20")
        if by == "link":
            answer = await ask(f"//evil.example/?token={quoted}")
        else:
            answer = await ask(
                "/sign-in", "POST", f"token={quoted}", Content_Type="application/x-www-form-urlencoded"
            )
        assert answer.code == 303
        assert answer.headers["Location"] == place
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        said = answer.headers["Set-Cookie"]
        assert said.startswith(f"lesionviz-{name}-")
        assert "HttpOnly" in said
        assert "SameSite=Lax" in said
        assert f"Path={place}" in said.split("; ")
        assert "Secure" not in said
        assert token not in str(answer.headers) + answer.body.decode()
        assert (await ask(place, Cookie=cookie(answer))).body == b"let through"
        other = "/" if name == "teacher" else "/teacher"
        assert (await ask(other, Cookie=cookie(answer))).code == 403

    visit(steps)


def test_below_a_path_the_cookie_is_for_that_path_and_https_makes_it_secure() -> None:
    async def steps(ask: Ask) -> None:
        answer = await ask(f"/lab/?token={LEARNERS.replace(' ', '%20')}", X_Forwarded_Proto="https")
        assert answer.headers["Location"] == "/lab/"
        assert "Path=/lab/" in answer.headers["Set-Cookie"]
        assert "Secure" in answer.headers["Set-Cookie"]
        for path in ("/lab/", "/"):  # as a proxy that takes the path off would ask
            assert (await ask(path, Cookie=cookie(answer))).body == b"let through"

    visit(steps, base_url="/lab/")


def test_signing_in_again_keeps_the_session() -> None:
    async def steps(ask: Ask) -> None:
        link = f"/?token={LEARNERS.replace(' ', '%20')}"
        again = await ask(link, Cookie=cookie(await ask(link)))
        assert again.code == 303
        assert "Set-Cookie" not in again.headers

    visit(steps)


@pytest.mark.parametrize("secret", ["", "x", "ä", "x" * 5000, '"', "%00"])
def test_a_made_up_cookie_opens_nothing(secret: str) -> None:
    async def steps(ask: Ask) -> None:
        name = cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}")).partition("=")[0]
        assert (await ask("/", Cookie=f"{name}={secret}")).code == 403

    visit(steps)


@pytest.mark.parametrize("token", ["", "x", LEARNERS.upper(), LEARNERS[:-1], LEARNERS + "x", "ü"])
def test_another_token_opens_nothing(token: str) -> None:
    assert Sessions({"learner": LEARNERS, "teacher": TEACHERS}).role_of(token, "10.0.0.1") is None


def test_an_empty_token_opens_nothing_though_a_role_needs_none() -> None:
    sessions = Sessions({"learner": "", "teacher": TEACHERS})
    assert sessions.role_of("", "10.0.0.1") is None
    assert sessions.open_to_all("learner")
    assert not sessions.open_to_all("teacher")


def test_jupyters_own_ways_to_give_a_token_open_nothing() -> None:
    async def steps(ask: Ask) -> None:
        for scheme in ("token", "Bearer", "Basic"):
            assert (await ask("/", Authorization=f"{scheme} {LEARNERS}")).code == 403

    visit(steps)


def test_wrong_tokens_are_slowed_down_by_address_and_a_right_one_waits_as_well() -> None:
    clock = Clock()
    sessions = Sessions({"learner": LEARNERS}, clock=clock)
    for _ in range(10):
        assert sessions.role_of("wrong", "10.0.0.1") is None
    with pytest.raises(TooManyAttemptsError) as caught:
        sessions.role_of(LEARNERS, "10.0.0.1")
    assert caught.value.seconds == 3
    assert sessions.role_of(LEARNERS, "10.0.0.2") == "learner"
    clock.now += 3
    assert sessions.role_of("wrong", "10.0.0.1") is None
    with pytest.raises(TooManyAttemptsError):
        sessions.role_of("wrong", "10.0.0.1")
    clock.now += 3
    for _ in range(99):  # right ones cost nothing: a class may share one address
        assert sessions.role_of(LEARNERS, "10.0.0.1") == "learner"


def test_whoever_has_many_ipv6_addresses_counts_once() -> None:
    sessions = Sessions({"learner": LEARNERS}, clock=Clock())
    for each in range(10):
        sessions.role_of("wrong", f"2001:db8::{each}")
    with pytest.raises(TooManyAttemptsError):
        sessions.role_of("wrong", "2001:db8::ffff")
    assert sessions.role_of("wrong", "2001:db8:0:1::1") is None


def test_too_many_wrong_tokens_are_said_in_a_sentence() -> None:
    async def steps(ask: Ask) -> None:
        codes = [(await ask("/?token=wrong")).code for _ in range(11)]
        assert codes == [403] * 10 + [429]
        answer = await ask("/?token=wrong")
        assert answer.headers["Retry-After"] == "3"
        assert b"Try again in 3 seconds" in answer.body
        assert (await ask("/")).code == 403  # the page itself still comes

    visit(steps)


def test_sessions_without_a_page_give_way_when_there_are_too_many() -> None:
    used: set[str] = set()
    sessions = Sessions({"learner": LEARNERS}, in_use=used.__contains__)
    first, second = sessions.begin("learner"), sessions.begin("learner")
    used.add(first[1].name)
    for _ in range(MOST_SESSIONS - 1):
        sessions.begin("learner")
    assert sessions.find(first[0], "learner") == first[1]
    assert sessions.find(second[0], "learner") is None


def test_what_the_cookie_holds_is_not_the_name_of_the_session() -> None:
    secret, session = Sessions({"learner": LEARNERS}).begin("learner")
    assert secret not in session.name
    assert session.name not in secret


def test_a_token_is_gone_from_the_request_before_anything_sees_it() -> None:
    request = HTTPServerRequest(
        start_line=RequestStartLine("GET", "/?a=1&token=secret&b=2", "HTTP/1.1"),
        headers=HTTPHeaders({"Host": "x"}),
        connection=None,
    )
    assert take_token(request) == "secret"
    assert "secret" not in repr(request) + str(request.arguments) + str(request.query_arguments) + request.full_url()
    assert request.uri == "/?a=1&b=2"


# --- behind it --------------------------------------------------------------------------------------------------------
OWN = [
    ("GET", "/"),
    ("GET", "/voila/static/voila.js"),
    ("GET", "/voila/templates/lesionviz/static/index.css"),
    ("GET", "/voila/labextensions/anywidget/static/1.js"),
    ("GET", f"/api/kernels/{KERNEL}"),
    ("POST", f"/voila/api/shutdown/{KERNEL}"),
]
CLOSED = [
    ("GET", "/api/kernels"),
    ("POST", "/api/kernels"),
    ("DELETE", f"/api/kernels/{KERNEL}"),
    ("POST", f"/api/kernels/{KERNEL}/restart"),
    ("POST", f"/api/kernels/{KERNEL}/interrupt"),
    ("GET", f"/voila/query/{KERNEL}"),
    ("GET", f"/voila/execution/{KERNEL}"),
    ("GET", "/api/contents"),
    ("GET", "/api/sessions"),
    ("GET", "/api/terminals"),
    ("GET", "/api"),
    ("GET", "/files/x"),
    ("GET", "/voila/files/lesion_explorer.ipynb"),
    ("GET", "/tree"),
    ("GET", "/login"),
    ("GET", "/voila/labextensions/jupyterlab_pygments/static/1.js"),
    ("GET", "/voila/templates/lab/static/voila.js"),
    ("GET", "/voila/api/themes/x"),
    ("GET", "/voila/static/../app.py"),
    ("GET", "/voila/static/%2e%2e/app.py"),
    ("GET", "/voila/static/.hidden"),
    ("GET", f"/api/kernels/{KERNEL}%20"),
    ("GET", f"/api/kernels/{KERNEL}/"),
    ("GET", f"/API/kernels/{KERNEL}"),
    ("POST", "/"),
    ("PUT", "/voila/static/voila.js"),
]
FOREIGN = [
    ("GET", f"/api/kernels/{OTHER}"),
    ("GET", f"/api/kernels/{OTHER}/channels"),
    ("DELETE", f"/api/kernels/{OTHER}"),
    ("POST", f"/voila/api/shutdown/{OTHER}"),
]


@pytest.mark.parametrize(
    ("asked", "expected"), [(OWN, b"let through"), (CLOSED + FOREIGN, b'{"message": "There is nothing here."}')]
)
def test_a_learner_reaches_a_closed_list_alone(asked: list[tuple[str, str]], expected: bytes) -> None:
    async def steps(ask: Ask) -> None:
        own = cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}"))
        for method, path in asked:
            answer = await ask(path, method, "" if method in {"POST", "PUT"} else None, Cookie=own)
            assert (method, path, answer.body) == (method, path, expected)
            assert (answer.code == 404) == (expected != b"let through")

    visit(steps)


def test_a_kernel_answers_to_its_own_session_alone_and_to_others_as_one_that_is_not_there() -> None:
    async def steps(ask: Ask) -> None:
        own, other = [cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}")) for _ in range(2)]
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        for path, headers in [(f"/api/kernels/{KERNEL}", {}), (f"/api/kernels/{KERNEL}/channels", upgrade)]:
            assert (await ask(path, Cookie=own, **headers)).body == b"let through"
            theirs = await ask(path, Cookie=other, **headers)
            nobodys = await ask(path.replace(KERNEL, OTHER), Cookie=other, **headers)
            assert (theirs.code, theirs.body) == (nobodys.code, nobodys.body) == (404, nobodys.body)
            assert "json" in theirs.headers["Content-Type"]  # by which the page knows that it is Jupyter who speaks

    visit(steps)


@pytest.mark.parametrize(
    "foreign",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://localhost:1"},
    ],
)
def test_pages_of_others_make_no_browser_do_anything(foreign: dict[str, str]) -> None:
    async def steps(ask: Ask) -> None:
        own = cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}"))
        answer = await ask(f"/voila/api/shutdown/{KERNEL}", "POST", "", Cookie=own, **foreign)
        assert answer.code == 404
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        assert (await ask(f"/api/kernels/{KERNEL}/channels", Cookie=own, **upgrade, **foreign)).code == 404

    visit(steps)


def test_every_answer_carries_the_headers_of_safety() -> None:
    async def steps(ask: Ask) -> None:
        own = cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}"))
        answers = [
            await ask("/"),
            await ask("/nothing", Cookie=own),
            await ask("/?token=wrong"),
            await ask("/", Host="evil.example"),
        ]
        for answer in answers:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            assert "Server" not in answer.headers

    visit(steps)


def test_what_lies_behind_the_gate_carries_them_too_unless_it_knows_better() -> None:
    async def steps(ask: Ask) -> None:
        answer = await ask("/", Cookie=cookie(await ask(f"/?token={LEARNERS.replace(' ', '%20')}")))
        assert answer.body == b"let through"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Server" not in answer.headers

    visit(steps)


def test_for_one_person_the_gate_asks_for_the_name_alone() -> None:
    def request(host: str) -> HTTPServerRequest:
        line = RequestStartLine("GET", "/anything", "HTTP/1.1")
        return HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": host}), connection=None)

    gate = Gate(Hosts())
    assert gate.judge(request("localhost:8866")) is None
    assert gate.judge(request("evil.example:8866")) is not None


@pytest.mark.parametrize("dest", ["image", "iframe", "script", "empty"])
def test_a_page_of_others_draws_nothing_in_but_a_link_from_it_may_be_followed(dest: str) -> None:
    """Each page that is opened starts a process: forty pictures with this address would start forty."""
    headers = {"Host": "localhost:8866", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": dest}
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders(headers), connection=None)
    assert Gate(Hosts()).judge(request) is not None
    request.headers["Sec-Fetch-Dest"] = "document"
    assert Gate(Hosts()).judge(request) is None


def test_nothing_is_reachable_past_the_gate_whatever_is_registered_later() -> None:
    application = GatedApplication(
        Gate(Hosts(), sessions=Sessions({"learner": LEARNERS})), handlers=[(".*", Everything)]
    )
    application.add_handlers(".*", [("/late", Everything)])
    assert type(application).find_handler is not Application.find_handler
    line = RequestStartLine("GET", "/late", "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "localhost"}), connection=None)
    assert application.find_handler(request).handler_class is not Everything

"""The one door of the server: every request passes it before any page, file or WebSocket is looked for.

It stands in :meth:`tornado.web.Application.find_handler`, so that no handler, registered now or by a later version of
Voila, is reachable past it. For one person it asks for the host alone; for a class also who is signed in, and lets through
a closed list.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit
from weakref import WeakKeyDictionary

from jupyter_server.auth.identity import IdentityProvider, User
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, OutputTransform, RequestHandler

from lesionviz.serving.hosts import Hosts
from lesionviz.serving.plain_pages import CLOSED, POLICY, sentence_page, sign_in_page
from lesionviz.serving.sessions import Role, Session, Sessions, TooManyAttemptsError

TEACHER, SIGN_IN = "teacher", "sign-in"
LARGEST_BODY = 2**16
"""Bytes of a request: pictures come over the WebSocket, everything else is a form."""
_KERNEL = r"(?P<kernel>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_FILE = r"(?:[A-Za-z0-9_@][A-Za-z0-9._@+-]*/)*[A-Za-z0-9_@][A-Za-z0-9._@+-]*"
_EXTENSIONS = r"(?:@voila-dashboards/widgets-manager8|@jupyter-widgets/jupyterlab-manager|anywidget)"
OPEN = [
    ({"GET"}, re.compile("")),  # the page itself
    ({"GET", "HEAD"}, re.compile(rf"voila/static/{_FILE}")),
    ({"GET", "HEAD"}, re.compile(rf"voila/templates/lesionviz/static/{_FILE}")),
    ({"GET", "HEAD"}, re.compile(rf"voila/labextensions/{_EXTENSIONS}/{_FILE}")),
    ({"GET"}, re.compile(rf"api/kernels/{_KERNEL}")),  # the page asks whether Python is still there
    ({"GET"}, re.compile(rf"api/kernels/{_KERNEL}/channels")),
    ({"POST"}, re.compile(rf"voila/api/shutdown/{_KERNEL}")),  # a page that is left ends its kernel
]
"""All that a learner's page asks for, below the path under which it is known; seen by watching real pages."""
Answer = tuple[type[RequestHandler], dict[str, Any]]


class Gate:
    """Decides about every request."""

    def __init__(
        self,
        hosts: Hosts,
        *,
        base_url: str = "/",
        sessions: Sessions | None = None,
        session_of: Callable[[str], str | None] = lambda _kernel: None,
        teacher: bool = False,
    ) -> None:
        """Guard a server.

        Args:
            hosts: by which names it may be asked for.
            base_url: path under which the page is known.
            sessions: who is signed in; without, whoever can reach the server may use it.
            session_of: to whom a kernel belongs.
            teacher: whether there is anything below ``/teacher``.
        """
        self.hosts, self.base_url, self.sessions = hosts, base_url, sessions
        self.port = 0
        self.secure = False
        self._session_of, self._teacher = session_of, teacher
        self._visitors: WeakKeyDictionary[HTTPServerRequest, Session] = WeakKeyDictionary()

    def visitor(self, request: HTTPServerRequest) -> Session | None:
        """Return who sent a request that was let through."""
        return self._visitors.get(request)

    def judge(self, request: HTTPServerRequest) -> Answer | None:
        """Return what answers a request instead of what it asked for; None where it is let through."""
        if not self.hosts.knows(request.headers.get("Host"), _arrived_at(request)):
            return _Sentence, {
                "status": 403,
                "page": sentence_page(
                    "Not by this name",
                    "This server does not know the name by which it was asked for. Whoever runs it can allow the name with "
                    "lesionviz dashboard --allow-host NAME.",
                ),
            }
        if _drawn_in(request):
            return NOT_FOUND
        if self.sessions is None:
            return None
        path = self.below(request.path)
        given = take_token(request)
        if path == SIGN_IN and request.method == "POST":
            return SignIn, {"gate": self}
        if given is not None:
            return SignIn, {"gate": self, "given": given}
        role: Role = "teacher" if path is not None and path.partition("/")[0] == TEACHER else "learner"
        session = self.sessions.find(self.cookie(request, role), role)
        if session is None:
            free = role == "learner" and self.sessions.open_to_all(role) and (request.method, path) == ("GET", "")
            return SignIn, {"gate": self, "free": free}
        if path is None or not self._open(request, path, session):
            return NOT_FOUND
        self._visitors[request] = session
        return None

    def place(self, role: Role) -> str:
        """Return the path of a role's page."""
        return self.base_url + (TEACHER if role == "teacher" else "")

    def cookie_name(self, role: Role) -> str:
        """Return a cookie's name; browsers keep those of all ports of a computer in one place."""
        return f"lesionviz-{role}-{self.port}"

    def cookie(self, request: HTTPServerRequest, role: Role) -> str | None:
        """Return what a browser keeps as its session."""
        morsel = request.cookies.get(self.cookie_name(role))
        return morsel.value if morsel else None

    def below(self, path: str) -> str | None:
        """A path as seen from the page; None for one that is not below it. Some proxies take the page's path off."""
        for base in (self.base_url, "/"):
            if path.startswith(base):
                return path[len(base) :]
        return None

    def _open(self, request: HTTPServerRequest, path: str, session: Session) -> bool:
        """Whether a signed-in browser may ask for this."""
        upgrade = request.headers.get("Upgrade", "").lower() == "websocket"
        if (upgrade or request.method not in {"GET", "HEAD"}) and not _from_own_page(request):
            return False
        if session.role == "teacher":
            return self._teacher
        for methods, pattern in OPEN:
            found = pattern.fullmatch(path)
            if found and request.method in methods and (not upgrade or path.endswith("/channels")):
                kernel = found.groupdict().get("kernel")
                return kernel is None or self._session_of(kernel) == session.name
        return False


class GatedApplication(Application):
    """Voila's application behind a gate."""

    def __init__(self, gate: Gate, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self.gate, self._tls = gate, tls
        gate.secure = tls is not None
        cookie = {"path": gate.base_url, "samesite": "Lax"} | ({"secure": True} if tls else {})
        super().__init__(**{"log_function": _no_log, "xsrf_cookie_kwargs": cookie, **settings})
        self.add_transform(_Headers)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Return what answers a request."""
        answer = self.gate.judge(request)
        if answer is None:
            return super().find_handler(request, **kwargs)
        handler, arguments = answer
        return self.get_handler_delegate(request, handler, arguments)

    def listen(self, port: int, address: str | None = None, **options: Any) -> HTTPServer:
        """Listen, over TLS where there is a certificate."""
        self.gate.port = port
        options |= {"ssl_options": self._tls, "max_body_size": LARGEST_BODY, "body_timeout": 30}
        return super().listen(port, address, **options)


class GateIdentity(IdentityProvider):
    """Tells Jupyter's handlers who the gate let through. There is no token, so nothing exempts from their own checks."""

    def get_user(self, handler: RequestHandler) -> User | None:
        """Return the visitor."""
        application = handler.application
        session = application.gate.visitor(handler.request) if isinstance(application, GatedApplication) else None
        if session is None:
            return None
        user = User(session.name)
        handler.current_user = user  # the token below asks for it
        _ = handler.xsrf_token  # reading it sets the cookie, without which a closing page cannot end its kernel
        return user

    def get_handlers(self) -> list[tuple[str, object]]:
        """Return none: nobody signs in here."""
        return []

    def is_token_authenticated(self, handler: RequestHandler) -> bool:
        """Return False: requests always need the marks of an own page."""
        return False


class _Sentence(RequestHandler):
    """Answers whatever was asked, by whatever method, with one page."""

    def initialize(self, status: int, page: str, headers: dict[str, str] | None = None) -> None:
        self.status, self.page, self.more = status, page, headers or {}

    def prepare(self) -> None:
        self.say(self.status, self.page, self.more)

    def say(self, status: int, page: str, headers: dict[str, str] | None = None) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json" if page.startswith("{") else "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "no-referrer")  # a wrong token may stand in the address
        for name, value in (headers or {}).items():
            self.set_header(name, value)
        self.finish(page)

    def write_error(self, status_code: int, **_details: Any) -> None:
        """Say the same about methods that no server knows."""
        self.say(self.status, self.page)


class SignIn(_Sentence):
    """Exchanges a token for a session, and is the page for everybody who has none."""

    def initialize(self, gate: Gate, given: str | None = None, free: bool = False) -> None:  # type: ignore[override]
        """Know the gate, a token that stood in the address, and whether none is needed."""
        self.gate, self.given, self.free = gate, given, free
        super().initialize(403, self.form())

    def prepare(self) -> None:
        """Answer; a form is read first."""
        asked = self.request.method == "POST" and self.given is None
        if self.free:
            self.enter("learner")
        elif self.given is not None or (asked and self.gate.below(self.request.path) == SIGN_IN):
            self.attempt(self.given if self.given is not None else self.get_body_argument("token", "", strip=True))
        else:
            super().prepare()

    def form(self, wrong: bool = False) -> str:
        """Return the page with the form."""
        return sign_in_page(f"{self.gate.base_url}{SIGN_IN}", wrong)

    def attempt(self, token: str) -> None:
        """Look at a token."""
        assert self.gate.sessions is not None
        try:
            role = self.gate.sessions.role_of(token, self.request.remote_ip or "")
        except TooManyAttemptsError as error:
            sentence = f"Too many wrong tokens came from your address. Try again in {error.seconds} seconds."
            page = sentence_page("Wait a moment", sentence)
            return self.say(429, page, {"Retry-After": str(error.seconds)})
        if role is None:
            return self.say(403, self.form(wrong=True))
        self.enter(role)

    def enter(self, role: Role) -> None:
        """Give the browser a session, unless it has one, and send it to the address without the token."""
        gate = self.gate
        assert gate.sessions is not None
        if gate.sessions.find(gate.cookie(self.request, role), role) is None:
            secret, _session = gate.sessions.begin(role)
            forwarded = self.request.headers.get("X-Forwarded-Proto", "").lower() == "https"
            more: dict[str, Any] = {"secure": True} if gate.secure or forwarded else {}
            self.set_cookie(
                gate.cookie_name(role), secret, path=gate.place(role), httponly=True, samesite="Lax", **more
            )
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Location", gate.place(role))
        self.set_status(303)
        self.finish()


NOT_FOUND: Answer = (_Sentence, {"status": 404, "page": '{"message": "There is nothing here."}'})
"""The same for what does not exist, what is closed, and what belongs to somebody else."""


class _Headers(OutputTransform):
    """Puts the headers of safety on every answer, whichever handler gives it."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        if not headers.get("Content-Security-Policy", "").startswith("default-src"):
            headers["Content-Security-Policy"] = CLOSED
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "SAMEORIGIN"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        # Nothing leaves this server. "no-referrer" would take the Origin off the request with which a page ends its kernel.
        headers.setdefault("Referrer-Policy", "same-origin")
        if not {"Etag", "Last-Modified"} & set(headers) or "html" in headers.get("Content-Type", ""):
            headers["Cache-Control"] = "no-store"
        headers.pop("Server", None)
        return status_code, headers, chunk


def take_token(request: HTTPServerRequest) -> str | None:
    """Take the token out of a request's address, so that nothing that comes after can write it down."""
    given = request.query_arguments.pop("token", None)
    if given is None:
        return None
    request.arguments.pop("token", None)
    request.query = urlencode(request.query_arguments, doseq=True)
    request.uri = f"{request.path}?{request.query}" if request.query else request.path
    return given[-1].decode("utf-8", "replace").strip()


def _arrived_at(request: HTTPServerRequest) -> str:
    """The machine's own address at which a request came in."""
    stream = getattr(request.connection, "stream", None)
    try:
        name = stream.socket.getsockname() if stream is not None else ""
    except (OSError, AttributeError):  # closed in the meantime
        return ""
    return str(name[0]) if isinstance(name, tuple) and name else ""


def _from_own_page(request: HTTPServerRequest) -> bool:
    """Whether a request that does something comes from a page of this server, or from no browser at all."""
    origin = request.headers.get("Origin")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    return origin is None or urlsplit(origin.lower()).netloc == request.headers.get("Host", "").lower()


def _drawn_in(request: HTTPServerRequest) -> bool:
    """Whether a stranger's page asks for this as its picture, frame or script, where opening the page starts a process."""
    headers = request.headers
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Dest", "document") != "document"


def _no_log(handler: RequestHandler) -> None:
    """Write no access log: addresses are nobody's business, and a token once stood in one of them."""

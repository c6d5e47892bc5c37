"""The teacher's page of a class: one quiz, started and revealed for everybody at once, on the server that the class is on.

Who may come here is decided before: whoever has these handlers lets only the teacher's session through. Every change also
needs the page's own XSRF token, so that no other site can make one in the teacher's browser.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tornado.httputil import HTTPServerRequest
from tornado.web import Finish, HTTPError, RedirectHandler, RequestHandler

from lesionviz.diagnoses import DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.game.class_desk import newer
from lesionviz.game.classroom import Classroom
from lesionviz.serving.hosts import is_loopback
from lesionviz.widgets.case.answer import NOTICE
from lesionviz.widgets.parts.front_end import script, style

HERE = Path(__file__).parent / "teacher"
MAX_BODY = 16 * 2**10
"""Bytes of a request that changes something."""
MAX_PLACES = 200
"""Folders that are offered to choose from."""
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
SCRIPT = script(
    "parts/dom",
    "case/stage",
    "quiz/scores",
    "quiz/quiz_answer",
    "../serving/teacher/teacher_line",
    "../serving/teacher/teacher_cards",
    "../serving/teacher/teacher",
)
STYLE = style("parts/base", "case/stage", "case/answer", "quiz/quiz", "quiz/class_quiz", "../serving/teacher/teacher")
Route = tuple[str, type[RequestHandler], dict[str, Any]]


def qr_picture(address: str) -> str:
    """Draw an address as an SVG element that a phone can read; nothing where the package for that is missing."""
    try:
        import segno
    except ImportError:
        return ""
    return str(segno.make(address, micro=False).svg_inline(border=2, light="#fff", omitsize=True))


def teacher_routes(room: Classroom, *, address: Callable[[], str], roots: Sequence[Path] = ()) -> list[Route]:
    """Return the handlers of the teacher's page, for an application of tornado's.

    Args:
        room: the class.
        address: tells where the learners go.
        roots: the folders below which sets may lie; none leaves every folder of this machine open to the teacher.
    """
    desk = {"room": room}
    places = {"roots": [root.resolve() for root in roots]}
    return [
        ("/teacher", _Page, {**desk, **places, "address": address}),
        ("/teacher/", RedirectHandler, {"url": "../teacher"}),
        (r"/teacher/(teacher\.js|teacher\.css)", _Asset, desk),
        ("/teacher/state", _State, desk),
        ("/teacher/picture", _Picture, desk),
        (r"/teacher/answers\.csv", _Answers, desk),
        (r"/teacher/do/([a-z]+)", _Move, {**desk, **places}),
    ]


class _Handler(RequestHandler):
    """What all of them have: headers, the token, and errors in a sentence."""

    def initialize(self, room: Classroom) -> None:
        self.room = room

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if self.request.method not in {"GET", "HEAD"}:
            self.check_xsrf_cookie()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        known = {403: "This page is out of date. Reload it.", 404: "There is nothing here."}
        self.finish({"error": known.get(status_code, "Something inside lesionviz failed. See the server's log.")})

    def refuse(self, sentence: str) -> Finish:
        """Answer with a sentence about what cannot be done; raise what this returns."""
        self.set_status(400)
        self.finish({"error": sentence})
        return Finish()

    def number(self, name: str) -> int:
        """Return a whole number of the query.

        Raises:
            HTTPError: it is none.
        """
        text = self.get_query_argument(name, "")
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise HTTPError(404)
        return int(text)


class _Page(_Handler):
    """The page itself; what it shows comes afterwards."""

    def initialize(self, room: Classroom, roots: Sequence[Path], address: Callable[[], str]) -> None:  # type: ignore[override]
        super().initialize(room)
        self.roots, self.address = roots, address

    def get(self) -> None:
        address = seen_by_others(self.address(), self.request)
        classes = [{"code": d.code, "name": d.name, "colour": d.colour, "malignant": d.malignant} for d in DIAGNOSES]
        facts = {
            "classes": classes,
            "notice": NOTICE,
            "address": address,
            "alone": is_loopback(urlsplit(address).hostname or ""),
            "places": _places(self.roots),
            "bound": bool(self.roots),
            "token": self.xsrf_token.decode(),  # reading it sets the cookie
        }
        page = Template((HERE / "teacher.html").read_text(encoding="utf-8"))
        self.finish(page.substitute(facts=escape(json.dumps(facts)), qr=qr_picture(address)))


class _Asset(_Handler):
    """The page's script and style sheet."""

    def get(self, name: str) -> None:
        text, kind = (SCRIPT, "text/javascript") if name.endswith(".js") else (STYLE, "text/css")
        self.set_header("Content-Type", f"{kind}; charset=utf-8")
        self.finish(text)


class _State(_Handler):
    """What the page shows, as soon as it is another than ``seen``."""

    async def get(self) -> None:
        await newer(self.room, self.number("seen"))
        self.finish(self.room.teacher_view())


class _Picture(_Handler):
    """The picture on view, as everybody has it."""

    def get(self) -> None:
        try:
            photo = self.room.picture(self.number("case"))
        except LesionvizError as error:
            raise self.refuse(str(error)) from None
        self.set_header("Content-Type", "image/jpeg")
        self.finish(photo)


class _Answers(_Handler):
    """The answers as a file."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", 'attachment; filename="class-answers.csv"')
        self.finish("\ufeff" + self.room.csv())  # the mark tells spreadsheets that it is UTF-8


class _Move(_Handler):
    """Something that the teacher does; the answer is what the page shows then."""

    def initialize(self, room: Classroom, roots: Sequence[Path]) -> None:  # type: ignore[override]
        super().initialize(room)
        self.roots = roots

    async def post(self, name: str) -> None:
        room, moves = self.room, self._moves()
        if name not in moves:
            raise HTTPError(404)
        try:
            await asyncio.to_thread(
                moves[name], _plain(self.request.body)
            )  # opens pictures, and may read a whole folder
        except LesionvizError as error:
            raise self.refuse(str(error)) from None
        self.finish(room.teacher_view())

    def _moves(self) -> dict[str, Callable[[Mapping[str, Any]], None]]:
        """Return what is done for each name, with what the page says about it."""
        room = self.room
        return {
            "open": lambda said: room.open(self._folder(said.get("folder"))),
            "start": lambda said: room.start(said.get("cases", 20), said.get("seed", 0)),
            "reveal": lambda said: room.reveal(_case(said)),
            "next": lambda said: room.next_case(_case(said)),
            "finish": lambda _said: room.finish(),
            "delete": lambda _said: room.delete(),
        }

    def _folder(self, text: object) -> Path | None:
        """Return the folder that a text names; None where there is none.

        Raises:
            LesionvizError: it is no whole path, or lies below no folder that was allowed.
        """
        if text is None:
            return None
        if not isinstance(text, str) or not text.strip() or "\0" in text or len(text) > 4096:
            raise LesionvizError("Type the folder's path on the server's computer.")
        folder = Path(text.strip()).expanduser()
        if not folder.is_absolute():
            raise LesionvizError(
                f"{folder} is no whole path. Type it from the beginning, such as {Path.home() / 'cases'}."
            )
        folder = folder.resolve()
        if self.roots and not any(folder.is_relative_to(root) for root in self.roots):
            allowed = ", ".join(map(str, self.roots))
            raise LesionvizError(f"{folder} is not in a folder that this server was allowed to read: {allowed}.")
        return folder


def seen_by_others(address: str, request: HTTPServerRequest) -> str:
    """Return the learners' address as it is outside, where a proxy stands between: by the name that the teacher used.

    Args:
        address: where the server listens, which behind a proxy is this machine alone.
        request: the teacher's; the gate has let its ``Host`` through.
    """
    parts, host = urlsplit(address), request.headers.get("Host", "")
    if not is_loopback(parts.hostname or "") or is_loopback(urlsplit(f"//{host}").hostname or ""):
        return address
    forwarded = request.headers.get("X-Forwarded-Proto", "").lower() == "https"
    return urlunsplit(parts._replace(netloc=host, scheme="https" if forwarded else parts.scheme))


def _places(roots: Sequence[Path]) -> list[str]:
    """Return the allowed folders and those in them, to choose from."""
    found = []
    for root in roots:
        inside = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        found += [root, *(path for path in inside if not path.name.startswith("."))]
    return [str(path) for path in found[:MAX_PLACES]]


def _plain(body: bytes) -> dict[str, Any]:
    """Return what a page says.

    Raises:
        LesionvizError: it is nothing that our page says.
    """
    try:
        said = json.loads(body) if len(body) <= MAX_BODY else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise LesionvizError("The page said something that the server does not understand. Reload it.")
    return said


def _case(said: Mapping[str, Any]) -> int:
    """Return which case a click was about: a second click must not turn the next one."""
    case = said.get("case")
    if type(case) is not int:
        raise LesionvizError("The page did not say which case it means. Reload it.")
    return case

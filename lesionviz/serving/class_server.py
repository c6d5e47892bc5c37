"""Serves a whole class from one machine: who may come in, a kernel for each page, and what stands behind the kernels.

The parts meet here and nowhere else: the gate before Voila, the rooms with their kernels, the engine that answers, the desk
to which kernels turn, and the handlers of the teacher's page.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from lesionviz.data.synthetic import synthetic_samples
from lesionviz.errors import LesionvizError
from lesionviz.machine import cores
from lesionviz.serving.dashboard import Dashboard, configured, notebook_path, run
from lesionviz.serving.gate import TEACHER, Gate, GateIdentity
from lesionviz.serving.hosts import Hosts
from lesionviz.serving.kernels import Furnisher
from lesionviz.serving.places import check_path, check_port
from lesionviz.serving.rooms import Rooms
from lesionviz.serving.sessions import Sessions
from lesionviz.serving.turns import Engine

SHORTEST_TOKEN = 8
LARGEST_CLASS = 500
GONE = 300.0
"""Seconds after which a kernel ends whose page is gone without a word."""
PAGES = 2
"""Pages that a learner may have at the same time."""


class Desk(Protocol):
    """To whom kernels turn with their questions."""

    async def start(self, facts: bytes) -> None:
        """Be ready for kernels."""

    def admit(self, kernel_id: str) -> Mapping[str, str]:
        """Expect a kernel; return what its environment has for that: where the desk is, and a key of its own."""

    def dismiss(self, kernel_id: str) -> None:
        """Forget a kernel that has ended."""

    async def close(self) -> None:
        """End."""


SessionOf = Callable[[str], "str | None"]
EngineFactory = Callable[[str | None], Engine]
DeskFactory = Callable[[Any, SessionOf], Desk]
TeacherFactory = Callable[[Callable[[], str]], Iterable[Any]]


@dataclass(frozen=True)
class Opened:
    """Where the class is.

    Attributes:
        learners: the address for learners, with their token.
        teacher: the address for the teacher, with the other one; None where there is no page for teachers.
        alone: whether only this machine can reach it.
    """

    learners: str
    teacher: str | None
    alone: bool


class _Class(Dashboard):
    """The dashboard with an engine and a desk behind its kernels."""

    engine: Engine | None = None
    desk: Desk | None = None
    make_desk: DeskFactory | None = None

    async def before(self) -> None:
        """Have the engine ready before the first learner comes, and the samples drawn that every kernel shows."""
        await asyncio.to_thread(synthetic_samples)
        facts = await self.engine.start() if self.engine else b""
        if self.make_desk:
            self.desk = self.make_desk(self.engine, self.session_of)
            await self.desk.start(facts)

    async def after(self) -> None:
        """End what the kernels needed, once there are none."""
        if self.desk:
            await self.desk.close()
        if self.engine:
            await self.engine.close()

    def session_of(self, kernel_id: str) -> str | None:
        """Return to whom a kernel belongs."""
        return self.rooms.session_of(kernel_id) if hasattr(self, "rooms") else None


def serve_class(
    report: Callable[[Opened], None],
    *,
    begin: Callable[[], None] = lambda: None,
    size: int,
    host: str = "127.0.0.1",
    port: int = 8866,
    token: str | None = None,
    teacher_token: str | None = None,
    certfile: Path | None = None,
    keyfile: Path | None = None,
    allow_hosts: Iterable[str] = (),
    base_url: str = "/",
    idle: float = 30.0,
    pool: int | None = None,
    model: Path | None = None,
    dark: bool = False,
    notebook: Path | None = None,
    cluster: str | None = None,
    engine_factory: EngineFactory | None = None,
    desk_factory: DeskFactory | None = None,
    teacher_factory: TeacherFactory | None = None,
    tell: Callable[[str], None] = lambda _sentence: None,
) -> None:
    """Serve a class until Ctrl-C or another signal ends it; no kernel is left then.

    Args:
        report: called with the addresses as soon as the page can be opened.
        begin: called before the wait for that begins, when all that is asked for here was found to be of use.
        size: how many learners may have a page at the same time.
        host: address to listen on, such as 0.0.0.0 for all of this machine.
        port: where to listen; the next free one is taken when it is busy. 0 takes any free one.
        token: what learners sign in with; a random one is made where none is given. An empty one asks for nothing.
        teacher_token: the same for the teacher; never empty.
        certfile: a certificate in PEM, for https.
        keyfile: its key, unless that is in the same file.
        allow_hosts: names of computers, besides this one's own, that may stand in the address of the page.
        base_url: path under which a proxy shows the page.
        idle: minutes without a message after which the kernel of an open page ends.
        pool: how many kernels are kept ready; by default eight, or fewer in a smaller class.
        model: checkpoint to show; by default the bundled one.
        dark: light letters on a dark page.
        notebook: what is shown instead of the Explorer.
        cluster: address of a scheduler whose workers answer; None for workers of this machine.
        engine_factory: gets that, and makes what answers questions; started before anybody can come.
        desk_factory: makes the desk; it gets the engine, and a function that tells whose a kernel is.
        teacher_factory: gets a function that returns the learners' address, and makes the handlers of the teacher's page,
            for :class:`tornado.web.Application`; their paths begin with ``/teacher``, and only a teacher's session reaches
            them.
        tell: called with a sentence for whatever somebody should know.

    Raises:
        LesionvizError: one of these cannot be used, or is not safe.
    """
    port, base_url, hosts = check_port(port), check_path(base_url), Hosts(allow_hosts)
    notebook = notebook or notebook_path()
    loopback = check_address(host)
    token, teacher_token = check_tokens(token, teacher_token, loopback)
    if cluster is not None and engine_factory is None:
        raise LesionvizError(f"Nothing here can use the cluster at {cluster}. Leave --cluster out.")
    tls = certificate(certfile, keyfile)
    pool = check_numbers(size, idle, pool)
    if not loopback and tls is None:
        tell(
            "Without a certificate (--certfile, --keyfile) others in this network can read the token and whatever learners "
            "send."
        )
    config = configured(notebook, address=host, port=port, base_url=base_url, dark=dark, model=model, tell=tell)
    config.Voila.open_browser = False  # its command line would show the token to everybody on this computer
    config.Voila.identity_provider_class = GateIdentity
    config.KernelRestarter.restart_limit = 0  # an empty kernel behind a page that looks alive helps nobody
    app = _Class.instance(config=config, log_level=logging.ERROR)
    app.tls, app.engine, app.make_desk = tls, engine_factory(cluster) if engine_factory else None, desk_factory

    def in_use(session: str) -> bool:
        return hasattr(app, "rooms") and session in app.rooms.sessions()

    def address(taken: int) -> str:
        return f"http{'s' if tls else ''}://{shown(host)}:{taken}{base_url}"

    def for_learners() -> str:
        return f"{address(app.port)}?token={quote(token)}" if token else address(app.port)

    def make_rooms(app: Any) -> Rooms:
        app.more = list(teacher_factory(for_learners)) if teacher_factory else []
        if app.desk:
            app.kernel_manager.admit, app.kernel_manager.dismiss = app.desk.admit, app.desk.dismiss
        return Rooms(
            Furnisher(app),
            app.kernel_manager.end,
            size=size,
            pages=PAGES,
            pool=pool,
            at_once=cores(),
            gone=GONE,
            idle=60 * idle,
        )

    def opened(taken: int) -> None:
        teacher = f"{address(taken)}{TEACHER}?token={quote(teacher_token)}" if teacher_factory else None
        report(Opened(for_learners(), teacher, loopback))

    app.gate = Gate(
        hosts,
        base_url=base_url,
        sessions=Sessions({"learner": token, "teacher": teacher_token}, in_use=in_use),
        session_of=app.session_of,
        teacher=teacher_factory is not None,
    )
    app.make_rooms, app.report = make_rooms, opened
    begin()
    run(app, notebook)


def check_address(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine alone.

    Raises:
        LesionvizError: it is no address.
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise LesionvizError(
            f"{host!r} is no address to listen on. Give 0.0.0.0 for all addresses of this machine, or one of them."
        ) from None


def check_tokens(token: str | None, teacher_token: str | None, loopback: bool) -> tuple[str, str]:
    """Return both tokens, made at random where none was given.

    Raises:
        LesionvizError: one can be guessed, or does for both.
    """
    token = secrets.token_urlsafe(16) if token is None else token.strip()
    teacher_token = secrets.token_urlsafe(16) if teacher_token is None else teacher_token.strip()
    if not token and not loopback:
        raise LesionvizError(
            "Without a token the class would be open to everybody in this network. Leave --token out, and one is made."
        )
    for each in (token, teacher_token):
        if len(each) < SHORTEST_TOKEN and (each or each is teacher_token):
            raise LesionvizError(f"A token needs at least {SHORTEST_TOKEN} letters, or it can be guessed.")
    if token == teacher_token:
        raise LesionvizError("Learners and teacher need tokens of their own.")
    return token, teacher_token


def check_numbers(size: int, idle: float, pool: int | None) -> int:
    """Return how many kernels are kept ready.

    Raises:
        LesionvizError: one of the numbers makes no sense.
    """
    if not 1 <= size <= LARGEST_CLASS:
        raise LesionvizError(f"A class of {size} cannot be served. Give --class a number from 1 to {LARGEST_CLASS}.")
    if not idle > 0:
        raise LesionvizError(f"--idle {idle:g} would end every kernel at once. Give minutes, such as 30.")
    if pool is not None and pool < 0:
        raise LesionvizError(f"--pool {pool} makes no sense. Give how many kernels are kept ready, or 0 for none.")
    return min(8 if pool is None else pool, size)


def certificate(certfile: Path | None, keyfile: Path | None) -> ssl.SSLContext | None:
    """Return what https needs; None without a certificate.

    Raises:
        LesionvizError: the files cannot be used.
    """
    if certfile is None:
        if keyfile is not None:
            raise LesionvizError(f"--keyfile {keyfile} needs its certificate, too. Give that with --certfile.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile)
    except (OSError, ssl.SSLError) as error:
        raise LesionvizError(
            f"{certfile} and {keyfile or 'the key in it'} cannot be used for https ({error}). Give a certificate and its "
            "key in PEM, the key without a password."
        ) from error
    return context


def shown(host: str) -> str:
    """Return what stands in an address for where the server listens: for all addresses, the one that others see."""
    if host == "localhost" or not ipaddress.ip_address(host).is_unspecified:
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: this only asks which way it would go
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()

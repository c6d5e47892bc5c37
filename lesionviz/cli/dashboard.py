"""``lesionviz dashboard``: opens the Explorer in a browser, for one person or a class, for people who see no code."""

from __future__ import annotations

import argparse
import io
import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from lesionviz.cli.options import Commands, add_model, add_several
from lesionviz.cli.terminal import complain, say
from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    from lesionviz.serving.class_server import Opened

OF_A_CLASS = (
    "host",
    "token",
    "password",
    "teacher_token",
    "certfile",
    "keyfile",
    "cluster",
    "cluster_certificates",
    "workers",
    "sets",
    "idle",
    "pool",
)
"""Options that say something only together with ``--class``."""


def add_dashboard(commands: Commands) -> None:
    """Add the command."""
    dashboard = commands.add_parser("dashboard", help="open the Explorer in a browser, no code in sight")
    dashboard.set_defaults(run=_dashboard)
    add_model(dashboard)
    dashboard.add_argument("--port", type=int, default=8866, help="where to listen (default: 8866; 0: any free one)")
    dashboard.add_argument(
        "--base-url", default="/", metavar="PATH", help="path under which a proxy shows the page, such as /lesions/"
    )
    add_several(
        dashboard, "--allow-host", "NAME", "name in the page's address besides this machine's, such as a proxy's", str
    )
    dashboard.add_argument("--no-browser", action="store_true", help="only print the address")
    dashboard.add_argument("--dark", action="store_true", help="light letters on a dark page")
    many = dashboard.add_argument_group("for a class")
    many.add_argument(
        "--class", dest="size", type=int, metavar="N", help="serve so many learners at once, with a sign-in"
    )
    many.add_argument(
        "--host", metavar="ADDRESS", help="listen on this address (default: 127.0.0.1; 0.0.0.0: on all)"
    )
    sign_in = many.add_mutually_exclusive_group()
    sign_in.add_argument("--token", metavar="T", help="what learners sign in with (default: a random one)")
    sign_in.add_argument(
        "--password", action="store_true", help="ask for it here, so that no list of commands shows it"
    )
    many.add_argument("--teacher-token", metavar="T", help="the same for the teacher's page (default: a random one)")
    many.add_argument("--certfile", type=Path, metavar="FILE", help="certificate in PEM, for https")
    many.add_argument("--keyfile", type=Path, metavar="FILE", help="its key (default: in the same file)")
    many.add_argument(
        "--cluster", metavar="ADDRESS", help="use the workers of this Dask scheduler, such as tls://lab:8786"
    )
    many.add_argument(
        "--cluster-certificates", type=Path, metavar="DIR", help="folder with its ca.pem, cert.pem and key.pem"
    )
    many.add_argument("--workers", type=int, metavar="N", help="start so many (default: by memory and cores)")
    add_several(many, "--sets", "DIR", "folder below which the teacher's sets of pictures lie (default: any)", Path)
    many.add_argument("--idle", type=float, metavar="MINUTES", help="end a page that nobody uses after (default: 30)")
    many.add_argument("--pool", type=int, metavar="N", help="keep so many kernels ready (default: 8)")


def _dashboard(options: argparse.Namespace) -> int:
    if options.size is not None:
        return _class(options)
    alone = [name for name in OF_A_CLASS if getattr(options, name) not in (None, False, [])]
    if alone:
        raise LesionvizError(
            f"--{alone[0].replace('_', '-')} is for a class. Add --class and the number of learners."
        )
    from lesionviz.serving.dashboard import serve

    def announce(address: str) -> None:
        say(f"The dashboard is open at {address}{_taken(options.port, address)}. End it with Ctrl-C.")

    serve(
        announce,
        port=options.port,
        model=options.model,
        browser=not options.no_browser,
        dark=options.dark,
        base_url=options.base_url,
        allow_hosts=options.allow_host,
        tell=complain,
    )
    return 0


def _class(options: argparse.Namespace) -> int:
    from lesionviz.serving.behind import Behind
    from lesionviz.serving.class_server import serve_class
    from lesionviz.workers.certificates import certificates_in

    folder = options.cluster_certificates
    behind = Behind(
        options.size,
        options.model,
        workers=options.workers,
        certificates=None if folder is None else certificates_in(folder),
        roots=options.sets,
        tell=complain,
    )

    def announce(opened: Opened) -> None:
        say(f"The class is open{_taken(options.port, opened.learners)}. End it with Ctrl-C.")
        say(f"Learners: {opened.learners}")
        drawn = "" if opened.alone else qr_code(opened.learners)
        if drawn:
            say(drawn)
        if opened.teacher:
            say(f"Teacher, for nobody else: {opened.teacher}")

    serve_class(
        announce,
        begin=lambda: say("Opening the class … The workers load the model, which takes a while on a busy machine."),
        size=options.size,
        host="127.0.0.1" if options.host is None else options.host,
        port=options.port,
        token=_ask() if options.password else options.token,
        teacher_token=options.teacher_token,
        certfile=options.certfile,
        keyfile=options.keyfile,
        allow_hosts=options.allow_host,
        base_url=options.base_url,
        idle=30.0 if options.idle is None else options.idle,
        pool=options.pool,
        cluster=options.cluster,
        engine_factory=behind.engine,
        desk_factory=behind.desk,
        teacher_factory=behind.teacher,
        model=options.model,
        dark=options.dark,
        tell=complain,
    )
    return 0


def _taken(port: int, address: str) -> str:
    return "" if f":{port}/" in address or not port else f" (port {port} is taken)"


def _ask() -> str:
    """The password, from a terminal unseen, or from the first line of what is handed in."""
    given = getpass("Password for learners: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():  # as a token, an empty one would open the class to whoever reaches it
        raise LesionvizError("No password was typed. Type one of at least 8 letters, or leave --password out.")
    return given.rstrip("\n")


def qr_code(address: str) -> str:
    """Draw an address for a terminal; nothing where the package for that is missing, or the terminal cannot show it."""
    try:
        import segno
    except ImportError:
        return ""
    drawn = io.StringIO()
    segno.make(address, micro=False).terminal(drawn, compact=True)
    try:
        drawn.getvalue().encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ""
    return drawn.getvalue().rstrip("\n")

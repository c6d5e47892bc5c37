"""``lesionviz dashboard``: opens the Explorer in a browser, for people who see no code."""

from __future__ import annotations

import argparse

from lesionviz.cli.options import Commands, add_model
from lesionviz.cli.terminal import complain, say


def add_dashboard(commands: Commands) -> None:
    """Add the command."""
    dashboard = commands.add_parser("dashboard", help="open the Explorer in a browser, no code in sight")
    dashboard.set_defaults(run=_dashboard)
    add_model(dashboard)
    dashboard.add_argument("--port", type=int, default=8866, help="where to listen (default: 8866; 0: any free one)")
    dashboard.add_argument(
        "--base-url", default="/", metavar="PATH", help="path under which a proxy shows the page, such as /lesions/"
    )
    dashboard.add_argument("--no-browser", action="store_true", help="only print the address")
    dashboard.add_argument("--dark", action="store_true", help="light letters on a dark page")


def _dashboard(options: argparse.Namespace) -> int:
    from lesionviz.serving.dashboard import serve

    def announce(address: str) -> None:
        taken = "" if f":{options.port}/" in address or not options.port else f" (port {options.port} is taken)"
        say(f"The dashboard is open at {address}{taken}. End it with Ctrl-C.")

    serve(
        announce,
        port=options.port,
        model=options.model,
        browser=not options.no_browser,
        dark=options.dark,
        base_url=options.base_url,
        tell=complain,
    )
    return 0

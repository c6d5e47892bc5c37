"""The pages that stand by themselves, without script and file: signing in, waiting for a free place, and a sentence."""

from __future__ import annotations

import base64
import hashlib
from html import escape

STYLE = """
:root { color-scheme: light dark; --accent: #00687a; --on-accent: #fff; --focus: #1d6fc0; --bad: #c62828; }
@media (prefers-color-scheme: dark) {
  :root { --accent: #5cc8da; --on-accent: #06262c; --focus: #7cc4ff; --bad: #ff8a80; }
}
body { font: 1.125rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto 0; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; }
input, button { font: inherit; padding: .5rem .75rem; border: 1px solid; border-radius: .375rem; box-sizing: border-box; }
input { width: 100%; margin: .25rem 0 1rem; }
button { border-color: var(--accent); background: var(--accent); color: var(--on-accent); font-weight: 600; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.wrong { border-left: 4px solid var(--bad); padding-left: .75rem; font-weight: 600; }
[aria-invalid] { border-color: var(--bad); }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
"""The content security policy of these pages: their own style, and a form to this server."""
CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
"""That of every answer that is no page."""


def sentence_page(title: str, sentence: str, more: str = "", again: int | None = None) -> str:
    """A page with a heading and a sentence; ``more`` is HTML, and after ``again`` seconds the page asks once more."""
    refresh = f'<meta http-equiv="refresh" content="{again}">' if again is not None else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f'<link rel="icon" href="data:,">{refresh}<title>{escape(title)}</title><style>{STYLE}</style></head>'
        f'<body><main><h1>{escape(title)}</h1><p role="status">{escape(sentence)}</p>{more}</main></body></html>\n'
    )


def sign_in_page(action: str, wrong: bool = False) -> str:
    """The page on which a token is given; ``action`` is where its form goes."""
    said = '<p class="wrong" id="wrong" role="alert">This token is not right.</p>' if wrong else ""
    marks = ' aria-invalid="true" aria-describedby="wrong"' if wrong else ""
    form = (
        f'{said}<form method="post" action="{escape(action)}"><label for="token">Token or password</label>'
        f'<input id="token" name="token" type="password" autocomplete="off" required autofocus{marks}>'
        "<button>Sign in</button></form>"
    )
    return sentence_page("Sign in", "Open the address that your teacher gave you, or type its token.", form)


def full_page(size: int, place: int, again: int) -> str:
    """The page of somebody for whom there is no place yet."""
    return sentence_page(
        f"The class is full ({size} of {size})",
        f"You are number {place} in line; this page tries again by itself.",
        again=again,
    )


def widget_policy(nonce: str, host: str) -> str:
    """The content security policy of a page with widgets.

    Args:
        nonce: that the page's own scripts carry; none that anything on the page brought along does.
        host: name and port at which the page is; older browsers do not count its WebSockets as ``'self'``.
    """
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' blob:",  # anywidget loads the widgets' modules from blobs
            "style-src 'self' 'unsafe-inline'",  # JupyterLab and the widgets write theirs into the page
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' blob: data: ws://{host} wss://{host}",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
        ]
    )

"""Asks a server for files, and says in a sentence what is wrong where there is no answer; needs nothing but Python."""

from __future__ import annotations

import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError

from lesionviz.errors import LesionvizError

CHECKSUMS = "SHA256SUMS"
"""The file beside what was fetched that has its hashes."""
TIMEOUT = 60
"""Seconds without an answer after which a connection counts as broken."""


class UnreachableError(LesionvizError):
    """A server that cannot be reached, or a connection that broke off: there may be no network."""


def open_address(request: urllib.request.Request, home: str) -> Any:
    """Return a server's answer.

    Args:
        request: what to ask for.
        home: the page that says where the data is, for the words of an error.

    Raises:
        LesionvizError: the server refuses, or cannot be reached.
    """
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except HTTPError as error:
        raise LesionvizError(
            f"The server refused {request.full_url} ({error.code} {error.reason}). "
            f"See {home} for where the data is now."
        ) from error
    except (URLError, HTTPException, OSError) as error:
        raise broken(request.full_url, error) from error


def broken(address: str, error: Exception) -> UnreachableError:
    """Return what to tell a person of a connection that failed."""
    return UnreachableError(
        f"{address} could not be reached or broke off ({error}). Connect to the internet and call the command again; "
        "it goes on where it stopped."
    )

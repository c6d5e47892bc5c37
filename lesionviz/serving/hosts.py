"""Which names in an address are this machine's own, so that no stranger's name can be turned towards it (DNS rebinding).

A page of a stranger may let its own name lead to this machine a second after it was loaded; its scripts would then be of
the same origin as the dashboard. The browser still says by which name it came, and that name is asked for here.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

from lesionviz.errors import LesionvizError

NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?", re.ASCII)
HEADER = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[^\[\]:/@\\\s]+)(:\d{1,5})?", re.ASCII)
"""What a ``Host`` header may look like: a name or an address, and a port, which says nothing."""


class Hosts:
    """The names by which a server may be asked for."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """Know this machine's names, and others.

        Args:
            allowed: more names or addresses, such as that of a proxy.

        Raises:
            LesionvizError: one of them is neither a name nor an address.
        """
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own.partition('.')[0]}.local"} | {
            check_host_name(name) for name in allowed
        }

    def knows(self, header: str | None, arrived_at: str = "") -> bool:
        """Return whether a ``Host`` header names this machine.

        Args:
            header: as it was sent; None where it was not.
            arrived_at: this machine's own address at which the connection arrived.
        """
        found = HEADER.fullmatch(header or "")
        if found is None:
            return False
        name = found["name"].strip("[]").lower().removesuffix(".")
        address = plain_address(name)
        if address is None or name in self._names:
            return name in self._names
        return address.is_loopback or str(address) in self._names or address == plain_address(arrived_at)


def plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address without its zone, and as version 4 where it only wraps one; None where it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(name: str) -> bool:
    """Return whether a name or address leads to this machine, and from this machine alone."""
    address = plain_address(name)
    return name == "localhost" if address is None else address.is_loopback


def check_host_name(name: str) -> str:
    """Return a name or address as browsers write it.

    Raises:
        LesionvizError: it is neither; a whole address of a page, for example.
    """
    plain = name.strip().strip("[]").lower().removesuffix(".")
    address = plain_address(plain)
    if address is not None:
        return str(address)
    if not NAME.fullmatch(plain):
        raise LesionvizError(
            f"{name!r} is not the name of a computer. Give the name alone, without http:// and port, "
            "such as lab.example.org."
        )
    return plain

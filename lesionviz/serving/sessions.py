"""Who is signed in: tokens are exchanged for sessions, wrong ones are counted, and nothing of it outlives the server."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["learner", "teacher"]
MOST_SESSIONS = 5000
WRONG_AT_ONCE, SECONDS_EACH = 10, 3.0
"""Wrong tokens from one address: so many at once, and then one in so many seconds. A whole class may share one address."""


@dataclass(frozen=True)
class Session:
    """One signed-in browser.

    Attributes:
        name: by which everything else knows it. It opens nothing: the cookie holds another secret.
        role: what it may open.
    """

    name: str
    role: Role


class TooManyAttemptsError(Exception):
    """Too many wrong tokens came from one address."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Attempts:
    """Counts wrong tokens by address; they are forgotten one by one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wrong: dict[str, tuple[float, float]] = {}

    def check(self, address: str) -> None:
        """Make sure that another attempt may be made.

        Raises:
            TooManyAttemptsError: it has to wait.
        """
        wrong = self._left(_network(address))
        if wrong > WRONG_AT_ONCE - 1:
            raise TooManyAttemptsError(math.ceil((wrong - WRONG_AT_ONCE + 1) * SECONDS_EACH))

    def wrong(self, address: str) -> None:
        """Count a wrong one."""
        network, now = _network(address), self._clock()
        self._wrong[network] = (self._left(network) + 1, now)
        if len(self._wrong) > MOST_SESSIONS:
            self._wrong = {each: kept for each, kept in self._wrong.items() if self._left(each) > 0}

    def _left(self, network: str) -> float:
        count, at = self._wrong.get(network, (0.0, 0.0))
        return max(0.0, count - (self._clock() - at) / SECONDS_EACH)


class Sessions:
    """The tokens that open, and the browsers for which they did."""

    def __init__(
        self,
        tokens: Mapping[Role, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        in_use: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        """Begin without anybody.

        Args:
            tokens: what each role signs in with. An empty one asks nobody for anything.
            clock: of seconds that no change of the time of day moves.
            in_use: whether a session, by its name, must be kept when there are too many.
        """
        self._tokens = dict(tokens)
        self._attempts = Attempts(clock)
        self._in_use = in_use
        self._signed_in: OrderedDict[bytes, Session] = OrderedDict()

    def open_to_all(self, role: Role) -> bool:
        """Return whether a role needs no token."""
        return self._tokens.get(role) == ""

    def role_of(self, token: str, address: str) -> Role | None:
        """Return what a token opens; None for a wrong one, which is counted.

        Raises:
            TooManyAttemptsError: too many wrong ones came from this address; the token was not looked at.
        """
        self._attempts.check(address)
        given = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found: Role | None = None
        for role, wanted in self._tokens.items():  # all of them, so that the time taken says nothing
            same = hmac.compare_digest(given, hashlib.sha256(wanted.encode()).digest())
            found = role if same and wanted else found
        if found is None:
            self._attempts.wrong(address)
        return found

    def begin(self, role: Role) -> tuple[str, Session]:
        """Sign a browser in; return what its cookie shall hold, and its session."""
        secret, session = secrets.token_urlsafe(32), Session(secrets.token_hex(16), role)
        if len(self._signed_in) >= MOST_SESSIONS:
            unused = (key for key, each in self._signed_in.items() if not self._in_use(each.name))
            self._signed_in.pop(next(unused, next(iter(self._signed_in))))
        self._signed_in[_key(secret)] = session
        return secret, session

    def find(self, secret: str | None, role: Role) -> Session | None:
        """Return the session of a cookie, where it is one of this role."""
        session = self._signed_in.get(_key(secret)) if secret else None
        if secret is None or session is None or session.role != role:
            return None
        self._signed_in.move_to_end(_key(secret))
        return session


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def _network(address: str) -> str:
    """Whoever has one IPv6 address has 2**64 of them."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))

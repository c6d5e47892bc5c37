"""``Seats``: who is in a class: sessions, which nobody hears of, and the names under which they sit there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lesionviz.errors import LesionvizError
from lesionviz.game.names import alike, free_name, plain_name

MAX_SEATS = 400
"""Learners of a class, those who have left included."""


@dataclass
class Seat:
    """A learner's place in the class.

    Attributes:
        name: as the class knows him.
        holder: the session that sits there; None since a restart, until somebody takes it by its name.
        here: whether that session is there now.
        wished: what he typed, where somebody else has that name and he therefore got another.
    """

    name: str
    holder: str | None = None
    here: bool = False
    wished: str = ""


class Seats:
    """The seats of a class, in the order in which they were taken.

    Args:
        names: of seats that were taken before a restart, and wait for their learners.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.all = {name: Seat(name) for name in names}

    def of(self, session: str) -> Seat | None:
        """Return the seat of a session, if it has one."""
        return next((seat for seat in self.all.values() if seat.holder == session), None)

    @property
    def waiting(self) -> list[str]:
        """Names of the seats that wait for their learners since a restart."""
        return [seat.name for seat in self.all.values() if seat.holder is None]

    def take(self, session: str, wish: str, answered: bool) -> tuple[Seat, str]:
        """Let a session sit down, or take another name.

        A seat that waits since a restart is taken by its name. Any other name that is taken gets a number.

        Args:
            session: who wants to.
            wish: the name, as it was typed; without one the learner gets a number, or keeps what he has.
            answered: whether there are answers under the session's present name, which must not leave them behind.

        Returns:
            The seat, and the name that it had before, where that was another one.

        Raises:
            LesionvizError: the class is full, or there are answers under the old name.
        """
        name, own = plain_name(wish), self.of(session)
        if own is None:
            for seat in self.all.values():
                if seat.holder is None and alike(seat.name) == alike(name):
                    seat.holder, seat.here = session, True
                    return seat, ""
            if len(self.all) >= MAX_SEATS:
                raise LesionvizError(f"The class is full: it has {MAX_SEATS} learners. Tell your teacher.")
            seat = Seat("", session, True)
            self._name(seat, name)
            return seat, ""
        if not name or alike(own.name) == alike(name):
            return own, ""
        if answered:
            raise LesionvizError(f"You are in the class as {own.name}, and your answers stand under that name.")
        before = own.name
        del self.all[before]
        self._name(own, name)
        return own, before

    def _name(self, seat: Seat, name: str) -> None:
        seat.name = free_name(name, self.all)
        seat.wished = name if seat.name != name else ""
        self.all[seat.name] = seat

    def keep_those_here(self) -> None:
        """Take away the seats of those who are not there."""
        self.all = {seat.name: seat for seat in self.all.values() if seat.here}

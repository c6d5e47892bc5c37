"""Who gets a kernel, who waits, and when one ends: the rules, with kernels that are only names and a clock of our own."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable

import pytest

from lesionviz.serving.rooms import LINE, ORPHAN, SEAT, Full, Room, Rooms

WHO = contextvars.ContextVar("WHO", default="nobody")


class House:
    """Rooms whose kernels start when a test says so."""

    def __init__(self, **options: object) -> None:
        self.now = 1000.0
        self.up: dict[str, asyncio.Event] = {}
        self.running: set[str] = set()
        self.ended: list[str] = []
        self.seen: set[str] = set()
        self.broken = False
        self.rooms = Rooms(self.furnish, self.end, clock=lambda: self.now, **options)  # type: ignore[arg-type]

    async def furnish(self, room: Room) -> None:
        self.seen.add(WHO.get())
        room.add("head ")
        room.head = True
        self.up[room.kernel_id] = asyncio.Event()
        await room.turn.wait()
        await self.up[room.kernel_id].wait()
        if self.broken:
            raise RuntimeError("no such program")
        self.running.add(room.kernel_id)
        room.add("tail")

    async def end(self, kernel_id: str) -> None:
        if kernel_id in self.running:
            self.running.remove(kernel_id)
            self.ended.append(kernel_id)
            self.rooms.ended(kernel_id)

    def enter(self, session: str) -> Room:
        room = self.rooms.enter(session)
        assert isinstance(room, Room)
        return room

    async def settle(self) -> None:
        """Let everything go on that can."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def start(self, room: Room) -> None:
        await self.settle()
        self.up[room.kernel_id].set()
        await self.settle()

    async def open(self, session: str) -> Room:
        """A page that was sent and has connected itself."""
        room = self.enter(session)
        await self.start(room)
        self.rooms.left(room, delivered=True)
        self.rooms.connected(room.kernel_id, room)
        return room


def play(act: Callable[[House], Awaitable[None]], **options: object) -> None:
    async def go() -> None:
        house = House(**options)
        try:
            await act(house)
        finally:
            await house.rooms.close()

    asyncio.run(go())


def test_a_kernel_belongs_to_the_session_that_has_its_page_and_to_nobody_once_it_ended() -> None:
    async def act(house: House) -> None:
        room = await house.open("ann")
        assert house.rooms.session_of(room.kernel_id) == "ann"
        assert house.rooms.session_of("another") is None
        house.rooms.ended(room.kernel_id)
        assert house.rooms.session_of(room.kernel_id) is None

    play(act)


def test_a_preheated_kernel_belongs_to_nobody_until_it_is_given_out() -> None:
    async def act(house: House) -> None:
        house.rooms.sweep()
        await house.settle()
        (kernel,) = house.up
        assert house.rooms.session_of(kernel) is None
        house.up[kernel].set()
        await house.settle()
        assert house.rooms.session_of(kernel) is None
        room = house.enter("ann")
        assert (room.kernel_id, room.stage, room.pieces) == (kernel, "there", ["head ", "tail"])
        assert house.rooms.session_of(kernel) == "ann"

    play(act, pool=1, size=5)


def test_what_goes_on_in_a_room_knows_nothing_of_who_asked() -> None:
    async def act(house: House) -> None:
        WHO.set("ann")
        room = house.enter("ann")
        await house.start(room)  # and the pool is filled afterwards, by the same request
        assert len(house.up) == 2
        assert house.seen == {"nobody"}

    play(act, pool=1, size=5)


def test_at_most_so_many_start_at_once_and_the_others_wait_in_order() -> None:
    async def act(house: House) -> None:
        rooms = [house.enter(name) for name in "abcde"]
        assert [house.rooms.place(room) for room in rooms] == [0, 0, 1, 2, 3]
        assert [room.stage for room in rooms] == ["starting"] * 2 + ["waiting"] * 3
        await house.start(rooms[1])
        assert [house.rooms.place(room) for room in rooms] == [0, 0, 0, 1, 2]

    play(act, at_once=2, size=40)


def test_forty_who_come_at_once_all_get_a_kernel_of_their_own() -> None:
    async def act(house: House) -> None:
        rooms = [house.enter(f"learner {each}") for each in range(40)]
        most = 0
        while len(house.running) < 40:
            starting = [room for room in rooms if room.stage == "starting"]
            most = max(most, len(starting))
            await house.start(starting[0])
        assert most == 2
        assert len({room.kernel_id for room in rooms}) == 40
        assert {house.rooms.session_of(room.kernel_id) for room in rooms} == {f"learner {each}" for each in range(40)}

    play(act, at_once=2, size=40, pool=8)


def test_the_pool_is_filled_one_by_one_and_never_before_somebody_who_waits() -> None:
    async def act(house: House) -> None:
        house.rooms.sweep()
        await house.settle()
        assert len(house.up) == 1  # one, though two may start
        taken, first, second = (house.enter(name) for name in "abc")
        assert taken.kernel_id in house.up  # the one that is under way is the soonest
        await house.start(taken)
        assert (first.stage, second.stage) == ("starting", "starting")
        assert len(house.up) == 3
        await house.start(first)
        assert len(house.up) == 4

    play(act, at_once=2, size=40, pool=3)


def test_no_more_is_kept_ready_than_there_are_places() -> None:
    async def act(house: House) -> None:
        rooms = [await house.open(name) for name in "abc"]
        house.rooms.sweep()
        await house.settle()
        assert len(house.up) == len(rooms)

    play(act, size=3, pool=8, at_once=4)


def test_for_one_person_a_kernel_is_ready_only_while_nobody_has_a_page() -> None:
    async def act(house: House) -> None:
        room = await house.open("me")
        assert len(house.up) == 1
        house.rooms.ended(room.kernel_id)
        house.now += SEAT + 1
        house.rooms.sweep()
        await house.settle()
        assert len(house.up) == 2

    play(act, pool=1)


def test_a_kernel_that_cannot_start_is_said_and_the_pool_tries_again_only_at_the_next_sweep() -> None:
    async def act(house: House) -> None:
        house.broken = True
        room = house.enter("ann")
        await house.start(room)
        assert room.stage == "over"
        assert house.rooms.session_of(room.kernel_id) is None
        assert len(house.up) == 1
        house.rooms.sweep()
        await house.settle()
        assert len(house.up) == 2

    play(act, pool=1, size=2)


def test_a_full_class_tells_everybody_a_place_in_line_and_keeps_it_while_they_ask() -> None:
    async def act(house: House) -> None:
        first = await house.open("ann")
        await house.open("ben")
        assert house.rooms.enter("cem") == Full(2, 1)
        assert house.rooms.enter("dan") == Full(2, 2)
        house.now += LINE - 1
        assert house.rooms.enter("dan") == Full(2, 2)
        assert house.rooms.enter("cem") == Full(2, 1)
        await house.rooms._end_kernel(first.kernel_id)
        assert house.rooms.enter("cem") == Full(2, 1)  # ann may only be loading her page again
        house.now += SEAT + 1
        assert house.rooms.enter("dan") == Full(2, 2)  # the free place is cem's
        assert isinstance(house.rooms.enter("cem"), Room)
        assert house.rooms.enter("dan") == Full(2, 1)

    play(act, size=2, at_once=4)


def test_who_does_not_ask_any_more_is_struck_off_the_line() -> None:
    async def act(house: House) -> None:
        await house.open("ann")
        house.rooms.enter("cem")
        house.now += LINE / 2
        assert house.rooms.enter("dan") == Full(1, 2)
        house.now += LINE / 2
        assert house.rooms.enter("dan") == Full(1, 1)

    play(act, size=1)


def test_loading_the_page_again_keeps_the_place_of_a_learner() -> None:
    async def act(house: House) -> None:
        room = await house.open("ann")
        await house.rooms._end_kernel(room.kernel_id)
        assert house.rooms.enter("ben") == Full(1, 1)
        house.now += SEAT - 1
        assert isinstance(house.rooms.enter("ann"), Room)

    play(act, size=1)


def test_a_third_page_of_a_learner_ends_the_oldest_one() -> None:
    async def act(house: House) -> None:
        first, second, third = [await house.open("ann") for _ in range(3)]
        assert house.ended == [first.kernel_id]
        assert house.running == {second.kernel_id, third.kernel_id}
        assert house.rooms.sessions() == {"ann"}

    play(act, size=1, pages=2)


def test_who_loads_a_page_that_still_waits_again_keeps_the_place_and_the_kernel() -> None:
    async def act(house: House) -> None:
        busy, ann, ben = (house.enter(name) for name in ("x", "ann", "ben"))
        house.rooms.left(ann, delivered=False)
        assert house.enter("ann") is ann
        assert (house.rooms.place(ann), house.rooms.place(ben)) == (1, 2)
        assert busy.stage == "starting"

    play(act, at_once=1, size=9)


def test_a_page_that_was_left_before_it_was_there_gives_its_turn_away() -> None:
    async def act(house: House) -> None:
        house.enter("x")
        ann, ben = house.enter("ann"), house.enter("ben")
        house.rooms.left(ann, delivered=False)
        house.now += ORPHAN + 1
        house.rooms.sweep()
        assert ann.stage == "over"
        assert house.rooms.place(ben) == 1

    play(act, at_once=1, size=9)


def test_a_kernel_that_comes_up_after_its_page_was_given_up_ends() -> None:
    async def act(house: House) -> None:
        ann = house.enter("ann")
        house.rooms.left(ann, delivered=False)
        house.now += ORPHAN + 1
        house.rooms.sweep()
        await house.start(ann)
        assert house.ended == [ann.kernel_id]

    play(act, size=9)


def test_a_kernel_whose_page_is_gone_ends_after_a_while_and_one_that_is_only_quiet_later() -> None:
    async def act(house: House) -> None:
        gone, quiet, used = [await house.open(name) for name in "abc"]
        house.rooms.disconnected(gone.kernel_id, gone)
        house.now += 299
        house.rooms.used(used.kernel_id)
        house.rooms.sweep()
        await house.settle()
        assert house.ended == []
        house.now += 2
        house.rooms.sweep()
        await house.settle()
        assert house.ended == [gone.kernel_id]
        house.now += 1500
        house.rooms.sweep()
        await house.settle()
        assert house.ended == [gone.kernel_id, quiet.kernel_id]

    play(act, size=9, gone=300.0, idle=1800.0, at_once=4)


def test_a_page_that_connects_itself_again_in_time_keeps_its_kernel_however_long_it_was_quiet() -> None:
    async def act(house: House) -> None:
        room = await house.open("ann")
        house.now += 1700
        for hear in (house.rooms.disconnected, house.rooms.connected):
            hear(room.kernel_id, room)
            house.now += 200
            house.rooms.sweep()
            await house.settle()
        assert house.running == {room.kernel_id}

    play(act, size=9, gone=300.0, idle=1800.0)


def test_a_connection_that_never_came_about_takes_none_away() -> None:
    async def act(house: House) -> None:
        room = await house.open("ann")
        house.rooms.disconnected(room.kernel_id, "another, cut while it was made")
        house.now += 400
        house.rooms.sweep()
        await house.settle()
        assert house.rooms.connections(room.kernel_id) == 1
        assert house.running == {room.kernel_id}

    play(act, size=9, gone=300.0, idle=1800.0)


def test_preheated_kernels_are_never_ended_for_being_idle() -> None:
    async def act(house: House) -> None:
        house.rooms.sweep()
        await house.settle()
        next(iter(house.up.values())).set()
        await house.settle()
        house.now += 10_000
        house.rooms.sweep()
        await house.settle()
        assert house.ended == []
        assert len(house.running) == 1

    play(act, size=9, pool=1, gone=300.0, idle=1800.0)


def test_a_preheated_kernel_that_died_is_not_given_out() -> None:
    async def act(house: House) -> None:
        house.rooms.sweep()
        await house.settle()
        (dead,) = house.up
        house.up[dead].set()
        await house.settle()
        house.rooms.ended(dead)
        assert house.enter("ann").kernel_id != dead

    play(act, size=9, pool=1)


def test_a_reader_gets_the_whole_page_from_its_beginning_whenever_it_comes() -> None:
    async def act(house: House) -> None:
        room = house.enter("ann")
        await house.settle()
        early = asyncio.create_task(_read(room))
        await house.start(room)
        assert await early == "head tail"
        assert await _read(room) == "head tail"

    play(act)


async def _read(room: Room) -> str:
    return "".join([piece async for piece in room.read()])


def test_nothing_starts_once_the_house_is_closed() -> None:
    async def act(house: House) -> None:
        waiting = [house.enter(name) for name in "abc"]
        await house.settle()
        await house.rooms.close()
        for up in house.up.values():
            up.set()
        await house.settle()
        assert house.running == set()
        assert {room.stage for room in waiting} == {"over"}

    play(act, size=9, pool=4, at_once=2)


@pytest.mark.parametrize(("pages", "kept"), [(1, 1), (2, 2), (4, 4)])
def test_a_learner_has_as_many_pages_as_allowed(pages: int, kept: int) -> None:
    async def act(house: House) -> None:
        for _ in range(5):
            await house.open("ann")
        assert len(house.running) == kept

    play(act, size=1, pages=pages)

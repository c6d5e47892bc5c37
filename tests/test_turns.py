"""Whose question is next: fair between learners, bounded, and the last one of each wins."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from lesionviz.errors import LesionvizError
from lesionviz.serving.turns import Turns


class Held:
    """An engine whose questions are answered when a test says so."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        self.asked: list[bytes] = []
        self.cancelled: list[bytes] = []
        self._open: dict[bytes, asyncio.Future[bytes]] = {}

    async def start(self) -> bytes:
        return b"facts"

    async def ask(self, question: bytes) -> bytes:
        self.asked.append(question)
        self._open[question] = asyncio.get_running_loop().create_future()
        try:
            return await self._open[question]
        except asyncio.CancelledError:
            self.cancelled.append(question)
            raise

    def answer(self, question: bytes, error: Exception | None = None) -> None:
        if error is None:
            self._open[question].set_result(b"answer to " + question)
        else:
            self._open[question].set_exception(error)

    async def close(self) -> None:
        pass


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(10):
        await asyncio.sleep(0)


def played(play: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(play, 30))


class Class:
    """Learners before one engine."""

    def __init__(self, threads: int = 1, most: int = 100) -> None:
        self.engine = Held(threads)
        self.turns = Turns(self.engine, most)
        self.places: dict[bytes, list[int]] = {}

    def ask(self, who: str, question: bytes, urgent: bool = True) -> asyncio.Task[bytes]:
        self.places[question] = []
        return asyncio.ensure_future(self.turns.ask(who, question, urgent, self.places[question].append))


def test_answers_go_to_whoever_asked_and_first_come_is_first_served() -> None:
    async def play() -> None:
        room = Class()
        asked = [room.ask(f"learner {number}", b"%d" % number) for number in range(6)]
        await settle()
        for number in range(6):
            room.engine.answer(b"%d" % number)
            await settle()
        assert [await one for one in asked] == [b"answer to %d" % number for number in range(6)]
        assert room.engine.asked == [b"%d" % number for number in range(6)]

    played(play())


def test_as_many_are_under_way_as_are_worked_on_and_one_more() -> None:
    async def play() -> None:
        room = Class(threads=2)
        for number in range(6):
            room.ask(f"learner {number}", b"%d" % number)
        await settle()
        assert len(room.engine.asked) == 3
        assert room.turns.waiting == 3

    played(play())


def test_an_answer_goes_before_what_only_completes_one() -> None:
    async def play() -> None:
        room = Class()
        for number in range(2):
            room.ask(f"busy {number}", b"busy %d" % number)
        await settle()
        room.ask("a", b"complete a", urgent=False)
        room.ask("b", b"complete b", urgent=False)
        room.ask("c", b"examine c")
        await settle()
        for question in (b"busy 0", b"busy 1", b"examine c", b"complete a"):
            room.engine.answer(question)
            await settle()
        assert room.engine.asked[2:] == [b"examine c", b"complete a", b"complete b"]

    played(play())


def test_of_one_learners_waiting_questions_the_last_one_wins_and_the_one_under_way_ends_first() -> None:
    async def play() -> None:
        room = Class(threads=3)
        first, second = room.ask("a", b"first"), room.ask("a", b"second")
        await settle()
        third = room.ask("a", b"third")
        await settle()
        with pytest.raises(LesionvizError, match="later question"):
            await second
        assert room.engine.asked == [b"first"]
        room.engine.answer(b"first")
        await settle()
        room.engine.answer(b"third")
        assert (await first, await third) == (b"answer to first", b"answer to third")
        assert room.engine.asked == [b"first", b"third"]

    played(play())


def test_forty_questions_of_one_do_not_keep_another_waiting_longer_than_one() -> None:
    async def play() -> None:
        room = Class()

        async def batch() -> None:
            for number in range(40):
                await room.ask("batch", b"file %d" % number)

        files = asyncio.ensure_future(batch())
        await settle()
        room.engine.answer(b"file 0")
        await settle()
        single = room.ask("single", b"picture")
        await settle()
        room.engine.answer(b"picture")
        assert await single == b"answer to picture"
        assert len(room.engine.asked) <= 3
        files.cancel()

    played(play())


def test_those_that_wait_hear_of_every_change_of_their_place() -> None:
    async def play() -> None:
        room = Class()
        for number in range(4):
            room.ask(f"learner {number}", b"%d" % number)
        await settle()
        room.ask("late", b"late", urgent=False)
        room.ask("urgent", b"urgent")
        await settle()
        for number in range(4):
            room.engine.answer(b"%d" % number)
            await settle()
        room.engine.answer(b"urgent")
        await settle()
        # before "late": two under way, two that wait, and the urgent one that came after it
        assert room.places[b"late"] == [4, 5, 4, 3, 2, 0]
        assert room.places[b"urgent"] == [4, 3, 2, 0]

    played(play())


def test_whoever_lets_go_is_forgotten_and_what_was_under_way_for_him_is_cancelled() -> None:
    async def play() -> None:
        room = Class()
        running = [room.ask(f"learner {number}", b"%d" % number) for number in range(2)]
        waiting = room.ask("a", b"waiting")
        await settle()
        waiting.cancel()
        running[0].cancel()
        await settle()
        assert room.turns.waiting == 0
        assert room.engine.cancelled == [b"0"]
        last = room.ask("b", b"last")
        await settle()
        room.engine.answer(b"last")
        assert await last == b"answer to last"
        assert b"waiting" not in room.engine.asked

    played(play())


def test_an_error_goes_to_whoever_asked_and_the_next_one_has_his_turn(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        room = Class()
        told, defect = room.ask("a", b"told"), room.ask("b", b"defect")
        last = room.ask("c", b"last")
        await settle()
        room.engine.answer(b"told", LesionvizError("No."))
        room.engine.answer(b"defect", ValueError("secret"))
        await settle()
        room.engine.answer(b"last")
        with pytest.raises(LesionvizError, match=r"^No\.$"):
            await told
        with pytest.raises(LesionvizError, match="inside lesionviz failed"):
            await defect
        assert await last == b"answer to last"

    played(play())
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_when_too_many_wait_the_next_one_is_told_so() -> None:
    async def play() -> None:
        room = Class(most=3)
        for number in range(5):
            room.ask(f"learner {number}", b"%d" % number)
        await settle()
        with pytest.raises(LesionvizError, match="too much to do"):
            await room.ask("late", b"late")

    played(play())

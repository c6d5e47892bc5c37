"""How shards are put to workers: few at a time, unreadable files after them, and an end to all patience; in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import no_running_loop
from stand_in import OPTIONS, StandIn, draw_archive

import lesionviz.archive.worker_side
import lesionviz.workers.spread
from lesionviz.archive.asking import BLIND, EACH, Asking, Room
from lesionviz.archive.cluster import ClusterSetup
from lesionviz.archive.engine import Looked, Part, Shard
from lesionviz.archive.inputs import find_images
from lesionviz.archive.worker_side import answering, part_or_unread, question
from lesionviz.errors import LesionvizError
from lesionviz.wire import pack, unpack
from lesionviz.workers.seats import Bell, Place
from lesionviz.workers.spread import Spread
from lesionviz.workers.worker_side import Sealed


def wait_for(work: Coroutine[Any, Any, Any]) -> Any:
    with no_running_loop():
        return asyncio.run(work)


class Workers:
    """Workers with so many threads, and what they are asked."""

    def __init__(self, threads: int, answer: Callable[[bytes], bytes] | None = None) -> None:
        self.threads, self._answer = threads, answer
        self._bell = Bell()
        self.asked: list[tuple[int, asyncio.Future[bytes]]] = []

    async def changed(self) -> None:
        await self._bell.next()

    def join(self) -> None:
        self.threads += 1
        self._bell.ring()

    async def ask(self, asked: bytes) -> bytes:
        if self._answer is not None:
            return self._answer(asked)
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.asked.append((unpack(asked)["number"], future))
        return await future


def asking_of(workers: Workers, shards: list[Shard], tell: Callable[[str], None] = lambda _sentence: None) -> Asking:
    asking = Asking(workers, iter(shards), tell)  # type: ignore[arg-type]
    asking._spread = workers  # type: ignore[assignment]
    return asking


async def settled() -> None:
    """Let threads and tasks come to where they wait for others."""
    for _ in range(50):
        await asyncio.sleep(0.001)


def test_each_thread_has_two_shards_before_it_and_a_worker_that_joins_brings_two_more() -> None:
    async def go() -> None:
        workers = Workers(threads=1)
        asking = asking_of(workers, [Shard(number, number, ("x",)) for number in range(20)])
        taking = asyncio.create_task(asking.next())
        while len(workers.asked) < EACH:
            await asyncio.sleep(0)
        await settled()
        assert [number for number, _ in workers.asked] == [0, 1]
        workers.join()
        while len(workers.asked) < 2 * EACH:
            await asyncio.sleep(0)
        await settled()
        assert [number for number, _ in workers.asked] == [0, 1, 2, 3]
        for _, answer in workers.asked:  # all are ready, and only one is taken: the others still count
            answer.set_result(pack({"number": 0, "failed": 0, "data": b""}))
        assert await taking is not None
        await settled()
        assert len(workers.asked) == 2 * EACH
        await asking.drop()

    wait_for(go())


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    images, _ = find_images(draw_archive(tmp_path))
    return Shard(3, 24, (*images, str(tmp_path / "lost.png"), str(tmp_path)))


@pytest.fixture
def expected(shard: Shard) -> Part:
    """What this machine makes of it."""
    (part,) = StandIn().engine(_manifest()).score([shard], lambda _: None, lambda: False)
    return part


def _manifest() -> Any:
    @dataclass
    class Batch:
        batch: int = OPTIONS["batch"]

    return Batch()


async def taken(asking: Asking) -> Part:
    found = await asking.next()
    assert found is not None
    assert await asking.next() is None
    return found[1]


def test_a_lost_file_and_an_empty_one_are_said_by_whoever_asks_and_looked_at_once(
    shard: Shard, expected: Part
) -> None:
    stand_in, told = StandIn(), list[str]()
    workers = Workers(1, answering(stand_in, OPTIONS["batch"]))
    assert wait_for(taken(asking_of(workers, [shard], told.append))) == expected
    assert len(stand_in.looked) == len(set(stand_in.looked)) == len(shard.images) - 3
    assert told == []


def test_workers_that_see_no_path_are_sent_the_files_and_the_rows_are_the_same(
    shard: Shard, expected: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesionviz.archive.worker_side, "_is_readable", lambda _image: False)
    stand_in, told, questions = StandIn(), list[str](), list[set[str]]()
    answer = answering(stand_in, OPTIONS["batch"])

    def counted(asked: bytes) -> bytes:
        questions.append(set(unpack(asked)["files"]))
        return answer(asked)

    again = Shard(4, 24, shard.images)
    asking = asking_of(Workers(1, counted), [shard, again], told.append)
    monkeypatch.setattr("lesionviz.archive.asking.EACH", 1)

    async def both() -> list[Part]:
        found = [await asking.next() for _ in range(2)]
        return [part for one in found if one is not None for part in [one[1]]]

    one, other = wait_for(both())
    assert one == expected
    assert other.data == expected.data
    every = set(map(str, range(len(shard.images))))
    assert questions == [set(), every, every], "once they are known to see nothing, everything is sent at once"
    assert told == [BLIND]


def test_a_file_that_a_worker_loses_meanwhile_makes_no_row_that_says_so(shard: Shard, expected: Part) -> None:
    class Forgetful(StandIn):
        def look(self, number: int, image: str, data: bytes | None = None) -> Looked:
            if number == 30 and data is None:
                return Looked(number, image, error="There is no file.")
            return super().look(number, image, data)

    workers = Workers(1, answering(Forgetful(), OPTIONS["batch"]))
    assert wait_for(taken(asking_of(workers, [shard]))) == expected


def test_names_with_anything_in_them_come_back_as_they_went(tmp_path: Path) -> None:
    path = tmp_path / 'a "b"\n\\ü.png'
    shard = Shard(0, 0, (str(path),))
    assert part_or_unread(answering(StandIn(), 3)(question(shard, {}))) == [0]
    part = part_or_unread(answering(StandIn(), 3)(question(shard, {0: "Nobody can."})))
    assert isinstance(part, Part)
    assert part.failed == 1
    assert answering(StandIn(), 3)(b"") == b""


def test_who_needs_more_than_all_room_waits_until_he_is_alone() -> None:
    async def go() -> list[str]:
        room, order, leave = Room(10), list[str](), asyncio.Event()

        async def enter(name: str, size: int) -> None:
            async with room.of(size):
                order.append(name)
                await leave.wait()
                order.append(f"{name} leaves")

        entering = [asyncio.create_task(enter(*each)) for each in (("small", 4), ("fits", 6), ("large", 50))]
        await settled()
        assert order == ["small", "fits"]
        leave.set()
        await asyncio.gather(*entering)
        return order

    assert wait_for(go())[-2:] == ["large", "large leaves"]


# --- an end to patience ---
@dataclass
class Link:
    """A connection over which every question fails."""

    fails: Exception
    asked: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    def submit(self, workers: list[str], key: str, asked: bytes, retries: int) -> Any:
        self.asked += 1
        outer = self

        class Future:
            async def result(self) -> tuple[str, Sealed]:
                raise outer.fails

            def release(self) -> None:
                pass

        return Future()


class Ready(Workers):
    key, address = "key", "tls://there:1"

    def __init__(self, link: Link | None) -> None:
        super().__init__(1)
        self._link = link

    @property
    def places(self) -> list[Place]:
        return [] if self._link is None else [Place("one", self._link, 1)]  # type: ignore[arg-type]


def test_a_question_over_which_workers_die_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesionviz.workers.spread, "PAUSE", 0.001)

    async def go() -> int:
        link = Link(RuntimeError("killed"))
        with pytest.raises(LesionvizError, match="Workers have ended again and again over the same question"):
            await Spread(Ready(link)).ask(b"x")  # type: ignore[arg-type]
        return link.asked

    assert wait_for(go()) == lesionviz.workers.spread.TRIES


def test_without_a_worker_for_too_long_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lesionviz.workers.spread, "AWAY", 0.01)
    with pytest.raises(LesionvizError, match="No worker of the cluster at tls://there:1 has been there"):
        wait_for(Spread(Ready(None)).ask(b"x"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cluster": "tcp://there:1", "certificates": Path()}, "begins with tls://"),
        ({"cluster": "tls://there:1"}, "certificates"),
        ({"cluster": "tls://there:1", "certificates": Path("nowhere")}, r"There is no file nowhere.ca\.pem"),
        ({"cluster": "tls://there:1", "certificates": Path(), "workers": 2}, "run already"),
        ({"cluster": "tls://there:1", "certificates": Path(), "page": True}, "run already"),
        ({"cluster": "local", "certificates": Path()}, "certificates of their own"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_a_run_begins(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LesionvizError, match=words):
        ClusterSetup(StandIn(), **options)


def test_dasks_page_needs_bokeh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionviz.archive.cluster.has", lambda _module: False)
    with pytest.raises(LesionvizError, match="pip install bokeh"):
        ClusterSetup(StandIn(), "local", page=True)

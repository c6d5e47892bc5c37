"""The queue of a batch and the opening of its files, without a widget: one row per file, whatever a browser sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionviz.errors import LesionvizError
from lesionviz.imaging import MAX_BYTES
from lesionviz.widgets.batch.opening import Opening
from lesionviz.widgets.batch.queue import Queue, Task, tasks_of
from lesionviz.widgets.batch.rows import BatchRow
from lesionviz.widgets.parts.background import Background, Job
from lesionviz.widgets.parts.second import Second

VIEW, OTHER = 17, 18
"""The numbers that two views give themselves."""
NOTHING = b"no picture"


class Later(Background):
    """Work that waits until the test lets it be done; there is no classifier, and files that are no pictures need none."""

    def __init__(self) -> None:
        self.asked: list[tuple[Job, Callable[[], None]]] = []
        self.model = True
        self.second = Second()

    def submit(self, work: Any, done: Any, failed: Any) -> Job:
        job = Job()

        def run() -> None:
            if self.model:
                done(work(None))
            else:
                failed(LesionvizError("There is no model here."))

        self.asked.append((job, run))
        return job

    def do(self) -> None:
        """Do the next piece of work, unless it is not wanted any more."""
        job, run = self.asked.pop(0)
        if not job.cancelled:
            run()


class Bench:
    """A queue, and what it told."""

    def __init__(self) -> None:
        self.work = Later()
        self.rows, self.said, self.lefts, self.ends = (
            list[BatchRow](),
            list[dict[str, Any]](),
            list[int](),
            list[str](),
        )
        self.queue = Queue(
            self.work,
            lambda: self.lefts.append(self.queue.left),
            self.rows.append,
            self.ends.append,
            self.said.append,
        )

    def announce(self, count: int, sender: int = VIEW, current: int | None = None, most: int = 5000) -> None:
        self.queue.announce(sender, count, current, most)

    def file(self, number: int, data: bytes = NOTHING, sender: int = VIEW, cut: int = 4) -> None:
        """Send a file in two pieces."""
        self.queue.begin_file({"sender": sender, "id": number, "name": f"{number}.jpg", "size": len(data)})
        for start, piece in ((0, data[:cut]), (cut, data[cut:])):
            self.queue.piece({"id": number, "start": start}, [memoryview(piece)])

    @property
    def names(self) -> list[str]:
        return [row.file for row in self.rows]

    @property
    def asked_for(self) -> list[int]:
        """After which files the next one was asked for."""
        return [message["id"] for message in self.said if message["kind"] == "next"]

    @property
    def stopped(self) -> list[int]:
        return [message["sender"] for message in self.said if message["kind"] == "stopped"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def paths(*names: str) -> list[Task]:
    return [Task(name, Path(f"/nowhere/{name}"), Path(f"/nowhere/{name}")) for name in names]


def test_files_are_looked_at_one_after_the_other_in_the_order_in_which_they_came(bench: Bench) -> None:
    bench.queue.add(paths("a", "b"))
    bench.queue.add(paths("c"))
    assert (bench.queue.left, len(bench.work.asked)) == (3, 1)
    for left in (2, 1, 0):
        bench.work.do()
        assert bench.queue.left == left
    assert bench.names == ["a", "b", "c"]
    assert bench.lefts == [2, 3]
    assert bench.said == []  # nobody in a browser waits for them
    assert not bench.work.asked


def test_a_browsers_file_becomes_a_row_and_only_then_the_next_one_is_asked_for(bench: Bench) -> None:
    bench.announce(2)
    bench.file(1)
    assert (bench.names, bench.asked_for, bench.queue.left) == ([], [], 2)
    bench.work.do()
    assert (bench.names, bench.asked_for, bench.queue.left) == (["1.jpg"], [1], 1)
    bench.file(2)
    bench.work.do()
    assert (bench.names, bench.asked_for, bench.queue.left) == (["1.jpg", "2.jpg"], [1, 2], 0)


def test_no_second_file_of_a_browser_is_taken_while_one_is_here(bench: Bench) -> None:
    bench.queue.add(paths("a"))
    bench.announce(3)
    for number in (1, 2, 3):
        bench.file(number)
    assert [task.name for task in bench.queue.held] == ["a", "1.jpg"]


def test_a_file_that_comes_twice_becomes_one_row_whatever_was_lost(bench: Bench) -> None:
    bench.announce(2)
    bench.file(1)
    bench.file(1)  # while it waits
    bench.work.do()
    bench.file(1)  # its row was not heard of
    assert (bench.names, bench.asked_for) == (["1.jpg"], [1, 1])
    assert not bench.work.asked
    bench.announce(2, current=1)  # said as if there were no row yet
    assert bench.queue.left == 1


def test_a_file_of_which_a_piece_was_lost_is_put_together_when_it_comes_again(bench: Bench) -> None:
    bench.announce(1)
    bench.queue.begin_file({"sender": VIEW, "id": 1, "name": "1.jpg", "size": len(NOTHING)})
    assert not bench.queue.piece({"id": 1, "start": 4}, [memoryview(NOTHING[4:])])  # the one before it is gone
    bench.file(1)
    assert [task.source for task in bench.queue.held] == [NOTHING]


@pytest.mark.parametrize(
    ("size", "pieces", "words"),
    [
        (MAX_BYTES + 1, [], "64 MiB"),
        (0, [], "is empty"),
        (None, [], "came without its size"),
        (3, [b"four"], "did not arrive as announced"),
    ],
)
def test_a_file_that_cannot_arrive_becomes_a_row_that_says_why(
    size: int | None, pieces: list[bytes], words: str, bench: Bench
) -> None:
    bench.announce(2)
    bench.queue.begin_file({"sender": VIEW, "id": 1, "name": "x.jpg", "size": size})
    for piece in pieces:
        assert bench.queue.piece({"id": 1}, [memoryview(piece)])
    (row,) = bench.rows
    assert row.outcome == "failed"
    assert words in row.error
    assert (bench.asked_for, bench.queue.left) == ([1], 1)


def test_a_file_that_the_browser_cannot_read_becomes_a_row(bench: Bench) -> None:
    bench.announce(1)
    bench.queue.unreadable({"sender": VIEW, "id": 1, "name": "gone.jpg"})
    assert "gone.jpg could not be read by the browser" in bench.rows[0].error
    assert (bench.asked_for, bench.queue.left) == ([1], 0)


def test_dropping_leaves_nothing_of_files_without_a_row_and_no_result_comes_late(bench: Bench) -> None:
    bench.queue.add(paths("a", "b"))
    bench.announce(2)
    bench.queue.begin_file({"sender": VIEW, "id": 1, "name": "1.jpg", "size": 8})
    bench.queue.drop()
    assert (bench.queue.left, bench.queue.held, bench.queue.sender, bench.stopped) == (0, (), 0, [VIEW])
    assert not bench.queue.piece({"id": 1}, [memoryview(bytes(8))])
    bench.work.do()
    assert bench.names == []


def test_a_row_that_makes_somebody_drop_the_rest_is_the_last_one(bench: Bench) -> None:
    def drop_after(row: BatchRow) -> None:
        bench.rows.append(row)
        bench.queue.drop()

    bench.queue = Queue(bench.work, int, drop_after, bench.ends.append, bench.said.append)
    bench.queue.add(paths("a", "b"))
    bench.announce(3)
    bench.work.do()
    assert (bench.names, bench.queue.left, bench.queue.held) == (["a"], 0, ())
    bench.announce(1)
    assert bench.queue.left == 1
    bench.file(9)
    bench.work.do()
    assert (bench.names, bench.queue.left) == (["a", "9.jpg"], 0)
    bench.announce(2)
    assert bench.queue.left == 2


def test_of_two_views_the_last_one_wins_and_files_of_python_stay(bench: Bench) -> None:
    bench.announce(5)
    bench.file(1)
    bench.queue.add(paths("a"))
    bench.announce(2, sender=OTHER)
    assert bench.stopped == [VIEW]
    assert (bench.queue.left, bench.queue.sender) == (3, OTHER)
    bench.file(2)  # of the first view
    assert bench.stopped == [VIEW, VIEW]
    bench.work.do()  # what the first view had sent
    bench.work.do()
    bench.file(3, sender=OTHER)
    bench.work.do()
    assert bench.names == ["a", "3.jpg"]


def test_no_more_files_are_taken_than_there_is_room_for(bench: Bench) -> None:
    bench.announce(10**9, most=3)
    assert bench.queue.left == 3
    bench.queue.drop()
    bench.announce(1, most=0)
    assert (bench.queue.left, bench.queue.sender, bench.stopped) == (0, 0, [VIEW, VIEW])


@pytest.mark.parametrize("sender", [None, 0, -1, True, "17", [17]])
@pytest.mark.parametrize("count", [None, 0, -3, True, "3"])
def test_an_announcement_that_is_none_changes_nothing(sender: Any, count: Any, bench: Bench) -> None:
    bench.queue.announce(sender, 3, None, 5000)
    bench.queue.announce(VIEW, count, None, 5000)
    bench.queue.begin_file({"sender": sender, "id": 1, "name": "x", "size": 5})
    assert (bench.queue.left, bench.queue.held, bench.queue.sender, bench.lefts) == (0, (), 0, [])


def test_without_a_model_nothing_becomes_a_row_and_the_reason_is_told(bench: Bench) -> None:
    bench.work.model = False
    bench.queue.add(paths("a", "b"))
    bench.work.do()
    assert (bench.ends, bench.names) == (["There is no model here."], [])


def test_a_folders_files_are_named_as_a_browser_names_them(tmp_path: Path) -> None:
    (tmp_path / "clinic" / "left").mkdir(parents=True)
    for name in ("b.jpg", "left/a.jpg", ".hidden"):
        (tmp_path / "clinic" / name).write_bytes(b"x")
    assert [task.name for task in tasks_of(tmp_path / "clinic")] == ["clinic/b.jpg", "clinic/left/a.jpg"]
    (alone,) = tasks_of(tmp_path / "clinic" / "b.jpg")
    assert (alone.name, alone.origin) == ("b.jpg", tmp_path / "clinic" / "b.jpg")


def test_opening_hands_over_what_the_kernel_can_read_and_what_a_browser_sends(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"from the disk")
    rows = [BatchRow("a.jpg", origin=tmp_path / "a.jpg"), BatchRow("b.jpg", origin=tmp_path / "gone.jpg")]
    opened, said = list[tuple[str, bytes]](), list[dict[str, Any]]()
    opening = Opening(lambda *file: opened.append(file), said.append)
    opening.again(rows, 0, 5)
    assert (opened.pop(), opening.last) == (("a.jpg", b"from the disk"), 5)
    opening.again(rows, 1, 6)
    assert opened == []
    assert "There is no file" in said[-1]["problem"]
    opening.begin({"id": 7, "name": "c.jpg", "size": 4})
    opening.piece({"id": 7, "start": 0}, [memoryview(b"by")])
    assert opened == []
    opening.piece({"id": 7, "start": 2}, [memoryview(b"te")])
    assert (opened, opening.last) == ([("c.jpg", b"byte")], 7)
    assert [message["problem"] == "" for message in said] == [True, False, True]
    for number in (2, -1, True, "0", None):
        opening.again(rows, number, 8)
    assert opening.last == 7


def test_where_nothing_can_be_opened_nothing_is_kept(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    opening = Opening(None, said.append)
    opening.begin({"id": 7, "name": "c.jpg", "size": 4})
    opening.piece({"id": 7}, [memoryview(b"byte")])
    opening.again([BatchRow("a.jpg", origin=tmp_path)], 0, 1)
    assert (said, opening.last) == ([], -1)

"""``Queue``: the files of a batch that have no row yet, and how each becomes one: looked at in turn, one row per file.

Files of Python wait here by their path. A browser announces how many it has and sends one at a time: the kernel holds
one such file, however many there are, and asks for the next when it is a row. There is no widget in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionviz.data.folders import walk
from lesionviz.errors import LesionvizError
from lesionviz.widgets.batch.rows import BatchRow, Origin, look
from lesionviz.widgets.parts.background import Background, Job, sentence
from lesionviz.widgets.parts.upload import MAX_NAME, Upload

if TYPE_CHECKING:
    from lesionviz.cluster import Examiner


@dataclass
class Task:
    """A file that waits, or is being looked at.

    Attributes:
        name: to call it by.
        source: its bytes, or where it lies.
        origin: where it can be had again.
        job: the work on it, once it was asked for.
        begun: whether that has begun.
    """

    name: str
    source: bytes | Path
    origin: Origin
    job: Job | None = None
    begun: bool = False

    def drop(self) -> None:
        """Let go of the work and of the file's bytes."""
        self.source = b""
        if self.job is not None:
            self.job.cancel()


class Queue:
    """What waits, what is being looked at, and what a browser has announced and sends piece by piece.

    Args:
        background: looks at the files.
        on_change: called when files were added, or dropped in favour of another view's.
        on_row: called with each row, in the order in which files were looked at.
        on_no_model: called with a sentence when there is no classifier, so that no file would fare better.
        say: sends a message to the views.

    Attributes:
        left: how many files have no row yet.
        sender: the view that announced files, the last one to do so; 0 when none has.
        answered: the number that it gave the last file of its own that is a row.
    """

    def __init__(
        self,
        background: Background,
        on_change: Callable[[], None],
        on_row: Callable[[BatchRow], None],
        on_no_model: Callable[[str], None],
        say: Callable[[dict[str, Any]], None],
    ) -> None:
        self.left = self.sender = 0
        self.answered = -1
        self._background = background
        self._on_change, self._on_row, self._on_no_model, self._say = on_change, on_row, on_no_model, say
        self._waiting: deque[Task] = deque()
        self._task: Task | None = None
        self._pumping = False
        self._announced = 0  # files of the sender that are not rows yet
        self._arriving = Upload()

    @property
    def held(self) -> tuple[Task, ...]:
        """The files that are here: the one that is being looked at, and those that wait."""
        return (*(() if self._task is None else (self._task,)), *self._waiting)

    def add(self, tasks: Sequence[Task]) -> None:
        """Let files of Python wait, after those that do already."""
        self._waiting.extend(tasks)
        self.left += len(tasks)
        self._on_change()
        self._pump()

    def drop(self) -> None:
        """Forget every file that is not a row yet."""
        if self._task is not None:
            self._task.drop()
        self._task = None
        self._waiting.clear()
        self._drop_sender()
        self.left = 0

    # --- from the browser: every message may be a stranger's -----------------------------------------------------------
    def announce(self, sender: object, count: object, current: object, most: int) -> None:
        """A view has so many files without a row, among them perhaps one that it has sent.

        Said twice, it is the same. A view that has files of its own under way gives way to another.

        Args:
            sender: the number that the view gives itself, from 1.
            count: of its files that have no row, as far as it knows.
            current: the number of the one that it has sent.
            most: how many files without a row there may be altogether.
        """
        if type(sender) is not int or type(count) is not int or sender < 1 or count < 1:
            return
        if sender == self.sender and current == self.answered:
            count -= 1  # the row is on its way
        if sender != self.sender:
            self._give_way()
        taken = min(count, most - self.left + self._announced)
        if count and taken < 1:
            self._say({"kind": "stopped", "sender": sender})
            return
        self.left += taken - self._announced
        self.sender, self._announced = sender, taken
        self._on_change()
        self._pump()

    def begin_file(self, content: dict[str, Any]) -> None:
        """Take the announcement of one file, ``{sender, id, name, size}``, if it is due."""
        if self._takes(content):
            try:
                self._arriving.begin(content)
            except LesionvizError as error:
                self._fail(self._arriving.name, self._arriving.id, str(error))

    def unreadable(self, content: dict[str, Any]) -> None:
        """Make a row of a file, ``{sender, id, name}``, that the browser could not read."""
        if self._takes(content):
            name, identity = content.get("name"), content.get("id")
            name = name[:MAX_NAME] if isinstance(name, str) and name else "A file"
            self._arriving = Upload()
            self._fail(
                name,
                identity if type(identity) is int else -1,
                f"{name} could not be read by the browser. Check that it is still there and that you may open it.",
            )

    def piece(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> bool:
        """Take a piece of a file, ``{id, start}`` with one buffer; return whether anything came of it."""
        try:
            arrived = self._arriving.add(content, buffers)
        except LesionvizError as error:
            self._fail(self._arriving.name, self._arriving.id, str(error))
            return True
        if arrived is not None:
            self._waiting.append(Task(arrived.name, arrived.data, arrived.id))
            self._pump()
        return arrived is not None

    def _takes(self, content: dict[str, Any]) -> bool:
        """Whether the next file of a view is due; a view that is out of step is told where this one stands."""
        sender, identity = content.get("sender"), content.get("id")
        if type(sender) is not int:
            return False
        if sender != self.sender:
            self._say({"kind": "stopped", "sender": sender})
            return False
        if type(identity) is int and identity == self.answered:
            self._ask_for_next()  # it was not heard
            return False
        return self._announced > 0 and not any(isinstance(task.origin, int) for task in self.held)

    def _give_way(self) -> None:
        """Drop the files of the view that announced some, in favour of another's; those of Python stay."""
        if self._task is not None and isinstance(self._task.origin, int):
            self._task.drop()
            self._task = None
        self._waiting = deque(task for task in self._waiting if isinstance(task.origin, Path))
        self.left -= self._announced
        self._drop_sender()
        self._on_change()

    def _drop_sender(self) -> None:
        """Tell the view that announced files to send no more."""
        if self.sender:
            self._say({"kind": "stopped", "sender": self.sender})
        self.sender = self._announced = 0
        self._arriving = Upload()

    def _ask_for_next(self) -> None:
        self._say({"kind": "next", "id": self.answered})

    # --- the work ---------------------------------------------------------------------------------------------------
    def _pump(self) -> None:
        """Start what waits. A loop, not a recursion: without an event loop each piece of work ends before it returns."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self._waiting and self._task is None:
                self._start(self._waiting.popleft())
        finally:
            self._pumping = False

    def _start(self, task: Task) -> None:
        self._task = task

        def work(examiner: Examiner) -> BatchRow:
            task.begun = True
            return look(examiner, task.source, task.name, task.origin, self._background.second.model)

        def failed(error: Exception) -> None:
            if task.begun:
                self._finish(task, BatchRow(task.name, error=sentence(error, task.name), origin=task.origin))
            else:
                self._on_no_model(sentence(error, "The model"))

        task.job = self._background.submit(work, lambda row: self._finish(task, row), failed)

    def _finish(self, task: Task, row: BatchRow) -> None:
        if self._task is not task:
            return  # dropped meanwhile
        self._task = None
        self._hand_over(row)
        self._pump()

    def _fail(self, name: str, identity: int, words: str) -> None:
        """Make a row of a file of the browser that did not arrive."""
        self._hand_over(BatchRow(name, error=words, origin=identity))

    def _hand_over(self, row: BatchRow) -> None:
        """Hand over a row; where it is of the browser's file, ask for the next one."""
        self.left -= 1
        if isinstance(row.origin, int):
            self._announced, self.answered = self._announced - 1, row.origin
        self._on_row(row)
        if isinstance(row.origin, int):
            self._ask_for_next()


def tasks_of(path: Path) -> list[Task]:
    """Return a file, or all files below a folder, sorted by name; hidden ones are left out, links are followed.

    Raises:
        LesionvizError: the folder holds none.
    """
    if not path.is_dir():
        return [Task(path.name or str(path), path, path)]
    walked = walk(path)
    found = sorted((*walked.files, *walked.lost))  # a link that leads nowhere gets a row that says so
    if not found:
        raise LesionvizError(f"The folder {path} holds no files. Give one with images in it.")
    above = Path(path.resolve().name)  # as a browser names them
    return [Task((above / file.relative_to(path)).as_posix(), file, file) for file in found]


def left_out(count: int) -> str:
    """Say how many files were not looked at."""
    if count == 1:
        return "1 file was not looked at and is not in the table"
    return f"{count:,} files were not looked at and are not in the table"

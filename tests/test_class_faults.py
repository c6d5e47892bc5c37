"""What befalls a class: a worker, all of them, the scheduler, a learner's kernel are killed. Each answer is still its own.

The real ``lesionviz dashboard --class`` with all that belongs to it; learners without a browser speak to it as pages do.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from learner import Answered, Learner
from servers import WholeClass, running_whole_class
from tornado.httpclient import HTTPClientError

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data.synthetic import draw_lesion
from lesionviz.imaging import open_image
from lesionviz.imaging.encoding import png
from lesionviz.preprocessing import Preprocessing

pytestmark = pytest.mark.slow
SIZE = 40
SMALL = Preprocessing(size=96)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeClass]:
    folder = tmp_path_factory.mktemp("class")
    model = folder / "model.pth"
    known = Checkpoint.load(BUNDLED)
    Checkpoint(state_dict=known.state_dict, preprocessing=SMALL).save(model)  # answers drawings, too
    with running_whole_class(folder, SIZE, "--model", str(model), "--pool", "1") as opened:
        yield opened


def picture(seed: int) -> tuple[str, bytes, str]:
    """A name, a file, and the SHA-256 of what the network must see of it."""
    file = io.BytesIO()
    draw_lesion("NV", seed, (240, 180)).save(file, "PNG")
    seen = SMALL.resize(open_image(file.getvalue()).pixels)
    return f"picture {seed}.png", file.getvalue(), hashlib.sha256(png(seen)).hexdigest()


async def sends(learner: Learner, seeds: range) -> None:
    """Send pictures one after the other; each answer must be about the very one."""
    for seed in seeds:
        name, data, seen = picture(seed)
        answered = await learner.send(name, data)
        assert (answered.kind, answered.source, answered.seen) == ("answered", name, seen), answered


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.05)


async def under_work(opened: WholeClass, fault: Callable[[], Awaitable[None]]) -> None:
    """Let three learners send pictures, and let a fault befall them in the middle."""
    learners = [Learner(opened.learners) for _ in range(3)]
    for learner in learners:
        await learner.open()
    work = [asyncio.ensure_future(sends(one, range(10 * i, 10 * i + 6))) for i, one in enumerate(learners)]
    await until(lambda: any(learner.files > 1 for learner in learners))
    await fault()
    await asyncio.gather(*work)
    for learner in learners:
        await learner.leave()


def test_a_worker_killed_in_the_middle_is_replaced_and_everybody_gets_his_own_answer(opened: WholeClass) -> None:
    number = len(opened.workers())

    async def fault() -> None:
        killed = opened.workers()[0]
        killed.kill()
        await until(lambda: len(opened.workers()) == number and killed not in opened.workers())

    asyncio.run(under_work(opened, fault))


def test_all_workers_killed_are_replaced_and_everybody_gets_his_own_answer(opened: WholeClass) -> None:
    async def fault() -> None:
        for worker in opened.workers():
            worker.kill()

    asyncio.run(under_work(opened, fault))


def test_a_killed_scheduler_is_replaced_with_its_workers_and_everybody_gets_his_own_answer(
    opened: WholeClass,
) -> None:
    scheduler = opened.scheduler()

    async def fault() -> None:
        scheduler.kill()

    asyncio.run(under_work(opened, fault))
    assert opened.scheduler() != scheduler


def test_a_killed_kernel_ends_its_own_page_alone_and_the_learner_may_open_another(opened: WholeClass) -> None:
    async def play() -> None:
        unlucky, other = Learner(opened.learners), Learner(opened.learners)
        await unlucky.open()
        await other.open()
        (kernel,) = [one for one in opened.kernels() if unlucky.kernel in " ".join(one.cmdline())]
        kernel.kill()
        await sends(other, range(50, 52))
        await until(lambda: not kernel.is_running())
        lost = unlucky.kernel
        await unlucky.hang_up()
        await unlucky.open()
        assert unlucky.kernel != lost
        await sends(unlucky, range(60, 61))
        await unlucky.leave()
        await other.leave()

    asyncio.run(play())


LIES = [(2**60).to_bytes(8, "little") + b"x" * 100, b"\0" * 64, b"x", "text", "{}"]


def test_a_message_that_lies_about_its_parts_ends_its_own_page_alone(opened: WholeClass) -> None:
    async def play() -> None:
        other = Learner(opened.learners)
        await other.open()
        for number, said in enumerate(LIES):
            hostile = Learner(opened.learners)
            await hostile.open()
            await hostile.shout(said)
            await until(lambda hostile=hostile: hostile.hung_up)
            await sends(other, range(90 + number, 91 + number))
            await hostile.leave()
        await other.leave()

    asyncio.run(play())


def test_a_page_that_speaks_the_older_protocol_is_not_connected(opened: WholeClass) -> None:
    async def play() -> None:
        old, other = Learner(opened.learners, protocols=()), Learner(opened.learners)
        with pytest.raises(HTTPClientError, match="400"):
            await old.open()
        await other.open()
        await sends(other, range(91, 92))
        await old.leave()
        await other.leave()

    asyncio.run(play())


def test_when_all_have_left_no_kernel_but_those_kept_ready_remains(opened: WholeClass) -> None:
    async def play() -> None:
        learners = [Learner(opened.learners) for _ in range(4)]
        await asyncio.gather(*(learner.open() for learner in learners))
        kernels = [learner.kernel for learner in learners]
        assert len(set(kernels)) == 4
        await asyncio.gather(*(learner.leave() for learner in learners))
        await until(
            lambda: not any(kernel in " ".join(_words(one)) for one in opened.kernels() for kernel in kernels)
        )

    asyncio.run(play())


def test_what_learners_sent_is_in_no_file_and_no_log(opened: WholeClass, tmp_path: Path) -> None:
    name, data, _ = picture(77)

    async def play() -> Answered:
        learner = Learner(opened.learners)
        await learner.open()
        answered = await learner.send(name, data)
        await learner.leave()
        return answered

    assert asyncio.run(play()).kind == "answered"
    files: set[Path] = set()
    for process in (opened.server, *opened.server.children(recursive=True)):
        folders = {Path(process.cwd())}
        files |= {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    parts = (name.encode(), data[100:200])
    assert files
    assert not [path for path in files if any(part in path.read_bytes() for part in parts)]


def _words(process: psutil.Process) -> list[str]:
    return process.as_dict(["cmdline"], ad_value=[])["cmdline"] or []

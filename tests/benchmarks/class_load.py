"""A whole class before one server: how long pages and answers take, what they cost in memory, and whether any is another's.

    python tests/benchmarks/class_load.py [--learners 40] [--pool 0 8] [--minutes 3] [--browsers 3] [--today 6]

The real server, opened over loopback by learners without a browser (tests/learner.py), which say to it what the page
says, with some real Chromiums among them; all on this machine, so that the load's own work counts against the server.
In one run: (a) all open the page within a second, (b) all send a picture within a second, (c) each sends one every 10
± 5 s for some minutes, while the teacher leads all of them through quizzes. Each learner's pictures are drawn for him
alone, and each answer is held to the name and to the very pixels that he sent. Memory is the proportional set size (PSS)
of the server and everything that it started. Before the learners come, a Chromium opens the page some times by itself.
``--today`` opens so many pages of the dashboard for one person instead, whose kernels hold a model each.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the learners and servers of the tests

import psutil
from class_costs import SUMS, Costs, kernels, memory, processor
from learner import Answered, Learner, Teacher
from servers import running_dashboard, running_whole_class

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.imaging import open_image
from lesionviz.imaging.encoding import png

TOKEN = "a-class-under-load"
SIZE = (600, 450)
PICTURES = 4
"""Of each learner; drawn before, so that the drawing is no part of the load."""
CASES = 4
"""Of a quiz."""


class Picture:
    """A picture that nobody else sends, and what the network must see of it."""

    def __init__(self, learner: int, number: int, checkpoint: Checkpoint) -> None:
        self.name = f"learner {learner} picture {number}.jpg"
        file = io.BytesIO()
        draw_lesion(CODES[learner % 4], 1000 * learner + number, SIZE).save(file, "JPEG", quality=92)
        self.data = file.getvalue()
        seen = checkpoint.preprocessing.resize(open_image(self.data).pixels)
        self.seen = hashlib.sha256(png(seen)).hexdigest()

    def is_of(self, answered: Answered) -> bool:
        """Whether an answer is about this very picture."""
        return (answered.kind, answered.source, answered.seen) == ("answered", self.name, self.seen)


def told(what: str, seconds: Sequence[float]) -> None:
    """Print a distribution."""
    if seconds:
        ordered = sorted(seconds)
        high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        print(
            f"| {what} | {len(ordered)} | {statistics.median(ordered):.2f} | {high:.2f} | {ordered[-1]:.2f} |",
            flush=True,
        )


async def within_a_second(work: Sequence[object]) -> list[object]:
    """Start pieces of work evenly spread over a second; return what comes of them."""

    async def one(index: int, piece: object) -> object:
        await asyncio.sleep(index / len(work))
        return await piece  # type: ignore[misc]

    return list(await asyncio.gather(*(one(index, piece) for index, piece in enumerate(work))))


async def quizzes(teacher: Teacher, learners: Sequence[Learner], until: float) -> tuple[list[float], list[float]]:
    """Lead the class through quizzes; return how long each answer took to be taken, and each reveal to be seen."""
    await teacher.enter()
    await asyncio.gather(*(one.join_quiz(f"Learner {number}") for number, one in enumerate(learners)))
    taken, seen, chance, seed = [], [], random.Random(0), 0

    async def answers(number: int, learner: Learner, case: int) -> float:
        await learner.sees("question", case)
        await asyncio.sleep(chance.uniform(1, 8))
        return await learner.commit(case, CODES[number % 4])

    while time.monotonic() < until:
        await teacher.do("start", cases=CASES, seed=(seed := seed + 1))
        for case in range(1, CASES + 1):
            taken += await asyncio.gather(*(answers(*one, case) for one in enumerate(learners)))
            start = time.monotonic()
            waiting = [asyncio.ensure_future(learner.sees("reveal", case)) for learner in learners]
            await teacher.do("reveal", case=case)
            seen += [when - start for when in await asyncio.gather(*waiting)]
            await asyncio.sleep(3)
            await teacher.do("next", case=case)
    return taken, seen


async def works(number: int, learner: Learner, own: Sequence[Picture], until: float) -> tuple[int, list[Answered]]:
    """Send a picture every 10 ± 5 s; return how many answers were another's, and all of them."""
    chance, wrong, answers = random.Random(number), 0, list[Answered]()
    await asyncio.sleep(chance.uniform(0, 10))
    while time.monotonic() < until:
        picture = own[len(answers) % PICTURES]
        answers.append(await learner.send(picture.name, picture.data))
        wrong += not picture.is_of(answers[-1])
        await asyncio.sleep(chance.uniform(5, 15))
    return wrong, answers


async def load(
    address: str,
    server: psutil.Process,
    options: argparse.Namespace,
    pictures: Sequence[Sequence[Picture]],
    teacher: str = "",
) -> None:
    """Do (a), (b) and (c), and print what they took."""
    learners = [Learner(address) for _ in range(options.learners)]
    opened = await within_a_second([learner.open() for learner in learners])
    told("(a) page, from GET to the first control", opened)
    print(f"|     all pages after | | | | {max(opened):.1f} |")
    costs = None
    if options.answers:
        sent = await within_a_second(
            [learner.send(own[0].name, own[0].data) for learner, own in zip(learners, pictures, strict=False)]
        )
        strangers = sum(not own[0].is_of(answered) for own, answered in zip(pictures, sent, strict=False))
        count = len(sent)
        told("(b) answer with its map, from the upload", [one.first for one in sent])
        told("(b) all maps", [one.all_maps or 0 for one in sent])
        if options.minutes:
            start, before = time.monotonic(), processor(server)
            until = start + 60 * options.minutes
            pairs = enumerate(zip(learners, pictures, strict=False))
            everybody = asyncio.gather(*(works(number, *pair, until) for number, pair in pairs))
            taken, seen = await quizzes(Teacher(teacher), learners, until)
            done = await everybody
            used = {name: seconds - before[name] for name, seconds in processor(server).items()}
            costs = Costs(
                len(learners), time.monotonic() - start, used, memory(server), kernels(server), options.workers
            )
            answers = [one for _, own in done for one in own]
            strangers, count = strangers + sum(wrong for wrong, _ in done), count + len(answers)
            told("(c) answer with its map", [one.first for one in answers])
            told("(c) all maps", [one.all_maps or 0 for one in answers])
            told("(c) quiz: an answer taken", taken)
            told("(c) quiz: the reveal on every page", seen)
        print(f"|     answers with another's picture | {count} | | | {strangers} |")
    parts = memory(server)
    shown = ", ".join(f"{name} {size:.0f}" for name, size in parts.items() if size)
    print(f"|     memory in MiB: {shown} | | | | {sum(parts.values()):.0f} |")
    await asyncio.gather(*(learner.leave() for learner in learners))
    for _ in range(100):
        if kernels(server) <= options.pool:
            break
        await asyncio.sleep(0.5)
    print(f"|     kernels left beside the pool | | | | {max(0, kernels(server) - options.pool)} |", flush=True)
    if costs is not None:
        print(f"\n{costs.told()}\n\n{SUMS}", *(costs.sums(size) for size in (200, 2000)), sep="\n")


def chromium(address: str, picture: Path, visits: int = 1) -> subprocess.Popen[str]:
    """Start a real Chromium that opens the page some times, and sends a picture each time."""
    command = [sys.executable, str(Path(__file__).with_name("class_browser.py")), address, str(picture), str(visits)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@contextmanager
def browsers(address: str, count: int, picture: Path) -> Iterator[None]:
    """Real Chromiums beside the learners, each in a process of its own."""
    running = [chromium(address, picture) for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            out, _ = one.communicate(timeout=300)
            print(f"|     a real Chromium beside: {out.strip()} | | | | |", flush=True)


def alone(address: str, picture: Path, visits: int) -> None:
    """Let a Chromium open the page of a class in which there is nobody else, its cache empty the first time."""
    out, _ = chromium(address, picture, visits).communicate(timeout=600)
    for number, line in enumerate(out.splitlines(), 1):
        print(f"|     a real Chromium alone, visit {number}: {line} | | | | |", flush=True)


def a_class(
    folder: Path, model: Path, options: argparse.Namespace, pictures: Sequence[Sequence[Picture]], picture: Path
) -> None:
    """Measure a class, once for each size of the pool; all but the pages with the last."""
    minutes, sizes = options.minutes, options.pool
    for index, size in enumerate(sizes):
        last = index == len(sizes) - 1
        options.pool, options.minutes, options.answers = size, minutes if last else 0, last
        riding = options.browsers if last else 0
        command = ["--token", TOKEN, "--pool", str(size), "--model", str(model)]
        with running_whole_class(folder, options.learners + riding, *command) as opened:
            options.workers = len(opened.workers())
            name = f"**{options.learners} learners, {size} kernels kept ready**"
            print(f"| {name} | | | | opened after {opened.took:.1f} |", flush=True)
            if size:
                time.sleep(options.settle)
                alone(opened.learners, picture, options.alone)
                time.sleep(options.settle)
            with browsers(opened.learners, riding, picture):
                asyncio.run(load(opened.learners, opened.server, options, pictures, opened.teacher))


def todays_way(folder: Path, model: Path, options: argparse.Namespace, pictures: Sequence[Sequence[Picture]]) -> None:
    """Measure the dashboard for one person with some pages, as far as it goes."""
    options.learners, options.minutes, options.answers, options.pool = options.today, 0, True, 0
    print(f"| **the dashboard for one person: {options.today} pages, a model in each kernel** | | | | |", flush=True)
    command = [sys.executable, "-m", "lesionviz"]
    with running_dashboard(command, folder, "--model", str(model)) as (address, pid):
        asyncio.run(load(address, psutil.Process(pid), options, pictures))


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--pool", type=int, nargs="*", default=[0, 8], help="sizes of the pool of ready kernels")
    parser.add_argument("--minutes", type=float, default=3, help="of (c), with the last size of the pool")
    parser.add_argument(
        "--browsers", type=int, default=3, help="real Chromiums among them, with the last size of the pool"
    )
    parser.add_argument("--alone", type=int, default=4, help="visits of a Chromium before anybody else comes")
    parser.add_argument("--settle", type=float, default=20, help="seconds to fill the pool before anybody comes")
    parser.add_argument("--today", type=int, default=6, help="pages of the dashboard for one person, afterwards")
    options = parser.parse_args()
    checkpoint = Checkpoint.load()
    numbers = range(max(options.learners, options.today))
    pictures = [[Picture(number, count, checkpoint) for count in range(PICTURES)] for number in numbers]
    riding_along = Picture(999, 0, checkpoint)
    cores = psutil.cpu_count()
    print(f"{cores} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB; times in seconds\n")
    print("| | count | median | 95th percentile | longest |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, picture = folder / "model.pth", folder / riding_along.name
        replace(checkpoint, refusal={}).save(model)  # drawings are no dermoscopy, and the real model says so
        picture.write_bytes(riding_along.data)
        if options.learners:
            a_class(folder, model, options, pictures, picture)
        if options.today:
            todays_way(folder, model, options, pictures)


if __name__ == "__main__":
    main()

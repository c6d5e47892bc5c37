"""A whole class before one server: how long pages and answers take, what they cost in memory, and whether any is another's.

    python tests/benchmarks/class_load.py [--learners 40] [--pool 8] [--minutes 3] [--browsers 3] [--today 6]

The real server, opened over loopback by learners without a browser (tests/learner.py), which say to it what the page
says, with some real Chromiums among them; all on this machine, so that the load's own work counts against the server.
In one run: (a) all open the page within a second, (b) all send a picture within a second, (c) each sends one every 10
± 5 s for some minutes. Each learner's pictures are drawn for him alone, and each answer is held to the name and to
the very pixels that he sent. Memory is the proportional set size (PSS) of the server and everything that it started.
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
from learner import Answered, Learner
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


def memory(server: psutil.Process) -> dict[str, float]:
    """Return the proportional set size in MiB of the server, the kernels, and what else it started."""
    parts = {"server": 0.0, "kernels": 0.0, "scheduler and workers": 0.0}
    for process in (server, *server.children(recursive=True)):
        try:
            words, size = " ".join(process.cmdline()), process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue  # it has just ended
        kind = "server" if process == server else "kernels" if "ipykernel" in words else "scheduler and workers"
        parts[kind] += size
    return parts


def kernels(server: psutil.Process) -> int:
    """Return how many kernels the server has."""
    children = server.children(recursive=True)
    return sum("ipykernel" in " ".join(one.as_dict(["cmdline"], ad_value=[])["cmdline"] or []) for one in children)


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


async def load(
    address: str, server: psutil.Process, options: argparse.Namespace, pictures: Sequence[Sequence[Picture]]
) -> None:
    """Do (a), (b) and (c), and print what they took."""
    learners = [Learner(address) for _ in range(options.learners)]
    first = [own[0] for own in pictures]
    opened = await within_a_second([learner.open() for learner in learners])
    told("(a) page, from GET to the first control", opened)
    print(f"|     all pages after | | | | {max(opened):.1f} |")
    strangers, answers = 0, []
    if options.answers:
        sent = await within_a_second(
            [learner.send(one.name, one.data) for learner, one in zip(learners, first, strict=True)]
        )
        strangers += sum(not one.is_of(answered) for one, answered in zip(first, sent, strict=True))
        told("(b) answer with its map, from the upload", [one.first for one in sent])
        told("(b) all maps", [one.all_maps or 0 for one in sent])
        parts = memory(server)
        if options.minutes:
            until = time.monotonic() + 60 * options.minutes

            async def works(number: int, learner: Learner) -> int:
                chance, wrong, count = random.Random(number), 0, 0
                await asyncio.sleep(chance.uniform(0, 10))
                while time.monotonic() < until:
                    count += 1
                    picture = pictures[number][count % PICTURES]
                    answered = await learner.send(picture.name, picture.data)
                    wrong += not picture.is_of(answered)
                    answers.append(answered)
                    await asyncio.sleep(chance.uniform(5, 15))
                return wrong

            strangers += sum(await asyncio.gather(*(works(*one) for one in enumerate(learners))))
            told("(c) answer with its map", [one.first for one in answers])
            told("(c) all maps", [one.all_maps or 0 for one in answers])
            parts = memory(server)
        print(f"|     answers with another's picture | {len(sent) + len(answers)} | | | {strangers} |")
    else:
        parts = memory(server)
    shown = ", ".join(f"{name} {size:.0f}" for name, size in parts.items() if size)
    print(f"|     memory in MiB: {shown} | | | | {sum(parts.values()):.0f} |")
    await asyncio.gather(*(learner.leave() for learner in learners))
    for _ in range(100):
        if kernels(server) <= options.pool:
            break
        await asyncio.sleep(0.5)
    print(f"|     kernels left beside the pool | | | | {max(0, kernels(server) - options.pool)} |")


@contextmanager
def browsers(address: str, count: int, picture: Picture, folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Real Chromiums that open the page and send a picture, each in a process of its own."""
    file = folder / picture.name
    file.write_bytes(picture.data)
    command = [sys.executable, str(Path(__file__).with_name("class_browser.py")), address, str(file)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    try:
        yield running
    finally:
        for one in running:
            out, _ = one.communicate(timeout=300)
            print(f"|     a real Chromium beside: {out.strip()} | | | | |")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=40)
    parser.add_argument("--pool", type=int, nargs="*", default=[0, 8], help="sizes of the pool of ready kernels")
    parser.add_argument("--minutes", type=float, default=3, help="of (c), with the last size of the pool")
    parser.add_argument(
        "--browsers", type=int, default=3, help="real Chromiums among them, with the last size of the pool"
    )
    parser.add_argument("--settle", type=float, default=20, help="seconds to fill the pool before anybody comes")
    parser.add_argument("--today", type=int, default=0, help="pages of the dashboard for one person instead")
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
        model = folder / "model.pth"
        replace(checkpoint, refusal={}).save(model)  # drawings are no dermoscopy, and the real model says so
        if options.today:
            options.learners, options.minutes, options.answers = options.today, 0, True
            options.pool = 0
            print(f"| **today's way: {options.learners} pages, a model in each kernel** | | | | |")
            with running_dashboard([sys.executable, "-m", "lesionviz"], folder, "--model", str(model)) as (
                address,
                pid,
            ):
                asyncio.run(load(address, psutil.Process(pid), options, pictures))
            return
        minutes, sizes = options.minutes, options.pool
        for index, size in enumerate(sizes):
            last = index == len(sizes) - 1
            options.pool, options.minutes, options.answers = size, minutes if last else 0, last
            riding = options.browsers if last else 0
            command = ["--token", TOKEN, "--pool", str(size), "--model", str(model)]
            with running_whole_class(folder, options.learners + riding, *command) as opened:
                print(
                    f"| **{options.learners} learners, {size} kernels kept ready** | | | | opened after {opened.took:.1f} |"
                )
                time.sleep(options.settle if size else 0)
                with browsers(opened.learners, riding, riding_along, folder):
                    asyncio.run(load(opened.learners, opened.server, options, pictures))


if __name__ == "__main__":
    main()

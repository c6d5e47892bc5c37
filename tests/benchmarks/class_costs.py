"""What a class costs: memory and processor time of the server and of all that it started, and what a larger one would need.

The larger classes are sums, not measurements: so many times what one learner of a measured class took.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

PARTS = ("server", "kernels", "scheduler and workers")
BUSY = 0.7
"""How much of its cores a machine may use before those who wait are many."""
PAGES_A_CORE = 20
"""Pages that a core is given at most, so that a class that opens them at once waits no longer than forty on two cores."""


def _each_part(server: psutil.Process) -> dict[str, list[psutil.Process]]:
    parts: dict[str, list[psutil.Process]] = {name: [] for name in PARTS}
    parts["server"].append(server)
    for process in server.children(recursive=True):
        words = " ".join(process.as_dict(["cmdline"], ad_value=[])["cmdline"] or [])
        parts["kernels" if "ipykernel" in words else "scheduler and workers"].append(process)
    return parts


def _summed(server: psutil.Process, measure: Callable[[psutil.Process], float]) -> dict[str, float]:
    sums = dict.fromkeys(PARTS, 0.0)
    for name, processes in _each_part(server).items():
        for process in processes:
            with suppress(psutil.Error):  # it has just ended
                sums[name] += measure(process)
    return sums


def memory(server: psutil.Process) -> dict[str, float]:
    """Return the proportional set size (PSS) in MiB of the server, the kernels, and what else it started."""
    return _summed(server, lambda process: process.memory_full_info().pss / 2**20)


def processor(server: psutil.Process) -> dict[str, float]:
    """Return the seconds of a core that each part has used since it started."""
    return _summed(server, lambda process: sum(process.cpu_times()[:2]))  # user and system


def kernels(server: psutil.Process) -> int:
    """Return how many kernels the server has."""
    return len(_each_part(server)["kernels"])


@dataclass(frozen=True)
class Costs:
    """What a measured class took.

    Attributes:
        learners: how many there were.
        seconds: how long they worked.
        used: seconds of a core that each part used meanwhile.
        held: MiB that each part held at the end.
        pages: how many kernels held them.
        workers: how many there were.
    """

    learners: int
    seconds: float
    used: dict[str, float]
    held: dict[str, float]
    pages: int
    workers: int

    def told(self) -> str:
        """Return a sentence with what a learner costs."""
        share = {name: 1000 * used / self.seconds / self.learners for name, used in self.used.items()}
        words = ", ".join(f"{name} {milli:.1f}" for name, milli in share.items())
        return f"a learner at work used so many thousandths of a core: {words}"

    def sums(self, learners: int) -> str:
        """Return a row of Markdown: what so many learners would need, were each like one of those measured."""
        cores = {name: used / self.seconds / self.learners * learners for name, used in self.used.items()}
        total = sum(cores.values()) / BUSY
        servers = max(1, math.ceil(cores["server"] / BUSY))  # a server is one process, on one core
        workers = max(1, math.ceil(cores["scheduler and workers"] / BUSY))
        held = (
            servers * self.held["server"]
            + learners * self.held["kernels"] / self.pages
            + workers * self.held["scheduler and workers"] / self.workers
        ) / 1024
        return (
            f"| {learners:,} | {servers} | {workers} | {max(total, learners / PAGES_A_CORE):.0f} | {held:.0f} GiB |"
        )


SUMS = "| learners | servers | workers | cores | memory |\n|---|---|---|---|---|"
"""The head of the table of :meth:`Costs.sums`."""

"""From one worker to two: how many questions a class's workers answer in a second, with one thread each, in turns.

    python tests/benchmarks/class_workers.py [--rounds 9] [--pictures 16]

The engine of the class (scheduler and workers as processes of their own, TLS between them) without the server and the
pages before it. Both clusters stand ready; in each round one after the other is asked the same: of each picture the
answer with its first map, and the maps of all layers. The ratio is the median over rounds, with quartiles.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence

import numpy as np
import psutil

from lesionviz.checkpoint import default_path
from lesionviz.classifier import load
from lesionviz.cluster import Far, answer
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.workers import Workers


def questions_about(pictures: int) -> list[bytes]:
    """Return what pages would ask about so many drawn pictures."""
    classifier, asked = load(), list[bytes]()

    def ask(question: bytes) -> bytes:
        asked.append(question)
        return answer(classifier, question)

    far = Far(ask)
    for number in range(pictures):
        far.complete(far.examine(draw_lesion(CODES[number % 4], number, (600, 450))))
    return asked[1:]  # the first asks for the facts


async def in_a_second(workers: Workers, questions: Sequence[bytes]) -> float:
    """Ask everything at once; return how many questions were answered in a second."""
    start = time.monotonic()
    await asyncio.gather(*(workers.ask(question) for question in questions))
    return len(questions) / (time.monotonic() - start)


async def compare(rounds: int, questions: Sequence[bytes]) -> None:
    """Ask one worker and two in turns, and print what came of it."""
    model = default_path().read_bytes()
    clusters = {count: Workers(model, workers=count) for count in (1, 2)}
    speeds: dict[int, list[float]] = {count: [] for count in clusters}
    try:
        for workers in clusters.values():
            await workers.start()
            await in_a_second(workers, questions)
        for _ in range(rounds):
            for count, workers in clusters.items():
                speeds[count].append(await in_a_second(workers, questions))
    finally:
        await asyncio.gather(*(workers.close() for workers in clusters.values()))
    ratios = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    print(f"{psutil.cpu_count()} cores, {rounds} rounds of {len(questions)} questions, one thread a worker")
    print(*(f"{count} worker(s): {statistics.median(seen):.1f} a second" for count, seen in speeds.items()), sep="\n")
    print(f"from one to two: {middle:.2f} times as many ({low:.2f} to {high:.2f})")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--pictures", type=int, default=16)
    options = parser.parse_args()
    asyncio.run(compare(options.rounds, questions_about(options.pictures)))


if __name__ == "__main__":
    main()

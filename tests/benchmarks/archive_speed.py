"""How fast, how equal and how lean a run over an archive is, beside the original notebook's loop; in one run, interleaved.

    python tests/benchmarks/archive_speed.py IMAGES [--only speed workers cost …] [--images 240] [--rounds 7]

IMAGES is a folder of JPEGs, 600 x 450 for the figures that are reported. The original's loop takes one image at a time,
with Pillow and plain fp32, on as many threads as torch wants, and gives a class; ours gives a whole row: hash, quality,
refusal, warning and probabilities, in a Parquet part. Ratios are medians over rounds of (their time / our time) in the
same round, with the quartiles; nothing is asserted.

Paths are PyTorch in fp32 and in bf16; OpenVINO in both where it is installed, which in fp32 then is the default; and
PyTorch in fp32 on a GPU of NVIDIA where there is one.

* ``speed``: goals are 4 with everything, 2.5 for fp32, 1.7 from one thread to two. The original's loop gets a new process
  each round. So do those that the command takes for many images: they are timed from the first part that one has made.
* ``agreement``: each fast path against one image at a time, over ``--agreement`` images (give a folder with so many).
* ``memory``: proportional set size of ``lesionviz score``, all its processes together, between ``--from-images`` and
  ``--to-images``; files are linked to again and again, so that a folder of a few hundred is enough.
* ``rows``: the same over ``--rows`` rows with a stand-in for reading and network.
* ``workers``: images a second with one and two workers of one thread each, started beforehand and asked in turn.
* ``whole``: images a second of ``lesionviz score`` by each path on all cores there are, its start left out, over
  ``--whole`` images, in turn.
* ``reading``: milliseconds an image for reading alone, by 1, 2, 4 … threads up to the cores there are.
* ``cost``: hours for a million images on other machines, computed from what was measured here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torchvision import transforms

from lesionviz.archive.asking import Asking
from lesionviz.archive.background import Background
from lesionviz.archive.engine import Looked, Part, Shard
from lesionviz.archive.local import LocalEngine
from lesionviz.archive.manifest import CUDA, OPENVINO, TORCH, Manifest, now, run_bytes, versions
from lesionviz.archive.pool import MANY, PoolEngine
from lesionviz.archive.run import BATCH_ON_GPU, DEFAULTS, run
from lesionviz.archive.schema import Row, part_of, schema
from lesionviz.archive.setup import LocalSetup
from lesionviz.archive.state import Run
from lesionviz.archive.store import Store
from lesionviz.archive.worker_side import HOME
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.folders import walk
from lesionviz.diagnoses import CODES
from lesionviz.machine import cores, has, keep_freed_memory, version
from lesionviz.prediction import Prediction
from lesionviz.workers import Workers

BATCH, WARM = DEFAULTS["batch"], 16
PATHS = {"fp32": (TORCH, "float32"), "bf16": (TORCH, "bfloat16")}
"""What computes, and in what, as the command names it."""
if has(OPENVINO):
    PATHS |= {"openvino": (OPENVINO, "float32"), "openvino bf16": (OPENVINO, "bfloat16")}
if torch.cuda.is_available():
    PATHS["cuda"] = (CUDA, "float32")


def original_loop(paths: Sequence[Path]) -> float:
    """Do what the original notebook does, one image at a time; return the seconds it took, once it is warm."""
    network = Checkpoint.load().network()
    prepare = transforms.Compose(
        [
            transforms.Resize((224, 224)),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    with torch.no_grad():
        for place, path in enumerate([*paths[:WARM], *paths]):
            if place == WARM:
                began = time.perf_counter()
            batch = prepare(Image.open(path).convert("RGB")).unsqueeze(0)
            torch.softmax(network(batch), dim=1).argmax().item()
    return time.perf_counter() - began


def our_engine(path: str, threads: int) -> LocalEngine:
    """Return the engine as ``lesionviz score`` makes it."""
    engine, precision = PATHS[path]
    setup = LocalSetup(None, precision, threads, engine)
    return setup.local_engine(manifest_of(setup.identity(None), batch_of(path)))


def batch_of(path: str) -> int:
    """Return how many images a path takes at once."""
    return BATCH_ON_GPU if path == CUDA else BATCH


def manifest_of(identity: dict[str, Any], batch: int, images: int = 1, shard: int = 512) -> Manifest:
    """Return what a run would say of itself."""
    chosen = {"shard": shard, "batch": batch, "embeddings": False, "maps": False}
    about = {"images": images, "images_sha256": "", "created": now(), "notes": []}
    return Manifest(**identity, **chosen, **about, versions=versions(identity["engine"]))


def ours(engine: LocalEngine, paths: Sequence[Path]) -> float:
    """Run the engine over one shard, its part included; return the seconds it took."""
    shard = Shard(0, 0, tuple(map(str, paths)))
    began = time.perf_counter()
    assert len(list(engine.score([shard], lambda _: None, lambda: False))) == 1
    return time.perf_counter() - began


def our_processes(path: str, processes: int) -> PoolEngine:
    """Return the engine as ``lesionviz score`` makes it for many images."""
    engine, precision = PATHS[path]
    setup = LocalSetup(None, precision, processes, engine)
    manifest = manifest_of(setup.identity(None), batch_of(path), images=MANY)
    made = setup.engine(manifest)
    assert isinstance(made, PoolEngine), "there is no room for processes"
    return made


def warm(engine: PoolEngine, paths: Sequence[Path]) -> float:
    """Run the engine over the images eight times; return the seconds that each time took once it was warm.

    In the end one process has nothing left to do while another is at its last shard. Of a run of 10,000 images that is
    nothing, so of eight times it may be little.
    """
    size, places = 24, list(map(str, paths))
    again = [places[start : start + size] for start in range(0, len(places), size)] * 8
    first = [places[:size]] * engine.processes
    shards = [Shard(number, 0, tuple(images)) for number, images in enumerate([*first, *again])]
    parts = engine.score(shards, lambda _: None, lambda: False)
    next(parts)  # the others' first ones count as ours, which is not in our favour
    began = time.perf_counter()
    assert len(list(parts)) == len(shards) - 1
    return (time.perf_counter() - began) / 8


def speed(paths: Sequence[Path], rounds: int) -> None:
    """Print the table of ratios."""
    two = cores()
    keep_freed_memory()  # as a run does; the original's loop is spared it
    engines = {
        f"ours, {name}, {threads} thread{'s' if threads > 1 else ''}": our_engine(name, threads)
        for name in PATHS
        for threads in (two, 1)
    }
    pools = {f"ours, {name}, {two} processes": our_processes(name, two) for name in PATHS if name != CUDA}
    original = "the original's loop, fp32"
    times: dict[str, list[float]] = {job: [] for job in (original, *engines, *pools)}
    for number in range(rounds + 1):
        # Its time hangs on the process: one may be a quarter slower than the other from its first image to its last.
        with ProcessPoolExecutor(1, get_context("spawn")) as apart:
            taken = {original: apart.submit(original_loop, paths).result()}
        taken |= {job: ours(engine, paths) for job, engine in engines.items()}
        taken |= {job: warm(engine, paths) for job, engine in pools.items()}
        for job, seconds in taken.items() if number else ():  # the first round warms up
            times[job].append(seconds / len(paths) * 1e3)
    width, height = Image.open(paths[0]).size
    print(f"{len(paths)} JPEGs, the first of {width} x {height}; {rounds} rounds, interleaved\n")
    print(f"{'job':<32}{'ms/image':>10}{'ratio':>8}  (quartiles)")
    unit = np.array(times[original])
    for job, each in times.items():
        low, middle, high = np.percentile(unit / np.array(each), [25, 50, 75])
        print(f"{job:<32}{np.median(each):>10.1f}{middle:>8.2f}  ({low:.2f} to {high:.2f})")
    print(f"the original's loop in {rounds} processes: {unit.min():.1f} to {unit.max():.1f}")
    for name in PATHS:
        one, all_of_them = (np.array(times[f"ours, {name}, {threads}"]) for threads in ("1 thread", f"{two} threads"))
        low, middle, high = np.percentile(one / all_of_them, [25, 50, 75])
        print(f"from 1 thread to {two}, {name}: {middle:.2f} ({low:.2f} to {high:.2f})")


def agreement(paths: Sequence[Path]) -> None:
    """Print how far each fast path is from one image at a time."""
    plain = LesionClassifier(Checkpoint.load())
    expected = [plain.predict(path) for path in paths]
    print(f"{len(paths):,} images against one at a time, fp32\n")
    print(f"{'path':<15}{'diagnosis':>11}{'refusal':>9}{'warning':>9}{'most':>9}{'beyond 0.01':>13}")
    for name in PATHS:
        engine = our_engine(name, cores())
        found: list[Row] = []
        engine.scorer.begin_thread()
        for start in range(0, len(paths), batch_of(name)):
            looked = [engine.scorer.look(0, str(path)) for path in paths[start : start + batch_of(name)]]
            found += engine.scorer.rows(looked)
        engine.scorer.end()
        pairs = [(row.prediction, before) for row, before in zip(found, expected, strict=True)]
        same = [
            np.mean([getattr(a, key) == getattr(b, key) for a, b in pairs])
            for key in ("diagnosis", "refusal", "warning")
        ]
        away = np.array([max(abs(a.probabilities[c] - b.probabilities[c]) for c in CODES) for a, b in pairs if a])
        print(
            f"{name:<15}{same[0]:>11.2%}{same[1]:>9.2%}{same[2]:>9.2%}{away.max():>9.4f}{np.mean(away > 0.01):>13.2%}"
        )


class StandIn:
    """A scorer without files and without a network, and what makes an engine of it."""

    at_once = None

    def __init__(self) -> None:
        self._schema = schema({})

    def begin_thread(self) -> None:
        """Nothing hangs on the thread."""

    def end(self) -> None:
        """Nothing was changed."""

    def look(self, number: int, image: str) -> Looked:
        return Looked(number, image, f"{number:064x}", (600, 450))

    def rows(self, looked: Sequence[Looked]) -> list[Row]:
        answer = Prediction(
            "NV", 0.7, dict(zip(CODES, (0.1, 0.1, 0.1, 0.7), strict=True)), "drawn", notes=("rather dark",)
        )
        return [Row(each.number, each.image, each.sha256, each.seen, answer) for each in looked]

    def part(self, shard: Shard, rows: Sequence[Row]) -> Part:
        return Part(shard.number, 0, part_of(rows, self._schema))

    def identity(self, recorded: Manifest | None) -> dict[str, Any]:
        return {"engine": "stand-in", "views": 1, "model_path": "", "model_sha256": "0" * 64, "precision": "float32"}

    def engine(self, manifest: Manifest) -> LocalEngine:
        return LocalEngine(self, manifest.batch, 2)


def pss_of(process: int) -> float:
    """Return the proportional set size of a process and of those that it started, MiB."""
    whole, found = psutil.Process(process), 0
    for each in (whole, *whole.children(recursive=True)):
        with suppress(OSError):  # it has ended meanwhile
            lines = Path(f"/proc/{each.pid}/smaps_rollup").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found / 1024


def followed(command: Sequence[str], out: Path, first: int, every: float) -> None:
    """Run a command that writes a run, and print how its memory grows with the images that are done."""
    samples: list[tuple[int, float]] = []
    total = 0
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            time.sleep(every)
            if (out / "manifest.json").exists():
                try:
                    found = Run.read(out)
                    total = found.manifest.images
                    samples.append((found.done, pss_of(process.pid)))
                except psutil.Error:  # it has ended meanwhile
                    break
    spent = time.monotonic() - began
    assert process.returncode == 0, f"ended with {process.returncode}"
    done, size = np.array(samples).T
    later, joining = (done >= first) & (done < total), done == total
    slope = np.polyfit(done[later], size[later], 1)[0] * 1000 if later.sum() > 2 else float("nan")
    print(f"{total:,} images in {spent:,.0f} s; after the first {first:,}, MiB of PSS:")
    print(f"  {size[later].min():,.0f} to {size[later].max():,.0f}, {slope:+.4f} for each 1,000 images")
    if joining.any():
        print(f"  at most {size[joining].max():,.0f} while the table was written")


def linked(paths: Sequence[Path], folder: Path, count: int) -> Path:
    """Return a new folder in which so many files are links to the given ones, again and again."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:07}.jpg").symlink_to(paths[number % len(paths)].resolve())
    return folder


def memory(paths: Sequence[Path], first: int, last: int) -> None:
    """Print the slope with the network."""
    with tempfile.TemporaryDirectory() as name:
        links, out = linked(paths, Path(name, "links"), last), Path(name, "out")
        command = [sys.executable, "-m", "lesionviz", "score", str(links), "--out", str(out)]
        followed(command, out, first, 1)


def rows(count: int) -> None:
    """Print the slope without the network."""
    with tempfile.TemporaryDirectory() as name:
        table, out = Path(name, "paths.csv"), Path(name, "out")
        Path(name, "0.jpg").touch()
        with table.open("w") as file:
            file.write("path\n")
            file.writelines(f"{number}.jpg\n" for number in range(count))
        followed([sys.executable, __file__, str(table), "--only", "stand-in", "--out", str(out)], out, count // 20, 1)


def workers(paths: Sequence[Path], rounds: int) -> None:
    """Print what a second worker brings: both clusters run all the time, and one of them is asked at a time.

    The images are scored twice over, so that two workers get as many shards: of 15, one would have an eighth more.
    """
    paths = [*paths, *paths]
    shards = [
        Shard(number, start, tuple(map(str, paths[start : start + 2 * BATCH])))
        for number, start in enumerate(range(0, len(paths), 2 * BATCH))
    ]
    local = LocalSetup(None, None, None)
    manifest = manifest_of(local.identity(None), BATCH, len(paths), 2 * BATCH)
    loop, times = Background(), dict[int, list[float]]({1: [], 2: []})
    clusters = {
        count: Workers(
            run_bytes(manifest, local.model(manifest)), workers=count, answering=HOME, first=b"", spread=True
        )
        for count in times
    }

    def never() -> bool:
        return False

    async def end() -> None:
        for each in clusters.values():
            await each.close()

    try:
        for each in clusters.values():
            loop.wait(each.start(), never)
        for number in range(rounds + 1):
            for count, each in clusters.items():
                began = time.perf_counter()
                asking = Asking(each, iter(shards), print)
                while loop.wait(asking.next(), never) is not None:
                    pass
                if number:  # the first round warms up
                    times[count].append(len(paths) / (time.perf_counter() - began))
    finally:
        loop.end(end())
    print(f"{len(paths)} images in shards of {2 * BATCH}; {rounds} rounds, interleaved; one thread for each worker")
    for count, rates in times.items():
        low, middle, high = np.percentile(rates, [25, 50, 75])
        print(f"{count} worker{'s' if count > 1 else ' '}: {middle:.1f} images a second ({low:.1f} to {high:.1f})")
    low, middle, high = np.percentile(np.array(times[2]) / np.array(times[1]), [25, 50, 75])
    print(f"from 1 worker to 2: {middle:.2f} ({low:.2f} to {high:.2f})")


def whole(paths: Sequence[Path], count: int, rounds: int) -> None:
    """Print how fast the command is on the whole machine."""
    rates: dict[str, list[float]] = {path: [] for path in PATHS}
    with tempfile.TemporaryDirectory() as name:
        links = linked(paths, Path(name, "links"), count)
        for number in range(rounds):
            for path, found in rates.items():
                out, (engine, precision) = Path(name, f"{path}-{number}"), PATHS[path]
                score = [sys.executable, "-m", "lesionviz", "score", str(links), "--out", str(out)]
                how = ["--engine", engine, "--precision", precision]
                subprocess.run([*score, *how], check=True, capture_output=True)
                (session,) = Store(out).sessions()
                found.append(session.images / session.seconds)
    if torch.cuda.is_available():
        print(f"and one {torch.cuda.get_device_name()}")
    print(f"{count:,} images; {rounds} runs of each path, in turn")
    for path, found in rates.items():
        low, middle, high = (min(found), np.median(found), max(found))
        hours = 1e6 / middle / 3600
        print(f"{path:<15}{middle:>8.1f} images a second ({low:.1f} to {high:.1f}): a million in {hours:.2f} h")


def reading(paths: Sequence[Path], rounds: int) -> None:
    """Print what further threads bring that read images and make them ready, as they do in front of a GPU."""
    look = our_engine("fp32", 1).scorer.look
    times: dict[int, list[float]] = {2**power: [] for power in range(cores().bit_length())}
    for _ in range(rounds):
        for threads, found in times.items():
            with ThreadPoolExecutor(threads) as pool:
                began = time.perf_counter()
                list(pool.map(lambda path: look(0, str(path)), paths))
                found.append((time.perf_counter() - began) / len(paths) * 1e3)
    for threads, found in times.items():
        low, middle, high = np.percentile(found, [25, 50, 75])
        print(f"{threads:>3} thread{'s' if threads > 1 else ' '} {middle:>6.2f} ms ({low:.2f} to {high:.2f})")


def cost(paths: Sequence[Path]) -> None:
    """Print hours for a million images: what was measured here on one thread, and what follows from it elsewhere."""
    torch.set_num_threads(1)
    for name in (path for path in PATHS if path != CUDA):
        scorer = our_engine(name, 1).scorer
        look, answer = [], []
        for start in range(0, len(paths), BATCH):
            began = time.thread_time()
            looked = [scorer.look(0, str(path)) for path in paths[start : start + BATCH]]
            between = time.thread_time()
            scorer.rows(looked)
            look.append((between - began) / len(looked))
            answer.append((time.thread_time() - between) / len(looked))
        reading, network = np.median(look), np.median(answer)
        print(f"\n{name}, measured on one thread of {cpu()}:")
        print(
            f"  {reading * 1e3:.1f} ms to read and make ready, {network * 1e3:.1f} ms in the network, for each image"
        )
        hours = (reading + network) * 1e6 / 3600
        print(f"  a million images: {hours:.1f} core hours; computed from that, at 85 % of the cores' sum:")
        for machine, count in (
            ("laptop, 4 cores like these", 4),
            ("server, 16 cores", 16),
            ("ten such servers", 160),
        ):
            print(f"    {machine:<28}{hours / (0.85 * count):>7.2f} h")


def cpu() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    able = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in flags]
    return f"{names[0] if names else 'an unknown processor'}, {cores()} cores, {', '.join(able)}"


def main(options: argparse.Namespace) -> None:
    if options.only == ["stand-in"]:
        run(options.images_in, options.out, StandIn(), {}, progress=False)
        return
    paths = walk(options.images_in).images
    libraries = f"torch {torch.__version__}, openvino {version('openvino')}"
    print(f"{cpu()}; {libraries}, {torch.get_num_threads()} threads\n", flush=True)
    sections: dict[str, Callable[[], None]] = {
        "speed": lambda: speed(paths[: options.images], options.rounds),
        "agreement": lambda: agreement(paths[: options.agreement]),
        "memory": lambda: memory(paths, options.from_images, options.to_images),
        "rows": lambda: rows(options.rows),
        "workers": lambda: workers(paths[: options.images], options.rounds),
        "whole": lambda: whole(paths, options.whole, options.rounds),
        "reading": lambda: reading(paths[: options.images], options.rounds),
        "cost": lambda: cost(paths[: options.images]),
    }
    for path in PATHS.keys() - set(options.paths):
        del PATHS[path]
    for name, do in sections.items():
        if name in options.only:
            print(f"--- {name} ---", flush=True)
            do()
            print(flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images_in", type=Path, metavar="IMAGES")
    parser.add_argument(
        "--only", nargs="+", default=["speed", "agreement", "memory", "rows", "workers", "whole", "reading", "cost"]
    )
    parser.add_argument("--paths", nargs="+", choices=list(PATHS), default=list(PATHS), help="(default: all)")
    numbers = {
        "images": 240,
        "rounds": 7,
        "agreement": 1000,
        "from_images": 1000,
        "to_images": 20000,
        "rows": 1000000,
        "whole": 2000,
    }
    for option, value in numbers.items():
        parser.add_argument(f"--{option.replace('_', '-')}", type=int, default=value)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    main(parser.parse_args())

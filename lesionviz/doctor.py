"""``lesionviz doctor``: looks at what lesionviz stands on, and says what to do about each thing that is wrong.

It is for installations that do not work, so it imports nothing that may be missing or broken: packages are asked for
their versions, and torch is tried in a process of its own.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeAlias

from lesionviz.files import sha256
from lesionviz.machine import (
    GIB,
    MIB,
    SHARED_MEMORY,
    available_memory,
    existing,
    give_home,
    has,
    jupyter_paths,
    jupyter_runtime,
    version,
    writable,
)

State: TypeAlias = Literal["ok", "note", "WRONG"]
PORT = 8866
"""Where the dashboard listens unless told otherwise; the next ones are tried when it is taken."""
MODEL = Path(__file__).parent / "models" / "best_model.pth"
DRAWN = MODEL.with_name("drawings.pth")
MEMORY = 2 * GIB
"""Bytes that one person's dashboard needs: a server, a kernel with torch, and some pictures."""
DISK = GIB
SMALL_SHARED_MEMORY = 256 * MIB
PATIENCE = 180
"""Seconds that a package gets to be imported; the first time after an installation is slow."""
OLDEST_PYTHON = (3, 11)
PARTNERS = (
    ("ipywidgets", "jupyterlab-widgets", {8: 3, 7: 1}),
    ("ipywidgets", "widgetsnbextension", {8: 4, 7: 3}),
)
"""Packages whose first numbers belong together, by the first one's."""
EXTENSIONS = {"@jupyter-widgets/jupyterlab-manager": "jupyterlab-widgets", "anywidget": "anywidget"}
"""What must lie in Jupyter's folder for widgets to be drawn, and the package that puts it there."""
TRY_TORCH = (
    "import torch, torchvision; from torchvision.ops import nms; "
    "nms(torch.zeros(1, 4), torch.zeros(1), 0.5); print(torch.get_num_threads(), torch.cuda.is_available())"
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        state: ``"ok"``; ``"note"`` for what limits something that not everybody does; or ``"WRONG"``.
        told: what was found.
        advice: what to do, a sentence; empty when all is well.
    """

    name: str
    state: State
    told: str
    advice: str = ""


def examine() -> list[Finding]:
    """Look at everything; a look that fails becomes a finding of its own."""
    looks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("Python", _python),
        ("home", _home),
        ("packages", _packages),
        ("torch", _torch),
        ("pictures", _pictures),
        ("widgets", _widgets),
        ("folders", _folders),
        ("ports", _ports),
        ("memory", _memory),
        ("model", _model),
        ("terminal", _terminal),
    )
    found: list[Finding] = []
    for name, look in looks:
        try:
            found += look()
        except Exception as error:  # noqa: BLE001 - a doctor who faints helps nobody; the cause is said
            found.append(Finding(name, "WRONG", f"cannot be looked at: {error!r}", "Report this line to lesionviz."))
    return found


def to_text(findings: list[Finding]) -> str:
    """Return aligned lines of plain letters, what is wrong with its advice below, and a sentence that sums up."""
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:<6} {finding.name:<{width}}  {finding.told}")
        if finding.advice:
            lines.append(f"{'':<6} {'':<{width}}  -> {finding.advice}")
    wrong = sum(finding.state == "WRONG" for finding in findings)
    lines += ["", f"{wrong} of {len(findings)} things are wrong." if wrong else "Nothing is wrong."]
    return "\n".join(lines)


def _python() -> Iterator[Finding]:
    told = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        yield Finding("Python", "WRONG", told, f"Install Python {wanted} or newer, and lesionviz there.")
    elif sys.maxsize < 2**32:
        yield Finding(
            "Python", "WRONG", f"{told}, 32 bits", "Install a Python of 64 bits: torch exists for no other."
        )
    else:
        yield Finding("Python", "ok", told)


def _home() -> Iterator[Finding]:
    """Go on with a temporary home where there is none, as every other command does."""
    if told := give_home():
        yield Finding("HOME", "note", told, "Name one that stays: export HOME=FOLDER")


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what lesionviz asks for."""
    own = version("lesionviz")
    if own is None:
        yield Finding("lesionviz", "note", "runs from a folder and is not installed", "Install it: pip install -e .")
        return
    yield Finding("lesionviz", "ok", own)
    from packaging.requirements import Requirement  # comes with Jupyter

    problems = 0
    for line in metadata.requires("lesionviz") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        found = version(requirement.name)
        if found is None or not requirement.specifier.contains(found, prereleases=True):
            problems += 1
            told = "is missing" if found is None else f"{found} is installed"
            advice = f"Install it: pip install '{requirement.name}{requirement.specifier}'."
            yield Finding(requirement.name, "WRONG", f"{told}, {requirement.specifier} is needed", advice)
    if not problems:
        yield Finding("packages", "ok", "all that lesionviz needs are there, and new enough")


def _torch() -> Iterator[Finding]:
    """Import torch and torchvision where a crash does no harm, and run what only a matching pair can."""
    pair = f"torch {version('torch')}, torchvision {version('torchvision')}"
    try:
        tried = subprocess.run(
            [sys.executable, "-c", TRY_TORCH], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        yield Finding("torch", "WRONG", f"{pair}: not imported after {PATIENCE} s", "Free memory, and try again.")
        return
    if tried.returncode == 0:
        threads, cuda = tried.stdout.split()[-2:]
        yield Finding("torch", "ok", f"{pair}; {threads} threads, {'a' if cuda == 'True' else 'no'} GPU")
        return
    last = (tried.stderr.strip().splitlines() or [f"ended with {tried.returncode}"])[-1]
    # Only the last line tells: from Python 3.13 on, a traceback also quotes the line that was run.
    if "No module named" in last:
        advice = "Install both: pip install torch torchvision"
    elif "nms" in last or "torchvision" in last:
        advice = "The two do not belong together. Install both anew, in one command: pip install -U torch torchvision"
    else:
        advice = "Install both anew, in one command: pip install --force-reinstall torch torchvision"
    yield Finding("torch", "WRONG", f"{pair}: {last[:160]}", advice)


def _pictures() -> Iterator[Finding]:
    try:
        from PIL import __version__, features
    except ImportError as error:
        yield Finding("Pillow", "WRONG", str(error), "Install it: pip install --force-reinstall pillow")
        return
    missing = [
        name for name, part in (("JPEG", "jpg"), ("WebP", "webp"), ("PNG", "zlib")) if not features.check(part)
    ]
    if missing:
        told = f"{__version__}, without {', '.join(missing)}"
        yield Finding("Pillow", "WRONG", told, "Install it from a wheel: pip install -U pillow")
    else:
        yield Finding("Pillow", "ok", __version__)
    if not features.check("littlecms2"):
        yield Finding(
            "colour", "note", "Pillow lacks LittleCMS", "Colour profiles are ignored. pip install -U pillow"
        )
    extras = {
        "HEIC": (has("pillow_heif"), "pip install pillow-heif"),
        "AVIF": ("avif" in features.modules and features.check("avif"), "pip install -U pillow"),
        "DICOM": (has("pydicom"), "pip install pydicom"),
    }
    readable = [name for name, (there, _) in extras.items() if there]
    lacking = {name: advice for name, (there, advice) in extras.items() if not there}
    yield Finding(
        "formats",
        "note" if lacking else "ok",
        f"JPEG, PNG, WebP, TIFF, BMP{''.join(f', {name}' for name in readable)}",
        "; ".join(f"for {name}: {advice}" for name, advice in lacking.items()),
    )


def _widgets() -> Iterator[Finding]:
    names = ("ipywidgets", "anywidget", "jupyterlab-widgets", "jupyterlab", "voila")
    told = ", ".join(f"{name} {version(name) or 'missing'}" for name in names)
    advice = "Install them anew, together: pip install -U ipywidgets anywidget jupyterlab voila"
    unequal = []
    for first, second, pairs in PARTNERS:
        a, b = version(first), version(second)
        if a and b and pairs.get(int(a.split(".")[0])) not in {None, int(b.split(".")[0])}:
            unequal.append(f"{first} {a} and {second} {b} do not belong together")
    if unequal:
        yield Finding("widgets", "WRONG", "; ".join(unequal), advice)
    else:
        yield Finding(
            "widgets", "ok" if "missing" not in told else "WRONG", told, advice if "missing" in told else ""
        )
    places = [Path(place) / "labextensions" for place in jupyter_paths()]
    lost = [package for name, package in EXTENSIONS.items() if not any((place / name).is_dir() for place in places)]
    if lost:
        yield Finding(
            "widgets in Jupyter",
            "WRONG",
            f"Jupyter does not find what draws them ({', '.join(lost)})",
            f"pip install --force-reinstall {' '.join(lost)}; if JupyterLab runs in another environment, there too",
        )


def _folders() -> Iterator[Finding]:
    places = {"home": Path.home(), "temporary files": Path(tempfile.gettempdir())}
    advice = {
        "home": "The dashboard works all the same, with temporary folders. Or name another: HOME=FOLDER.",
        "temporary files": "Name a folder that you may write to in TMPDIR.",
        "cache": "Name a folder that you may write to in LESIONVIZ_CACHE.",
        "Jupyter's runtime files": "Name a folder that you may write to in JUPYTER_RUNTIME_DIR.",
    }
    if os.environ.get("LESIONVIZ_CACHE"):
        places["cache"] = Path(os.environ["LESIONVIZ_CACHE"])
    elif has("platformdirs"):
        from platformdirs import user_cache_path

        places["cache"] = user_cache_path("lesionviz")
    runtime = jupyter_runtime()
    if runtime is not None:
        places["Jupyter's runtime files"] = runtime
    for name, place in places.items():
        if not writable(place):
            state: State = "WRONG" if name == "temporary files" else "note"
            yield Finding(name, state, f"{place} cannot be written to", advice[name])
            continue
        free = shutil.disk_usage(existing(place)).free
        tight = free < DISK
        yield Finding(
            name,
            "note" if tight else "ok",
            f"{place}, {free / GIB:,.1f} GiB free",
            "A training keeps its decoded images there: make room, or name another folder." if tight else "",
        )


def _ports() -> Iterator[Finding]:
    taken = []
    for port in range(PORT, PORT + 5):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                taken.append(f"{port}: {error.strerror}")
                continue
        if port == PORT:
            yield Finding("port", "ok", f"{port} is free for the dashboard")
        else:
            yield Finding("port", "note", f"{PORT} is taken, so the dashboard will use {port} or another near it")
        return
    yield Finding("port", "WRONG", f"none can be used ({taken[0]})", "Name a free one: lesionviz dashboard --port 0")


def _memory() -> Iterator[Finding]:
    available = available_memory()
    if available is None:
        yield Finding("memory", "note", "this system does not say how much is free")
    elif available < MEMORY:
        advice = (
            "Close other programs, or notebooks that are no longer needed: a kernel with a model takes half a GiB."
        )
        yield Finding("memory", "WRONG", f"{available / GIB:.1f} GiB free; {MEMORY // GIB} are needed", advice)
    else:
        yield Finding("memory", "ok", f"{available / GIB:.1f} GiB free")
    if SHARED_MEMORY.is_dir():
        size = shutil.disk_usage(SHARED_MEMORY).total
        small = size < SMALL_SHARED_MEMORY
        yield Finding(
            "shared memory",
            "note" if small else "ok",
            f"{SHARED_MEMORY} has {size / MIB:,.0f} MiB",
            "Too little for lesionviz train --workers N. Leave that out, or: docker run --shm-size=2g"
            if small
            else "",
        )


def _model() -> Iterator[Finding]:
    again = "Install lesionviz again."
    for name, path in (("bundled model", MODEL), ("model for drawings", DRAWN)):
        if not path.is_file():
            yield Finding(name, "WRONG", f"{path} is missing", again)
        elif path.read_bytes()[:20].startswith(b"version https://git"):
            yield Finding(name, "WRONG", "only a pointer of Git LFS is there", "git lfs pull")
        else:
            found, (expected, *_) = sha256(path), path.with_name(f"{path.name}.sha256").read_text().split()
            same = found == expected
            told = f"SHA-256 {found[:16]}..." + ("" if same else f", not {expected[:16]}...")
            yield Finding(name, "ok" if same else "WRONG", told, "" if same else again)
    other = os.environ.get("LESIONVIZ_MODEL")
    if other:
        told, advice = f"LESIONVIZ_MODEL names {other}", ""
        if Path(other).is_dir():
            told, advice = f"{told}, which is a folder", "Name the model's file in it, or: unset LESIONVIZ_MODEL"
        elif not Path(other).is_file():
            told, advice = f"{told}, which does not exist", "unset LESIONVIZ_MODEL"
        yield Finding("chosen model", "WRONG" if advice else "ok", told, advice)


def _terminal() -> Iterator[Finding]:
    encoding = sys.stdout.encoding or "unknown"
    try:
        "× – …".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        advice = "Some signs are replaced. For all of them: export PYTHONIOENCODING=utf-8"
        yield Finding("terminal", "note", f"{encoding} cannot show every letter", advice)
    else:
        yield Finding("terminal", "ok", encoding)

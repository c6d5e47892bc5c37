"""What the tests share: a drawn collection, a small trained model, real images where they are at hand."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lesionviz.archive.known import VARIABLE as RUNS
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.samples import VARIABLE as SAMPLES
from lesionviz.data.split import split_by_lesion
from lesionviz.data.strangers import strangers
from lesionviz.data.synthetic import draw_lesion
from lesionviz.data.synthetic_collection import write_synthetic_isic2019
from lesionviz.files import CACHE as VARIABLE
from lesionviz.preprocessing import Preprocessing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: a process that came to one of them last would keep the others waiting."""
    waiting, computing = (
        {item.path for item in items if any(map(item.get_closest_marker, marks))}
        for marks in (("browser", "wheel", "slow"), ("heavy",))
    )
    items.sort(key=lambda item: (item.path not in waiting, item.path not in computing))


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> None:
    """Hear Ctrl-C, which shells make their background jobs ignore; the tests send it to themselves and to children."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded pixels out of the user's cache folder, runs off their list, and their photographs off the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        patch.setenv(RUNS, str(tmp_path_factory.mktemp("runs") / "runs.json"))
        patch.setenv(SAMPLES, str(tmp_path_factory.mktemp("samples")))
        yield


@contextmanager
def no_running_loop() -> Iterator[None]:
    """Hide the event loop that counts as running in this thread, if one does."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)


@pytest.fixture(autouse=True)
def _no_loop_of_playwright(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hide Playwright's event loop from tests that drive no browser.

    Once a browser was started in this thread, its loop counts as running there for good, and widgets would wait for it.
    """
    with nullcontext() if request.node.get_closest_marker("browser") else no_running_loop():
        yield


@pytest.fixture(scope="session")
def drawn_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn collection in the ISIC 2019 layout."""
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic_isic2019(folder)
    return folder


@pytest.fixture(scope="session")
def few_drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn collection of 25 images, in a layout of the same kind, for what asks the network about every one."""
    folder = tmp_path_factory.mktemp("few_drawn")
    write_synthetic_isic2019(folder, per_class=6)
    return folder


@pytest.fixture(scope="session")
def few_strangers() -> Iterator[None]:
    """Ask a model that refuses for 3 drawn strangers of each kind where a report asks for 50, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesionviz.evaluation.silence.strangers", partial(strangers, 3))
        yield


@pytest.fixture(scope="session")
def small_checkpoint() -> Checkpoint:
    """The bundled weights at 96 pixels, which is fast, with no record of a training."""
    bundled = Checkpoint.load(BUNDLED)
    return Checkpoint(state_dict=bundled.state_dict, preprocessing=Preprocessing(size=96))


@pytest.fixture(scope="session")
def classifier(small_checkpoint: Checkpoint) -> LesionClassifier:
    return LesionClassifier(small_checkpoint)


@pytest.fixture(scope="session")
def isic2019() -> Path:
    """The real collection, where ``LESIONVIZ_DATA`` names it; nowhere else is looked, so that a stranger's run is ours."""
    named = os.environ.get("LESIONVIZ_DATA")
    if not named:
        pytest.skip("needs real ISIC 2019 images: name their folder in LESIONVIZ_DATA")
    if not Path(named).is_dir():
        pytest.fail(f"LESIONVIZ_DATA names {named}, and there is no such folder")
    return Path(named)


@pytest.fixture(scope="session")
def photo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real test image where the data is at hand, a drawn one elsewhere."""
    try:
        collection = read_isic2019(request.getfixturevalue("isic2019"))
    except pytest.skip.Exception:
        path = tmp_path_factory.mktemp("photo") / "drawn.jpg"
        draw_lesion("BKL", 4, (600, 450)).save(path, quality=95)
        return path
    rows = split_by_lesion(collection).rows(collection, "test")
    return Path(rows["path"][rows["diagnosis"] == "MEL"].iloc[0])


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("CI must run the browser tests: install chromium")
        pytest.skip("needs Chromium: sudo apt-get install chromium")
    return executable


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()

"""Runs over whole folders, driven from a batch by what its page, or a stranger, would send."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as parquet
import pytest
from PIL import Image
from stand_in import OPTIONS, StandIn
from test_batch import Page

import lesionviz
from lesionviz.archive import known as lists
from lesionviz.archive import process as processes
from lesionviz.archive.known import forget, key_of, known, remember
from lesionviz.archive.lock import locked
from lesionviz.archive.process import complaint, log_of, stop
from lesionviz.archive.run import run
from lesionviz.archive.state import Run
from lesionviz.checkpoint import BUNDLED
from lesionviz.class_line import KEY, SOCKET
from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.machine import ONE_PERSON
from lesionviz.widgets import Batch
from lesionviz.widgets.batch import archive as module
from lesionviz.widgets.batch import batch as batch_module
from lesionviz.widgets.batch.rows import COLUMNS
from lesionviz.widgets.batch.standing import standing

IMAGES = 20


@pytest.fixture(autouse=True)
def own_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "data" / "runs.json"
    monkeypatch.setenv(lists.VARIABLE, str(path))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 small pictures in two folders, two of which are broken."""
    folder = tmp_path_factory.mktemp("clinic") / "pictures"
    random = np.random.default_rng(5)
    for number in range(IMAGES):
        path = folder / f"{'deep/' * (number % 2)}{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 48, 3), np.uint8)).save(path)
    (folder / "04.png").write_bytes(b"")
    (folder / "deep/07.png").write_text("a page that says: not found")
    return folder


@pytest.fixture(scope="module")
def first_finished(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "scores"
    assert run(archive, out, StandIn(), OPTIONS, progress=False).finished
    return out


@pytest.fixture(scope="module")
def first_interrupted(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("interrupted") / "scores"

    def end(number: int) -> None:
        if number >= OPTIONS["shard"] + 3:
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError, match="the power is gone"):
        run(archive, out, StandIn(on_look=end, threads=1), OPTIONS, progress=False)
    assert Run.read(out).done == OPTIONS["shard"]
    return out


@pytest.fixture
def finished(first_finished: Path, tmp_path: Path) -> Path:
    """A run, in a folder of the test's own."""
    return shutil.copytree(first_finished, tmp_path / "scores")


@pytest.fixture
def interrupted(first_interrupted: Path, tmp_path: Path) -> Path:
    """A run with one part of three, in a folder of the test's own."""
    return shutil.copytree(first_interrupted, tmp_path / "scores")


@pytest.fixture
def batch(classifier: LesionClassifier) -> Batch:
    return Batch(classifier)


@pytest.fixture
def page(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(batch, monkeypatch)


def wish(page: Page, do: str, **more: Any) -> None:
    page.send({"kind": "archive", "do": do, **more})


def look(page: Page) -> list[dict[str, Any]]:
    """What a page sees when it looks."""
    wish(page, "look")
    runs: list[dict[str, Any]] = page.told("runs")[-1]["runs"]
    return runs


def troubles(page: Page) -> list[str]:
    return [said["words"] for said in page.told("trouble")]


def patiently(holds: Callable[[], Any]) -> None:
    """Wait for another process."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


# --- the list - ---------------------------------------------------------------------------------------------------------
def test_runs_are_listed_once_the_last_first_and_not_for_ever(tmp_path: Path, own_list: Path) -> None:
    assert known() == []
    for name in ("a", "b", "a"):
        remember(tmp_path / name)
    assert known() == [tmp_path / "a", tmp_path / "b"]
    forget(tmp_path / "a")
    assert known() == [tmp_path / "b"]
    for number in range(lists.MOST + 5):
        remember(tmp_path / str(number))
    assert len(known()) == lists.MOST
    assert known()[0] == tmp_path / str(lists.MOST + 4)
    assert {path.name for path in own_list.parent.iterdir()} == {"runs.json"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        '"runs"',
        '{"format": "lesionviz runs", "version": 2, "folders": ["/a"]}',
        '{"format": "lesionviz runs", "version": 1, "folders": {"/a": 1}}',
        json.dumps(
            {"format": "lesionviz runs", "version": 1, "folders": [1, None, "", "a/b", "/x\0y", "/" + "x" * 5000]}
        ),
        "\udcff",
    ],
)
def test_what_is_no_list_of_runs_is_not_believed(content: str, own_list: Path, tmp_path: Path) -> None:
    own_list.parent.mkdir(parents=True)
    own_list.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert known() == []
    remember(tmp_path / "a")
    assert known() == [tmp_path / "a"]


def test_a_list_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(lists.VARIABLE, str(tmp_path / "file" / "runs.json"))
    with pytest.raises(LesionvizError, match="is a file"):
        remember(tmp_path / "a")


# --- how they stand -----------------------------------------------------------------------------------------------------
def test_the_page_sees_how_each_run_stands(page: Page, finished: Path, tmp_path: Path) -> None:
    remember(tmp_path / "moved away")
    remember(finished)
    first, second = look(page)
    assert (first["folder"], first["state"], first["key"]) == (str(finished), "finished", key_of(finished))
    assert (first["done"], first["images"], first["failed"], first["part"]) == (IMAGES, IMAGES, 2, OPTIONS["shard"])
    assert second["state"] == "gone"
    with locked(finished / "run.lock"):
        (finished / "scores.parquet").unlink()
        assert look(page)[0]["state"] == "running"
    assert look(page)[0]["state"] == "interrupted"
    (finished / "manifest.json").write_text("{")
    assert look(page)[0]["state"] == "gone"
    assert "manifest.json cannot be read" in look(page)[0]["why"]


def test_an_interrupted_run_says_how_far_it_is_and_what_it_complained_of(interrupted: Path) -> None:
    found = standing(interrupted, alive=False)
    assert (found.state, found.done, found.images, found.why) == ("interrupted", 8, IMAGES, "")
    log = log_of(interrupted)
    log.parent.mkdir(parents=True)
    log.write_text("noise\nlesionviz: The disk of /x is full. Make room.\n")
    assert standing(interrupted, alive=False).why == "The disk of /x is full. Make room."
    log.write_text("lesionviz: stopped: 8 of 20 images are done. Go on with: lesionviz score\n")
    assert standing(interrupted, alive=False).why == ""
    log.write_text("Traceback\nMemoryError: no more\n")
    assert (
        complaint(interrupted)
        == f"It ended by an error inside lesionviz (MemoryError: no more). The whole of it is in {log}."
    )
    os.utime(log, (1, 1))  # somebody else has gone on with it since
    assert complaint(interrupted) == ""


def test_a_run_that_nobody_looks_at_is_not_read(page: Page, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    monkeypatch.setattr(module, "standing", lambda folder, alive: reads.append(folder) or standing(folder, alive))
    remember(finished)
    page.send({"kind": "rows", "from": 0})
    assert reads == []
    look(page)
    assert reads == [finished]


def test_looking_keeps_no_event_loop_waiting(
    classifier: LesionClassifier, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look while the first one waits for a slow disk is the same look."""
    looks: list[Path] = []

    async def work() -> int:
        disk = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(folder: Path, alive: bool) -> Any:
            looks.append(folder)
            asyncio.run_coroutine_threadsafe(disk.wait(), loop).result()
            return standing(folder, alive)

        monkeypatch.setattr(module, "standing", slow)
        page = Page(Batch(classifier), monkeypatch)
        for _ in range(3):
            wish(page, "look")
        assert page.told("runs") == []
        disk.set()
        while not page.told("runs"):
            await asyncio.sleep(0.01)
        return len(page.told("runs"))

    remember(finished)
    assert asyncio.run(work()) == 1
    assert looks == [finished]


# --- results -- ---------------------------------------------------------------------------------------------------------
def test_a_finished_run_is_shown_as_a_batch_with_what_its_table_holds(
    finished: Path, classifier: LesionClassifier
) -> None:
    batch = Batch(classifier, run=finished)
    table = parquet.read_table(finished / "scores.parquet").to_pylist()
    assert batch.shown == {"folder": str(finished), "images": IMAGES, "behind": 0}
    assert (batch.done, batch.total, batch.running) == (IMAGES, IMAGES, False)
    assert [row.file for row in batch.rows[:3]] == ["pictures/00.png", "pictures/02.png", "pictures/04.png"]
    assert [str(row.origin) for row in batch.rows] == [line["image"] for line in table]
    assert {row.outcome for row in batch.rows} == {"answered", "refused", "failed"}
    for row, line in zip(batch.rows, table, strict=True):
        if line["error"]:
            assert (row.error, row.prediction, row.model) == (line["error"], None, "")
            continue
        prefix = "forced_" if line["refused"] else ""
        assert row.prediction is not None
        assert row.prediction.diagnosis == line[f"{prefix}diagnosis"]
        assert row.prediction.probabilities == {code: line[f"{prefix}{code}"] for code in CODES}
        assert (row.prediction.refusal, row.prediction.warning) == (line["refusal"] or "", line["warning"] or "")
        assert (row.sha256, row.model) == (line["sha256"], "5" * 64)


def test_its_table_is_the_one_that_pandas_gets_of_a_batch(finished: Path, classifier: LesionClassifier) -> None:
    """From the file at once, or row by row: the same."""
    from lesionviz.widgets.batch.rows import table

    batch = Batch(classifier, run=finished)
    assert list(batch.table.columns) == list(COLUMNS)
    for forced in (False, True):
        pd.testing.assert_frame_equal(
            batch._table(forced), table(batch.rows, forced), check_dtype=False, check_exact=True
        )


def test_of_many_rows_the_first_are_shown_and_all_are_saved(
    page: Page, batch: Batch, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch._archive, "_most", 5)
    batch.open_run(finished)
    assert (len(batch.rows), batch.shown["images"], len(batch.table)) == (5, IMAGES, IMAGES)
    wish(page, "save", **{"as": "csv", "forced": False})
    content, (data,) = page.heard[-1]
    assert content == {"kind": "csv", "name": "scores.csv"}
    lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [line["file"] for line in lines] == list(batch.table["file"])
    wish(page, "save", **{"as": "parquet"})
    content, (data,) = page.heard[-1]
    assert content == {"kind": "parquet", "name": "scores.parquet"}
    assert data == (finished / "scores.parquet").read_bytes()
    monkeypatch.setattr(module, "MOST_IN_CSV", IMAGES - 1)
    monkeypatch.setattr(module, "MAX_BYTES", 10)
    wish(page, "save", **{"as": "csv"})
    wish(page, "save", **{"as": "parquet"})
    said = [told["words"] for told in page.told("unsaved")]
    assert "does not take 20 rows" in said[0]
    assert "too large to be sent" in said[1]
    assert all(str(finished / "scores.parquet") in words for words in said)


def test_files_wait_behind_a_run_and_come_back(page: Page, batch: Batch, archive: Path, finished: Path) -> None:
    remember(finished)
    batch.add(archive / "02.png")
    wish(page, "show", run=key_of(finished))
    assert (len(batch.rows), batch.shown["behind"]) == (IMAGES, 1)
    page.send({"kind": "clear"})
    assert ([row.file for row in batch.rows], batch.shown, batch.removed) == (["02.png"], {}, 0)
    wish(page, "show", run=key_of(finished))
    batch.add(archive / "00.png")
    assert ([row.file for row in batch.rows], batch.shown) == (["02.png", "00.png"], {})
    wish(page, "show", run=key_of(finished))
    page.queue(1)
    assert (batch.total, batch.shown) == (3, {})
    wish(page, "show", run=key_of(finished))
    assert "Files are being looked at" in troubles(page)[-1]
    assert batch.shown == {}


def test_a_row_opens_its_file_only_if_that_is_still_the_same(
    classifier: LesionClassifier, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    for name in ("00.png", "02.png", "06.png"):
        (copies / name).write_bytes((archive / name).read_bytes())
    run(copies, tmp_path / "out", StandIn(), OPTIONS, progress=False)
    opened: list[tuple[str, str]] = []
    batch = Batch(
        classifier,
        on_open=lambda name, data: opened.append((name, hashlib.sha256(data).hexdigest())),
        run=tmp_path / "out",
    )
    page = Page(batch, monkeypatch)
    (copies / "02.png").write_bytes((archive / "08.png").read_bytes())
    (copies / "06.png").unlink()
    for number in range(3):
        page.send({"kind": "open", "row": number, "id": number})
    assert opened == [("copies/00.png", batch.rows[0].sha256)]
    said = [told["problem"] for told in page.told("opened")]
    assert said[0] == ""
    assert "copies/02.png is no longer the file of which this row tells" in said[1]
    assert "There is no file" in said[2]


@pytest.mark.parametrize("damage", ["cut", "columns", "shares", "gone"])
def test_a_table_that_no_run_has_written_is_refused(damage: str, finished: Path, page: Page, batch: Batch) -> None:
    path = finished / "scores.parquet"
    remember(finished)
    table = parquet.read_table(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:900])
    elif damage == "columns":
        parquet.write_table(table.drop_columns(["refusal"]), path)
    elif damage == "shares":
        wrong = table.to_pandas().assign(confidence=np.float32(np.inf))
        parquet.write_table(table.from_pandas(wrong, schema=table.schema), path)
    else:
        path.unlink()
    wish(page, "show", run=key_of(finished))
    assert len(troubles(page)) == 1
    assert str(path) in troubles(page)[0]
    assert (batch.rows, batch.shown) == ((), {})


def test_a_run_that_is_not_finished_is_shown_once_it_is(
    interrupted: Path, archive: Path, batch: Batch, page: Page
) -> None:
    batch.open_run(interrupted)
    assert (batch.note, batch.rows) == ("Interrupted: 8 of 20 images.", ())
    look(page)
    run(None, interrupted, StandIn(), {}, resume=True, progress=False)
    batch._archive._awaited.add(interrupted)  # as a look while it was under way does
    assert look(page)[0]["state"] == "finished"
    assert len(batch.rows) == IMAGES


def test_a_folder_without_a_run_is_no_batch(tmp_path: Path, classifier: LesionClassifier) -> None:
    with pytest.raises(LesionvizError, match="holds no run"):
        Batch(classifier, run=tmp_path)
    assert known() == []


# --- begin, stop, go on -------------------------------------------------------------------------------------------------
@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Every process that was started; none is left."""
    made: list[subprocess.Popen[bytes]] = []
    whole = processes._started

    def start(arguments: Any, out: Path) -> subprocess.Popen[bytes]:
        made.append(whole(arguments, out))
        return made[-1]

    monkeypatch.setattr(processes, "_started", start)
    yield made
    for process in made:
        process.kill()
        process.wait()


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whatever is started is only noted."""
    made: list[str] = []

    class Process:
        def poll(self) -> None:
            return None

    for name in ("begin", "go_on"):
        monkeypatch.setattr(module, name, lambda *paths, name=name: made.append(name) or Process())
    return made


@pytest.fixture
def default(monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page with the bundled model."""
    return Page(Batch(load(BUNDLED)), monkeypatch)


@pytest.mark.heavy
@pytest.mark.once
def test_a_run_begins_outlives_its_kernel_and_is_found_by_the_next_page(
    default: Page, tmp_path: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, out = tmp_path / "images", tmp_path / "scores"
    images.mkdir()
    for number, code in enumerate(CODES):
        draw_lesion(code, number, (120, 90)).save(images / f"{code}.jpg")
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in an idle kernel
    try:
        wish(default, "start", images=str(images), out=str(out))
    finally:
        signal.signal(signal.SIGINT, before)
    assert troubles(default) == []
    assert [run["folder"] for run in default.told("runs")[-1]["runs"]] == [str(out)]
    (process,) = started
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert "starting" in {run["state"] for said in default.told("runs") for run in said["runs"]}

    other = Page(Batch(default.batch._background), monkeypatch)  # which knows nothing of the first
    patiently(lambda: look(other)[0]["state"] == "finished")
    wish(other, "show", run=key_of(out))
    assert [row.file for row in other.batch.rows] == [f"images/{code}.jpg" for code in sorted(CODES)]
    expected = default.batch._background.examiner
    assert {row.model for row in other.batch.rows} == {expected.checkpoint.file_sha256}
    assert process.wait(30) == 0


@pytest.mark.slow
def test_a_run_stops_as_by_ctrl_c_and_goes_on_to_the_same_table(
    default: Page, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    images, out, whole = tmp_path / "images", tmp_path / "scores", tmp_path / "whole"
    images.mkdir()
    for number in range(48):
        draw_lesion(CODES[number % 4], number, (100, 80)).save(images / f"{number}.jpg")
    command = [sys.executable, "-m", "lesionviz", "score", str(images), "--shard-size", "4", "--out"]
    with subprocess.Popen([*command, str(out)], start_new_session=True, stderr=subprocess.PIPE) as process:  # by hand
        patiently(lambda: look(default) and look(default)[0]["done"] > 0)
        wish(default, "stop", run=key_of(out))
        assert troubles(default) == []
        assert process.wait(60) == 130
    (stopped,) = look(default)
    assert (stopped["state"], stopped["why"]) == ("interrupted", "")
    assert 0 < stopped["done"] < 48
    wish(default, "continue", run=key_of(out))
    patiently(lambda: look(default)[0]["state"] == "finished")
    assert len(default.batch.rows) == 48  # shown by itself, to the page that has watched it
    subprocess.run([*command, str(whole)], check=True, capture_output=True)
    assert (out / "scores.parquet").read_bytes() == (whole / "scores.parquet").read_bytes()


def test_a_folder_without_images_fails_in_a_sentence(
    default: Page, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    (tmp_path / "empty").mkdir()
    wish(default, "start", images=str(tmp_path / "empty"), out=str(tmp_path / "scores"))
    assert started[0].wait(60) == 1
    (failed,) = look(default)
    assert failed["state"] == "failed"
    assert failed["why"].startswith(f"The folder {tmp_path / 'empty'} holds no images.")
    wish(default, "start", images=str(tmp_path / "empty"), out=str(tmp_path / "scores"))  # and may be tried again
    assert (len(started), troubles(default)) == (2, [])


def test_nobody_else_is_stopped(interrupted: Path, page: Page, tmp_path: Path) -> None:
    remember(interrupted)
    wish(page, "stop", run=key_of(interrupted))
    assert "Nobody works on" in troubles(page)[-1]
    code = (
        "import sys, time; from pathlib import Path; from lesionviz.archive.lock import locked\n"
        "with locked(Path(sys.argv[2]) / 'run.lock'): print('held', flush=True); time.sleep(600)"
    )
    for arguments in (
        ["notebook", str(interrupted)],
        ["score", str(interrupted), "--out", str(tmp_path / "another")],
    ):
        with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            wish(page, "stop", run=key_of(interrupted))
            assert f"(number {process.pid}): it belongs to another program" in troubles(page)[-1]
            assert psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE
            process.kill()


def test_a_number_that_was_left_behind_stops_nobody(interrupted: Path) -> None:
    (interrupted / "run.lock").write_text(f"{os.getpid()}\n")
    with pytest.raises(LesionvizError, match="Nobody works on"):
        stop(interrupted)
    for number in ("-1", "²", "1e3", "", "9" * 30):
        (interrupted / "run.lock").write_text(number)
        with pytest.raises(LesionvizError, match="Nobody works on"):
            stop(interrupted)


@pytest.mark.parametrize(
    ("images", "out", "words"),
    [
        ("", "{tmp}/new", "Name the folder for the images."),
        (None, "{tmp}/new", "Name the folder for the images."),
        (["{tmp}"], "{tmp}/new", "Name the folder for the images."),
        ("{tmp}\0", "{tmp}/new", "Name the folder for the images."),
        ("/" + "x" * 5000, "{tmp}/new", "Name the folder for the images."),
        ("images", "{tmp}/new", "images is no whole path"),
        ("--model=x", "{tmp}/new", "--model=x is no whole path"),
        ("~nobody-here/x", "{tmp}/new", "~nobody-here/x"),
        ("{tmp}/nowhere", "{tmp}/new", "There is no folder {tmp}/nowhere"),
        ("{tmp}/file", "{tmp}/new", "There is no folder {tmp}/file"),
        ("{tmp}/images", "", "Name the folder for the results."),
        ("{tmp}/images", {"a": 1}, "Name the folder for the results."),
        ("{tmp}/images", "new", "new is no whole path"),
        ("{tmp}/images", "{tmp}/a/b/c", "There is no folder {tmp}/a/b in which c could be made"),
        ("{tmp}/images", "{tmp}/file", "{tmp}/file is a file"),
        ("{tmp}/images", "{tmp}/images", "{tmp}/images holds other files, such as a.png"),
        ("{tmp}/images", "{tmp}/half", "{tmp}/half holds results of another run"),
    ],
)
def test_only_a_folder_of_images_and_an_empty_one_begin_a_run(
    images: Any, out: Any, words: str, tmp_path: Path, default: Page, nothing_starts: list[str]
) -> None:
    for name in ("images/a.png", "half/scores.parquet", "file"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    named = [each.replace("{tmp}", str(tmp_path)) if isinstance(each, str) else each for each in (images, out)]
    wish(default, "start", images=named[0], out=named[1])
    assert len(troubles(default)) == 1
    assert words.replace("{tmp}", str(tmp_path)) in troubles(default)[0]
    assert (nothing_starts, known()) == ([], [])


def test_a_run_that_is_there_already_is_put_on_the_list_and_not_begun_again(
    default: Page, archive: Path, finished: Path, nothing_starts: list[str]
) -> None:
    wish(default, "start", images=str(archive), out=str(finished))
    assert "holds a run already, which is on the list now" in default.told("begun")[0]["words"]
    assert (nothing_starts, known()) == ([], [finished])


def test_the_same_run_is_not_begun_twice(
    default: Page, archive: Path, tmp_path: Path, nothing_starts: list[str]
) -> None:
    for _ in range(2):
        wish(default, "start", images=str(archive), out=str(tmp_path / "new"))
    assert nothing_starts == ["begin"]
    assert "is being started already" in troubles(default)[0]


def test_a_model_that_another_process_would_not_find_begins_nothing(
    page: Page, archive: Path, tmp_path: Path, nothing_starts: list[str]
) -> None:
    wish(page, "start", images=str(archive), out=str(tmp_path / "new"))
    assert "This page works with a model of its own" in troubles(page)[0]
    assert nothing_starts == []


@pytest.mark.parametrize(
    "content",
    [
        {"do": "continue"},
        {"do": "continue", "run": "../.."},
        {"do": "stop", "run": ["x"]},
        {"do": "show", "run": 7},
        {"do": "forget", "run": {}},
        {"do": ["look"]},
        {"do": "save", "as": "csv"},
        {"do": "save", "as": ["csv"]},
        {"do": "rm"},
        {},
    ],
)
def test_hostile_messages_begin_and_end_nothing(
    content: dict[str, Any], page: Page, finished: Path, nothing_starts: list[str]
) -> None:
    remember(finished)
    page.send({"kind": "archive", **content})
    assert (nothing_starts, known(), page.batch.rows, page.batch.shown) == ([], [finished], (), {})
    assert page.told("runs") == []


# --- where it is off ----------------------------------------------------------------------------------------------------
def test_in_a_class_and_in_anybodys_voila_no_folder_is_named(
    classifier: LesionClassifier,
    finished: Path,
    nothing_starts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    remember(finished)
    monkeypatch.delenv(ONE_PERSON, raising=False)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.8")
    page = Page(Batch(classifier), monkeypatch)
    assert "lesionviz dashboard" in page.batch.facts["archive_off"]
    for do in ("look", "start", "continue", "stop", "show", "forget"):
        wish(page, do, run=key_of(finished), images=str(finished), out=str(tmp_path / "new"))
    assert page.heard == []
    assert (nothing_starts, known(), page.batch.rows) == ([], [finished], ())
    page.batch.open_run(finished)  # by whoever has written the notebook
    assert len(page.batch.rows) == IMAGES

    monkeypatch.setenv(ONE_PERSON, "1")
    assert Batch(classifier).facts["archive_off"] == ""
    monkeypatch.setenv(SOCKET, "/nowhere")
    monkeypatch.setenv(KEY, "key")
    assert "one of a class" in Batch().facts["archive_off"]


def test_the_command_line_puts_its_runs_on_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lesionviz.cli import main

    assert main(["score", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert known() == [tmp_path / "out"]
    assert "There is no file or folder" in capsys.readouterr().err


def test_batch_is_a_public_name() -> None:
    assert lesionviz.Batch is Batch
    assert batch_module.MAX_FILES == 5000

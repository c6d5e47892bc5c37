"""A run over an archive loses nothing and does nothing twice, however it ends, and is never mixed with another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from stand_in import IMAGES, OPTIONS, StandIn, draw_archive, files_of

from lesionviz.archive.join import Counts
from lesionviz.archive.manifest import Manifest
from lesionviz.archive.run import Scored, run
from lesionviz.archive.state import Run
from lesionviz.errors import LesionvizError

pytestmark = [pytest.mark.heavy, pytest.mark.once]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def undisturbed(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    assert go(archive, out).finished
    return out


def go(archive: Path, out: Path, stand_in: StandIn | None = None, resume: bool = False) -> Scored:
    return run(archive, out, stand_in or StandIn(), OPTIONS, resume, progress=False)


@contextmanager
def held(archive: Path, out: Path, point: str) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own that has reached a point and stays there; killed at the end."""
    command = [sys.executable, str(Path(__file__).with_name("stand_in.py")), str(archive), str(out), "--hold", point]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def slowly(point: str) -> object:
    return pytest.param(point, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "point", ["look:21", "write:4", "join:5", *map(slowly, ["manifest:1", "look:2", "write:1", "join:1"])]
)
def test_a_killed_run_that_goes_on_equals_the_undisturbed_one_byte_for_byte(
    point: str, archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    with held(archive, tmp_path, point) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    have = {int(path.stem) for path in tmp_path.glob("parts/[0-9]*.parquet")}
    stand_in = StandIn()
    assert go(archive, tmp_path, stand_in, resume=True).finished
    assert files_of(tmp_path) == files_of(undisturbed)
    again = {number for number in stand_in.looked if number // OPTIONS["shard"] in have}
    assert not again, "what was done was done again"
    assert len(stand_in.looked) == len(set(stand_in.looked))


@pytest.mark.slow
def test_killed_again_and_again_no_image_is_lost_and_none_comes_twice(archive: Path, tmp_path: Path) -> None:
    for _ in range(3):
        script = str(Path(__file__).with_name("stand_in.py"))
        command = [sys.executable, script, str(archive), str(tmp_path), "--resume", "--hold", "write:2"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            process.kill()
    assert Run.read(tmp_path).done == 3 * OPTIONS["shard"]
    go(archive, tmp_path, resume=True)
    table = parquet.read_table(tmp_path / "scores.parquet")
    assert table.column("number").to_pylist() == list(range(IMAGES))
    names = [Path(image).name for image in table.column("image").to_pylist()]
    assert sorted(names) == [f"{number:02}.png" for number in range(IMAGES)]


def test_a_broken_image_is_a_row_with_its_reason_and_hurts_no_other(archive: Path, undisturbed: Path) -> None:
    rows = parquet.read_table(undisturbed / "scores.parquet").to_pylist()
    errors = {Path(row["image"]).name: row["error"] for row in rows if row["error"]}
    assert errors.keys() == {"04.png", "21.png", "30.png"}
    assert "04.png is empty" in errors["04.png"]
    assert "21.png is damaged or incomplete" in errors["21.png"]
    assert "30.png is not a picture" in errors["30.png"]
    for row in rows:
        usable = row["error"] is None
        assert (row["width"], row["height"]) == ((48, 40) if usable else (None, None))
        assert (row["refused"] is not None) == usable
        assert (row["sha256"] is None) == (Path(row["image"]).name == "04.png")


def test_a_second_run_into_the_folder_is_refused_while_the_first_works_and_welcome_after_its_kill(
    archive: Path, tmp_path: Path
) -> None:
    with held(archive, tmp_path, "look:12") as process:
        assert Run.read(tmp_path).running
        with pytest.raises(LesionvizError, match=rf"Another run writes into .* \(process {process.pid}\)"):
            go(archive, tmp_path, resume=True)
        assert process.poll() is None
    assert not Run.read(tmp_path).running
    assert go(archive, tmp_path, resume=True).finished


def test_ctrl_c_ends_a_run_cleanly_and_it_goes_on_from_there(
    archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    def press(number: int) -> None:
        if number == 20:
            os.kill(os.getpid(), signal.SIGINT)

    first = go(archive, tmp_path, StandIn(on_look=press, threads=1))
    assert not first.finished
    assert first.done % OPTIONS["shard"] == 0
    assert first.done <= 24
    assert not (tmp_path / "scores.parquet").exists()
    assert Run.read(tmp_path).sentence() == f"Interrupted: {first.done} of 44 images."
    assert go(archive, tmp_path, resume=True).finished
    assert files_of(tmp_path) == files_of(undisturbed)
    assert Run.read(tmp_path).sentence().startswith("Finished: 44 of 44 images.")


def test_ctrl_c_while_the_table_is_written_leaves_none_and_costs_nothing_else(
    archive: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Counts.add

    def press(counts: Counts, table: object) -> None:
        add(counts, table)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Counts, "add", press)
        stopped = go(archive, tmp_path)
    assert (stopped.done, stopped.finished) == (IMAGES, False)
    assert not list(tmp_path.glob("*scores*"))
    stand_in = StandIn()
    assert go(archive, tmp_path, stand_in, resume=True).finished
    assert stand_in.looked == []
    assert files_of(tmp_path) == files_of(undisturbed)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are a Unix thing")
@pytest.mark.parametrize("full", ["part", "table"])
def test_a_full_disk_ends_a_run_in_a_sentence_and_leaves_nothing_half_written(
    full: str, archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    parts = [path.stat().st_size for path in (undisturbed / "parts").iterdir()]
    limit = max(parts) - 1 if full == "part" else max(parts)
    script = str(Path(__file__).with_name("stand_in.py"))
    command = [sys.executable, script, str(archive), str(tmp_path), "--file-limit", str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"The disk of {tmp_path}" in done.stderr
    assert "is full" in done.stderr
    assert "--resume" in done.stderr
    assert done.stderr.count("\n") == 1
    kept = files_of(tmp_path)
    whole = files_of(undisturbed)
    assert kept.items() <= whole.items()
    assert "scores.parquet" not in kept
    assert go(archive, tmp_path, resume=True).finished
    assert files_of(tmp_path) == whole


@pytest.mark.parametrize("threads", [1, 3])
def test_how_many_threads_work_changes_no_byte(
    threads: int, archive: Path, undisturbed: Path, tmp_path: Path
) -> None:
    go(archive, tmp_path, StandIn(threads=threads))
    assert files_of(tmp_path) == files_of(undisturbed)


def test_a_damaged_part_is_made_again(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    go(archive, tmp_path)
    part = tmp_path / "parts/00002.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    go(archive, tmp_path, resume=True)
    assert files_of(tmp_path) == files_of(undisturbed)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"model_sha256": "6" * 64}, "another model (555555555555 then, 666666666666 now)"),
        ({"engine": "dask"}, "another engine (stand-in then, dask now)"),
        ({"precision": "bfloat16"}, "another precision (float32 then, bfloat16 now)"),
        ({"views": 8}, "another number of views (1 then, 8 now)"),
    ],
)
def test_going_on_with_something_else_is_refused(
    known: dict[str, object], words: str, archive: Path, tmp_path: Path
) -> None:
    go(archive, tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(LesionvizError) as caught:
        go(archive, tmp_path, StandIn(known), resume=True)
    assert words in str(caught.value)
    assert files_of(tmp_path) == before


def test_going_on_with_other_images_options_or_versions_is_refused(archive: Path, tmp_path: Path) -> None:
    go(archive, tmp_path)
    with pytest.raises(LesionvizError, match=r"another list of images \(44 images then, 22 now\)"):
        go(archive / "deep", tmp_path, resume=True)
    with pytest.raises(LesionvizError, match=r"another batch size \(3 then, 4 now\)"):
        run(archive, tmp_path, StandIn(), {"batch": 4}, resume=True, progress=False)
    manifest = Manifest.load(tmp_path)
    assert manifest is not None
    replace(manifest, versions=manifest.versions | {"pillow": "1.1.7"}).save(tmp_path)
    with pytest.raises(LesionvizError, match=r"another version of pillow \(1.1.7 then"):
        go(archive, tmp_path, resume=True)


def test_a_run_goes_on_by_its_folder_alone(archive: Path, undisturbed: Path, tmp_path: Path) -> None:
    with held(archive, tmp_path, "look:30"):
        pass
    assert run(None, tmp_path, StandIn(), {}, resume=True, progress=False).finished
    assert files_of(tmp_path) == files_of(undisturbed)


def test_a_folder_with_results_is_never_taken_for_an_empty_one(archive: Path, tmp_path: Path) -> None:
    go(archive, tmp_path)
    with pytest.raises(LesionvizError, match=r"holds a run already \(6 of 6 parts\)"):
        go(archive, tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(LesionvizError, match=r"holds scores.parquet, parts of another run already"):
        go(archive, tmp_path, resume=True)
    with pytest.raises(LesionvizError, match="holds no run to go on with"):
        run(None, tmp_path / "new", StandIn(), {}, resume=True, progress=False)
    (tmp_path / "manifest.json").write_text('{"format": "lesionviz scores", "version": 1, "images": "many"}')
    with pytest.raises(LesionvizError, match="is damaged: its 'images' is missing or wrong"):
        go(archive, tmp_path, resume=True)

"""The pixel cache gives the plain path's pixels, survives interruption and neighbours, and heals."""

from __future__ import annotations

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lesionviz.data import pixel_cache
from lesionviz.data.pixel_cache import BATCH, PixelCache
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image
from lesionviz.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=64)


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    paths = []
    for number in range(6):
        path = tmp_path / "pictures" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        draw_lesion("MEL", number, (120, 90)).save(path)
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("geometry", ["centre square", "stretch"])
def test_cached_pixels_are_those_of_the_plain_path_to_the_bit(
    geometry: str, pictures: list[str], tmp_path: Path
) -> None:
    preprocessing = Preprocessing(size=64, geometry=geometry)  # type: ignore[arg-type]
    cached = PixelCache(preprocessing, tmp_path).get(pictures[::-1])
    for index, path in enumerate(pictures[::-1]):
        plain = preprocessing.resize(open_image(path).pixels)
        assert np.array_equal(np.asarray(cached[index]), np.asarray(plain))
    assert len(cached) == len(pictures)


def test_a_second_visit_decodes_nothing(pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = PixelCache(PREPROCESSING, tmp_path).get(pictures)
    monkeypatch.setattr(pixel_cache, "open_image", lambda path: pytest.fail(f"decoded {path} again"))
    second = PixelCache(PREPROCESSING, tmp_path).get(pictures)
    assert second.positions == first.positions
    assert np.array_equal(second.pixels, first.pixels)


def test_content_is_the_key_not_the_name(pictures: list[str], tmp_path: Path) -> None:
    cache = PixelCache(PREPROCESSING, tmp_path)
    before = cache.get(pictures)
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(Path(pictures[2]).read_bytes())
    assert cache.get([copy]).positions == (before.positions[2],)
    draw_lesion("BKL", 99, (120, 90)).save(pictures[2])  # another picture under the old name
    after = cache.get(pictures)
    assert after.positions[2] == len(pictures)
    assert after.positions[:2] == before.positions[:2]
    plain = PREPROCESSING.resize(open_image(pictures[2]).pixels)
    assert np.array_equal(np.asarray(after[2]), np.asarray(plain))


def test_an_interrupted_build_goes_on_and_leaves_no_half_record(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixel_cache, "BATCH", 2)
    cache = PixelCache(PREPROCESSING, tmp_path)
    append = PixelCache._append
    done = []

    def interrupted(*arguments: object) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        append(*arguments)  # type: ignore[arg-type]
        done.append(1)

    monkeypatch.setattr(PixelCache, "_append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.get(pictures)
    monkeypatch.undo()
    with (cache.folder / "pixels.u8").open("ab") as file:
        file.write(b"half a record")  # what a kill between writing and committing leaves
    whole = cache.get(pictures)
    for index, path in enumerate(pictures):
        assert np.array_equal(np.asarray(whole[index]), np.asarray(PREPROCESSING.resize(open_image(path).pixels)))
    assert sorted(whole.positions) == list(range(6))


def test_a_truncated_pixel_file_is_made_whole_again(pictures: list[str], tmp_path: Path) -> None:
    cache = PixelCache(PREPROCESSING, tmp_path)
    expected = [np.asarray(cache.get(pictures)[index]).copy() for index in range(6)]
    with (cache.folder / "pixels.u8").open("r+b") as file:
        file.truncate(64 * 64 * 3 * 2 + 17)
    healed = cache.get(pictures)
    assert all(np.array_equal(np.asarray(healed[index]), expected[index]) for index in range(6))


def _build(folder: Path, paths: list[str]) -> None:
    PixelCache(PREPROCESSING, folder).get(paths, progress=False)


@pytest.mark.heavy
def test_two_processes_build_one_cache_without_a_wrong_or_double_record(tmp_path: Path) -> None:
    paths = []
    for number in range(2 * BATCH + 10):
        path = tmp_path / f"{number}.png"
        draw_lesion("NV", number, (40, 40)).save(path)
        paths.append(str(path))
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_build, args=(tmp_path, part)) for part in (paths, paths[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0]
    cache = PixelCache(PREPROCESSING, tmp_path)
    with closing(sqlite3.connect(cache.folder / "index.sqlite")) as index:
        assert index.execute("select count(*), max(position) from records").fetchone() == (len(paths), len(paths) - 1)
    cached = cache.get(paths)
    for number in range(0, len(paths), 7):
        plain = PREPROCESSING.resize(open_image(paths[number]).pixels)
        assert np.array_equal(np.asarray(cached[number]), np.asarray(plain))


def test_an_unreadable_image_is_named(pictures: list[str], tmp_path: Path) -> None:
    Path(pictures[3]).write_bytes(b"no picture")
    with pytest.raises(LesionvizError, match=r"3\.jpg"):
        PixelCache(PREPROCESSING, tmp_path).get(pictures)


def test_a_full_disk_is_refused_before_anything_is_decoded(
    pictures: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(pixel_cache.shutil, "disk_usage", lambda _folder: full)
    with pytest.raises(LesionvizError, match=r"needs 0 MiB.*--no-cache"):
        PixelCache(PREPROCESSING, tmp_path).get(pictures)


def test_an_unwritable_folder_is_refused_in_words(pictures: list[str], tmp_path: Path) -> None:
    (tmp_path / "pixels").write_text("a file where the cache's folder should be")
    with pytest.raises(LesionvizError, match=r"cannot be used.*LESIONVIZ_CACHE"):
        PixelCache(PREPROCESSING, tmp_path).get(pictures)

"""The twelve photographs against a server of our own on 127.0.0.1: fetched by id, checked, refused in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from isic_server import Archive, photograph, running_archive

from lesionviz.cli import main
from lesionviz.data.read import read_collection
from lesionviz.data.samples import ATTRIBUTION, fetch_samples, samples
from lesionviz.data.web import CHECKSUMS
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256

FIRST = samples()[0]


@pytest.fixture(scope="module")
def _running() -> Iterator[Archive]:
    with running_archive() as server:
        yield server


@pytest.fixture
def archive(_running: Archive) -> Iterator[Archive]:
    facts, files = json.dumps(_running.facts), dict(_running.files)
    _running.asked.clear()
    yield _running
    _running.facts, _running.files, _running.cut = json.loads(facts), files, ""


def test_the_list_has_three_of_each_class_all_free_and_none_twice() -> None:
    listed = samples()
    assert Counter(one.code for one in listed) == dict.fromkeys(CODES, 3)
    assert {one.licence for one in listed} == {"CC-0"}
    assert len({one.isic_id for one in listed}) == 12
    assert all(one.attribution and one.diagnosis and min(one.size) >= 224 for one in listed)


@pytest.mark.heavy
def test_all_twelve_come_with_hashes_and_attribution_and_are_a_collection(archive: Archive, tmp_path: Path) -> None:
    told: list[str] = []
    found = fetch_samples(tmp_path / "samples", archive.address, told.append)
    assert told == [one.credit for one in samples()]
    assert [path.read_bytes() for path in found] == [archive.files[one.isic_id] for one in samples()]
    noted = (tmp_path / "samples" / CHECKSUMS).read_text().splitlines()
    assert noted == [f"{sha256(path)}  {one.place}" for path, one in zip(found, samples(), strict=True)]
    credits = (tmp_path / "samples" / ATTRIBUTION).read_text()
    assert all(f"{one.isic_id}: {one.diagnosis}" in credits and "Anonymous, CC-0" in credits for one in samples())
    rows = read_collection(tmp_path / "samples").present
    assert sorted(rows["diagnosis"]) == sorted(one.code for one in samples())
    archive.asked.clear()
    assert fetch_samples(tmp_path / "samples", archive.address) == found
    assert archive.asked == []


@pytest.mark.heavy
def test_what_broke_off_is_told_is_not_kept_and_goes_on(archive: Archive, tmp_path: Path) -> None:
    archive.cut = samples()[2].isic_id
    with pytest.raises(LesionvizError, match=r"broke off .*goes on where it stopped"):
        fetch_samples(tmp_path, archive.address)
    assert sorted(path.name for path in tmp_path.rglob("*.jpg")) == sorted(f"{s.isic_id}.jpg" for s in samples()[:2])
    archive.cut = ""
    archive.asked.clear()
    assert len(fetch_samples(tmp_path, archive.address)) == 12
    assert len(archive.asked) == 2 * 10


@pytest.mark.heavy
def test_a_file_that_was_changed_here_and_one_that_changed_there_are_refused(
    archive: Archive, tmp_path: Path
) -> None:
    path = fetch_samples(tmp_path, archive.address)[0]
    path.write_bytes(photograph(FIRST.size, 99))
    with pytest.raises(LesionvizError, match=r"is not the file that was fetched\. Delete it"):
        fetch_samples(tmp_path, archive.address)
    path.unlink()
    archive.files[FIRST.isic_id] = photograph(FIRST.size, 98)
    with pytest.raises(LesionvizError, match="another file than when it was fetched first"):
        fetch_samples(tmp_path, archive.address)
    assert not path.exists()


@pytest.mark.parametrize(
    ("facts", "file", "words"),
    [
        ({}, b"<!doctype html><title>Sign in</title>", FIRST.isic_id),
        ({}, photograph(FIRST.size, 5)[:900], FIRST.isic_id),
        ({}, photograph((640, 480), 5), "came with 640 × 480 pixels, not 3872 × 2592"),
        ({"copyright_license": "CC-BY-NC"}, None, "under CC-BY-NC now, not CC-0. It was not fetched"),
        ({"files": {"full": {"url": "file:///etc/hostname"}}}, None, "no address on the web"),
        ({"files": {"full": {"url": 7}}}, None, "does not answer as"),
        ({"files": []}, None, "does not answer as"),
    ],
    ids=["HTML", "truncated", "another picture", "another licence", "a path", "a number", "no files"],
)
def test_what_is_not_the_photograph_is_refused_and_nothing_is_kept(
    facts: dict[str, Any], file: bytes | None, words: str, archive: Archive, tmp_path: Path
) -> None:
    archive.facts[FIRST.isic_id] |= facts
    archive.files[FIRST.isic_id] = file or archive.files[FIRST.isic_id]
    with pytest.raises(LesionvizError, match=words):
        fetch_samples(tmp_path, archive.address)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_answer_that_is_no_json_and_one_that_is_gone_are_told_apart(archive: Archive, tmp_path: Path) -> None:
    archive.facts[FIRST.isic_id] = ["<html>"]
    with pytest.raises(LesionvizError, match="does not answer as the ISIC Archive's API did"):
        fetch_samples(tmp_path, archive.address)
    del archive.facts[FIRST.isic_id]
    with pytest.raises(LesionvizError, match=r"refused .*404.*www\.isic-archive\.com"):
        fetch_samples(tmp_path, archive.address)


@pytest.mark.heavy
def test_the_command_fetches_them_and_says_whose_they_are(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lesionviz.data.samples.SERVER", archive.address)
    assert main(["data", "samples", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert all(one.credit in said for one in samples())
    assert "12 photographs" in said


def test_without_a_network_the_command_says_so_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lesionviz.data.samples.SERVER", "http://127.0.0.1:9/")
    assert main(["data", "samples", str(tmp_path)]) != 0
    assert "Connect to the internet and call the command again" in capsys.readouterr().err

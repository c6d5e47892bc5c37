"""The page's photographed samples against an archive of our own: nothing before the button, progress, cancel, the strip."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from isic_server import Archive, photograph, running_archive

from lesionviz.class_line import KEY, SOCKET
from lesionviz.classifier import LesionClassifier
from lesionviz.data.samples import VARIABLE, fetch_samples, samples
from lesionviz.imaging import open_image
from lesionviz.machine import ONE_PERSON
from lesionviz.widgets import Explorer
from lesionviz.widgets.explorer.image_picker import ImagePicker
from lesionviz.widgets.explorer.photographs import Photographs

LISTED = sorted(samples(), key=lambda sample: sample.isic_id)


@pytest.fixture(scope="module")
def _running() -> Iterator[Archive]:
    with running_archive() as server:
        yield server


@pytest.fixture
def archive(_running: Archive, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr("lesionviz.data.samples.SERVER", _running.address)
    _running.asked.clear()
    yield _running
    _running.cut = ""
    _running.hold(None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.fixture(scope="module")
def kept(_running: Archive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has them all."""
    folder = tmp_path_factory.mktemp("all")
    fetch_samples(folder, _running.address)
    return folder


def picker(explorer: Explorer) -> ImagePicker:
    return explorer._picker


def send(explorer: Explorer, **content: Any) -> None:
    picker(explorer)._handle_custom_msg(content, [])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not holds():
            await asyncio.sleep(0.01)


def test_nothing_is_asked_of_the_archive_before_the_button_is_pressed(
    archive: Archive, folder: Path, classifier: LesionClassifier
) -> None:
    explorer = Explorer(classifier)
    assert picker(explorer).photographs["state"] == "offer"
    assert picker(explorer).photographs["folder"] == str(folder)
    for number in (0, 99, -1, True, "0", None):
        send(explorer, kind="photograph", number=number, request=f"r{number}")
    send(explorer, kind="cancel")
    assert archive.asked == []
    assert not folder.exists()
    assert explorer.prediction is None


@pytest.mark.heavy
def test_pressed_it_fetches_all_and_the_model_answers_for_each_as_for_a_photograph(
    archive: Archive, folder: Path, classifier: LesionClassifier
) -> None:
    explorer = Explorer(classifier)
    send(explorer, kind="fetch")
    shown = picker(explorer).photographs
    assert (shown["state"], shown["done"], shown["words"]) == ("there", 12, "")
    assert [one["name"] for one in shown["samples"]] == [one.isic_id for one in LISTED]
    assert all(one["owner"] == "Anonymous, CC-0" for one in shown["samples"])
    send(explorer, kind="photograph", number=3, request="one")
    picture = open_image(folder / LISTED[3].place, LISTED[3].isic_id)
    assert explorer.prediction == classifier.predict(picture)
    assert "small network" not in explorer._explore.answer.value
    send(explorer, kind="sample", number=0, request="two")
    assert "small network" in explorer._explore.answer.value
    asked = len(archive.asked)
    send(explorer, kind="fetch")
    assert len(archive.asked) == asked == 24


def test_photographs_stand_in_no_order_of_their_diagnoses_and_only_their_truth_names_them() -> None:
    codes = [one.code for one in LISTED]
    assert codes != sorted(codes)
    assert all(len(set(codes[start : start + 3])) > 1 for start in range(0, 12, 3))
    solar = next(one for one in LISTED if one.diagnosis == "Solar lentigo")
    assert solar.truth == "Benign keratosis (BKL), “Solar lentigo” in the archive, confirmed by histopathology"
    carcinoma = next(one for one in LISTED if one.code == "BCC")
    assert carcinoma.truth == "Basal cell carcinoma (BCC), confirmed by histopathology"
    for one in LISTED:
        assert one.diagnosis not in one.owner + one.isic_id


@pytest.mark.heavy
def test_those_fetched_before_are_there_at_the_next_opening_without_the_network(
    archive: Archive, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(kept))
    photographs = Photographs(on=True)
    assert photographs.view["state"] == "there"
    name, path = photographs.file(11)  # type: ignore[misc]  # it is there
    assert path.read_bytes() == archive.files[name]
    assert archive.asked == []


@pytest.mark.heavy
def test_progress_is_told_and_cancelled_it_keeps_what_came_and_goes_on_from_there(
    archive: Archive, folder: Path
) -> None:
    told: list[tuple[str, int]] = []

    async def run() -> None:
        photographs = Photographs(on=True)
        photographs.on_change = lambda view: told.append((view["state"], view["done"]))
        archive.hold(3)
        photographs.fetch()
        photographs.fetch()  # pressed twice
        await until(lambda: ("fetching", 3) in told)
        photographs.cancel()
        assert told[-1] == ("offer", 3)
        archive.hold(None)
        photographs.fetch()
        await until(lambda: told[-1][0] == "there")

    asyncio.run(run())
    assert told[:4] == [("fetching", number) for number in range(4)]
    assert told[-1] == ("there", 12)
    counts = [done for _, done in told]
    assert counts == sorted(counts)
    files = [path for path in archive.asked if path.startswith("/files/")]
    assert len(files) in (12, 13)  # the one that was under way when it was cancelled came once more
    assert len(list(folder.rglob("*.jpg"))) == 12


def test_without_a_network_a_plain_sentence_is_said_and_the_button_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionviz.data.samples.SERVER", "http://127.0.0.1:9/")
    photographs = Photographs(on=True)
    photographs.fetch()
    assert photographs.view["state"] == "offer"
    said = "The ISIC Archive cannot be reached from this computer, or broke off. Connect to the internet, and press"
    assert photographs.view["words"].startswith(said)
    assert "http" not in photographs.view["words"]


@pytest.mark.heavy
def test_a_file_that_is_not_what_was_fetched_is_named_and_no_strip_is_shown(archive: Archive, folder: Path) -> None:
    first = samples()[1]
    archive.cut = samples()[2].isic_id
    photographs = Photographs(on=True)
    photographs.fetch()
    assert photographs.view["done"] == 2
    changed = folder / first.place
    changed.write_bytes(photograph(first.size, 77))
    again = Photographs(on=True)
    assert again.view["state"] == "offer"
    assert again.view["words"] == f"{changed} is not the file that was fetched. Delete it, and fetch it again."
    changed.unlink()
    archive.cut = ""
    again.fetch()
    assert (again.view["state"], again.view["words"]) == ("there", "")


def test_a_disk_that_takes_nothing_is_said(archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_self: Path, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", full)
    photographs = Photographs(on=True)
    photographs.fetch()
    assert "No space left on device" in photographs.view["words"]
    assert VARIABLE in photographs.view["words"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({SOCKET: "/nowhere/desk", KEY: "key"}, False),
        ({SOCKET: "/nowhere/desk", KEY: "key", ONE_PERSON: "1"}, False),
        ({"SERVER_SOFTWARE": "voila/0.5"}, False),
        ({"SERVER_SOFTWARE": "voila/0.5", ONE_PERSON: "1"}, True),
    ],
    ids=["notebook", "class", "class on one's own machine", "anybody's page", "one person's page"],
)
def test_they_are_offered_to_whoever_owns_the_machine_and_never_in_a_class(
    variables: dict[str, str],
    expected: bool,
    folder: Path,
    classifier: LesionClassifier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ONE_PERSON, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    explorer = Explorer(None if SOCKET in variables else classifier)
    assert picker(explorer).photographs["state"] == ("offer" if expected else "off")


@pytest.mark.heavy
def test_where_they_are_not_offered_no_message_brings_them(
    archive: Archive, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(kept))
    off = Photographs(on=False)
    off.fetch()
    off.cancel()
    assert off.view == {"state": "off"}
    assert off.file(0) is None
    assert archive.asked == []
    assert "CC-0" not in json.dumps(off.view)

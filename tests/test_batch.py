"""The batch driven from Python and by what a browser (or a stranger) would send."""

from __future__ import annotations

import asyncio
import csv
import io
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import MAX_BYTES
from lesionviz.quality import QUALITY
from lesionviz.refusal import FEATURES, DistanceRefusal
from lesionviz.widgets import Batch
from lesionviz.widgets.batch import batch as module
from lesionviz.widgets.batch.rows import COLUMNS
from lesionviz.widgets.parts.background import Background

VIEW = 17
"""The number that a view gives itself."""


class Page:
    """What a view does, and what it hears."""

    def __init__(self, batch: Batch, monkeypatch: pytest.MonkeyPatch, sender: int = VIEW) -> None:
        self.batch, self.sender, self.heard = batch, sender, list[tuple[dict[str, Any], list[bytes]]]()
        monkeypatch.setattr(
            batch, "send", lambda content, buffers=None: self.heard.append((content, list(buffers or [])))
        )

    def send(self, content: Any, *pieces: bytes) -> None:
        self.batch._handle_custom_msg(content, [memoryview(piece) for piece in pieces])

    def queue(self, count: int, current: int | None = None) -> None:
        """Say how many files have no row yet, and which of them was sent."""
        self.send({"kind": "queue", "sender": self.sender, "count": count, "current": current})

    def file(self, number: int, name: str, data: bytes, piece: int = 1000, **more: Any) -> None:
        self.send({"kind": "file", "id": number, "sender": self.sender, "name": name, "size": len(data), **more})
        for start in range(0, len(data), piece):
            self.send({"kind": "piece", "id": number}, data[start : start + piece])

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [content for content, _ in self.heard if content["kind"] == kind]


@pytest.fixture
def batch(classifier: LesionClassifier) -> Batch:
    return Batch(classifier)


@pytest.fixture
def page(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(batch, monkeypatch)


def jpeg(code: str = "MEL", seed: int = 1) -> bytes:
    buffer = io.BytesIO()
    draw_lesion(code, seed, (120, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures, one in a folder below, a cut one, a text, and what computers leave behind."""
    inside = tmp_path / "clinic"
    (inside / "left").mkdir(parents=True)
    (inside / "a.jpg").write_bytes(jpeg("NV", 2))
    (inside / "left" / "b.jpg").write_bytes(jpeg("MEL", 3))
    (inside / "cut.jpg").write_bytes(jpeg()[:900])
    (inside / "notes.txt").write_text("the patient says")
    (inside / ".hidden").write_text("x")
    return inside


@pytest.fixture
def strict(small_checkpoint: Checkpoint) -> LesionClassifier:
    """A classifier that refuses whatever is darker than a quarter of full brightness."""
    limits = dict.fromkeys(QUALITY, (-100.0, 100.0)) | {"brightness": (0.25, 100.0)}
    refusal = DistanceRefusal(limits, np.zeros(FEATURES), np.eye(FEATURES), 1e9, 1e9, 0.95)
    return LesionClassifier(replace(small_checkpoint, refusal=refusal.to_dict(), file_sha256="abc123"))


@pytest.fixture
def dark(tmp_path: Path) -> Path:
    path = tmp_path / "dark.png"
    Image.new("RGB", (120, 90), (30, 20, 10)).save(path)
    return path


def test_a_folder_becomes_a_row_for_each_file_with_the_classifiers_answer(
    batch: Batch, classifier: LesionClassifier, folder: Path
) -> None:
    batch.add(folder)
    assert [row.file for row in batch.rows] == [
        "clinic/a.jpg",
        "clinic/cut.jpg",
        "clinic/left/b.jpg",
        "clinic/notes.txt",
    ]
    assert [row.outcome for row in batch.rows] == ["answered", "failed", "answered", "failed"]
    expected = classifier.predict(folder / "left" / "b.jpg")
    assert batch.rows[2].prediction == replace(expected, source="clinic/left/b.jpg")
    assert "clinic/cut.jpg is damaged or incomplete" in batch.rows[1].error
    assert "clinic/notes.txt is not a picture" in batch.rows[3].error
    assert (batch.done, batch.total, batch.running) == (4, 4, False)


def test_thumbnails_are_small(batch: Batch, folder: Path) -> None:
    batch.add(folder / "a.jpg")
    with Image.open(io.BytesIO(batch.rows[0].thumbnail)) as thumbnail:
        assert thumbnail.size == (96, 72)
    assert len(batch.rows[0].thumbnail) < 8000


def test_files_add_up_in_the_order_in_which_they_came(batch: Batch, folder: Path) -> None:
    batch.add([folder / "cut.jpg", folder / "a.jpg"])
    batch.add(str(folder / "missing.jpg"))
    assert [row.file for row in batch.rows] == ["cut.jpg", "a.jpg", "missing.jpg"]
    assert "There is no file" in batch.rows[2].error


def test_a_folder_without_files_and_too_many_files_are_refused(
    batch: Batch, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LesionvizError, match="holds no files"):
        batch.add(tmp_path / "empty")
    monkeypatch.setattr(module, "MAX_FILES", 3)
    with pytest.raises(LesionvizError, match="at most 3 files, and this would make 4"):
        batch.add(folder)
    assert batch.rows == ()
    assert not batch.running


def test_thousands_of_files_need_no_deep_stack(batch: Batch, tmp_path: Path) -> None:
    batch.add([tmp_path / f"{number}.jpg" for number in range(3000)])
    assert batch.done == len(batch.rows) == 3000


def test_files_that_fail_by_the_thousand_do_not_flood_the_connection(
    page: Page, batch: Batch, tmp_path: Path
) -> None:
    batch.add([tmp_path / f"{number}.jpg" for number in range(2000)])
    assert batch.done == 2000
    assert len(page.told("rows")) < 200
    page.send({"kind": "rows", "from": 100})
    assert page.told("rows")[-1]["count"] == 2000


def test_a_file_from_the_browser_is_answered_and_only_then_the_next_one_is_asked_for(
    page: Page, batch: Batch, classifier: LesionClassifier
) -> None:
    page.queue(2)
    assert (batch.done, batch.total, batch.running) == (0, 2, True)
    page.send({"kind": "file", "id": 1, "sender": VIEW, "name": "dir/a.jpg", "size": len(jpeg())})
    assert page.told("next") == []
    page.send({"kind": "piece", "id": 1}, jpeg())
    assert page.told("next") == [{"kind": "next", "id": 1}]
    assert batch.rows[0].file == "dir/a.jpg"
    assert batch.rows[0].prediction == replace(classifier.predict(jpeg()), source="dir/a.jpg")
    page.file(2, "b.jpg", jpeg("NV"))
    assert (batch.done, batch.total, batch.running) == (2, 2, False)


def test_bad_files_become_rows_and_the_batch_goes_on(page: Page, batch: Batch) -> None:
    page.queue(5)
    page.file(1, "cut.jpg", jpeg()[:900])
    page.send({"kind": "file", "id": 2, "sender": VIEW, "name": "scan.tif", "size": MAX_BYTES + 1})
    page.send({"kind": "file", "id": 3, "sender": VIEW, "name": "empty.png", "size": 0})
    page.send({"kind": "unreadable", "id": 4, "sender": VIEW, "name": "gone.jpg"})
    page.file(5, "good.jpg", jpeg())
    assert [row.outcome for row in batch.rows] == ["failed"] * 4 + ["answered"]
    for row, words in zip(batch.rows, ["damaged", "more than 64 MiB", "is empty", "could not be read"], strict=False):
        assert row.error.startswith(row.file)
        assert words in row.error
    assert [message["id"] for message in page.told("next")] == [1, 2, 3, 4, 5]
    assert not batch.running


def test_cancel_keeps_what_is_done_and_says_what_is_not(page: Page, batch: Batch) -> None:
    page.queue(10)
    page.file(1, "a.jpg", jpeg())
    page.send({"kind": "file", "id": 2, "sender": VIEW, "name": "b.jpg", "size": 5000})
    page.send({"kind": "cancel"})
    assert (batch.done, batch.total, batch.running) == (1, 1, False)
    assert batch.note == "Cancelled: 9 files were not looked at and are not in the table."
    assert {"kind": "stopped", "sender": VIEW} in page.told("stopped")
    page.send({"kind": "piece", "id": 2}, bytes(5000))  # was on its way
    page.file(3, "c.jpg", jpeg())
    assert batch.done == 1
    page.queue(1)
    page.file(4, "d.jpg", jpeg())
    assert (batch.done, batch.total, batch.note) == (2, 2, "")


def test_clear_empties_and_can_be_taken_back_until_something_new_comes(
    page: Page, batch: Batch, folder: Path
) -> None:
    batch.add(folder)
    rows = batch.rows
    page.send({"kind": "clear"})
    assert (batch.rows, batch.done, batch.total, batch.removed) == ((), 0, 0, 4)
    page.send({"kind": "restore"})
    assert (batch.rows, batch.done, batch.removed) == (rows, 4, 0)
    page.send({"kind": "clear"})
    batch.add(folder / "a.jpg")
    page.send({"kind": "restore"})
    assert batch.done == 1


def test_a_view_gets_the_rows_that_it_lacks_with_thumbnails(
    page: Page, batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 3)
    batch.add(folder)
    page.heard.clear()
    page.send({"kind": "rows", "from": 0})
    content, buffers = page.heard[0]
    assert (content["from"], content["count"], len(content["rows"])) == (0, 4, 3)
    assert content["rows"][0] == {
        "name": "clinic/a.jpg",
        "outcome": "answered",
        "why": "",
        "diagnosis": batch.rows[0].prediction.diagnosis,
        "probabilities": [batch.rows[0].prediction.probabilities[code] for code in CODES],
        "id": 0,
        "local": True,
        "second": "",
        "agree": None,
    }
    assert buffers == [row.thumbnail for row in batch.rows[:3]]
    page.send({"kind": "rows", "from": 3})
    assert [row["name"] for row in page.heard[1][0]["rows"]] == ["clinic/notes.txt"]


def test_of_two_views_the_last_one_to_send_wins(
    page: Page, batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.queue(5)
    page.send({"kind": "file", "id": 1, "sender": VIEW, "name": "a.jpg", "size": 5000})
    other = Page(batch, monkeypatch, sender=18)
    other.queue(1)
    assert other.told("stopped") == [{"kind": "stopped", "sender": VIEW}]
    page.send({"kind": "piece", "id": 1}, bytes(5000))
    page.file(2, "b.jpg", jpeg())
    assert batch.done == 0
    other.file(3, "c.jpg", jpeg())
    assert [row.file for row in batch.rows] == ["c.jpg"]
    assert (batch.total, batch.running) == (1, False)


def test_a_file_that_comes_twice_becomes_one_row_and_the_next_one_is_asked_for_again(
    page: Page, batch: Batch
) -> None:
    page.queue(2)
    for _ in range(3):
        page.file(1, "a.jpg", jpeg())
    assert [row.file for row in batch.rows] == ["a.jpg"]
    assert page.told("next") == [{"kind": "next", "id": 1}] * 3
    page.file(2, "b.jpg", jpeg())
    page.send({"kind": "file", "id": 2, "sender": VIEW, "name": "b.jpg", "size": 5})  # the last one, too
    assert (batch.done, batch.total, batch.running) == (2, 2, False)
    assert page.told("next")[-1] == {"kind": "next", "id": 2}
    assert page.told("stopped") == []


def test_a_file_that_comes_again_while_it_is_looked_at_becomes_one_row(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> Batch:
        batch = Batch(classifier)
        page = Page(batch, monkeypatch)
        page.queue(2)
        for _ in range(2):
            page.file(1, "a.jpg", jpeg())
        assert batch.done == 0
        while batch.done < 1 or batch._queue.held:
            await asyncio.sleep(0.01)
        return batch

    batch = asyncio.run(work())
    assert [row.file for row in batch.rows] == ["a.jpg"]
    assert (batch.total, batch.running) == (2, True)


@pytest.mark.parametrize("arrived", [0, 1, 3])
def test_a_file_that_was_cut_off_is_put_together_when_it_comes_again(arrived: int, page: Page, batch: Batch) -> None:
    data = jpeg()
    page.queue(1)
    page.send({"kind": "file", "id": 1, "sender": VIEW, "name": "a.jpg", "size": len(data)})
    for start in range(0, 500 * arrived, 500):
        page.send({"kind": "piece", "id": 1, "start": start}, data[start : start + 500])
    page.queue(1, current=1)
    page.file(1, "a.jpg", data)
    assert [row.outcome for row in batch.rows] == ["answered"]


def test_how_many_files_wait_can_be_said_again_and_is_then_right(page: Page, batch: Batch) -> None:
    page.queue(3)
    page.file(1, "a.jpg", jpeg())
    page.queue(3, current=1)  # whose row the view has not heard of
    assert (batch.done, batch.total) == (1, 3)
    page.queue(2, current=2)
    assert (batch.done, batch.total) == (1, 3)
    page.queue(6, current=2)  # four were added when nobody heard
    assert (batch.done, batch.total) == (1, 7)
    page.queue(1, current=2)
    page.file(2, "b.jpg", jpeg())
    page.queue(1, current=2)
    assert (batch.done, batch.total, batch.running) == (2, 2, False)
    assert page.told("stopped") == []


def test_after_a_lost_connection_a_view_hears_where_the_batch_stands(
    page: Page, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.queue(3)
    page.file(1, "a.jpg", jpeg())
    states: list[set[str]] = []
    monkeypatch.setattr(batch, "send_state", lambda key: states.append(set(key)))
    page.send({"kind": "say again"})
    assert states == [{"done", "total", "running", "note", "removed", "shown", "second"}]
    assert page.heard[-1] == ({"kind": "said", "sender": VIEW, "answered": 1, "opened": -1}, [])
    page.send({"kind": "cancel"})
    page.send({"kind": "say again"})
    assert page.told("said")[-1]["sender"] == 0


@pytest.mark.parametrize(
    ("content", "pieces"),
    [
        (None, []),
        ("queue", []),
        ({"kind": "say again"}, []),
        ({"kind": "queue", "sender": VIEW, "count": 0, "current": -1}, []),
        ({"kind": "queue", "sender": VIEW, "count": None, "current": {}}, []),
        ({"kind": "queue", "sender": VIEW, "count": True}, []),
        ({"kind": "queue", "sender": VIEW, "count": -3}, []),
        ({"kind": "queue", "sender": "x", "count": 3}, []),
        ({"kind": "file", "id": 1, "sender": VIEW, "name": "unannounced.jpg", "size": 10}, []),
        ({"kind": "file"}, []),
        ({"kind": "piece"}, []),
        ({"kind": "piece", "id": -1}, [b"unannounced"]),
        ({"kind": "unreadable", "id": [], "name": {}}, []),
        ({"kind": "open", "row": 0}, []),
        ({"kind": "open", "row": "0"}, []),
        ({"kind": "rows", "from": -1}, []),
        ({"kind": "rows", "from": None}, []),
        ({"kind": "csv", "forced": "yes"}, []),
        ({"kind": "cancel"}, []),
        ({"kind": "restore"}, []),
        ({"kind": ["clear"]}, []),
    ],
)
def test_hostile_messages_change_nothing(content: Any, pieces: list[bytes], page: Page, batch: Batch) -> None:
    page.send(content, *pieces)
    assert (batch.rows, batch.done, batch.total, batch.running, batch.note) == ((), 0, 0, False, "")


def test_the_browser_sets_no_trait(batch: Batch) -> None:
    batch.set_state({"done": 99, "note": "<b>", "facts": {}})
    assert (batch.done, batch.note) == (0, "")
    assert batch.facts["max_files"] == 5000


def test_more_files_than_allowed_are_not_announced_and_not_taken(
    page: Page, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 2)
    page.queue(10**9)
    assert batch.total == 2
    for number in range(4):
        page.file(number, "a.jpg", jpeg())
    assert batch.done == 2
    page.queue(1)
    assert page.told("stopped")[-1] == {"kind": "stopped", "sender": VIEW}
    assert not batch.running


def test_long_names_are_cut(page: Page, batch: Batch) -> None:
    page.queue(1)
    page.file(1, "x" * 10_000, jpeg())
    assert batch.rows[0].file == "x" * 200


def test_more_bytes_than_announced_are_refused(page: Page, batch: Batch) -> None:
    page.queue(1)
    page.send({"kind": "file", "id": 1, "sender": VIEW, "name": "x.jpg", "size": 10})
    page.send({"kind": "piece", "id": 1}, bytes(11))
    assert "did not arrive as announced" in batch.rows[0].error


def test_only_one_file_of_the_browser_is_in_memory(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy(Background):
        def submit(self, *_: Any) -> Any:
            """Never comes back."""

    batch = Batch(Busy(classifier))
    page = Page(batch, monkeypatch)
    page.queue(3)
    for number in (1, 2, 3):
        page.file(number, "a.jpg", jpeg())
    (held,) = batch._queue.held
    assert held.origin == 1
    page.send({"kind": "cancel"})
    assert batch._queue.held == ()
    assert held.source == b""


def test_a_table_for_pandas_holds_what_the_rows_hold(batch: Batch, folder: Path) -> None:
    batch.add(folder)
    table = batch.table
    assert list(table.columns) == list(COLUMNS)
    assert list(table["file"]) == [row.file for row in batch.rows]
    answered = table[table["error"] == ""]
    assert len(answered) == 2
    assert np.allclose(answered[list(CODES)].sum(axis=1), 1)
    assert np.allclose(answered[list(CODES)].max(axis=1), answered["probability"])
    failed = table[table["error"] != ""]
    assert failed[["diagnosis", "probability", *CODES]].isna().all(axis=None)


def test_an_empty_table_has_the_same_columns(batch: Batch) -> None:
    assert list(batch.table.columns) == list(COLUMNS)
    assert batch.to_csv() == ",".join(COLUMNS) + "\n"


def test_refused_pictures_have_no_diagnosis_in_the_table_and_forced_ones_stand_apart(
    strict: LesionClassifier, dark: Path
) -> None:
    batch = Batch(strict)
    batch.add(dark)
    assert batch.rows[0].outcome == "refused"
    row = batch.table.iloc[0]
    assert row["refused_because"] == "the picture is too dark"
    assert pd.isna(row["diagnosis"])
    assert row[list(CODES)].isna().all()
    (forced,) = csv.DictReader(io.StringIO(batch.to_csv(forced=True)))
    prediction = strict.predict(dark)
    assert forced["diagnosis"] == forced["MEL"] == ""  # where valid answers stand, nobody counts it
    assert forced["forced_diagnosis"] == prediction.diagnosis
    assert forced["forced_MEL"] == f"{prediction.probabilities['MEL']:.6f}"
    assert forced["refused_because"] == "the picture is too dark"


def test_csv_names_the_model_and_says_that_it_is_no_diagnosis(strict: LesionClassifier, dark: Path) -> None:
    batch = Batch(strict)
    batch.add(dark)
    (row,) = csv.DictReader(io.StringIO(batch.to_csv()))
    assert row["model_sha256"] == "abc123"
    assert row["notice"] == "For research and teaching; not a diagnosis."


@pytest.mark.parametrize("name", ["=HYPERLINK(A1).jpg", "+1.jpg", "-1.jpg", "@SUM(A1).jpg", "\tx.jpg", "＝1.jpg"])
def test_no_name_becomes_a_formula_in_a_spreadsheet(name: str, page: Page, batch: Batch) -> None:
    page.queue(2)
    page.file(1, name, jpeg())
    page.file(2, name, b"broken")
    for row in csv.DictReader(io.StringIO(batch.to_csv())):
        assert row["file"] == "'" + name
        assert not row["error"].startswith(name)
    assert batch.table["file"][0] == name  # whereas pandas gets the name as it is


def test_csv_keeps_commas_quotes_and_letters_of_names(page: Page, batch: Batch) -> None:
    name = 'Müller, "left".jpg'
    page.queue(1)
    page.file(1, name, jpeg())
    page.send({"kind": "csv", "forced": False})
    content, (data,) = page.heard[-1]
    assert content["name"].startswith("lesionviz-batch-")
    assert content["name"].endswith(".csv")
    (row,) = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
    assert row["file"] == name


def test_opening_hands_over_name_and_bytes_while_the_batch_goes_on(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, bytes]] = []
    batch = Batch(classifier, on_open=lambda name, data: opened.append((name, data)))
    page = Page(batch, monkeypatch)
    page.queue(2)
    page.file(1, "a.jpg", jpeg())
    half = jpeg("NV")
    page.send({"kind": "file", "id": 2, "sender": VIEW, "name": "b.jpg", "size": len(half)})
    page.file(3, "a.jpg", jpeg(), open=True)
    page.send({"kind": "piece", "id": 2}, half)
    assert opened == [("a.jpg", jpeg())]
    assert batch.done == 2
    assert page.told("opened") == [{"kind": "opened", "problem": ""}]


def test_a_row_from_python_opens_from_its_path(
    classifier: LesionClassifier, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, bytes]] = []
    batch = Batch(classifier, on_open=lambda name, data: opened.append((name, data)))
    page = Page(batch, monkeypatch)
    batch.add(folder / "a.jpg")
    page.send({"kind": "open", "row": 0})
    assert opened == [("a.jpg", (folder / "a.jpg").read_bytes())]
    (folder / "a.jpg").unlink()
    page.send({"kind": "open", "row": 0})
    assert "There is no file" in page.told("opened")[-1]["problem"]


def test_without_a_callback_nothing_is_opened_or_kept(page: Page, batch: Batch) -> None:
    page.queue(1)
    page.file(1, "a.jpg", jpeg())
    page.file(2, "a.jpg", jpeg(), open=True)
    assert page.told("opened") == []
    assert not batch.facts["can_open"]


def test_a_failing_callback_becomes_one_sentence_and_goes_to_the_log(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_name: str, _data: bytes) -> None:
        raise ZeroDivisionError("secret detail")

    batch = Batch(classifier, on_open=fail)
    page = Page(batch, monkeypatch)
    with caplog.at_level(logging.ERROR):
        page.file(1, "a.jpg", jpeg(), open=True)
    assert page.told("opened")[0]["problem"].startswith("a.jpg could not be opened")
    assert "secret detail" not in str(page.heard)
    assert "secret detail" in caplog.text


def test_a_defect_becomes_a_row_and_the_batch_goes_on(
    batch: Batch, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = LesionClassifier.examine

    def fail_once(self: LesionClassifier, image: Any) -> Any:
        if image.name == "a.jpg":
            raise ZeroDivisionError("secret detail")
        return right(self, image)

    monkeypatch.setattr(LesionClassifier, "examine", fail_once)
    batch.add([folder / "a.jpg", folder / "left" / "b.jpg"])
    assert "something inside lesionviz failed" in batch.rows[0].error
    assert batch.rows[1].outcome == "answered"
    assert "secret detail" in caplog.text


def test_a_model_that_cannot_be_loaded_ends_the_batch_with_its_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> LesionClassifier:
        raise LesionvizError("There is no model. Train one.")

    monkeypatch.setattr("lesionviz.classifier.load", missing)
    batch = Batch()
    batch.add(folder)
    assert (batch.rows, batch.total, batch.running) == ((), 0, False)
    assert batch.note == "There is no model. Train one."


def on_a_loop(act: Callable[[], None], batch: Batch) -> None:
    """Run something as in Jupyter, and wait until the batch rests."""

    async def go() -> None:
        act()
        while batch.running:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # what was cancelled may still be under way

    asyncio.run(go())


def test_in_jupyter_add_returns_at_once_and_rows_follow(batch: Batch, folder: Path) -> None:
    def act() -> None:
        batch.add(folder)
        assert (batch.done, batch.total, batch.running) == (0, 4, True)

    on_a_loop(act, batch)
    assert batch.done == 4


def test_in_jupyter_a_cancelled_file_leaves_no_row(batch: Batch, folder: Path) -> None:
    def act() -> None:
        batch.add(folder)
        batch.cancel()

    on_a_loop(act, batch)
    assert (batch.rows, batch.total) == ((), 0)


def test_work_is_shared_with_other_widgets(classifier: LesionClassifier, folder: Path) -> None:
    shared = Background(classifier)
    batch = Batch(shared)
    batch.add(folder / "a.jpg")
    assert batch._background is shared
    assert batch.done == 1

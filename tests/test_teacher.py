"""The teacher's page over a real server: what it says, what it takes, and from whom."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from PIL import Image
from quiz_server import class_server

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.game import Verdict
from lesionviz.game.class_store import ClassStore
from lesionviz.game.classroom import Classroom
from lesionviz.prediction import Prediction
from lesionviz.serving.teacher import teacher_routes

pytestmark = pytest.mark.heavy


class Browser:
    """A teacher's browser without the page's script."""

    def __init__(self, address: str) -> None:
        self.address, self.cookies = address, CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))
        self.page = self.get("teacher").decode()
        found = re.search(r'data-facts="([^"]*)"', self.page)
        assert found
        self.facts = json.loads(html.unescape(found[1]))

    def get(self, path: str) -> bytes:
        with self.opener.open(self.address + path, timeout=60) as reply:
            data: bytes = reply.read()
            return data

    def state(self, seen: int = 0) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.get(f"teacher/state?seen={seen}"))
        return state

    def do(self, move: str, token: str | None = None, data: bytes | None = None, **about: Any) -> tuple[int, Any]:
        body = json.dumps(about).encode() if data is None else data
        headers = {"X-XSRFToken": self.facts["token"] if token is None else token}
        try:
            with self.opener.open(Request(f"{self.address}teacher/do/{move}", body, headers), timeout=60) as reply:
                return reply.status, json.loads(reply.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two lesions of each class in an allowed folder."""
    for code in CODES:
        (tmp_path / "allowed" / "lesson" / code).mkdir(parents=True)
        for seed in (1, 2):
            draw_lesion(code, seed, (80, 60)).save(tmp_path / "allowed" / "lesson" / code / f"zebra{seed}.jpg")
    return tmp_path / "allowed" / "lesson"


@pytest.fixture
def room(tmp_path: Path) -> Classroom:
    return Classroom(ClassStore(tmp_path / "class.sqlite"))


@pytest.fixture
def browser(room: Classroom, folder: Path) -> Iterator[Browser]:
    with class_server(room, roots=[folder.parent]) as address:
        yield Browser(address)


def test_a_quiz_is_led_from_the_page_and_ends_as_a_file(room: Classroom, browser: Browser, folder: Path) -> None:
    room.join("a", "=1+1")
    assert browser.do("open", folder=str(folder))[1]["set"]["counts"] == dict.fromkeys(CODES, 2)
    status, state = browser.do("start", cases=2, seed=5)
    assert (status, state["phase"], state["case"], state["of"]) == (200, "question", 1, 2)
    assert Image.open(io.BytesIO(browser.get("teacher/picture?case=1"))).size == (80, 60)
    for number in (1, 2):
        assert room.sitting.question is not None
        wanted = room.wanted()
        assert wanted is not None
        room.enter(wanted.question, Verdict(Prediction("NV", 0.7, dict.fromkeys(CODES, 0.25), "x")))
        room.commit("a", number, room.sitting.question.item.truth)
        secret = json.dumps(browser.state())
        assert "zebra" not in secret
        assert "truth" not in secret
        assert browser.do("reveal", case=number)[1]["truth"] == room.sitting.question.item.truth
        browser.do("next", case=number)
    state = browser.state()
    assert (state["phase"], state["score"]) == ("over", {"right": 2, "of": 2})
    rows = list(csv.DictReader(io.StringIO(browser.get("teacher/answers.csv").decode("utf-8-sig"))))
    assert [(row["learner"], row["answer"] == row["truth"], row["model"]) for row in rows] == [
        ("'=1+1", True, "NV")
    ] * 2
    assert browser.do("delete")[1]["learners"] == []
    assert not Path(state["file"]["path"]).exists()


@pytest.mark.parametrize("move", ["open", "start", "reveal", "next", "finish", "delete"])
def test_no_change_is_made_without_the_pages_token(room: Classroom, browser: Browser, move: str) -> None:
    room.join("a", "Ada")
    version = room.version
    for token in ("", "2|00000000|00000000000000000000000000000000|1"):
        status, said = browser.do(move, token=token, folder=None, cases=2, seed=0, case=0)
        assert (status, said) == (403, {"error": "This page is out of date. Reload it."})
    browser.cookies.clear()
    assert browser.do(move)[0] == 403
    assert room.version == version


def test_the_state_comes_at_once_when_it_is_another_and_else_with_the_next_change(
    room: Classroom, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = browser.state()["version"]
    assert seen == room.version
    waits = room.listen

    def join_meanwhile(heard: Any) -> Any:
        """The server has begun to wait: now something happens."""
        end = waits(heard)
        monkeypatch.undo()
        room.join("a", "Ada")
        return end

    monkeypatch.setattr(room, "listen", join_meanwhile)
    assert [one["name"] for one in browser.state(seen)["learners"]] == ["Ada"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("", "Type the folder's path"),
        (7, "Type the folder's path"),
        ("a\0b", "Type the folder's path"),
        ("x" * 5000, "Type the folder's path"),
        ("cases", "is no whole path"),
        ("/etc", "/etc is not in a folder that this server was allowed to read"),
        ("{allowed}/../outside", "outside is not in a folder"),
        ("{allowed}/link", "outside is not in a folder"),
        ("{allowed}/nothing", "There is no folder"),
    ],
)
def test_a_folder_that_cannot_be_read_is_refused_in_a_sentence(browser: Browser, wish: object, words: str) -> None:
    allowed = Path(browser.facts["places"][0])
    (allowed.parent / "outside").mkdir()
    (allowed / "link").symlink_to(allowed.parent / "outside")
    status, said = browser.do("open", folder=wish.format(allowed=allowed) if isinstance(wish, str) else wish)
    assert status == 400
    assert words in said["error"]
    assert browser.state()["set"]["drawn"] is True


def test_the_allowed_folders_are_offered_and_without_any_every_folder_is_open(room: Classroom, folder: Path) -> None:
    (folder.parent / ".hidden").mkdir()
    with class_server(room, roots=[folder.parent]) as address:
        assert Browser(address).facts["places"] == [str(folder.parent), str(folder)]
    with class_server(room) as address:
        browser = Browser(address)
        assert browser.facts["places"] == []
        assert browser.do("open", folder=str(folder))[0] == 200


@pytest.mark.parametrize(
    ("move", "body", "status"),
    [
        ("start", b'{"cases": 0, "seed": 0}', 400),
        ("start", b'{"cases": "2", "seed": 0}', 400),
        ("start", b'{"cases": 2, "seed": 1e99}', 400),
        ("start", b"[]", 400),
        ("start", b"\xff", 400),
        ("start", b"[" * 10_000, 400),
        ("start", b'{"cases": 2, "x": "' + b"x" * 20_000 + b'"}', 400),
        ("reveal", b"{}", 400),
        ("next", b'{"case": "1"}', 400),
        ("shutdown", b"{}", 404),
    ],
)
def test_what_no_page_of_ours_says_is_refused(browser: Browser, move: str, body: bytes, status: int) -> None:
    before = browser.state()
    code, said = browser.do(move, data=body)
    assert code == status
    assert said["error"].endswith(".")
    assert browser.state() == before


@pytest.mark.parametrize("path", ["picture", "picture?case=x", "state", "state?seen=-1", "do/start"])
def test_a_question_that_is_none_gets_no_trace(browser: Browser, path: str) -> None:
    with pytest.raises(HTTPError) as raised:
        browser.get(f"teacher/{path}")
    said = raised.value.read().decode()
    assert raised.value.code in {404, 405}
    assert "Traceback" not in said
    assert json.loads(said)["error"].endswith(".")


def test_pages_are_kept_by_nobody_run_no_foreign_script_and_stand_in_no_frame(browser: Browser) -> None:
    for path in (
        "teacher",
        "teacher/state?seen=0",
        "teacher/teacher.js",
        "teacher/teacher.css",
        "teacher/answers.csv",
    ):
        with browser.opener.open(browser.address + path, timeout=60) as reply:
            assert reply.headers["Cache-Control"] == "no-store"
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
            assert "unsafe" not in reply.headers["Content-Security-Policy"]
    assert not re.search(r"<(style|script(?![^>]*src=))", browser.page)


@pytest.mark.parametrize(
    ("listens", "host", "proto", "shown", "alone"),
    [
        ("http://127.0.0.1:8866/?token=a", "127.0.0.1:8866", "", "http://127.0.0.1:8866/?token=a", True),
        ("http://127.0.0.1:8866/?token=a", "localhost:8866", "", "http://127.0.0.1:8866/?token=a", True),
        ("http://[::1]:8866/?token=a", "[::1]:8866", "", "http://[::1]:8866/?token=a", True),
        ("http://127.0.0.1:8866/x/?token=a", "clinic.example", "https", "https://clinic.example/x/?token=a", False),
        ("http://127.0.0.1:8866/x/?token=a", "lab:8080", "", "http://lab:8080/x/?token=a", False),
        ("https://192.168.1.20:8866/?token=a", "localhost:8866", "", "https://192.168.1.20:8866/?token=a", False),
    ],
)
def test_learners_are_shown_an_address_that_others_can_open_or_told_that_there_is_none(
    room: Classroom, listens: str, host: str, proto: str, shown: str, alone: bool
) -> None:
    with class_server(room, address=lambda: listens) as address:
        asked = Request(f"{address}teacher", headers={"Host": host} | ({"X-Forwarded-Proto": proto} if proto else {}))
        with build_opener().open(asked, timeout=60) as reply:
            found = re.search(r'data-facts="([^"]*)"', reply.read().decode())
    assert found
    facts = json.loads(html.unescape(found[1]))
    assert (facts["address"], facts["alone"]) == (shown, alone)


def test_the_page_says_what_it_is_not_and_takes_no_markup_from_an_address(room: Classroom) -> None:
    with class_server(room, address=lambda: 'http://x/"><script>alert(1)</script>') as address:
        browser = Browser(address)
    assert "This is not a medical device" in browser.facts["notice"]
    assert browser.facts["address"].endswith("</script>")
    assert "<script>alert" not in browser.page


def test_whatever_a_proxy_puts_before_them_the_page_finds_its_parts(room: Classroom) -> None:
    routes = teacher_routes(room, address=str)
    assert all(pattern.startswith("/teacher") for pattern, *_ in routes)
    folder = Path(__file__).parents[1] / "lesionviz/serving/teacher"
    assert re.findall(r'(?:href|src)="/', (folder / "teacher.html").read_text(encoding="utf-8")) == []
    scripts = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js"))
    assert re.findall(r"[\"'`]/teacher", scripts) == []

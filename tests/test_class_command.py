"""How a class is opened from the command line: what is refused because it is not safe, and what is said and handed on."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionviz.cli import main
from lesionviz.errors import LesionvizError
from lesionviz.serving import class_server
from lesionviz.serving.behind import Behind
from lesionviz.serving.class_server import Opened, certificate, check_address, check_numbers, check_tokens, shown
from lesionviz.serving.kernels import with_nonce
from lesionviz.serving.plain_pages import widget_policy

OPENED = Opened("http://192.168.1.20:8866/?token=abc", "http://192.168.1.20:8866/teacher?token=def", alone=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the command would have served."""
    options: dict[str, Any] = {}

    def serve(report: Callable[[Opened], None], **given: Any) -> None:
        options.update(given)
        given["begin"]()
        report(OPENED)

    monkeypatch.setattr(class_server, "serve_class", serve)
    return options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ["--host", "0.0.0.0", "--token", ""],
            "Without a token the class would be open to everybody in this network.",
        ),
        (["--host", "0.0.0.0", "--token", "  "], "Without a token the class would be open"),
        (["--host", "::", "--token", ""], "Without a token the class would be open"),
        (["--host", "192.168.1.20", "--token", "short"], "A token needs at least 8 letters"),
        (["--teacher-token", ""], "A token needs at least 8 letters"),
        (["--token", "the-same-one", "--teacher-token", "the-same-one"], "need tokens of their own"),
        (["--host", "lab.example.org"], "'lab.example.org' is no address to listen on. Give 0.0.0.0"),
        (["--keyfile", "key.pem"], "--keyfile key.pem needs its certificate, too."),
        (["--certfile", "nothing.pem"], "nothing.pem and the key in it cannot be used for https"),
        (["--class", "0"], "A class of 0 cannot be served. Give --class a number from 1 to 500."),
        (["--class", "501"], "A class of 501 cannot be served."),
        (["--idle", "0"], "--idle 0 would end every kernel at once."),
        (["--idle", "nan"], "--idle nan would end every kernel at once."),
        (["--pool", "-1"], "--pool -1 makes no sense."),
        (["--allow-host", "https://lab.example.org"], "is not the name of a computer. Give the name alone"),
        (["--port", "65536"], "There is no port 65536."),
        (["--base-url", "http://x/"], "cannot be the path of a page"),
        (["--model", "lost.pth"], "There is no file lost.pth. Give the path of a best_model.pth."),
        (["--model", "."], ". is a folder. Give the path of a best_model.pth."),
    ],
)
def test_what_is_not_safe_or_makes_no_sense_is_a_sentence_and_no_server(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_server, "run", lambda *_: pytest.fail("a server would have started"))
    assert main(["dashboard", "--class", "3", *options]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    "option", ["host", "token", "teacher-token", "certfile", "keyfile", "cluster", "idle", "pool"]
)
def test_options_of_a_class_need_one(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", f"--{option}", "1"]) == 1
    assert f"--{option} is for a class. Add --class and the number of learners." in capsys.readouterr().err


def test_a_cluster_that_nothing_can_use_is_said(tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="Nothing here can use the cluster at tls://lab:8786"):
        class_server.serve_class(lambda _: None, size=1, cluster="tls://lab:8786")


def test_everything_is_handed_on_and_nothing_is_open_by_default(asked: dict[str, Any]) -> None:
    assert main(["dashboard", "--class", "40"]) == 0
    del asked["tell"], asked["begin"]
    parts = [asked.pop(f"{name}_factory") for name in ("engine", "desk", "teacher")]
    assert [part.__func__ for part in parts] == [Behind.engine, Behind.desk, Behind.teacher]
    assert asked == {
        "size": 40,
        "host": "127.0.0.1",
        "port": 8866,
        "token": None,
        "teacher_token": None,
        "certfile": None,
        "keyfile": None,
        "allow_hosts": [],
        "base_url": "/",
        "idle": 30.0,
        "pool": None,
        "cluster": None,
        "model": None,
        "dark": False,
    }
    words = "--host 0.0.0.0 --certfile c.pem --keyfile k.pem --cluster tls://s:1 --idle 5 --pool 2"
    assert main(["dashboard", "--class", "40", "--allow-host", "a", "--allow-host", "b", *words.split()]) == 0
    assert (asked["host"], asked["certfile"], asked["keyfile"]) == ("0.0.0.0", Path("c.pem"), Path("k.pem"))
    assert (asked["allow_hosts"], asked["cluster"], asked["idle"], asked["pool"]) == (["a", "b"], "tls://s:1", 5.0, 2)


def test_a_password_comes_from_where_no_list_of_commands_shows_it(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("correct horse\n"))
    assert main(["dashboard", "--class", "3", "--password"]) == 0
    assert asked["token"] == "correct horse"
    with pytest.raises(SystemExit):
        main(["dashboard", "--class", "3", "--password", "--token", "x"])


@pytest.mark.parametrize("typed", ["", "\n", "  \n"])
def test_an_empty_password_opens_no_class(
    typed: str, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert main(["dashboard", "--class", "3", "--password"]) == 1
    assert "No password was typed." in capsys.readouterr().err
    assert asked == {}


def test_the_terminal_shows_both_addresses_apart_and_draws_that_of_the_learners(
    asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    segno = pytest.importorskip("segno")
    assert main(["dashboard", "--class", "3", "--port", "8866"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Opening the class … ")  # before the wait
    assert f"Learners: {OPENED.learners}\n" in said
    assert f"Teacher, for nobody else: {OPENED.teacher}\n" in said
    drawn = io.StringIO()
    segno.make(OPENED.learners, micro=False).terminal(drawn, compact=True)
    assert drawn.getvalue().rstrip() in said


def test_tokens_are_made_at_random_and_differ() -> None:
    made = {token for _ in range(20) for token in check_tokens(None, None, loopback=False)}
    assert len(made) == 40
    assert all(len(token) >= 22 for token in made)  # 128 bits
    assert check_tokens("", None, loopback=True)[0] == ""


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],
)
def test_what_only_this_machine_can_reach_is_known(host: str, alone: bool) -> None:
    assert check_address(host) == alone
    assert shown(host) not in {"0.0.0.0", "::", "[::]"}


def test_an_address_of_version_6_gets_its_brackets() -> None:
    assert shown("2001:db8::1") == "[2001:db8::1]"


@pytest.mark.parametrize(
    ("size", "pool", "expected"), [(40, None, 8), (3, None, 3), (40, 0, 0), (40, 20, 20), (3, 20, 3)]
)
def test_no_more_kernels_are_kept_ready_than_learners_can_come(size: int, pool: int | None, expected: int) -> None:
    assert check_numbers(size, 30, pool) == expected


def test_without_certificate_there_is_no_https() -> None:
    assert certificate(None, None) is None


def test_a_nonce_is_put_on_scripts_of_the_page_and_on_nothing_that_a_kernel_wrote() -> None:
    output = json.dumps("<script>alert(1)</script>").replace("<", "\\u003c")
    page = f'<script>a()</script><script src="x"></script><script type="application/json">{output}</script><scripts>'
    assert with_nonce(page, "N") == (
        '<script nonce="N">a()</script><script nonce="N" src="x"></script>'
        f'<script nonce="N" type="application/json">{output}</script><scripts>'
    )


def test_the_policy_lets_no_script_run_that_somebody_brought_along() -> None:
    rules = dict(rule.partition(" ")[::2] for rule in widget_policy("N", "lab:8866").split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'nonce-N' blob:"
    assert rules["connect-src"] == "'self' blob: data: ws://lab:8866 wss://lab:8866"
    assert rules["frame-ancestors"] == "'self'"
    assert "http://*" not in str(rules)

"""Where the dashboard runs: ports, folders that cannot be written to, terminals that cannot show every sign."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from servers import running_dashboard
from tornado.websocket import WebSocketClosedError
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from lesionviz import cli
from lesionviz.cli import main
from lesionviz.cli.terminal import PLAIN
from lesionviz.errors import LesionvizError
from lesionviz.serving.kernels import Channels
from lesionviz.serving.places import check_path, check_port, give_jupyter_folders

FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


@pytest.mark.parametrize("port", ["99999", "-1", "65536", "-8866"])
def test_ports_that_do_not_exist_are_refused_in_a_sentence(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--no-browser", "--port", port]) == 1
    error = capsys.readouterr().err
    assert error == f"lesionviz: There is no port {port}. Choose one from 1024 to 65535, or 0 for any that is free.\n"


def test_a_port_is_taken_as_it_is_and_0_means_a_free_one() -> None:
    assert check_port(8866) == 8866
    assert check_port(65535) == 65535
    assert 1024 <= check_port(0) <= 65535
    with pytest.raises(LesionvizError, match="There is no port 65536"):
        check_port(65536)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("/", "/"),
        ("", "/"),
        ("lesions", "/lesions/"),
        ("/lesions", "/lesions/"),
        ("/user/ann@example.org/proxy/8866/", "/user/ann@example.org/proxy/8866/"),
    ],
)
def test_a_path_gets_its_slashes(given: str, taken: str) -> None:
    assert check_path(given) == taken


@pytest.mark.parametrize(
    "path", ["http://lab.example/lesions/", "/a//b/", "/a b/", "/a/../b/", "/?x", "/#x", "//lab"]
)
def test_what_is_no_path_is_refused_in_a_sentence(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dashboard", "--no-browser", "--base-url", path]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"lesionviz: {path} cannot be the path of a page.")
    assert "/lesions/" in error


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder in which nothing can be made; it is a file, so that even root cannot."""
    home = tmp_path / "home"
    home.touch()
    monkeypatch.setenv("HOME", str(home))
    for name in FOLDERS:
        monkeypatch.setenv(name, "")  # restored afterwards, whatever the test sets
        monkeypatch.delenv(name)
    return home


def test_folders_that_can_be_written_to_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / name))
    assert give_jupyter_folders() == ""
    assert all(os.environ[name] == str(tmp_path / name) for name in FOLDERS)


def test_without_a_home_all_four_folders_are_temporary_ones(no_home: Path) -> None:
    told = give_jupyter_folders()
    assert str(no_home) in told
    assert "removed when it ends" in told
    parents = {Path(os.environ[name]).parent for name in FOLDERS}
    assert len(parents) == 1
    assert os.access(parents.pop(), os.W_OK)


def test_only_the_folder_that_cannot_be_written_to_is_replaced(
    tmp_path: Path, no_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FOLDERS:
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(no_home / "runtime"))
    assert "runtime" in give_jupyter_folders()
    assert os.environ["JUPYTER_DATA_DIR"] == str(tmp_path / "JUPYTER_DATA_DIR")
    assert not os.environ["JUPYTER_RUNTIME_DIR"].startswith(str(no_home))


def test_where_there_is_no_home_at_all_a_temporary_one_is_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(_user: int) -> None:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("lesionviz.doctor.TRY_TORCH", "print(2, False)")  # importing torch takes seconds
    monkeypatch.setenv("HOME", "")  # restored afterwards
    for command in (["data", "inspect", "a folder that is not there"], ["doctor"]):
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", unknown)
        main(command)
        told = capsys.readouterr()
        assert "There is no home folder, so " in (told.out if command == ["doctor"] else told.err)
        assert "cannot be looked at" not in told.out
        assert os.access(Path.home(), os.W_OK)
        shutil.rmtree(Path.home())


def test_without_any_folder_that_is_said(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_options: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lesionviz.serving.places.tempfile.mkdtemp", full)
    with pytest.raises(LesionvizError, match=r"Neither your home folder nor .*No space left.*TMPDIR"):
        give_jupyter_folders()


@pytest.mark.heavy
def test_the_dashboard_answers_without_a_home(tmp_path: Path) -> None:
    """Before, it said that it was open and answered every page with status 500."""
    home = tmp_path / "home"
    home.touch()
    root = str(Path(__file__).parents[1])
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {root!r}); from lesionviz.cli import main; main()",
    ]
    with running_dashboard(command, tmp_path, HOME=str(home), PYTHONIOENCODING="ascii") as (address, _):
        page = urllib.request.urlopen(address, timeout=120)
        assert page.status == 200
        assert "application/vnd.jupyter.widget-view+json" in page.read().decode()
    assert "go to" in (tmp_path / "server.log").read_text()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_sentences_arrive_on_every_terminal(encoding: str) -> None:
    root = str(Path(__file__).parents[1])
    sentence = "8 × 8 – at most … ≥ 5 · naïve 病"
    code = (
        f"import sys; sys.path.insert(0, {root!r})\nfrom lesionviz import cli\n"
        f"cli._parser = lambda complete: type('P', (), {{'parse_args': lambda s, a: type('O', (), {{'run': "
        f"lambda o: print({sentence!r}) or print({sentence!r}, file=sys.stderr) or 0}})}})()\n"
        "sys.exit(cli.main([]))"
    )
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LANG": "C", "LC_ALL": "C"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    for said in (done.stdout, done.stderr):
        words = said.decode(encoding)
        assert words.startswith(("8 × 8", "8 x 8"))
        assert ("病" in words) == (encoding == "utf-8")
    if encoding == "ascii":
        assert done.stdout == b"8 x 8 - at most ... >= 5 - na?ve ?\n"


def test_what_the_page_waits_for_adds_up_to_less_than_five_seconds() -> None:
    """The longest ways from a server that falls silent to the words about it, in the milliseconds of the watch."""
    watch = (Path(cli.__file__).parents[1] / "widgets" / "parts" / "lifeline.js").read_text()
    ms = {
        name: int(number.replace("_", ""))
        for name, number in re.findall(r"^const ([A-Z_]+) = ([\d_]+);", watch, re.M)
    }
    question = ms["ASK"] + ms["LOOK"]  # until the next one is put
    ways = {
        "no answer": question + ms["ANSWER"] + ms["LOOK"],
        "no way to it, twice": 2 * question + ms["LOOK"],
        "no connection": ms["APART"] + ms["LOOK"],
        "what was sent is not taken up": ms["TAKEN"] + ms["LOOK"],
    }
    assert {way: wait for way, wait in ways.items() if wait >= 5000} == {}


def test_a_reader_that_stops_reading_ends_a_command_without_a_traceback() -> None:
    root = str(Path(__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {root!r})\nfrom lesionviz import cli\n"
        "cli._parser = lambda complete: type('P', (), {'parse_args': lambda s, a: type('O', (), {'run': "
        "lambda o: [cli.terminal.say('a line') for _ in range(9)]})})()\nsys.exit(cli.main([]))"
    )
    reads, writes = os.pipe()
    os.close(reads)  # as head does when it has seen enough
    done = subprocess.run([sys.executable, "-c", code], stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert (done.returncode, done.stderr) == (141, "")


def test_what_stands_for_a_sign_is_plain_itself() -> None:
    assert all(plain.isascii() for plain in PLAIN.values())


def test_voila_does_not_look_into_what_is_for_a_connection_that_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        VoilaKernelWebsocketHandler, "write_message", lambda *_: pytest.fail("it would count for ever")
    )
    replaced = Channels.__new__(Channels)
    replaced.ws_connection = None
    with pytest.raises(WebSocketClosedError):
        replaced.write_message(bytes(100), binary=True)

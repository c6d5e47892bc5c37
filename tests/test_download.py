"""The download against a server of our own on 127.0.0.1: resumed, checked, refused in words."""

from __future__ import annotations

import io
import re
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lesionviz.cli import main
from lesionviz.data.download import ARCHIVE, download_isic2019
from lesionviz.data.isic2019 import GROUND_TRUTH, IMAGES, METADATA, read_isic2019
from lesionviz.data.web import CHECKSUMS
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256


class Server(ThreadingHTTPServer):
    """Serves a few files, with ranges; ``breaks`` ends so many answers half-way, ``log`` keeps the ranges."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.breaks, self.log = files, 0, list[str]()
        self.address = f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_arguments: object) -> None:
        pass

    def _answer(self, body: bool) -> None:
        name = self.path.lstrip("/")
        if name not in self.server.files:
            self.send_error(404)
            return
        content = self.server.files[name]
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if body:
            self.server.log.append(f"{name} from {start}")
            end = len(content)
            if self.server.breaks and name == ARCHIVE:
                self.server.breaks -= 1
                end = start + (end - start) // 2
            self.wfile.write(content[start:end])


@pytest.fixture
def server(drawn_folder: Path) -> Iterator[Server]:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        for path in sorted((drawn_folder / IMAGES).iterdir()):
            content.write(path, f"{IMAGES}/{path.name}")
        content.writestr("../../escape.jpg", b"x")
    files = {name: (drawn_folder / name).read_bytes() for name in (GROUND_TRUTH, METADATA)}
    server = Server(files | {ARCHIVE: archive.getvalue()})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_download_broken_off_goes_on_where_it_stopped_and_ends_complete(
    server: Server, tmp_path: Path, drawn_folder: Path
) -> None:
    folder = tmp_path / "deep" / "ISIC_2019"
    folder.mkdir(parents=True)
    server.breaks = 1
    with pytest.raises(LesionvizError, match="goes on where it stopped"):
        download_isic2019(folder, server.address)
    have = (folder / f"{ARCHIVE}.part").stat().st_size
    assert 0 < have < len(server.files[ARCHIVE])
    download_isic2019(folder, server.address)
    assert server.log[-1] == f"{ARCHIVE} from {have}"
    assert len(read_isic2019(folder).present) == len(read_isic2019(drawn_folder).present)
    assert not list(folder.glob("*.part"))
    assert not (tmp_path / "escape.jpg").exists()
    lines = (folder / CHECKSUMS).read_text().splitlines()
    assert f"{sha256(folder / GROUND_TRUTH)}  {GROUND_TRUTH}" in lines
    fetched = len(server.log)
    download_isic2019(folder, server.address)  # a third call fetches nothing
    assert len(server.log) == fetched


def test_a_damaged_archive_is_removed_and_named(server: Server, tmp_path: Path) -> None:
    content = bytearray(server.files[ARCHIVE])
    content[200:400] = bytes(200)  # inside the first image
    server.files[ARCHIVE] = bytes(content)
    with pytest.raises(LesionvizError, match=f"{ARCHIVE}.part is damaged.*removed"):
        download_isic2019(tmp_path, server.address)
    assert not list(tmp_path.glob("*.part"))


def test_a_moved_file_and_a_missing_network_are_told_apart(server: Server, tmp_path: Path) -> None:
    del server.files[METADATA]
    with pytest.raises(LesionvizError, match=r"refused .*404.*challenge\.isic-archive\.com"):
        download_isic2019(tmp_path, server.address)
    with pytest.raises(LesionvizError, match="Connect to the internet"):
        download_isic2019(tmp_path / "other", "http://127.0.0.1:9/")


def test_nothing_is_fetched_before_the_licence_was_shown_and_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["data", "download", str(tmp_path / "new")]) == 1
    shown = capsys.readouterr()
    assert "CC BY-NC 4.0" in shown.out
    assert "--accept-licence" in shown.err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: "n")
    assert main(["data", "download", str(tmp_path / "new")]) == 1
    assert not (tmp_path / "new").exists()

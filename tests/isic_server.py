"""The ISIC Archive's public API on 127.0.0.1, as far as the twelve photographs need it."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

from lesionviz.data.samples import samples


def photograph(size: tuple[int, int], shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, shade, 150)).save(buffer, "JPEG")
    return buffer.getvalue()


class Archive(ThreadingHTTPServer):
    """Answers as the ISIC Archive's API does; ``facts`` and ``files`` by id can be changed, ``asked`` keeps the paths.

    The file of the image ``cut`` breaks off half-way; those after the first ``held`` wait until that is None.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}/api/v2/"
        self.asked: list[str] = []
        self.cut = ""
        self.given = 0
        self.held: int | None = None
        self.turn = threading.Condition()
        self.files = {one.isic_id: photograph(one.size, n) for n, one in enumerate(samples())}
        self.facts: dict[str, Any] = {
            one.isic_id: {
                "isic_id": one.isic_id,
                "copyright_license": "CC-0",
                "files": {"full": {"url": f"http://127.0.0.1:{self.server_port}/files/{one.isic_id}"}},
            }
            for one in samples()
        }

    def hold(self, files: int | None) -> None:
        """Give so many more files and let the others wait; None lets them all go."""
        with self.turn:
            self.held = None if files is None else self.given + files
            self.turn.notify_all()


class _Handler(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        name = self.path.rstrip("/").rpartition("/")[2]
        if self.path.startswith("/files/"):
            with self.server.turn:
                self.server.turn.wait_for(lambda: self.server.held is None or self.server.given < self.server.held)
                self.server.given += 1
            content = self.server.files[name]
        elif self.path == f"/api/v2/images/{name}/" and name in self.server.facts:
            content = json.dumps(self.server.facts[name]).encode()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        cut = name == self.server.cut and "files" in self.path
        with suppress(ConnectionError):  # nobody may want it any more
            self.wfile.write(content[: len(content) // 2] if cut else content)

    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def running_archive() -> Iterator[Archive]:
    """Give the archive while it answers."""
    server = Archive()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.hold(None)
    server.shutdown()
    server.server_close()

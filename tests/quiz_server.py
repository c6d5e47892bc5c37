"""A class before one server, for the browser tests: the teacher's page, and a desk for learners' pages over plain HTTP."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Near
from lesionviz.errors import LesionvizError
from lesionviz.game import Verdict
from lesionviz.game.class_desk import handle, keep_asking, newer
from lesionviz.game.classroom import Classroom, Wanted
from lesionviz.serving.teacher import teacher_routes

LEARNER = """
import json, pickle, uuid
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from lesionviz.errors import LesionvizError
from lesionviz.widgets.quiz import ClassQuiz

class Desk:
    "Asks the test's own server, as one session."
    def __init__(self):
        self.session = uuid.uuid4().hex

    def ask(self, what, **body):
        request = Request(f"ADDRESSdesk/{self.session}/{what}", json.dumps(body).encode())
        try:
            with urlopen(request, timeout=60) as reply:
                return pickle.loads(reply.read())
        except HTTPError as error:
            raise LesionvizError(error.read().decode()) from None

    def view(self, seen):
        return self.ask("view", seen=seen)

    def join(self, name):
        self.ask("join", name=name)

    def commit(self, case, answer, sure, quiz):
        self.ask("commit", case=case, answer=answer, sure=sure, quiz=quiz)

    def picture(self, case):
        return self.ask("picture", case=case)

    def case(self, case):
        return self.ask("case", case=case)

ClassQuiz(Desk())
"""
"""A cell that shows a learner's page; ``ADDRESS`` stands for the server's."""


class _Desk(RequestHandler):
    """What the real desk does over its socket; who asks stands in the address here."""

    def initialize(self, room: Classroom, heard: list[bytes]) -> None:
        self.room, self.heard = room, heard

    def check_xsrf_cookie(self) -> None:
        """Nothing: the learners' kernels have no browser."""

    async def post(self, session: str, name: str) -> None:
        body = json.loads(self.request.body)
        if name == "view":
            await newer(self.room, body["seen"])
        try:
            answer = pickle.dumps(handle(self.room, session, name, body))
        except LesionvizError as error:
            self.set_status(400)
            self.finish(str(error))
            return
        self.heard.append(answer)
        self.finish(answer)


@contextmanager
def class_server(
    room: Classroom,
    classifier: LesionClassifier | None = None,
    heard: list[bytes] | None = None,
    port: int = 0,
    **options: Any,
) -> Iterator[str]:
    """Serve a class on a thread of this process; give its address.

    Args:
        room: the class.
        classifier: the model that is asked about each case; None leaves it silent.
        heard: gets everything that goes to learners' kernels.
        port: where to listen; by default any that is free.
        options: for the teacher's page.
    """
    started, ended, loop = Event(), asyncio.Event(), asyncio.new_event_loop()
    sockets = bind_sockets(port, "127.0.0.1")
    address = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/"

    async def examine(wanted: Wanted) -> Verdict:
        assert classifier is not None
        asked = Near(classifier).answering(wanted.drawn)
        case = await asyncio.to_thread(lambda: asked.complete(asked.examine(wanted.picture)))
        return Verdict(case.prediction, case)

    async def serve() -> None:
        desk = (r"/desk/(\w+)/(\w+)", _Desk, {"room": room, "heard": [] if heard is None else heard})
        server = HTTPServer(Application([*teacher_routes(room, **{"address": lambda: address} | options), desk]))
        server.add_sockets(sockets)
        asking = asyncio.create_task(keep_asking(room, examine)) if classifier is not None else None
        started.set()
        await ended.wait()
        if asking is not None:
            asking.cancel()
        server.stop()
        await server.close_all_connections()
        await loop.shutdown_default_executor()

    thread = Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert started.wait(60)
        yield address
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()

"""The desk of a class and a page's line to it, over the real socket: who is heard, and what comes back."""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lesionviz.answering import Seen
from lesionviz.case import Case
from lesionviz.class_line import KEY, SOCKET, Line, _Connection
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import LARGEST, Far, answer
from lesionviz.data.synthetic import draw_lesion
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.game.class_desk import newer
from lesionviz.game.class_store import VARIABLE
from lesionviz.game.results import NO_ANSWER
from lesionviz.imaging import LesionImage
from lesionviz.serving.behind import Behind
from lesionviz.serving.desk import Desk
from lesionviz.widgets.case.answer import DRAWN
from lesionviz.widgets.parts.background import Background
from lesionviz.widgets.quiz.class_pages import class_page
from lesionviz.wire import pack


class Here:
    """An engine in this process, which a test can hold up."""

    threads = 1

    def __init__(self, classifier: LesionClassifier) -> None:
        self._classifier = classifier
        self.free = asyncio.Event()
        self.free.set()
        self.asked: list[bytes] = []
        self.cancelled = 0

    async def start(self) -> bytes:
        return answer(self._classifier, pack({"name": "facts"}))

    async def ask(self, question: bytes) -> bytes:
        self.asked.append(question)
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return answer(self._classifier, question)

    async def close(self) -> None:
        pass


class Server:
    """A desk on a loop in a thread of its own."""

    def __init__(self, classifier: LesionClassifier) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.engine = self.run(self._engine(classifier))
        self.desk = Desk(self.engine, size=3, quiz=self._quiz)
        self.run(self.desk.start(self.run(self.engine.start())))

    @staticmethod
    async def _engine(classifier: LesionClassifier) -> Here:
        return Here(classifier)

    @staticmethod
    async def _quiz(kernel: str, what: str, content: dict[str, Any]) -> Any:
        if what == "refuse":
            raise LesionvizError("Not now.")
        return [kernel, what, content]

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def until(self, holds: Any) -> None:
        async def wait() -> None:
            while not holds():
                await asyncio.sleep(0.005)

        self.run(asyncio.wait_for(wait(), 30))

    def line(self, kernel: str, **more: Any) -> Line:
        environment = self.desk.admit(kernel)
        return Line(environment[SOCKET], environment[KEY], **more)

    def end(self) -> None:
        self.run(self.desk.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)


@pytest.fixture
def server(classifier: LesionClassifier) -> Iterator[Server]:
    made = Server(classifier)
    yield made
    made.end()


@pytest.fixture
def picture() -> LesionImage:
    return LesionImage(draw_lesion("MEL", 3, (300, 200)), "arm.jpg")


def test_a_case_over_the_line_is_that_of_the_classifier(
    server: Server, classifier: LesionClassifier, picture: LesionImage
) -> None:
    far = Far(server.line("kernel").ask)
    case = far.complete(far.examine(picture))
    assert case.prediction == classifier.examine(picture).prediction
    assert case.completed
    assert len(server.engine.asked) == 2  # what is known of the model was known before


def test_a_kernel_without_its_secret_or_after_its_end_is_not_heard(server: Server, picture: LesionImage) -> None:
    environment = server.desk.admit("kernel")
    good = Line(environment[SOCKET], environment[KEY])
    assert Far(good.ask).checkpoint.preprocessing.size == 96
    for secret in ("", "x", environment[KEY][:-1], environment[KEY] + "x"):
        with pytest.raises(LesionvizError, match="does not answer"):
            Far(Line(environment[SOCKET], secret).ask).checkpoint  # noqa: B018 - asking is the point
        with pytest.raises(ConnectionError):
            Line(environment[SOCKET], secret).call("view")
    server.desk.dismiss("kernel")
    with pytest.raises(LesionvizError, match="does not answer"):
        Far(good.ask).examine(picture)


def test_a_kernel_that_starts_again_has_another_secret_and_the_old_one_is_void(server: Server) -> None:
    first, second = server.desk.admit("kernel"), server.desk.admit("kernel")
    assert first[KEY] != second[KEY]
    assert server.desk.kernel_of(f"Bearer {first[KEY]}") is None
    assert server.desk.kernel_of(f"Bearer {second[KEY]}") == "kernel"


def test_the_socket_lies_where_only_its_owner_can_go_and_is_gone_afterwards(classifier: LesionClassifier) -> None:
    server = Server(classifier)
    path = Path(server.desk.admit("kernel")[SOCKET])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    server.end()
    assert not path.parent.exists()


def test_a_page_that_waits_hears_its_place_and_letting_go_makes_room(server: Server, picture: LesionImage) -> None:
    server.run(_hold(server.engine))
    places: list[int] = []
    first, second, third = server.line("a"), server.line("b"), server.line("c", on_place=places.append)
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(Far(line.ask).examine, picture) for line in (first, second)]
        server.until(lambda: len(server.engine.asked) == 2)
        waiting = pool.submit(Far(third.ask).examine, picture)
        server.until(lambda: places == [2])
        first.let_go()
        with pytest.raises(LesionvizError, match="does not answer"):
            running[0].result(30)
        server.until(lambda: len(server.engine.asked) == 3)
        assert server.engine.cancelled == 1
        server.run(_free(server.engine))
        assert running[1].result(30).name == waiting.result(30).name == "arm.jpg"


def test_a_cancelled_job_of_a_page_lets_go_of_its_question_and_the_next_one_is_answered(
    server: Server, picture: LesionImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.desk.admit("kernel").items():
        monkeypatch.setenv(name, value)

    async def page() -> str:
        background, answered = Background(), asyncio.get_running_loop().create_future()
        assert background.line is not None
        server.engine.free.clear()
        first = background.submit(
            lambda examiner: examiner.examine(picture),
            lambda _: pytest.fail("it was cancelled"),
            lambda _: pytest.fail("it was cancelled"),
        )
        while not server.engine.asked:
            await asyncio.sleep(0.005)
        first.cancel()
        while not server.engine.cancelled:
            await asyncio.sleep(0.005)
        server.loop.call_soon_threadsafe(server.engine.free.set)
        background.submit(
            lambda examiner: examiner.examine(picture).name, answered.set_result, answered.set_exception
        )
        return str(await asyncio.wait_for(answered, 30))

    assert asyncio.run(page()) == "arm.jpg"


def test_a_page_hears_its_place_on_its_own_loop(
    server: Server, picture: LesionImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.desk.admit("kernel").items():
        monkeypatch.setenv(name, value)
    others = [server.line("a"), server.line("b")]

    async def page(pool: ThreadPoolExecutor) -> tuple[int, int]:
        server.engine.free.clear()
        for line in others:
            pool.submit(Far(line.ask).examine, picture)
        while len(server.engine.asked) < 2:
            await asyncio.sleep(0.005)
        background, place, done = Background(), asyncio.Queue[tuple[int, int]](), asyncio.Event()
        background.on_place = lambda number: place.put_nowait((number, threading.get_ident()))
        background.submit(lambda examiner: examiner.examine(picture), lambda _: done.set(), lambda _: done.set())
        heard = await asyncio.wait_for(place.get(), 30)
        server.loop.call_soon_threadsafe(server.engine.free.set)
        await asyncio.wait_for(done.wait(), 30)
        return heard

    with ThreadPoolExecutor(2) as pool:
        assert asyncio.run(page(pool)) == (2, threading.get_ident())


def test_what_a_page_wants_of_the_quiz_is_known_to_be_its_own(server: Server) -> None:
    line = server.line("kernel 7")
    assert line.call("join", {"name": "Ada"}) == ["kernel 7", "join", {"name": "Ada"}]
    with pytest.raises(LesionvizError, match=r"^Not now\.$"):
        line.call("refuse")


@pytest.mark.parametrize("path", ["/", "/ask/", "/game", "/game/../ask", "/metrics"])
def test_other_paths_lead_nowhere(server: Server, path: str) -> None:
    environment = server.desk.admit("kernel")
    connection = _Connection(environment[SOCKET])
    connection.request("POST", path, b"", {"Authorization": f"Bearer {environment[KEY]}"})
    assert connection.getresponse().status == 404


def test_a_question_that_is_too_large_or_none_is_refused_and_the_desk_goes_on(
    server: Server, picture: LesionImage
) -> None:
    line = server.line("kernel")
    with pytest.raises(LesionvizError):
        line.ask(b"x" * (LARGEST + 1))
    with pytest.raises(LesionvizError, match="no question"):
        Far(lambda _question: line.ask(pack({"name": "rm"}))).checkpoint  # noqa: B018 - asking is the point
    assert Far(line.ask).examine(picture).name == "arm.jpg"
    assert len(server.engine.asked) == 1


def test_without_a_desk_a_page_says_so(tmp_path: Path, picture: LesionImage) -> None:
    line = Line(str(tmp_path / "nowhere"), "key")
    with pytest.raises(LesionvizError, match="does not answer"):
        Far(line.ask).examine(picture)
    with pytest.raises(ConnectionError):
        line.call("view")
    line.let_go()  # nothing is under way


def test_an_answer_that_breaks_off_is_none(tmp_path: Path, picture: LesionImage) -> None:
    def serve() -> None:
        import socket

        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / "desk"))
            listening.listen()
            ready.set()
            for _ in range(2):
                with listening.accept()[0] as one:
                    one.recv(65536)
                    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nanswer 60\nhalf")

    ready = threading.Event()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    ready.wait(30)
    with pytest.raises(LesionvizError, match="does not answer"):
        Far(Line(str(tmp_path / "desk"), "key").ask).examine(picture)


def test_line_of_this_kernel_is_none_outside_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SOCKET, raising=False)
    assert Line.of_this_kernel() is None


async def _hold(engine: Here) -> None:
    engine.free.clear()


async def _free(engine: Here) -> None:
    engine.free.set()


def test_the_class_is_asked_about_drawings_of_another_network_than_about_photographs(
    classifier: LesionClassifier, drawn_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "class.sqlite"))

    async def played(behind: Behind) -> Case:
        """Play the only case of a quiz; return what all are shown of it."""
        room = behind.room
        room.join("session of Ada", "Ada")
        await asyncio.to_thread(room.start, 1)
        room.commit("session of Ada", 1, "MEL")
        while room.sitting.question.verdict is None:  # type: ignore[union-attr]
            await newer(room, room.version)
        room.reveal(1)
        seen = room.seen(1)
        assert seen is not None
        view = room.view("session of Ada")
        page = class_page(view, seen)
        assert view["verdict"]["code"] in {seen.prediction.diagnosis, NO_ANSWER}
        room.finish()
        ended = room.view("session of Ada")
        told[view["drawn"]] = (page["model"]["html"], ended["matrices"][-1]["title"], room.teacher_view()["drawn"])
        return seen

    async def lesson() -> tuple[Case, Case]:
        behind, engine = Behind(2), Here(classifier)
        desk = behind.desk(engine, lambda _kernel: None)
        await desk.start(await engine.start())
        drawing = await played(behind)
        await asyncio.to_thread(behind.room.open, drawn_folder)
        photograph = await played(behind)
        await desk.close()
        return drawing, photograph

    told: dict[bool, tuple[str, str, bool]] = {}
    for case, network in zip(asyncio.run(lesson()), (drawn_classifier(), classifier), strict=True):
        assert case.completed
        assert case == replace(
            network.complete(network.examine_seen(seen_of(case))), identity=case.identity, upload=case.upload
        )
    html, title, drawn = told[True]
    assert DRAWN in html
    assert title.startswith("The small network")
    assert drawn
    html, title, drawn = told[False]
    assert DRAWN not in html
    assert title.startswith("The model")
    assert not drawn


def seen_of(case: Case) -> Seen:
    return Seen(Image.fromarray(case.seen), case.name, case.size, case.prediction.notes)

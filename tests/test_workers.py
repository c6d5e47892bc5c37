"""Workers: every question gets its own answer, once, whatever dies; nobody without the certificate hears a word; no log
shows an upload; and nothing is left behind."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from cluster_processes import ours
from conftest import no_running_loop

from lesionviz.case import Case
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import load
from lesionviz.cluster import Far
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.wire import unpack
from lesionviz.workers import Certificates, Workers
from lesionviz.workers import engine as engine_room
from lesionviz.workers import process as process_room
from lesionviz.workers.certificates import make_certificates
from lesionviz.workers.link import Link
from lesionviz.workers.local import Child, number_of_workers
from lesionviz.workers.seats import Bell, Place, Seats
from lesionviz.workers.versions import ON_WORKER, misfit, own_versions
from lesionviz.workers.worker_side import KEPT, Sealed, answer_here, holds, take

pytestmark = pytest.mark.heavy
T = TypeVar("T")


class Loop:
    """Runs what is asked of it to its end, also where a browser of other tests has left a loop that counts as running."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        with no_running_loop():
            return self._runner.run(work)


MODEL = b"a model"
FIRST = b"echo facts"
MIB = 2**20
HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _answers_are_found() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")])))
        yield


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    """One loop for all, as in the server; it stands still between two tests."""
    runner = asyncio.Runner()
    yield Loop(runner)
    with no_running_loop():
        runner.close()


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def workers(loop: Loop, logs: Path) -> Iterator[Workers]:
    """Two workers that start fast, and log all they can."""
    engine = Workers(MODEL, workers=2, answering="answers:light", first=FIRST, log=logs)
    assert loop.run(engine.start()) == b"facts"
    yield engine
    loop.run(engine.close())


@pytest.fixture
def run(loop: Loop, workers: Workers) -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Run something in the server's loop; afterwards both workers are there again."""
    yield loop.run
    loop.run(until(lambda: workers.threads == 2))


async def until(true: Callable[[], object]) -> None:
    """Look until something is true: for what other processes do, which tell nobody."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def asked(folder: Path, times: int) -> list[int]:
    """Wait until a question was put so often; return the workers' process ids, in any order."""
    await until(lambda: len(list(folder.glob("asked-*"))) >= times)
    return [int(path.name.split("-")[1]) for path in folder.glob("asked-*")]


def waiting(folder: Path) -> bytes:
    """A question that is answered once the folder holds ``go``."""
    return b"wait " + bytes(folder)


async def seen_by_dask(workers: Workers, look: Callable[..., Any]) -> Any:
    """Run a function at the scheduler, over a Dask client that knows nothing of ours."""
    from distributed import Client

    assert workers.certificates is not None
    async with Client(
        workers.address, security=workers.certificates.security(), asynchronous=True, set_as_default=False
    ) as client:
        return await client.run_on_scheduler(look)


# --- answers ---


def test_every_question_gets_its_own_answer_and_all_workers_have_the_model(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    async def forty() -> list[bytes]:
        return await asyncio.gather(*(workers.ask(b"echo %d" % number) for number in range(40)))

    async def both() -> list[bytes]:
        asking = [asyncio.ensure_future(workers.ask(waiting(tmp_path))) for _ in range(2)]
        assert len(set(await asked(tmp_path, 2))) == 2  # both at once, each on a worker of its own
        (tmp_path / "go").touch()
        return await asyncio.gather(*asking)

    assert run(forty()) == [b"%d" % number for number in range(40)]
    one, other = map(json.loads, run(both()))
    assert one["pid"] != other["pid"]
    assert one["model"] == other["model"] == sha256(MODEL).hexdigest()


def test_a_refusal_comes_back_in_its_own_words(run: Callable[..., Any], workers: Workers) -> None:
    with pytest.raises(LesionvizError, match=r"^mole\.jpg is no picture\.$"):
        run(workers.ask(b"refuse mole.jpg is no picture."))


def test_a_defect_is_named_by_its_kind_and_place_and_not_by_its_words(
    run: Callable[..., Any], workers: Workers
) -> None:
    with pytest.raises(LesionvizError, match=r"ValueError in answers\.py, line \d+") as raised:
        run(workers.ask(b"fail Miller.jpg"))
    assert "Miller" not in str(raised.value)


def test_nothing_of_a_question_stays_with_the_scheduler(run: Callable[..., Any], workers: Workers) -> None:
    async def ask() -> None:
        for word in (b"echo x", b"refuse x", b"fail x"):
            with contextlib.suppress(LesionvizError):
                await workers.ask(word)
        while await seen_by_dask(workers, lambda dask_scheduler: list(dask_scheduler.tasks)):
            await asyncio.sleep(0.01)

    run(ask())


def test_a_cancelled_question_is_cancelled_at_the_scheduler_and_its_place_is_free(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    async def cancel() -> bytes:
        asking = [asyncio.ensure_future(workers.ask(waiting(tmp_path))) for _ in range(2)]
        await asked(tmp_path, 2)
        for each in asking:
            each.cancel()
        assert all(
            isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*asking, return_exceptions=True)
        )
        while await seen_by_dask(workers, lambda dask_scheduler: list(dask_scheduler.tasks)):
            await asyncio.sleep(0.01)
        (tmp_path / "go").touch()
        return await workers.ask(b"echo next")

    assert run(cancel()) == b"next"


def test_the_clock_on_the_wall_may_be_set_back_between_any_two_messages(
    run: Callable[..., Any], workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed.batched

    wall, shift = time.time, [0.0]
    for place in ("time.time", "distributed.batched.time"):
        monkeypatch.setattr(place, lambda: wall() + shift[0])

    async def jumps() -> None:
        while True:
            shift[0] -= 3600
            await asyncio.sleep(0)

    async def ask() -> list[bytes]:
        jumping = asyncio.create_task(jumps())
        try:
            return await asyncio.gather(*(workers.ask(b"echo %d" % number) for number in range(40)))
        finally:
            jumping.cancel()

    assert distributed.batched.time() == pytest.approx(wall(), abs=60)
    assert run(ask()) == [b"%d" % number for number in range(40)]


def test_scheduler_and_workers_have_a_clock_of_their_own(run: Callable[..., Any], workers: Workers) -> None:
    def look(dask_scheduler: object) -> list[object]:
        import time

        from distributed import metrics

        return [type(time.time).__name__, metrics.time is time.time]

    assert json.loads(run(workers.ask(b"clock"))) == ["function", True]
    assert run(seen_by_dask(workers, look)) == ["function", True]


def test_a_clock_of_its_own_does_not_follow_the_one_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = [1e9]
    monkeypatch.setattr(time, "time", lambda: wall[0])
    process_room.keep_steady_time()
    before = time.time()
    wall[0] -= 3600
    assert 0 <= time.time() - before < 600
    assert 0 <= before - 1e9 < 600


# --- faults ---


def test_a_question_whose_worker_is_killed_is_asked_once_more(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    async def kill() -> dict[str, Any]:
        asking = asyncio.ensure_future(workers.ask(waiting(tmp_path)))
        (first,) = await asked(tmp_path, 1)
        os.kill(first, signal.SIGKILL)
        await asked(tmp_path, 2)
        (tmp_path / "go").touch()
        return json.loads(await asking) | {"killed": first}

    answer = run(kill())
    assert answer["pid"] != answer["killed"]
    assert len(list(tmp_path.glob("asked-*"))) == 2


@pytest.mark.slow
def test_all_workers_killed_and_every_question_is_asked_once_more(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    async def kill() -> list[bytes]:
        asking = [asyncio.ensure_future(workers.ask(waiting(tmp_path))) for _ in range(2)]
        for each in await asked(tmp_path, 2):
            os.kill(each, signal.SIGKILL)
        await asked(tmp_path, 4)
        (tmp_path / "go").touch()
        return await asyncio.gather(*asking)

    one, other = map(json.loads, run(kill()))
    assert one["pid"] != other["pid"]
    assert len(list(tmp_path.glob("asked-*"))) == 4


@pytest.mark.slow
def test_a_killed_scheduler_is_started_again_with_workers_and_open_questions_are_asked_once_more(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    before = workers.address

    async def kill() -> bytes:
        asking = asyncio.ensure_future(workers.ask(waiting(tmp_path)))
        await asked(tmp_path, 1)
        (scheduler,) = ours("scheduler")
        scheduler.kill()
        await asked(tmp_path, 2)
        (tmp_path / "go").touch()
        return await asking

    run(kill())
    assert len(list(tmp_path.glob("asked-*"))) == 2
    assert workers.address != before
    run(until(lambda: workers.threads == 2))
    assert (len(ours("scheduler")), len(ours("worker"))) == (1, 2)


def test_a_question_that_a_breaking_connection_does_not_take_waits_until_it_is_known_as_lost(
    run: Callable[..., Any], workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, refused = Link.submit, list[float]()

    def submit(link: Link, *arguments: Any) -> Any:
        refused.append(asyncio.get_running_loop().time())
        if refused[-1] - refused[0] < engine_room.PAUSE / 2:
            raise OSError("closed")
        return whole(link, *arguments)

    monkeypatch.setattr(Link, "submit", submit)
    assert run(workers.ask(b"echo after all")) == b"after all"
    assert len(refused) == 2


@pytest.mark.slow
def test_a_question_that_kills_its_worker_is_given_up_after_three_times(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    with pytest.raises(LesionvizError, match="cut short three times"):
        run(workers.ask(b"die " + bytes(tmp_path)))
    assert len(list(tmp_path.glob("asked-*"))) == 3
    assert run(workers.ask(b"echo still here")) == b"still here"


def test_a_worker_that_neither_answers_nor_dies_is_replaced(
    run: Callable[..., Any], workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stop() -> dict[str, Any]:
        stopped = ours("worker")
        for each in stopped:
            each.suspend()
        monkeypatch.setattr(engine_room, "PATIENCE", 0.2)
        asking = asyncio.ensure_future(workers.ask(b"pid"))
        await until(lambda: not all(each.is_running() for each in stopped))
        monkeypatch.undo()
        for each in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()
        answer: dict[str, Any] = json.loads(await asking)
        return answer

    assert run(stop())["pid"] in [each.pid for each in ours("worker")]


@pytest.mark.slow
def test_a_worker_comes_and_goes_under_load_and_every_answer_is_right(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    """It has the model before it is asked: no answer is of another, and none is missing."""
    answered: list[bytes] = []

    async def load() -> None:
        while True:
            answered.append(await workers.ask(b"pid"))

    async def come_and_go() -> tuple[int, set[int]]:
        assert workers.certificates is not None
        loads = [asyncio.create_task(load()) for _ in range(4)]
        folder = str(workers.certificates.ca.parent)
        late = Child("worker", "--folder", folder, "--scheduler", workers.address or "", "--threads", "1")
        await until(lambda: workers.threads == 3)
        asking = [asyncio.ensure_future(workers.ask(waiting(tmp_path))) for _ in range(3)]
        held = set(await asked(tmp_path, 3))
        late.kill()
        await until(lambda: workers.threads == 2)
        (tmp_path / "go").touch()
        answered.extend(await asyncio.gather(*asking))
        for each in loads:
            each.cancel()
        await asyncio.gather(*loads, return_exceptions=True)
        return late.pid, held

    gone, held = run(come_and_go())
    assert gone in held
    assert {json.loads(answer)["model"] for answer in answered} == {sha256(MODEL).hexdigest()}
    assert len(list(tmp_path.glob("asked-*"))) == 4


# --- who hears what ---


def listening(processes: list[psutil.Process]) -> list[tuple[str, int]]:
    found = [each for process in processes for each in process.net_connections() if each.status == psutil.CONN_LISTEN]
    return [(each.laddr.ip, each.laddr.port) for each in found]


def heard(address: tuple[str, int], context: ssl.SSLContext | None) -> bytes:
    """What a port says to an HTTP request, in TLS or without."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try:
        with socket.create_connection(address, timeout=30) as plain:
            line = plain if context is None else context.wrap_socket(plain)
            line.sendall(request)
            return line.recv(1000)
    except OSError:  # ssl's errors are some
        return b""


def context_of(certificates: Certificates | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificates is not None:
        context.load_cert_chain(certificates.cert, certificates.key)
    return context


def test_without_the_certificate_no_port_of_scheduler_and_workers_says_anything(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    ports = listening([*ours("scheduler"), *ours("worker")])
    assert len(ports) == 3  # one each: no pages beside
    assert {host for host, _ in ports} == {"127.0.0.1"}
    strangers = context_of(make_certificates(tmp_path))
    assert [heard(port, None) for port in ports] == [b""] * 3
    assert [heard(port, context_of(None)) for port in ports] == [b""] * 3
    assert [heard(port, strangers) for port in ports] == [b""] * 3
    assert all(heard(port, context_of(workers.certificates)) for port in ports)


def test_the_certificates_are_this_users_alone(run: Callable[..., Any], workers: Workers) -> None:
    assert workers.certificates is not None
    folder = workers.certificates.ca.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.pem")} == {
        "ca.pem": 0o600,
        "cert.pem": 0o600,
        "key.pem": 0o600,
    }


@pytest.mark.slow
def test_no_log_shows_anything_of_an_upload(
    run: Callable[..., Any], workers: Workers, logs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Answered, refused, failed, cancelled, or with its worker killed: in no process and at no level."""
    name = b"Miller_left_shoulder.jpg"
    upload = bytes(range(256)) * 2 + name
    for logger in ("distributed", "distributed.client", "asyncio"):
        caplog.set_level(logging.DEBUG, logger)

    async def ask() -> None:
        for word in (b"echo ", b"refuse ", b"fail "):
            with contextlib.suppress(LesionvizError, UnicodeDecodeError):
                await workers.ask(word + (upload if word == b"echo " else name))
        (folder := tmp_path / name.decode()).mkdir()
        asking = asyncio.ensure_future(workers.ask(waiting(folder)))
        (first,) = await asked(folder, 1)
        os.kill(first, signal.SIGKILL)
        await asked(folder, 2)
        asking.cancel()
        (folder / "go").touch()
        with pytest.raises(LesionvizError):
            await workers.ask(b"die " + bytes(folder))

    run(ask())
    run(until(lambda: workers.threads == 2))
    texts = [path.read_text() for path in logs.iterdir()] + [caplog.text]
    assert len(texts) == 4
    assert sum("question-" in text for text in texts) >= 2, "they do tell of questions"
    part = upload[40:64]
    traces = [
        name.decode(),
        "Miller",
        repr(part)[2:-1],
        part.decode("latin-1"),
        part.hex(),
        *(base64.b64encode(upload[start:])[:24].decode() for start in range(3)),
        "asked-",
    ]
    assert [trace for trace in traces for text in texts if trace in text] == []


def test_nothing_of_a_question_is_written_to_the_disk(run: Callable[..., Any], workers: Workers) -> None:
    """The cluster's folder holds certificates, and the empty ones that Dask makes."""
    assert run(workers.ask(b"echo " + bytes(8 * MIB))) == bytes(8 * MIB)
    assert workers.certificates is not None
    files = [path for path in workers.certificates.ca.parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if path.suffix != ".pem") < 1000


def test_what_is_sealed_is_shown_by_nothing() -> None:
    import pickle

    sealed = Sealed(b"secret")
    beside: list[pickle.PickleBuffer] = []
    assert "secret" not in f"{sealed} {sealed!r} {[sealed]} {vars(type(sealed))}"
    assert b"secret" not in pickle.dumps(sealed, protocol=5, buffer_callback=beside.append)
    assert [bytes(each) for each in beside] == [b"secret"]
    assert [pickle.loads(pickle.dumps(sealed, protocol)).content for protocol in (4, 5)] == [b"secret"] * 2


# --- another's cluster ---


@asynccontextmanager
async def joined(workers: Workers, **options: Any) -> AsyncIterator[Workers]:
    """A second server before the same cluster."""
    second = Workers(
        options.pop("model", MODEL),
        address=workers.address,
        certificates=workers.certificates,
        answering="answers:light",
        first=FIRST,
        **options,
    )
    await second.start()
    try:
        yield second
    finally:
        await second.close()


def test_a_cluster_that_runs_already_is_used_and_left_running(run: Callable[..., Any], workers: Workers) -> None:
    before = {each.pid for each in [*ours("scheduler"), *ours("worker")]}

    async def use() -> list[str]:
        async with joined(workers, model=b"another model") as second:
            assert second.threads == 2
            answers = await asyncio.gather(*(each.ask(b"pid") for each in (second, workers)))
            return [json.loads(answer)["model"] for answer in answers]

    assert run(use()) == [sha256(b"another model").hexdigest(), sha256(MODEL).hexdigest()]
    assert {each.pid for each in [*ours("scheduler"), *ours("worker")]} == before
    assert run(workers.ask(b"echo still here")) == b"still here"


def test_a_worker_that_has_let_our_model_go_takes_it_again(run: Callable[..., Any], workers: Workers) -> None:
    async def crowd() -> bytes:
        for number in range(KEPT):
            async with joined(workers, model=b"model %d" % number) as other:
                await asyncio.gather(*(other.ask(b"pid") for _ in range(2)))
        return await workers.ask(b"pid")

    assert json.loads(run(crowd()))["model"] == sha256(MODEL).hexdigest()


def test_a_worker_with_other_versions_is_left_out_in_one_sentence(run: Callable[..., Any], workers: Workers) -> None:
    told: list[str] = []
    script = (
        "import sys; from lesionviz.workers import process; process.settle('')\n"
        "import distributed.node as node; get = node.get_versions\n"
        "def other(packages=None):\n"
        "    found = get(packages); found['packages'] |= {'torch': '1.13.1', 'lesionviz': '0.0.9'}; return found\n"
        "node.get_versions = other; process.main()"
    )

    async def come() -> None:
        assert workers.certificates is not None
        async with joined(workers, tell=told.append) as second:
            options = ["--folder", str(workers.certificates.ca.parent), "--scheduler", workers.address or ""]
            stranger = subprocess.Popen([sys.executable, "-c", script, "worker", *options], stdin=subprocess.PIPE)
            try:
                await until(lambda: told)
                assert second.threads == 2
                assert await second.ask(b"echo x") == b"x"
            finally:
                stranger.kill()
                stranger.wait()

    run(come())
    own = own_versions()
    (sentence,) = told
    assert f"has lesionviz 0.0.9, torch 1.13 and this machine has lesionviz {own['lesionviz']}, torch " in sentence


@pytest.mark.parametrize(
    ("address", "with_certificates", "words"),
    [
        ("tcp://127.0.0.1:8786", True, "begins with tls://"),
        ("tls://127.0.0.1:8786", False, "certificates"),
    ],
)
def test_a_cluster_without_tls_is_not_used(address: str, with_certificates: bool, words: str, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path) if with_certificates else None
    with pytest.raises(LesionvizError, match=words):
        Workers(MODEL, address=address, certificates=certificates)


def test_no_cluster_and_a_cluster_of_others_are_told_in_a_sentence(
    run: Callable[..., Any], workers: Workers, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"tls://127.0.0.1:{free.getsockname()[1]}"
    strangers = make_certificates(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lesionviz.workers.link.PATIENCE", 2)
        for address in (nobody, workers.address):
            with pytest.raises(LesionvizError, match="No cluster answers at tls://127"):
                run(Workers(MODEL, address=address, certificates=strangers).start())


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match=r"There is no file .*ca\.pem"):
        Certificates(*(tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))).security()
    own = make_certificates(tmp_path)
    (other := tmp_path / "other").mkdir()
    with pytest.raises(LesionvizError, match="belong together"):
        Certificates(own.ca, own.cert, make_certificates(other).key).security()
    own.ca.write_text("no PEM")
    with pytest.raises(LesionvizError, match="three PEM files"):
        own.security()


# --- beginnings and ends ---


SERVER = """
import asyncio, psutil, sys
from lesionviz.workers import Workers
async def serve():
    workers = Workers(b"a model", workers=1, answering="answers:light", first=b"echo facts")
    await workers.start()
    print(workers.certificates.ca.parent, *(each.pid for each in psutil.Process().children()), flush=True)
    await asyncio.sleep(600)
asyncio.run(serve())
"""


@pytest.mark.slow
def test_when_the_server_is_killed_nothing_is_left_and_nothing_of_its_folder_or_settings_counted(
    loop: Loop, tmp_path: Path
) -> None:
    (tmp_path / "msgpack.py").write_text("raise SystemExit('from the folder where the server stands')")
    hostile = {
        "DASK_DISTRIBUTED__WORKER__PRELOAD": "/no/such/file.py",
        "DASK_DISTRIBUTED__SCHEDULER__PRELOAD": "/no.py",
    }
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | hostile,
    )
    assert server.stdout is not None
    folder, *pids = server.stdout.readline().split()
    assert len(pids) == 2
    assert Path(folder).is_dir()
    server.kill()
    server.wait()
    server.stdout.close()
    loop.run(until(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids)))
    loop.run(until(lambda: not Path(folder).exists()))


def test_after_the_end_nothing_is_left_and_questions_are_refused(loop: Loop, tmp_path: Path) -> None:
    """A worker that computes is ended, too."""
    before = {each.pid for each in psutil.Process().children()}

    async def end() -> Path:
        workers = Workers(MODEL, workers=1, answering="answers:light", first=FIRST)
        await workers.start()
        assert workers.certificates is not None
        open_question = asyncio.ensure_future(workers.ask(waiting(tmp_path)))
        await asked(tmp_path, 1)
        await workers.close()
        for question in (open_question, workers.ask(b"echo late")):
            with pytest.raises(LesionvizError, match="is being closed"):
                await question
        await workers.close()
        return workers.certificates.ca.parent

    folder = loop.run(end())
    assert not folder.exists()
    assert {each.pid for each in psutil.Process().children()} == before


@pytest.mark.slow
def test_a_worker_that_cannot_load_the_model_ends_the_start_in_its_own_words(loop: Loop) -> None:
    before = {each.pid for each in psutil.Process().children()}
    workers = Workers(b"no checkpoint", workers=1, first=FIRST)
    with pytest.raises(LesionvizError, match=r"best_model\.pth is damaged or is not a model file"):
        loop.run(workers.start())
    assert {each.pid for each in psutil.Process().children()} == before


def test_workers_that_do_not_start_end_the_start_in_a_sentence(loop: Loop) -> None:
    workers = Workers(b"", workers=1, answering="no_such_module:light", first=FIRST)
    with pytest.raises(LesionvizError, match="could not take the model"):
        loop.run(workers.start())


def test_without_room_for_temporary_files_there_is_a_sentence(
    loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lesionviz.machine.SHARED_MEMORY", tmp_path / "gone")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(LesionvizError, match="cannot be written to"):
        loop.run(Workers(MODEL).start())


@pytest.mark.slow
def test_workers_with_the_bundled_model_answer_the_closed_list_as_it_does_here(loop: Loop) -> None:
    pictures = [draw_lesion("MEL", seed, (600, 450)) for seed in range(4)]

    async def ask() -> tuple[Checkpoint, list[Case], Case]:
        workers, running = Workers(BUNDLED.read_bytes()), asyncio.get_running_loop()
        facts = await workers.start()
        far = Far(lambda question: asyncio.run_coroutine_threadsafe(workers.ask(question), running).result(120))
        try:
            cases = [asyncio.to_thread(lambda picture=one: far.complete(far.examine(picture))) for one in pictures]
            sample = await asyncio.to_thread(lambda: far.answering(drawn=True).examine(synthetic_samples()[2]))
            return (
                Checkpoint.from_facts(unpack(facts)["ok"]["model"]["checkpoint"]),
                await asyncio.gather(*cases),
                sample,
            )
        finally:
            await workers.close()

    facts, cases, sample = loop.run(ask())
    assert sample.prediction.diagnosis == "MEL"
    assert sample.prediction.confidence == pytest.approx(
        drawn_classifier().predict(synthetic_samples()[2]).confidence
    )
    here = load(BUNDLED)
    assert facts.file_sha256 == here.checkpoint.file_sha256
    for picture, case in zip(pictures, cases, strict=True):
        expected = here.predict(picture).probabilities
        assert dict(case.prediction.probabilities) == pytest.approx(dict(expected), abs=1e-5)
        assert case.completed


def test_a_worker_that_grows_too_large_ends_itself(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[int] = []
    own = psutil.Process().memory_info().rss

    async def watch(limit: int) -> None:
        monkeypatch.setattr(process_room, "MEMORY", limit)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await process_room._stay_small()

    monkeypatch.setattr(os, "_exit", ends.append)
    loop.run(watch(100 * own))
    assert ends == []
    loop.run(watch(own // 2))
    assert ends == [1]


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [(2, None, 2), (8, 64 * 1024 * MIB, 8), (8, (1024 + 3 * 600) * MIB, 3), (2, 100 * MIB, 1), (0, None, 1)],
)
def test_there_are_as_many_workers_as_cores_and_memory_allow(cores: int, memory: int | None, expected: int) -> None:
    assert number_of_workers(cores, memory) == expected


# --- parts ---


OWN = {"python": "3.11.7", "lesionviz": "0.1.0", "distributed": "2026.8.0", "torch": "2.14.1+cu130"}


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (OWN, ""),
        (OWN | {"python": "3.11.2.final.0", "torch": "2.14.0"}, ""),
        (
            OWN | {"python": "3.12.1.final.0"},
            "It has Python 3.12 and this machine has Python 3.11: install the same on both.",
        ),
        (
            OWN | {"lesionviz": None, "distributed": "2026.8.1"},
            "It has no lesionviz, distributed 2026.8.1 and this machine has lesionviz 0.1.0, distributed 2026.8.0: "
            "install the same on both.",
        ),
        (OWN | {"torch": "2.5.1"}, "It has torch 2.5 and this machine has torch 2.14: install the same on both."),
    ],
)
def test_versions_that_do_not_fit_are_named_on_both_sides(theirs: dict[str, str | None], expected: str) -> None:
    assert misfit("It", theirs, OWN, ON_WORKER) == expected


def test_who_waits_for_a_seat_is_served_in_order_and_the_emptiest_worker_first(loop: Loop) -> None:
    async def sit() -> tuple[list[str], int]:
        seats, order = Seats(Bell()), list[str]()
        small, large = (Place(name, None, threads) for name, threads in (("small", 1), ("large", 3)))  # type: ignore[arg-type]
        seats.add(small)
        seats.add(large)
        taken = [await seats.take() for _ in range(4)]
        assert [place.address for place in taken] == ["large", "large", "small", "large"]

        async def greedy(name: str) -> None:
            for _ in range(2):  # comes again at once, and is behind those who wait
                place = await seats.take()
                order.append(name)
                seats.give(place)

        waiting = [asyncio.ensure_future(greedy(name)) for name in "abcd"]
        await asyncio.sleep(0)
        waiting[1].cancel()
        seats.give(large)
        waiting[0].cancel()  # in the very moment in which it is its turn
        await asyncio.wait(waiting)
        return order, large.busy

    assert loop.run(sit()) == (["c", "d", "c", "d"], 2)


def test_a_worker_without_the_model_says_so_and_keeps_only_a_few(loop: Loop) -> None:
    keys = [f"key {number}" for number in range(KEPT + 1)]
    assert answer_here("unknown", Sealed(b"echo x"))[0] == "no model"
    for key in keys:
        assert loop.run(take(key, Sealed(key.encode()), "answers:light")) == ""
    assert [holds(key) for key in keys] == [False] + [True] * KEPT


def test_the_room_is_imported_without_dask_and_torch_and_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['distributed'] = sys.modules['dask'] = None\n"
        "from lesionviz.workers import Workers\n"
        "from lesionviz.workers import worker_side, process\n"
        "assert 'torch' not in sys.modules\n"
        "try: Workers(b'')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert said.startswith("LesionvizError ")
    assert 'pip install "lesionviz[cluster]"' in said

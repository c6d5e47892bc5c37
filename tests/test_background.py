"""``Background``: work beside the interface, with and without a running loop."""

from __future__ import annotations

import asyncio
import logging
import threading

import numpy as np
import pytest
from PIL import Image

from lesionviz.class_line import KEY, SOCKET
from lesionviz.classifier import LesionClassifier
from lesionviz.cluster import Examiner
from lesionviz.data.synthetic import draw_lesion, synthetic_samples
from lesionviz.drawn import drawn_classifier
from lesionviz.errors import LesionvizError
from lesionviz.widgets.parts import background
from lesionviz.widgets.parts.background import Background, sentence


def boom(_: Examiner) -> str:
    raise ValueError("boom")


def test_without_a_loop_work_is_done_at_once_with_the_classifier(classifier: LesionClassifier) -> None:
    done: list[object] = []
    Background(classifier).submit(lambda given: given.classifier, done.append, done.append)
    assert done == [classifier]


def test_without_a_loop_a_failure_is_told_and_not_raised(classifier: LesionClassifier) -> None:
    done: list[str] = []
    failed: list[Exception] = []
    Background(classifier).submit(boom, done.append, failed.append)
    assert done == []
    assert [str(error) for error in failed] == ["boom"]


def test_with_a_loop_work_runs_in_a_thread_and_the_result_comes_back_on_the_loop(
    classifier: LesionClassifier,
) -> None:
    async def main() -> tuple[int, int, list[str]]:
        arrived = asyncio.Event()
        heard: list[str] = []
        threads: list[int] = []

        def work(_: Examiner) -> str:
            threads.append(threading.get_ident())
            return "result"

        def done(result: str) -> None:
            heard.append(result)
            threads.append(threading.get_ident())
            arrived.set()

        Background(classifier).submit(work, done, lambda error: pytest.fail(str(error)))
        assert heard == []  # nothing before the caller gives way
        await asyncio.wait_for(arrived.wait(), 20)
        return threads[0], threads[1], heard

    worker, loop, heard = asyncio.run(main())
    assert heard == ["result"]
    assert worker != threading.get_ident()
    assert loop == threading.get_ident()


def test_what_a_case_does_not_hold_is_explained_at_once_here_and_not_at_all_elsewhere(
    classifier: LesionClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = classifier.examine(draw_lesion("MEL", 3, (120, 90)))
    asked = (case, "MEL", "features.4", "layercam", "NV")
    made = Background(classifier).explain_now(*asked)
    assert made is not None
    assert np.array_equal(made.raw, classifier.explain(Image.fromarray(case.seen), *asked[1:]).raw)
    drawing, network = drawn_classifier().examine(synthetic_samples()[2]), drawn_classifier()
    made = Background(classifier).explain_now(drawing, *asked[1:], drawn=True)
    assert made is not None
    assert np.array_equal(made.raw, network.explain(Image.fromarray(drawing.seen), *asked[1:]).raw)
    monkeypatch.setenv(SOCKET, "/nowhere/desk")
    monkeypatch.setenv(KEY, "key")
    assert Background().explain_now(*asked) is None
    assert Background().explain_now(*asked, drawn=True) is None


def test_with_a_loop_a_failure_is_told_on_the_loop(classifier: LesionClassifier) -> None:
    async def main() -> str:
        failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        Background(classifier).submit(boom, lambda _: pytest.fail("no result expected"), failed.set_result)
        return str(await asyncio.wait_for(failed, 20))

    assert asyncio.run(main()) == "boom"


def test_cancelled_work_is_skipped_when_it_waits_and_never_delivered(classifier: LesionClassifier) -> None:
    async def main() -> list[str]:
        heard: list[str] = []
        go, last = threading.Event(), asyncio.Event()
        pool = Background(classifier)

        def named(name: str) -> str:
            heard.append(f"ran {name}")
            return name

        def blocked(_: Examiner) -> str:
            go.wait(20)
            return named("first")

        def end(name: str) -> None:
            heard.append(name)
            last.set()

        first = pool.submit(blocked, heard.append, lambda _: heard.append("failed"))
        second = pool.submit(lambda _: named("second"), heard.append, lambda _: heard.append("failed"))
        first.cancel()
        second.cancel()
        pool.submit(lambda _: "third", end, lambda _: heard.append("failed"))
        go.set()
        await asyncio.wait_for(last.wait(), 20)
        return heard

    heard = asyncio.run(main())
    assert "third" in heard
    # The first may have begun before it was cancelled; neither is delivered, and the second never ran.
    assert set(heard) <= {"ran first", "third"}


def test_a_classifier_that_cannot_be_loaded_fails_every_piece_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Examiner:
        raise LesionvizError("best_model.pth is damaged.")

    monkeypatch.setattr(background, "_load", refuse)
    failed: list[Exception] = []
    broken = Background()
    broken.submit(lambda _: "never", lambda _: pytest.fail("no result expected"), failed.append)
    assert broken.ready
    assert [sentence(error, "arm.jpg") for error in failed] == ["best_model.pth is damaged."]


def test_a_defect_becomes_one_plain_sentence_and_its_details_a_log_entry(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        said = sentence(ValueError("secret detail"), "arm.jpg")
    assert said.startswith("arm.jpg could not be examined")
    assert "secret" not in said
    assert "secret detail" in caplog.text

"""Ctrl-C while a training computes is never lost, and a second one is obeyed at once."""

from __future__ import annotations

import os
import signal
import threading
import weakref

import pytest

from lesionviz.interrupt import remembered


class _Thing:
    pass


def _press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_press_in_a_weak_references_callback_is_remembered() -> None:
    """Where Python prints a KeyboardInterrupt and loses it."""
    with remembered() as pressed:
        thing = _Thing()
        reference = weakref.ref(thing, lambda _: _press())
        assert not pressed()
        del thing
        assert reference() is None
        assert pressed()


def test_the_second_press_raises_at_once() -> None:
    with remembered() as pressed:
        _press()
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            _press()


def test_afterwards_a_press_raises_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with remembered():
        pass
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        _press()


def test_beside_the_main_thread_and_beside_someone_elses_handler_nothing_is_taken() -> None:
    found = []

    def look() -> None:
        with remembered() as pressed:
            found.append((signal.getsignal(signal.SIGINT), pressed()))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    theirs = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        mine = signal.getsignal(signal.SIGINT)
        look()
    finally:
        signal.signal(signal.SIGINT, theirs)
    assert found == [(theirs, False), (mine, False)]

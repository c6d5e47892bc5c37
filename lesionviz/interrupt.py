"""Ctrl-C while a training or a run over an archive computes: remembered, and asked for by the loop.

Python raises KeyboardInterrupt wherever it happens to be. In a weak reference's callback or a ``__del__``, both of which
autograd and the loaders use all the time, it is printed and lost, and the work goes on as if nobody had pressed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def remembered() -> Iterator[Callable[[], bool]]:
    """Remember the first Ctrl-C instead of raising it; the second one raises KeyboardInterrupt at once.

    Yields:
        a function that says whether Ctrl-C was pressed. Outside the main thread, which alone gets signals, and where
        somebody else has taken the signal for themselves, it always says no.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield lambda: False
        return
    presses = 0

    def count(number: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, count)
    try:
        yield lambda: presses > 0
    finally:
        signal.signal(signal.SIGINT, before)

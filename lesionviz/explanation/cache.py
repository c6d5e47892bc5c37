"""Keeps the analyses of the last few pictures, so that another class, layer or method costs next to nothing.

Bounded: the least recently used one goes first. Safe to share between threads.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import TypeAlias
from weakref import WeakKeyDictionary

from lesionviz.explanation.engine import Analysis
from lesionviz.imaging import LesionImage

Key: TypeAlias = tuple[str, int]
"""Hash of the network's input, and the version of the weights."""


class AnalysisCache:
    """Analyses by input and weights.

    Args:
        limit: how many to keep; one takes 8 MB at 160 pixels and 15 MB at 224 once every layer was asked for.
    """

    def __init__(self, limit: int = 4) -> None:
        self._limit = limit
        self._kept: OrderedDict[Key, Analysis] = OrderedDict()
        self._hashes: WeakKeyDictionary[LesionImage, str] = WeakKeyDictionary()
        self._lock = Lock()

    def find(self, picture: LesionImage, weights: int) -> Analysis | None:
        """Return the analysis of a picture seen before under these weights, if it is still kept."""
        with self._lock:
            digest = self._hashes.get(picture)
            return self._touch((digest, weights)) if digest else None

    def get(self, picture: LesionImage, weights: int, data: bytes, make: Callable[[], Analysis]) -> Analysis:
        """Return the analysis of an input, made when it is not kept.

        Args:
            picture: remembered, so that :meth:`find` knows it next time.
            weights: version of the weights.
            data: bytes of the network's input.
            make: makes the analysis; runs outside the lock, so two threads may make the same one.
        """
        digest = hashlib.sha256(data).hexdigest()
        with self._lock:
            self._hashes[picture] = digest
            found = self._touch((digest, weights))
        if found is not None:
            return found
        made = make()
        with self._lock:
            kept = self._touch((digest, weights))
            if kept is not None:
                return kept
            self._kept[digest, weights] = made
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        return made

    def _touch(self, key: Key) -> Analysis | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        return None

"""Ways to import a package without something that it loads on the way and that nobody here needs.

Enter: what costs every start of a page noticeable time, or tells others about it, and is put back right afterwards.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def without(module: str) -> Iterator[None]:
    """Have Python find no module of this name meanwhile, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # to Python: there is no such module
    try:
        yield
    finally:
        del sys.modules[module]


@contextmanager
def later(module: str, *functions: str) -> Iterator[None]:
    """Have functions that are imported from a module meanwhile load it when they are first called, not now.

    Whatever else is imported from it loads it at once, as ever; and it does where it is loaded already.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = stand_in = _Later(module, functions)
    try:
        yield
    finally:
        if sys.modules.get(module) is stand_in:
            del sys.modules[module]


class _Later(ModuleType):
    """Stands for a module that is not loaded yet."""

    def __init__(self, name: str, functions: tuple[str, ...]) -> None:
        super().__init__(name)
        self._functions = functions

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python itself asks of a module
            raise AttributeError(name)
        return self._waiting(name) if name in self._functions else getattr(self._real(), name)

    def _waiting(self, name: str) -> Callable[..., Any]:
        def function(*args: Any, **options: Any) -> Any:
            return getattr(self._real(), name)(*args, **options)

        function.__name__ = function.__qualname__ = name
        return function

    def _real(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)

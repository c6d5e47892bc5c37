"""What a worker does: it takes the model once, by its SHA-256, and answers questions about pictures with it.

Runs inside Dask's workers, so nothing here raises or shows what a question holds: Dask writes failed tasks with their
arguments into its logs. The scheduler unpacks :class:`Sealed`, so that this module must import nothing large.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import shutil
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import PickleBuffer
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, TypeAlias

from lesionviz.errors import LesionvizError
from lesionviz.machine import roomy_memory

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

Answering: TypeAlias = Callable[[bytes], bytes]
Outcome: TypeAlias = Literal["answer", "refusal", "defect", "no model"]
MODEL = "lesionviz.workers.worker_side:with_model"
"""What makes, from the model's bytes, the function that answers; tests name a lighter one."""
KEPT = 2
"""Models that a worker keeps, those last asked: other servers may ask the same worker about theirs."""

_answering: OrderedDict[str, Answering] = OrderedDict()
_folder: Path | None = None
_log = logging.getLogger(__name__)


class Sealed:
    """Bytes that no log, no traceback and no page of Dask shows."""

    __slots__ = ("content",)

    def __init__(self, content: bytes | memoryview) -> None:
        self.content = bytes(content)

    def __repr__(self) -> str:
        return "<sealed>"

    def __sizeof__(self) -> int:
        return len(self.content)

    def __reduce_ex__(self, protocol: object) -> tuple[type[Sealed], tuple[bytes | PickleBuffer]]:
        """Travel beside the pickle rather than in it, where that is possible: Dask logs pickles that it cannot read."""
        beside = isinstance(protocol, int) and protocol >= 5
        return Sealed, (PickleBuffer(self.content) if beside else self.content,)


def holds(key: str) -> bool:
    """Return whether this worker has a model."""
    return key in _answering


async def take(key: str, model: Sealed, how: str) -> str:
    """Load a model, away from the worker's loop, and keep it.

    Args:
        key: under which questions ask for it.
        model: bytes of its file.
        how: module and function, ``"module:function"``, that turns these bytes into a function that answers.

    Returns:
        Nothing, or a sentence on why it cannot be loaded.
    """
    module, _, name = how.partition(":")

    def made() -> Answering:
        answering: Answering = getattr(importlib.import_module(module), name)(model.content)
        return answering

    try:
        _answering[key] = await asyncio.to_thread(made)
    except LesionvizError as error:
        return str(error)
    while len(_answering) > KEPT:
        _answering.popitem(last=False)
    return ""


def answer_here(key: str, question: Sealed) -> tuple[Outcome, Sealed]:
    """Answer a question with a model that was taken before; whatever happens comes back as an outcome."""
    try:
        answering = _answering[key]
        _answering.move_to_end(key)
    except KeyError:
        return "no model", Sealed(b"")
    try:
        return "answer", Sealed(answering(question.content))
    except LesionvizError as error:
        return "refusal", Sealed(str(error).encode())
    except Exception as error:  # noqa: BLE001 - its text may hold what was uploaded: only its kind and place are told
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
        _log.error("A question was not answered: %s", where)
        return "defect", Sealed(where.encode())


def with_model(model: bytes) -> Answering:
    """Return what answers the closed list of requests with a checkpoint.

    Raises:
        LesionvizError: these bytes are no checkpoint.
    """
    from lesionviz.cluster import answer

    classifier = read_classifier(model)
    return lambda question: answer(classifier, question)


def read_classifier(model: bytes) -> LesionClassifier:
    """Return the classifier whose checkpoint has these bytes, by way of a private file that is gone afterwards.

    Raises:
        LesionvizError: these bytes are no checkpoint.
    """
    from lesionviz.checkpoint import Checkpoint
    from lesionviz.classifier import LesionClassifier

    with model_file(model) as path:
        return LesionClassifier(Checkpoint.load(path))


@contextmanager
def model_file(model: bytes) -> Iterator[Path]:
    """Give a private file with these bytes for the time of a block.

    It lies in memory where that is possible, since a full disk should keep no worker from being started again, and in
    the cluster's folder where there is one, so that it goes even if this process is ended meanwhile.
    """
    needed = 2 * len(model)
    fits = _folder is not None and shutil.disk_usage(_folder).free > needed
    with TemporaryDirectory(prefix="lesionviz-", dir=_folder if fits else roomy_memory(needed)) as folder:  # 0700
        path = Path(folder) / "best_model.pth"
        path.write_bytes(model)
        yield path


def settle_in(folder: Path) -> None:
    """Have files lie in a folder that is removed with the cluster."""
    global _folder
    _folder = folder

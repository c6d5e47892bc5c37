"""The engine of a cluster: Dask gives shards to workers, here or on other machines, and asks again when one dies.

Workers compute as the engine of one machine does, on one thread for each shard, so that their parts are the same bytes and
a run may be begun by the one and gone on with by the other. They read the images' paths themselves, as on a file system
that all machines share. What they cannot read is read here and sent to them; a row says that a file cannot be read only
where that is so here, too. SHA-256 in the rows is made where the picture is opened.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from lesionviz.archive.asking import Asking, kept
from lesionviz.archive.background import Background
from lesionviz.archive.engine import Part, Shard
from lesionviz.archive.manifest import Manifest, run_bytes
from lesionviz.archive.setup import SetupWithModel
from lesionviz.archive.worker_side import HOME
from lesionviz.errors import LesionvizError
from lesionviz.machine import has
from lesionviz.workers import Workers
from lesionviz.workers.certificates import certificates_in

LOCAL = "local"


def say(sentence: str) -> None:
    """Say something above the bar."""
    tqdm.write(sentence, file=sys.stderr)


class ClusterSetup:
    """Workers that compute what the engine of this machine would.

    Args:
        local: names the model and the precision.
        cluster: ``"local"``, or the address of a scheduler that runs already, ``tls://host:8786``.
        certificates: folder with ``ca.pem``, ``cert.pem`` and ``key.pem`` of that one.
        workers: how many to start here; by default as many as memory and cores allow.
        threads: of each of those; by default one.
        page: have Dask's own page, for this machine alone.
        tell: called with sentences about workers that cannot be used, and the like.
        home: what answers; see :mod:`~lesionviz.archive.worker_side`.

    Raises:
        LesionvizError: these do not go together, or something is not installed.
    """

    def __init__(
        self,
        local: SetupWithModel,
        cluster: str,
        certificates: Path | None = None,
        workers: int | None = None,
        threads: int | None = None,
        page: bool = False,
        tell: Callable[[str], None] = say,
        home: str = HOME,
    ) -> None:
        self._local, self._tell = local, tell
        here = cluster == LOCAL
        if here and certificates is not None:
            raise LesionvizError("Workers that are started here have certificates of their own: name none.")
        if not here and (workers is not None or threads is not None or page):
            raise LesionvizError(
                f"The workers at {cluster} run already: their number, their threads and Dask's page are theirs to choose."
            )
        if page and not has("bokeh"):
            raise LesionvizError("Dask's page needs bokeh, missing here. Install it with: pip install bokeh.")
        self.options: dict[str, Any] = {
            "address": None if here else cluster,
            "certificates": None if certificates is None else certificates_in(certificates),
            "workers": workers,
            "threads": threads or 1,
            "answering": home,
            "first": b"",
            "spread": True,
            "page": page,
        }
        Workers(b"", **self.options)  # refuses what cannot be used before a run is begun
        if self.options["certificates"] is not None:
            self.options["certificates"].security()

    def identity(self, recorded: Manifest | None) -> dict[str, Any]:
        """See :class:`~lesionviz.archive.setup.Setup`: that of this machine's engine, whose bytes these are."""
        return self._local.identity(recorded)

    def engine(self, manifest: Manifest) -> ClusterEngine:
        """See :class:`~lesionviz.archive.setup.Setup`; nothing is started yet."""
        return ClusterEngine(run_bytes(manifest, self._local.model(manifest)), self.options, self._tell)


class ClusterEngine:
    """Computes parts on workers.

    Args:
        run: as workers take it.
        options: of :class:`~lesionviz.workers.Workers`.
        tell: called with sentences.
    """

    def __init__(self, run: bytes, options: dict[str, Any], tell: Callable[[str], None]) -> None:
        self._run, self.options, self._tell = run, options, tell

    def score(
        self, shards: Iterable[Shard], tick: Callable[[int], None], stop: Callable[[], bool]
    ) -> Generator[Part, None, None]:
        """Yield the part of each shard, as they come; see :class:`~lesionviz.archive.engine.Engine`."""
        early, started = list[str](), False

        def tell(sentence: str) -> None:
            if started:
                self._tell(sentence)
            else:
                early.append(sentence)  # if the start fails, its error is the one that counts

        workers = Workers(self._run, tell=tell, **self.options)
        asking = Asking(workers, iter(shards), self._tell)
        background = Background()

        async def end() -> None:
            await asking.drop()
            await workers.close()

        try:
            with kept():
                if background.wait(workers.start(), stop) is None:
                    return
            started = True
            for sentence in early:
                self._tell(sentence)
            if workers.page:
                self._tell(f"Dask's page: {workers.page}")
            while (found := background.wait(asking.next(), stop)) is not None:
                shard, part = found
                tick(len(shard.images))
                yield part
        finally:
            background.end(end())

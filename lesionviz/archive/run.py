"""``score``: a run from its first image to its table, or from where it was left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm.auto import tqdm

from lesionviz.archive.arrow import arrow
from lesionviz.archive.inputs import Source, find_images
from lesionviz.archive.join import Counts, join
from lesionviz.archive.lock import locked
from lesionviz.archive.manifest import CUDA, Manifest, now, versions
from lesionviz.archive.page import summary_page
from lesionviz.archive.setup import LocalSetup, Setup
from lesionviz.archive.store import LOCK, PAGE, TABLE, Session, Store, digest_of, refuse_taken, size_of, written
from lesionviz.errors import LesionvizError
from lesionviz.interrupt import remembered

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

DEFAULTS: Mapping[str, int | bool] = {"shard": 512, "batch": 8, "embeddings": False, "maps": False}
"""A part of 512 images is some seconds of work, which is what an interruption costs; more than 8 images at a time do
not fit into the caches of a core."""
BATCH_ON_GPU = 64
"""So many keep a GPU busy with computing, and not with being told what to compute."""


@dataclass(frozen=True)
class Scored:
    """What a call of :func:`score` came to.

    Attributes:
        folder: of the run.
        images: how many it is about.
        done: how many have their rows.
        failed: of these, how many could not be used; known once the run is finished.
        seconds: how long this call took.
        finished: whether table and page are there; else it was interrupted.
        notes: sentences about what was passed over.
        engine: what computed it.
    """

    folder: Path
    images: int
    done: int
    failed: int
    seconds: float
    finished: bool
    notes: tuple[str, ...] = ()
    engine: str = ""

    @property
    def table(self) -> Path:
        """The path of the table."""
        return self.folder / TABLE

    @property
    def page(self) -> Path:
        """The path of the page."""
        return self.folder / PAGE


def score(
    paths: Source | Iterable[Source] | None,
    out: str | Path,
    *,
    model: str | Path | LesionClassifier | None = None,
    resume: bool = False,
    embeddings: bool | None = None,
    maps: bool | None = None,
    batch_size: int | None = None,
    shard_size: int | None = None,
    precision: str | None = None,
    threads: int | None = None,
    engine: str | None = None,
    cluster: str | None = None,
    cluster_certificates: str | Path | None = None,
    workers: int | None = None,
    dask_page: bool = False,
    progress: bool = True,
) -> Scored:
    """Ask the model about every image of an archive, and write one table and a page about it.

    What ends it, Ctrl-C, a kill or a full disk, costs some seconds of work: ``resume`` goes on from the last part.
    Images that cannot be used become rows that say why.

    Args:
        paths: folders, files, patterns, tables of paths or collections; see :func:`lesionviz.archive.inputs.find_images`.
            With ``resume`` they may be left out: the run has its list.
        out: folder for the results.
        model: a checkpoint's path or a classifier; by default the bundled one, and with ``resume`` the run's. A classifier
            runs as it is, with its precision.
        resume: go on with the run in ``out``; where there is none yet, begin it.
        embeddings: add what the network's head sees, 1,280 numbers a row.
        maps: add the signed maps of the four classes at ``features.8``.
        batch_size: images in one run of the network (8, on a GPU 64).
        shard_size: images in one part (512).
        precision: ``"float32"``, or ``"bfloat16"``, which is faster where the processor computes with it, and rounds.
        engine: what computes, with the same numbers up to rounding: ``"openvino"``, ``"torch"``, ``"cuda"``, which is
            PyTorch on a GPU of NVIDIA, or ``"auto"``, which is OpenVINO where it is installed and the processor computes
            in the precision, else PyTorch on the processor, and with ``resume`` the run's own.
        threads: how many decode and compute; by default one for each core, from 10,000 images on in a process of its own,
            and with ``cluster="local"`` one in each worker. The results do not hang on it.
        cluster: have it computed by Dask's workers: ``"local"`` starts some on this machine, ``"tls://host:8786"`` asks
            those of a scheduler that runs already. They read the paths themselves; what they cannot read is read here
            and sent to them. The rows are the same.
        cluster_certificates: folder with ``ca.pem``, ``cert.pem`` and ``key.pem`` of a cluster that runs already.
        workers: how many to start with ``"local"``; by default as many as memory and cores allow.
        dask_page: open Dask's own page, for this machine alone, with ``"local"``.
        progress: show a bar where someone is looking.

    Raises:
        LesionvizError: paths or model cannot be used, the folder holds another run or somebody works on it, or it cannot
            be written.
    """
    options = {
        "embeddings": embeddings,
        "maps": maps,
        "batch": _counted(batch_size, "batch size"),
        "shard": _counted(shard_size, "shard size"),
    }
    threads, workers = _counted(threads, "number of threads"), _counted(workers, "number of workers")
    local = LocalSetup(model, precision, threads, engine)
    if cluster is None:
        if workers is not None or cluster_certificates is not None or dask_page:
            raise LesionvizError("Workers, certificates and Dask's page are for a cluster. Name it with --cluster.")
        return run(paths, Path(out), local, options, resume, progress)
    from lesionviz.archive.cluster import ClusterSetup

    if model is not None and not isinstance(model, (str, Path)):
        raise LesionvizError("Workers take a model as a file. Save the classifier's checkpoint, and give its path.")
    certificates = None if cluster_certificates is None else Path(cluster_certificates)
    setup = ClusterSetup(local, cluster, certificates, workers, threads, dask_page)
    return run(paths, Path(out), setup, options, resume, progress)


def run(
    paths: Source | Iterable[Source] | None,
    folder: Path,
    setup: Setup,
    options: Mapping[str, int | bool | None],
    resume: bool = False,
    progress: bool = True,
) -> Scored:
    """Do what :func:`score` does, with any engine.

    Args:
        paths, resume, progress: as for :func:`score`.
        folder: for the results.
        setup: names what computes, and makes it.
        options: fields of a manifest by name; None leaves the choice to the run in the folder, or to ``DEFAULTS``.
    """
    arrow()
    began, clock = now(), time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LesionvizError(f"{folder} cannot be made ({error}). Name a folder you may write to.") from error
    with locked(folder / LOCK), remembered() as stop:
        store = Store(folder)
        manifest = _begun(paths, store, setup, options, resume)
        store.clean()
        have = store.done(manifest)
        done = sum(size_of(manifest, number) for number in have)
        with tqdm(
            total=manifest.images,
            initial=done,
            desc=f"Scoring with {manifest.engine}",
            unit="image",
            disable=None if progress else True,
        ) as bar:
            if done < manifest.images:
                done += _compute(manifest, store, setup, have, Session(began, 0, 0, 0), bar.update, stop)
        counts = _finish(manifest, store, progress, stop) if done == manifest.images else None
        failed, seconds = counts.failed if counts else 0, time.monotonic() - clock
        return Scored(
            folder, manifest.images, done, failed, seconds, counts is not None, tuple(manifest.notes), manifest.engine
        )


def _begun(
    paths: Source | Iterable[Source] | None,
    store: Store,
    setup: Setup,
    options: Mapping[str, int | bool | None],
    resume: bool,
) -> Manifest:
    """Return the manifest of the run in a folder, begun now or before; nothing has been loaded by then.

    Raises:
        LesionvizError: the folder holds another run, or nothing says which images to look at.
    """
    folder, recorded = store.folder, Manifest.load(store.folder)
    if recorded is None:
        refuse_taken(folder)
    elif not resume:
        raise LesionvizError(
            f"{folder} holds a run already ({len(store.done(recorded)):,} of {recorded.shards:,} parts). Go on with it by "
            "--resume (resume=True), or name another folder."
        )
    if paths is None and recorded is None:
        raise LesionvizError(f"{folder} holds no run to go on with. Name images to begin one.")
    images, notes = ([], []) if paths is None else find_images(paths)
    identity = setup.identity(recorded)
    known = {name: getattr(recorded, name) for name in DEFAULTS} if recorded else dict(DEFAULTS)
    if recorded is None and identity["engine"] == CUDA:
        known["batch"] = BATCH_ON_GPU
    chosen = known | {name: value for name, value in options.items() if value is not None}
    manifest = Manifest(
        **identity,
        **chosen,
        images=len(images) if images or recorded is None else recorded.images,
        images_sha256=digest_of(images) if images or recorded is None else recorded.images_sha256,
        versions=versions(identity["engine"]),
        created=now(),
        notes=notes,
    )
    if recorded is not None:
        recorded.check_same(manifest, folder)
        return recorded
    store.write_list(images, manifest.shard)
    manifest.save(folder)
    return manifest


def _compute(
    manifest: Manifest,
    store: Store,
    setup: Setup,
    have: frozenset[int],
    session: Session,
    tick: Callable[[int], None],
    stop: Callable[[], bool],
) -> int:
    """Have all parts made that are missing, and return how many images they hold."""
    earlier, images, failed = store.sessions(), 0, 0
    engine = setup.engine(manifest)
    clock = time.monotonic()
    with closing(engine.score(store.shards(manifest, have), tick, stop)) as parts:
        for part in parts:
            store.write_part(part.number, part.data)
            images, failed = images + size_of(manifest, part.number), failed + part.failed
            spent = time.monotonic() - clock
            store.write_sessions([*earlier, replace(session, seconds=spent, images=images, failed=failed)])
    return images


class _StoppedError(Exception):
    """Somebody pressed Ctrl-C while the table was being written."""


def _finish(manifest: Manifest, store: Store, progress: bool, stop: Callable[[], bool]) -> Counts | None:
    """Write the table and the page; None where it was stopped before they were whole."""
    paths = [store.part(number) for number in range(manifest.shards)]
    with tqdm(
        total=manifest.images, desc="Writing the table", unit="row", leave=False, disable=None if progress else True
    ) as bar:

        def tick(rows: int) -> None:
            bar.update(rows)
            if stop():
                raise _StoppedError

        try:
            counts = join(paths, store.path(TABLE), tick)
        except _StoppedError:
            return None
    with written(store.path(PAGE)) as temporary:
        temporary.write_text(summary_page(manifest, counts, store.sessions()), encoding="utf-8")
    return counts


def _counted(value: int | None, what: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**6):
        raise LesionvizError(f"The {what} must be a whole number of at least 1, not {value!r}.")
    return value

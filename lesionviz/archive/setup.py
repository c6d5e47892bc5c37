"""What a run computes with: named first, so that a wrong one is refused at once, and made when it is needed."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lesionviz.archive.engine import Engine
from lesionviz.archive.local import LocalEngine
from lesionviz.archive.manifest import CUDA, OPENVINO, TORCH, Manifest, run_bytes
from lesionviz.archive.openvino_network import PRECISIONS, OpenvinoNetwork, check_installed, has_bfloat16
from lesionviz.archive.pool import MANY, MEMORY, PoolEngine
from lesionviz.archive.scorer import ClassifierScorer
from lesionviz.errors import LesionvizError
from lesionviz.files import sha256
from lesionviz.machine import available_memory, cores, has, keep_freed_memory
from lesionviz.workers.local import number_of_workers

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier

AUTO = "auto"
"""OpenVINO where it is installed and the processor computes in the precision, else PyTorch on the processor; a run that
goes on keeps what it was begun with. A GPU has to be asked for: whoever has one may need it for something else."""
ENGINES = (AUTO, TORCH, OPENVINO, CUDA)


class Setup(Protocol):
    """Names what computes, and makes it; another engine has one of its own."""

    def identity(self, recorded: Manifest | None) -> dict[str, Any]:
        """Return the fields of a manifest that say what computes.

        Args:
            recorded: of the run that is gone on with, which fills in what nobody has named anew.

        Returns:
            ``model_sha256``, ``model_path``, ``engine``, ``precision``, ``views``.

        Raises:
            LesionvizError: there is no such model.
        """

    def engine(self, manifest: Manifest) -> Engine:
        """Return what makes the parts of a run."""


class SetupWithModel(Setup, Protocol):
    """A setup whose model is a file, which workers elsewhere can be given."""

    def model(self, manifest: Manifest) -> bytes:
        """Return it."""


class LocalSetup:
    """The engine of this machine.

    Args:
        model: a checkpoint's path or a classifier; None for the run's own, or the bundled one.
        precision: of the network; None for the run's own, or float32.
        threads: see :class:`~lesionviz.archive.local.LocalEngine`.
        engine: one of ``ENGINES``.

    Raises:
        LesionvizError: the precision or the engine is not known, or they do not go together, or with the classifier.
    """

    def __init__(
        self,
        model: str | Path | LesionClassifier | None,
        precision: str | None,
        threads: int | None,
        engine: str | None = None,
    ) -> None:
        if precision is not None and precision not in PRECISIONS:
            raise LesionvizError(f"The precision {precision!r} is not known. Choose from: {', '.join(PRECISIONS)}.")
        if engine is not None and engine not in ENGINES:
            raise LesionvizError(f"The engine {engine!r} is not known. Choose from: {', '.join(ENGINES)}.")
        self._precision, self._threads, self._engine = precision, threads, engine or AUTO
        self._path = Path(model) if isinstance(model, (str, Path)) else None
        self._classifier = None if model is None or isinstance(model, (str, Path)) else model
        own = None if self._classifier is None else self._classifier.runs_with[1]
        if own is not None and precision not in (None, own):
            raise LesionvizError(f"The classifier computes with {own}, not with {precision}. Give one, or the other.")
        if self._classifier is not None and self._engine not in (AUTO, found := _engine_with(self._classifier)):
            raise LesionvizError(
                f"A classifier computes with PyTorch where it was put: this one's engine is {found}. Give the path of its "
                "checkpoint, or leave the engine out."
            )

    def identity(self, recorded: Manifest | None) -> dict[str, Any]:
        """See :class:`Setup`."""
        found: dict[str, Any] = {"engine": TORCH, "views": 1, "model_path": ""}
        if self._classifier is not None:
            checkpoint = self._classifier.checkpoint
            digest = checkpoint.file_sha256 or _digest_of(checkpoint.state_dict)
            return found | {
                "engine": _engine_with(self._classifier),
                "model_sha256": digest,
                "precision": self._classifier.runs_with[1],
                "views": self._classifier.views,
            }
        path = self._model_path(recorded)
        try:
            digest = sha256(path)
        except OSError:
            raise LesionvizError(f"There is no file {path}. Name the model with --model.") from None
        precision = self._precision or (recorded.precision if recorded else "float32")
        named = "" if path == _default() else str(path.absolute())
        engine = self._engine_of(recorded, precision)
        return found | {"engine": engine, "model_sha256": digest, "model_path": named, "precision": precision}

    def engine(self, manifest: Manifest) -> Engine:
        """See :class:`Setup`: threads of this process, for many images on the processor processes with a thread each."""
        processes = number_of_workers(self._threads or cores(), available_memory(), MEMORY)
        shared = manifest.engine == CUDA  # by all processes, each of which would take of its memory
        in_no_file = self._classifier is not None  # and is at home in this process alone
        if shared or in_no_file or manifest.images < MANY or processes < 2:
            return self.local_engine(manifest)
        return PoolEngine(run_bytes(manifest, self.model(manifest)), processes)

    def local_engine(self, manifest: Manifest) -> LocalEngine:
        """Return the engine in this process; the model is loaded here."""
        keep_freed_memory()
        classifier = self._classifier or self._load(manifest)
        network = OpenvinoNetwork(classifier, manifest.precision) if manifest.engine == OPENVINO else None
        fast = manifest.precision == "bfloat16"  # rounds anyway, and by more than that
        scorer = ClassifierScorer(classifier, manifest.facts, manifest.embeddings, manifest.maps, network, fast)
        return LocalEngine(scorer, manifest.batch, self._threads)

    def _engine_of(self, recorded: Manifest | None, precision: str) -> str:
        """Return what computes: as named, else the run's if it is known here, else OpenVINO where it can."""
        engine = self._engine
        if engine == AUTO and recorded is not None and recorded.engine in ENGINES:
            engine = recorded.engine
        if engine == AUTO:
            engine = OPENVINO if has("openvino") and (precision == "float32" or has_bfloat16()) else TORCH
        if engine == OPENVINO:
            check_installed()
        if engine == CUDA:
            check_gpu()
        return engine

    def model(self, manifest: Manifest) -> bytes:
        """Return the model's file, for workers elsewhere.

        Raises:
            LesionvizError: it cannot be read, or is not the run's any more.
        """
        path = self._model_path(manifest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise LesionvizError(f"The model {path} cannot be read ({error}). Name it with --model.") from error
        if hashlib.sha256(data).hexdigest() != manifest.model_sha256:
            raise LesionvizError(f"The model {path} has changed since the run was begun. Bring it back.")
        return data

    def _load(self, manifest: Manifest) -> LesionClassifier:
        import torch

        from lesionviz.checkpoint import Checkpoint
        from lesionviz.classifier import LesionClassifier

        checkpoint = Checkpoint.load(self._model_path(manifest))
        if manifest.engine == OPENVINO:  # computes in its own precision from weights that are not rounded yet
            return LesionClassifier(checkpoint, folded=True)
        precision: torch.dtype = getattr(torch, manifest.precision)
        return LesionClassifier(checkpoint, "cuda" if manifest.engine == CUDA else "cpu", precision, folded=True)

    def _model_path(self, recorded: Manifest | None) -> Path:
        """Return the model's path: as named, else the run's, else the default."""
        if self._path is not None:
            return self._path
        return Path(recorded.model_path) if recorded and recorded.model_path else _default()


def check_gpu() -> None:
    """Make sure that PyTorch can compute on a GPU of NVIDIA here.

    Raises:
        LesionvizError: it cannot.
    """
    import torch

    if not torch.cuda.is_available():
        raise LesionvizError(
            f"PyTorch {torch.__version__} finds no GPU of NVIDIA on {platform.node()} that it can use. See what nvidia-smi "
            "says, install PyTorch for CUDA, or choose the engine openvino or torch."
        )


def _engine_with(classifier: LesionClassifier) -> str:
    """Return the engine that a classifier is."""
    device = classifier.runs_with[0]
    return TORCH if device == "cpu" else device


def _default() -> Path:
    from lesionviz.checkpoint import default_path

    return default_path()


def _digest_of(state_dict: Any) -> str:
    """Return a digest of weights that are in no file."""
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        digest.update(name.encode() + state_dict[name].contiguous().numpy().tobytes())
    return digest.hexdigest()

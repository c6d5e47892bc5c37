"""Similar cases: the labelled images whose embedding is nearest to that of a picture.

An index holds embeddings of images that the user has, made by ``lesionviz index``. It lies in the user's data
folder, never in this package, and belongs to the weights that made it: another model's is not found.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import data_folder, replacing

if TYPE_CHECKING:
    import torch

VARIABLE = "LESIONVIZ_INDEX"
"""Environment variable that names another folder than the user's data folder."""
EMBEDDING = 1280
MAX_BYTES = 2**31


@dataclass(frozen=True)
class SimilarCase:
    """One labelled image of an index.

    Attributes:
        image: its id.
        lesion: photographs of one lesion share it.
        diagnosis: its code.
        path: where its file was when the index was made; it may be gone.
        similarity: cosine of the angle between the embeddings, -1 to 1; 1 is the same picture.
    """

    image: str
    lesion: str
    diagnosis: str
    path: str
    similarity: float


@dataclass(frozen=True)
class SimilarityIndex:
    """Embeddings of labelled images.

    Attributes:
        embeddings: (N, 1280) float16, each of length 1.
        image, lesion, diagnosis, path: (N,) strings.
    """

    embeddings: npt.NDArray[np.float16]
    image: npt.NDArray[np.str_]
    lesion: npt.NDArray[np.str_]
    diagnosis: npt.NDArray[np.str_]
    path: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def _columns(self) -> tuple[npt.NDArray[np.str_], ...]:
        return self.image, self.lesion, self.diagnosis, self.path

    @classmethod
    def of(cls, embeddings: npt.NDArray[np.float32], **columns: npt.NDArray[np.str_]) -> SimilarityIndex:
        """Return an index of embeddings (N, 1280) of any length."""
        return cls(unit(embeddings).astype(np.float16), **{k: np.asarray(v, str) for k, v in columns.items()})

    def nearest(self, embedding: npt.NDArray[np.float32], k: int) -> list[SimilarCase]:
        """Return the cases nearest to an embedding (1280,), the nearest first, one for each lesion."""
        similarity = self.embeddings.astype(np.float32) @ unit(embedding[None])[0]
        cases: list[SimilarCase] = []
        seen: set[str] = set()
        for row in np.argsort(-similarity, kind="stable"):
            if self.lesion[row] not in seen:  # five photographs of one lesion say no more than one
                seen.add(str(self.lesion[row]))
                image, lesion, diagnosis, path = (str(column[row]) for column in self._columns)
                cases.append(SimilarCase(image, lesion, diagnosis, path, float(similarity[row])))
                if len(cases) == k:
                    break
        return cases

    def save(self, path: Path) -> None:
        """Write the index; the file appears whole or not at all."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **{name: getattr(self, name) for name in self.__dataclass_fields__})

    @classmethod
    def load(cls, path: Path) -> SimilarityIndex:
        """Read an index.

        Raises:
            LesionvizError: it is missing, damaged, or something else.
        """
        if not path.is_file():
            raise LesionvizError(
                "There is no index of similar cases for this model. Make one from your own labelled images: "
                "lesionviz index --data DIR."
            )
        advice = f"The index {path} is damaged. Make it again: lesionviz index --data DIR."
        try:
            if path.stat().st_size > MAX_BYTES:
                raise LesionvizError(advice)
            with np.load(path, allow_pickle=False) as content:
                index = cls(**{name: content[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise LesionvizError(advice) from error
        if (
            index.embeddings.ndim != 2
            or index.embeddings.shape[1] != EMBEDDING
            or index.embeddings.dtype != np.float16
            or any(
                column.shape != index.embeddings.shape[:1] or column.dtype.kind != "U" for column in index._columns
            )
            or not np.isin(index.diagnosis, CODES).all()
            or not np.isfinite(index.embeddings).all()
        ):
            raise LesionvizError(advice)
        return index


class KeptIndex:
    """An index on the disk, read again only when its file has changed.

    Args:
        path: where it lies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: tuple[int | None, SimilarityIndex] | None = None

    def read(self) -> SimilarityIndex:
        """Return it; see :meth:`SimilarityIndex.load`."""
        stamp = self._path.stat().st_mtime_ns if self._path.exists() else None
        kept = self._kept
        if kept is None or kept[0] != stamp:
            self._kept = kept = (stamp, SimilarityIndex.load(self._path))
        return kept[1]


def unit(embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return embeddings (N, 1280) divided by their lengths."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-12), np.float32)


def index_path(state_dict: Mapping[str, torch.Tensor], size: int) -> Path:
    """Return where the index of a model lies: by the digest of its weights and its input size."""
    digest = hashlib.sha256(f"{size}".encode())
    for name in sorted(state_dict):
        digest.update(state_dict[name].contiguous().numpy().tobytes())
    root = Path(os.environ.get(VARIABLE) or data_folder() / "index")
    return root / f"{digest.hexdigest()[:16]}.npz"

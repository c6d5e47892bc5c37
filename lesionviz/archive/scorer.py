"""A classifier as an engine needs it: images in, rows out, in two steps; the first needs no network."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionviz.answering import AnotherNetwork, see
from lesionviz.archive.engine import Looked, Part, Shard
from lesionviz.archive.schema import Row, part_of, schema
from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image, read_file
from lesionviz.network import LAYERS, grid_size
from lesionviz.weights.find import HEAD

if TYPE_CHECKING:
    from lesionviz.classifier import LesionClassifier


class ClassifierScorer:
    """Asks a classifier.

    Args:
        classifier: what to ask; its network may run on several threads at a time.
        facts: what the table is about, for its schema.
        embeddings: whether rows carry them.
        maps: whether rows carry those of the last layer.
        network: computes instead of the classifier's own.
        fast: have pictures resized by :meth:`lesionviz.preprocessing.Preprocessing.resize_fast`.
    """

    def __init__(
        self,
        classifier: LesionClassifier,
        facts: Mapping[str, Any],
        embeddings: bool = False,
        maps: bool = False,
        network: AnotherNetwork | None = None,
        fast: bool = False,
    ) -> None:
        self._classifier, self._embeddings, self._maps, self._network = classifier, embeddings, maps, network
        self._fast = fast
        import torch

        self._threads = torch.get_num_threads()
        self._cudnn = (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic)
        cells = grid_size(LAYERS[-1], classifier.preprocessing.size)
        shape = (4, cells, cells) if maps else ()
        self._schema = schema(facts, classifier.checkpoint.state_dict[HEAD].shape[1] if embeddings else 0, shape)

    @property
    def at_once(self) -> int | None:
        """One batch at a time on a GPU, which is busy with one; on the CPU one for each thread."""
        return None if self._classifier.runs_with[0] == "cpu" else 1

    def begin_thread(self) -> None:
        """Have the network compute on this thread alone, for the others have batches of their own, and exactly on a GPU.

        There torch rounds what a convolution takes in to 10 bits unless told otherwise, and may take another way each time.
        """
        import torch

        torch.set_num_threads(1)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = False, True

    def end(self) -> None:
        """Set everything as before: what one thread sets, torch takes for all new ones."""
        import torch

        torch.set_num_threads(self._threads)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic = self._cudnn

    def look(self, number: int, image: str, data: bytes | None = None) -> Looked:
        """Read an image, unless its file's bytes are given, and make it ready; whatever is wrong is kept for its row."""
        name = Path(image).name
        try:
            data = read_file(Path(image), name) if data is None else data
            picture = open_image(data, name)
            seen = see(picture, self._classifier.preprocessing, measure=True, fast=self._fast)
        except LesionvizError as error:
            sha256 = "" if data is None else hashlib.sha256(data).hexdigest()
            return Looked(number, image, sha256, error=str(error))
        return Looked(number, image, picture.sha256, seen)

    def rows(self, looked: Sequence[Looked]) -> list[Row]:
        """Run a batch, and return a row for each of its images."""
        usable = [each.seen for each in looked if each.seen is not None]
        if not usable:
            return [Row(each.number, each.image, each.sha256, error=each.error) for each in looked]
        answers = self._classifier.answers(usable, self._network)
        rows, place = [], 0
        for each in looked:
            if each.seen is None:
                rows.append(Row(each.number, each.image, each.sha256, error=each.error))
                continue
            rows.append(
                Row(
                    each.number,
                    each.image,
                    each.sha256,
                    each.seen.size,
                    answers.predictions[place],
                    embedding=answers.embeddings[place] if self._embeddings else None,
                    maps=answers.maps[place] if self._maps else None,
                )
            )
            place += 1
        return rows

    def part(self, shard: Shard, rows: Sequence[Row]) -> Part:
        """Return the part of a shard whose rows are all there."""
        return Part(shard.number, sum(bool(row.error) for row in rows), part_of(rows, self._schema))

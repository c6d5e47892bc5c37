"""``LesionClassifier``: an image in, a ``Prediction`` or an ``Explanation`` out; the only door to the model.

Widgets, notebooks, evaluation and the command line reach the network through here and nowhere else.
One classifier may be used by several threads at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES, Target, target_index
from lesionviz.explanation.engine import check_method, gradcam
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, LesionImage, open_image
from lesionviz.network import LAYERS, check_layer
from lesionviz.preprocessing import Preprocessing, to_tensor


@dataclass(frozen=True)
class Prediction:
    """The classifier's answer for one picture.

    Attributes:
        diagnosis: code of the most probable class.
        confidence: its probability, 0 to 1.
        probabilities: of every class by code; they add up to 1.
        source: name of the picture that the answer belongs to.
    """

    diagnosis: str
    confidence: float
    probabilities: Mapping[str, float]
    source: str


def load(path: str | Path | None = None) -> LesionClassifier:
    """Return the classifier stored in a checkpoint; by default the bundled one.

    Raises:
        LesionvizError: the file is missing, damaged, or not a checkpoint.
    """
    return LesionClassifier(Checkpoint.load(path))


class LesionClassifier:
    """A trained network behind checked inputs.

    Args:
        checkpoint: the trained weights and how to use them.
        device: where to run; by default the CPU, which answers in well under a second.
    """

    def __init__(self, checkpoint: Checkpoint, device: str | torch.device = "cpu") -> None:
        self.checkpoint = checkpoint
        self._device = torch.device(device)
        self._network = checkpoint.network().to(self._device).to(memory_format=torch.channels_last)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become the network's input."""
        return self.checkpoint.preprocessing

    def predict(self, image: ImageSource) -> Prediction:
        """Return the diagnosis of one picture.

        Args:
            image: a path, bytes, PIL image, uint8 array (H, W, 3), or a picture opened before.

        Raises:
            LesionvizError: it cannot be used; see :func:`lesionviz.imaging.open_image`.
        """
        return next(self.predict_many([image]))

    def predict_many(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Prediction]:
        """Yield the diagnosis of each picture, in order, running the network on batches."""
        remaining = iter(images)
        while batch := [open_image(image) for image in islice(remaining, batch_size)]:
            with torch.inference_mode():
                logits = self._network(self._input(batch))
                probabilities = torch.softmax(logits.double() / self.checkpoint.temperature, dim=1)
            for picture, row in zip(batch, probabilities.tolist(), strict=True):
                best = max(range(len(CODES)), key=row.__getitem__)
                by_code = MappingProxyType(dict(zip(CODES, row, strict=True)))
                yield Prediction(CODES[best], row[best], by_code, picture.name)

    def explain(
        self,
        image: ImageSource,
        target: Target | None = None,
        layer: str = LAYERS[-1],
        method: str = "gradcam",
    ) -> Explanation:
        """Return where in a picture the evidence for a class lies.

        Args:
            image: as for :meth:`predict`.
            target: the class to explain; by default the predicted one.
            layer: the block to read, ``features.0`` (fine) to ``features.8`` (coarse, closest to the answer).
            method: ``"gradcam"``.

        Raises:
            LesionvizError: the image, class, layer or method cannot be used.
        """
        layer = check_layer(layer, self.preprocessing.size)
        method = check_method(method)
        picture = open_image(image)
        index = target_index(self.predict(picture).diagnosis if target is None else target)
        raw = gradcam(self._network, self._input([picture]), layer, index)
        raw.flags.writeable = False
        box = self.preprocessing.box(*picture.pixels.size)
        return Explanation(raw, CODES[index], layer, method, picture, box)

    def _input(self, pictures: list[LesionImage]) -> torch.Tensor:
        """Return the normalised batch (N, 3, S, S) of checked pictures."""
        batch = torch.stack([to_tensor(self.preprocessing.resize(p.pixels)) for p in pictures])
        normalised = self.preprocessing.normalise(batch.to(self._device))
        return normalised.contiguous(memory_format=torch.channels_last)

"""``LesionClassifier``: an image in; a ``Prediction``, a ``Case`` or an ``Explanation`` out; the only door to the model.

Widgets, notebooks, evaluation and the command line reach the network through here and nowhere else.
Nothing about a picture is kept: whoever wants to ask on keeps the :class:`~lesionviz.case.Case`. One classifier may be
used by several threads at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lesionviz.case import Case, check_classes
from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES, Target, target_index
from lesionviz.errors import LesionvizError
from lesionviz.explanation.engine import (
    LAST,
    biases,
    forward,
    forward_with_all_maps,
    forward_with_gradient,
    last_maps,
)
from lesionviz.explanation.methods import METHODS, find_method
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, LesionImage, open_image
from lesionviz.network import LAYERS, Network, check_layer
from lesionviz.prediction import Prediction
from lesionviz.preprocessing import Preprocessing
from lesionviz.refusal import Look, Verdict
from lesionviz.runner import Outputs, Runner
from lesionviz.similarity import SimilarCase, SimilarityIndex, index_path
from lesionviz.three_questions import read_refusal


def load(path: str | Path | None = None, views: int = 1) -> LesionClassifier:
    """Return the classifier stored in a checkpoint; by default the bundled one.

    Args:
        path: the file.
        views: 1, or 8 to average over the symmetries of the square; see :class:`LesionClassifier`.

    Raises:
        LesionvizError: the file is missing, damaged, or not a checkpoint, or there are not so many views.
    """
    return LesionClassifier(Checkpoint.load(path), views=views)


class LesionClassifier:
    """A trained network behind checked inputs.

    Args:
        checkpoint: the trained weights and how to use them.
        device: where to run; by default the CPU, which answers in well under a second.
        precision: ``torch.float32``, or ``torch.bfloat16`` for speed at about two digits.
        views: 1 looks once, upright. 8 averages the logits over the eight symmetries of the square (quarter turns
            and mirror images), so that the answer does not depend on how the camera was held; it takes eight
            times as long. Explanations, embeddings and the refusal are of the upright view in both.

    Raises:
        LesionvizError: views is neither 1 nor 8, or the checkpoint's refusal statistics are damaged.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device = "cpu",
        precision: torch.dtype = torch.float32,
        views: int = 1,
    ) -> None:
        self.checkpoint, self.views = checkpoint, views
        self._runner = Runner(checkpoint, device, precision, views)
        self._kept_index: tuple[int | None, SimilarityIndex] | None = None
        self._judge = read_refusal(checkpoint.refusal)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy what the classifier is made of."""
        runner = self._runner
        return (type(self), (self.checkpoint, runner.device, runner.precision, runner.views), runner.changed_weights)

    def __setstate__(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over weights that were changed after loading."""
        self._runner.take_weights(weights)

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

    def examine(self, image: ImageSource) -> Case:
        """Look at one picture: the answer of :meth:`predict`, and what explains it at ``features.8``, from one forward.

        Args:
            image: as for :meth:`predict`.

        Raises:
            LesionvizError: it cannot be used; see :func:`lesionviz.imaging.open_image`.
        """
        picture = open_image(image)
        seen = self.preprocessing.resize(picture.pixels)
        batch = self._runner.batch([seen])
        run = forward(self._network, batch)
        outputs = self._runner.outputs_from(batch, run.activations, run.logits)
        return Case(
            identity=uuid4().hex,
            upload=picture.sha256,
            name=picture.name,
            size=picture.pixels.size,
            box=self.preprocessing.box(*picture.pixels.size),
            seen=np.array(seen),
            prediction=self._answer(picture, seen, outputs, 0),
            logits=tuple(outputs.upright[0].tolist()),
            biases=tuple(biases(self._network)),
            embedding=outputs.embeddings[0].copy(),
            maps={(key, LAST): last_maps(self._network, run, method) for key, method in METHODS.items()},
        )

    def complete(self, case: Case) -> Case:
        """Return a case with the maps of all methods, layers and classes, in one more run: about six forwards.

        Args:
            case: from :meth:`examine`; a completed one is returned as it is.

        Raises:
            LesionvizError: another model looked at it.
        """
        if case.completed:
            return case
        if case.input_size != self.preprocessing.size:
            raise LesionvizError(self._not_mine(case))
        batch = self._runner.batch([Image.fromarray(case.seen)])
        run, maps = forward_with_all_maps(self._network, batch, METHODS.values())
        if not np.allclose(run.logits[0].double().cpu().numpy(), case.logits, rtol=0.02, atol=0.02):
            raise LesionvizError(self._not_mine(case))
        # The maps that were there stay, bit for bit: what a page shows must not flicker.
        return replace(case, maps={**maps, **case.maps})

    @staticmethod
    def _not_mine(case: Case) -> str:
        return f"The case of {case.name} was looked at by another model, or with other weights. Examine the picture again."

    def predict_many(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Prediction]:
        """Yield the diagnosis of each picture, in order, running the network on batches."""
        for pictures in _batches(images, batch_size):
            seen = [self.preprocessing.resize(picture.pixels) for picture in pictures]
            outputs = self._runner.outputs(seen)
            for index, picture in enumerate(pictures):
                yield self._answer(picture, seen[index], outputs, index)

    def outputs_of(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Outputs]:
        """Yield logits, embeddings and features of pictures, batch by batch; for calibration and search."""
        for pictures in _batches(images, batch_size):
            yield self._runner.outputs([self.preprocessing.resize(picture.pixels) for picture in pictures])

    def probabilities(self, batch: torch.Tensor, target: Target, batch_size: int = 32) -> npt.NDArray[np.float64]:
        """Return the probability of one class for pictures at input size, such as perturbed ones.

        Args:
            batch: uint8 (N, 3, size, size), as the network sees them.
            target: the class.
            batch_size: how many to run at a time.

        Returns:
            Array of shape (N,).

        Raises:
            LesionvizError: the batch has another shape or type.
        """
        size, index = self.preprocessing.size, target_index(target)
        if batch.dtype != torch.uint8 or batch.shape[1:] != (3, size, size):
            raise LesionvizError(
                f"The batch must be uint8 of shape (N, 3, {size}, {size}), not {batch.dtype} of {tuple(batch.shape)}."
            )
        logits = torch.cat([self._runner.logits(part) for part in torch.split(batch, batch_size)])
        chosen = torch.softmax(logits / self.checkpoint.temperature, dim=1)[:, index]
        values: npt.NDArray[np.float64] = chosen.cpu().numpy()
        return values

    def explain(
        self,
        image: ImageSource,
        target: Target | None = None,
        layer: str = LAYERS[-1],
        method: str = "gradcam",
        against: Target | None = None,
    ) -> Explanation:
        """Return where in a picture the evidence for a class lies.

        Costs a run each time; to look at several classes, layers or methods of one picture, ask its case:
        ``classifier.complete(classifier.examine(image)).explanation(...)``.

        Args:
            image: as for :meth:`predict`.
            target: the class to explain; by default the predicted one.
            layer: the block to read, ``features.0`` (fine) to ``features.8`` (coarse, closest to the answer).
            method: ``"gradcam"``, ``"hirescam"``, ``"layercam"`` or ``"gradcam++"``.
            against: another class: the map then says why the target *and not* this one
                (Finer-CAM, arXiv 2501.11309).

        Raises:
            LesionvizError: the image, class, layer or method cannot be used.
        """
        (explanation,) = self._explanations([open_image(image)], target, layer, method, against)
        return explanation

    def explain_all(self, image: ImageSource, method: str = "gradcam") -> dict[tuple[str, str], Explanation]:
        """Return the explanations of all nine layers and four classes, by layer and code.

        Costs about six forwards, and makes the scale ``"shared across classes"`` available everywhere.

        Raises:
            LesionvizError: the image or the method cannot be used.
        """
        key, picture = find_method(method).key, open_image(image)
        case = self.complete(self.examine(picture))
        return {(layer, code): case.explanation(code, layer, key).on(picture) for layer in LAYERS for code in CODES}

    def explain_many(
        self,
        images: Iterable[ImageSource],
        target: Target | None = None,
        layer: str = LAYERS[-1],
        method: str = "gradcam",
        batch_size: int = 16,
    ) -> Iterator[Explanation]:
        """Yield the explanation of each picture, in order, running the network on batches.

        Takes the same arguments and raises the same errors as :meth:`explain`.
        """
        for pictures in _batches(images, batch_size):
            yield from self._explanations(pictures, target, layer, method, None)

    def similar(self, image: ImageSource, k: int = 5) -> list[SimilarCase]:
        """Return labelled images that look alike to the network, the nearest first, one for each lesion.

        They come from an index of your own images; ``lesionviz index --data DIR`` makes it.

        Args:
            image: as for :meth:`predict`.
            k: how many.

        Raises:
            LesionvizError: the image cannot be used, or there is no index for this model.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise LesionvizError(f"k must be a whole number of at least 1, not {k!r}.")
        index = self._index()
        (outputs,) = self.outputs_of([image])
        return index.nearest(outputs.embeddings[0], k)

    @cached_property
    def index_path(self) -> Path:
        """Where the index of similar cases of this model lies, or would lie."""
        return index_path(self.checkpoint.state_dict, self.preprocessing.size)

    def _index(self) -> SimilarityIndex:
        """Return the index, read again only when its file has changed."""
        path = self.index_path
        stamp = path.stat().st_mtime_ns if path.exists() else None
        if self._kept_index is None or self._kept_index[0] != stamp:
            self._kept_index = (stamp, SimilarityIndex.load(path))
        return self._kept_index[1]

    def _explanations(
        self, pictures: list[LesionImage], target: Target | None, layer: str, method: str, against: Target | None
    ) -> Iterator[Explanation]:
        """Yield the explanation of each of a batch of pictures; see :meth:`explain`."""
        layer, how = check_layer(layer, self.preprocessing.size), find_method(method)
        index = None if target is None else check_classes(target, against, (), "")[0]
        other = None if against is None else target_index(against)
        slope = forward_with_gradient(self._network, self._input(pictures), layer, index, other)
        maps, all_logits, all_biases = slope.maps(how), slope.run.logits.double().tolist(), biases(self._network)
        for row, picture in enumerate(pictures):
            chosen, _ = check_classes(target, against, all_logits[row], picture.name)
            alone = layer == LAST and other is None
            peak = float(last_maps(self._network, slope.run.one(row), how).max()) if alone else None
            yield Explanation.between(
                chosen,
                other,
                all_logits[row],
                all_biases,
                raw=maps[row],
                layer=layer,
                method=how.key,
                source=picture.name,
                size=picture.pixels.size,
                box=self.preprocessing.box(*picture.pixels.size),
                shared_peak=None if peak is None else max(0.0, peak),
                image=picture,
            )

    def _answer(self, picture: LesionImage, seen: Image.Image, outputs: Outputs, row: int) -> Prediction:
        """Return the prediction for one picture of a run."""
        look = Look(seen, picture.pixels.size, outputs.features[row], outputs.embeddings[row], outputs.upright[row])
        verdict = Verdict() if self._judge is None else self._judge.judge(look)
        scaled = torch.tensor(outputs.logits[row], dtype=torch.float64, device="cpu") / self.checkpoint.temperature
        shares = torch.softmax(scaled, dim=0).tolist()
        best = max(range(len(CODES)), key=shares.__getitem__)
        return Prediction(
            diagnosis=CODES[best],
            confidence=shares[best],
            probabilities=dict(zip(CODES, shares, strict=True)),
            source=picture.name,
            refusal=verdict.refusal,
            notes=picture.notes + verdict.notes,
            warning=verdict.warning,
            unfamiliarity=verdict.unfamiliarity,
        )

    def _input(self, pictures: list[LesionImage]) -> torch.Tensor:
        """Return the normalised batch (N, 3, S, S) of checked pictures."""
        return self._runner.batch([self.preprocessing.resize(picture.pixels) for picture in pictures])

    @property
    def _network(self) -> Network:
        return self._runner.network


def _batches(images: Iterable[ImageSource], size: int) -> Iterator[list[LesionImage]]:
    """Open images in groups of ``size``, so that no more than one group is in memory."""
    remaining = iter(images)
    while batch := [open_image(image) for image in islice(remaining, size)]:
        yield batch

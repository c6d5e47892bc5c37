"""``LesionClassifier``: an image in, a ``Prediction`` or an ``Explanation`` out; the only door to the model.

Widgets, notebooks, evaluation and the command line reach the network through here and nowhere else.
One classifier may be used by several threads at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES, Target, target_index
from lesionviz.errors import LesionvizError
from lesionviz.explanation.cache import AnalysisCache
from lesionviz.explanation.engine import Analysis, Trace, forward, forward_with_all_gradients, forward_with_gradient
from lesionviz.explanation.lean_backward import make_backward_lean
from lesionviz.explanation.methods import Method, find_method
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, LesionImage, open_image
from lesionviz.network import LAYERS, check_layer, ordinary_tensors, run_blocks, run_head
from lesionviz.preprocessing import Preprocessing, to_tensor
from lesionviz.refusal import Look, Verdict, features_of
from lesionviz.similarity import SimilarCase, SimilarityIndex, index_path
from lesionviz.three_questions import read_refusal

VIEWS = (1, 8)


@dataclass(frozen=True)
class Prediction:
    """The classifier's answer for one picture.

    Attributes:
        diagnosis: code of the most probable class.
        confidence: its probability, 0 to 1.
        probabilities: of every class by code; they add up to 1.
        source: name of the picture that the answer belongs to.
        refusal: why the answer should not be used, as a clause such as "the picture is too blurred"; empty when it may
            be, or when the model was not calibrated.
        warning: what the answer should be read with, as a clause such as "this may be a diagnosis that the model does not
            know"; usually empty.
        unfamiliarity: how little the answer stands out, which that warning hangs on; None where the model does not ask.
        notes: what is worth knowing about the picture and its quality, each a few words; usually nothing.
    """

    diagnosis: str
    confidence: float
    probabilities: Mapping[str, float]
    source: str
    refusal: str = ""
    notes: tuple[str, ...] = ()
    warning: str = ""
    unfamiliarity: float | None = None


@dataclass(frozen=True)
class Outputs:
    """What one run over a batch of N pictures gives, apart from maps.

    Attributes:
        logits: (N, 4), before the temperature; the mean over the classifier's views.
        upright: (N, 4) logits of the upright view alone, which the refusal was fitted to.
        embeddings: (N, 1280) what the head sees: the mean of features.8 over its cells.
        features: (N, FEATURES) what the refusal sees; see :mod:`lesionviz.refusal`.
    """

    logits: npt.NDArray[np.float64]
    upright: npt.NDArray[np.float64]
    embeddings: npt.NDArray[np.float32]
    features: npt.NDArray[np.float64]


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
        if isinstance(views, bool) or views not in VIEWS:
            raise LesionvizError(f"views must be 1 (upright) or 8 (all symmetries of the square), not {views!r}.")
        self.checkpoint, self.views = checkpoint, views
        self._device, self._precision = torch.device(device), precision
        with ordinary_tensors():
            network = checkpoint.network().to(self._device, precision)
            make_backward_lean(network)
            self._network = network.to(memory_format=torch.channels_last)
        self._parameters = tuple(network.parameters())
        self._unchanged = self._version
        self._cache = AnalysisCache()
        self._inputs: WeakKeyDictionary[LesionImage, Image.Image] = WeakKeyDictionary()
        self._kept_index: tuple[int | None, SimilarityIndex] | None = None
        self._judge = read_refusal(checkpoint.refusal)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy what the classifier is made of; analyses that were kept stay behind."""
        parts = (self.checkpoint, self._device, self._precision, self.views)
        return (type(self), parts, None if self._version == self._unchanged else self._network.state_dict())

    def __setstate__(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over weights that were changed after loading."""
        with ordinary_tensors():
            self._network.load_state_dict(weights)

    @property
    def _version(self) -> int:
        """Changes whenever a weight does: torch counts changes in place."""
        return sum(parameter._version for parameter in self._parameters)

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

    def network_input(self, picture: LesionImage) -> Image.Image:
        """Return the RGB picture that the network sees, made once for each checked picture."""
        seen = self._inputs.get(picture)
        if seen is None:
            seen = self._inputs[picture] = self.preprocessing.resize(picture.pixels)
        return seen

    def examine(self, image: ImageSource) -> Prediction:
        """Return the diagnosis of one picture, from a run that is kept.

        The answer is that of :meth:`predict`; the explanations that follow need no second run, those at
        ``features.8`` nothing at all.

        Args:
            image: as for :meth:`predict`.

        Raises:
            LesionvizError: it cannot be used; see :func:`lesionviz.imaging.open_image`.
        """
        picture = open_image(image)
        analysis = self._analysis(picture, lambda batch: forward(self._network, batch))
        (features,), (embedding,) = features_of(analysis.activations), _embeddings(analysis.activations)
        seen = self.network_input(picture)
        upright = torch.tensor([analysis.logits], dtype=torch.float64, device="cpu")
        with torch.inference_mode():
            logits = self._averaged(self._normalised([seen]), upright) if self.views > 1 else upright
        look = Look(seen, picture.pixels.size, features, embedding, upright[0].numpy())
        return self._answer(picture, look, logits[0].cpu().numpy())

    def predict_many(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Prediction]:
        """Yield the diagnosis of each picture, in order, running the network on batches."""
        for pictures in _batches(images, batch_size):
            seen = [self.preprocessing.resize(picture.pixels) for picture in pictures]
            outputs = self._run(seen)
            for index, picture in enumerate(pictures):
                parts = (part[index] for part in (outputs.features, outputs.embeddings, outputs.upright))
                yield self._answer(picture, Look(seen[index], picture.pixels.size, *parts), outputs.logits[index])

    def outputs_of(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Outputs]:
        """Yield logits, embeddings and features of pictures, batch by batch; for calibration and search."""
        for pictures in _batches(images, batch_size):
            yield self._run([self.preprocessing.resize(picture.pixels) for picture in pictures])

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
        with torch.inference_mode():
            parts = [self._prepared(part) for part in torch.split(batch, batch_size)]
            logits = torch.cat([self._averaged(part, self._network(part)) for part in parts])
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

        The last few pictures are kept, so another class, layer or method of one costs next to nothing.

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
        choice = self._choice(target, layer, method, against)
        picture = open_image(image)
        analysis = self._analysis(picture, lambda batch: self._trace(batch, choice))
        return self._explanation(picture, analysis, choice)

    def explain_all(self, image: ImageSource, method: str = "gradcam") -> dict[tuple[str, str], Explanation]:
        """Return the explanations of all nine layers and four classes, by layer and code.

        Costs about five forwards, and makes the scale ``"shared across classes"`` available everywhere.
        """
        choice = self._choice(None, LAYERS[-1], method, None)
        picture = open_image(image)
        analysis = self._analysis(picture, lambda batch: forward_with_all_gradients(self._network, batch))
        analysis.all_maps(choice.method)
        return {
            (layer, code): self._explanation(picture, analysis, _Choice(index, layer, choice.method, None))
            for layer in LAYERS
            for index, code in enumerate(CODES)
        }

    def explain_many(
        self,
        images: Iterable[ImageSource],
        target: Target | None = None,
        layer: str = LAYERS[-1],
        method: str = "gradcam",
        batch_size: int = 16,
    ) -> Iterator[Explanation]:
        """Yield the explanation of each picture, in order, running the network on batches.

        Takes the same arguments and raises the same errors as :meth:`explain`; keeps nothing.
        """
        choice = self._choice(target, layer, method, None)
        for pictures in _batches(images, batch_size):
            trace = self._trace(self._input(pictures), choice)
            for index, picture in enumerate(pictures):
                yield self._explanation(picture, Analysis(self._network, trace.one(index)), choice)

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

    def _choice(self, target: Target | None, layer: str, method: str, against: Target | None) -> _Choice:
        """Check what was asked for."""
        index = None if target is None else target_index(target)
        other = None if against is None else target_index(against)
        if other is not None and other == index:
            raise LesionvizError(f"A contrast needs two different classes, not {CODES[other]} twice.")
        return _Choice(index, check_layer(layer, self.preprocessing.size), find_method(method), other)

    def _analysis(self, picture: LesionImage, run: Callable[[torch.Tensor], Trace]) -> Analysis:
        """Return the kept analysis of a picture, or run the network for it."""
        weights = self._version
        found = self._cache.find(picture, weights)
        if found is not None:
            return found
        seen = self.network_input(picture)

        def make() -> Analysis:
            return Analysis(self._network, run(self._normalised([seen])))

        return self._cache.get(picture, weights, seen.tobytes(), make)

    def _trace(self, batch: torch.Tensor, choice: _Choice) -> Trace:
        if choice.layer == LAYERS[-1]:
            return forward(self._network, batch)
        targets = None if choice.target is None else [choice.target] * len(batch)
        return forward_with_gradient(self._network, batch, choice.layer, targets)

    def _explanation(self, picture: LesionImage, analysis: Analysis, choice: _Choice) -> Explanation:
        logits, biases = analysis.logits, analysis.biases
        target = choice.target if choice.target is not None else max(range(len(CODES)), key=logits.__getitem__)
        against = choice.against
        if against == target:
            raise LesionvizError(
                f"{picture.name}: the answer is {CODES[target]} itself. Name the class to explain, or another "
                "one to hold against it."
            )
        peak = None
        if analysis.has_gradients(choice.layer) and against is None:
            maps = (analysis.raw_map(choice.method, choice.layer, index) for index in range(len(CODES)))
            peak = max(0.0, *(float(raw.max()) for raw in maps))
        return Explanation(
            raw=analysis.raw_map(choice.method, choice.layer, target, against),
            target=CODES[target],
            layer=choice.layer,
            method=choice.method.key,
            image=picture,
            box=self.preprocessing.box(*picture.pixels.size),
            against=None if against is None else CODES[against],
            logit=logits[target] - (0.0 if against is None else logits[against]),
            bias=biases[target] - (0.0 if against is None else biases[against]),
            shared_peak=peak,
        )

    def _run(self, seen: list[Image.Image]) -> Outputs:
        """Run the network on pictures at input size."""
        with torch.inference_mode():
            batch = self._normalised(seen)
            blocks = run_blocks(self._network, batch)
            upright = run_head(self._network, blocks[LAYERS[-1]])
            return Outputs(
                self._averaged(batch, upright).cpu().numpy(),
                upright.double().cpu().numpy(),
                _embeddings(blocks),
                features_of(blocks),
            )

    def _averaged(self, batch: torch.Tensor, upright: torch.Tensor) -> torch.Tensor:
        """Return the mean logits (N, 4) over the views of a prepared batch whose upright logits are known."""
        if self.views == 1:
            return upright.double()
        turned = [self._network(view) for view in symmetries(batch)[1:]]
        return torch.stack([view.double() for view in (upright, *turned)]).mean(dim=0)

    def _answer(self, picture: LesionImage, look: Look, logits: npt.NDArray[np.float64]) -> Prediction:
        """Return the prediction from what a run gave: of the picture upright, and its logits (4,) over all views."""
        verdict = Verdict() if self._judge is None else self._judge.judge(look)
        scaled = torch.tensor(logits, dtype=torch.float64, device="cpu") / self.checkpoint.temperature
        row = torch.softmax(scaled, dim=0).tolist()
        best = max(range(len(CODES)), key=row.__getitem__)
        by_code = MappingProxyType(dict(zip(CODES, row, strict=True)))
        notes = picture.notes + verdict.notes
        return Prediction(
            CODES[best],
            row[best],
            by_code,
            picture.name,
            verdict.refusal,
            notes,
            verdict.warning,
            verdict.unfamiliarity,
        )

    def _input(self, pictures: list[LesionImage]) -> torch.Tensor:
        """Return the normalised batch (N, 3, S, S) of checked pictures."""
        return self._normalised([self.preprocessing.resize(picture.pixels) for picture in pictures])

    def _normalised(self, seen: list[Image.Image]) -> torch.Tensor:
        """Return the batch of pictures that are resized already."""
        return self._prepared(torch.stack([to_tensor(picture) for picture in seen]))

    def _prepared(self, batch: torch.Tensor) -> torch.Tensor:
        """Return a uint8 batch (N, 3, S, S) as the network takes it."""
        normalised = self.preprocessing.normalise(batch.to(self._device)).to(self._precision)
        return normalised.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class _Choice:
    """What to explain, checked; None for the predicted class, and for no contrast."""

    target: int | None
    layer: str
    method: Method
    against: int | None


def _embeddings(blocks: Mapping[str, torch.Tensor]) -> npt.NDArray[np.float32]:
    """Return what the head sees (N, 1280) of the blocks' outputs."""
    means: npt.NDArray[np.float32] = blocks[LAYERS[-1]].mean(dim=(2, 3)).float().cpu().numpy()
    return means


def symmetries(batch: torch.Tensor) -> list[torch.Tensor]:
    """Return a square batch (N, C, S, S) under the eight symmetries of the square; the first is the batch itself."""
    layout = torch.channels_last
    return [
        torch.rot90(flipped, turns, (2, 3)).contiguous(memory_format=layout)
        for flipped in (batch, batch.flip(3))
        for turns in range(4)
    ]


def _batches(images: Iterable[ImageSource], size: int) -> Iterator[list[LesionImage]]:
    """Open images in groups of ``size``, so that no more than one group is in memory."""
    remaining = iter(images)
    while batch := [open_image(image) for image in islice(remaining, size)]:
        yield batch

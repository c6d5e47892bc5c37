"""``LesionClassifier``: an image in; a ``Prediction``, a ``Case`` or an ``Explanation`` out; the only door to the model.

Widgets, notebooks, evaluation and the command line reach the network through here and nowhere else.
Nothing about a picture is kept: whoever wants to ask on keeps the :class:`~lesionviz.case.Case`. One classifier may be
used by several threads at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lesionviz.answering import AnotherNetwork, Answers, Seen, answer_to, check_sizes, see
from lesionviz.case import Case, Maps, check_classes
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
from lesionviz.imaging import ImageSource, open_groups, open_image
from lesionviz.network import LAYERS, Network, check_layer
from lesionviz.prediction import Prediction
from lesionviz.preprocessing import Preprocessing
from lesionviz.runner import Outputs, Runner
from lesionviz.similarity import KeptIndex, SimilarCase, index_path
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
        folded: with the batch norms written into the convolutions, which is faster and the same up to rounding.

    Raises:
        LesionvizError: views is neither 1 nor 8, or the checkpoint's refusal statistics are damaged.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device = "cpu",
        precision: torch.dtype = torch.float32,
        views: int = 1,
        folded: bool = False,
    ) -> None:
        self.checkpoint, self.views = checkpoint, views
        self._runner = Runner(checkpoint, device, precision, views, folded)
        self._judge = read_refusal(checkpoint.refusal)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy what the classifier is made of."""
        runner = self._runner
        made_of = (self.checkpoint, runner.device, runner.precision, runner.views, runner.folded)
        return (type(self), made_of, runner.changed_weights)

    def __setstate__(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over weights that were changed after loading."""
        self._runner.take_weights(weights)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become the network's input."""
        return self.checkpoint.preprocessing

    @property
    def runs_with(self) -> tuple[str, str]:
        """The kind of device and the precision, such as ``("cpu", "float32")``."""
        return self._runner.device.type, str(self._runner.precision).removeprefix("torch.")

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
        return replace(self.examine_seen(see(picture, self.preprocessing)), upload=picture.sha256)

    def examine_seen(self, seen: Seen) -> Case:
        """Do what :meth:`examine` does without the picture itself; ``upload`` stays empty."""
        batch = self._runner.batch([seen.pixels])
        run = forward(self._network, batch)
        outputs = self._runner.outputs_from(batch, run.activations, run.logits)
        return Case(
            identity=uuid4().hex,
            upload="",
            name=seen.name,
            size=seen.size,
            box=self.preprocessing.box(*seen.size),
            seen=np.array(seen.pixels),
            prediction=answer_to(seen, outputs, 0, self.checkpoint.temperature, self._judge),
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
        # The maps that were there stay, bit for bit: what a page shows must not flicker.
        return replace(case, maps={**self.all_maps(case.seen, case.logits, case.name), **case.maps})

    def all_maps(self, seen: npt.NDArray[np.uint8], logits: Sequence[float], name: str) -> Maps:
        """Return the maps of all methods, layers and classes of what was seen, as :attr:`Case.maps`.

        Args:
            seen: what the network saw, uint8 (S, S, 3).
            logits: that it found; four.
            name: of the picture, for the words of an error.

        Raises:
            LesionvizError: another model found them.
        """
        if len(seen) == self.preprocessing.size:
            batch = self._runner.batch([Image.fromarray(seen)])
            run, maps = forward_with_all_maps(self._network, batch, METHODS.values())
            if np.allclose(run.logits[0].double().cpu().numpy(), logits, rtol=0.02, atol=0.02):
                return maps
        raise LesionvizError(
            f"The case of {name} was looked at by another model, or with other weights. Examine the picture again."
        )

    def predict_many(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Prediction]:
        """Yield the diagnosis of each picture, in order, running the network on batches."""
        for pictures in open_groups(images, batch_size):
            yield from self.answers([see(picture, self.preprocessing) for picture in pictures]).predictions

    def answers(self, seen: Sequence[Seen], network: AnotherNetwork | None = None) -> Answers:
        """Return the answers for pictures from :func:`lesionviz.answering.see`, in one run of this or another ``network``.

        Raises:
            LesionvizError: a picture is not of the input's size.
        """
        check_sizes(seen, self.preprocessing.size)
        outputs, maps = (network or self._runner).outputs_and_maps([each.pixels for each in seen])
        temperature, judge = self.checkpoint.temperature, self._judge
        predictions = tuple(answer_to(each, outputs, row, temperature, judge) for row, each in enumerate(seen))
        return Answers(predictions, outputs.embeddings, maps)

    def outputs_of(self, images: Iterable[ImageSource], batch_size: int = 32) -> Iterator[Outputs]:
        """Yield logits, embeddings and features of pictures, batch by batch; for calibration and search."""
        for pictures in open_groups(images, batch_size):
            yield self._runner.outputs([self.preprocessing.resize(picture.pixels) for picture in pictures])

    def probabilities(self, batch: torch.Tensor, target: Target, batch_size: int = 32) -> npt.NDArray[np.float64]:
        """Return the probability of one class (N,) for pictures at input size, such as perturbed ones.

        Args:
            batch: uint8 (N, 3, size, size), as the network sees them; anything else is refused.
            target: the class.
            batch_size: how many to run at a time.
        """
        return self._shares(batch, batch_size)[:, target_index(target)]

    def shares(self, squares: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Return the probabilities (N, 4) of all classes for pictures at input size, uint8 (N, size, size, 3)."""
        return self._shares(torch.from_numpy(squares).permute(0, 3, 1, 2), batch_size=32)

    def _shares(self, batch: torch.Tensor, batch_size: int) -> npt.NDArray[np.float64]:
        size = self.preprocessing.size
        if batch.dtype != torch.uint8 or batch.shape[1:] != (3, size, size):
            raise LesionvizError(
                f"The batch must be uint8 of shape (N, 3, {size}, {size}), not {batch.dtype} of {tuple(batch.shape)}."
            )
        logits = torch.cat([self._runner.logits(part) for part in torch.split(batch, batch_size)])
        return np.asarray(torch.softmax(logits / self.checkpoint.temperature, dim=1).cpu().numpy(), np.float64)

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
            method: a key of ``METHODS`` (:mod:`lesionviz.explanation.methods`).
            against: another class: the map then says why the target *and not* this one
                (Finer-CAM, arXiv 2501.11309).

        Raises:
            LesionvizError: the image, class, layer or method cannot be used.
        """
        picture = open_image(image)
        (explanation,) = self.explain_seen([see(picture, self.preprocessing)], target, layer, method, against)
        return explanation.on(picture)

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
        for pictures in open_groups(images, batch_size):
            seen = [see(picture, self.preprocessing) for picture in pictures]
            explained = self.explain_seen(seen, target, layer, method)
            yield from (made.on(picture) for made, picture in zip(explained, pictures, strict=True))

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
        index, (outputs,) = self._kept_index.read(), self.outputs_of([image])
        return index.nearest(outputs.embeddings[0], k)

    def similar_to(self, embedding: npt.NDArray[np.float32], k: int = 5) -> list[SimilarCase]:
        """Return as :meth:`similar` what is nearest to a :attr:`Case.embedding`; nothing where there is no index."""
        return self._kept_index.read().nearest(embedding, k) if self.index_path.exists() else []

    @cached_property
    def index_path(self) -> Path:
        """Where the index of similar cases of this model lies, or would lie."""
        return index_path(self.checkpoint.state_dict, self.preprocessing.size)

    @cached_property
    def _kept_index(self) -> KeptIndex:
        return KeptIndex(self.index_path)

    def explain_seen(
        self,
        seen: Sequence[Seen],
        target: Target | None = None,
        layer: str = LAYERS[-1],
        method: str = "gradcam",
        against: Target | None = None,
    ) -> Iterator[Explanation]:
        """Yield explanations as :meth:`explain` does, in one run and without the pictures themselves."""
        layer, how = check_layer(layer, self.preprocessing.size), find_method(method)
        index = None if target is None else check_classes(target, against, (), "")[0]
        other = None if against is None else target_index(against)
        batch = self._runner.batch([each.pixels for each in seen])
        slope = forward_with_gradient(self._network, batch, layer, index, other)
        maps, all_logits, all_biases = slope.maps(how), slope.run.logits.double().tolist(), biases(self._network)
        for row, each in enumerate(seen):
            chosen, _ = check_classes(target, against, all_logits[row], each.name)
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
                source=each.name,
                size=each.size,
                box=self.preprocessing.box(*each.size),
                shared_peak=None if peak is None else max(0.0, peak),
            )

    @property
    def _network(self) -> Network:
        return self._runner.network

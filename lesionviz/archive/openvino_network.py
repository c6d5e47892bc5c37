"""The network computed by OpenVINO instead of PyTorch: the same numbers up to rounding, in less time on a processor.

The graph is written down here, layer by layer, rather than converted: it takes pictures as they are, and gives just what an
answer needs. OpenVINO is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import platform
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.answering import Seen
from lesionviz.errors import LesionvizError
from lesionviz.light_imports import without
from lesionviz.machine import has
from lesionviz.network import LAYERS, fold_batch_norms, grid_size, ordinary_tensors
from lesionviz.refusal import FEATURE_LAYERS

if TYPE_CHECKING:
    import torch

    from lesionviz.classifier import LesionClassifier
    from lesionviz.preprocessing import Preprocessing
    from lesionviz.runner import Outputs

INSTALL = "pip install 'lesionviz[openvino]'"
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
"""What it can compute in, as OpenVINO calls it."""
TOLERANCES = {"float32": 2e-4, "bfloat16": 0.1}
"""Largest difference from PyTorch in float32, of embeddings and maps, in shares of the largest of them."""
AT_ONCE = {"float32": 2, "bfloat16": 4}
"""Pictures in one run: weights are fetched less often than for one, and what lies between two layers still stays in a
core's cache, as it does not for eight; numbers half as long leave room for twice as many."""


def check_installed() -> None:
    """Make sure that OpenVINO is there, without loading it.

    Raises:
        LesionvizError: it is not.
    """
    if not has("openvino"):
        raise LesionvizError(f"OpenVINO is not installed. Install it with: {INSTALL}, or choose the engine torch.")


def has_bfloat16() -> bool:
    """Return whether this machine's processor computes in bfloat16, as OpenVINO sees it; elsewhere it would be slower.

    Raises:
        LesionvizError: OpenVINO cannot be loaded.
    """
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def openvino() -> ModuleType:
    """Return OpenVINO, which is kept from telling its maker that it was imported.

    Raises:
        LesionvizError: it cannot be loaded.
    """
    try:
        with without("openvino_telemetry"):
            return importlib.import_module("openvino")
    except (ImportError, OSError) as error:
        raise LesionvizError(
            f"OpenVINO cannot be loaded ({error}). Install it anew with: {INSTALL}, or choose the engine torch."
        ) from error


class OpenvinoNetwork:
    """A classifier's network on the processor; any number of threads may run it at a time, each on one core.

    It takes a fixed number of pictures at a time (:data:`AT_ONCE`), which saves OpenVINO work. What an answer is
    hangs on no other picture.

    Args:
        classifier: in float32 and over one view.
        precision: of :data:`PRECISIONS`; bfloat16 is faster where the processor computes with it, and rounds.

    Raises:
        LesionvizError: OpenVINO cannot be loaded, its numbers are others than the classifier's, or the processor does not
            compute in this precision.
    """

    def __init__(self, classifier: LesionClassifier, precision: str = "float32") -> None:
        ov, checkpoint = openvino(), classifier.checkpoint
        if precision == "bfloat16" and not has_bfloat16():
            raise LesionvizError(
                f"The processor of {platform.node()} does not compute in bfloat16, which would make OpenVINO slower. "
                "Choose float32."
            )
        with ordinary_tensors():
            network = checkpoint.network()
            fold_batch_norms(network)
            self._at_once = AT_ONCE[precision]
            self._model = _Graph(ov).of(network.eval(), checkpoint.preprocessing, self._at_once)
        self._core: Any = ov.Core()
        self._free: list[Any] = []
        self._precision = precision
        self._check(classifier, ov.__version__)

    def outputs_and_maps(self, seen: Sequence[Image.Image]) -> tuple[Outputs, npt.NDArray[np.float32]]:
        """Do what :meth:`lesionviz.runner.Runner.outputs_and_maps` does, over one view."""
        from lesionviz.runner import Outputs

        try:
            request = self._free.pop()
        except IndexError:
            request = self._another()
        again = -len(seen) % self._at_once
        full = [*seen, *[seen[0]] * again]  # with one of them again, whose numbers are thrown away
        pixels = np.stack([np.asarray(picture) for picture in full])
        found = [request.infer(few).to_tuple() for few in np.split(pixels, len(full) // self._at_once)]
        self._free.append(request)
        logits, embeddings, features, maps = (np.concatenate(each)[: len(seen)] for each in zip(*found, strict=True))
        upright = logits.astype(np.float64)
        return Outputs(upright, upright, embeddings, features.astype(np.float64)), maps

    def _another(self) -> Any:
        """Return what one thread at a time can run the network with."""
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self._precision],
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": 1,
            "ENABLE_CPU_PINNING": False,  # other threads decode on the same cores
        }
        return self._core.compile_model(self._model, "CPU", settings).create_infer_request()

    def _check(self, classifier: LesionClassifier, version: str) -> None:
        """Make sure, on noise, that this is the classifier's network: kernels differ from processor to processor."""
        side = classifier.preprocessing.size
        noise = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), np.uint8)
        seen = [Seen(Image.fromarray(each), "noise", (side, side)) for each in noise]
        ours, theirs = (
            np.concatenate([answers.embeddings.ravel(), answers.maps.ravel()])
            for answers in (classifier.answers(seen, self), classifier.answers(seen))
        )
        away = np.abs(ours - theirs).max() / np.abs(theirs).max()
        if not away < TOLERANCES[self._precision]:
            raise LesionvizError(
                f"OpenVINO {version} computes something else than PyTorch on {platform.node()} (by up to {away:.2%}). "
                "Choose the engine torch, and report this to lesionviz."
            )


class _Graph:
    """Writes a network down in OpenVINO's operations."""

    def __init__(self, ov: ModuleType) -> None:
        self._ov, self._op = ov, importlib.import_module("openvino.opset13")

    def of(self, network: torch.nn.Module, preprocessing: Preprocessing, pictures: int) -> Any:
        """Return the graph: from uint8 (``pictures``, S, S, 3) to logits, embeddings, features, maps."""
        op, side = self._op, preprocessing.size
        pixels = op.parameter([pictures, side, side, 3], np.uint8)
        x = op.convert(op.transpose(pixels, np.array([0, 3, 1, 2])), "f32")
        mean, std = (
            np.array(values, np.float32).reshape(1, 3, 1, 1) for values in (preprocessing.mean, preprocessing.std)
        )
        x = op.divide(op.subtract(op.divide(x, np.float32(255)), mean), std)
        features = []
        for layer in LAYERS:
            x = self._after(network.get_submodule(layer), x)
            if layer in FEATURE_LAYERS:
                features.append(self._mean(x, keep=False))
        weight, bias = (_numbers(network.get_parameter(f"classifier.1.{name}")) for name in ("weight", "bias"))
        embedding = self._mean(x, keep=False)
        logits = op.add(op.matmul(embedding, weight, False, True), bias)
        cells = grid_size(LAYERS[-1], side) ** 2
        maps = self._convolved(x, weight[:, :, None, None] / np.float32(cells), [1, 1], [0, 0])
        results = [op.result(each) for each in (logits, embedding, op.concat(features, 1), maps)]
        return self._ov.Model(results, [pixels], "lesionviz")

    def _after(self, module: torch.nn.Module, x: Any) -> Any:
        """Return what a module makes of something."""
        from torch import nn

        from lesionviz.efficientnet import MBConv, SqueezeExcitation

        op = self._op
        if isinstance(module, nn.Sequential):
            for each in module:
                x = self._after(each, x)
            return x
        if isinstance(module, MBConv):
            inner = self._after(module.block, x)
            return op.add(inner, x) if module.use_res_connect else inner
        if isinstance(module, SqueezeExcitation):
            share = op.swish(self._after(module.fc1, self._mean(x, keep=True)))
            return op.multiply(x, op.sigmoid(self._after(module.fc2, share)))
        if isinstance(module, nn.Conv2d):
            return self._convolution(module, x)
        if isinstance(module, nn.SiLU):
            return op.swish(x)
        assert isinstance(module, nn.Identity), f"{type(module).__name__} is in no folded EfficientNet"
        return x

    def _convolution(self, module: torch.nn.Conv2d, x: Any) -> Any:
        weight, groups = _numbers(module.weight), module.groups
        strides, padding = list(module.stride), list(module.padding)
        if groups > 1:
            weight = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
            x = self._op.group_convolution(x, weight, strides, padding, padding, [1, 1])
        else:
            x = self._convolved(x, weight, strides, padding)
        return x if module.bias is None else self._op.add(x, _numbers(module.bias).reshape(1, -1, 1, 1))

    def _convolved(self, x: Any, weight: npt.NDArray[np.float32], strides: list[Any], padding: list[Any]) -> Any:
        return self._op.convolution(x, weight, strides, padding, padding, [1, 1])

    def _mean(self, x: Any, keep: bool) -> Any:
        """Return the means over the cells."""
        return self._op.reduce_mean(x, np.array([2, 3]), keep)


def _numbers(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.array(tensor.detach().numpy(), np.float32)

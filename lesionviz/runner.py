"""``Runner``: the network with the way into it: pictures at input size in, numbers out, over one view or eight.

Only :mod:`lesionviz.classifier` uses it, which checks what comes in and says what comes out. Several threads may run it at
a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.explanation.lean_backward import make_backward_lean
from lesionviz.network import LAYERS, evidence_maps, fold_batch_norms, ordinary_tensors, run_blocks, run_head
from lesionviz.refusal import features_of

VIEWS = (1, 8)


@dataclass(frozen=True)
class Outputs:
    """What one run over a batch of N pictures gives, apart from maps.

    Attributes:
        logits: (N, 4), before the temperature; the mean over the classifier's views.
        upright: (N, 4) logits of the upright view alone, which the refusal was fitted to.
        embeddings: (N, channels) what the head sees: the mean of features.8 over its cells.
        features: (N, FEATURES) what the refusal sees; see :mod:`lesionviz.refusal`.
    """

    logits: npt.NDArray[np.float64]
    upright: npt.NDArray[np.float64]
    embeddings: npt.NDArray[np.float32]
    features: npt.NDArray[np.float64]


class Runner:
    """A checkpoint's network, ready to run.

    Args:
        checkpoint: weights and preprocessing.
        device: where to run.
        precision: of weights and inputs.
        views: 1, or 8 for the mean over the symmetries of the square.
        folded: with the batch norms written into the convolutions.

    Raises:
        LesionvizError: there are not so many views, or there is no such device here.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str | torch.device,
        precision: torch.dtype,
        views: int,
        folded: bool = False,
    ) -> None:
        if isinstance(views, bool) or views not in VIEWS:
            raise LesionvizError(f"views must be 1 (upright) or 8 (all symmetries of the square), not {views!r}.")
        self.views, self.device, self.precision, self.folded = views, _usable(device), precision, folded
        self._preprocessing = checkpoint.preprocessing
        with ordinary_tensors():
            network = checkpoint.network()
            if folded:
                fold_batch_norms(network)
            network = network.to(self.device, precision)
            if not folded:
                make_backward_lean(network)
            self.network = network.to(memory_format=torch.channels_last)
        self._parameters = tuple(self.network.parameters())
        self._unchanged = self._version

    @property
    def _version(self) -> int:
        """Changes whenever a weight does: torch counts changes in place."""
        return sum(parameter._version for parameter in self._parameters)

    @property
    def changed_weights(self) -> Mapping[str, torch.Tensor] | None:
        """The weights, where somebody changed them after loading."""
        return None if self._version == self._unchanged else self.network.state_dict()

    def take_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over other weights."""
        with ordinary_tensors():
            self.network.load_state_dict(weights)

    def batch(self, seen: Sequence[Image.Image]) -> torch.Tensor:
        """Return pictures at input size as the network takes them, (N, 3, S, S)."""
        pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in seen]))
        return self.prepared(pixels.permute(0, 3, 1, 2))  # channels last in memory already

    def prepared(self, batch: torch.Tensor) -> torch.Tensor:
        """Return a uint8 batch (N, 3, S, S) as the network takes it."""
        normalised = self._preprocessing.normalise(batch.to(self.device)).to(self.precision)
        return normalised.contiguous(memory_format=torch.channels_last)

    def outputs(self, seen: Sequence[Image.Image]) -> Outputs:
        """Run the network on pictures at input size."""
        return self.outputs_and_maps(seen)[0]

    def outputs_and_maps(self, seen: Sequence[Image.Image]) -> tuple[Outputs, npt.NDArray[np.float32]]:
        """Run the network on pictures at input size; the maps are Grad-CAM's at ``features.8`` (N, 4, cells, cells)."""
        with torch.inference_mode():
            batch = self.batch(seen)
            blocks = run_blocks(self.network, batch)
            last = blocks[LAYERS[-1]]
            outputs = self.outputs_from(batch, blocks, run_head(self.network, last))
            # Their sum, not their mean, plus the bias is the logit.
            maps = evidence_maps(self.network, last).float() / (last.shape[-2] * last.shape[-1])
            return outputs, maps.cpu().numpy()

    def outputs_from(self, batch: torch.Tensor, blocks: Mapping[str, torch.Tensor], upright: torch.Tensor) -> Outputs:
        """Return what a run that was made already gives; only further views are run.

        Args:
            batch: what it was made of.
            blocks: by layer, what the blocks put out.
            upright: its logits (N, 4).
        """
        with torch.inference_mode():
            embeddings: npt.NDArray[np.float32] = blocks[LAYERS[-1]].mean(dim=(2, 3)).float().cpu().numpy()
            return Outputs(
                self.averaged(batch, upright).cpu().numpy(),
                upright.double().cpu().numpy(),
                embeddings,
                features_of(blocks),
            )

    def logits(self, batch: torch.Tensor) -> torch.Tensor:
        """Return the mean logits (N, 4) over the views of a uint8 batch (N, 3, S, S)."""
        with torch.inference_mode():
            prepared = self.prepared(batch)
            return self.averaged(prepared, self.network(prepared))

    def averaged(self, batch: torch.Tensor, upright: torch.Tensor) -> torch.Tensor:
        """Return the mean logits (N, 4) over the views of a prepared batch whose upright logits are known."""
        if self.views == 1:
            return upright.double()
        turned = [self.network(view) for view in symmetries(batch)[1:]]
        return torch.stack([view.double() for view in (upright, *turned)]).mean(dim=0)


def symmetries(batch: torch.Tensor) -> list[torch.Tensor]:
    """Return a square batch (N, C, S, S) under the eight symmetries of the square; the first is the batch itself."""
    layout = torch.channels_last
    return [
        torch.rot90(flipped, turns, (2, 3)).contiguous(memory_format=layout)
        for flipped in (batch, batch.flip(3))
        for turns in range(4)
    ]


def _usable(device: str | torch.device) -> torch.device:
    """Return a device on which something can really be computed.

    Raises:
        LesionvizError: there is no such device here.
    """
    try:
        named = torch.device(device)
        torch.ones(1, device=named).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise LesionvizError(f"The device {device} cannot be used here ({why}). Use another, such as cpu.") from error
    return named

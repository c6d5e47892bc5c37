"""The last steps on both sides of the network: a picture at input size goes in, and numbers become an answer.

What stands here needs no torch until there are numbers, so pictures can be made ready by threads and processes without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage
from lesionviz.prediction import Prediction
from lesionviz.preprocessing import Preprocessing
from lesionviz.quality import quality
from lesionviz.refusal import Judge, Look, Verdict

if TYPE_CHECKING:
    from lesionviz.runner import Outputs


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the network sees it, and what an answer needs to know of it besides.

    Attributes:
        pixels: at input size, RGB.
        name: what to call the picture.
        size: of the upright picture, width and height in pixels.
        notes: what happened to it on the way; see :class:`~lesionviz.imaging.LesionImage`.
        measured: its quality; None where that is left to whoever asks.
    """

    pixels: Image.Image
    name: str
    size: tuple[int, int]
    notes: tuple[str, ...] = ()
    measured: Mapping[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Answers:
    """What one run over N pictures gives, in their order.

    Attributes:
        predictions: N answers.
        embeddings: (N, channels) what the head sees.
        maps: (N, 4, cells, cells) the signed Grad-CAM maps of the four classes at ``features.8``, in units of the logit.
    """

    predictions: tuple[Prediction, ...]
    embeddings: npt.NDArray[np.float32]
    maps: npt.NDArray[np.float32]


class AnotherNetwork(Protocol):
    """Computes what a classifier's own network would, up to rounding."""

    def outputs_and_maps(self, seen: Sequence[Image.Image]) -> tuple[Outputs, npt.NDArray[np.float32]]:
        """Do what :meth:`lesionviz.runner.Runner.outputs_and_maps` does."""


def see(picture: LesionImage, preprocessing: Preprocessing, measure: bool = False, fast: bool = False) -> Seen:
    """Return a picture as the network sees it, or ``fast`` and nearly so; ``measure`` its quality here already."""
    pixels = (preprocessing.resize_fast if fast else preprocessing.resize)(picture.pixels)
    return Seen(pixels, picture.name, picture.pixels.size, picture.notes, quality(pixels) if measure else None)


def check_sizes(seen: Sequence[Seen], side: int) -> None:
    """Make sure that pictures are as large as a model's input.

    Raises:
        LesionvizError: one is not.
    """
    if wrong := [each for each in seen if each.pixels.size != (side, side)]:
        width, height = wrong[0].pixels.size
        raise LesionvizError(f"{wrong[0].name} is {width} × {height} pixels; the model sees {side} × {side}.")


def answer_to(seen: Seen, outputs: Outputs, row: int, temperature: float, judge: Judge | None) -> Prediction:
    """Return the answer for one picture of a run.

    Args:
        seen: the picture.
        outputs: of the run.
        row: its place in the run.
        temperature: divides the logits.
        judge: decides whether the answer counts; None where the model was not calibrated.
    """
    import torch

    look = Look(
        seen.pixels, seen.size, outputs.features[row], outputs.embeddings[row], outputs.upright[row], seen.measured
    )
    verdict = Verdict() if judge is None else judge.judge(look)
    scaled = torch.tensor(outputs.logits[row], dtype=torch.float64, device="cpu") / temperature
    shares = torch.softmax(scaled, dim=0).tolist()
    best = max(range(len(CODES)), key=shares.__getitem__)
    return Prediction(
        diagnosis=CODES[best],
        confidence=shares[best],
        probabilities=dict(zip(CODES, shares, strict=True)),
        source=seen.name,
        refusal=verdict.refusal,
        notes=seen.notes + verdict.notes,
        warning=verdict.warning,
        unfamiliarity=verdict.unfamiliarity,
    )

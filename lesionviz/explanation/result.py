"""An explanation: a raw map, what it says in words, and its ways to be shown; plain data without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.explanation.display import DIVERGING, SEQUENTIAL, colour, upsample
from lesionviz.explanation.words import balance, where
from lesionviz.imaging import LesionImage

Scale: TypeAlias = Literal["per map", "shared across classes", "signed"]
SCALES: tuple[Scale, ...] = get_args(Scale)
NEARLY_FLAT = 0.05
"""A map whose values differ by less than this share of the largest one points nowhere."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where the evidence for one class lies in one picture.

    Attributes:
        raw: signed map at block size, float32 (cells, cells), in units of the logit; read-only.
        target: code of the class that it speaks for.
        layer: the block it was read from.
        method: how it was computed.
        source: name of the picture that it belongs to.
        size: width and height of that picture, pixels.
        box: left, top, right, bottom of the part of the picture that the network saw, pixels.
        against: code of the class held against the target, or None.
        logit: the number that the map explains: the target's logit, minus that of ``against``.
        bias: the part of it that comes from the head's bias and from no place in the picture.
        shared_peak: largest positive value in the maps of all four classes at this layer by this method;
            None where they were not computed.
        image: the picture itself, where it is at hand: overlays are drawn on it; see :meth:`on`.
    """

    raw: npt.NDArray[np.float32] = field(repr=False)
    target: str
    layer: str
    method: str
    source: str
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    against: str | None = None
    logit: float = 0.0
    bias: float = 0.0
    shared_peak: float | None = None
    image: LesionImage | None = field(default=None, repr=False)

    @classmethod
    def between(
        cls, target: int, against: int | None, logits: Sequence[float], biases: Sequence[float], **rest: Any
    ) -> Explanation:
        """Return the explanation of one class's logit, or of its difference from another's.

        Args:
            target, against: class indices.
            logits, biases: of the four classes.
            **rest: the other attributes.
        """
        minus = (0.0, 0.0) if against is None else (logits[against], biases[against])
        return cls(
            target=CODES[target],
            against=None if against is None else CODES[against],
            logit=logits[target] - minus[0],
            bias=biases[target] - minus[1],
            **rest,
        )

    def on(self, picture: LesionImage) -> Explanation:
        """Return the explanation with the picture that it belongs to, which overlays are drawn on.

        Raises:
            LesionvizError: the picture has another size.
        """
        if picture.pixels.size != self.size:
            width, height = self.size
            raise LesionvizError(
                f"{picture.name} has {picture.pixels.width} × {picture.pixels.height} pixels, but the picture that was "
                f"explained ({self.source}) has {width} × {height}. Give the picture that the answer is about."
            )
        return replace(self, image=picture)

    @property
    def pixels(self) -> Image.Image:
        """The picture, mode RGB.

        Raises:
            LesionvizError: it is not at hand.
        """
        if self.image is None:
            raise LesionvizError(
                f"This explanation of {self.source} came without its picture. Draw it on the picture: "
                "explanation.on(open_image(path))."
            )
        return self.image.pixels

    @property
    def subject(self) -> str:
        """What the evidence is for, in words: ``MEL``, or ``MEL and not NV``."""
        return self.target if self.against is None else f"{self.target} and not {self.against}"

    def completeness(self) -> float:
        """Return the share of the logit that sum(map) + bias leaves unexplained; 0 is perfect.

        ``|sum(raw) + bias - logit| / max(1, |logit|)``. For Grad-CAM and HiResCAM at ``features.8`` it is
        zero up to rounding, with and without a contrast; elsewhere nothing is promised.
        """
        return abs(float(self.raw.sum(dtype=np.float64)) + self.bias - self.logit) / max(1.0, abs(self.logit))

    @property
    def remark(self) -> str:
        """What must be said before the map is believed; empty when there is nothing."""
        largest = float(np.abs(self.raw).max())
        if self.raw.max() <= 0:
            return f"No positive evidence for {self.subject} at {self.layer}."
        if float(np.ptp(self.raw)) < NEARLY_FLAT * largest:
            return f"The evidence for {self.subject} at {self.layer} is nearly flat: it points nowhere."
        return ""

    @property
    def finding(self) -> str:
        """What the map says, in words: the remark, or where the evidence lies and what stands against it."""
        return self.remark or " ".join(filter(None, (where(self.raw), balance(self.raw))))

    def heatmap(
        self, scale: Scale = "per map", colours: str = SEQUENTIAL[0], threshold: float = 0.0, fade: bool = False
    ) -> Image.Image:
        """Return the coloured map in the picture's own geometry.

        Args:
            scale: ``"per map"``: positive evidence from 0 to the map's maximum, never stretched from
                its minimum; ``"shared across classes"``: to the maximum over all four classes, so that
                their maps can be compared; ``"signed"``: evidence for (red) and against (blue), white being none.
            colours: ``"viridis"``, ``"inferno"`` or ``"jet"``, for positive evidence.
            threshold: evidence below this share of the scale, 0 to 1, is left out.
            fade: make the opacity the share of the scale, so that a picture below stays clear where there is
                little evidence.

        Returns:
            Mode RGBA; transparent outside the part that the network saw.

        Raises:
            LesionvizError: the scale or the colour map is unknown, or the threshold is no number from 0 to 1.
        """
        left, top, right, bottom = self.box
        _check_share(threshold, "The threshold", "nothing is left out")
        field = upsample(self.raw, right - left, bottom - top)  # signed still, as the pointer in a browser reads it
        if scale in ("per map", "shared across classes"):
            peak = max(0.0, float(self.raw.max())) if scale == "per map" else self._shared_peak()
            strength = (field / np.float32(peak or 1)).clip(0, 1)
            painted = colour(strength, colours)
        elif scale == "signed":
            relative = field / np.float32(float(np.abs(self.raw).max()) or 1)
            painted, strength = colour(relative * np.float32(0.5) + np.float32(0.5), DIVERGING), np.abs(relative)
        else:
            raise LesionvizError(f"The scale {scale!r} is not known. Choose from: {', '.join(SCALES)}.")
        opacity = np.rint(strength * 255) if fade else np.full(strength.shape, 255)
        opacity = np.where(strength < threshold, 0, opacity).astype(np.uint8)
        whole = Image.new("RGBA", self.size, (0, 0, 0, 0))
        whole.paste(Image.fromarray(np.dstack([painted, opacity])), (left, top))
        return whole

    def _shared_peak(self) -> float:
        if self.shared_peak is None:
            raise LesionvizError(
                "The maps of the other classes were not computed for this one. Take it from explain_all or from a "
                'case, or use the scale "per map".'
            )
        return self.shared_peak

    def overlay(
        self,
        alpha: float = 0.5,
        scale: Scale = "per map",
        colours: str = SEQUENTIAL[0],
        threshold: float = 0.0,
        fade: bool = False,
    ) -> Image.Image:
        """Return the heatmap laid over the picture, mode RGB, in the picture's own geometry.

        Args:
            alpha: share of the heatmap, 0 to 1; 0 returns the picture bit for bit.
            scale, colours, threshold, fade: as for :meth:`heatmap`.

        Raises:
            LesionvizError: alpha is no number from 0 to 1, or as for :meth:`heatmap`.
        """
        _check_share(alpha, "Alpha", "only the image")
        heat = self.heatmap(scale, colours, threshold, fade)
        picture = self.pixels
        blended = Image.blend(picture, heat.convert("RGB"), float(alpha))
        return Image.composite(blended, picture, heat.getchannel("A"))


def _check_share(value: object, name: str, at_zero: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise LesionvizError(f"{name} must be a number from 0 ({at_zero}) to 1, not {value!r}.")

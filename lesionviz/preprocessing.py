"""The one pipeline from a checked picture to the network's input, shared by training and inference.

It also answers the question in the other direction: which part of the picture did the network see?
Pillow resizes (antialiased), so the picture shown as "network input" is the input, and torch is not
needed to show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np
from PIL import Image

from lesionviz.errors import LesionvizError

if TYPE_CHECKING:
    import torch

Geometry: TypeAlias = Literal["centre square", "stretch"]
Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the upright picture; right and bottom lie outside."""

RESAMPLING = Image.Resampling.BILINEAR
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input.

    Attributes:
        size: side of the square input in pixels, 64 to 1024.
        geometry: ``"centre square"`` cuts the largest centred square and keeps proportions;
            ``"stretch"`` squeezes the whole picture into the square.
        mean, std: per-channel statistics (red, green, blue) of values from 0 to 1.
    """

    size: int = 224
    geometry: Geometry = "centre square"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        """Refuse values that no pipeline can have; they may come from a file."""
        if type(self.size) is not int or not 64 <= self.size <= 1024:
            raise LesionvizError(f"The input size must be a whole number from 64 to 1024, not {self.size!r}.")
        if self.geometry not in get_args(Geometry):
            raise LesionvizError(
                f"The geometry {self.geometry!r} is not known. Choose from: {', '.join(get_args(Geometry))}."
            )
        for what, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(type(v) is float and 0 < v < 1 for v in values):
                raise LesionvizError(f"The {what} must be three numbers between 0 and 1, not {values!r}.")

    def box(self, width: int, height: int) -> Box:
        """Return the part of a picture of this size (pixels) that the network sees."""
        if self.geometry == "stretch":
            return (0, 0, width, height)
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return (left, top, left + side, top + side)

    def resize(self, pixels: Image.Image) -> Image.Image:
        """Return the RGB picture that the network sees, ``size`` × ``size`` pixels."""
        # Cropped first: given a box, Pillow's filter would still reach over its rim.
        return pixels.crop(self.box(*pixels.size)).resize((self.size, self.size), RESAMPLING)

    def resize_fast(self, pixels: Image.Image) -> Image.Image:
        """Do what :meth:`resize` does in less than half the time, by torch; some values are off by one grey level."""
        import torch

        left, top, right, bottom = self.box(*pixels.size)
        square = torch.from_numpy(np.array(pixels)[top:bottom, left:right]).permute(2, 0, 1)[None]
        seen = torch.nn.functional.interpolate(square, (self.size, self.size), mode="bilinear", antialias=True)
        return Image.merge("RGB", [Image.fromarray(plane) for plane in seen[0].numpy()])

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """Turn uint8 pictures (N, 3, size, size) into the network's float32 input."""
        import torch

        mean = torch.tensor(self.mean, dtype=torch.float32, device=batch.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, dtype=torch.float32, device=batch.device).view(1, 3, 1, 1)
        return (batch.to(torch.float32) / 255 - mean) / std

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Read what :meth:`to_dict` wrote.

        Raises:
            LesionvizError: a value is missing, unknown or out of range.
        """
        try:
            return cls(
                size=values["size"],
                geometry=values["geometry"],
                mean=cast("tuple[float, float, float]", tuple(values["mean"])),
                std=cast("tuple[float, float, float]", tuple(values["std"])),
            )
        except (KeyError, TypeError) as error:
            raise LesionvizError(f"The preprocessing settings are incomplete: {error}.") from error


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """Return an RGB picture as a uint8 tensor of shape (3, H, W)."""
    import torch

    return torch.from_numpy(np.array(picture).transpose(2, 0, 1))

"""The training recipe: every number that decides how a model comes out, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Preprocessing


@dataclass(frozen=True)
class Recipe:
    """Settings of one training, saved with the checkpoint.

    Attributes:
        size: side of the square input in pixels.
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: peak of the one-cycle schedule (Smith & Topin 2018, arXiv 1708.07120).
        weight_decay: of AdamW (arXiv 1711.05101).
        label_smoothing: share of the target spread over the other classes.
        class_weight_power: classes weigh (1 / frequency) to this power in the loss; 0 is none,
            1 full balance; one half is a compromise between accuracy and balanced accuracy.
        smallest_crop: smallest share of the picture's area that a random crop may keep.
        seed: of every random source; on a CPU the same seed gives the same history.
    """

    size: int = 224
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 6e-4
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    class_weight_power: float = 0.5
    smallest_crop: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing can be trained."""
        limits: dict[str, tuple[float, float]] = {
            "size": (64, 1024),
            "epochs": (1, 10_000),
            "batch_size": (2, 4096),
            "learning_rate": (1e-8, 1),
            "weight_decay": (0, 1),
            "label_smoothing": (0, 0.9),
            "class_weight_power": (0, 1),
            "smallest_crop": (0.05, 1),
            "seed": (0, 2**32 - 1),
        }
        whole = {"size", "epochs", "batch_size", "seed"}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            kinds = (int,) if name in whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                number = "a whole number" if name in whole else "a number"
                raise LesionvizError(f"{name} must be {number} from {low} to {high}, not {value!r}.")

    @property
    def preprocessing(self) -> Preprocessing:
        """The pipeline of evaluation images under this recipe."""
        return Preprocessing(size=self.size)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)

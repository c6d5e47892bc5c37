"""The training recipe: every number that decides how a model comes out, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias, get_args

from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Geometry, Preprocessing

Balance: TypeAlias = Literal["none", "weights", "sampling", "logits"]
Schedule: TypeAlias = Literal["one-cycle", "constant"]
Augmentation: TypeAlias = Literal["full", "clinics", "none"]
SplitBy: TypeAlias = Literal["lesion", "random"]
ChooseBy: TypeAlias = Literal["balanced accuracy", "sources"]
CHOICES: dict[str, tuple[str, ...]] = {
    "balance": get_args(Balance),
    "schedule": get_args(Schedule),
    "augmentation": get_args(Augmentation),
    "geometry": get_args(Geometry),
    "split_by": get_args(SplitBy),
    "choose_by": get_args(ChooseBy),
}
LIMITS: dict[str, tuple[float, float]] = {
    "size": (64, 1024),
    "train_size": (0, 1024),
    "first_size": (0, 1024),
    "epochs": (1, 10_000),
    "probe_share": (0, 1),
    "last_blocks_share": (0, 1),
    "frozen_blocks": (0, 8),
    "patience": (0, 10_000),
    "batch_size": (2, 4096),
    "learning_rate": (1e-8, 1),
    "warm_up": (0.01, 0.9),
    "weight_decay": (0, 1),
    "ema": (0, 0.99999),
    "label_smoothing": (0, 0.9),
    "balance_power": (0, 1),
    "source_power": (0, 1),
    "smallest_crop": (0.05, 1),
    "artefact_share": (0, 1),
    "outline_weight": (0, 10),
    "outlier_weight": (0, 10),
    "seed": (0, 2**32 - 1),
}
FORMERLY: dict[str, Any] = {"ema": 0.0, "probe_share": 0.0, "last_blocks_share": 0.0, "cache": False}
"""What recipes saved before these settings existed did, where it differs from today's default."""
ROOM_TO_CROP = 8 / 7
"""Side of cached training pictures over that of the last epochs', so that random crops lose little detail."""
SIDE_STEP = 32
"""Pixels by which training pictures grow: one cell of the network's last map."""


@dataclass(frozen=True)
class Recipe:
    """Settings of one training, saved with the checkpoint.

    Attributes:
        size: side of the classifier's square input in pixels.
        train_size: side of the training pictures in the last epochs; 0 is the input's. Random crops magnify, so
            training a little smaller than testing lets lesions appear equally large in both (Touvron et al.
            2019, arXiv 1906.06423), and is faster.
        first_size: side of the training pictures in the first epochs, from which it grows in steps of 32, each for
            an equal share of the epochs (Tan & Le 2021, arXiv 2104.00298); 0 does not grow.
        geometry: ``"centre square"`` or ``"stretch"``; see :class:`lesionviz.preprocessing.Preprocessing`.
        epochs: passes over the training images, all stages together.
        probe_share: share of these, rounded down to whole ones, in which at first only the head learns.
        last_blocks_share: share in which, next, features.6 to features.8 and the head learn.
        frozen_blocks: how many blocks, counted from the input, never learn. They take most of a step's time, and
            a training that starts from an earlier model may leave their edges and colours as they are.
        patience: stop after so many epochs without a better one; 0 never stops early.
        batch_size: images a step, all processes together.
        learning_rate: peak of the schedule.
        schedule: ``"one-cycle"`` warms up and then falls along a cosine (Smith & Topin 2018,
            arXiv 1708.07120); ``"constant"`` does neither.
        warm_up: share of the steps in which the rate rises.
        weight_decay: of AdamW (arXiv 1711.05101); with 0 it is Adam.
        ema: decay of the moving average of the weights that is judged and kept (Tarvainen & Valpola 2017,
            arXiv 1703.01780), warmed up over the first steps; 0 keeps the weights themselves.
        label_smoothing: share of the target spread over the other classes.
        balance: what rare classes gain by: ``"weights"`` in the loss, ``"sampling"`` more often,
            ``"logits"`` shifted by the class frequencies while training (Menon et al. 2020,
            arXiv 2007.07314), or ``"none"``.
        balance_power: how far, from 0 (not at all) to 1 (full balance); one half is a compromise between
            accuracy and balanced accuracy.
        source_power: how far images are drawn so that a source says nothing of the diagnosis, from 0 (not at all) to 1;
            see :mod:`lesionviz.training.balance`. Each epoch then has as many images as before.
        augmentation: ``"full"`` crops, turns and colours a little; ``"clinics"`` draws besides what differs between
            clinics, see :mod:`lesionviz.training.clinics`; ``"none"`` does nothing.
        smallest_crop: smallest share of the picture's area that a random crop may keep.
        artefact_share: with ``"clinics"``, share of the pictures on which something is drawn: hair, a ruler, ink,
            bubbles, a colour chip or, twice as often, a dark frame.
        outline_weight: how much the share of the evidence outside the lesion's outline counts beside the loss of the
            diagnosis; 0 needs no outlines. See :mod:`lesionviz.training.outline_loss`.
        outlier_weight: how much an image of another diagnosis counts beside one of the four; it teaches the network to
            call none of them likelier than another. 0 leaves such images out. See
            :mod:`lesionviz.training.outliers`.
        choose_by: the epoch that is kept has the best ``"balanced accuracy"`` on the main collection's validation
            images, or the best score over ``"sources"`` on half of all validation images; see
            :mod:`lesionviz.training.choice`.
        cache: decode every image once into :class:`lesionviz.data.pixel_cache.PixelCache`, training
            images at 8/7 of their side; off, files are decoded anew in every epoch.
        split_by: ``"lesion"``, or ``"random"`` by image, which leaks lesions into the test part and is here
            only for comparison.
        seed: of every random source; on a CPU the same seed gives the same history.
    """

    size: int = 224
    train_size: int = 0
    first_size: int = 0
    geometry: Geometry = "centre square"
    epochs: int = 12
    probe_share: float = 0.1
    last_blocks_share: float = 0.1
    frozen_blocks: int = 0
    patience: int = 0
    batch_size: int = 32
    learning_rate: float = 6e-4
    schedule: Schedule = "one-cycle"
    warm_up: float = 0.2
    weight_decay: float = 0.02
    ema: float = 0.998
    label_smoothing: float = 0.05
    balance: Balance = "weights"
    balance_power: float = 0.5
    source_power: float = 0.0
    augmentation: Augmentation = "full"
    smallest_crop: float = 0.5
    artefact_share: float = 0.4
    outline_weight: float = 0.0
    outlier_weight: float = 0.0
    choose_by: ChooseBy = "balanced accuracy"
    cache: bool = True
    split_by: SplitBy = "lesion"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse settings with which nothing can be trained."""
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            whole = isinstance(getattr(type(self), name), int)  # the default tells the kind
            kinds = (int,) if whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                number = "a whole number" if whole else "a number"
                raise LesionvizError(f"{name} must be {number} from {low} to {high}, not {value!r}.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise LesionvizError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}.")
        for name in ("train_size", "first_size"):
            if 0 < getattr(self, name) < LIMITS["size"][0]:
                raise LesionvizError(f"{name} must be 0 or at least {LIMITS['size'][0]}, not {getattr(self, name)}.")
        if self.first_size > self.sides[-1]:
            raise LesionvizError(
                f"first_size ({self.first_size}) cannot exceed the side that training ends with ({self.sides[-1]})."
            )
        if type(self.cache) is not bool:
            raise LesionvizError(f"cache must be True or False, not {self.cache!r}.")
        if self.probe_share + self.last_blocks_share > 1:
            raise LesionvizError(
                f"probe_share ({self.probe_share}) and last_blocks_share ({self.last_blocks_share}) are shares of "
                "the epochs and cannot exceed 1 together."
            )

    @classmethod
    def original(cls, epochs: int = 10, seed: int = 0) -> Recipe:
        """Return the settings of the notebook that this project started from; only for comparison.

        Adam at a constant 1e-4, plain resize to 224, and a random split by image. Its augmentation was
        overwritten on the shared dataset before training, so none ran, and none runs here.
        """
        return cls(
            geometry="stretch",
            epochs=epochs,
            probe_share=0,
            last_blocks_share=0,
            learning_rate=1e-4,
            schedule="constant",
            weight_decay=0,
            ema=0,
            label_smoothing=0,
            balance="none",
            augmentation="none",
            split_by="random",
            seed=seed,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Read what :meth:`to_dict` wrote, by this version or an earlier one; other keys are ignored.

        Raises:
            LesionvizError: a setting is out of range.
        """
        known = dict(values)
        if "class_weight_power" in known:  # its name before there were other kinds of balance
            known = FORMERLY | known | {"balance_power": known["class_weight_power"]}
        return cls(**{f.name: known[f.name] for f in fields(cls) if f.name in known})

    @property
    def preprocessing(self) -> Preprocessing:
        """The pipeline of evaluation images under this recipe."""
        return Preprocessing(size=self.size, geometry=self.geometry)

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the training pictures in pixels, from the first epochs' to the last ones'."""
        last = self.train_size or self.size
        return (*range(self.first_size or last, last, SIDE_STEP), last)

    def training_side(self, epoch: int) -> int:
        """Return the side of the training pictures in an epoch (counted from 0), in pixels."""
        return self.sides[epoch * len(self.sides) // self.epochs]

    @property
    def cached_training(self) -> Preprocessing:
        """How cached training images are resized: with room for crops, where they are cropped."""
        room = 1 if self.augmentation == "none" else ROOM_TO_CROP
        return Preprocessing(size=min(1024, round(self.sides[-1] * room)), geometry=self.geometry)

    def to_arguments(self) -> list[str]:
        """Return the options of ``lesionviz train`` that make this recipe, every setting spelled out."""
        words: list[str] = []
        for name, value in self.to_dict().items():
            dashed = name.replace("_", "-")
            if isinstance(value, bool):
                words.append(f"--{dashed}" if value else f"--no-{dashed}")
            else:
                words += [f"--{dashed}", str(value)]
        return words

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for a checkpoint."""
        return asdict(self)

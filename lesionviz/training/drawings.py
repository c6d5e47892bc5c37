"""Trains the small network on drawings alone, so that its answers to drawings make sense; it never sees a photograph.

Made again by ``lesionviz train-drawings --out drawings.pth``. Besides typical drawings, it sees some with a single
structure that names a diagnosis, and some from which all that name it were taken away: a faint network that is left then
is a nevus', and a lesion without any structure has an answer that no diagnosis is sure of.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from lesionviz.checkpoint import DRAWINGS, Checkpoint
from lesionviz.data.drawings import draw, naming, typical
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.network import SMALL, Network, build_network
from lesionviz.preprocessing import Preprocessing, to_tensor

SIZE = 160
DRAWN_SIZES = ((216, 162), (288, 216), (420, 315))
"""Pixels of the drawings; most are small, which is fast."""
UNSURE = {"BCC": 0.2, "BKL": 0.4, "MEL": 0.2, "NV": 0.2}
"""What the answer to a lesion without structures should be."""
FIRST_SEED = 1_000_000
"""Seeds below are for people and tests: no drawing with one of them is learned from."""
LICENCE = "Apache-2.0, as lesionviz itself: nothing but drawings by lesionviz went into it."
ALONE = "Trained on drawings by lesionviz alone; it knows no photographs, and its answers say nothing about skin."


@dataclass(frozen=True)
class DrawingRecipe:
    """Settings of the training on drawings.

    Attributes:
        pictures: how many drawings are learned from.
        epochs: passes over them.
        batch_size: drawings a step.
        learning_rate: peak of the one-cycle schedule.
        weight_decay: of AdamW.
        seed: of the random numbers.
    """

    pictures: int = 4800
    epochs: int = 8
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that no training can have."""
        for name, least, most in (("pictures", self.batch_size, 10**6), ("epochs", 1, 10_000), ("seed", 0, 10**6)):
            if not least <= getattr(self, name) <= most:
                raise LesionvizError(f"The {name} must be {least:,} to {most:,}, not {getattr(self, name):,}.")

    def command(self) -> str:
        """Return the command that trains so again."""
        return f"lesionviz train-drawings --pictures {self.pictures} --epochs {self.epochs} --seed {self.seed}"


@dataclass(frozen=True)
class Lesson:
    """One drawing to learn from.

    Attributes:
        structures: what is drawn.
        answer: the probability of each class, in the order of the classes.
    """

    structures: frozenset[str]
    answer: tuple[float, ...]


def lesson(seed: int) -> Lesson:
    """Return what a seed teaches: a typical drawing, or one of a single structure, or one without."""
    random = np.random.default_rng([seed, 8])
    code = CODES[seed % len(CODES)]
    structures, names = typical(code, seed), naming(code)
    kind = random.random()
    if kind < 0.42:
        return Lesson(structures, _sure(code))
    if kind < 0.82:  # one or two of them, and perhaps what else a drawing of this class has
        few = random.choice(sorted(names), min(len(names), int(random.integers(1, 3))), replace=False)
        rest = structures - names if random.random() < 0.5 else frozenset()
        return Lesson(rest | {str(name) for name in few}, _sure(code))
    without = structures - names
    if "faint network" in without:
        return Lesson(without, _sure("NV"))
    return Lesson(without, tuple(UNSURE[each] for each in CODES))


def train_on_drawings(
    out: Path, recipe: DrawingRecipe | None = None, say: Callable[[str], None] = lambda _: None
) -> Checkpoint:
    """Train the small network and save it in half precision.

    Args:
        out: the file to write.
        recipe: the settings.
        say: told how far it is.
    """
    recipe = recipe or DrawingRecipe()
    say(f"Drawing {recipe.pictures:,} lesions ...")
    pictures, answers = drawn_lessons(recipe.pictures, FIRST_SEED * (1 + recipe.seed))
    preprocessing = Preprocessing(size=SIZE)
    network = _learn(pictures, answers, preprocessing, recipe, say)
    checkpoint = Checkpoint(
        state_dict=network.state_dict(),
        preprocessing=preprocessing,
        metrics={"training": vars(recipe)},
        licence=LICENCE,
        history=(ALONE, f"From random weights, by: {recipe.command()} --out FILE"),
        architecture=SMALL,
        subject=DRAWINGS,
    )
    checkpoint.save(out, half=True)
    return Checkpoint.load(out)


def drawn_lessons(count: int, first_seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return drawings at input size, uint8 (N, 3, SIZE, SIZE), and the answers to them (N, 4)."""
    preprocessing = Preprocessing(size=SIZE)

    def one(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        taught = lesson(seed)
        turn = seed // len(CODES) % 10  # every class comes in every size alike
        size = DRAWN_SIZES[0 if turn < 6 else 1 if turn < 8 else 2]
        seen = preprocessing.resize(draw(taught.structures, seed, size))
        return to_tensor(seen), torch.tensor(taught.answer)

    with ThreadPoolExecutor(2) as pool:  # numpy and Pillow let each other run
        made = list(pool.map(one, range(first_seed, first_seed + count)))
    return torch.stack([picture for picture, _ in made]), torch.stack([answer for _, answer in made])


def _sure(code: str) -> tuple[float, ...]:
    return tuple(float(each == code) for each in CODES)


def _learn(
    pictures: torch.Tensor,
    answers: torch.Tensor,
    preprocessing: Preprocessing,
    recipe: DrawingRecipe,
    say: Callable[[str], None],
) -> Network:
    """Return a network that was trained on pictures and answers."""
    torch.manual_seed(recipe.seed)
    random = torch.Generator().manual_seed(recipe.seed)
    network = build_network(architecture=SMALL).to(memory_format=torch.channels_last).train()
    steps = recipe.epochs * (len(pictures) // recipe.batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, steps, pct_start=0.2)
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(pictures), generator=random)
        losses = []
        for rows in torch.split(order[: steps // recipe.epochs * recipe.batch_size], recipe.batch_size):
            batch = preprocessing.normalise(_varied(pictures[rows], random))
            loss = cross_entropy(network(batch.to(memory_format=torch.channels_last)), answers[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        say(f"Epoch {epoch + 1} of {recipe.epochs}: loss {np.mean(losses):.3f}")
    return network.eval()


def _varied(batch: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Return pictures turned, mirrored, shifted, and in other light."""
    turns, flip = int(torch.randint(4, (), generator=random)), bool(torch.rand((), generator=random) < 0.5)
    batch = torch.rot90(batch.flip(3) if flip else batch, turns, (2, 3))
    shift = torch.randint(-12, 13, (2,), generator=random).tolist()
    side = batch.shape[-1]
    batch = torch.nn.functional.pad(batch.float(), (12, 12, 12, 12), mode="reflect")
    batch = batch[:, :, 12 + shift[0] : 12 + shift[0] + side, 12 + shift[1] : 12 + shift[1] + side]
    light = 1 + 0.10 * torch.randn(len(batch), 1, 1, 1, generator=random)
    tint = 1 + 0.04 * torch.randn(len(batch), 3, 1, 1, generator=random)
    grain = 3 * torch.rand(len(batch), 1, 1, 1, generator=random) * torch.randn(batch[:, :1].shape, generator=random)
    return (batch * light * tint + grain).clamp(0, 255)

"""What the refusal is taught with: dermoscopy of every source, photographs that are none, and other ways to show both.

Rows are of the training parts alone; those of unknown diagnoses that only choose how unfamiliarity is measured are of the
validation parts. Diagnoses that are never taught (:data:`lesionviz.diagnoses.TAUGHT_UNKNOWN` has the taught ones) have no
place here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_images

from lesionviz.data.portions import Portion
from lesionviz.data.strangers import strangers
from lesionviz.diagnoses import TAUGHT_UNKNOWN
from lesionviz.imaging import open_image
from lesionviz.training.clinics import as_elsewhere
from lesionviz.training.dice import Dice
from lesionviz.training.resampling import Resampled

FEWEST_CLOSE_UPS = 20
"""Without so many close-ups nothing can be told apart."""
OF_EACH = 600
"""How many dermoscopic images of a collection teach, if there are so many."""
DRAWN = 40
"""How many drawn pictures of each kind teach that they are no dermoscopy."""
CUT_OUT = 120
"""How many pieces of other photographs do so."""
SEED = 2026
MARKED = 0.4
"""Share of the varied pictures that get a mark, as in a training."""
BATCH = 32
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Lessons:
    """The rows that teach, with a column ``collection``.

    Attributes:
        known: of the four classes.
        dermoscopy: of every collection alike: the four classes, taught unknown diagnoses, and undetermined ones.
        close_ups: what is not dermoscopy.
        unknown: taught unknown diagnoses of the validation parts.
    """

    known: pd.DataFrame
    dermoscopy: pd.DataFrame
    close_ups: pd.DataFrame
    unknown: pd.DataFrame

    @property
    def tell_apart(self) -> bool:
        """Whether there is enough to tell dermoscopy from other photographs."""
        return len(self.close_ups) >= FEWEST_CLOSE_UPS

    def paths(self) -> list[str]:
        """Return the files that are opened."""
        frames = [self.dermoscopy, self.close_ups, self.unknown] if self.tell_apart else [self.known]
        return [path for frame in frames for path in frame["path"]]

    def without(self, damaged: frozenset[str]) -> Lessons:
        """Return the lessons without some files."""
        names = ("known", "dermoscopy", "close_ups", "unknown")
        return replace(self, **{name: (rows := getattr(self, name))[~rows["path"].isin(damaged)] for name in names})


def lessons_of(portions: Sequence[Portion]) -> Lessons:
    """Return what the collections of a training teach the refusal."""

    def rows(part: str, of: str, only: Sequence[str] | None = None) -> pd.DataFrame:
        frames = [each.rows(part, of).assign(collection=each.name) for each in portions]
        found = pd.concat(frames, ignore_index=True)
        return found if only is None else found[found["diagnosis"].isin(only)]

    known, taught = rows("train", "table"), rows("train", "others", TAUGHT_UNKNOWN)
    filled = [frame for frame in (known, taught, rows("train", "undetermined")) if len(frame)]
    everything = pd.concat(filled, ignore_index=True).sample(frac=1, random_state=SEED)
    return Lessons(
        known,
        everything.groupby("collection").head(OF_EACH).reset_index(drop=True),
        rows("train", "close_ups"),
        rows("validation", "others", TAUGHT_UNKNOWN),
    )


def other_photographs() -> list[Pixels]:
    """Return pieces, of many sizes, of photographs that come with scikit-learn and Matplotlib: no skin of a patient."""
    portrait = str(get_sample_data("grace_hopper.jpg", asfileobj=False))
    photographs = [*load_sample_images().images, np.asarray(open_image(portrait).pixels)]
    random, pieces = np.random.default_rng(SEED), []
    for number in range(CUT_OUT):
        photograph = photographs[number % len(photographs)]
        side = int(min(photograph.shape[:2]) * random.uniform(0.15, 1))
        top, left = (int(random.integers(0, length - side + 1)) for length in photograph.shape[:2])
        pieces.append(np.ascontiguousarray(photograph[top : top + side, left : left + side]))
    return pieces


def drawn_strangers() -> list[Image.Image]:
    """Return drawn pictures of other things, none of those that a finished model is judged on."""
    return [picture for pictures in strangers(DRAWN, seed=SEED).values() for picture in pictures]


def resampled(pictures: Sequence[str], side: int, smallest_crop: float, way: int) -> Iterator[Pixels]:
    """Yield pictures (side, side, 3) as other cameras and programs might have cut and resized them, one by one.

    Args:
        pictures: image files.
        side: of the network's input.
        smallest_crop: smallest share of a picture's area that is kept.
        way: a number that names this variation.
    """
    camera = Resampled(side, smallest_crop, SEED, way)
    for number, path in enumerate(pictures):
        yield camera(open_image(path).pixels, None, number).permute(1, 2, 0).contiguous().numpy()


def varied(pictures: Sequence[str], side: int, smallest_crop: float, way: int) -> Iterator[Pixels]:
    """Yield what :func:`resampled` does, with another clinic's light, frame and marks besides."""
    images = resampled(pictures, side, smallest_crop, way)
    for step in count():
        batch = list(islice(images, BATCH))
        if not batch:
            return
        seen = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)
        taken, _ = as_elsewhere(seen, [], Dice("cpu", SEED, way, step), MARKED)
        yield from taken.permute(0, 2, 3, 1).contiguous().numpy()

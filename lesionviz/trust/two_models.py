"""Two models on one picture: what each answers, where each found its evidence, and how far they differ.

Each keeps its own preprocessing, temperature and refusal. Their probabilities can be held against each other, their
logits cannot: a network may add a constant to all of its logits, or stretch them, and answer the same. So their maps are
compared by measures that a scale does not change, on the part of the picture that both saw: Pearson's correlation of the
signed maps (CC), and the overlap of the positive evidence, each map's adding up to one (SIM, the intersection of two
histograms). Both are standard for maps of attention: Bylinskii, Judd, Oliva, Torralba and Durand 2019, doi
10.1109/TPAMI.2018.2815601.

No torch is imported here: two :class:`~lesionviz.case.Case` are enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lesionviz.checkpoint import Checkpoint
from lesionviz.diagnoses import CODES, DIAGNOSES, Target, target_index
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.explanation.result import Explanation
from lesionviz.imaging import ImageSource, open_image
from lesionviz.network import LAYERS
from lesionviz.prediction import Prediction

if TYPE_CHECKING:
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier

CAN_SHOW = "It can show whether an answer hangs on how a network was trained, or another one gives it, too."
CANNOT_SHOW = (
    "It cannot show who is right, and agreement proves little: models that learned from the same images are wrong "
    "together."
)
SAME_FILE, SAME_WEIGHTS = "the same file", "the same weights"
POINTS = 64
"""Along each side of the part that both saw, where their maps are read off."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """Which model answered.

    Attributes:
        name: what to call it.
        sha256: of its file; empty where it was never saved.
        size: side of its input, pixels.
        geometry: how a picture becomes a square for it.
        temperature: that its logits are divided by; 1 where it was not calibrated.
    """

    name: str
    sha256: str
    size: int
    geometry: str
    temperature: float

    @classmethod
    def of(cls, checkpoint: Checkpoint, name: str) -> Model:
        """Return which model a checkpoint is."""
        pre = checkpoint.preprocessing
        return cls(name, checkpoint.file_sha256, pre.size, pre.geometry, checkpoint.temperature)

    @property
    def title(self) -> str:
        """Its name, and the beginning of its hash."""
        return f"{self.name} ({self.sha256[:8] or 'never saved'})"

    @property
    def words(self) -> str:
        """How it looks at pictures."""
        calibrated = f"temperature {self.temperature:.2f}" if self.temperature != 1 else "not calibrated"
        return f"{self.size} × {self.size} pixels, {self.geometry}, {calibrated}"


@dataclass(frozen=True)
class TwoModels:
    """What two models say of one picture. The first is the one that is asked everywhere else.

    Attributes:
        models: which they are.
        predictions: their answers.
        same: :data:`SAME_FILE` or :data:`SAME_WEIGHTS` where they are; else empty.
        target: code of the class whose maps are compared.
        layer, method: of these maps.
        correlation: of the signed maps, −1 to 1; None where one of them is the same everywhere.
        overlap: of the positive evidence, 0 to 1; None where one of them has none.
    """

    models: tuple[Model, Model]
    predictions: tuple[Prediction, Prediction]
    same: str
    target: str
    layer: str
    method: str
    correlation: float | None
    overlap: float | None

    @property
    def agree(self) -> bool | None:
        """Whether they name the same diagnosis; None where one of them gives no answer."""
        return agree(*self.predictions)

    @property
    def differences(self) -> Mapping[str, float]:
        """By class, the second's probability less the first's."""
        first, second = (each.probabilities for each in self.predictions)
        return {code: second[code] - first[code] for code in CODES}

    @property
    def widest(self) -> str:
        """Code of the class whose probability differs most."""
        return max(CODES, key=lambda code: abs(self.differences[code]))

    @property
    def alike(self) -> str:
        """That the second model is none, in a sentence; empty where it is another."""
        return f"The second model is {self.same} as the first, so it is no second opinion." if self.same else ""

    @property
    def verdict(self) -> str:
        """Whether they agree, in a sentence."""
        said = [_answer(model.title, each) for model, each in zip(self.models, self.predictions, strict=True)]
        if self.agree is None:
            return f"They cannot be held against each other: {said[0]}; {said[1]}."
        if not self.agree:
            return f"They disagree: {said[0]}; {said[1]}."
        return f"Both answer {_name(self.predictions[0].diagnosis)}."

    @property
    def in_probability(self) -> str:
        """Where their probabilities differ most, in a sentence."""
        first, second = (each.probabilities[self.widest] for each in self.predictions)
        points = 100 * abs(second - first)
        return f"They differ most in {_name(self.widest)}: {first:.1%} and {second:.1%}, {points:.1f} points."

    @property
    def in_place(self) -> str:
        """How alike their maps are, in a sentence."""
        maps = f"Their {METHODS[self.method].name} maps for {_name(self.target)} at {self.layer}"
        if self.correlation is None and self.overlap is None:
            return f"{maps} cannot be compared: one of them marks nothing."
        alike = "" if self.correlation is None else f"correlate with r = {self.correlation:.2f}".replace("-", "−")
        shared = "" if self.overlap is None else f"share {self.overlap:.0%} of their positive evidence"
        return f"{maps} {' and '.join(each for each in (alike, shared) if each)}, on the part that both saw."

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is to be said, a sentence each."""
        return (*((self.alike,) if self.alike else ()), self.verdict, self.in_probability, self.in_place)


def two_models(
    first: LesionClassifier,
    second: LesionClassifier,
    image: ImageSource,
    target: Target | None = None,
    layer: str = LAYERS[-1],
    method: str = "gradcam",
    names: tuple[str, str] = ("first model", "second model"),
) -> TwoModels:
    """Ask two models about one picture: a forward each, and about six more each for a layer before the last.

    Args:
        first, second: whom to ask; each sees the picture as its own preprocessing makes it.
        image: a path, bytes, PIL image, uint8 array (H, W, 3), or a picture opened before.
        target: the class whose maps are compared; by default the first model's answer.
        layer, method: of these maps.
        names: what to call the two.

    Raises:
        LesionvizError: the image, class, layer or method cannot be used.
    """
    picture = open_image(image)
    cases = (first.examine(picture), second.examine(picture))
    if layer != LAYERS[-1]:
        cases = (first.complete(cases[0]), second.complete(cases[1]))
    models = (Model.of(first.checkpoint, names[0]), Model.of(second.checkpoint, names[1]))
    return compared(cases, models, same(first.checkpoint, second.checkpoint), target, layer, method)


def compared(
    cases: tuple[Case, Case],
    models: tuple[Model, Model],
    alike: str = "",
    target: Target | None = None,
    layer: str = LAYERS[-1],
    method: str = "gradcam",
) -> TwoModels:
    """Hold two cases of one picture against each other.

    Args:
        cases: the first model's and the second's.
        models: which these are.
        alike: from :func:`same`.
        target, layer, method: as for :func:`two_models`.

    Raises:
        LesionvizError: they are of two pictures, or a case does not hold these maps.
    """
    if cases[0].upload != cases[1].upload or cases[0].size != cases[1].size:
        raise LesionvizError(
            f"{cases[0].name} and {cases[1].name} are two pictures. Show both models the same one to compare them."
        )
    code = cases[0].prediction.diagnosis if target is None else CODES[target_index(target)]
    first, second = (case.explanation(code, layer, method) for case in cases)
    one, other = on_common_ground(first, second)
    return TwoModels(
        models,
        (cases[0].prediction, cases[1].prediction),
        alike,
        code,
        layer,
        method,
        correlation(one, other),
        overlap(one, other),
    )


def agree(first: Prediction, second: Prediction) -> bool | None:
    """Whether two answers name the same diagnosis; None where one of them is refused."""
    return None if first.refusal or second.refusal else first.diagnosis == second.diagnosis


def same(first: Checkpoint, second: Checkpoint) -> str:
    """Say whether two checkpoints are :data:`SAME_FILE` or hold :data:`SAME_WEIGHTS`; empty where they do not."""
    if first.file_sha256 and first.file_sha256 == second.file_sha256:
        return SAME_FILE
    weights = (first.state_dict, second.state_dict)
    if weights[0].keys() != weights[1].keys() or not weights[0]:
        return ""
    return SAME_WEIGHTS if all(weights[0][key].equal(weights[1][key]) for key in weights[0]) else ""


def on_common_ground(first: Explanation, second: Explanation) -> tuple[Floats, Floats]:
    """Return two maps of one picture at the same points of it, (``POINTS``, ``POINTS``), interpolated as pages draw them.

    The networks may have inputs and cells of other sizes, and may see another part; the points lie in what both saw.
    """
    left, top = max(first.box[0], second.box[0]), max(first.box[1], second.box[1])
    right, bottom = min(first.box[2], second.box[2]), min(first.box[3], second.box[3])
    steps = (np.arange(POINTS) + 0.5) / POINTS
    across, down = left + steps * (right - left), top + steps * (bottom - top)

    def read(made: Explanation) -> Floats:
        start, above, end, below = made.box
        columns = _weights((across - start) / (end - start), len(made.raw))
        rows = _weights((down - above) / (below - above), len(made.raw))
        found: Floats = rows @ made.raw.astype(np.float64) @ columns.T
        return found

    return read(first), read(second)


def correlation(first: Floats, second: Floats) -> float | None:
    """Return Pearson's correlation of two maps (CC), −1 to 1; None where one of them is the same everywhere."""
    one, other = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((one**2).sum() * (other**2).sum()))
    if np.ptp(first) == 0 or np.ptp(second) == 0 or spread == 0:
        return None
    return float(np.clip((one * other).sum() / spread, -1, 1))


def overlap(first: Floats, second: Floats) -> float | None:
    """Return how much of their positive evidence two maps share (SIM), 0 to 1; None where one of them has none."""
    one, other = first.clip(0), second.clip(0)
    if one.sum() <= 0 or other.sum() <= 0:
        return None
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def _weights(shares: Floats, cells: int) -> Floats:
    """Return how much each cell counts at each point (points, cells), bilinear, half pixels aligned."""
    at = np.clip(shares * cells - 0.5, 0, cells - 1)
    found: Floats = np.maximum(0.0, 1 - np.abs(at[:, None] - np.arange(cells)))
    return found


def _name(code: str) -> str:
    return f"{DIAGNOSES[CODES.index(code)].name} ({code})"


def _answer(title: str, prediction: Prediction) -> str:
    if prediction.refusal:
        return f"{title} gives no answer, because {prediction.refusal}"
    return f"{title} answers {_name(prediction.diagnosis)}, {prediction.confidence:.1%}"

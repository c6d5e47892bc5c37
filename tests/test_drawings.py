"""Drawings to explain dermoscopy with: what a seed decides, what structures decide, and what must tell nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lesionviz.data.drawings import STRUCTURES, draw, naming, typical
from lesionviz.data.drawings.canvas import Canvas
from lesionviz.data.drawings.skin import plain_lesion
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.errors import LesionvizError

SIZE = (200, 150)
Floats = npt.NDArray[np.float64]


def pixels(structures: frozenset[str] | set[str], seed: int) -> Floats:
    return np.asarray(draw(structures, seed, SIZE), np.float64)


def ground(seed: int, structures: frozenset[str] = frozenset()) -> Canvas:
    """The lesion before structures are drawn: its true outline."""
    return plain_lesion(seed, *SIZE, "asymmetric outline" in structures, "sharp border" in structures)


def test_same_arguments_give_the_same_picture_and_another_seed_another() -> None:
    assert np.array_equal(pixels(typical("MEL", 3), 3), pixels(typical("MEL", 3), 3))
    assert not np.array_equal(pixels(typical("MEL", 3), 3), pixels(typical("MEL", 3), 4))


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_is_seen_and_leaves_the_skin_far_from_the_lesion_as_it_is(name: str) -> None:
    without, with_it = pixels(set(), 12), pixels({name}, 12)
    changed = np.abs(with_it - without).max(axis=2)
    assert (changed > 12).mean() > 0.001
    if name != "hairs":
        far = ground(12).reach > 1.5
        assert far.any()
        assert changed[far].max() <= 1


def test_a_structure_does_not_move_when_another_is_left_out() -> None:
    both, one = pixels({"comedo-like openings", "milia-like cysts"}, 5), pixels({"comedo-like openings"}, 5)
    plain = pixels(set(), 5)
    # The darkest places are the plugs; cysts are bright and lie over a few of them.
    plugs = (plain - one).max(axis=2) > 45
    assert plugs.sum() > 20
    assert ((plain - both).max(axis=2) > 30)[plugs].mean() > 0.8


def test_the_same_seed_gives_every_diagnosis_the_same_skin_outline_and_light() -> None:
    for seed in range(4):
        pictures = [pixels(typical(code, seed) - {"hairs"}, seed) for code in CODES]
        far = ground(seed, typical("NV", seed)).reach > 1.5
        for other in pictures[1:]:
            assert np.abs(other - pictures[0]).max(axis=2)[far].max() <= 1
        chance = [typical(code, seed) & {"asymmetric outline", "hairs"} for code in CODES]
        assert len(set(chance)) == 1


def test_a_typical_drawing_has_structures_of_its_own_diagnosis_and_no_other() -> None:
    for seed in range(50):
        for code in CODES:
            found = typical(code, seed)
            assert found & naming(code)
            for other in set(CODES) - {code}:
                assert not found & naming(other)


def test_every_structure_that_names_a_diagnosis_is_drawn_sometimes() -> None:
    drawn = set().union(*(typical(code, seed) for code in CODES for seed in range(40)))
    assert drawn == set(STRUCTURES)
    for code in CODES:
        assert {name for name, each in STRUCTURES.items() if each.names == code} >= naming(code)


def test_structures_leave_the_mean_colour_of_the_lesion_near_that_of_the_plain_one() -> None:
    for seed in range(6):
        inside = ground(seed).inside[..., None]
        plain = (pixels(set(), seed) * inside).sum((0, 1)) / inside.sum()
        for code in CODES:
            bare = typical(code, seed) - {"asymmetric outline", "sharp border", "hairs"}
            mean = (pixels(bare, seed) * inside).sum((0, 1)) / inside.sum()
            assert np.abs(mean - plain).max() < 14, (code, seed)


@pytest.mark.parametrize(
    ("structures", "words"),
    [
        ({"blue-white vale"}, "Did you mean blue-white veil"),
        ({""}, "Choose from: asymmetric outline"),
        ("dots", "several names"),
    ],
)
def test_unknown_structures_are_refused_by_name(structures: set[str], words: str) -> None:
    with pytest.raises(LesionvizError, match=words):
        draw(structures, 1)


@pytest.mark.parametrize("size", [(8, 100), (100, 100_000), (100.5, 100), (True, 100), (100, 100, 100)])
def test_impossible_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(LesionvizError, match="32 to 2048 pixels"):
        draw(set(), 1, size)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "1"])
def test_impossible_seeds_are_refused(seed: int) -> None:
    with pytest.raises(LesionvizError, match="whole number of at least 0"):
        draw(set(), seed)


@pytest.mark.parametrize("size", [(32, 32), (64, 48), (48, 640), (1000, 300)])
def test_every_structure_can_be_drawn_at_every_size(size: tuple[int, int]) -> None:
    picture = draw(set(STRUCTURES), 7, size)
    assert picture.size == size
    assert picture.mode == "RGB"


def test_the_samples_are_typical_drawings_named_as_synthetic() -> None:
    assert [sample.name for sample in synthetic_samples()] == [f"synthetic {each.name}" for each in DIAGNOSES]


@pytest.mark.heavy
@pytest.mark.once
def test_mean_colour_size_and_symmetry_hardly_tell_the_diagnosis() -> None:
    count = 60
    rows = [nuisances(code, seed) for seed in range(count) for code in CODES]
    truth = np.tile(np.arange(len(CODES)), count)
    learned = np.arange(len(rows)) < 0.6 * len(rows)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(np.array(rows)[learned], truth[learned])
    assert model.score(np.array(rows)[~learned], truth[~learned]) <= 0.5


def nuisances(code: str, seed: int) -> list[float]:
    """Mean colour of lesion and picture, size, and how alike the halves are in shape and in colour."""
    structures = typical(code, seed)
    picture, outline = pixels(structures, seed), ground(seed, structures).inside > 0.5
    found = [*picture[outline].mean(0), *picture.mean((0, 1)), outline.mean()]
    middle = [
        int(np.round(size / 2 - place.mean())) for size, place in zip(outline.shape, np.nonzero(outline), strict=True)
    ]
    centred = np.roll(outline, middle, (0, 1))
    grey = np.roll(gaussian_filter(picture.mean(2), 4), middle, (0, 1))
    for axis in (0, 1):
        mirrored = np.flip(centred, axis)
        found.append((centred & mirrored).sum() / (centred | mirrored).sum())
        found.append(np.abs(grey - np.flip(grey, axis))[centred].mean())
    return [float(value) for value in found]

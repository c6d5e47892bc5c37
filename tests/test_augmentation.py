"""What training draws: every image its own, the same after a resumption, and only where a mark says it is."""

from __future__ import annotations

import ast
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.portions import Division, Portion
from lesionviz.data.split import split_by_lesion
from lesionviz.data.synthetic import draw_lesion
from lesionviz.recipe import Recipe
from lesionviz.training import light, marks
from lesionviz.training.augmentation import LabelledImages, training_way
from lesionviz.training.clinics import WEIGHTS, as_elsewhere
from lesionviz.training.dice import Dice
from lesionviz.training.light import relit
from lesionviz.training.loop import Run
from lesionviz.training.marks import MARKS, Mark
from lesionviz.training.placement import placed
from lesionviz.training.resampling import Resampled

RECIPE = Recipe(size=64, augmentation="clinics")
TRAINING = Path(marks.__file__).parent


def lesion(side: int = 64) -> torch.Tensor:
    """A drawn lesion, uint8 (3, S, S)."""
    return torch.from_numpy(np.array(draw_lesion("MEL", 3, (side, side))).transpose(2, 0, 1).copy())


def all_different(batch: torch.Tensor) -> bool:
    return len({picture.numpy().tobytes() for picture in batch}) == len(batch)


def elsewhere(batch: torch.Tensor, *seeds: int, share: float = 0.4) -> torch.Tensor:
    return as_elsewhere(batch, [], Dice("cpu", *seeds), share)[0]


def test_32_equal_images_come_out_as_32_different_ones() -> None:
    """With transforms of torchvision's v2 on a batch they would come out as 32 equal ones."""
    changed = elsewhere(lesion().expand(32, -1, -1, -1), 0, 1, 2, 3)
    assert all_different(changed)
    means = changed.float().mean((1, 2, 3))  # not by their marks alone: the light differs too
    assert len({round(mean.item(), 2) for mean in means}) > 28


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_batch_keeps_its_kind_and_its_range(share: float) -> None:
    for side in (64, 97):
        batch = lesion(side).expand(12, -1, -1, -1)
        changed, outlines = as_elsewhere(
            batch, [torch.full((12, 1, side, side), 255, dtype=torch.uint8)], Dice("cpu", 1), share
        )
        assert (changed.dtype, changed.shape) == (torch.uint8, batch.shape)
        assert (outlines[0].dtype, outlines[0].shape) == (torch.uint8, (12, 1, side, side))
        assert (outlines[0] == 255).all()
        assert torch.equal(batch, lesion(side).expand(12, -1, -1, -1))  # the batch itself is left as it was
        assert all(20 < picture.float().mean() < 240 for picture in changed)


def test_the_same_seeds_draw_the_same_batch_and_every_seed_counts() -> None:
    batch = lesion().expand(8, -1, -1, -1)
    first = elsewhere(batch, 5, 1, 2, 3)
    assert torch.equal(first, elsewhere(batch, 5, 1, 2, 3))
    torch.manual_seed(99)  # nothing else that is drawn counts
    assert torch.equal(first, elsewhere(batch, 5, 1, 2, 3))
    for other in ((6, 1, 2, 3), (5, 2, 2, 3), (5, 1, 3, 3), (5, 1, 2, 4), (5, 2, 1, 3)):
        assert not torch.equal(first, elsewhere(batch, *other))


def test_no_chance_leaves_no_mark_and_the_share_is_kept_with_frames_twice_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: Counter[str] = Counter()

    def counting(mark: Mark) -> Mark:
        def draw(dice: Dice, count: int, side: int) -> marks.Paint:
            drawn[mark.__name__] += count
            return mark(dice, count, side)

        return draw

    monkeypatch.setattr("lesionviz.training.clinics.MARKS", tuple(map(counting, MARKS)))
    batch = torch.full((500, 3, 4, 4), 128, dtype=torch.uint8)
    for step in range(4):
        elsewhere(batch, step, share=0.0)
    assert not drawn
    for step in range(4):
        elsewhere(batch, step, share=0.4)
    assert sum(drawn.values()) == pytest.approx(0.4 * 2000, abs=3 * math.sqrt(2000 * 0.24))
    for mark, weight in zip(MARKS, WEIGHTS, strict=True):
        share = weight / 7
        spread = 3.5 * math.sqrt(800 * share * (1 - share))
        assert drawn[mark.__name__] == pytest.approx(800 * share, abs=spread)
    assert WEIGHTS[MARKS.index(marks.frame)] == 2


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: mark.__name__)
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_mark_changes_a_picture_only_where_its_cover_says(mark: Mark, value: float) -> None:
    pictures = torch.full((24, 3, 64, 64), value)
    paint = mark(Dice("cpu", 7), 24, 64)
    painted = paint.on(pictures)
    untouched = (paint.cover == 0).expand_as(pictures)
    assert torch.equal(painted[untouched], pictures[untouched])
    assert 0 <= painted.min() <= painted.max() <= 1
    assert 0 <= paint.cover.min() <= paint.cover.max() <= 1
    share = (paint.cover > 0).float().mean((1, 2, 3))
    assert (share > 0).float().mean() > 0.8  # it may lie outside the picture, but seldom does
    assert all_different(painted)


@pytest.mark.heavy
@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: mark.__name__)
def test_marks_come_faint_and_strong_small_and_large(mark: Mark) -> None:
    cover = mark(Dice("cpu", 11), 80, 120).cover
    strength, area = cover.amax((1, 2, 3)), (cover > 0.05).float().mean((1, 2, 3))
    seen = area > 0
    assert strength[seen].min() < 0.9 < 0.93 < strength.max()
    assert area.max() > 3 * area[seen].quantile(0.1)


@pytest.mark.heavy
def test_hair_has_any_grey_and_ink_has_five_colours() -> None:
    dice = Dice("cpu", 3)
    paint = marks.hair(dice, 300, 48)
    places = paint.cover.flatten(1).argmax(1)
    grey = torch.stack([colour.flatten(1)[1, place] for colour, place in zip(paint.colour, places, strict=True)])
    assert grey.min() < 0.1
    assert grey.max() > 0.6
    inks = marks.ink(dice, 300, 8).colour.flatten(1)
    nearest = torch.cdist(inks, torch.tensor(marks.INKS)).argmin(1)
    assert all(count > 30 for count in Counter(nearest.tolist()).values())
    assert len(set(nearest.tolist())) == 5


def test_an_arc_of_ink_spans_from_a_sixth_of_a_turn_to_all_of_it() -> None:
    ring = marks._arc(Dice("cpu", 2), 400, 48)[:, 0]
    x, y = marks._grid(48, Dice("cpu"))
    around = (torch.atan2(y, x)[0, 0] / math.pi * 18).floor()
    touched = torch.tensor([len(around[one > 0.2].unique()) * 10.0 for one in ring])
    assert touched.quantile(0.05) < 110
    assert touched.max() == 360


def test_a_straight_line_is_as_wide_as_it_says() -> None:
    class Middle(Dice):
        def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
            return torch.full(shape, (low + high) / 2)

        def normal(self, deviation: float, *shape: int) -> torch.Tensor:
            return torch.zeros(shape)

    one = torch.ones(1, 1)
    cover = marks._lines(Middle("cpu"), 100, 0 * one, 0 * one, 0.1 * one, 0.5 * one, tip=0)[0, 0]
    # Half a thickness of 0.1 is 5 pixels of 100 on each side; half a length of 0.5 is 25.
    assert cover[:, 50].sum().item() == pytest.approx(10, abs=0.1)
    assert cover[50].sum().item() == pytest.approx(50, abs=0.1)
    assert cover[:20].sum() == 0


def test_an_outline_moves_with_its_picture() -> None:
    outline = torch.zeros(40, 1, 64, 64, dtype=torch.uint8)
    outline[:, :, 8:30, 10:44] = 255
    pictures = outline.expand(-1, 3, -1, -1).clone()
    planes = placed(torch.cat([pictures, outline], 1).float(), Dice("cpu", 4), torch.ones(40))
    assert torch.equal(planes[:, 0], planes[:, 3])
    changed, (moved,) = as_elsewhere(pictures, [outline], Dice("cpu", 4), 0.0)
    bright = changed.float().mean(1) > 64
    assert (bright == (moved[:, 0] > 127)).float().mean() > 0.98
    assert len({one.sum().item() for one in moved}) > 10


def test_pictures_without_an_odd_angle_come_out_in_eight_symmetries_with_their_pixels_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lesionviz.training.placement.TILTED", 0.0)
    picture = torch.rand(3, 32, 32)
    turned = [torch.rot90(picture, quarter, (1, 2)) for quarter in range(4)]
    expected = torch.stack([*turned, *(one.flip(2) for one in turned)])
    found = placed(picture.expand(200, -1, -1, -1), Dice("cpu", 0), torch.ones(200))
    distance = (found[:, None] - expected[None]).abs().amax((2, 3, 4))
    assert distance.amin(1).max() < 1e-4
    counts = Counter(distance.argmin(1).tolist())
    assert len(counts) == 8
    assert min(counts.values()) > 10  # of 25 expected


def test_twice_as_much_is_seen_at_half_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionviz.training.placement.TILTED", 0.0)
    square = torch.zeros(1, 1, 64, 64)
    square[:, :, 16:48, 16:48] = 1
    found = placed(square, Dice("cpu", 0), torch.tensor([2.0]))
    assert found[:, :, 16:48, 16:48].sum().item() == pytest.approx(32 * 32 / 4, rel=0.02)
    assert found.sum().item() == pytest.approx(32 * 32, rel=0.02)  # and its mirror images beyond the rim


def test_light_keeps_greys_grey_but_for_the_lamp_and_hue_turns_little() -> None:
    brown = torch.tensor([0.45, 0.28, 0.2]).view(1, 3, 1, 1).expand(400, 3, 8, 8).clone()
    lit = relit(brown, Dice("cpu", 1)).mean((2, 3))
    assert all_different(lit)
    assert (lit[:, 0] > lit[:, 2]).float().mean() > 0.99  # brown stays on the red side of blue
    assert (lit.mean(1).quantile(0.95) / lit.mean(1).quantile(0.05)) > 1.5
    matrix = light._colour_matrix(Dice("cpu", 2), 500)
    grey = matrix.sum(2)  # what becomes of white
    assert ((grey.amax(1) / grey.amin(1)) - 1).median() < 0.15


def test_shades_of_grey_takes_the_colour_of_the_light_out() -> None:
    tinted = torch.rand(2, 3, 16, 16) * torch.tensor([1.0, 0.7, 0.6]).view(1, 3, 1, 1)

    def norm(pictures: torch.Tensor) -> torch.Tensor:
        return pictures.pow(6).mean((2, 3)).pow(1 / 6)

    whole = light._balanced(tinted, torch.ones(1))
    assert torch.allclose(norm(whole), norm(whole).mean(1, keepdim=True).expand(-1, 3), rtol=1e-4)
    assert torch.equal(light._balanced(tinted, torch.zeros(1)), tinted)


def test_the_loader_draws_by_seed_epoch_and_picture_alone() -> None:
    picture = draw_lesion("NV", 1, (73, 73))
    ways = [training_way(replace(RECIPE, seed=seed), epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    drawn = [torch.stack([way(picture, None, index) for index in range(24)]) for way in ways]
    assert all_different(torch.cat(drawn))
    torch.manual_seed(1)
    np.random.seed(1)
    assert torch.equal(torch.stack([ways[0](picture, None, index) for index in range(24)]), drawn[0])
    images = LabelledImages([picture] * 3, [0, 1, 2], ways[0])  # type: ignore[arg-type]
    assert torch.equal(images[2][0], drawn[0][2])


def test_a_crop_keeps_its_share_and_carries_its_outline() -> None:
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[8:50, 8:70] = 255
    picture = Image.fromarray(pixels)
    way = Resampled(64, 0.5, 0, 0)
    for index in range(24):
        cut, outline = way(picture, picture, index)
        assert (cut.shape, outline.shape) == ((3, 64, 64), (1, 64, 64))
        assert ((cut.float().mean(0) > 100) == (outline[0] > 100)).float().mean() > 0.95
        left, top, right, bottom = way._box(np.random.default_rng(index), 120, 80)
        assert 0 <= left < right <= 120
        assert 0 <= top < bottom <= 80
        assert 0.45 <= (right - left) * (bottom - top) / (120 * 80) <= 1.0001


def test_resampling_makes_pictures_softer_and_sharper() -> None:
    picture = Image.effect_noise((80, 80), 60).convert("RGB")
    way = Resampled(80, 1.0, 0)
    drawn = torch.stack([way(picture, None, index) for index in range(200)]).float()[:, 0]
    detail = (drawn[:, 1:] - drawn[:, :-1]).abs().mean((1, 2))
    assert detail.max() > 4 * detail.min()


def test_training_knows_nothing_of_the_drawings_that_a_model_is_probed_with() -> None:
    """Else a good figure would only say that a test was learned by heart."""
    for path in TRAINING.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        judges = path.stem == "probes"
        assert ("lesionviz.data.artefacts" in used) == judges, path.stem
        if path.stem in {"dice", "light", "marks", "placement", "clinics", "resampling", "augmentation"}:
            assert not {module for module in used if "probes" in module or "evaluation" in module}


@pytest.mark.heavy
def test_a_training_for_every_clinic_is_the_same_with_and_without_a_loader_process(
    drawn_folder: Path, tmp_path: Path
) -> None:
    losses = {}
    for augmentation, workers in (("clinics", 0), ("clinics", 1), ("none", 0)):
        recipe = replace(
            RECIPE, epochs=1, batch_size=16, probe_share=0, last_blocks_share=0, augmentation=augmentation
        )
        collection = read_isic2019(drawn_folder)
        run = Run(
            recipe,
            Division(Portion(collection, split_by_lesion(collection))),
            "scratch",
            tmp_path,
            half=False,
            cpu=True,
            workers=workers,
            watch=None,
            stop=None,
        )
        losses[augmentation, workers] = run._train()
    assert losses["clinics", 0] == losses["clinics", 1] != losses["none", 0]

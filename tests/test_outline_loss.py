"""Training with outlines: the share outside, worked out by hand, and outlines that stay with their pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lesionviz.checkpoint import Checkpoint
from lesionviz.data.isic2019 import read_isic2019
from lesionviz.data.outlines import find_outlines
from lesionviz.errors import LesionvizError
from lesionviz.evaluation.report.commands import training_command
from lesionviz.recipe import Recipe
from lesionviz.training.augmentation import LabelledImages, Outlines, augmented, training_way
from lesionviz.training.outline_loss import evidence_outside
from lesionviz.training.train import train

SMALL = Recipe(
    size=64, epochs=2, probe_share=0, last_blocks_share=0, batch_size=16, learning_rate=1e-3, outline_weight=0.5
)


def maps_of(*rows: list[list[float]]) -> torch.Tensor:
    """Evidence for class 1 on a grid of two by two cells; the other classes' would be seen in the outcome."""
    maps = torch.full((len(rows), 4, 2, 2), 100.0)
    maps[:, 1] = torch.tensor(rows)
    return maps


def outline_of(cells: list[list[int]]) -> torch.Tensor:
    """An outline of 8 by 8 pixels whose quarters are inside (1) or outside (0)."""
    return torch.tensor(cells, dtype=torch.uint8).mul(255).repeat_interleave(4, 0).repeat_interleave(4, 1)[None, None]


def outside(maps: torch.Tensor, *outlines: torch.Tensor) -> float:
    return evidence_outside(maps, torch.ones(len(maps), dtype=torch.long), torch.cat(outlines)).item()


def test_the_share_outside_by_hand() -> None:
    # Positive evidence 3 and 1; what speaks against the class counts nowhere.
    maps = maps_of([[3.0, -7.0], [1.0, 0.0]])
    assert outside(maps, outline_of([[1, 0], [0, 0]])) == pytest.approx(1 / 4)
    assert outside(maps, outline_of([[0, 0], [1, 0]])) == pytest.approx(3 / 4)
    assert outside(maps, outline_of([[1, 1], [1, 1]])) == 0
    half = outline_of([[1, 1], [1, 1]])
    half[..., ::2] = 0  # every other column: each cell half inside
    assert outside(maps, half) == pytest.approx(1 / 2)


def test_an_image_without_lesion_in_view_or_without_evidence_asks_nothing_and_counts_as_an_image() -> None:
    maps = maps_of([[3.0, 0.0], [1.0, 0.0]], [[3.0, 0.0], [1.0, 0.0]], [[-1.0, -1.0], [-1.0, -1.0]])
    maps.requires_grad_()
    outlines = torch.cat([outline_of([[1, 0], [0, 0]]), outline_of([[0, 0], [0, 0]]), outline_of([[1, 0], [0, 0]])])
    loss = evidence_outside(maps, torch.ones(3, dtype=torch.long), outlines)
    assert loss.item() == pytest.approx(1 / 4 / 3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert maps.grad is not None
    assert maps.grad[0].abs().sum() > 0
    assert maps.grad[1:].abs().sum() == 0


def test_an_outline_is_cut_and_turned_with_its_picture() -> None:
    # The picture is its own outline, so that what is white in one must be white in the other.
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[8:40, 8:60] = 255
    picture = Image.fromarray(pixels)
    way = augmented(Recipe(size=64))
    seen = set()
    for seed in range(24):
        torch.manual_seed(seed)
        cut, outline = way(picture, picture)
        assert cut.shape == (3, 64, 64)
        assert outline.shape == (1, 64, 64)
        assert type(outline) is torch.Tensor
        bright = cut.float().mean(0) > 64
        assert (bright == (outline[0] > 127)).float().mean() > 0.95
        seen.add(outline.sum().item())
    assert len(seen) > 12


def test_with_and_without_outlines_pictures_are_cut_and_coloured_alike() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8))
    for recipe in (Recipe(size=64, augmentation=kind) for kind in ("full", "clinics", "none")):
        torch.manual_seed(5)
        alone = training_way(recipe, 0)(picture)
        torch.manual_seed(5)
        assert torch.equal(training_way(recipe, 0)(picture, picture)[0], alone)


def test_a_picture_without_an_outline_is_all_inside() -> None:
    picture = Image.new("RGB", (96, 96), "black")
    images = LabelledImages([picture] * 2, [1, 2], training_way(Recipe(size=64), 0), Outlines([picture], [None, 0]))  # type: ignore[arg-type]
    assert [outline.float().mean().item() for _, _, outline in images] == [255, 0]


@pytest.fixture(scope="module")
def outlines(drawn_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outlines of all drawn images but the first: a square in the middle."""
    folder = tmp_path_factory.mktemp("lesion_masks") / "drawn"
    folder.mkdir()
    for path in read_isic2019(drawn_folder).present["path"].tolist()[1:]:
        pixels = np.zeros((96, 128), np.uint8)
        pixels[24:72, 40:88] = 255
        Image.fromarray(pixels).save(folder / f"{Path(path).stem}_segmentation.png")
    return folder


@pytest.mark.heavy
def test_a_training_with_outlines_learns_otherwise_and_says_so(
    drawn_folder: Path, outlines: Path, tmp_path: Path
) -> None:
    with_them = train(drawn_folder, tmp_path / "with", outlines=[outlines], init="scratch", recipe=SMALL, cpu=True)
    without = train(
        drawn_folder, tmp_path / "without", init="scratch", recipe=replace(SMALL, outline_weight=0.0), cpu=True
    )
    losses = [result.history["train_loss"].iloc[0] for result in (with_them, without)]
    assert 0 < losses[0] - losses[1] < 0.5  # at most the weight, as the share is at most 1
    checkpoint = Checkpoint.load(with_them.checkpoint)
    assert any("with an outline of the lesion" in sentence for sentence in checkpoint.history)
    command = training_command(checkpoint)
    assert "--outlines lesion_masks" in command
    assert "--outline-weight 0.5" in command
    assert "--outlines" not in training_command(Checkpoint.load(without.checkpoint))


def test_outlines_and_their_weight_belong_together(drawn_folder: Path, outlines: Path, tmp_path: Path) -> None:
    for folders, recipe in (([], SMALL), ([outlines], replace(SMALL, outline_weight=0.0))):
        with pytest.raises(LesionvizError, match="belong together"):
            train(drawn_folder, tmp_path / "run", outlines=folders, init="scratch", recipe=recipe, cpu=True)
    assert not (tmp_path / "run").exists()


def test_outlines_that_fit_no_image_are_refused(drawn_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(LesionvizError, match="no folder"):
        find_outlines(["a.jpg"], [tmp_path / "nowhere"])
    with pytest.raises(LesionvizError, match="No training image has an outline"):
        train(drawn_folder, tmp_path / "run", outlines=[tmp_path], init="scratch", recipe=SMALL, cpu=True)
    for path in read_isic2019(drawn_folder).present["path"]:
        Image.new("L", (5, 5)).save(tmp_path / f"{Path(path).stem}_segmentation.png")
    with pytest.raises(LesionvizError, match=r"another size than its image: \(5, 5\), not \(128, 96\)"):
        train(drawn_folder, tmp_path / "run", outlines=[tmp_path], init="scratch", recipe=SMALL, cpu=True)

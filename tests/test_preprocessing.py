from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lesionviz.errors import LesionvizError
from lesionviz.preprocessing import Preprocessing, to_tensor


@pytest.mark.parametrize(
    ("geometry", "size", "box"),
    [
        ("centre square", (600, 450), (75, 0, 525, 450)),
        ("centre square", (450, 600), (0, 75, 450, 525)),
        ("centre square", (101, 100), (0, 0, 100, 100)),
        ("stretch", (600, 450), (0, 0, 600, 450)),
    ],
)
def test_the_box_is_the_part_that_the_network_sees(
    geometry: str, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    assert Preprocessing(geometry=geometry).box(*size) == box  # type: ignore[arg-type]


def test_the_centre_square_leaves_the_sides_out() -> None:
    picture = Image.new("RGB", (600, 450), "red")
    picture.paste("blue", (75, 0, 525, 450))
    seen = Preprocessing(size=64).resize(picture)
    assert seen.size == (64, 64)
    assert set(map(tuple, np.asarray(seen).reshape(-1, 3).tolist())) == {(0, 0, 255)}


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((640, 640, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the output: must come out as an even grey
    seen = np.asarray(Preprocessing(size=64).resize(Image.fromarray(stripes)), int)
    assert np.abs(seen - 127.5).max() < 5


@pytest.mark.parametrize("size", [(600, 450), (1024, 1024), (32, 32), (100, 120), (1500, 33), (224, 224)])
@pytest.mark.parametrize("geometry", ["centre square", "stretch"])
def test_the_fast_way_to_resize_is_off_by_one_grey_level_at_most(size: tuple[int, int], geometry: str) -> None:
    settings = Preprocessing(geometry=geometry)  # type: ignore[arg-type]
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    for pixels in (noise, (noise > 127) * np.uint8(255)):
        picture = Image.fromarray(pixels)
        fast = settings.resize_fast(picture)
        assert (fast.mode, fast.size) == ("RGB", (224, 224))
        away = np.abs(np.asarray(settings.resize(picture), int) - np.asarray(fast, int))
        assert away.max() <= 1
        if size == (600, 450):  # as most images of ISIC 2019 are
            assert (away > 0).mean() < 0.01


def test_normalise_follows_the_formula() -> None:
    batch = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 64, 64)
    normal = Preprocessing(size=64, mean=(0.5, 0.25, 0.4), std=(0.5, 0.2, 0.3)).normalise(batch)
    assert normal.dtype == torch.float32
    expected = [(0 - 0.5) / 0.5, (128 / 255 - 0.25) / 0.2, (1 - 0.4) / 0.3]
    assert normal[0, :, 5, 5].tolist() == pytest.approx(expected)


def test_tensors_have_channels_first() -> None:
    picture = Image.new("RGB", (5, 4), (1, 2, 3))
    tensor = to_tensor(picture)
    assert tensor.shape == (3, 4, 5)
    assert tensor[:, 0, 0].tolist() == [1, 2, 3]


def test_settings_survive_a_round_trip() -> None:
    settings = Preprocessing(size=160, geometry="stretch", mean=(0.1, 0.2, 0.3))
    assert Preprocessing.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    "wrong",
    [{"size": 10}, {"size": 224.0}, {"size": True}, {"geometry": "zoom"}, {"mean": (0.5, 0.5)}, {"std": (0, 1, 1)}],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(LesionvizError):
        Preprocessing.from_dict(Preprocessing().to_dict() | wrong)


def test_incomplete_settings_are_refused() -> None:
    with pytest.raises(LesionvizError, match="incomplete"):
        Preprocessing.from_dict({"size": 224})

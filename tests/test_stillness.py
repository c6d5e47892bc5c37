"""Whether the answer holds still, on networks that look at nothing, at one side, at the light."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.trust.stillness import FORWARDS, VARIANTS, Answered, Stillness, stillness, variant
from lesionviz.wire import pack, unpack


class Network:
    """Calls BCC with the probability that a function gives a square, and a nevus otherwise."""

    def __init__(self, look: Callable[[np.ndarray], float]) -> None:
        self.look, self.asked = look, list[int]()

    def shares(self, squares: np.ndarray) -> np.ndarray:
        self.asked.append(len(squares))
        shares = np.zeros((len(squares), 4))
        shares[:, 0] = [self.look(square) for square in squares]
        shares[:, -1] = 1 - shares[:, 0]
        return shares


def half_dark() -> np.ndarray:
    square = np.full((100, 100, 3), 200, np.uint8)
    square[:, :50] = 0
    return square


def test_a_network_that_ignores_the_picture_holds_perfectly_still() -> None:
    network = Network(lambda square: 0.7)
    found = stillness(network, half_dark())
    assert found.kept == 1
    assert {each.probability for each in found.variants} == {0.7}
    assert (found.diagnosis, found.confidence) == ("BCC", 0.7)
    assert network.asked == [FORWARDS] == [24]


def test_a_network_that_looks_at_the_left_side_falls_where_that_side_goes_elsewhere() -> None:
    found = stillness(Network(lambda square: float(square[45:55, :20].mean() < 100)), half_dark())
    fallen = {each.name for each in found.variants if each.diagnosis == "NV"}
    quarters = {name for name in VARIANTS if "quarter turn" in name}  # the left side is half bright then
    assert fallen == {"upside down", "mirrored left to right"} | quarters
    assert found.kept == pytest.approx(17 / 23)
    assert found.worst.probability == 0


def test_a_network_that_looks_at_the_light_falls_in_the_dark() -> None:
    found = stillness(Network(lambda square: float(square.mean()) / 255), np.full((64, 64, 3), 140, np.uint8))
    assert {each.name for each in found.variants if each.diagnosis != "BCC"} == {"15 % darker"}
    assert found.worst == Answered("15 % darker", "NV", pytest.approx(1 - 119 / 255), pytest.approx(119 / 255))
    assert found.sentence == (
        "22 of 23 variants keep basal cell carcinoma (55% for the picture as it is). The worst: 15 % darker, where basal "
        "cell carcinoma has 47%, and the answer is melanocytic nevus."
    )


def test_the_picture_of_the_worst_comes_from_its_name() -> None:
    square = np.array(draw_lesion("BKL", 5, (96, 96)))
    seen: list[np.ndarray] = []

    def look(one: np.ndarray) -> float:
        seen.append(one)
        return 0.6 if np.array_equal(one, square) else 0.9 - one.std() / 255

    found = stillness(Network(look), square)
    shown = np.asarray(Image.open(io.BytesIO(variant(square, found.worst.name))))
    assert any(np.array_equal(shown, one) for one in seen)
    assert 0.9 - shown.std() / 255 == found.worst.probability
    with pytest.raises(LesionvizError, match="no variant"):
        variant(square, "inside out")


@pytest.mark.parametrize("side", [64, 97, 224])
def test_every_variant_is_another_picture_of_the_same_size_and_the_same_each_time(side: int) -> None:
    square = np.array(draw_lesion("MEL", 1, (side, side)))
    made = [change(square) for change in VARIANTS.values()]
    assert all(one.shape == square.shape and one.dtype == np.uint8 for one in made)
    assert len({np.ascontiguousarray(one).tobytes() for one in (square, *made)}) == FORWARDS
    assert all(np.array_equal(change(square), one) for change, one in zip(VARIANTS.values(), made, strict=True))


def test_shifts_move_to_the_side_that_they_name_and_reflect_the_rim() -> None:
    ramp = np.broadcast_to(np.arange(100, dtype=np.uint8)[None, :, None], (100, 100, 3))
    left, right = VARIANTS["shifted to the left by 4 %"](ramp), VARIANTS["shifted to the right by 4 %"](ramp)
    assert left[0, :, 0].tolist() == [*range(4, 100), 98, 97, 96, 95]
    assert right[0, :, 0].tolist() == [4, 3, 2, 1, *range(96)]
    tall = np.ascontiguousarray(ramp.transpose(1, 0, 2))
    up, down = VARIANTS["shifted up by 4 %"](tall), VARIANTS["shifted down by 4 %"](tall)
    assert up[:, 0, 0].tolist() == left[0, :, 0].tolist()
    assert down[:, 0, 0].tolist() == right[0, :, 0].tolist()


def test_turns_go_the_way_that_they_name() -> None:
    square = np.zeros((10, 10, 3), np.uint8)
    square[0, 9] = 255  # the top right corner
    corner = {name: tuple(np.argwhere(VARIANTS[name](square)[..., 0])[0]) for name in VARIANTS if "turn" in name}
    assert corner["a quarter turn to the left"] == (0, 0)
    assert corner["a quarter turn to the right"] == (9, 9)
    assert VARIANTS["upside down"](square)[9, 0, 0] == 255
    assert VARIANTS["mirrored left to right"](square)[0, 0, 0] == 255
    assert VARIANTS["mirrored top to bottom"](square)[9, 9, 0] == 255


def test_zooms_keep_the_middle_and_change_the_size_of_a_spot() -> None:
    square = np.full((200, 200, 3), 255, np.uint8)
    square[75:125, 75:125] = 0
    for name, scale in (("10 % larger", 1.1), ("10 % smaller", 0.9)):
        dark = VARIANTS[name](square)[..., 0] < 128
        assert dark.sum() == pytest.approx(50**2 * scale**2, rel=0.06)
        assert np.argwhere(dark).mean(axis=0) == pytest.approx([99.5, 99.5], abs=0.6)


def test_light_by_hand() -> None:
    square = np.full((64, 64, 3), 200, np.uint8)
    assert VARIANTS["15 % brighter"](square)[0, 0].tolist() == [230, 230, 230]
    assert VARIANTS["15 % darker"](square)[0, 0].tolist() == [170, 170, 170]
    assert VARIANTS["warmer light"](square)[0, 0].tolist() == [212, 200, 184]
    assert VARIANTS["cooler light"](square)[0, 0].tolist() == [188, 200, 216]
    assert VARIANTS["15 % brighter"](np.full((64, 64, 3), 250, np.uint8)).max() == 255


def test_a_finding_crosses_the_line_unchanged() -> None:
    found = stillness(Network(lambda square: float(square.mean()) / 255), half_dark())
    assert Stillness.from_plain(unpack(pack(found.to_plain()))) == found


def test_what_is_no_square_gets_a_sentence() -> None:
    with pytest.raises(LesionvizError, match="square"):
        stillness(Network(lambda square: 0.5), np.zeros((10, 12, 3), np.uint8))

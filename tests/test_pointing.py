"""Whether the pointing matters, on a network that looks at one corner, and places that match other places."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from scipy import ndimage

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.trust.places import LARGEST_SHARE, _dealt, elsewhere, marked, pieces
from lesionviz.trust.pointing import FORWARDS, PLACES, Pointing, pointing
from lesionviz.wire import pack, unpack

SIDE = 64
MELANOMA = CODES.index("MEL")


@dataclass
class CornerNetwork:
    """Calls melanoma by how dark the top left sixteen pixels squared are, and sees nothing else."""

    asked: list[int] = field(default_factory=list)

    def shares(self, squares: np.ndarray) -> np.ndarray:
        self.asked.append(len(squares))
        dark = 1 - squares[:, :16, :16].mean(axis=(1, 2, 3)) / 255
        shares = np.zeros((len(squares), 4))
        shares[:, MELANOMA], shares[:, -1] = dark, 1 - dark
        return shares


def dark_corner() -> np.ndarray:
    square = np.full((SIDE, SIDE, 3), 255, np.uint8)
    square[:16, :16] = 51  # a fifth of 255: melanoma 80 %
    return square


def block(top: int, left: int, height: int = 16, width: int = 16) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + height, left : left + width] = True
    return mask


def test_marking_the_corner_that_the_network_looks_at_passes() -> None:
    network = CornerNetwork()
    found = pointing(network, dark_corner(), block(0, 0), "MEL")
    assert found.badge == "passes"
    assert found.before == pytest.approx(0.8)
    assert found.drops[1] == pytest.approx(0.8)  # painted out from white skin, all of it is white
    assert 0.05 < found.drops[0] < 0.8  # blurred, the corner is grey
    assert found.random_drops == ((0,) * 19, (0,) * 19)
    assert found.area == pytest.approx(1 / 16)
    assert found.pieces == 1
    assert network.asked == [FORWARDS] == [41]
    assert ": 0 ± 0." in found.sentence


def test_marking_another_place_does_not_pass() -> None:
    found = pointing(CornerNetwork(), dark_corner(), block(40, 40), "MEL")
    assert found.badge == "does not pass"
    assert found.drops == (0, 0)


def test_marking_nothing_everything_or_too_much_cannot_be_told() -> None:
    network = CornerNetwork()
    for mask, why in (
        (block(0, 0, 0, 0), "marks nothing"),
        (np.ones((SIDE, SIDE), bool), "everything"),
        (block(0, 0, 60, 60), "no room"),
    ):
        found = pointing(network, dark_corner(), mask, "MEL")
        assert found.badge == "cannot tell"
        assert why in found.sentence
    assert network.asked == [1, 1, 3]


def test_a_class_with_nothing_to_lose_cannot_be_told() -> None:
    found = pointing(CornerNetwork(), dark_corner(), block(0, 0), "BKL")
    assert (found.badge, found.before) == ("cannot tell", 0)
    assert "too little to lose" in found.sentence


def test_the_rule_by_hand() -> None:
    one = (0.02,) * (PLACES - 1)
    good = Pointing("MEL", 0.8, 0.06, 1, (0.30, 0.25), ((0.1, *one), (0.24, *one)))
    assert good.badge == "passes"
    assert replace(good, drops=(0.30, 0.24)).badge == "cannot tell"  # not more than each: one filling only
    assert replace(good, drops=(0.10, 0.24)).badge == "does not pass"
    flat = (0.0,) * PLACES
    assert replace(good, drops=(0.05, 0.05), random_drops=(flat, flat)).badge == "passes"
    assert replace(good, drops=(0.04, 0.04), random_drops=(flat, flat)).badge == "does not pass"
    assert replace(good, random_drops=(one, one)).badge == "cannot tell"  # a random place too few
    assert replace(good, before=0.09).badge == "cannot tell"


def test_the_sentence_by_hand() -> None:
    nine = (0.04,) * 9 + (0.0,) * 9
    found = Pointing("MEL", 0.8, 0.06, 1, (0.42, 0.40), ((0.02, *nine), (0.02, *nine)))
    # Mean of the drops 41 points; of the random ones 2, ± sqrt(18 · 2² / 18) = 2.
    assert found.sentence == (
        "Taking away what the map marks (6% of what the network sees) changes melanoma by −41 points; random places "
        "of that size and shape: −2 ± 2."
    )


def test_where_something_is_gained_the_sentence_says_which_sign_is_a_gain() -> None:
    nine = (-0.04,) * 9 + (0.0,) * 9
    found = Pointing("MEL", 0.8, 0.06, 1, (0.42, 0.40), ((-0.02, *nine), (-0.02, *nine)))
    assert found.sentence.endswith("by −41 points; random places of that size and shape: +2 ± 2 (+ is a gain).")


def test_the_same_seed_finds_the_same_and_another_one_other_places() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
    one, same, other = (
        pointing(CornerNetwork(), noise, block(30, 30), "MEL", **seed) for seed in ({}, {}, {"seed": 2})
    )
    assert one == same
    assert one != other


def test_a_finding_crosses_the_line_unchanged() -> None:
    found = pointing(CornerNetwork(), dark_corner(), block(0, 0), "MEL")
    assert Pointing.from_plain(unpack(pack(found.to_plain()))) == found


def test_what_is_no_class_or_no_place_gets_a_sentence() -> None:
    with pytest.raises(LesionvizError, match="not known"):
        pointing(CornerNetwork(), dark_corner(), block(0, 0), "melonoma!")
    with pytest.raises(LesionvizError, match="64 × 64"):
        pointing(CornerNetwork(), dark_corner(), np.ones((8, 8), bool), "MEL")


# --- places ---------------------------------------------------------------------------------------------------------


def canonical(piece: np.ndarray) -> tuple[tuple[int, ...], bytes]:
    """The same for a piece however it is turned or mirrored."""
    turned = [np.rot90(each, quarters) for each in (piece, piece[:, ::-1]) for quarters in range(4)]
    return min((each.shape, np.ascontiguousarray(each).tobytes()) for each in turned)


def l_and_dots() -> np.ndarray:
    mask = block(20, 20, 12, 4) | block(28, 20, 4, 10)
    mask[5, 5] = mask[40, 50] = mask[41, 51] = True  # a dot, and two that touch at a corner
    return mask


def test_random_places_match_in_number_size_and_shape_of_pieces_and_avoid_the_marked_one() -> None:
    mask = l_and_dots()
    found = elsewhere(mask, 25, np.random.default_rng(0))
    assert len(found) == 25
    expected = sorted(canonical(piece) for piece in pieces(mask))
    assert len(expected) == 3
    for place in found:
        assert not (place & mask).any()
        assert sorted(canonical(piece) for piece in pieces(place)) == expected
    assert len({place.tobytes() for place in found}) == 25


def test_random_places_reach_everywhere_that_is_free() -> None:
    found = elsewhere(block(0, 0, 4, 4)[:24, :24], 2000, np.random.default_rng(0))
    reached = np.sum(found, axis=0)
    assert not reached[:4, :4].any()
    assert (reached[4:, 4:] > 0).all()
    # Of 21 × 21 spots sixteen cover the marked place in part, and sixteen cover a pixel in the middle.
    assert reached[7:21, 7:21].mean() == pytest.approx(2000 * 16 / (21**2 - 16), rel=0.05)


def test_the_only_room_is_found() -> None:
    mask = np.ones((SIDE, SIDE), bool)
    mask[3:33, 7:] = False  # 30 × 57 are free
    cut = np.ones((57, 30), bool)
    place = _dealt(mask, [cut], np.random.default_rng(0))
    assert place is not None
    assert np.array_equal(place, ~mask)
    assert _dealt(mask, [np.ones((58, 30), bool)], np.random.default_rng(0)) is None


def test_pieces_come_the_largest_first_and_hold_only_themselves() -> None:
    mask = l_and_dots()
    sizes = [int(piece.sum()) for piece in pieces(mask)]
    assert sizes == [72, 2, 1]  # 12 · 4 + 4 · 6
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 3


def test_a_map_marks_what_reaches_a_share_of_its_peak() -> None:
    raw = np.zeros((8, 8), np.float32)
    raw[1, 1] = 1
    found = marked(raw, SIDE, 0.5)
    assert found[12, 12]  # the middle of that cell
    assert not found[:, 20:].any()
    assert marked(raw, SIDE, 0.9).sum() < found.sum() < marked(raw, SIDE, 0.1).sum()


def test_a_map_marks_the_strongest_tenth_at_most_and_nothing_without_evidence() -> None:
    slope = np.arange(64, dtype=np.float32).reshape(8, 8)
    found = marked(slope, SIDE, 0.01)
    assert found.mean() == pytest.approx(LARGEST_SHARE, abs=0.01)
    assert found[-1, -48:].all()
    assert not found[:32].any()
    assert not marked(-slope - 1, SIDE).any()

"""What a person changes in a picture: strokes from anybody, one after the other, taken back and made again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from lesionviz.errors import LesionvizError
from lesionviz.trust.changes import MOST, POINTS, Changes, Stroke, Thing, covered, in_words, read_change
from lesionviz.trust.what_if import KINDS, painted_out, put_in

SKIN, SPOT = (220, 170, 150), (60, 30, 20)
LEFT, RIGHT = Stroke(((0.4, 0.5),), 0.3), Stroke(((0.6, 0.5),), 0.3)
HAIR = Thing("hair", (0.5, 0.5), 0.6, 3)


@pytest.fixture
def spotted() -> np.ndarray:
    """Even skin with a dark spot in the middle, which LEFT and RIGHT cover together, neither by itself."""
    y, x = np.mgrid[:100, :100] + 0.5
    spot = (np.abs(x - 50) < 18) & (np.abs(y - 50) < 8)
    return np.where(spot[..., None], np.uint8(SPOT), np.uint8(SKIN))


def test_a_dot_covers_a_disc_and_a_stroke_everything_between_its_ends() -> None:
    dot = covered(Stroke(((0.5, 0.5),), 0.2), 200)
    assert dot.sum() == pytest.approx(math.pi * 20**2, rel=0.06)
    assert dot[100, 100]
    stroke = covered(Stroke(((0.25, 0.5), (0.75, 0.5)), 0.2), 200)
    assert stroke.sum() == pytest.approx(100 * 40 + math.pi * 20**2, rel=0.06)
    assert stroke[100, 40:160].all()
    assert not stroke[:75].any()
    bent = covered(Stroke(((0.2, 0.2), (0.8, 0.2), (0.8, 0.8)), 0.1), 200)
    assert bent[40, 160]
    assert bent[42, 158]


@pytest.mark.parametrize("point", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_the_smallest_dot_at_the_very_edge_covers_something(point: tuple[float, float]) -> None:
    assert covered(Stroke((point,), 0.01), 96).any()


def test_strokes_in_a_row_are_painted_out_at_once_so_that_nothing_of_the_lesion_comes_back(
    spotted: np.ndarray,
) -> None:
    changes = Changes(spotted)
    changes.make(LEFT)
    assert (changes.square != np.uint8(SKIN)).any(), "half of the spot is still there"
    changes.make(RIGHT)
    assert np.array_equal(changes.square, np.full_like(spotted, SKIN))
    apart = painted_out(painted_out(spotted, covered(LEFT, 100)), covered(RIGHT, 100))
    assert not np.array_equal(apart, changes.square), (
        "one after the other, the second is filled with what the first left"
    )


def test_a_stroke_after_a_thing_paints_on_the_thing_and_leaves_earlier_strokes_alone(spotted: np.ndarray) -> None:
    changes = Changes(spotted)
    for change in (LEFT, HAIR, RIGHT):
        changes.make(change)
    first = painted_out(spotted, covered(LEFT, 100))
    second = put_in(first, "hair", (0.5, 0.5), 0.6, 3)
    assert np.array_equal(changes.square, painted_out(second, covered(RIGHT, 100)))


def test_undo_and_redo_go_through_the_very_same_pictures_and_the_first_one_is_never_touched(
    spotted: np.ndarray,
) -> None:
    kept, changes = spotted.copy(), Changes(spotted)
    seen = [changes.square.copy()]
    for change in (LEFT, RIGHT, HAIR):
        changes.make(change)
        seen.append(changes.square.copy())
    for earlier in reversed(seen[:-1]):
        changes.undo()
        assert np.array_equal(changes.square, earlier)
    changes.undo()  # nothing is left
    assert changes.done == ()
    for later in seen[1:]:
        changes.redo()
        assert np.array_equal(changes.square, later)
    changes.redo()  # nothing is left
    assert changes.done == (LEFT, RIGHT, HAIR)
    assert np.array_equal(spotted, kept)
    with pytest.raises(ValueError, match="read-only"):
        changes.before[0, 0] = 0


def test_starting_over_can_be_taken_back_and_a_new_change_forgets_what_was_undone(spotted: np.ndarray) -> None:
    changes = Changes(spotted)
    changes.make(LEFT)
    changes.make(HAIR)
    changes.start_over()
    assert (changes.done, changes.undone) == ((), 2)
    assert np.array_equal(changes.square, spotted)
    changes.redo()
    assert (changes.done, changes.undone) == ((LEFT,), 1)
    changes.make(RIGHT)
    assert (changes.done, changes.undone) == ((LEFT, RIGHT), 0)


def test_what_cannot_be_made_leaves_everything_as_it_was(spotted: np.ndarray) -> None:
    changes = Changes(spotted)
    changes.make(HAIR)
    changes.undo()
    everywhere = tuple((float(x), y / 10) for y in range(11) for x in (0, 1))
    with pytest.raises(LesionvizError, match="nothing is left"):
        changes.make(Stroke(everywhere, 0.5))
    with pytest.raises(LesionvizError, match="size"):
        changes.make(Thing("ruler", (0.5, 0.5), 0.01))
    assert (changes.done, changes.undone) == ((), 1)


def test_changes_are_bounded() -> None:
    changes = Changes(np.zeros((8, 8, 3), np.uint8))
    for _ in range(MOST):
        changes.make(Stroke(((0.5, 0.5),), 0.1))
    with pytest.raises(LesionvizError, match="Undo something first"):
        changes.make(LEFT)
    changes.undo()
    changes.make(LEFT)
    assert len(changes.done) == MOST


def asked(**changes: Any) -> dict[str, Any]:
    return {"kind": "paint out", "points": [[0.1, 0.2], [0.3, 1]], "size": 0.2} | changes


def test_a_change_is_read_from_plain_data() -> None:
    assert read_change(asked()) == Stroke(((0.1, 0.2), (0.3, 1.0)), 0.2)
    for kind in KINDS:
        assert read_change(asked(kind=kind, size=1), seed=7) == Thing(kind, (0.3, 1.0), 1.0, 7)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        "paint out",
        {},
        asked(kind=None),
        asked(kind="tattoo"),
        asked(kind=["paint out"]),
        asked(points=None),
        asked(points=[]),
        asked(points=[[0.5, 0.5]] * (POINTS + 1)),
        asked(points="0.5"),
        asked(points=[0.5, 0.5]),
        asked(points=[[0.5]]),
        asked(points=[[0.5, 0.5, 0.5]]),
        asked(points=[["0.5", 0.5]]),
        asked(points=[[True, 0.5]]),
        asked(points=[[float("nan"), 0.5]]),
        asked(points=[[float("inf"), 0.5]]),
        asked(points=[[-0.01, 0.5]]),
        asked(points=[[10**400, 0.5]]),
        asked(size=None),
        asked(size="0.2"),
        asked(size=True),
        asked(size=float("nan")),
        asked(size=0.6),
        asked(size=0),
        asked(size=-1),
        asked(kind="hair", size=1.1),
        asked(kind="hair", size=float("inf")),
    ],
    ids=lambda content: str(content)[:70],
)
def test_a_strangers_change_gets_a_sentence(content: Any) -> None:
    with pytest.raises(LesionvizError):
        read_change(content)


def test_what_was_changed_is_said_in_a_few_words() -> None:
    assert in_words(()) == "nothing"
    assert in_words((LEFT,)) == "painted out with 1 stroke"
    assert in_words((HAIR, LEFT, RIGHT)) == "painted out with 2 strokes; put in: hair"

"""Plain data as bytes: what comes back is what went, and a stranger's bytes make an error or plain data."""

from __future__ import annotations

import pickle
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionviz.errors import LesionvizError
from lesionviz.wire import DEEPEST, pack, unpack

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
KEYS = st.text().filter(lambda key: not key.startswith("\x00"))
PLAIN = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(PLAIN)
def test_what_comes_back_is_what_went(value: Any) -> None:
    assert unpack(pack(value)) == value


@pytest.mark.parametrize("kind", ["f4", "f8", "u1", "i4", "i8", "f2"])
def test_arrays_come_back_with_shape_and_type_and_cannot_be_changed(kind: str) -> None:
    sent = np.arange(24).reshape(2, 3, 4).astype(kind)
    (got,) = unpack(pack([sent]))
    assert np.array_equal(got, sent)
    assert got.dtype == sent.dtype
    assert not got.flags.writeable


def test_an_array_in_another_order_of_bytes_or_memory_comes_back_with_its_values() -> None:
    sent = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    assert np.array_equal(unpack(pack(sent)), sent)


def test_several_blobs_keep_their_places() -> None:
    value = {"a": b"first", "b": [np.float32([1, 2]), b""], "c": {"d": np.zeros((0, 3), np.uint8)}}
    got = unpack(pack(value))
    assert got["a"] == b"first"
    assert got["b"][0].tolist() == [1, 2]
    assert got["b"][1] == b""
    assert got["c"]["d"].shape == (0, 3)


@pytest.mark.parametrize(
    "value", [object(), {1: "a key that is no word"}, {"\x00": 3}, np.array(["words"]), {1, 2}, print]
)
def test_what_is_not_plain_is_refused(value: Any) -> None:
    with pytest.raises(LesionvizError):
        pack(value)


@given(st.binary(max_size=200))
def test_any_bytes_make_plain_data_or_a_sentence(data: bytes) -> None:
    with suppress(LesionvizError):
        assert repr(unpack(pack(got := unpack(data)))) == repr(got)


@given(PLAIN, st.data())
def test_bytes_that_were_changed_make_plain_data_or_a_sentence(value: Any, data: st.DataObject) -> None:
    good = bytearray(pack(value))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with suppress(LesionvizError):
        assert repr(unpack(pack(got := unpack(bytes(good))))) == repr(got)


@pytest.mark.parametrize(
    "tree",
    [
        '{"\\u0000":-1}',
        '{"\\u0000":99}',
        '{"\\u0000":true}',
        '{"\\u0000":["<f4",[-1,-1]]}',
        '{"\\u0000":["<f4",[1000000,1000000]]}',
        '{"\\u0000":["|O",[1]]}',
        '{"\\u0000":1,"more":2}',
        "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2),
        "[" * 100_000,
    ],
)
def test_a_tree_that_speaks_of_what_is_not_there_is_damaged(tree: str) -> None:
    words = tree.encode()
    with pytest.raises(LesionvizError, match="damaged"):
        unpack(len(words).to_bytes(4, "little") + words + b"four")


def test_a_pickle_is_not_read() -> None:
    with pytest.raises(LesionvizError, match="damaged"):
        unpack(pickle.dumps({"name": "examine"}))

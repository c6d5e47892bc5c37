"""What may come over a page's connection: messages as others make them, and nothing that lies about its parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

from lesionviz.serving.kernels import MOST_PARTS, well_parted


@given(st.lists(st.binary(max_size=40), min_size=4, max_size=10))
def test_every_message_that_jupyter_makes_is_one(parts: list[bytes]) -> None:
    assert well_parted(serialize_msg_to_ws_v1(parts, "shell"))


def numbers(*values: int) -> bytes:
    return b"".join(value.to_bytes(8, "little") for value in values)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"1234567",
        numbers(2**60),
        numbers(2**63, 1, 2),
        numbers(0),
        numbers(MOST_PARTS + 1) + b"\0" * 8 * (MOST_PARTS + 1),
        numbers(6, 56, 56, 56, 56, 56),  # one number is missing
        numbers(6, 56, 56, 56, 56, 56, 57),  # it ends beyond its end
        numbers(6, 56, 60, 58, 60, 60, 60) + b"four",  # a part ends before it begins
        numbers(6, 8, 56, 56, 56, 56, 56),  # a part lies among the numbers
        "text",
        None,
    ],
)
def test_what_lies_about_its_parts_is_none(message: object) -> None:
    assert not well_parted(message)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(message: bytes) -> None:
    assert well_parted(message) in (True, False)

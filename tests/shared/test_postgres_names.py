"""Ids with characters that PostgreSQL's text does not take come back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tactful.postgres.names import known, stored

NAMES = st.text(st.sampled_from("\0\1\2u1é"))


@given(NAMES)
def test_every_id_comes_back_as_it_was_and_holds_nothing_that_text_refuses(name: str) -> None:
    assert "\0" not in stored(name)
    assert known(stored(name)) == name


@given(NAMES, NAMES)
def test_no_two_ids_look_alike(one: str, other: str) -> None:
    assert (stored(one) == stored(other)) == (one == other)

"""Ids as clients spell them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.errors import InvalidInput
from tactful_ingest.ids import PLACEHOLDERS, content_id, customer_id, link_id, message_id


def customer(value: Any) -> str | None:
    return customer_id(value, "userId")


@pytest.mark.parametrize(("posted", "id"), [(123, "123"), (123.0, "123"), ("0123", "0123"), (" u1 ", "u1")])
def test_numeric_ids_become_strings_and_space_around_them_goes(posted: Any, id: str) -> None:
    assert customer(posted) == id


@pytest.mark.parametrize("nobody", [None, "", "   "])
def test_null_and_empty_ids_are_nobody(nobody: Any) -> None:
    assert customer(nobody) is None


@pytest.mark.parametrize("placeholder", [*sorted(PLACEHOLDERS), "NULL", " Guest ", "Undefined", 0, -1])
def test_an_id_that_stands_for_nobody_is_refused(placeholder: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        customer(placeholder)
    assert (refused.value.code, refused.value.field) == ("placeholder_id", "userId")


@pytest.mark.parametrize("wrong", [True, False, 1.5, [], {}, ["u1"], float("nan"), 1e300, 1 << 64])
def test_an_id_is_a_string_or_a_whole_number(wrong: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        customer(wrong)
    assert refused.value.code == "wrong_type"


def test_a_customer_id_of_255_characters_is_taken_and_one_more_is_not() -> None:
    assert customer("x" * 255) == "x" * 255
    with pytest.raises(InvalidInput) as refused:
        customer("x" * 256)
    assert refused.value.code == "id_too_long"


def test_a_long_message_id_becomes_its_digest_so_that_a_resend_is_still_recognised() -> None:
    long = "m" * 256
    assert message_id(long, "messageId") == message_id(long, "messageId")
    assert message_id(long, "messageId") != message_id(long + "m", "messageId")
    assert len(message_id(long, "messageId") or "") <= 255
    assert message_id("m" * 255, "messageId") == "m" * 255


def test_the_content_id_depends_on_every_part_and_on_where_parts_end() -> None:
    assert content_id("shop", "a") == content_id("shop", "a")
    assert len({content_id("shop", "ab"), content_id("shop", "a", "b"), content_id("web", "ab")}) == 3


def test_a_link_has_one_id_for_its_pair_and_a_direction() -> None:
    assert link_id("a", "u") == link_id("a", "u")
    assert link_id("a", "u") != link_id("u", "a")


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())))
def test_whatever_is_posted_as_an_id_is_a_short_string_nobody_or_a_named_refusal(value: Any) -> None:
    with suppress(InvalidInput):
        id = customer(value)
        assert id is None or (0 < len(id) <= 255 and id == id.strip() and id.lower() not in PLACEHOLDERS)

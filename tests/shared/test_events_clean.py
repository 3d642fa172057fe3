"""What no store can keep and no reader can read is found, and its place named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.errors import InvalidInput
from tactful.events.wire import DEPTH, clean

SOUND = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=12,
)


def nested(levels: int) -> Any:
    value: Any = "heart"
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def fault(value: Any, path: str = "") -> tuple[str, str | None]:
    with pytest.raises(InvalidInput) as refused:
        clean(value, path)
    return refused.value.code, refused.value.field


@given(SOUND)
def test_sound_values_pass_and_can_be_written(value: Any) -> None:
    clean(value)
    assert msgspec.json.encode(value)


@pytest.mark.parametrize("hostile", ["a\0b", "\ud800", "ok\udfff", "\0"])
def test_hostile_text_is_found_wherever_it_stands(hostile: str) -> None:
    assert fault(hostile) == ("hostile_text", None)
    assert fault({"a": [{"b": "fine"}, {"b": hostile}]}) == ("hostile_text", "a[1].b")
    assert fault({"a": {hostile: 1}}) == ("hostile_text", "a")
    assert fault([hostile], "properties") == ("hostile_text", "properties[0]")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_numbers_that_no_double_comes_near_are_found(number: float) -> None:
    assert fault({"a": [0, number]}) == ("wrong_type", "a[1]")


def test_the_first_fault_is_the_one_named() -> None:
    assert fault({"a": "\0", "b": float("nan")}) == ("hostile_text", "a")


def test_emoji_and_foreign_scripts_are_text_like_any_other() -> None:
    clean({"имя": "Ёжик 🦔", "名": "花"})


def test_thirty_two_levels_are_deep_enough() -> None:
    clean(nested(DEPTH))
    code, field = fault(nested(DEPTH + 1))
    assert code == "too_deep"
    assert field is not None
    assert field.count("a") == DEPTH / 2


def test_a_bottomless_value_is_refused_without_falling_in() -> None:
    assert fault(nested(100_000))[0] == "too_deep"


@given(SOUND, st.sampled_from(["\0", "\ud83d", float("nan")]), st.data())
def test_one_fault_anywhere_in_a_sound_value_is_named_by_its_path(value: Any, wrong: Any, data: st.DataObject) -> None:
    place = [value, wrong] if data.draw(st.booleans()) else {"z": value, "y": wrong}
    assert fault(place)[1] == ("[1]" if isinstance(place, list) else "y")

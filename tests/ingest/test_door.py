"""Sources as the door names them."""

from __future__ import annotations

from doorstep import Doorstep
from hypothesis import given
from hypothesis import strategies as st

from tactful.keys import Key
from tactful_ingest.door import foreign_source, visit


@given(st.lists(st.tuples(st.text("ab|%7C", max_size=4), st.none() | st.text("ab|%7C", max_size=4)), max_size=20))
async def test_different_keys_or_sources_never_make_the_same_source(pairs: list[tuple[str, str | None]]) -> None:
    door = Doorstep().door
    made = set()
    for name, source in set(pairs):
        seen = visit(door, Key(name, "server"))
        made.add(seen.source if source is None else foreign_source(seen, source))
    assert len(made) == len(set(pairs))

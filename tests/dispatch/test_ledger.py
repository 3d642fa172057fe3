"""The consent ledger: nobody changes, drops or reorders an entry unseen, and erasing one leaves the chain whole."""

from __future__ import annotations

from itertools import count

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tactful_dispatch.state.ledger import ConsentEntry, Link, broken_at, erase, forge

said = st.builds(
    ConsentEntry,
    customer=st.text(max_size=8),
    purpose=st.sampled_from(["marketing", "marketing.cart"]),
    channel=st.sampled_from(["", "email"]),
    state=st.sampled_from(["granted", "withdrawn"]),
    basis=st.just("consent"),
    wording=st.text(max_size=5),
    via=st.just("checkout"),
    source=st.just("shop"),
    record_id=st.text(max_size=5),
    occurred_at=st.integers(0, 2**41),
    committed_at=st.integers(0, 2**41),
    proof=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
ledgers = st.lists(said, min_size=2, max_size=6)


def chain(entries: list[ConsentEntry]) -> list[Link]:
    links: list[Link] = []
    for number, entry in zip(count(1), entries, strict=False):
        links.append(forge(links[-1] if links else None, entry, number.to_bytes(16)))
    return links


@given(ledgers)
def test_a_chain_is_numbered_from_one_and_whole(entries: list[ConsentEntry]) -> None:
    links = chain(entries)
    assert [link.number for link in links] == list(range(1, len(entries) + 1))
    assert broken_at(links) is None
    assert [msgspec.json.decode(link.entry or b"", type=ConsentEntry) for link in links] == entries


@given(ledgers, st.data())
def test_erasing_any_entries_leaves_the_chain_whole_and_nothing_of_them(
    entries: list[ConsentEntry], data: st.DataObject
) -> None:
    links = chain(entries)
    gone = data.draw(st.sets(st.sampled_from(range(len(links)))))
    left = [erase(link) if index in gone else link for index, link in enumerate(links)]
    assert broken_at(left) is None
    assert all(left[index].entry is None and left[index].salt is None for index in gone)


@given(ledgers, said, st.sampled_from(["entry", "salt"]))
def test_half_of_an_entry_is_not_taken_for_an_erased_one(
    entries: list[ConsentEntry], other: ConsentEntry, lost: str
) -> None:
    links = chain(entries)
    links[1] = msgspec.structs.replace(links[1], **{"entry": msgspec.json.encode(other), lost: None})
    assert broken_at(links) == 2


@given(ledgers, st.data())
def test_one_changed_byte_is_found_where_it_is(entries: list[ConsentEntry], data: st.DataObject) -> None:
    links = chain(entries)
    index = data.draw(st.sampled_from(range(len(links))))
    part = data.draw(st.sampled_from(["entry", "salt", "commitment", "hash"]))
    value = bytearray(getattr(links[index], part))
    value[data.draw(st.sampled_from(range(len(value))))] ^= data.draw(st.integers(1, 255))
    links[index] = msgspec.structs.replace(links[index], **{part: bytes(value)})
    assert broken_at(links) == index + 1


@given(ledgers, st.data())
def test_an_entry_that_is_missing_or_out_of_place_is_found(entries: list[ConsentEntry], data: st.DataObject) -> None:
    links = chain(entries)
    index = data.draw(st.sampled_from(range(len(links) - 1)))
    assert broken_at([*links[:index], *links[index + 1 :]]) == index + 1
    links[index], links[index + 1] = links[index + 1], links[index]
    assert broken_at(links) == index + 1


@given(ledgers, st.data())
def test_a_number_that_was_changed_is_found(entries: list[ConsentEntry], data: st.DataObject) -> None:
    links = chain(entries)
    index = data.draw(st.sampled_from(range(len(links))))
    links[index] = msgspec.structs.replace(links[index], number=links[index].number + 1)
    assert broken_at(links) == index + 1


def test_two_people_who_say_the_same_cannot_be_told_by_their_commitments() -> None:
    entry = ConsentEntry(
        customer="u1",
        purpose="marketing",
        channel="",
        state="granted",
        basis="consent",
        wording="",
        via="",
        source="shop",
        record_id="1",
        occurred_at=1,
        committed_at=1,
        proof={},
    )
    assert forge(None, entry, b"1" * 16).commitment != forge(None, entry, b"2" * 16).commitment

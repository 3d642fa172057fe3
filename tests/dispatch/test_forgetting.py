"""An erased recipient: nothing of them is kept but hashes, nothing is sent, and nobody is brought back by what is late."""

from __future__ import annotations

import msgspec
import pytest
from dispatchbench import DispatchBench
from enginebench import GRAVES, drive

from tactful.clock import HOUR
from tactful.errors import InvalidInput
from tactful.log.partitioning import partition_of
from tactful.records import EraseBody, EraseRecord
from tactful_dispatch.state.ledger import broken_at
from tactful_dispatch.state.rows import FLAGGED, CustomerRow


def erase(bench: DispatchBench, customer: str = "u1") -> None:
    body = EraseBody(bench.now)
    bench.append(EraseRecord(id=f"x-{customer}-{bench.now}", key=customer, at=bench.now, body=body))
    bench.settle()
    bench.advance("1s")


def test_a_held_message_never_leaves(bench: DispatchBench) -> None:
    bench.asks(not_before=bench.now + HOUR)
    erase(bench)
    bench.advance("2d")
    assert bench.sent == []
    assert bench.row() == CustomerRow()


def test_what_was_sent_is_forgotten_and_the_ledger_stays_whole(bench: DispatchBench) -> None:
    bench.asks()
    erase(bench)
    links = drive(bench.store.ledger(partition_of("u1", 1)))
    assert broken_at(links) is None
    assert all(link.entry is None and link.salt is None for link in links)
    assert drive(bench.store.delivery("m1")) is None
    card = drive(bench.desk.card("u1"))
    assert (card.addresses, card.consents, card.messages) == ({}, (), ())


def test_an_address_that_must_not_be_written_to_stays_so_and_names_nobody(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Complained", {}))
    key = bench.book.key("email", "u1@example.test")
    assert drive(bench.store.address(key)).customers == ["u1"]
    erase(bench)
    assert drive(bench.store.address(key)).customers == []
    bench.consenting("u2", addresses={"email": "u1@example.test"})
    bench.asks("m2", "u2")
    assert bench.words[-1] == "suppressed_address"


def test_an_earlier_address_names_nobody_either_though_the_message_to_it_was_let_go_of_before(
    bench: DispatchBench,
) -> None:
    bench.asks()
    bench.knows(addresses={"email": "new@example.test"})
    bench.settle()
    assert drive(bench.store.forget_decided(bench.now + HOUR, 9)) == 1
    erase(bench)
    assert drive(bench.store.address(bench.book.key("email", "u1@example.test"))).customers == []


def test_where_nobody_could_write_to_who_was_erased_nobody_writes_afterwards(bench: DispatchBench) -> None:
    bench.knows(do_not_contact="deceased")
    erase(bench)
    bench.consenting("u2", addresses={"email": "u1@example.test"})
    bench.asks("m2", "u2")
    assert bench.words == ["suppressed_address"]
    row = drive(bench.store.address(bench.book.key("email", "u1@example.test")))
    assert (row.suppressed, row.flagged, row.customers) == (FLAGGED, [], [])


def test_nor_does_an_operator_open_it_who_knows_that_it_was_dead_before(bench: DispatchBench) -> None:
    bench.asks()
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": True}))
    bench.knows(do_not_contact="deceased")
    erase(bench)
    bench.consenting("u2", addresses={"email": "u1@example.test"})
    bench.settle()
    with pytest.raises(InvalidInput, match="nobody may write"):
        drive(bench.desk.reopen("u2", "email", "eve", "rang us"))


def test_nor_to_an_address_that_only_an_earlier_name_of_theirs_used(bench: DispatchBench) -> None:
    bench.knows("old", do_not_contact="deceased")
    bench.settle()
    bench.link("old", "u1")
    bench.knows(do_not_contact="deceased")
    for name in ("old", "u1"):
        erase(bench, name)
    bench.consenting("u2", addresses={"email": "old@example.test"})
    bench.asks("m2", "u2")
    assert bench.words == ["suppressed_address"]
    row = drive(bench.store.address(bench.book.key("email", "old@example.test")))
    assert (row.suppressed, row.flagged) == (FLAGGED, [])


def test_what_is_late_brings_nobody_back(bench: DispatchBench) -> None:
    before = bench.now - HOUR
    erase(bench)
    bench.asks("m2")
    bench.cancels("m3")
    bench.grants(occurred_at=before)
    bench.grants(state="withdrawn")
    bench.link("anon:a1", "u1")
    bench.settle()
    assert bench.row() == CustomerRow()
    assert bench.sent == []
    assert drive(bench.store.everybody(0, "", 99)) == ["anon:a1"]


def test_a_wish_behind_an_old_link_is_taken_and_keeps_nothing(bench: DispatchBench) -> None:
    bench.asks()
    erase(bench)
    drive(bench.desk.mute("u1", "cart", True))
    drive(bench.desk.pause("u1", bench.now + HOUR))
    drive(bench.desk.stop_all("u1", "page"))
    drive(bench.desk.consent("u1", "marketing", "", "withdrawn", via="one-click"))
    assert not drive(bench.desk.receipt("m1", "Message Opened", {}))
    assert bench.row() == CustomerRow()


@pytest.mark.parametrize("by", ["the shop", "the page", "a post"])
def test_a_new_consent_or_a_new_registration_begins_anew(bench: DispatchBench, by: str) -> None:
    erase(bench)
    if by == "the shop":
        bench.knows()
    elif by == "the page":
        drive(bench.desk.consent("u1", "marketing", "", "granted", via="page"))
    else:
        bench.grants()
    bench.settle()
    bench.advance("1s")
    bench.consenting()
    bench.asks("m2")
    assert bench.words == ["sent"]
    assert bench.row().muted_rules == []


def test_whoever_is_erased_once_more_is_brought_back_by_nothing_of_before(bench: DispatchBench) -> None:
    erase(bench)
    bench.advance("1h")
    between = bench.now - HOUR // 2
    erase(bench)
    bench.grants(occurred_at=between)
    bench.settle()
    assert drive(bench.store.everybody(0, "", 99)) == []


def test_a_yes_on_a_page_begins_anew_and_a_no_does_not(bench: DispatchBench) -> None:
    erase(bench)
    said = [drive(bench.desk.consent("u1", "marketing", "", state, via="page")) for state in ("withdrawn", "granted")]
    assert (said[0], said[1] > 0) == (0, True)
    assert [word.state for word in bench.row().words] == ["granted"]


def test_whoever_begins_anew_is_heard_although_others_are_erased(bench: DispatchBench) -> None:
    for customer in ("u1", "u2"):
        erase(bench, customer)
    bench.consenting()
    bench.advance("1s")
    assert list(drive(bench.store.graves(0))) == [GRAVES.of("u2")]
    bench.grants(state="withdrawn")
    bench.asks("m2")
    bench.asks("m3", "u2")
    assert bench.words == ["withdrawn"]


def test_whoever_was_erased_in_a_time_that_the_store_has_lost_is_kept_out_and_may_begin_anew(
    bench: DispatchBench,
) -> None:
    for _ in range(2):
        bench.broadcast("Customer Erased", msgspec.json.encode({"grave": GRAVES.of("u2"), "at": bench.now}))
    assert drive(bench.store.cursor(0)).graves == 1
    bench.grants("u2", occurred_at=bench.now - HOUR)
    bench.settle()
    assert bench.row("u2") == CustomerRow()
    bench.advance("1s")
    bench.consenting("u2")
    bench.asks("m2", "u2")
    assert bench.words == ["sent"]


@pytest.mark.parametrize("state", ["granted", "withdrawn"])
def test_what_is_said_on_a_device_that_was_erased_with_its_owner_is_the_word_of_who_has_logged_in_since(
    bench: DispatchBench, state: str
) -> None:
    erase(bench, "anon:a1")
    bench.knows("u2")
    if state == "withdrawn":
        bench.grants("u2")
    bench.link("anon:a1", "u2")
    bench.advance("1m")
    bench.grants("anon:a1", state=state)
    bench.settle()
    bench.asks("m2", "u2")
    assert bench.words == [{"granted": "sent"}.get(state, state)]


@pytest.mark.parametrize("device", ["of a visitor who logs in as them", "which they have used last"])
def test_what_a_visitor_has_said_brings_nobody_back(bench: DispatchBench, device: str) -> None:
    """Whoever sits at the device may be somebody else."""
    if device == "which they have used last":
        bench.link("anon:a1", "u2")
        bench.link("anon:a1", "u1")
    erase(bench)
    bench.advance("1h")
    bench.grants("anon:a1", once=True)
    bench.settle()
    bench.link("anon:a1", "u1")
    bench.advance("1m")
    assert bench.row() == CustomerRow()


def test_what_is_kept_of_the_name_is_a_keyed_hash(bench: DispatchBench) -> None:
    erase(bench)
    assert list(drive(bench.store.graves(0))) == [GRAVES.of("u1")]

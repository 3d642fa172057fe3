"""Addresses on lists of other senders: who unsubscribed there hears nothing here, whoever they turn out to be."""

from __future__ import annotations

import msgspec
import pytest
from dispatchbench import DispatchBench
from enginebench import drive

from tactful.clock import DAY
from tactful.records import DISPATCH, EraseBody, EraseRecord, SuppressBody, SuppressRecord, encode
from tactful_dispatch.state.ledger import ConsentEntry, broken_at
from tactful_dispatch.state.rows import LISTS_KEPT, AddressRow

UMA = "u1@example.test"


@pytest.fixture(params=[1, 4])
def bench(request: pytest.FixtureRequest) -> DispatchBench:
    """Nobody is known yet."""
    return DispatchBench(partitions=request.param)


def lists(
    bench: DispatchBench,
    reason: str = "unsubscribed",
    *,
    said_at: int = 0,
    source: str = "mailchimp",
    address: str = UMA,
    channel: str = "email",
    taken_back: bool = False,
) -> None:
    key = bench.book.key(channel, address)
    body = SuppressBody(channel=channel, reason=reason, source=source, said_at=said_at, taken_back=taken_back)
    bench.append(SuppressRecord(id=f"{reason} {source} {said_at}", key=key.hash, at=bench.now, body=body))
    bench.settle()
    bench.advance("1s")


def address(bench: DispatchBench, channel: str = "email", address: str = UMA) -> AddressRow:
    row: AddressRow = drive(bench.store.address(bench.book.key(channel, address)))
    return row


def entries(bench: DispatchBench) -> list[ConsentEntry]:
    links = [link for each in range(bench.log.partitions) for link in drive(bench.store.ledger(each))]
    return [msgspec.json.decode(link.entry, type=ConsentEntry) for link in links if link.entry]


def test_who_unsubscribed_elsewhere_before_anybody_knew_them_is_not_advertised_to(bench: DispatchBench) -> None:
    bench.consenting()
    bench.advance("1s")
    lists(bench, address="U1@Example.test")
    bench.asks()
    bench.asks("m2", purpose="service.order")
    assert bench.words == ["withdrawn", "sent"]
    assert bench.decisions[0].gates[-1].facts["on_list_of"] == "mailchimp"


@pytest.mark.parametrize("granted", ["", "sms"])
def test_leaving_by_e_mail_elsewhere_is_no_invitation_to_text_for_thirty_days(
    bench: DispatchBench, granted: str
) -> None:
    """The refusal ends a ladder, as a withdrawal that was said here does; later it lets it go on."""
    bench.knows()
    bench.grants(channel=granted, occurred_at=bench.now - 40 * DAY)
    lists(bench, said_at=bench.now - 10 * DAY)
    bench.asks()
    bench.advance("21d")
    bench.asks("m2")
    late = "no_consent" if granted else "withdrawn"
    assert [(each.reason, each.scope) for each in bench.decisions] == [("withdrawn", "customer"), (late, "channel")]


def test_what_was_granted_after_the_list_has_it_stands(bench: DispatchBench) -> None:
    bench.consenting()
    lists(bench, said_at=bench.now - 300 * DAY)
    bench.asks()
    assert bench.words == ["sent"]


def test_a_later_yes_of_the_customer_lifts_it_and_the_same_list_again_does_not_undo_that(bench: DispatchBench) -> None:
    lists(bench)
    bench.knows()
    bench.grants()
    bench.advance("1d")
    lists(bench)
    lists(bench, said_at=bench.now - 2 * DAY)
    bench.asks()
    assert (bench.words, len(entries(bench))) == (["sent"], 2)


def test_a_later_word_on_the_same_list_and_another_list_count_anew(bench: DispatchBench) -> None:
    lists(bench, said_at=bench.now - 9 * DAY)
    bench.consenting()
    bench.advance("1d")
    lists(bench, said_at=bench.now - 1)
    bench.asks()
    bench.grants()
    bench.advance("1d")
    lists(bench, source="klaviyo")
    bench.asks("m2")
    assert bench.words == ["withdrawn", "withdrawn"]
    assert bench.decisions[-1].gates[-1].facts["on_list_of"] == "klaviyo, mailchimp"


def test_a_list_from_the_future_is_of_now(bench: DispatchBench) -> None:
    lists(bench, said_at=bench.now + 400 * DAY)
    bench.advance("1d")
    bench.consenting()
    bench.asks()
    assert bench.words == ["sent"]


@pytest.mark.parametrize(("reason", "opens"), [("bounced", True), ("complained", False)])
def test_a_dead_address_and_one_that_complained_are_shut_for_every_purpose(
    bench: DispatchBench, reason: str, opens: bool
) -> None:
    lists(bench, reason, said_at=bench.now - 900 * DAY)
    bench.consenting()
    bench.asks()
    bench.asks("m2", purpose="service.order")
    assert bench.words == ["suppressed_address", "suppressed_address"]
    assert bench.decisions[0].gates[-1].facts == {"why": reason, "on_list_of": "mailchimp"}
    assert bool(address(bench).reopen()) is opens


def test_an_address_that_was_opened_since_is_not_shut_by_the_same_list_again(bench: DispatchBench) -> None:
    lists(bench, "bounced")
    bench.consenting()
    bench.settle()
    assert drive(bench.desk.reopen("u1", "email", "anna", "she has written to us")) == "bounced"
    lists(bench, "bounced")
    bench.asks()
    assert bench.words == ["sent"]


def test_the_ledger_has_it_with_the_list_and_without_the_address(bench: DispatchBench) -> None:
    said_at = bench.now - 30 * DAY
    lists(bench, "complained", said_at=said_at)
    lists(bench, "bounced", address="gone@example.test")
    [entry] = entries(bench)
    told = (entry.customer, entry.state, entry.purpose, entry.channel, entry.via, entry.source, entry.occurred_at)
    assert told == ("", "withdrawn", "marketing", "email", "mailchimp", "list", said_at)
    assert entry.proof == {"address": bench.book.key("email", UMA).hash, "reason": "complained"}
    written = [value for each in range(bench.log.partitions) for value in drive(bench.log.read(DISPATCH, each, 0, 99))]
    assert not any(UMA.encode() in stored.value for stored in written)


def test_who_was_written_to_at_the_address_has_withdrawn_themselves(bench: DispatchBench) -> None:
    bench.consenting()
    bench.asks()
    bench.advance("8d")
    lists(bench)
    bench.asks("m2", channel="push")
    assert bench.words == ["sent", "withdrawn"]
    [word] = [word for word in drive(bench.desk.card("u1")).consents if word.state == "withdrawn"]
    assert (word.channel, word.via) == ("email", "mailchimp")


def test_neither_the_erasure_of_a_customer_nor_another_owner_undoes_it(bench: DispatchBench) -> None:
    bench.consenting()
    bench.advance("1s")
    lists(bench)
    bench.append(EraseRecord(id="e", key="u1", at=bench.now, body=EraseBody(bench.now)))
    bench.knows("u2", addresses={"email": UMA})
    bench.grants("u2", occurred_at=bench.now - DAY)
    bench.asks(customer="u2")
    assert (bench.words, len(entries(bench))) == (["withdrawn"], 2)
    assert all(broken_at(drive(bench.store.ledger(each))) is None for each in range(bench.log.partitions))


def test_a_phone_number_is_the_same_however_it_is_written(bench: DispatchBench) -> None:
    bench.consenting(addresses={"sms": "+34600111222", "call": "+34600111222"})
    bench.advance("1s")
    lists(bench, channel="sms", address="+34 600-111-222")
    bench.asks(channel="sms")
    assert bench.words == ["withdrawn"]


def test_a_program_that_does_not_know_of_lists_waits_for_one_that_does() -> None:
    record = SuppressRecord(id="s", key="5f", at=1, body=SuppressBody(channel="email", reason="bounced", source="x"))
    assert msgspec.json.decode(encode(record))["v"] == 2
    erase = EraseRecord(id="e", key="u1", at=1, body=EraseBody(1))
    assert msgspec.json.decode(encode(erase))["v"] == 1


@pytest.mark.parametrize("reason", ["unsubscribed", "bounced", "complained"])
def test_a_list_that_is_taken_back_silences_nobody_and_may_come_again(bench: DispatchBench, reason: str) -> None:
    bench.consenting()
    bench.asks()
    bench.advance("8d")
    lists(bench, reason)
    lists(bench, reason, taken_back=True)
    bench.asks("m2")
    bench.advance("8d")
    lists(bench, reason, said_at=bench.now - 1)
    bench.asks("m3")
    shut = "withdrawn" if reason == "unsubscribed" else "suppressed_address"
    assert bench.words == ["sent", "sent", shut]


def test_the_ledger_keeps_what_a_list_has_said_and_that_it_was_taken_back(bench: DispatchBench) -> None:
    bench.consenting()
    bench.asks()
    lists(bench)
    lists(bench, taken_back=True)
    told = sorted((entry.committed_at, entry.customer, entry.state, entry.via) for entry in entries(bench))
    assert [each[1:] for each in told if each[1] == ""] == [
        ("", "withdrawn", "mailchimp"),
        ("", "taken_back", "mailchimp"),
    ]
    assert [each[2] for each in told if each[1] == "u1"] == ["granted", "withdrawn", "taken_back"]
    assert [word.state for word in drive(bench.desk.card("u1")).consents] == ["granted"]
    assert all(broken_at(drive(bench.store.ledger(each))) is None for each in range(bench.log.partitions))


@pytest.mark.parametrize("before", [True, False])
def test_taking_a_list_back_undoes_nothing_that_people_said(bench: DispatchBench, before: bool) -> None:
    bench.consenting()
    bench.asks()
    bench.advance("8d")
    if before:
        bench.grants(state="withdrawn", channel="email")
        bench.advance("1d")
    lists(bench)
    if not before:
        bench.grants(state="withdrawn", channel="email")
    lists(bench, taken_back=True)
    bench.advance("31d")
    bench.knows("u2", addresses={"email": UMA})
    bench.grants("u2", occurred_at=bench.now - 100 * DAY)
    bench.asks("m2")
    bench.asks("m3", customer="u2")
    assert bench.words == ["sent", "no_consent", "withdrawn"]


def test_taking_a_list_back_leaves_what_another_list_has(bench: DispatchBench) -> None:
    bench.consenting()
    bench.advance("1s")
    lists(bench, source="klaviyo")
    lists(bench)
    lists(bench, taken_back=True)
    bench.asks()
    lists(bench, source="klaviyo", taken_back=True)
    lists(bench, "complained")
    bench.asks("m2")
    assert bench.words == ["withdrawn", "suppressed_address"]
    assert [each.gates[-1].facts["on_list_of"] for each in bench.decisions] == ["klaviyo", "mailchimp"]


def test_of_more_lists_than_are_kept_the_word_of_the_first_stays(bench: DispatchBench) -> None:
    bench.consenting()
    lists(bench, "complained", source="the first")
    for number in range(LISTS_KEPT):
        lists(bench, source=f"list {number}")
    bench.asks()
    assert bench.words == ["suppressed_address"]
    assert bench.decisions[0].gates[-1].facts["why"] == "complained"

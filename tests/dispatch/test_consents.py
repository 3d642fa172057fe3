"""Who may be written to: words on consent, from whichever door they come."""

from __future__ import annotations

import msgspec
import pytest
from dispatchbench import LIVE, DispatchBench
from enginebench import GRAVES, drive

from tactful.clock import DAY, HOUR, SECOND, ManualClock
from tactful.events import ConsentChanged
from tactful.log.partitioning import partition_of
from tactful.records import ConsentBody, ConsentRecord, EraseBody, EraseRecord
from tactful_dispatch.desk.reception import Reception
from tactful_dispatch.state.ledger import ConsentEntry, broken_at, erase, forge, lacks


def test_without_consent_nothing_is_sent_and_another_channel_may_do() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.asks()
    assert [(d.reason, d.scope) for d in bench.decisions] == [("no_consent", "channel")]
    assert bench.sent == []


def test_a_withdrawal_is_never_for_one_message() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(purpose="marketing", channel="email")
    bench.advance("1m")
    bench.grants(purpose="marketing", channel="email", state="withdrawn", once=True)
    bench.advance("1m")
    bench.grants(purpose="marketing.stock", channel="email", once=True)
    bench.asks("m1", purpose="marketing.stock")
    bench.advance("9d")
    bench.knows(addresses={"email": "new@a.example"})
    bench.asks("m2", purpose="marketing.news")
    bench.advance("31d")
    bench.asks("m3", purpose="marketing.news")
    assert bench.words[0] == "sent"
    assert "sent" not in bench.words[1:]


def test_a_grant_of_marketing_covers_its_parts_and_never_the_reverse() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(purpose="marketing.news", channel="email")
    bench.asks()
    bench.grants(purpose="marketing", channel="email")
    bench.asks("m2")
    assert bench.words == ["no_consent", "sent"]


def test_a_withdrawal_on_one_channel_silences_the_purpose_on_all_for_thirty_days(bench: DispatchBench) -> None:
    bench.grants(channel="sms", state="withdrawn")
    bench.asks()
    bench.advance("31d")
    bench.asks("m2")
    assert [(d.reason or d.verdict, d.scope) for d in bench.decisions] == [("withdrawn", "customer"), ("sent", None)]


def test_a_new_grant_ends_the_silence(bench: DispatchBench) -> None:
    bench.grants(channel="sms", state="withdrawn")
    bench.advance("1m")
    bench.grants(channel="email")
    bench.asks()
    assert bench.words == ["sent"]


def test_a_late_word_does_not_undo_a_later_one(bench: DispatchBench) -> None:
    bench.advance("1d")
    bench.grants(state="withdrawn")
    bench.grants(occurred_at=bench.now - HOUR)
    bench.asks()
    assert bench.words == ["withdrawn"]


def test_the_same_consent_record_is_taken_once() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(id="same")
    bench.grants(id="same")
    bench.settle()
    bench.grants(id="same")
    bench.settle()
    assert [e.entry for e in bench.trigger.events if isinstance(e, ConsentChanged)] == [1]


def test_service_messages_need_no_marketing_consent_and_keep_no_hours() -> None:
    bench = DispatchBench()
    bench.knows(complaint_open=True)
    bench.advance("10h")
    bench.asks(purpose="service.order")
    assert bench.words == ["sent"]
    bench.grants(purpose="service", state="withdrawn")
    bench.asks("m2", purpose="service.order")
    assert bench.words == ["sent", "withdrawn"]


def test_an_opt_out_binds_the_address_too() -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"budget": False}})
    for customer in ("u1", "u2"):
        bench.consenting(customer, addresses={"email": "family@example.test"})
    bench.advance("1h")
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    bench.asks("m2", "u2")
    assert bench.words == ["withdrawn"]


def test_what_is_imported_or_comes_over_with_another_name_is_told_as_history_and_starts_nothing() -> None:
    bench = DispatchBench()
    bench.grants()
    bench.grants(purpose="marketing.cart", history=True)
    bench.grants("anon:a1", channel="sms", state="withdrawn")
    bench.settle()
    bench.link("anon:a1", "u1")
    bench.settle()
    told = [event for event in bench.trigger.events if isinstance(event, ConsentChanged)]
    assert [(event.purpose, event.channel, event.meta.history) for event in told] == [
        ("marketing", "", False),
        ("marketing.cart", "", True),
        ("marketing", "sms", False),
        ("marketing", "sms", True),
    ]


@pytest.mark.parametrize("gone", ["erased", "let go of"])
def test_so_does_one_through_a_message_that_is_forgotten_since_its_link_still_tells_the_mailbox(gone: str) -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"budget": False}}, partitions=4)
    bench.consenting(addresses={"email": "flat@example.test"})
    bench.asks()
    bench.consenting("u2", addresses={"email": "flat@example.test"})
    bench.advance("8d")
    if gone == "erased":
        bench.append(EraseRecord(id="x", key="u1", at=bench.now, body=EraseBody(bench.now)))
    else:
        bench.consenting("u1", addresses={"email": "ann@example.test"})
        drive(bench.store.forget_decided(bench.now, 9))
    bench.settle()
    key, proof = bench.book.key("email", "flat@example.test"), {"message_id": "m1"}
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click", proof=proof, sent_to=key))
    bench.asks("m2", "u2")
    assert bench.words[-1] == "withdrawn"


@pytest.mark.parametrize("how", ["one-click", "again", "stop all", "texts"])
@pytest.mark.parametrize("writes", ["u1", "anon:a1"])
def test_an_opt_out_binds_the_mailbox_in_which_it_was_said_though_the_customer_has_another_by_now(
    how: str, writes: str
) -> None:
    bench = DispatchBench(settings={**LIVE, "caps": {"budget": False}}, partitions=4)
    bench.consenting(writes, addresses={"email": "flat@example.test"})
    bench.asks(customer=writes)
    if writes != "u1":
        bench.link(writes, "u1")
    bench.consenting("u1", addresses={"email": "ann@example.test"})
    bench.consenting("u2", addresses={"email": "flat@example.test"})
    bench.advance("8d")
    if how == "again":
        drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    if how == "stop all":
        drive(bench.desk.stop_all(writes, "page", {"message_id": "m1"}))
    else:
        channel = "sms" if how == "texts" else "email"
        proof = {"message_id": "m1"}
        drive(bench.desk.consent(writes, "marketing", channel, "withdrawn", via="one-click", proof=proof))
    bench.asks("m2", "u2")
    assert bench.words == ["sent", "sent" if how == "texts" else "withdrawn"]


def test_stop_all_stops_all_marketing_until_a_new_grant(bench: DispatchBench) -> None:
    drive(bench.desk.stop_all("u1", "preference-page"))
    bench.asks()
    bench.asks("m2", purpose="service.order")
    bench.advance("40d")
    bench.asks("m3")
    bench.grants(occurred_at=bench.now - 41 * DAY)
    bench.asks("still")
    assert drive(bench.desk.card("u1")).stopped
    drive(bench.desk.consent("u1", "marketing", "email", "granted", via="preference-page"))
    bench.asks("m4")
    assert bench.words == ["withdrawn", "sent", "no_consent", "no_consent", "sent"]
    assert not drive(bench.desk.card("u1")).stopped


@pytest.mark.parametrize(("purpose", "state"), [("service", "granted"), ("marketing", "requested")])
def test_neither_a_word_on_service_nor_a_request_ends_a_stop(bench: DispatchBench, purpose: str, state: str) -> None:
    drive(bench.desk.stop_all("u1", "page"))
    bench.advance("40d")
    bench.grants("u1", purpose, state=state)
    bench.settle()
    assert bench.row().stopped_at > 0


def test_the_ledger_is_a_chain_that_erasing_does_not_break(bench: DispatchBench) -> None:
    for number in range(5):
        bench.grants(id=f"k-{number}", channel="email", state="granted" if number % 2 else "withdrawn")
    bench.settle()
    links = list(drive(bench.store.ledger(partition_of("u1", 1))))
    assert len(links) == 6
    assert broken_at(links) is None
    assert broken_at([erase(link) if link.number in (2, 5) else link for link in links]) is None
    assert broken_at([*links[:2], *links[3:]]) == 3


def test_a_chain_that_was_cut_or_forged_anew_is_told_by_a_head_that_was_seen_before(bench: DispatchBench) -> None:
    for number in range(5):
        bench.grants(id=f"k-{number}", channel="email", state="granted" if number % 2 else "withdrawn")
    bench.settle()
    links = list(drive(bench.store.ledger(0)))
    seen = (links[3].number, links[3].hash)
    assert lacks(links, *seen) is None
    assert lacks([erase(link) for link in links], *seen) is None
    forged = [forge(None, msgspec.json.decode(links[0].entry or b"", type=ConsentEntry), b"another salt")]
    for link in links[1:]:
        entry = msgspec.json.decode(link.entry or b"", type=ConsentEntry)
        forged.append(forge(forged[-1], entry, b"another salt"))
    assert (broken_at(links[:3]), lacks(links[:3], *seen)) == (None, 4)
    assert (broken_at(forged), lacks(forged, *seen)) == (None, 4)


@pytest.mark.parametrize(("purpose", "channel"), [("marketing", ""), ("marketing.cart", "email")])
def test_a_withdrawal_after_a_grant_is_not_a_repeat(bench: DispatchBench, purpose: str, channel: str) -> None:
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    bench.advance("1h")
    bench.grants(purpose=purpose, channel=channel)
    bench.advance("1h")
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    bench.asks()
    assert bench.words == ["withdrawn"]


def test_a_withdrawal_that_the_shop_posts_overtakes_what_is_held(bench: DispatchBench) -> None:
    bench.advance("10h")
    bench.asks()
    bench.grants(channel="push", state="withdrawn")
    assert bench.words == ["withdrawn"]


@pytest.fixture
def reached() -> DispatchBench:
    """Who granted e-mail and push, and has left e-mail."""
    bench = DispatchBench()
    bench.knows()
    for channel in ("email", "push"):
        bench.grants(channel=channel)
    bench.advance("1s")
    drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    return bench


@pytest.mark.parametrize("granted", ["", "marketing", "marketing.cart"])
def test_who_leaves_again_once_the_silence_is_over_is_left_alone_again(reached: DispatchBench, granted: str) -> None:
    if granted:
        drive(reached.desk.consent("u1", granted, "push", "granted", via="preference-page"))
    else:
        reached.advance("31d")
    reached.asks(channel="push")
    reached.advance("1h")
    for _ in range(2):
        drive(reached.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    reached.advance("8d")
    reached.asks("m2", channel="push")
    assert reached.words == ["sent", "withdrawn"]
    left = [word for word in reached.trigger.events if isinstance(word, ConsentChanged) and word.state == "withdrawn"]
    assert len(left) == 2


def test_who_leaves_again_before_the_silence_is_over_is_left_alone_for_as_long_from_then_on(
    reached: DispatchBench,
) -> None:
    reached.advance("29d")
    drive(reached.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    reached.advance("2d")
    reached.asks(channel="push")
    assert reached.words == ["withdrawn"]


def test_a_yes_that_stood_before_they_left_another_channel_ends_the_silence_if_it_is_said_again(
    reached: DispatchBench,
) -> None:
    reached.asks(channel="push")
    drive(reached.desk.consent("u1", "marketing", "push", "granted", via="double-opt-in"))
    reached.asks("m2", channel="push")
    assert reached.words == ["withdrawn", "sent"]


@pytest.mark.parametrize("how", ["one-click", "stop all"])
def test_an_opt_out_on_a_page_comes_after_a_grant_that_a_machine_whose_clock_is_ahead_has_taken(how: str) -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants("u1", "marketing.winback", "sms")
    bench.grants(channel="email", occurred_at=bench.now + 90_000)
    bench.asks(not_before=bench.now + HOUR)
    if how == "one-click":
        drive(bench.desk.consent("u1", "marketing", "email", "withdrawn", via="one-click"))
    else:
        drive(bench.desk.stop_all("u1", "preference-page"))
    bench.advance("2h")
    assert bench.words == ["withdrawn"]
    drive(bench.desk.consent("u1", "marketing", "email", "granted", via="preference-page"))
    bench.asks("m2")
    assert bench.words == ["withdrawn", "sent"]


def test_a_posted_opt_out_comes_after_a_grant_that_a_door_whose_clock_is_ahead_has_taken() -> None:
    bench = DispatchBench()
    bench.knows()
    bench.grants(channel="email", occurred_at=bench.now + DAY)
    bench.advance("10m")
    bench.grants(channel="email", state="withdrawn")
    bench.asks()
    assert bench.words == ["withdrawn"]


def test_a_posted_opt_out_counts_though_a_door_whose_clock_is_behind_dates_it_before_the_grant() -> None:
    bench = DispatchBench()
    bench.consenting()
    bench.advance("10m")
    behind = bench.now - HOUR
    body = ConsentBody(source="shop", purpose="marketing", channel="", state="withdrawn", occurred_at=behind)
    bench.append(ConsentRecord(id="late", key="u1", at=behind, body=body))
    bench.asks()
    assert bench.words == ["withdrawn"]


def test_a_yes_on_a_page_ends_a_stop_that_a_machine_whose_clock_is_ahead_has_taken(bench: DispatchBench) -> None:
    drive(bench.desk.stop_all("u1", "preference-page"))
    behind = Reception(bench.store, bench.book, GRAVES, ManualClock(bench.now - SECOND), bench.log, lambda: None)
    drive(behind.consent("u1", "marketing", "email", "granted", via="preference-page"))
    assert not drive(bench.desk.card("u1")).stopped
    bench.asks()
    assert bench.words == ["sent"]


def test_a_yes_by_another_door_is_another_proof_of_what_was_granted_before(bench: DispatchBench) -> None:
    bench.grants(channel="email", via="import")
    bench.asks()
    for _ in range(2):
        proof = {"message_id": "m1"}
        drive(bench.desk.consent("u1", "marketing", "email", "granted", via="double-opt-in", proof=proof))
    bench.advance("8d")
    bench.asks("m2")
    cited = next(gate.facts for gate in bench.decisions[-1].gates if gate.gate == "consent")
    entries = [msgspec.json.decode(link.entry or b"", type=ConsentEntry) for link in drive(bench.store.ledger(0))]
    assert [entry.via for entry in entries] == ["", "import", "double-opt-in"]
    assert (cited["via"], entries[cited["entry"] - 1].proof) == ("double-opt-in", {"message_id": "m1"})


def test_of_what_somebody_else_withdrew_at_the_address_the_latest_counts() -> None:
    bench = DispatchBench()
    for customer in ("u1", "u2"):
        bench.consenting(customer, addresses={"email": "family@example.test"})
    for who, purpose, state in (
        ("u2", "marketing", "withdrawn"),
        ("u1", "marketing", "granted"),
        ("u2", "marketing.cart", "withdrawn"),
    ):
        bench.advance("1h")
        bench.grants(who, purpose, state=state)
    bench.asks("m1", "u1")
    assert bench.words == ["withdrawn"]


def test_what_somebody_else_withdrew_at_the_address_binds_no_other_purpose() -> None:
    bench = DispatchBench()
    for customer in ("u1", "u2"):
        bench.consenting(customer, addresses={"email": "family@example.test"})
    bench.advance("1h")
    bench.grants("u2", "marketing.winback", "email", state="withdrawn")
    bench.asks("m1", "u1")
    assert bench.words == ["sent"]


def test_a_yes_that_is_said_again_counts_against_what_somebody_else_withdrew_at_the_same_address() -> None:
    bench = DispatchBench()
    for customer in ("u1", "u2"):
        bench.knows(customer, addresses={"email": "family@example.test"})
        bench.settle()
        drive(bench.desk.consent(customer, "marketing", "email", "granted", via="page"))
    bench.advance("1h")
    drive(bench.desk.consent("u2", "marketing", "email", "withdrawn", via="page"))
    bench.asks("m1", "u1")
    bench.advance("1h")
    drive(bench.desk.consent("u1", "marketing", "email", "granted", via="page"))
    bench.asks("m2", "u1")
    assert bench.words == ["withdrawn", "sent"]

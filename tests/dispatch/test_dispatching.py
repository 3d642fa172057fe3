"""From a run's wish to dispatch's final word, in virtual time."""

from __future__ import annotations

import pytest
from dispatchbench import LIVE, DispatchBench, ScriptedAdapter
from enginebench import drive

from tactful.channels import DESK
from tactful.records import RecipientBody
from tactful.settings import Settings
from tactful_dispatch.channels import Outcome, Rejected, Retry
from tactful_dispatch.content import Rendering
from tactful_dispatch.links import Links
from tactful_dispatch.sending.writing import rendering
from tactful_dispatch.state.rows import FLAGGED, Delivery


def test_a_message_with_consent_is_sent_and_its_decision_cites_the_entry(bench: DispatchBench) -> None:
    bench.asks()
    (decision,) = bench.decisions
    assert (decision.verdict, decision.reason, decision.scope) == ("sent", None, None)
    assert decision.consent_entry == 1
    assert decision.subject == "about {}"
    assert (decision.provider, decision.provider_id, decision.content_version) == ("scripted", "p1", "v1")
    assert [gate.gate for gate in decision.gates][-1] == "provider"


def test_a_customer_of_whom_nothing_is_known_has_no_address() -> None:
    bench = DispatchBench()
    bench.asks()
    assert bench.words == ["no_address"]


def test_a_message_shut_by_two_gates_names_the_first() -> None:
    bench = DispatchBench()
    bench.knows(complaint_open=True)
    bench.asks()
    assert bench.words == ["no_consent"]
    bench.grants()
    bench.asks("m2")
    assert bench.words == ["no_consent", "complaint_open"]


@pytest.mark.parametrize(("url", "word"), [("https://hooks.shop.example/x", "sent"), ("", "no_address")])
def test_a_webhook_goes_to_the_shops_own_system(url: str, word: str) -> None:
    system = ScriptedAdapter()
    bench = DispatchBench(settings={**LIVE, "webhook": {"url": url}}, adapters={"webhook": system})
    bench.consenting()
    bench.asks(channel="webhook")
    assert (bench.words, [envelope.address for envelope in system.sent]) == ([word], [url] * bool(url))


def test_what_is_meant_for_the_shops_own_people_goes_to_their_mailbox_and_counts_for_nobody() -> None:
    desk = ScriptedAdapter()
    bench = DispatchBench(settings={**LIVE, "shop": {"reply_to": "care@shop.example"}}, adapters={DESK: desk})
    bench.knows(complaint_open=True)
    bench.asks(channel=DESK, purpose="service.desk")
    assert [envelope.address for envelope in desk.sent] == ["care@shop.example"]
    assert (bench.row().contacts, drive(bench.desk.card("u1")).messages) == ([], ())


@pytest.mark.parametrize(
    ("outcome", "word"),
    [(Rejected("550", "no such mailbox", suppress=True), "rejected"), (Retry(1000, "421", "busy"), "sent")],
)
def test_what_their_mailbox_does_not_take_is_told_and_binds_nobody(outcome: Outcome, word: str) -> None:
    desk = ScriptedAdapter()
    bench = DispatchBench(settings={**LIVE, "shop": {"reply_to": "care@shop.example"}}, adapters={DESK: desk})
    bench.knows()
    desk.outcomes = [outcome]
    bench.asks(channel=DESK, purpose="service.desk")
    drive(bench.desk.receipt("m1", "Message Bounced", {"hard": True}))
    bench.advance("1m")
    bench.asks("m2", channel=DESK, purpose="service.desk")
    assert bench.words == [word, "sent"]


def test_the_allow_list_takes_patterns() -> None:
    bench = DispatchBench(settings={**LIVE, "sending": {"mode": "allowlist", "allow": ["*@example.test"]}})
    bench.consenting()
    bench.asks()
    assert bench.words == ["sent"]


def test_do_not_contact_stops_even_service_messages() -> None:
    bench = DispatchBench()
    bench.consenting(do_not_contact="deceased")
    bench.asks(purpose="service.order")
    assert bench.words == ["do_not_contact"]


@pytest.mark.parametrize("partitions", [1, 4])
def test_while_nobody_may_write_to_a_customer_nobody_writes_to_their_address(partitions: int) -> None:
    bench = DispatchBench(partitions=partitions)
    home = {"addresses": {"email": "home@example.test"}}
    bench.consenting("dad2", **home)
    bench.knows("dad", **home, do_not_contact="deceased")
    bench.settle()
    bench.asks("m1", "dad2")
    bench.asks("m2", "dad2", purpose="service.order")
    bench.knows("dad", **home)
    bench.settle()
    bench.asks("m3", "dad2")
    assert bench.words == ["suppressed_address", "suppressed_address", "sent"]
    assert bench.delivery("m1").gates[-1].facts == {"why": FLAGGED}


def test_a_flag_goes_with_the_customer_to_a_new_address_and_lifts_nobody_elses() -> None:
    bench = DispatchBench()
    for name, address in (("u1", "old"), ("u2", "new"), ("u3", "new")):
        bench.consenting(name, addresses={"email": f"{address}@example.test"})
    for flagged in ("dad", "mum"):
        bench.knows(flagged, addresses={"email": "old@example.test"}, do_not_contact="legal")
        bench.knows(flagged, addresses={"email": "new@example.test"}, do_not_contact="legal")
    bench.knows("mum", addresses={"email": "new@example.test"})
    bench.settle()
    bench.asks("m1", "u1")
    bench.asks("m2", "u2")
    bench.knows("dad", addresses={"email": "new@example.test"})
    bench.settle()
    bench.asks("m3", "u3")
    assert bench.words == ["sent", "suppressed_address", "sent"]


def test_an_address_that_is_taken_from_who_is_flagged_stays_shut_until_the_flag_is_lifted() -> None:
    """A shop that empties the record of somebody who died leaves their other account alone."""
    bench = DispatchBench()
    home = {"addresses": {"email": "home@example.test"}}
    bench.consenting("u2", **home)
    bench.knows("dad", **home, do_not_contact="deceased")
    for _ in range(2):
        bench.knows("dad", addresses={}, do_not_contact="deceased")
    bench.asks("m1", "u2")
    bench.knows("dad", addresses={})
    bench.asks("m2", "u2")
    assert bench.words == ["suppressed_address", "sent"]


def test_a_flag_that_is_lifted_is_lifted_under_every_name_of_the_customer() -> None:
    bench = DispatchBench()
    home = {"addresses": {"email": "home@example.test"}}
    bench.consenting("other", **home)
    bench.knows("old", **home, do_not_contact="legal")
    bench.link("old", "new")
    bench.knows("new", **home, do_not_contact="legal")
    bench.settle()
    bench.asks("m1", "other")
    bench.knows("new", **home)
    bench.settle()
    bench.asks("m2", "other")
    assert bench.words == ["suppressed_address", "sent"]


@pytest.mark.parametrize("old", ["u2", "anon:a1"])
@pytest.mark.parametrize("address", ["two", "one"])
@pytest.mark.parametrize(("partitions", "slice_limit"), [(1, 1), (1, 1000), (4, 7)])
def test_a_flag_that_an_earlier_name_brought_along_is_lifted_at_its_addresses_too(
    partitions: int, slice_limit: int, address: str, old: str
) -> None:
    bench = DispatchBench(partitions=partitions, slice_limit=slice_limit)
    home, own = ({"addresses": {"email": f"{name}@example.test"}} for name in (address, "one"))
    bench.consenting("other", **home)
    bench.knows("u1", **own)
    bench.knows(old, **home, do_not_contact="legal")
    bench.settle()
    bench.link(old, "u1")
    bench.asks("m1", "other")
    bench.knows("u1", **own)  # said before the merge was heard of
    bench.knows("u1", **own, do_not_contact="legal")
    bench.knows(old, **own, do_not_contact="legal")  # for what waits under the old name
    bench.settle()
    bench.asks("m2", "other")
    bench.knows("u1", **own)
    bench.settle()
    bench.asks("m3", "other")
    assert bench.words == ["suppressed_address", "suppressed_address", "sent"]


def test_a_flag_goes_with_every_merge_and_stands_under_the_name_that_lives_on() -> None:
    bench = DispatchBench(partitions=4)
    bench.consenting("other", addresses={"email": "home@example.test"})
    bench.knows("u3", addresses={"email": "home@example.test"}, do_not_contact="legal")
    bench.settle()
    for name, customer in (("u3", "u2"), ("u2", "u1")):
        bench.link(name, customer)
    home = bench.book.key("email", "home@example.test")
    assert drive(bench.store.address(home)).flagged == ["u1"]
    bench.asks("m1", "other")
    bench.knows("u1", addresses={"email": "one@example.test"})
    bench.settle()
    bench.asks("m2", "other")
    assert bench.words == ["suppressed_address", "sent"]


@pytest.mark.parametrize("heard", ["told again", "asked for"])
def test_whoever_was_flagged_before_addresses_were_is_left_alone_under_other_names_once_heard_of(heard: str) -> None:
    bench = DispatchBench()
    home = {"addresses": {"email": "home@example.test"}}
    bench.consenting("dad2", **home)
    bench.knows("dad", **home, do_not_contact="deceased")
    bench.settle()
    key = bench.book.key("email", "home@example.test")
    drive(bench.store.transact(0, ["dad"], lambda space: space.address(key).flag("dad", on=False)))
    if heard == "told again":
        bench.knows("dad", **home, do_not_contact="deceased")
    else:
        bench.asks("m1", "dad")
    bench.asks("m2", "dad2")
    assert bench.words[-1] == "suppressed_address"


def test_holdout_and_shadow_stand_last_and_say_what_would_have_been_sent(bench: DispatchBench) -> None:
    bench.asks("m1", holdout=True)
    bench.settings(rules={"cart": {"mode": "shadow"}}, sending={"mode": "live"})
    bench.asks("m2")
    bench.settings(rules={"cart": {"mode": "live"}})
    bench.asks("m3")
    assert bench.words == ["holdout", "shadow", "not_allowed"]
    assert {d.subject for d in bench.decisions} == {"about {}"}
    assert bench.sent == []


@pytest.mark.parametrize(
    "zone", ["(GMT+01:00) Madrid", "GMT+3", "europe/madrid", "Europe", "../../etc/passwd", "", None]
)
def test_a_letter_to_somebody_whose_zone_nobody_knows_tells_days_by_the_shops_clock(
    bench: DispatchBench, zone: str | None
) -> None:
    assert _rendering(bench, zone).zone == "Europe/Madrid"


def test_a_letter_tells_days_by_the_recipients_own_clock(bench: DispatchBench) -> None:
    assert _rendering(bench, "Asia/Tokyo").zone == "Asia/Tokyo"


def _rendering(bench: DispatchBench, zone: str | None) -> Rendering:
    links = Links("https://hello.shop.example", b"key")
    return rendering(Delivery(message=bench.wish()), RecipientBody(zone=zone), Settings(), links, None, ())

"""One story out of many rows, whatever their order."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import AFTERNOON, FOUR, MADRID, THREE, decision, event, held_message, row, umas_story

from tactful.clock import DAY, HOUR
from tactful.decisions import GateVerdict, Reason, Verdict
from tactful_console.entries import Chip, Entry, Tone
from tactful_console.history import HistoryRow, JournalEntry, Pending, TimelineInputs
from tactful_console.moments import Moments
from tactful_console.telling import entry
from tactful_console.timeline import Timeline, timeline

DATA: dict[str, dict[str, Any]] = {
    "event": event("Page", "m", ""),
    "started": {"version": 1},
    "confirmed": {"message_id": "m_1"},
    "withdrawn": {"why": "x"},
    "ended": {"why": "x"},
    "parked": {"why": "x"},
    "goal": {"held_out": False, "after": 5},
    "note": {"text": "x"},
    "linked": {"customer": "u1"},
    "absorbed": {"customer": "a"},
    "adopted": {"customer": "a"},
    "not_started": {"why": "cooldown"},
    "receipt": {"name": "Message Opened", "message_id": "m_1"},
    "consent": {"purpose": "marketing", "channel": "", "state": "withdrawn", "entry": 2},
    "preferences": {"change": "paused", "until": FOUR},
    "decided": decision("email", "sent"),
    "something newer": {"x": 1},
}


def told(*rows: HistoryRow, **more: Any) -> Timeline:
    return timeline(TimelineInputs("u1", "Europe/Madrid", rows, **more), "Europe/Madrid")


def only(data: dict[str, Any], kind: str) -> Entry:
    (entry,) = told(row(FOUR, kind, data, run="r_1")).entries
    return entry


@st.composite
def rows(draw: st.DrawFn) -> list[HistoryRow]:
    kinds = draw(st.lists(st.sampled_from(sorted(DATA)), max_size=20))
    return [
        HistoryRow("u1", draw(st.integers(0, 2 * 10**12)), draw(st.integers(0, 9)), n, kind, "rule", "r_1", DATA[kind])
        for n, kind in enumerate(kinds)
    ]


@given(rows(), st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_does_not_matter(given_rows: list[HistoryRow], dice: random.Random) -> None:
    shuffled = dice.sample(given_rows, len(given_rows))
    assert told(*shuffled) == told(*given_rows)


@given(rows())
def test_nothing_is_lost_and_time_never_runs_backwards(given_rows: list[HistoryRow]) -> None:
    entries = told(*given_rows).entries
    assert sorted(entry.kind for entry in entries) == sorted(r.kind for r in given_rows)
    assert [entry.at for entry in entries] == sorted(r.at for r in given_rows)


@given(st.lists(st.integers(0, 2 * 10**12), max_size=8), st.lists(st.none() | st.integers(0, 2 * 10**12), max_size=8))
def test_what_comes_next_is_soonest_first_and_the_unknown_last(timers: list[int], holds: list[int | None]) -> None:
    pending = [Pending(at, "rule", "r_1", "sleep") for at in timers]
    held = [replace(held_message(), until=until) for until in holds]
    instants = [part.at for part in told(pending=pending, held=held).upcoming]
    known = [at for at in instants if at is not None]
    assert known == sorted(known)
    assert instants == known + [None] * holds.count(None)


def test_a_parked_run_waits_for_whoever_mends_it_and_not_for_its_end() -> None:
    pending = [Pending(THREE + 90 * DAY, "cart", "r_1", "what comes next", parked=True)]
    [upcoming] = told(pending=pending).upcoming
    assert (upcoming.chip, upcoming.at) == (Chip("parked", Tone.UNKNOWN), None)
    assert upcoming.text == "once it is mended: tactful rules resume cart"


def test_rows_of_one_instant_keep_their_place_in_the_log() -> None:
    first = HistoryRow("u1", THREE, 4, 9, "note", "", "", {"text": "first"})
    second = HistoryRow("u1", THREE, 5, 0, "note", "", "", {"text": "second"})
    assert [entry.sentences for entry in told(second, first).entries] == [("first",), ("second",)]


def test_asking_is_not_told_once_there_is_an_answer() -> None:
    asked = row(THREE, "asked", {"message_id": "m_email", "channel": "email"}, run="r_1")
    answer = row(THREE, "decided", decision("email", "sent"), run="r_1", index=1)
    assert [entry.kind for entry in told(asked).entries] == ["asked"]
    assert [entry.kind for entry in told(asked, answer).entries] == ["decided"]


def test_asking_is_not_told_while_the_message_is_held() -> None:
    asked = row(THREE, "asked", {"message_id": "m_3", "channel": "email"}, run="r_1")
    story = told(asked, held=[held_message()])
    assert story.entries == ()
    assert story.upcoming[0].chip.tone is Tone.HELD
    assert story.upcoming[0].text == "email: Quiet hours until Tue 09:00 in Europe/Madrid, from the profile"


def test_exactly_one_gate_decides_a_refusal() -> None:
    refusal = timeline(umas_story(), "Europe/Madrid").decision("m_email")
    assert refusal is not None
    assert [gate.name for gate in refusal.gates if gate.decides] == ["consent"]
    assert refusal.sentences == ("nobody has granted marketing.cart by email",)
    assert refusal.fix == "tactful consent grant u1 marketing --channel email --source signup-form"


def test_what_a_hold_made_too_old_is_not_told_as_if_it_still_waited() -> None:
    held = {"gate": "quiet hours", "verdict": "held", "reason": "quiet_hours", "until": FOUR + 17 * HOUR}
    late = {"gate": "expired", "verdict": "refused", "reason": "expired", "facts": {"expires_at": FOUR}}
    told = entry(row(FOUR, "decided", decision("sms", "not_sent", "expired", gates=[held, late])), Moments(MADRID))
    assert told.sentences == ("Quiet hours until Tue 09:00; too old by then",)


def test_no_gate_decides_what_was_sent() -> None:
    sent = timeline(umas_story(), "Europe/Madrid").decision("m_2")
    assert sent is not None
    assert sent.fix is None
    assert {gate.verdict for gate in sent.gates} == {GateVerdict.OPEN}
    assert not [gate for gate in sent.gates if gate.decides]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_told_even_without_its_gate(reason: Reason) -> None:
    assert only(decision("email", "not_sent", reason), "decided").sentences[0]


@pytest.mark.parametrize(
    ("verdict", "tone"),
    [(Verdict.SENT, Tone.SENT), (Verdict.NOT_SENT, Tone.REFUSED), (Verdict.UNKNOWN, Tone.UNKNOWN)],
)
def test_each_verdict_has_a_tone_of_its_own(verdict: Verdict, tone: Tone) -> None:
    chip = only(decision("email", verdict), "decided").chip
    assert chip is not None
    assert chip.tone is tone


def test_what_somebody_answers_is_told_in_their_words() -> None:
    replied = only(
        {"name": "Message Replied", "message_id": "m_2", "channel": "sms", "text": "Is it there?"}, "receipt"
    )
    assert (replied.chip, replied.sentences) == (Chip("replied", Tone.SENT), ("“Is it there?”",))


def test_a_price_is_told_as_the_shop_writes_it_and_never_in_cents() -> None:
    order = event("Order Completed", "m", "", total=[3990, "EUR"], tax=[500, "JPY"], shipping=[-1250, "KWD"])
    said = {fact.name: fact.value for fact in only(order, "event").facts}
    assert (said["total"], said["tax"], said["shipping"]) == ("39.90 EUR", "500 JPY", "-1.250 KWD")


def test_the_products_of_an_order_are_told_a_line_each() -> None:
    kettle = {"product_id": "p1", "name": "Blue kettle", "price": [3990, "EUR"], "quantity": 1}
    order = event("Order Completed", "m", "", products=[kettle, {"product_id": "p2", "variant": ""}])
    said = {fact.name: fact.value for fact in only(order, "event").facts}
    assert said["products"] == "product_id p1 · name Blue kettle · price 39.90 EUR · quantity 1\nproduct_id p2"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("size", [42, "EUR"], '[42,"EUR"]'), ("price", [42], "[42]"), ("products", ["p1", {}], '["p1",{}]')],
)
def test_what_only_looks_like_a_price_or_a_product_stays_what_it_is(name: str, value: Any, said: str) -> None:
    assert only(event("Own", "m", "", **{name: value}), "event").facts[0].value == said


def test_an_opening_by_a_machine_says_that_it_counts_for_nothing() -> None:
    opened = only({"name": "Message Opened", "message_id": "m_2", "prefetched": True}, "receipt")
    assert opened.sentences == ("fetched by a machine: it counts for nothing",)


def test_a_live_run_shows_its_journal_where_it_started() -> None:
    (started,) = [e for e in timeline(umas_story(), "UTC").entries if e.kind == "started" and e.run == "r_2"]
    assert [(fact.name, fact.value) for fact in started.facts] == [
        ("1. quiet", "16:00  null"),
        ("2. get cart", '16:00  {"items":2}'),
    ]


def test_a_journal_of_weeks_gives_the_dates() -> None:
    entries = [JournalEntry("sleep", FOUR + days * DAY, None) for days in (1, 7)]
    (started,) = [
        e
        for e in timeline(replace(umas_story(), journals={"r_2": entries}), "Europe/Madrid").entries
        if e.kind == "started" and e.run == "r_2"
    ]
    assert [fact.value for fact in started.facts] == ["Tue 16:00  null", "Mon 30 Nov 2026 16:00  null"]


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "x\x00y"])
def test_a_zone_that_does_not_exist_gives_the_shops(zone: str) -> None:
    story = timeline(replace(umas_story(), zone=zone), MADRID.key)
    assert (story.zone, story.zone_from) == ("Europe/Madrid", "shop")


def test_the_customers_own_zone_is_used_where_it_is_known() -> None:
    story = timeline(replace(umas_story(), zone="Asia/Tokyo"), MADRID.key)
    assert (story.zone, story.zone_from) == ("Asia/Tokyo", "profile")


def test_a_rule_that_speaks_once_for_ever_is_not_said_to_have_spoken_lately() -> None:
    """A complaint is asked about once; and who was held out was not written to."""
    said = only({"why": "cooldown"}, "not_started").sentences
    assert said == ("it has written to the customer, or would have, and its cooldown is not over",)


def test_a_change_of_preferences_that_nobody_knows_is_shown_as_it_is() -> None:
    assert only({"change": "{rule.__class__} 100%"}, "preferences").about == "{rule.__class__} 100%"
    assert only({"change": "paused", "until": AFTERNOON + HOUR}, "preferences").about == (
        "pause until Mon 23 Nov 2026 15:00"
    )


@pytest.mark.parametrize(
    ("data", "about"),
    [
        ({"change": "topic_muted", "topic": "Tea"}, "nothing more about Tea"),
        ({"change": "topic_unmuted", "topic": "Tea"}, "about Tea again"),
        ({"change": "hours", "value": "09:00-12:00"}, "messages at 09:00-12:00"),
        ({"change": "at_most_days", "value": "30"}, "one contact in 30 days at most"),
        ({"change": "personalisation", "value": "none"}, "nothing that looks at basket or visits"),
        ({"change": "hours", "value": ""}, "messages at any hour by day"),
        ({"change": "at_most_days", "value": "0"}, "contacts as often as they come"),
        ({"change": "personalisation", "value": "full"}, "basket and visits may be looked at"),
        ({"change": "rule_muted", "rule": "abandoned_cart"}, "no more abandoned_cart"),
    ],
)
def test_what_the_customer_chose_is_told_in_words(data: dict[str, Any], about: str) -> None:
    assert only(data, "preferences").about == about


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"held_out": False, "after": 5}, "less than a day after the message"),
        ({"held_out": False, "after": DAY}, "a day after the message"),
        ({"held_out": True, "after": 3 * DAY}, "3 days after a message that was held out for comparison"),
    ],
)
def test_a_goal_says_how_long_after_the_message_it_came(data: dict[str, Any], sentence: str) -> None:
    assert only(data, "goal").sentences == (sentence,)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("linked", "turned out to be u1: their story goes on there"),
        ("absorbed", "u1 turned out to be this customer"),
        ("adopted", "the run of u1 goes on here"),
    ],
)
def test_who_turned_out_to_be_whom_is_told(kind: str, sentence: str) -> None:
    row = HistoryRow(customer="u", at=1, offset=1, index=1, kind=kind, rule="", run="", data={"customer": "u1"})
    assert entry(row, Moments.of("UTC", "UTC")).sentences == (sentence,)


def test_a_word_on_consent_that_came_later_than_it_was_said_says_when_it_was() -> None:
    said = {"purpose": "marketing", "channel": "email", "state": "granted", "entry": 2, "said_at": FOUR - 300 * DAY}
    assert only(said, "consent").ref == "entry #2  said Tue 27 Jan 2026 16:00"
    assert only(said | {"said_at": FOUR - 1000}, "consent").ref == "entry #2"


def test_a_grant_for_one_message_is_told_as_one() -> None:
    said = {"purpose": "marketing", "channel": "email", "state": "granted", "entry": 2, "once": True}
    assert only(said, "consent").ref == "entry #2  for one message"

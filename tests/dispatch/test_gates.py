"""Every gate both ways, as a pure function of a message and its facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactful.channels import DESK
from tactful.clock import DAY, HOUR, MINUTE
from tactful.decisions import GateRecord, GateVerdict, Reason
from tactful.records import MessageBody, RecipientBody, Rest
from tactful.settings import Settings
from tactful_dispatch.facts import Contacted, Facts, Word
from tactful_dispatch.gates import ORDER, judge
from tactful_dispatch.gates.person import own_settings
from tactful_dispatch.gates.standing import content

NOON = 1_795_518_000_000  # Tue 24 Nov 2026 12:00 in Madrid
MADRID, AUCKLAND = ZoneInfo("Europe/Madrid"), ZoneInfo("Pacific/Auckland")
LIVE: dict[str, Any] = {"rules": {"cart": {"mode": "live"}}, "sending": {"mode": "live"}}
MESSAGE = MessageBody(
    message_id="m1",
    run_id="r1",
    customer="u1",
    subject="u1",
    rule="cart",
    rule_version=1,
    channel="email",
    template="cart",
    purpose="marketing.cart",
    priority=5,
    requested_at=NOON,
    expires_at=NOON + DAY,
    contact="mine",
    uses=("cart",),
)
GRANT = Word("marketing", "", "granted", NOON - 60 * DAY, 1)
ADDRESSES = {"email": "u1@example.test", "push": "token", "sms": "+34600000000"}
RECIPIENT = RecipientBody(addresses=ADDRESSES)


def settings(**values: Any) -> Settings:
    return Settings.model_validate({**LIVE, **values})


WELL = Facts(
    now=NOON,
    read_through=NOON,
    settings=settings(),
    zones=(MADRID,),
    zone_from="profile",
    recipient=RECIPIENT,
    address="u1@example.test",
    words=(GRANT,),
)


def recipient(**more: Any) -> RecipientBody:
    return RecipientBody(addresses=ADDRESSES, **more)


def message(**changes: Any) -> MessageBody:
    return msgspec.structs.replace(MESSAGE, **changes)


def contacted(ago: int, contact: str = "other", channel: str = "push", **more: Any) -> Contacted:
    fields = {"rule": "winback", "priority": 0, "message_id": f"m-{contact}", **more}
    return Contacted(NOON - ago, channel, contact, **fields)


def shut(facts: Facts = WELL, wanted: MessageBody = MESSAGE) -> GateRecord | None:
    last = judge(wanted, facts)[-1]
    return None if last.verdict is GateVerdict.OPEN else last


def reason(facts: Facts = WELL, wanted: MessageBody = MESSAGE) -> str | None:
    found = shut(facts, wanted)
    return found.reason if found else None


@pytest.mark.parametrize("length", ["2h", "3d"])
@pytest.mark.parametrize("why", ["order", "late_delivery", "refund", "complaint_closed", "contact"])
def test_a_rest_lasts_as_long_as_the_settings_say_now_whatever_they_said_when_it_was_told(
    why: str, length: str
) -> None:
    told = (NOON - HOUR if length == "3d" else NOON + HOUR, why, NOON - 5 * HOUR)
    in_touch = {"in_touch_until": told[0], "in_touch_since": told[2]}
    customer = recipient(**in_touch) if why == "contact" else recipient(rests=(Rest(*told),))
    shop = settings(resting={"order" if why == "late_delivery" else why: length})
    expected = {"2h": None, "3d": "in_touch" if why == "contact" else "resting"}
    assert reason(replace(WELL, recipient=customer, settings=shop)) == expected[length]


def test_when_all_is_well_every_gate_is_open_and_recorded() -> None:
    records = judge(MESSAGE, WELL)
    assert [record.verdict for record in records] == [GateVerdict.OPEN] * len(ORDER)


SHUT: list[tuple[dict[str, Any], dict[str, Any], str, str, str]] = [
    ({"cancelled": "cancelled"}, {}, "cancelled", "refused", "customer"),
    ({"now": NOON + DAY, "read_through": NOON + DAY}, {}, "expired", "refused", "customer"),
    ({"duplicate": True}, {}, "duplicate", "refused", "customer"),
    ({"read_through": NOON - MINUTE - 1}, {}, "log_not_read", "held", "customer"),
    ({"sending_stopped": "ops"}, {}, "stopped", "held", "customer"),
    ({"erased": True}, {}, "erased", "refused", "customer"),
    ({"recipient": recipient(do_not_contact="deceased")}, {}, "do_not_contact", "refused", "customer"),
    ({"address": None}, {}, "no_address", "refused", "channel"),
    ({"has_adapter": False}, {}, "no_address", "refused", "channel"),
    ({"suppressed": "bounced"}, {}, "suppressed_address", "refused", "channel"),
    ({"words": ()}, {}, "no_consent", "refused", "channel"),
    ({"words": (GRANT, Word("marketing", "sms", "withdrawn", NOON, 2))}, {}, "withdrawn", "refused", "customer"),
    ({"address_withdrawn_at": NOON - DAY}, {}, "withdrawn", "refused", "channel"),
    ({"stopped_all": True}, {}, "withdrawn", "refused", "customer"),
    ({"muted_rules": ("cart",)}, {}, "muted_rule", "refused", "customer"),
    ({"muted_topics": ("Tea",)}, {"data": {"categories": ["Tea"]}}, "muted_topic", "refused", "customer"),
    ({"paused_until": NOON + 1}, {}, "paused", "refused", "customer"),
    ({"personalisation": "none"}, {}, "personalisation", "refused", "customer"),
    ({"recipient": recipient(complaint_open=True)}, {}, "complaint_open", "refused", "customer"),
    ({"recipient": recipient(rests=(Rest(NOON + 1, "order"),))}, {}, "resting", "refused", "customer"),
    ({"recipient": recipient(in_touch_until=NOON + 1)}, {}, "in_touch", "held", "customer"),
    ({}, {"not_before": NOON + 1}, "not_yet", "held", "customer"),
    ({"now": NOON + 9 * HOUR, "read_through": NOON + 9 * HOUR}, {}, "quiet_hours", "held", "customer"),
    ({"contacts": (contacted(DAY),)}, {}, "budget", "held", "customer"),
    ({"address_contacts": (contacted(DAY),)}, {}, "budget", "held", "customer"),
    ({"contacts": (contacted(0, priority=9),)}, {}, "displaced", "held", "customer"),
    ({"contacts": (contacted(HOUR, "mine", "email"),)}, {}, "gap", "refused", "channel"),
    ({"address_contacts": (contacted(HOUR, "mine", "email"),)}, {}, "gap", "refused", "channel"),
    ({"content_error": "line 3"}, {}, "template_error", "held", "customer"),
    ({}, {"holdout": True}, "holdout", "refused", "customer"),
    ({"settings": settings(rules={})}, {}, "shadow", "refused", "customer"),
    ({"settings": settings(rules={"cart": {"mode": "off"}})}, {}, "shadow", "refused", "customer"),
    ({"settings": settings(rules={"cart": {"mode": "live", "rollout": 0}})}, {}, "shadow", "refused", "customer"),
    ({"settings": settings(sending={})}, {}, "not_allowed", "refused", "customer"),
    ({"provider_until": NOON + 1}, {}, "provider", "held", "customer"),
]


@pytest.mark.parametrize(("facts", "wanted", "why", "verdict", "scope"), SHUT)
def test_a_shut_gate_says_why_and_how_far_that_reaches(
    facts: dict[str, Any], wanted: dict[str, Any], why: str, verdict: str, scope: str
) -> None:
    found = shut(replace(WELL, **facts), message(**wanted))
    assert found is not None
    assert (found.reason, found.verdict, found.scope) == (why, verdict, scope)


OF_THE_CUSTOMER = {
    "do_not_contact",
    "no_consent",
    "withdrawn",
    "muted_rule",
    "muted_topic",
    "paused",
    "personalisation",
    "complaint_open",
    "resting",
    "in_touch",
    "quiet_hours",
    "budget",
    "displaced",
    "gap",
    "holdout",
    "not_allowed",
}


@pytest.mark.parametrize(("facts", "why"), [(facts, why) for facts, wanted, why, _, _ in SHUT if not wanted])
def test_what_binds_the_customer_does_not_keep_the_shops_own_people_from_hearing(
    facts: dict[str, Any], why: str
) -> None:
    word = Word("service", "", "withdrawn", NOON, 3)
    known = {"words": (GRANT, word), **facts}
    told = reason(replace(WELL, **known), message(channel=DESK, purpose="service.desk"))
    assert told == (None if why in OF_THE_CUSTOMER else why)


def test_every_reason_that_a_gate_may_give_was_seen() -> None:
    later = {Reason.NOTHING_TO_SAY, Reason.REJECTED, Reason.OUTCOME_UNKNOWN}  # a run's, and a provider's
    assert {why for _, _, why, _, _ in SHUT} == set(Reason) - later


@given(st.sets(st.integers(0, len(SHUT) - 1), min_size=1, max_size=6))
def test_of_several_shut_gates_the_first_in_order_decides_and_nothing_behind_it_is_asked(chosen: set[int]) -> None:
    facts, wanted = WELL, MESSAGE
    for index in chosen:
        facts, wanted = replace(facts, **SHUT[index][0]), message_with(wanted, SHUT[index][1])
    records = judge(wanted, facts)
    assert records[-1].verdict is not GateVerdict.OPEN
    assert all(record.verdict is GateVerdict.OPEN for record in records[:-1])
    everything = [gate(wanted, facts) for gate in ORDER]
    assert records == everything[: len(records)]


def message_with(wanted: MessageBody, changes: dict[str, Any]) -> MessageBody:
    return msgspec.structs.replace(wanted, **changes)


def test_a_roll_out_reaches_its_share_of_customers_and_a_larger_one_keeps_them() -> None:
    def reached(share: float) -> set[str]:
        facts = replace(WELL, settings=settings(rules={"cart": {"mode": "live", "rollout": share}}))
        return {name for name in map(str, range(1000)) if shut(facts, message(subject=name)) is None}

    few, more, everybody = reached(0.05), reached(0.5), reached(1.0)
    assert few < more < everybody
    assert (20 <= len(few) <= 90, 430 <= len(more) <= 570, len(everybody)) == (True, True, 1000)


SPARED = {"no_consent", "complaint_open", "resting", "in_touch", "quiet_hours", "budget", "displaced", "gap", "holdout"}
OWN = {"muted_topic", "paused", "personalisation"}


@pytest.mark.parametrize(("facts", "wanted", "why", "verdict", "scope"), SHUT)
def test_service_messages_pass_what_is_only_about_marketing(
    facts: dict[str, Any], wanted: dict[str, Any], why: str, verdict: str, scope: str
) -> None:
    found = reason(replace(WELL, **facts), message(**{**wanted, "purpose": "service.order"}))
    assert found == (None if why in SPARED | OWN | {"withdrawn"} else why)


def test_what_goes_to_the_shops_own_desk_is_no_kind_of_message_that_a_customer_could_leave_out() -> None:
    facts = replace(WELL, muted_rules=("tell_desk",), stopped_all=True)
    assert (
        judge(message(rule="tell_desk", channel=DESK, purpose="service.desk"), facts, (own_settings,))[-1].reason
        is None
    )


def test_who_has_stopped_everything_is_not_asked_either_whether_a_complaint_is_settled() -> None:
    stopped = replace(WELL, stopped_all=True)
    assert reason(stopped, message(purpose="service.complaint")) == "withdrawn"
    assert reason(stopped, message(purpose="service.order")) is None


def test_an_objection_to_service_messages_is_obeyed() -> None:
    objection = replace(WELL, words=(Word("service", "", "withdrawn", NOON, 2),))
    assert reason(objection, message(purpose="service.order")) == "withdrawn"


def test_an_objection_to_service_messages_is_obeyed_until_it_is_taken_back() -> None:
    objection = Word("service", "", "withdrawn", NOON - HOUR, 2)
    order = message(purpose="service.order")
    assert reason(replace(WELL, words=(objection,)), order) == "withdrawn"
    assert reason(replace(WELL, words=(objection, Word("service", "", "granted", NOON, 3))), order) is None


def test_expired_names_the_hold_that_lasted_too_long() -> None:
    found = shut(replace(WELL, now=NOON + DAY, held_for="quiet_hours"))
    assert found is not None
    assert found.facts["held_for"] == "quiet_hours"


@pytest.mark.parametrize(("behind", "found"), [(MINUTE, None), (MINUTE + 1, "log_not_read")])
def test_a_log_counts_as_read_for_a_minute(behind: int, found: str | None) -> None:
    assert reason(replace(WELL, read_through=NOON - behind)) == found


def words(*said: tuple[str, str, str, int]) -> Facts:
    return replace(WELL, words=tuple(Word(*word, number) for number, word in enumerate(said, start=1)))


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ([("marketing", "email", "granted", -DAY)], None),
        ([("marketing", "push", "granted", -DAY)], "no_consent"),
        ([("marketing.news", "email", "granted", -DAY)], "no_consent"),
        ([("marketing.cart", "email", "granted", -DAY)], None),
        ([("marketing.cartoons", "email", "granted", -DAY)], "no_consent"),
        ([("marketing", "", "granted", -2 * DAY), ("marketing.news", "email", "withdrawn", -DAY)], None),
        ([("marketing", "", "granted", -2 * DAY), ("marketing", "sms", "withdrawn", -DAY)], "withdrawn"),
        ([("marketing", "", "granted", -60 * DAY), ("marketing", "sms", "withdrawn", -30 * DAY)], None),
        ([("marketing", "", "granted", -60 * DAY), ("marketing", "sms", "withdrawn", -30 * DAY + 1)], "withdrawn"),
        ([("marketing", "email", "granted", -60 * DAY), ("marketing", "email", "withdrawn", -40 * DAY)], "no_consent"),
        ([("marketing", "email", "withdrawn", -DAY), ("marketing", "email", "granted", 0)], None),
        ([("marketing", "email", "granted", 0), ("marketing", "email", "withdrawn", -DAY)], None),
        ([("marketing", "email", "granted", 0), ("marketing", "email", "withdrawn", 0)], "withdrawn"),
    ],
)
def test_the_latest_word_on_a_purpose_decides(said: list[tuple[str, str, str, int]], found: str | None) -> None:
    assert reason(words(*((purpose, channel, state, NOON + ago) for purpose, channel, state, ago in said))) == found


def test_consent_cites_its_entry() -> None:
    records = {record.gate: record for record in judge(MESSAGE, WELL)}
    assert records["consent"].facts["entry"] == 1


def test_an_opt_out_on_the_address_ends_with_a_later_grant() -> None:
    assert reason(replace(WELL, address_withdrawn_at=GRANT.at - 1)) is None


@pytest.mark.parametrize(("segment", "allowed"), [("new", 1), ("repeat", 2), ("loyal", 3), ("unheard-of", 1)])
def test_the_weekly_budget_follows_the_segment(segment: str, allowed: int) -> None:
    history = [contacted((number + 1) * DAY, f"c{number}") for number in range(allowed)]
    full = replace(WELL, recipient=recipient(segment=segment), contacts=history)
    assert reason(full) == "budget"
    assert reason(replace(full, contacts=history[:-1])) is None


def test_a_budget_frees_up_a_week_after_the_contact_that_filled_it() -> None:
    history = (contacted(6 * DAY, "a"), contacted(2 * DAY, "b"))
    found = shut(replace(WELL, contacts=history))
    assert found is not None
    assert found.until == NOON + 5 * DAY
    assert reason(replace(WELL, contacts=(contacted(7 * DAY),))) is None
    assert reason(replace(WELL, contacts=(contacted(7 * DAY - 1),))) == "budget"


def test_what_was_sent_before_the_message_was_asked_for_has_displaced_nothing() -> None:
    found = shut(replace(WELL, contacts=(contacted(DAY, priority=9),)))
    assert found is not None
    assert (found.reason, found.facts["lost_to"]) == ("budget", "winback")


def test_no_budget_at_all_waits_for_no_instant() -> None:
    none = settings(caps={"weekly": {"new": 0}})
    found = shut(replace(WELL, settings=none))
    assert found is not None
    assert (found.reason, found.until) == ("budget", None)


def test_a_ladder_counts_once_and_does_not_stand_in_its_own_way() -> None:
    own = (contacted(2 * DAY, "mine", "push"), contacted(DAY, "mine", "sms"))
    assert reason(replace(WELL, contacts=own)) is None
    other = (contacted(3 * DAY, "a"), contacted(2 * DAY, "a", "sms"))
    assert reason(replace(WELL, recipient=recipient(segment="repeat"), contacts=other)) is None


def silence(many: int, engaged: int | None = None) -> tuple[Contacted, ...]:
    return tuple(contacted((10 + many - n) * DAY, f"c{n}", engaged=n == engaged) for n in range(many))


def test_contacts_in_a_row_without_a_reaction_leave_one_a_fortnight() -> None:
    loyal = replace(WELL, recipient=recipient(segment="loyal"))
    assert reason(replace(loyal, contacts=silence(4))) is None
    assert reason(replace(loyal, contacts=silence(5))) == "budget"
    assert reason(replace(loyal, contacts=silence(5, engaged=0))) is None
    assert reason(replace(loyal, contacts=silence(6, engaged=0))) == "budget"
    quiet_for_long = tuple(msgspec.structs.replace(c, at=c.at - 14 * DAY) for c in silence(5))
    assert reason(replace(loyal, contacts=quiet_for_long)) is None


def test_whoever_wants_less_than_one_a_fortnight_gets_less_however_silent() -> None:
    history = tuple(msgspec.structs.replace(c, at=c.at - 14 * DAY) for c in silence(5))  # the last one 25 days ago
    assert reason(replace(WELL, contacts=history, at_most_days=25)) is None
    assert reason(replace(WELL, contacts=history, at_most_days=26)) == "budget"


def test_whoever_wants_one_in_so_many_days_gets_no_more_than_one_whatever_the_shop_allows() -> None:
    often = replace(WELL, settings=settings(caps={"weekly": {"new": 9}}), contacts=(contacted(6 * DAY),))
    assert reason(often) is None
    assert reason(replace(often, at_most_days=7)) == "budget"


def test_a_budget_of_another_length_than_a_week_says_so() -> None:
    often = replace(WELL, contacts=(contacted(6 * DAY),))
    lengths = [(found := shut(replace(often, at_most_days=days))) and found.facts.get("days") for days in (0, 7, 30)]
    assert lengths == [None, None, 30]


def test_the_ladder_that_asks_still_waits_for_its_reaction() -> None:
    history = (*silence(4), contacted(DAY, "mine", "push"))
    assert reason(replace(WELL, recipient=recipient(segment="loyal"), contacts=history)) is None


def on(where: str, history: tuple[Contacted, ...]) -> Facts:
    return replace(WELL, contacts=history) if where == "customer" else replace(WELL, address_contacts=history)


@pytest.mark.parametrize("where", ["customer", "address"])
def test_two_sms_in_thirty_days_are_the_most_and_the_third_waits(where: str) -> None:
    history = (contacted(29 * DAY, "a", "sms"), contacted(20 * DAY, "b", "sms"))
    sms = message(channel="sms", expires_at=NOON + 30 * DAY)
    found = shut(on(where, history), sms)
    assert found is not None
    assert (found.reason, found.verdict, found.until) == ("budget", "held", NOON + DAY)
    assert reason(on(where, history[1:]), sms) is None
    assert reason(on(where, (contacted(29 * DAY, "a", "email"), history[1])), sms) is None
    assert reason(on(where, history)) is None


def test_whom_two_series_left_cold_gets_one_in_sixty_days() -> None:
    away = replace(WELL, at_most_days=60)
    assert reason(replace(away, contacts=(contacted(59 * DAY),))) == "budget"
    assert reason(replace(away, contacts=(contacted(60 * DAY),))) is None


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("gift", [True, False])
def test_a_gift_is_not_spoken_of_where_others_read_along(gift: bool, shared: bool) -> None:
    found = shut(replace(WELL, address_shared=shared), message(data={"gift": gift}))
    refusal = ("suppressed_address", "channel", {"why": "a gift, and others read along"})
    assert (found and (found.reason, found.scope, found.facts)) == (refusal if gift and shared else None)


def test_without_budget_only_gaps_remain() -> None:
    free = replace(WELL, settings=settings(caps={"budget": False}))
    assert reason(replace(free, contacts=tuple(contacted(n * DAY, str(n)) for n in range(1, 6)))) is None
    assert reason(replace(free, contacts=(contacted(HOUR, "a", "email"),))) == "gap"


def test_nor_do_the_customers_own_days_end_with_it() -> None:
    own = replace(WELL, settings=settings(caps={"budget": False}), at_most_days=7)
    assert reason(replace(own, contacts=(contacted(6 * DAY),))) == "budget"
    assert reason(replace(own, contacts=(contacted(7 * DAY),))) is None


@pytest.mark.parametrize(("channel", "hours"), [("email", 16), ("sms", 24), ("push", 24)])
def test_gaps_differ_by_channel_and_have_a_minute_of_grace(channel: str, hours: int) -> None:
    wanted = message(channel=channel)
    earlier = hours * HOUR - MINUTE
    assert reason(replace(WELL, contacts=(contacted(earlier - 1, "mine", channel),)), wanted) == "gap"
    assert reason(replace(WELL, contacts=(contacted(earlier, "mine", channel),)), wanted) is None


def test_a_gap_counts_from_the_latest_on_the_channel_whatever_came_before_or_elsewhere() -> None:
    long_ago, lately, elsewhere = (
        contacted(3 * DAY, "a", "email"),
        contacted(HOUR, "b", "email"),
        contacted(MINUTE, "c", "push"),
    )
    often = replace(WELL, settings=settings(caps={"weekly": {"new": 9}}))
    for history in ((long_ago, lately), (lately, long_ago), (long_ago, lately, elsewhere)):
        assert reason(replace(often, contacts=history)) == "gap"
    assert reason(replace(often, contacts=(long_ago, elsewhere))) is None


def test_a_message_keeps_no_gap_to_its_own_earlier_attempt() -> None:
    own = contacted(MINUTE, "mine", "email", message_id="m1")
    assert reason(replace(WELL, contacts=(own,), address_contacts=(own,))) is None


def test_quiet_hours_say_when_they_end_and_whose_clock_they_follow() -> None:
    found = shut(replace(WELL, now=NOON + 9 * HOUR, read_through=NOON + 9 * HOUR))
    assert found is not None
    assert found.until == NOON + 21 * HOUR
    assert (found.facts["zone"], found.facts["zone_from"]) == ("Europe/Madrid", "profile")


NIGHT = replace(WELL, now=NOON + 9 * HOUR, read_through=NOON + 9 * HOUR, settings=settings(hours={"spread": "2h"}))
NINE = NOON + 21 * HOUR


def turn(facts: Facts = NIGHT, **more: Any) -> int:
    found = shut(facts, message(**more))
    assert found is not None
    assert found.until == found.facts["until"]
    return (found.until or 0) - NINE


def test_what_waits_for_an_hour_leaves_over_some_time_each_customer_at_a_turn_of_their_own() -> None:
    turns = [turn(customer=f"u{number}") for number in range(200)]
    assert all(0 <= each < 2 * HOUR for each in turns)
    assert sorted(turns)[20] < HOUR / 2
    assert sorted(turns)[-20] > 3 * HOUR / 2
    assert {turn(customer="u7", message_id=f"m{number}") for number in range(9)} == {turns[7]}


def test_nobody_loses_the_hour_or_a_message_by_their_turn() -> None:
    assert turn(expires_at=NINE + MINUTE) == 0
    assert turn(replace(NIGHT, own_hours="08:00-09:01")) == 0


def test_where_no_hour_suits_every_plausible_zone_the_message_waits_for_its_expiry() -> None:
    found = shut(replace(WELL, zones=(MADRID, AUCKLAND), zone_from="country"))
    assert found is not None
    assert (found.reason, found.until) == ("quiet_hours", None)


def test_the_allow_list_knows_patterns_and_no_case() -> None:
    listed = replace(WELL, settings=settings(sending={"allow": ["*@Example.test"]}))
    assert reason(listed) is None
    assert reason(replace(listed, address="u1@example.test.evil")) == "not_allowed"


def test_only_what_browsing_told_falls_to_the_level_of_personalisation() -> None:
    assert reason(replace(WELL, personalisation="none"), message(uses=("orders",))) is None


def test_a_gate_that_cannot_read_its_facts_closes_and_names_the_rule() -> None:
    def own_settings(message: MessageBody, facts: Facts) -> GateRecord:
        raise TypeError("'NoneType' object is not iterable")

    [shut] = judge(MESSAGE, WELL, (own_settings, content))
    assert (shut.gate, shut.verdict, shut.reason) == ("own settings", GateVerdict.HELD, Reason.TEMPLATE_ERROR)
    assert shut.facts == {"error": "rule cart (TypeError): 'NoneType' object is not iterable"}
    assert shut.until == NOON + 5 * MINUTE


@pytest.mark.parametrize(
    ("categories", "muted"),
    [
        (["Tea"], True),
        (["Tea", "Kettles"], False),
        ([], False),
        (None, False),
        (7, False),
        ({"Tea": 1}, False),
        ("Tea", True),
        ([{"name": "Tea"}], False),
        (["Tea", None, ["Kettles"]], True),
        ([7], True),
    ],
)
def test_whatever_a_rule_gives_for_categories_the_ones_that_can_be_read_count(categories: Any, muted: bool) -> None:
    message = msgspec.structs.replace(MESSAGE, data={"categories": categories})
    shut = judge(message, replace(WELL, muted_topics=("Tea", "7")), (own_settings,))[-1]
    assert (shut.reason is Reason.MUTED_TOPIC, shut.verdict is GateVerdict.OPEN) == (muted, not muted)


def test_the_gates_are_asked_in_the_order_of_the_contract() -> None:
    """Holds stand before whatever depends on the moment of sending; what is only withheld stands last."""
    assert [gate.__name__ for gate in ORDER] == [
        "cancelled",
        "expired",
        "duplicate",
        "log_not_read",
        "stopped",
        "erased",
        "do_not_contact",
        "no_address",
        "suppressed_address",
        "consent",
        "own_settings",
        "complaint_open",
        "resting",
        "in_touch",
        "not_yet",
        "quiet_hours",
        "budget",
        "gap",
        "content",
        "holdout",
        "shadow",
        "not_allowed",
        "provider",
    ]

"""What an advance of the dev clock reports, in text and as JSON."""

from __future__ import annotations

import msgspec
from stories import AFTERNOON, FOUR, MADRID, THREE, umas_story

from tactful.clock import DAY, HOUR
from tactful.decisions import Reason
from tactful_console.advance import AdvanceReport, Decided, HeldBack, advance_text, decided
from tactful_console.moments import Moments

HERE = Moments(MADRID)


def decisions() -> list[Decided]:
    answers = [row.data for row in umas_story().rows if row.kind == "decided"]
    return [
        decided(
            "u1",
            data,
            HERE,
            explain="http://127.0.0.1:8080/console/customers/u1",
            ended="nobody to reach" if data["channel"] == "sms" else "",
        )
        for data in answers
    ]


def test_a_rule_that_fails_is_named_with_its_line_and_what_to_do() -> None:
    report = AdvanceReport(
        start=AFTERNOON, end=THREE, failing={"second_order": "rules/second_order.py:21: KeyError: 'sku'"}
    )
    assert advance_text(report, HERE) == (
        "14:00 → 15:00   no timer fired\n"
        "  failing:      second_order  rules/second_order.py:21: KeyError: 'sku'\n"
        "  once mended:  tactful rules resume second_order   (files of rules are read when tactful dev starts)"
    )


def test_a_refusal_names_the_reason_the_mend_and_the_page() -> None:
    report = AdvanceReport(start=AFTERNOON, end=THREE, timers_fired=1, decisions=tuple(decisions()[:3]))
    assert advance_text(report, HERE) == (
        "14:00 → 15:00   1 timer fired\n"
        "  15:00  abandoned_cart  u1  email  NOT SENT  no_consent   nobody has granted marketing.cart by email\n"
        "  15:00  abandoned_cart  u1  push   NOT SENT  no_address   no address for push is known\n"
        "  15:00  abandoned_cart  u1  sms    NOT SENT  no_address   no address for sms is known"
        "   → run ended: nobody to reach\n"
        "  to allow it:  tactful consent grant u1 marketing --channel email --source signup-form\n"
        "  why:          tactful explain u1"
    )


def test_a_message_shows_its_subject_and_where_to_read_it() -> None:
    report = AdvanceReport(start=THREE, end=FOUR, timers_fired=1, decisions=tuple(decisions()[3:]))
    assert advance_text(report, HERE) == (
        "15:00 → 16:00   1 timer fired\n"
        '  16:00  abandoned_cart  u1  email  SENT   "Uma, your Blue kettle is still here"   http://127.0.0.1:8080/inbox/1'
    )


def test_a_held_message_says_until_when() -> None:
    held = HeldBack(
        message_id="m_3",
        customer="u1",
        rule="abandoned_cart",
        channel="email",
        reason=Reason.QUIET_HOURS,
        at=FOUR + 5 * HOUR,
        until=FOUR + 17 * HOUR,
        facts={"zone": "Europe/Madrid", "zone_from": "profile"},
    )
    report = AdvanceReport(start=FOUR, end=FOUR + 5 * HOUR, timers_fired=1, held=(held,))
    assert advance_text(report, HERE).splitlines()[1] == (
        "  21:00  abandoned_cart  u1  email  HELD until Tue 09:00  quiet_hours"
        "   Quiet hours until Tue 09:00 in Europe/Madrid, from the profile"
    )


FORTNIGHT = HeldBack(
    message_id="m_3",
    customer="u1",
    rule="churn_risk",
    channel="email",
    reason=Reason.BUDGET,
    at=FOUR,
    until=FOUR + 14 * DAY,
)


def test_what_is_held_for_a_week_or_more_says_until_which_day() -> None:
    report = AdvanceReport(start=AFTERNOON, end=FOUR, held=(FORTNIGHT,))
    assert "HELD until Mon 7 Dec 2026 16:00  budget" in advance_text(report, HERE)


def test_a_message_that_is_too_old_before_its_hold_ends_says_so() -> None:
    held = msgspec.structs.replace(FORTNIGHT, expires=FOUR + DAY, facts={"used": 1, "allowed": 1})
    assert advance_text(AdvanceReport(start=AFTERNOON, end=FOUR, held=(held,)), HERE).splitlines()[1] == (
        "  16:00  churn_risk  u1  email  HELD until Tue 16:00  budget"
        "   1 of 1 contacts are used; free again at Mon 7 Dec 2026 16:00; too old by then"
    )


def test_when_nothing_happened_it_says_when_something_will() -> None:
    report = AdvanceReport(start=FOUR, end=FOUR + DAY, next_timer=FOUR + 2 * DAY)
    assert advance_text(report, HERE) == (
        "Mon 16:00 → Tue 16:00   no timer fired\n  next timer:   Wed 25 Nov 2026 16:00"
    )


def test_the_json_form_has_the_names_that_scripts_read() -> None:
    report = AdvanceReport(start=AFTERNOON, end=THREE, timers_fired=1, decisions=tuple(decisions()[:1]))
    told = msgspec.json.decode(msgspec.json.encode(report))
    assert {name: told[name] for name in ("from", "to", "timers_fired", "held", "next_timer")} == {
        "from": AFTERNOON,
        "to": THREE,
        "timers_fired": 1,
        "held": [],
        "next_timer": None,
    }
    (answer,) = told["decisions"]
    assert answer["id"] == "m_email"
    assert (answer["verdict"], answer["reason"], answer["scope"]) == ("not_sent", "no_consent", "channel")
    assert (answer["customer"], answer["rule"], answer["rule_version"], answer["channel"]) == (
        "u1",
        "abandoned_cart",
        1,
        "email",
    )
    assert (answer["at"], answer["facts"]) == (THREE, {})
    assert answer["explain"] == "http://127.0.0.1:8080/console/customers/u1"


def test_a_subject_cannot_touch_the_terminal() -> None:
    sent = msgspec.structs.replace(decisions()[3], subject="\x1b[2Jgone\nnext")
    report = AdvanceReport(start=THREE, end=FOUR, decisions=(sent,))
    assert '"�[2Jgone�next"' in advance_text(report, HERE)

"""What `tactful explain` prints."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stories import AFTERNOON, FOUR, MADRID, decision, event, held_message, row, umas_story

from tactful.clock import DAY, MINUTE
from tactful_console.explain import explain_text
from tactful_console.history import TimelineInputs
from tactful_console.terminal import printable
from tactful_console.timeline import timeline

UMA = """\
Mon 14:00  Product Added   c1  Blue kettle                 event m2
Mon 14:00  abandoned_cart v1 started, wakes after 1 h of quiet
Mon 15:00    email  NOT SENT  no_consent  nobody has granted marketing.cart by email · push no_address · sms no_address\
 → ended, nobody to reach
Mon 15:00  Consent         marketing/email granted         entry #1  wording signup-form-3
Mon 15:00  Product Added   c1  Tea, 500 g                  event m4
Mon 15:00  abandoned_cart v1 started
Mon 16:00    email  SENT  consent #1 · budget 0 of 1 this week · 16:00 in Europe/Madrid (profile) · template 4f1c\
 · inbox accepted
waiting until Tue 16:00: abandoned_cart  a click or a reply, then push"""


def explained(inputs: TimelineInputs, now: int = FOUR) -> str:
    return explain_text(timeline(inputs, MADRID.key), now)


def test_a_refusal_a_consent_and_a_message_read_as_one_story() -> None:
    assert explained(umas_story()) == UMA


def test_a_refusal_that_the_shop_can_mend_ends_with_how() -> None:
    refused = replace(umas_story(), rows=umas_story().rows[:7], pending=())
    assert explained(refused).splitlines()[-1] == (
        "to allow it:  tactful consent grant u1 marketing --channel email --source signup-form"
    )


def test_what_was_mended_since_is_not_offered_again() -> None:
    assert "to allow it" not in explained(umas_story())


def test_after_another_word_on_consent_nothing_is_offered_to_the_shop() -> None:
    """It was granted by now, or taken back, which is nobody's to undo."""
    answered = replace(umas_story(), rows=umas_story().rows[:8], pending=())
    assert answered.rows[-1].kind == "consent"
    assert "to allow it" not in explained(answered)


def test_where_several_rules_speak_each_message_is_named() -> None:
    survey = replace(
        row(FOUR, "decided", decision("email", "sent", template="churn_survey", rule="churn_risk"), run="r_9", index=2),
        rule="churn_risk",
    )
    lines = explained(replace(umas_story(), rows=(*umas_story().rows, survey), pending=())).splitlines()
    assert [line[:40] for line in lines if "SENT" in line] == [
        "Mon 15:00    abandoned_cart  email  NOT ",
        "Mon 16:00    abandoned_cart  email  SENT",
        "Mon 16:00    churn_survey  email  SENT",
    ]


def test_a_held_message_says_until_when() -> None:
    held = replace(umas_story(), held=(held_message(),))
    assert "held until Tue 09:00: abandoned_cart  email: Quiet hours until Tue 09:00" in explained(held)


@pytest.mark.parametrize("until", [FOUR + 3 * DAY, None])
def test_a_message_that_is_too_old_before_its_hold_ends_says_so(until: int | None) -> None:
    held = replace(held_message(), until=until, expires=FOUR + DAY)
    told = explained(replace(umas_story(), held=(held,)))
    assert "held until Tue 16:00: abandoned_cart  email: Quiet hours" in told
    assert told.endswith("; too old by then")


def test_a_longer_story_gives_the_dates() -> None:
    later = row(AFTERNOON + 7 * DAY, "event", event("Order Completed", "m9", "o1"))
    lines = explained(TimelineInputs("u1", "Europe/Madrid", (*umas_story().rows, later))).splitlines()
    assert lines[0].startswith("Mon 23 Nov 2026 14:00  Product Added")
    assert lines[-1].startswith("Mon 30 Nov 2026 14:00  Order Completed o1")


def test_a_story_of_long_ago_gives_the_dates_however_short_it_is() -> None:
    assert explained(umas_story(), FOUR + 90 * DAY).startswith("Mon 23 Nov 2026 14:00  Product Added")


def test_an_event_that_came_late_or_from_an_import_says_when_it_happened() -> None:
    late = event("Order Completed", "m9", "o1") | {"occurred_at": AFTERNOON - 2 * DAY}
    prompt = event("Order Completed", "m10", "o2") | {"occurred_at": AFTERNOON - 10 * MINUTE}
    told = (late, late | {"history": True}, prompt)
    rows = [row(AFTERNOON, "event", data, index=n) for n, data in enumerate(told)]
    assert [
        line.partition("event ")[2] for line in explained(TimelineInputs("u1", "Europe/Madrid", rows)).splitlines()
    ] == [
        "m9, happened Sat 21 Nov 2026 14:00",
        "m9, happened Sat 21 Nov 2026 14:00, imported: it starts nothing",
        "m10",
    ]


def test_refusals_of_two_runs_at_one_instant_stay_apart() -> None:
    rows = [
        row(AFTERNOON, "decided", decision("email", "not_sent", "gap"), run=run, index=n) for n, run in enumerate("ab")
    ]
    assert len(explained(TimelineInputs("u1", "", rows)).splitlines()) == 2


def test_nobody_known_is_said_in_a_line() -> None:
    assert explained(TimelineInputs("u9")) == "nothing is known of u9"


def test_what_customers_wrote_cannot_touch_the_terminal() -> None:
    nasty = row(AFTERNOON, "event", event("Evil\x1b[2J\r\n", "m\x07", "\u202eabc\u200b"))
    text = explained(TimelineInputs("u1\x1b]0;x\x07", "", (nasty,)))
    assert not [c for c in text if ord(c) < 32 or c in "\u202e\u200b\x7f"]


def test_of_the_marks_around_a_name_that_is_written_the_other_way_nothing_is_seen() -> None:
    assert printable("\u200e\u2068שרה\u2069, your kettle") == "שרה, your kettle"

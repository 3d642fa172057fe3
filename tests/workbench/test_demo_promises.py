"""The demo counts broken promises; it would notice one."""

from __future__ import annotations

from typing import Any

import pytest

from tactful.clock import DAY, HOUR
from tactful_workbench.demo.promises import BROKEN, Line, broken

ORDER, OPT_OUT, COMPLAINT = BROKEN
GRANT = Line("u1", 0, "Consent Changed", {"purpose": "marketing", "channel": "", "state": "granted"})
WITHDRAWAL = Line("u1", 1, "Consent Changed", {"purpose": "marketing", "channel": "email", "state": "withdrawn"})


def letter(at: int, **more: Any) -> Line:
    told = {"verdict": "sent", "purpose": "marketing.cart", "channel": "email", **more}
    return Line("u1", at, "Message Decided", told)


def test_a_message_with_consent_and_nothing_against_it_breaks_nothing() -> None:
    assert set(broken([GRANT, letter(DAY)]).values()) == {0}


@pytest.mark.parametrize(
    ("before", "promise"),
    [
        (Line("u1", 9 * DAY, "Order Completed", {}), ORDER),
        (WITHDRAWAL, OPT_OUT),
        (Line("u1", 1, "Complaint Opened", {"ticket_id": "t1"}), COMPLAINT),
    ],
    ids=["an order", "an opt-out", "a complaint"],
)
def test_a_message_that_should_not_have_left_is_counted(before: Line, promise: str) -> None:
    assert broken([GRANT, before, letter(9 * DAY + HOUR)]) == {**dict.fromkeys(BROKEN, 0), promise: 1}


def test_what_was_not_sent_and_what_is_no_marketing_breaks_nothing() -> None:
    lines = [letter(1, verdict="not_sent"), letter(2, purpose="service.complaint")]
    assert set(broken(lines).values()) == {0}


def test_a_complaint_that_was_closed_stands_in_nobody_s_way() -> None:
    tickets = [Line("u1", at, f"Complaint {what}", {"ticket_id": "t1"}) for at, what in ((1, "Opened"), (2, "Closed"))]
    assert set(broken([GRANT, *tickets, letter(9 * DAY)]).values()) == {0}

"""Every reason is a sentence, with the facts that dispatch gave or without them."""

from __future__ import annotations

from string import Formatter
from typing import Any

import pytest
from stories import FOUR, MADRID

from tactful.clock import DAY, HOUR
from tactful.decisions import GateRecord, GateVerdict, Reason
from tactful_console.fixes import fix
from tactful_console.moments import Moments
from tactful_console.verdicts import mend
from tactful_console.wording import OPEN, SHUT, gate_sentence

HERE = Moments(MADRID)
ABOUT = {"purpose": "marketing.cart", "channel": "email", "rule": "abandoned_cart", "decided_at": FOUR}


def shut(reason: Reason, until: int | None = None, **facts: Any) -> str:
    return gate_sentence(GateRecord("gate", GateVerdict.REFUSED, facts, reason, until=until), HERE, ABOUT)


def open_(gate: str, **facts: Any) -> str:
    return gate_sentence(GateRecord(gate, GateVerdict.OPEN, facts), HERE, ABOUT)


def test_no_reason_is_missing() -> None:
    assert set(SHUT) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_without_any_facts_is_still_a_sentence(reason: Reason) -> None:
    sentence = gate_sentence(GateRecord("gate", GateVerdict.REFUSED, reason=reason), HERE)
    assert sentence
    assert "{" not in sentence


@pytest.mark.parametrize("wordings", [*SHUT.values(), *OPEN.values()], ids=[*SHUT, *OPEN])
def test_wordings_ask_for_fewer_and_fewer_facts(wordings: tuple[str, ...]) -> None:
    """A wording that asks for no less than an earlier one could never be used."""
    fields = [{name for _, name, _, _ in Formatter().parse(wording) if name} for wording in wordings]
    for later, needs in enumerate(fields):
        assert not any(earlier <= needs for earlier in fields[:later]), wordings[later]


@pytest.mark.parametrize(
    ("sentence", "reason", "until", "facts"),
    [
        ("nobody has granted marketing.cart by email", Reason.NO_CONSENT, None, {}),
        (
            "marketing.cart was withdrawn at Sun 16:00, entry #7, and was not granted by email since",
            Reason.NO_CONSENT,
            None,
            {"at": FOUR - DAY, "entry": 7, "state": "withdrawn"},
        ),
        (
            "Quiet hours until Tue 09:00 in Europe/Madrid, from the profile",
            Reason.QUIET_HOURS,
            FOUR + 17 * HOUR,
            {"zone": "Europe/Madrid", "zone_from": "profile"},
        ),
        (
            "marketing.cart was withdrawn at Sun 16:00, entry #7; silent until Tue 22 Dec 2026 16:00 or a new grant",
            Reason.WITHDRAWN,
            None,
            {"at": FOUR - DAY, "entry": 7, "silent_until": FOUR + 29 * DAY},
        ),
        ("the customer wants no marketing.cart", Reason.WITHDRAWN, None, {"stopped_all": True}),
        (
            "held for quiet hours until it was too old, at 15:00",
            Reason.EXPIRED,
            None,
            {"held_for": "quiet_hours", "expires_at": FOUR - HOUR},
        ),
        (
            "the hold ended at 14:00, and its run did not answer until it was too old, at 15:00",
            Reason.EXPIRED,
            None,
            {"held_for": "quiet_hours", "asked_at": FOUR - 2 * HOUR, "expires_at": FOUR - HOUR},
        ),
        (
            "nobody has read the log for 1m 30s: an opt-out may stand in it unread",
            Reason.LOG_NOT_READ,
            None,
            {"behind": 90_000},
        ),
        (
            "1 of 1 contacts are used, the last by missed_order; free again at Thu 16:00",
            Reason.BUDGET,
            FOUR + 3 * DAY,
            {"used": 1, "allowed": 1, "lost_to": "missed_order"},
        ),
        ("2 of 2 contacts in 30 days are used", Reason.BUDGET, None, {"used": 2, "allowed": 2, "days": 30}),
        (
            "1 of 1 contacts in 60 days are used, the last by churn_risk; free again at Thu 16:00",
            Reason.BUDGET,
            FOUR + 3 * DAY,
            {"used": 1, "allowed": 1, "days": 60, "lost_to": "churn_risk"},
        ),
        ("0 of 0 contacts are used", Reason.BUDGET, None, {"used": 0, "allowed": 0, "lost_to": ""}),
        (
            "churn_risk left by email at 14:00; 16 h must lie between",
            Reason.GAP,
            None,
            {"last": FOUR - 2 * HOUR, "rule": "churn_risk", "hours": 15.983333},
        ),
        ("marketing rests until Tue 12:00: late delivery", Reason.RESTING, FOUR + 20 * HOUR, {"why": "late_delivery"}),
        ("abandoned_cart is in mode shadow: it decides, nothing leaves", Reason.SHADOW, None, {"mode": "shadow"}),
    ],
)
def test_the_facts_are_in_the_sentence(sentence: str, reason: Reason, until: int | None, facts: dict[str, Any]) -> None:
    assert shut(reason, until, **facts) == sentence


def test_an_open_gate_says_what_people_ask_about() -> None:
    assert open_("consent", entry=1, state="granted", basis="consent") == "consent #1"
    assert open_("consent", basis="contract") == "rests on the contract"
    assert open_("budget", used=0, allowed=1, days=7, segment="new") == "budget 0 of 1 this week"
    assert open_("quiet hours", zone="Asia/Tokyo", zone_from="profile", hours="09:00-21:00") == (
        "00:00 in Asia/Tokyo (profile)"
    )


def test_an_open_gate_without_a_wording_lists_its_facts() -> None:
    assert open_("shadow", mode="live") == "mode live"
    assert open_("erased") == "nothing against it"


def test_braces_in_a_fact_stay_what_they_are() -> None:
    assert shut(Reason.TEMPLATE_ERROR, error="{error} {0} {x.__class__}").endswith("{error} {0} {x.__class__}")


def test_the_shop_is_told_how_to_allow_it() -> None:
    message = {"customer": "u1", "rule": "abandoned_cart", "channel": "email", "purpose": "marketing.cart"}
    assert fix(Reason.NO_CONSENT, **message) == (
        "tactful consent grant u1 marketing --channel email --source signup-form"
    )
    assert fix(Reason.STOPPED, **message) == "tactful resume"


def test_a_customers_own_no_is_never_offered_for_undoing() -> None:
    message = {"customer": "u1", "rule": "abandoned_cart", "channel": "email", "purpose": "marketing.cart"}
    theirs = (Reason.WITHDRAWN, Reason.MUTED_RULE, Reason.MUTED_TOPIC, Reason.PAUSED, Reason.DO_NOT_CONTACT)
    assert not [reason for reason in (*theirs, Reason.ERASED, Reason.COMPLAINT_OPEN) if fix(reason, **message)]


def test_nor_is_one_that_is_so_long_ago_that_the_silence_after_it_is_over() -> None:
    refusal: dict[str, Any] = {
        "verdict": "not_sent",
        "reason": "no_consent",
        "channel": "email",
        "purpose": "marketing.cart",
    }
    assert mend("u1", refusal) == "tactful consent grant u1 marketing --channel email --source signup-form"
    assert mend("u1", refusal | {"facts": {"entry": 7, "state": "withdrawn", "at": FOUR - 40 * DAY}}) is None


def test_an_id_from_outside_cannot_leave_its_place_in_a_command() -> None:
    command = fix(Reason.NO_CONSENT, customer="u1; rm -rf ~\x1b[2J", rule="r", channel="email", purpose="marketing")
    assert command is not None
    assert "'u1; rm -rf ~�[2J'" in command

"""A customer's story as the console is told it: Uma, her kettle, a refusal, her consent, a message."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tactful.clock import HOUR
from tactful_console.history import Consent, Held, HistoryRow, JournalEntry, Pending, TimelineInputs

MADRID = ZoneInfo("Europe/Madrid")
AFTERNOON = int(datetime(2026, 11, 23, 14, 0, tzinfo=MADRID).timestamp() * 1000)
THREE = AFTERNOON + HOUR
FOUR = AFTERNOON + 2 * HOUR


def row(at: int, kind: str, data: dict[str, Any], *, run: str = "", index: int = 0) -> HistoryRow:
    """One row of Uma's history; what belongs to a run belongs to the abandoned cart."""
    return HistoryRow("u1", at, 7, index, kind, "abandoned_cart" if run else "", run, data)


def decision(channel: str, verdict: str, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """The properties of a `Message Decided`."""
    return {
        "message_id": f"m_{channel}",
        "run_id": "r_1",
        "rule": "abandoned_cart",
        "rule_version": 1,
        "channel": channel,
        "template": "abandoned_cart",
        "purpose": "marketing.cart",
        "verdict": verdict,
        "reason": reason,
        "scope": "channel" if reason else None,
        "facts": {},
        "gates": [],
        "requested_at": THREE,
        "decided_at": THREE,
    } | fields


NO_CONSENT = [
    {"gate": "no address", "verdict": "open"},
    {
        "gate": "consent",
        "verdict": "refused",
        "reason": "no_consent",
        "scope": "channel",
        "facts": {"purpose": "marketing.cart", "channel": "email"},
    },
]
SENT = [
    {"gate": "consent", "verdict": "open", "facts": {"entry": 1, "state": "granted", "basis": "consent"}},
    {
        "gate": "quiet hours",
        "verdict": "open",
        "facts": {"hours": "09:00-21:00", "zone": "Europe/Madrid", "zone_from": "profile"},
    },
    {"gate": "budget", "verdict": "open", "facts": {"used": 0, "allowed": 1, "days": 7, "segment": "new"}},
]


def event(name: str, id: str, about: str, **properties: Any) -> dict[str, Any]:
    """The data of an event row."""
    return {"name": name, "id": id, "source": "dev_server", "about": about, "properties": properties}


def umas_story() -> TimelineInputs:
    """A first cart without consent, then one with it; the e-mail left, push comes next."""
    first, second = "r_1", "r_2"
    grant = {"purpose": "marketing", "channel": "email", "state": "granted", "entry": 1, "wording": "signup-form-3"}
    sent = decision(
        "email",
        "sent",
        message_id="m_2",
        run_id="r_2",
        gates=SENT,
        decided_at=FOUR,
        consent_entry=1,
        provider="inbox",
        provider_id="1",
        content_version="4f1c9d2e",
        subject="Uma, your Blue kettle is still here",
        url="http://127.0.0.1:8080/inbox/1",
    )
    kettle = event("Product Added", "m2", "c1  Blue kettle", cart_id="c1", product_id="p1", price=[3990, "EUR"])
    refused = decision("email", "not_sent", "no_consent", gates=NO_CONSENT)
    return TimelineInputs(
        customer="u1",
        zone="Europe/Madrid",
        rows=(
            row(AFTERNOON, "event", kettle),
            row(AFTERNOON, "started", {"version": 1, "waiting": "wakes after 1 h of quiet"}, index=1, run=first),
            row(THREE, "asked", {"message_id": "m_email", "channel": "email"}, run=first),
            row(THREE, "decided", refused, index=1, run=first),
            row(THREE, "decided", decision("push", "not_sent", "no_address"), index=2, run=first),
            row(THREE, "decided", decision("sms", "not_sent", "no_address"), index=3, run=first),
            row(THREE, "ended", {"why": "nobody to reach"}, index=4, run=first),
            row(THREE, "consent", {**grant, "name": "Consent Changed", "id": "m3"}, index=5),
            row(THREE, "event", event("Product Added", "m4", "c1  Tea, 500 g"), index=6),
            row(THREE, "started", {"version": 1}, index=7, run=second),
            row(FOUR, "asked", {"message_id": "m_2", "channel": "email"}, run=second),
            row(FOUR, "decided", sent, index=1, run=second),
        ),
        pending=(Pending(FOUR + 24 * HOUR, "abandoned_cart", "r_2", "engaged", "a click or a reply, then push"),),
        consents=(Consent("marketing", "email", "granted", 1, THREE, "consent", "signup-form-3", "checkout"),),
        journals={"r_2": (JournalEntry("quiet", FOUR), JournalEntry("get cart", FOUR, {"items": 2}))},
    )


def held_message() -> Held:
    """A message that waits for the morning."""
    facts = {"zone": "Europe/Madrid", "zone_from": "profile"}
    return Held("m_3", "abandoned_cart", "email", "quiet_hours", FOUR + 17 * HOUR, facts)

"""What dispatch is told of a customer. Rests are instants, so that the record does not depend on when it is made."""

from __future__ import annotations

import re
from typing import Final

from tactful.customer import Engagement, Orders, Profile, Tickets
from tactful.durations import milliseconds
from tactful.records import RecipientBody, Rest
from tactful.settings import Resting, Settings

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
_LOYAL, _REPEAT = 5, 2  # orders


def recipient(
    profile: Profile, orders: Orders, tickets: Tickets, engagement: Engagement, settings: Settings
) -> RecipientBody:
    """Addresses that a server vouched for, who the customer is, and until when marketing rests and why."""
    in_touch = milliseconds(settings.resting.contact)
    return RecipientBody(
        addresses=_addresses(profile),
        first_name=profile.first_name or None,
        locale=profile.locale or None,
        zone=profile.zone or None,
        country=profile.country or None,
        complaint_open=tickets.open,
        rests=_rests(orders, tickets, settings.resting),
        in_touch_until=profile.contacted_at + in_touch if profile.contacted_at else 0,
        in_touch_with=profile.contacted_by,
        do_not_contact=profile.flags.get("do_not_contact", ""),
        segment="loyal" if orders.count >= _LOYAL else "repeat" if orders.count >= _REPEAT else "new",
    )


def _addresses(profile: Profile) -> dict[str, str]:
    phone = re.sub(r"[\s().-]", "", profile.phone)
    addresses = {"email": profile.email, "push": profile.push_token}
    if _E164.fullmatch(phone):
        addresses |= {"sms": phone, "call": phone}
    return {channel: address for channel, address in addresses.items() if address}


def _rests(orders: Orders, tickets: Tickets, resting: Resting) -> tuple[Rest, ...]:
    rests = []
    if orders.last is not None:
        rests.append(Rest(orders.last.at + milliseconds(resting.order), "order"))
        if orders.last.late:
            rests.append(Rest(orders.last.delivered_at + milliseconds(resting.order), "late_delivery"))
    if orders.refunded_at:
        rests.append(Rest(orders.refunded_at + milliseconds(resting.refund), "refund"))
    if tickets.closed_at:
        rests.append(Rest(tickets.closed_at + milliseconds(resting.complaint_closed), "complaint_closed"))
    return tuple(rests)

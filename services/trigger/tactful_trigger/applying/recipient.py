"""What dispatch is told of a customer. Rests are instants, so that the record does not depend on when it is made."""

from __future__ import annotations

import re
from typing import Any, Final

from tactful.channels import E164
from tactful.customer import Engagement, Orders, Profile, Segments, Tickets
from tactful.durations import milliseconds
from tactful.purposes import is_service
from tactful.records import RecipientBody, Rest
from tactful.settings import Resting, Settings
from tactful_trigger.applying.countries import country_code

# "(0)" is for callers at home and no part of the number; phones copy it with dashes of print and invisible marks of its direction.
_PUNCTUATION: Final = re.compile(r"\(0\)|[\s()./-]|[\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_NAMED: Final = re.compile(r"[^<>]*<([^<>]+)>")  # `Uma <uma@example.test>`
_TOLD: Final = frozenset({Profile, Orders, Tickets})


def recipient(
    profile: Profile, orders: Orders, tickets: Tickets, engagement: Engagement, segments: Segments, settings: Settings
) -> RecipientBody:
    """Addresses that a server vouched for, who the customer is, and until when marketing rests and why.

    A country that is no code is left out: the shop's own then counts, with its hours.
    """
    contact, last = milliseconds(settings.resting.contact), orders.last
    ordered_at = last.at if last else 0
    away = engagement.away_since > ordered_at  # two attempts to win them back found no reaction, and no order since
    return RecipientBody(
        addresses=_addresses(profile),
        first_name=profile.first_name or None,
        locale=profile.locale or None,
        zone=profile.zone or None,
        country=country_code(profile.country),
        complaint_open=bool(tickets.recent) and tickets.open,
        rests=_rests(ordered_at, orders, tickets, settings.resting),
        in_touch_until=engagement.contacted_at + contact if engagement.contacted_at else 0,
        in_touch_since=engagement.contacted_at,
        in_touch_with=engagement.contacted_by,
        contacted_at=0 if is_service(engagement.contacted_for) else engagement.contacted_at,
        contacted_on=engagement.contacted_on,
        do_not_contact=profile.flags.get("do_not_contact", ""),
        segment=segments.name,
        at_most_days=settings.caps.away_days if away else 0,
        away=away,
    )


def tells_dispatch(before: Any, after: Any) -> bool:
    """Whether a change of this state may change what dispatch is told."""
    if type(after) is Engagement:
        return bool(after.contacted_at != before.contacted_at or after.away_since != before.away_since)
    return type(after) in _TOLD


def number_of(phone: str) -> str:
    """The number as it is dialled, with its country code; "" if it is none."""
    number = _PUNCTUATION.sub("", phone) if phone else ""
    return number if E164.fullmatch(number) else ""


def _addresses(profile: Profile) -> dict[str, str]:
    """The addresses by channel. A phone number without its country code could be anybody's, so it is none."""
    number = number_of(profile.phone)
    email = profile.email.strip()
    email = named[1].strip() if (named := _NAMED.fullmatch(email)) else email
    addresses = {"email": email, "push": profile.push_token, "sms": number, "call": number}
    return {channel: address for channel, address in addresses.items() if address}


def _rests(ordered_at: int, orders: Orders, tickets: Tickets, resting: Resting) -> tuple[Rest, ...]:
    """A late parcel rests as long as an order, from the day it came: before that nobody tells that it is late."""
    late = max((order.delivered_at for order in orders.recent if order.late), default=0)
    causes = (
        ("order", ordered_at, resting.order),
        ("late_delivery", late, resting.order),
        ("refund", orders.refunded_at, resting.refund),
        ("complaint_closed", tickets.closed_at, resting.complaint_closed),
    )
    return tuple(Rest(at + milliseconds(length), why, at) for why, at, length in causes if at)

"""A customer's card, put together from their rows: all that the preference page shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tactful.channels import DESK
from tactful.records import RecipientBody
from tactful.settings import Settings
from tactful_dispatch.desk import CustomerCard, SentMessage
from tactful_dispatch.facts import standing
from tactful_dispatch.hours import Window, agree, whereabouts
from tactful_dispatch.preferences import PREFERENCES
from tactful_dispatch.state.rows import AddressRow, CustomerRow, Delivery

SHOWN: Final = 20
CHOICES: Final = tuple(filter(None, PREFERENCES["hours"]))


def card_of(
    customer: str,
    row: CustomerRow,
    addresses: Mapping[str, AddressRow],
    sent: Iterable[Delivery],
    settings: Settings,
    now: int,
) -> CustomerCard:
    """`addresses`: those of the row, by channel. `sent`: what reached the customer under any of their names, or may have."""
    recipient = row.recipient
    return CustomerCard(
        customer=customer,
        addresses=recipient.addresses if recipient else {},
        first_name=recipient.first_name if recipient else None,
        locale=recipient.locale if recipient else None,
        zone=recipient.zone if recipient else None,
        consents=tuple(standing(row.words)),
        muted_rules=tuple(row.muted_rules),
        paused_until=row.paused_until,
        stopped=bool(row.stopped_at),
        messages=_latest(sent),
        shop_locale=settings.shop.locale,
        muted_topics=tuple(row.muted_topics),
        hours=row.hours,
        at_most_days=row.at_most_days,
        personalisation=row.personalisation,
        closed={channel: address.closed for channel, address in addresses.items()},
        hours_guessed=_are_hours_guessed(recipient, settings, now),
        hours_in_vain=tuple(own for own in CHOICES if not agree(_both(settings, own), [settings.shop.zone], now)),
        shut=tuple(channel for channel, address in addresses.items() if address.shut),
        complaint_open=bool(recipient and recipient.complaint_open),
    )


def _latest(sent: Iterable[Delivery]) -> tuple[SentMessage, ...]:
    latest = sorted(sent, key=lambda each: (each.decided_at, each.name), reverse=True)
    return tuple([_sent(each) for each in latest if each.message.channel != DESK][:SHOWN])


def _are_hours_guessed(recipient: RecipientBody | None, settings: Settings, now: int) -> bool:
    """Whether hours that may be chosen are open in a zone, and never in all in which the customer may be."""
    zone, country = (recipient.zone, recipient.country) if recipient else (None, None)
    zones = whereabouts(zone, country, settings.shop.zone, settings.shop.country).zones
    windows = [_both(settings, own) for own in CHOICES]
    return any(agree(both, zones[:1], now) and not agree(both, zones, now) for both in windows)


def _both(settings: Settings, own: str) -> tuple[Window, Window]:
    """The shop's hours, and those that a customer may choose within them."""
    return Window.parse(settings.hours.marketing), Window.parse(own)


def _sent(delivery: Delivery) -> SentMessage:
    message = delivery.message
    return SentMessage(
        message.message_id,
        delivery.decided_at,
        message.channel,
        message.rule,
        delivery.subject,
        message.because,
        message.because_at,
        message.uses,
    )

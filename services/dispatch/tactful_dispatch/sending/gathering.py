"""Gathering what the gates look at, from the rows of one transaction."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from tactful.channels import DESK
from tactful.purposes import covers
from tactful.records import RecipientBody
from tactful.settings import Settings, settings_from_log
from tactful_dispatch.applying.asking import unanswered_since
from tactful_dispatch.facts import Facts, Word, standing, used_up_by
from tactful_dispatch.hours import whereabouts
from tactful_dispatch.state.rows import AddressRow, Cursor, CustomerRow, Delivery


@lru_cache(maxsize=8)
def settings_of(text: str) -> Settings:
    """The settings as they stand in the log; the defaults before the first broadcast."""
    return settings_from_log(text)


def address_on(recipient: RecipientBody | None, channel: str, settings: Settings) -> str | None:
    """Where a message goes: to the customer's own address, for `webhook` to the shop's system, for `desk` to its mailbox."""
    if recipient is None:
        return None
    if channel == DESK:
        return settings.shop.reply_to or None
    return (settings.webhook.url or None) if channel == "webhook" else recipient.addresses.get(channel)


def gather(
    cursor: Cursor,
    row: CustomerRow,
    address: AddressRow | None,
    delivery: Delivery,
    now: int,
    channels: Collection[str],
    content_error: str | None,
) -> Facts:
    """The facts on one message as of `now`."""
    settings, recipient, message = settings_of(cursor.settings), row.recipient, delivery.message
    zone, country = (recipient.zone, recipient.country) if recipient else (None, None)
    place = whereabouts(zone, country, settings.shop.zone, settings.shop.country)
    withdrawn = address.closed if address else {}
    return Facts(
        now=now,
        read_through=cursor.clock,
        settings=settings,
        zones=place.zones,
        zone_from=place.known_from,
        sending_stopped=cursor.stopped,
        recipient=recipient,
        address=address_on(recipient, message.channel, settings),
        has_adapter=message.channel in channels,
        suppressed=address.shut if address else "",
        on_list_of=address.lists if address else "",
        left_at=address.left_at if address else 0,
        address_shared=address is not None and address.is_shared(row.names(message.customer)),
        unanswered_since=unanswered_since(address, message, now),
        words=_left(standing(row.words), row, delivery),
        address_withdrawn_at=max((at for p, at in withdrawn.items() if covers(p, message.purpose)), default=0),
        muted_rules=row.muted_rules,
        muted_topics=row.muted_topics,
        own_hours=row.hours,
        at_most_days=max(row.at_most_days, _seldom(recipient, settings)),
        personalisation=row.personalisation,
        paused_until=row.paused_until,
        stopped_all=bool(row.stopped_at),
        contacts=row.contacts,
        address_contacts=address.contacts if address else (),
        cancelled=delivery.cancelled,
        duplicate=delivery.again > 0,
        held_for=delivery.held_for,
        holds=delivery.hold,
        content_error=content_error,
        provider_until=delivery.provider_until,
        provider_detail=delivery.provider_detail,
    )


def _seldom(recipient: RecipientBody | None, settings: Settings) -> int:
    """In how many days the shop writes once at most to somebody who stays away; 0 for its usual caps."""
    if recipient is None or not settings.caps.budget:
        return 0
    return settings.caps.away_days if recipient.away else recipient.at_most_days


def _left(words: list[Word], row: CustomerRow, delivery: Delivery) -> list[Word]:
    """The words, but for grants for one message that another message may have used up: one that may have arrived and is not decided."""
    others = (each for each in row.deliveries.values() if each.doubtful and each.open and each.name != delivery.name)
    taken = [word for each in others for word in used_up_by(each.message, words)]
    return [word for word in words if word not in taken]

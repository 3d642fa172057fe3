"""Writing one message out: what its template may see, and the envelope it leaves in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tactful.channels import DESK
from tactful.errors import InvalidInput
from tactful.mailbox import mailbox
from tactful.purposes import is_marketing
from tactful.records import MessageBody, RecipientBody
from tactful.settings import Settings
from tactful_dispatch.channels import Envelope
from tactful_dispatch.content import Rendered, Rendering
from tactful_dispatch.content.shown import LINKS, shown_of
from tactful_dispatch.content.tracking import track
from tactful_dispatch.hours import whereabouts
from tactful_dispatch.links import Grant, Links
from tactful_dispatch.questions import OWN_TICKET
from tactful_dispatch.state.rows import AddressKey, Delivery
from tactful_dispatch.topics import without_muted


def rendering(
    delivery: Delivery,
    recipient: RecipientBody,
    settings: Settings,
    links: Links,
    sent_to: AddressKey | None,
    muted: Collection[str],
) -> Rendering:
    """All that the template may see. Where others read along, neither a name nor pictures, and of a complaint its number alone.
    `muted`: categories that the customer wants to hear nothing about."""
    shop, message = settings.shop, delivery.message
    data = _without_muted(message.data, muted)
    place = whereabouts(recipient.zone, recipient.country, shop.zone, shop.country)
    return Rendering(
        template=message.template,
        channel=message.channel,
        variant=message.variant,
        locales=_locales(message, recipient, shop.locale),
        data=_discreet(data) if delivery.shared else data,
        first_name="" if delivery.shared else recipient.first_name,
        shop=shown_of(shop),
        links={name: links.url(_grant(action, message, target, sent_to)) for name, (action, target) in LINKS.items()},
        because=message.because,
        because_at=message.because_at,
        zone=place.zones[0].key,
    )


def _locales(message: MessageBody, recipient: RecipientBody, shops_own: str) -> tuple[str, ...]:
    """The customer's language before the shop's; people at the shop read theirs."""
    wanted = (None if message.channel == DESK else recipient.locale, shops_own)
    return tuple(locale for locale in wanted if locale)


def _without_muted(data: dict[str, Any], muted: Collection[str]) -> dict[str, Any]:
    items = data.get("items")
    if not muted or not isinstance(items, list | tuple):
        return data
    return {**data, "items": without_muted(items, muted)}


def _discreet(data: Mapping[str, Any]) -> dict[str, Any]:
    items, number = data.get("items"), data.get("ticket_id")
    if number and data.get("about"):
        return {**data, "about": "" if str(number).startswith(OWN_TICKET) else number}
    if not isinstance(items, list | tuple):
        return dict(data)
    return {**data, "items": [{**item, "image_url": ""} if isinstance(item, dict) else item for item in items]}


def envelope(
    message: MessageBody,
    address: str,
    rendered: Rendered,
    settings: Settings,
    links: Links,
    sent_to: AddressKey | None = None,
) -> Envelope:
    """The message as it leaves: links tracked, ways to say no in the headers."""
    mail_name = links.sealed(message.message_id)
    unsubscribe = links.url(_grant("unsubscribe", message, sent_to=sent_to)) if is_marketing(message.purpose) else ""

    def tracked_url(index: int) -> str:
        if message.channel == "sms":
            return links.short(message.message_id, index)
        return links.url(_grant("click", message, index))

    tracked = track(rendered, tracked_url, links.url(_grant("open", message)) if message.channel == "email" else None)
    return Envelope(
        message_id=message.message_id,
        customer=message.customer,
        channel=message.channel,
        address=address,
        sender=settings.shop.sender if message.channel in ("email", DESK) else settings.shop.name,
        reply_to=_customers_own(message) if message.channel == DESK else settings.shop.reply_to,
        rendered=tracked,
        one_click_url=unsubscribe,
        unsubscribe_url=unsubscribe,
        mail_name=mail_name,
        return_path=_return_path(settings.shop.bounce_address, mail_name),
    )


def _customers_own(message: MessageBody) -> str:
    """Whom the desk answers: the customer, if they have an address that mail servers take."""
    address = str(message.data.get("email", ""))
    try:
        return mailbox(address, "reply_to").addr_spec
    except InvalidInput:
        return ""


def _return_path(address: str, mail_name: str) -> str:
    """Variable envelope return path: `bounces+<name>@…`, so that a report names the message by its address alone."""
    local, at, domain = address.rpartition("@")
    return f"{local}+{mail_name}@{domain}" if at else ""


def _grant(action: str, message: MessageBody, target: int = 0, sent_to: AddressKey | None = None) -> Grant:
    about = (message.customer, message.message_id, message.channel, message.purpose, message.rule)
    return Grant(action, *about, target, sent_to)

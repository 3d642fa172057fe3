"""Remembering, after a store was restored from a back-up, what it has forgotten: dispatch's own events in the log tell it. Pure but for the
workspace; taking an event again changes nothing.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.decisions import Reason, Verdict
from tactful.events.model import name_of
from tactful.events.own import AddressReopened, MessageDecided
from tactful.purposes import SMS_STOP
from tactful.records import ConsentBody, ConsentRecord, EventRecord, MessageBody
from tactful_dispatch.applying.consenting import TRAVELLED, enter_consent, take_for_mailbox
from tactful_dispatch.applying.contacting import count_contact, count_reaction, note_use
from tactful_dispatch.applying.deciding import close
from tactful_dispatch.applying.preferring import change_preference
from tactful_dispatch.applying.receiving import is_noticed, why_ended
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import STOPPED, AddressKey, Delivery
from tactful_dispatch.store import Workspace, delivery_of

REOPENED: Final = name_of(AddressReopened)
SOURCE: Final = "recalled"  # of words on consent in the ledger


def recall(space: Workspace, book: AddressBook, record: EventRecord) -> str:
    """Take one of dispatch's own events. What was remembered: `decision`, `consent`, `preference`, `address`; "" for nothing."""
    name, told = record.body.name, msgspec.json.decode(record.body.properties, type=dict[str, Any])
    if name == "Message Decided":
        return _decision(space, book, record.key, msgspec.convert(told, MessageDecided))
    if name == "Consent Changed":
        return _consent(space, book, record, told)
    if name == "Preferences Changed":
        changed = change_preference(space.customer(record.key), told, record.body.occurred_at)
        return "preference" if changed else ""
    if is_noticed(name, told):
        count_reaction(space, record.key, told.get("message_id", ""))
    return _address(space, book, record.key, name, told)


def _decision(space: Workspace, book: AddressBook, customer: str, told: MessageDecided) -> str:
    """A message that was decided does not leave a second time; if it may have left, it counts as a contact."""
    row = space.customer(customer)
    delivery = row.deliveries.get(told.message_id)
    if delivery is None:
        if space.knows(told.message_id):
            return ""
        delivery = row.deliveries[told.message_id] = Delivery(message=_message(customer, told))
    elif not delivery.open:
        return ""
    verdict = Verdict(told.verdict)
    delivery.gates, delivery.subject = list(told.gates), told.subject
    delivery.provider, delivery.provider_id = told.provider, told.provider_id
    if verdict is not Verdict.NOT_SENT:
        delivery.address = book.of(row.recipient, told.channel)
        note_use(space, delivery)
        count_contact(space, delivery, told.decided_at)
    close(space, delivery, verdict, Reason(told.reason) if told.reason else None, told.decided_at)
    return "decision"


def _message(customer: str, told: MessageDecided) -> MessageBody:
    """The message as far as its decision told it; its data are lost."""
    return MessageBody(
        message_id=told.message_id,
        run_id=told.run_id,
        customer=customer,
        subject=customer,
        rule=told.rule,
        rule_version=told.rule_version,
        run_key=told.run_key,
        channel=told.channel,
        template=told.template,
        variant=told.variant,
        purpose=told.purpose,
        requested_at=told.requested_at,
        expires_at=told.decided_at,
        contact=told.contact,
    )


def _consent(space: Workspace, book: AddressBook, record: EventRecord, told: dict[str, Any]) -> str:
    """A request for a confirmation is not repeated: whoever asked for it asks again."""
    if told["state"] == "requested":
        return ""
    said_as = told.get("said_as", "")  # came over with an account: what was passed on afterwards is read again
    body = ConsentBody(
        source=TRAVELLED if said_as else SOURCE,
        purpose=told["purpose"],
        channel=told["channel"],
        state=told["state"],
        basis=told["basis"],
        wording=told["wording"],
        via=told["via"],
        occurred_at=told.get("said_at", record.body.occurred_at),
        proof={**told["proof"], "entry": told["entry"]},  # its number in the ledger that was lost
        once=told["once"],
        said_as=said_as,
        stranger=told.get("stranger", False),
    )
    said_at = record.body.occurred_at
    if not enter_consent(space, book, ConsentRecord(id=record.id, key=record.key, at=said_at, body=body), said_at):
        return ""
    heard = delivery_of(space, record.key, str(body.proof.get("message_id") or ""))
    if heard is not None:
        take_for_mailbox(heard.address, heard.message, body, space)
    if (body.via, body.state) == (SMS_STOP, "withdrawn") and (number := body.proof.get("address")):
        space.address(AddressKey(body.channel, str(number))).suppress(STOPPED)
    return "consent"


def _address(space: Workspace, book: AddressBook, customer: str, name: str, told: dict[str, Any]) -> str:
    """A bounce or complaint shuts the address that the message went to, and an operator opens one again. If the message is not known,
    that is taken to be the customer's address on the channel."""
    ended, reopened = why_ended(name, told), name == REOPENED
    if not (ended or reopened):
        return ""
    message = delivery_of(space, customer, str(told.get("message_id") or ""))
    key = message.address if message else book.of(space.customer(customer).recipient, told.get("channel", ""))
    if key is None:
        return ""
    address = space.address(key)
    if reopened:
        return "address" if address.reopen() else ""
    address.suppress(ended)
    return "address"

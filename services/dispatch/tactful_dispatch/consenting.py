"""Taking a word on consent into the ledger and into the customer's row, once."""

from __future__ import annotations

from typing import Any

from tactful.identity import digest
from tactful.outbox import Cause
from tactful.purposes import MARKETING, covers
from tactful.records import EVENTS, ConsentBody
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.announcing import announce
from tactful_dispatch.facts import Word
from tactful_dispatch.ledger import ConsentEntry
from tactful_dispatch.rows import ASKED, HELD, PENDING, CustomerRow
from tactful_dispatch.store import Workspace


def take_consent(
    space: Workspace, book: AddressBook, customer: str, record_id: str, body: ConsentBody, now: int, cause: Cause
) -> int:
    """The number of the ledger's entry; 0 for a repeat, which changes nothing."""
    row, repeat = space.customer(customer), digest("consent", body.source, record_id, size=8)
    if repeat in row.repeats:
        return 0
    row.repeats.append(repeat)
    entry = ConsentEntry(
        customer=customer,
        purpose=body.purpose,
        channel=body.channel,
        state=body.state,
        basis=body.basis,
        wording=body.wording,
        via=body.via,
        source=body.source,
        record_id=record_id,
        occurred_at=body.occurred_at,
        committed_at=now,
        proof=body.proof,
    )
    number = space.record_consent(entry)
    _remember(row, body, number)
    if body.state == "withdrawn":
        _bind_addresses(space, book, row, body)
        ask_again(row)
    elif covers(MARKETING, body.purpose) or body.purpose == MARKETING:
        row.stopped_at = row.stopped_at if body.occurred_at <= row.stopped_at else 0
    space.put(
        EVENTS,
        announce("Consent Changed", digest("consent changed", repeat, customer), customer, now, _told(body, number)),
        cause,
    )
    return number


def ask_again(row: CustomerRow) -> None:
    """The customer said something: whatever is held meets the gates at once, and is refused by them if need be."""
    for delivery in row.deliveries.values():
        if delivery.state in (HELD, ASKED):
            delivery.state, delivery.due = PENDING, None


def _remember(row: CustomerRow, body: ConsentBody, number: int) -> None:
    said = Word(body.purpose, body.channel, body.state, body.occurred_at, number, body.basis, body.wording, body.via)
    older = next((w for w in row.words if (w.purpose, w.channel) == (said.purpose, said.channel)), None)
    if older is None or (older.at, older.entry) <= (said.at, said.entry):
        row.words = [word for word in row.words if word is not older] + [said]


def _bind_addresses(space: Workspace, book: AddressBook, row: CustomerRow, body: ConsentBody) -> None:
    """An opt-out binds the address, whoever else uses it."""
    for channel in (row.recipient.addresses if row.recipient else {}) if not body.channel else (body.channel,):
        key = book.of(row.recipient, channel)
        if key is not None:
            withdrawn = space.address(key).withdrawn
            withdrawn[body.purpose] = max(withdrawn.get(body.purpose, 0), body.occurred_at)


def _told(body: ConsentBody, number: int) -> dict[str, Any]:
    return {
        "purpose": body.purpose,
        "channel": body.channel,
        "state": body.state,
        "basis": body.basis,
        "wording": body.wording,
        "via": body.via,
        "proof": body.proof,
        "entry": number,
    }

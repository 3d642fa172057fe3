"""An address that stands on a list of another sender: who unsubscribed there, complained, or cannot be reached. It binds the address
before any customer is known to use it, and whoever does later. Pure but for the workspace.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tactful.identity import digest
from tactful.purposes import MARKETING
from tactful.records import DISPATCH, ConsentBody, ConsentRecord, DispatchTopic, SuppressBody, SuppressRecord
from tactful_dispatch.applying.consenting import TAKEN_BACK
from tactful_dispatch.facts import LISTED
from tactful_dispatch.state.ledger import ConsentEntry
from tactful_dispatch.state.rows import BOUNCED, COMPLAINED, AddressKey, AddressRow
from tactful_dispatch.store import Workspace

UNSUBSCRIBED: Final = "unsubscribed"
REASONS: Final = (UNSUBSCRIBED, BOUNCED, COMPLAINED)
SOURCE: Final = "list"  # in the ledger: who has said it; `via` names the list
NOBODY: Final = ""  # whose entry it is there: no customer's, so that erasing one leaves it


def listed_address(record: SuppressRecord) -> AddressKey:
    """Which address it is about."""
    return AddressKey(record.body.channel, record.key)


def lock_listed(space: Workspace, records: Iterable[DispatchTopic]) -> None:
    """All of a slice together: a list has hundreds in a row, in no order, and others lock some of them meanwhile."""
    space.lock_addresses([listed_address(record) for record in records if isinstance(record, SuppressRecord)])


def take_listed(space: Workspace, record: SuppressRecord, at: int) -> None:
    """Once each: the same list again, with nothing newer, changes nothing, so that it undoes no grant and shuts nothing that was
    opened since. `at` is when it was appended: nothing was said after that."""
    key, body = listed_address(record), record.body
    address, said_at = space.address(key), min(body.said_at or at, at)
    if body.taken_back:
        _take_back(space, address, key, record, at)
        return
    if address.is_listed(body.reason, body.source, body.said_at):
        return
    address.note_listed(body.reason, body.source, said_at)
    if body.reason != BOUNCED:
        space.record_consent(_entry(key, record.id, body, said_at, at))
        _tell_customers(space, address, key, record, said_at, at)


def _take_back(space: Workspace, address: AddressRow, key: AddressKey, record: SuppressRecord, at: int) -> None:
    """A list was brought in by mistake. What people said themselves stands, and so does the word of every other list."""
    if not address.strike(record.body.reason, record.body.source) or record.body.reason == BOUNCED:
        return
    space.record_consent(_entry(key, record.id, record.body, at, at))
    if not any(address.is_listed(reason, record.body.source) for reason in (UNSUBSCRIBED, COMPLAINED)):
        _tell_customers(space, address, key, record, at, at)


def _state(body: SuppressBody) -> str:
    return TAKEN_BACK if body.taken_back else "withdrawn"


def _entry(key: AddressKey, record_id: str, body: SuppressBody, said_at: int, now: int) -> ConsentEntry:
    return ConsentEntry(
        customer=NOBODY,
        purpose=MARKETING,
        channel=body.channel,
        state=_state(body),
        basis=LISTED,
        wording="",
        via=body.source,
        source=SOURCE,
        record_id=record_id,
        occurred_at=said_at,
        committed_at=now,
        proof=_proof(key, body),
    )


def _tell_customers(
    space: Workspace, address: AddressRow, key: AddressKey, record: SuppressRecord, said_at: int, at: int
) -> None:
    """Everybody who was written to there has withdrawn, as if they had said so here; or has not after all."""
    word = ConsentBody(
        source=SOURCE,
        purpose=MARKETING,
        channel=key.channel,
        state=_state(record.body),
        basis=LISTED,
        via=record.body.source,
        occurred_at=said_at,
        proof=_proof(key, record.body),
        history=True,
    )
    for customer in address.customers:
        id = digest("listed", record.id, customer, str(at))  # the same list may come again once it was taken back
        space.put(DISPATCH, ConsentRecord(id=id, v=record.v, key=customer, at=record.at, body=word))


def _proof(key: AddressKey, body: SuppressBody) -> dict[str, str]:
    return {"address": key.hash, "reason": body.reason}

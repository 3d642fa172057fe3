"""Erasing a recipient, and keeping them erased. Pure but for the workspace.

What binds an address stays, since it names nobody: a keyed hash that is not written to any more.
"""

from __future__ import annotations

from tactful.erasure import Erased, Graves
from tactful.records import ConsentRecord, DispatchTopic, EraseRecord, LinkedRecord, RecipientRecord
from tactful_dispatch.applying.consenting import TAKEN_BACK, is_strangers
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import FLAGGED
from tactful_dispatch.store import Workspace


def forget(space: Workspace, book: AddressBook, graves: Graves, record: EraseRecord) -> None:
    """Erase a customer: held and sent messages, wishes, and what the ledger says of them; its chain stays whole."""
    customer, erased = record.key, Erased(graves.of(record.key), record.body.at)
    if space.grave(erased.grave) >= erased.at:
        return
    row = space.customer(customer)
    own = {*book.all_of(row.recipient), *row.flagged, *row.written_at}
    keys = own | space.erase(customer, erased)
    for key in keys:
        address = space.address(key)
        if customer in address.flagged:
            address.suppress(FLAGGED)
        address.left_by(customer)
    space.cursor.graves += 1


def is_gone(space: Workspace, graves: Graves, record: DispatchTopic) -> bool:
    """Whether a record is about somebody who was erased, and does not bring them back."""
    if not space.cursor.graves or isinstance(record, EraseRecord):
        return False
    grave = graves.of(record.key)
    erased_at = space.grave(grave)
    if not erased_at:
        return False
    if not _revives(record, erased_at):
        return True
    revive(space, grave)
    return False


def revive(space: Workspace, grave: str) -> None:
    """Forget that a customer was erased: they have come back by their own will."""
    space.revive(grave)
    space.cursor.graves -= 1


def _revives(record: DispatchTopic, erased_at: int) -> bool:
    """Whether a record brings an erased customer back. Trigger tells who a customer is only once a server has vouched for them anew, and a
    link only whose a visitor's device is now; else it takes a consent since, under their own name."""
    if isinstance(record, RecipientRecord | LinkedRecord):
        return record.at > erased_at
    return (
        isinstance(record, ConsentRecord)
        and record.body.state not in ("withdrawn", TAKEN_BACK)
        and record.body.occurred_at > erased_at
        and not is_strangers(record.body)
    )

"""While nobody may write to a customer, nobody writes to their addresses either, under whatever name. Pure but for the workspace.

The row of the name that lives on flags the addresses of the earlier ones too, so that lifting its flag opens them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from tactful.records import RecipientBody
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import AddressKey, CustomerRow
from tactful_dispatch.store import Workspace


def flagged_addresses(book: AddressBook, row: CustomerRow) -> set[AddressKey]:
    """The addresses that are shut because nobody may write to this customer, under this name or an earlier one."""
    own = book.all_of(row.recipient) if row.recipient and row.recipient.do_not_contact else []
    return {*own, *row.flagged}


def flag_addresses(space: Workspace, book: AddressBook, customer: str, now: RecipientBody) -> None:
    """Shut or open addresses as the customer, told anew, has the flag or not (`now` is not in the row yet). While flagged, a new address
    takes the place of an old one, and one that was only taken away stays shut. A name that has ended leaves this to the one that
    lives on."""
    row = space.customer(customer)
    if row.linked_to:
        return
    before = flagged_addresses(book, row)
    if now.do_not_contact:
        gone = [key for key in book.all_of(row.recipient) if key in before and key.channel not in now.addresses]
        row.flagged = list(dict.fromkeys((*row.flagged, *gone)))
    after = {*book.all_of(now), *row.flagged} if now.do_not_contact else set()
    space.lock_addresses(before | after)
    for key in before | after:
        for name in row.names(customer):
            space.address(key).flag(name, on=name == customer and key in after)


def keep_flagged(space: Workspace, book: AddressBook, customer: str) -> None:
    """Shut the addresses of a customer whom an earlier version of this program flagged without them."""
    recipient = space.customer(customer).recipient
    if recipient is not None and recipient.do_not_contact:
        flag_addresses(space, book, customer, recipient)


def take_over_flags(space: Workspace, customer: str, inherited: str, keys: Sequence[AddressKey]) -> None:
    """Addresses that were shut by an earlier name's flag are shut by this one's, until it is lifted. They are kept in the row: a record
    from before the merge may still come, which must not open them for good."""
    row = space.customer(customer)
    space.lock_addresses(keys)
    for key in keys:
        space.address(key).flag(inherited, on=False)
        space.address(key).flag(customer, on=True)
    row.flagged = list(dict.fromkeys((*row.flagged, *keys)))

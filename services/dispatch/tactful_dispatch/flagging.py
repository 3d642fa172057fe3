"""While nobody may write to a customer, nobody writes to their addresses either, under whatever name. Pure but for the workspace.

The row of the name that lives on flags the addresses of the earlier ones too, so that lifting its flag opens them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from tactful.records import RecipientBody
from tactful_dispatch.addresses import AddressBook
from tactful_dispatch.rows import AddressKey, CustomerRow
from tactful_dispatch.store import Workspace


def flagged_addresses(book: AddressBook, row: CustomerRow) -> set[AddressKey]:
    """Those at which the customer's flag stands, or that of a name which ends with this row."""
    own = book.all_of(row.recipient) if row.recipient and row.recipient.do_not_contact else []
    return {*own, *row.flagged}


def flag_addresses(space: Workspace, book: AddressBook, customer: str, now: RecipientBody) -> None:
    """As the customer is told to be now: a new address takes the place of an old one, and one that was only taken away stays shut.
    What is told to an earlier name is the business of the one that lives on."""
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
    """Of somebody who was flagged by a program that left their addresses alone."""
    recipient = space.customer(customer).recipient
    if recipient is not None and recipient.do_not_contact:
        flag_addresses(space, book, customer, recipient)


def take_over_flags(space: Workspace, customer: str, inherited: str, keys: Sequence[AddressKey]) -> None:
    """What an earlier name had flagged is flagged under this one, before anything more is told of either, until it is lifted. The
    addresses are kept: a word of before the merge may come first and lift nothing for good."""
    row = space.customer(customer)
    space.lock_addresses(keys)
    for key in keys:
        space.address(key).flag(inherited, on=False)
        space.address(key).flag(customer, on=True)
    row.flagged = list(dict.fromkeys((*row.flagged, *keys)))

"""One person under several names: what they wish, withdrew and were sent binds the messages that wait under any of them.

The row of the name that lives on has it all. It tells wishes, withdrawals and contacts to the rows of earlier names, where
messages may still wait; an earlier one tells it the contacts that it makes. Pure but for the workspace.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tactful.identity import digest
from tactful.records import DISPATCH, BindBody, BindRecord
from tactful_dispatch.applying.contacting import join_contacts
from tactful_dispatch.facts import LISTED, Contacted, Word, with_word
from tactful_dispatch.state.rows import CustomerRow
from tactful_dispatch.store import Workspace

WISHES: Final = (
    "muted_rules",
    "muted_topics",
    "paused_until",
    "hours",
    "at_most_days",
    "personalisation",
    "stopped_at",
)  # fields of a row
_NOBODY: Final = CustomerRow()
_encode = msgspec.json.Encoder().encode
_decode_contacts = msgspec.json.Decoder(list[Contacted]).decode
_decode_words = msgspec.json.Decoder(list[Word]).decode


def wishes_of(row: CustomerRow) -> dict[str, Any]:
    """The wishes in a row that are not the defaults, by field."""
    return {name: said for name in WISHES if (said := getattr(row, name)) != getattr(_NOBODY, name)}


def tell_other_names(space: Workspace, customer: str, at: int) -> None:
    """Send a `Bind` record to the customer's other names, since something that binds has changed. Contacts go both ways, wishes and
    withdrawals only from the name that lives on to earlier ones."""
    row = space.customer(customer)
    names = [row.linked_to] if row.linked_to else row.known_as
    if not names:
        return
    body = BindBody(msgspec.Raw(_encode(row.contacts)))
    if not row.linked_to:
        withdrawn = [word for word in row.words if word.state == "withdrawn"]
        body = BindBody(body.contacts, wishes_of(row), msgspec.Raw(_encode(withdrawn)))
    for name in names:
        id = digest("bind", customer, name, str(at))
        space.put(DISPATCH, BindRecord(id=id, key=name, at=at, body=body))


def take_binding(space: Workspace, record: BindRecord, at: int) -> None:
    """Apply what another name of the customer has told. Contacts that an earlier name told are passed on to all the others."""
    row, told = space.customer(record.key), record.body
    is_news = join_contacts(row, _decode_contacts(told.contacts))
    if told.wishes is not None:
        for name in WISHES:
            setattr(row, name, told.wishes.get(name, getattr(_NOBODY, name)))
        row.words = [word for word in row.words if word.basis != LISTED]  # told whole: some may be taken back
        for word in _decode_words(told.withdrawn):
            row.words = with_word(row.words, word)
        row.look_again()
    elif is_news:
        tell_other_names(space, record.key, at)

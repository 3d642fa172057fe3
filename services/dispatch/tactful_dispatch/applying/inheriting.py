"""Two customers turn out to be one: what was said and sent under the name that ends goes to the name that lives on.

A message stays in the row where it was asked, and is told there what binds it (`binding`). Pure but for the workspace.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tactful.identity import digest, is_anonymous
from tactful.records import DISPATCH, ConsentBody, ConsentRecord, InheritBody, InheritRecord
from tactful_dispatch.applying.binding import tell_other_names
from tactful_dispatch.applying.consenting import TRAVELLED, take_consent
from tactful_dispatch.applying.contacting import join_contacts
from tactful_dispatch.applying.flagging import flagged_addresses, take_over_flags
from tactful_dispatch.facts import LISTED, Word, used_up_by
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.rows import TOPICS_KEPT, CustomerRow, decode_customer, encode
from tactful_dispatch.store import Workspace

NAMES_KEPT: Final = 20


def link(space: Workspace, book: AddressBook, customer: str, other: str, at: int) -> None:
    """`customer` turns out to be `other`. The first time what is known of them is sent there in an `Inherit` record. A later link says
    that a visitor's device has changed hands: what was said and sent before stays with the first, and what still comes goes to
    whoever has it now."""
    row = space.customer(customer)
    if row.linked_to:
        row.device_of = "" if other == row.linked_to else other
        return
    body = InheritBody(customer, msgspec.Raw(encode(_image(book, row, customer))))
    name = digest("inherit", customer, other)
    space.put(DISPATCH, InheritRecord(id=name, key=other, at=at, body=body))
    row.linked_to, row.ended_with = other, book.all_of(row.recipient)
    hand_over(space, customer, at)
    if is_anonymous(customer):
        row.words = [msgspec.structs.replace(word, stranger=True) for word in row.words]


def hand_over(space: Workspace, customer: str, at: int) -> None:
    """Pass grants for one message on to the name that lives on, unless a message waits under this one that would use them up: such a
    grant never allows two."""
    row = space.customer(customer)
    once = [word for word in row.words if word.once] if row.linked_to else []
    awaited = [word for each in row.deliveries.values() if each.open for word in used_up_by(each.message, once)]
    leaving = [word for word in once if word not in awaited]
    for word in leaving:
        space.put(DISPATCH, _travelling(word, customer, row.linked_to, at))
    row.words = [word for word in row.words if word not in leaving]


def inherit(space: Workspace, book: AddressBook, record: InheritRecord, at: int) -> None:
    """Take over the words, wishes and contacts of a name that has ended. Of two wishes the stricter one stands."""
    row, body = space.customer(record.key), record.body
    if row.linked_to:
        space.put(DISPATCH, InheritRecord(id=record.id, key=row.linked_to, at=at, body=body))
        return
    theirs = decode_customer(bytes(body.image))
    _join(row, theirs)
    take_over_flags(space, record.key, body.inherited, theirs.flagged)
    own = [] if is_anonymous(body.inherited) else [body.inherited]
    row.known_as = list(dict.fromkeys((*row.known_as, *theirs.known_as, *own)))[-NAMES_KEPT:]
    row.written_as = list(dict.fromkeys((*row.written_as, *theirs.written_as)))[-NAMES_KEPT:]
    for word in theirs.words:
        take_consent(space, book, _travelling(word, body.inherited, record.key, at), at)
    tell_other_names(space, record.key, at)


def pass_on(space: Workspace, record: ConsentRecord, at: int) -> bool:
    """Pass a word on consent that was said under an earlier name on to the name that lives on; False if this one does."""
    goes_to = space.customer(record.key).goes_to
    if goes_to:
        body = msgspec.structs.replace(record.body, said_as=record.body.said_as or record.key)
        space.put(DISPATCH, ConsentRecord(id=record.id, v=record.v, key=goes_to, at=at, body=body))
    return bool(goes_to)


def _image(book: AddressBook, row: CustomerRow, customer: str) -> CustomerRow:
    """The part of a row that travels. A visitor's name goes along only while messages wait under it, which then are told what binds them:
    nothing new is asked under it."""
    visitor = [customer] if is_anonymous(customer) else []
    waits = any(delivery.open for delivery in row.deliveries.values())
    written_to = row.arrived and row.recipient is not None and row.recipient.addresses
    return msgspec.structs.replace(
        row,
        words=[word for word in row.words if not word.once],
        known_as=[*row.known_as, *visitor] if waits else row.known_as,
        written_as=[*row.written_as, *visitor] if written_to else row.written_as,
        flagged=sorted(flagged_addresses(book, row), key=lambda key: (key.channel, key.hash)),
        recipient=None,
        deliveries={},
        cancelled={},
        repeats=[],
    )


def _join(row: CustomerRow, theirs: CustomerRow) -> None:
    join_contacts(row, theirs.contacts)
    row.muted_rules = sorted({*row.muted_rules, *theirs.muted_rules})
    new_topics = [topic for topic in theirs.muted_topics if topic not in row.muted_topics]
    row.muted_topics = [*new_topics, *row.muted_topics][-TOPICS_KEPT:]
    row.hours = row.hours or theirs.hours
    row.at_most_days = max(row.at_most_days, theirs.at_most_days)
    if theirs.personalisation == "none":
        row.personalisation = "none"
    row.paused_until = max(row.paused_until, theirs.paused_until)
    row.stopped_at = max(row.stopped_at, theirs.stopped_at)


def _travelling(word: Word, inherited: str, customer: str, at: int) -> ConsentRecord:
    """A word that was said under an inherited name, as one of the customer."""
    said = ConsentBody(
        source=TRAVELLED,
        purpose=word.purpose,
        channel=word.channel,
        state=word.state,
        once=word.once,
        basis=word.basis,
        wording=word.wording,
        via=word.via,
        occurred_at=word.at,
        proof={"entry": word.entry},
        said_as=inherited,
        stranger=word.stranger,
    )
    kind = ["once"] * said.once + ["stranger"] * said.stranger + [said.via] * (said.basis == LISTED)
    id = digest("inherited", said.said_as, said.purpose, said.channel, str(said.occurred_at), *kind)
    return ConsentRecord(id=id, key=customer, at=at, body=said)

"""The consent ledger: append-only, numbered per partition, hash-chained over salted commitments.

`hash = H(previous hash || H(salt || entry))` with SHA-256. Erasing an entry deletes it and its salt and leaves the
commitment, so the chain still verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from tactful_dispatch.facts import Word

BEGINNING: Final = b"\0" * 32


class ConsentEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Who allowed or withdrew what, how and with which proof. Instants in ms."""

    customer: str
    purpose: str
    channel: str
    state: str
    basis: str
    wording: str
    via: str
    source: str
    record_id: str
    occurred_at: int
    committed_at: int
    proof: dict[str, Any]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain. An erased entry has neither entry nor salt."""

    number: int
    commitment: bytes
    hash: bytes
    salt: bytes | None = None
    entry: bytes | None = None  # JSON of a ConsentEntry


def link_of(number: int, commitment: bytes, hash: bytes, salt: bytes | None, entry: bytes | None) -> Link:
    """From the columns of a store, in their order."""
    return Link(number=number, commitment=commitment, hash=hash, salt=salt, entry=entry)


def used_up(customer: str, message_id: str, word: Word, now: int) -> ConsentEntry:
    """A grant for one message, and the message that it was for."""
    return ConsentEntry(
        customer=customer,
        purpose=word.purpose,
        channel=word.channel,
        state="used",
        basis=word.basis,
        wording=word.wording,
        via="sent",
        source="dispatch",
        record_id=message_id,
        occurred_at=now,
        committed_at=now,
        proof={"entry": word.entry},
    )


def forge(previous: Link | None, entry: ConsentEntry, salt: bytes) -> Link:
    """The link that follows. `salt` is 16 random bytes."""
    value = msgspec.json.encode(entry)
    commitment = sha256(salt + value).digest()
    before = BEGINNING if previous is None else previous.hash
    number = 1 if previous is None else previous.number + 1
    return Link(number=number, commitment=commitment, hash=sha256(before + commitment).digest(), salt=salt, entry=value)


def is_about(link: Link, customer: str) -> bool:
    """Whether the link still says something of a customer."""
    return link.entry is not None and msgspec.json.decode(link.entry, type=ConsentEntry).customer == customer


def beginning_of(customer: str) -> bytes:
    """How every entry about a customer begins as JSON, and no other. For SQLite, whose own JSON functions lose what is escaped."""
    return b'{"customer":%b,' % msgspec.json.encode(customer)


def erase(link: Link) -> Link:
    """The link without what it says."""
    return Link(number=link.number, commitment=link.commitment, hash=link.hash)


def broken_at(links: Iterable[Link]) -> int | None:
    """The number of the first link that does not fit; None if the chain is whole."""
    before = BEGINNING
    for number, link in enumerate(links, start=1):
        fits = link.number == number and link.hash == sha256(before + link.commitment).digest()
        if not fits or not _is_as_committed(link):
            return number
        before = link.hash
    return None


def lacks(links: Sequence[Link], number: int, hash: bytes) -> int | None:
    """The number of a link that shows that a chain is not the one whose link `number` was seen with this hash: it was cut, or forged
    anew. None if it may be that one."""
    if not 0 < number <= len(links):
        return len(links) + 1
    return None if links[number - 1].hash == hash else number


def _is_as_committed(link: Link) -> bool:
    """An erased entry has neither entry nor salt: what has only one of them was meddled with."""
    if link.entry is None or link.salt is None:
        return link.entry is link.salt
    return link.commitment == sha256(link.salt + link.entry).digest()

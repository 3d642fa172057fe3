"""Taking a word on consent (a grant, a withdrawal, a request) into the ledger and into the customer's row, once. Pure but for the
workspace."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Final

from tactful.clock import HOUR
from tactful.identity import digest, is_anonymous
from tactful.purposes import is_marketing, touches
from tactful.records import EVENTS, ConsentBody, ConsentRecord, MessageBody
from tactful_dispatch.applying.announcing import announce
from tactful_dispatch.applying.asking import forget_question, hear_answer
from tactful_dispatch.applying.binding import tell_other_names
from tactful_dispatch.facts import LISTED, Word, standing, with_word
from tactful_dispatch.state.addresses import AddressBook
from tactful_dispatch.state.ledger import ConsentEntry
from tactful_dispatch.state.rows import AddressKey, CustomerRow
from tactful_dispatch.store import Workspace

TAKEN_BACK: Final = "taken_back"  # of what a list has said
TRAVELLED: Final = "link"  # the source of a word that somebody said before they were found to be this customer


def take_consent(space: Workspace, book: AddressBook, record: ConsentRecord, now: int) -> int:
    """Enter a word on consent and tell of it. The number of the ledger's entry; 0 for a repeat, which changes nothing."""
    number, body = enter_consent(space, book, record, now), record.body
    if number:
        told, is_news = _told(body, number, now), not (body.history or _has_travelled(body))
        space.put(EVENTS, announce("Consent Changed", announced(record), record.key, now, told, history=not is_news))
        if body.state in ("withdrawn", TAKEN_BACK):
            tell_other_names(space, record.key, now)
    return number


def enter_consent(space: Workspace, book: AddressBook, record: ConsentRecord, now: int) -> int:
    """As `take_consent`, told to nobody."""
    row, body, repeat = space.customer(record.key), record.body, _repeat(record)
    if repeat in row.repeats:
        return 0
    row.repeats.append(repeat)
    number = space.record_consent(_entry(record, now))
    if body.state == TAKEN_BACK:
        row.words = [word for word in row.words if (word.basis, word.via, word.channel) != _said_by_list(body)]
    elif body.state != "requested":
        _remember(row, body, number)
    if body.state == "withdrawn":
        if body.basis != LISTED:  # which is of one address, and bound it already
            _bind_addresses(space, book, row, body)
        row.look_again()
    elif body.state == "granted":
        _answer_questions(space, book, row, body)
        if _lifts_stop(row, body):
            row.stopped_at = 0
    return number


def _said_by_list(body: ConsentBody) -> tuple[str, str, str]:
    return LISTED, body.via, body.channel


def announced(record: ConsentRecord) -> str:
    """The id of the event that tells of a word on consent."""
    return digest("consent changed", _repeat(record), record.key)


def _repeat(record: ConsentRecord) -> str:
    """By which the same word is known again."""
    return digest("consent", record.body.source, record.id, size=8)


def _lifts_stop(row: CustomerRow, body: ConsentBody) -> bool:
    """Whether a grant ends "stop all". One that came along from an earlier name does not: the stricter wish of both stands."""
    later = body.occurred_at > row.stopped_at and not _has_travelled(body)
    return later and is_marketing(body.purpose) and not is_strangers(body)


def _has_travelled(body: ConsentBody) -> bool:
    return body.source == TRAVELLED and bool(body.said_as)


def is_strangers(body: ConsentBody) -> bool:
    """Whether a visitor said it, who may be somebody else."""
    return body.stranger or is_anonymous(body.said_as)


def said_before(space: Workspace, book: AddressBook, row: CustomerRow, body: ConsentBody) -> Word | None:
    """The word in force that says the same as `body`, so that nothing has to be entered; None if there is none. It is in force if nothing
    to the contrary was said since, on any channel or by others who use the address. A withdrawal counts for an hour only, since the
    thirty days of silence count from the last one."""
    said = [word for word in standing(row.words) if touches(word.purpose, body.purpose)]
    here = (word for word in said if not body.channel or word.channel in ("", body.channel))
    last = max(here, key=lambda word: word.when, default=None)
    wanted = (body.purpose, body.channel, body.state, False)
    if last is None or (last.purpose, last.channel, last.state, last.once) != wanted:
        return None
    if any(word.state != last.state and word.when > last.when for word in said):
        return None
    if last.state == "withdrawn":
        return last if body.occurred_at - last.at < HOUR else None
    proved = (last.via, last.wording) == (body.via, body.wording)  # by another door it is another proof
    return last if proved and not row.stopped_at and not _is_overruled(space, book, row, last) else None


def _is_overruled(space: Workspace, book: AddressBook, row: CustomerRow, granted: Word) -> bool:
    keys = [key for key in book.all_of(row.recipient) if granted.channel in ("", key.channel)]
    space.lock_addresses(keys)
    return any(
        at > granted.at and touches(withdrawn, granted.purpose)
        for key in keys
        for withdrawn, at in space.address(key).closed.items()
    )


def _entry(record: ConsentRecord, now: int) -> ConsentEntry:
    body = record.body
    return ConsentEntry(
        customer=record.key,
        purpose=body.purpose,
        channel=body.channel,
        state=body.state,
        basis=body.basis,
        wording=body.wording,
        via=body.via,
        source=body.source,
        record_id=record.id,
        occurred_at=body.occurred_at,
        committed_at=now,
        proof=body.proof | _whose(body),
    )


def _remember(row: CustomerRow, body: ConsentBody, number: int) -> None:
    said = Word(
        body.purpose,
        body.channel,
        body.state,
        body.occurred_at,
        number,
        body.basis,
        body.wording,
        body.via,
        is_strangers(body),
        body.once and body.state == "granted",  # nobody withdraws for one message
    )
    row.words = with_word(row.words, said)


def _answer_questions(space: Workspace, book: AddressBook, row: CustomerRow, body: ConsentBody) -> None:
    """A lasting grant answers what the owners of the customer's addresses were asked. A visitor's does not: anybody can enter one."""
    if body.once or is_strangers(body):
        return
    keys = book.all_of(row.recipient)
    space.lock_addresses(keys)
    for key in keys:
        hear_answer(space.address(key), body)


def _bind_addresses(space: Workspace, book: AddressBook, row: CustomerRow, body: ConsentBody) -> None:
    """Note a withdrawal at the addresses on its channel, or on all: it binds whoever else uses them."""
    for channel in (row.recipient.addresses if row.recipient else {}) if not body.channel else (body.channel,):
        key = book.of(row.recipient, channel)
        if key is not None:
            bind(space, key, body.purpose, body.occurred_at)


def bind_first_addresses(space: Workspace, book: AddressBook, row: CustomerRow, channels: Sequence[str]) -> None:
    """Note earlier withdrawals at the first address on each of these channels. A withdrawal may be read before the address: it comes
    straight from ingest, the address by way of trigger."""
    for channel, word in product(sorted(channels), row.words):
        key = book.of(row.recipient, channel)
        if key is not None and _binds(word) and word.channel in ("", channel):
            bind(space, key, word.purpose, word.at)


def _binds(word: Word) -> bool:
    return word.state == "withdrawn" and word.basis != LISTED


def take_for_mailbox(key: AddressKey | None, message: MessageBody | None, body: ConsentBody, space: Workspace) -> None:
    """Whoever speaks through the link of a message speaks for the address that it went to (`key`), whosever it is by now. `message` is None
    once it is not kept any more."""
    if key is None:
        return
    if body.state == "granted":
        if message is not None:
            forget_question(space.address(key), message)
    elif body.channel in ("", key.channel):
        bind(space, key, body.purpose, body.occurred_at)


def bind(space: Workspace, key: AddressKey, purpose: str, at: int) -> None:
    """Nothing of that purpose goes to the address, until somebody who has it grants it later."""
    withdrawn = space.address(key).withdrawn
    withdrawn[purpose] = max(withdrawn.get(purpose, 0), at)


def _told(body: ConsentBody, number: int, now: int) -> dict[str, Any]:
    return {
        "purpose": body.purpose,
        "channel": body.channel,
        "state": body.state,
        "basis": body.basis,
        "wording": body.wording,
        "via": body.via,
        "once": body.once,
        "proof": body.proof,
        "entry": number,
        **({} if body.occurred_at == now else {"said_at": body.occurred_at}),
        **_whose(body),
    }


def _whose(body: ConsentBody) -> dict[str, Any]:
    """Under which other name it was said, and whether a visitor said it; nothing of what is not so."""
    return ({"said_as": body.said_as} if body.said_as else {}) | ({"stranger": True} if body.stranger else {})

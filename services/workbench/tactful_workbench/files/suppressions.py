"""A list of addresses that another sender has it must not be written to, as senders export it: a table with a head of theirs, or an
address a line. A row that names no address is told by its line, without what it says; the others count."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from tactful.errors import InvalidInput, TactfulError
from tactful.events.instants import instant
from tactful.mailbox import mailbox
from tactful_dispatch.applying.suppressing import UNSUBSCRIBED
from tactful_dispatch.state.rows import BOUNCED, COMPLAINED
from tactful_trigger.applying.recipient import number_of
from tactful_workbench.files.imports import delimiter_of, opened, torn, when

ADDRESS, REASON, SAID_AT = "address", "reason", "said_at"
COLUMNS: Final = (ADDRESS, REASON, SAID_AT)
PHONES: Final = ("sms", "call")
ALLOWED: Final = "allowed"  # the row is of somebody who may be written to

# What Mailchimp, Klaviyo, SendGrid, Postmark, Brevo, Mailgun, Amazon SES and Twilio call it, in letters and digits alone; the first counts.
_MAILS, _NUMBERS, _MADE = "mails", "numbers", "made"
_KNOWN: Final = {
    _MAILS: "email emailaddress recipient recipientemail contact address to",
    _NUMBERS: "phone phonenumber contactid mobile mobilenumber number sms recipient to",
    REASON: "suppressionreason reason type status consentstatus",
    SAID_AT: "unsubtime cleantime unsubscribedat unsubscribeddate suppressedat suppressiondate blockedat blockedon optedoutat optoutdate "
    "dateofconsent",
    _MADE: "createdat created lastupdatetime timestamp date",
}
# Beside these alone a row is an entry of a list, and made when that was said; of a contact it may be older than their yes.
_OF_LISTS: Final = frozenset(
    f"{_KNOWN[_MAILS]} {_KNOWN[_NUMBERS]} {_KNOWN[REASON]} {_KNOWN[_MADE]} id code error tags origin from source scope domainid groupid updatedat expiresat "
    "senderemail ip".split()
)
_OF_FILE: Final = {"unsubtime": UNSUBSCRIBED, "cleantime": BOUNCED}  # Mailchimp's files tell it by their columns alone
_WORDS: Final = {
    BOUNCED: "bounce bounced hardbounce hardbounced permanentbounce permanentfailure permanent cleaned invalid invalidemail undelivered",
    COMPLAINED: "complaint complained spamcomplaint spamreport spam abuse contactflaggedasspam markedasspam flaggedasspam",
    ALLOWED: "subscribed subscribe optin optedin reoptin",
}
_BY_WORD: Final = {word: reason for reason, words in _WORDS.items() for word in words.split()}
_FAILED: Final = re.compile(r"(?:smtp[;: ]*)?5(?:\d\d\b|\.\d{1,3}\.\d{1,3})", re.IGNORECASE)  # a mail server's answer


class Listed(NamedTuple):
    """One row. `said_at` in ms; 0 where nobody can tell."""

    line: int
    channel: str
    address: str
    reason: str
    said_at: int


class Bad(NamedTuple):
    """A row that names no address."""

    line: int
    why: str


class Form(NamedTuple):
    """How a file is read: the name of each column that was found, and its place; without a head, the place of the address."""

    names: Mapping[str, str]
    places: Mapping[str, int]
    reason: str  # of all rows; "" if a column tells
    head: bool
    beside: Sequence[int] = ()  # columns that may tell the reason where its own is empty


class Reading(NamedTuple):
    """What an operator says of the file. `reason` and `said_at` (ms) of rows that tell none; a `reason` counts for all."""

    pairs: Mapping[str, str]
    channel: str
    reason: str
    said_at: int
    zone: ZoneInfo


def form_of(file: Path, reading: Reading) -> Form:
    """Looks at the first row. Raises TactfulError."""
    head = next(_rows(file), (0, []))[1]
    if not head:
        raise TactfulError(f"{file} is empty")
    for place, cell in enumerate(head):
        if not reading.pairs and _channel_of(cell, reading.channel):
            return Form({}, {ADDRESS: place}, reading.reason or UNSUBSCRIBED, head=False)
    plain = {_plain(name): place for place, name in reversed(list(enumerate(head)))}
    places = {ours: _place(head, theirs, file) for ours, theirs in reading.pairs.items()}
    addresses = (_NUMBERS, _MAILS) if reading.channel in PHONES else (_MAILS, _NUMBERS)
    sought = {
        ADDRESS: addresses,
        REASON: () if reading.reason else (REASON,),
        SAID_AT: (SAID_AT, *[_MADE] * (plain.keys() <= _OF_LISTS)),
    }
    for ours, kinds in sought.items():
        names = (name for kind in kinds for name in _KNOWN[kind].split())
        found = next((plain[name] for name in names if name in plain), None)
        if ours not in places and found is not None:
            places[ours] = found
    if ADDRESS not in places:
        raise TactfulError(
            f"{file}: no column is known to hold addresses; name it with --map {ADDRESS}=COLUMN; there are: {', '.join(head)}"
        )
    of_file = next((reason for name, reason in _OF_FILE.items() if name in plain), UNSUBSCRIBED)
    reason = reading.reason or ("" if REASON in places else of_file)
    beside = [] if REASON in reading.pairs else [plain[name] for name in _KNOWN[REASON].split() if name in plain]
    return Form({ours: head[place] for ours, place in places.items()}, places, reason, head=True, beside=beside)


def listed_in(file: Path, form: Form, reading: Reading) -> Iterator[Listed | Bad]:
    """Every row but the head and empty ones, in order."""
    rows = _rows(file)
    width = len(next(rows)[1]) if form.head else 0
    for line, cells in rows:
        if width and len(cells) > width:
            yield Bad(line, f"it has {len(cells)} cells, and the head {width} columns")
            continue
        told = {ours: cells[place].strip() for ours, place in form.places.items() if place < len(cells)}
        beside = (cells[place].strip() for place in form.beside if place < len(cells))
        told[REASON] = told.get(REASON) or next(filter(None, beside), "")
        yield _listed(line, told, form, reading, f"{file}:{line}")


def _listed(line: int, told: Mapping[str, str], form: Form, reading: Reading, where: str) -> Listed | Bad:
    address = told.get(ADDRESS, "")
    channel = _channel_of(address, reading.channel)
    if not channel:
        return Bad(line, _why_none(address, reading.channel))
    reason = form.reason or _reason_of(told[REASON])
    number = number_of(_unquoted(address))
    said_at = _instant_of(told.get(SAID_AT, ""), reading.zone, where) or reading.said_at
    return Listed(line, channel, number if channel in PHONES else address, reason, said_at)


def _channel_of(cell: str, wanted: str) -> str:
    """The channel of an address; "" if it is none, or none of the channel that is `wanted`."""
    if "@" in cell:
        try:
            mailbox(cell.strip(), ADDRESS)
        except InvalidInput:
            return ""
        return "email" if wanted in ("", "email") else ""
    if number_of(_unquoted(cell)):
        return "" if wanted == "email" else wanted or "sms"
    return ""


def _why_none(cell: str, wanted: str) -> str:
    if not cell:
        return "it names no address"
    if "@" in cell and wanted in ("", "email"):
        return "this is no e-mail address that mail servers take"
    if wanted == "email":
        return "this is no e-mail address"
    return "this is no phone number with its country code, like +34600123456" + (
        "" if wanted else ", and no e-mail address"
    )


def _unquoted(cell: str) -> str:
    """Spreadsheets are kept from reckoning with a number by a mark before it."""
    return cell.strip().removeprefix("'")


def _reason_of(cell: str) -> str:
    """Whatever is not known is an opt-out: nobody lists an address in order to write to it."""
    word = _plain(cell)
    return _BY_WORD.get(word, BOUNCED if _FAILED.match(cell) else UNSUBSCRIBED)


def _instant_of(cell: str, zone: ZoneInfo, where: str) -> int:
    """0 if there is none, or none that can be read: who has opted out has, whenever it was."""
    try:
        return instant(when(cell, zone, where)) or 0 if cell else 0
    except TactfulError:
        return 0


def _place(head: list[str], column: str, file: Path) -> int:
    try:
        return head.index(column)
    except ValueError:
        raise TactfulError(f"{file}: there is no column {column}; there are: {', '.join(head)}") from None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines and cells of rows that are not empty. The first line of theirs tells what stands between two cells. Raises TactfulError."""
    read = 0
    try:
        with opened(file) as text:
            begins = list[str]()
            while (line := next(text, "")) and not line.strip():
                begins.append(line)
            reader = csv.reader(chain(begins, [line], text), delimiter=delimiter_of(line), strict=True)
            for cells in reader:
                read = reader.line_num
                if any(cell.strip() for cell in cells):
                    yield read, cells
    except csv.Error as error:
        raise torn(file, read, error) from None

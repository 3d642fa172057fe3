"""The records of the log: what stands between the services.

A record is JSON `{kind, v, id, key, at, origin, body}`. Topic, partition, offset and append time belong to the log, not to the record
(see `tactful.log`). Three topics, one partition count:

- `events`: all that trigger reads (events, links, merges, what was absorbed, erasures, commands, ticks, broadcasts);
- `dispatch`: all that dispatch reads (messages and what becomes of them, recipients, consents, lists, erasures, ticks, broadcasts);
- `quarantine`: refused input with a reason.

While a roll-out is under way, programs of two versions read them. Fields that a program does not know it passes over. A record that
the program before must not pass over, such as one of a new kind, is written with a `v` above what that program knows: there it stops
the partition until it is read by one that knows it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from tactful.errors import NewerRecord

EVENTS: Final = "events"
DISPATCH: Final = "dispatch"
QUARANTINE: Final = "quarantine"
TOPICS: Final = (EVENTS, DISPATCH, QUARANTINE)
VERSION: Final = 3  # the latest that this program knows


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where an outbox record comes from; `seq` counts from 1 per (this topic, partition) -> (target topic, partition)."""

    topic: str
    partition: int
    seq: int


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", gc=False):
    """What every record carries. `at` is the instant it stands for: when it was received, or when it was first appended."""

    id: str
    key: str
    at: int
    v: Annotated[int, msgspec.Meta(le=VERSION)] = 1  # of a known kind, too: decoding refuses what is newer
    origin: Origin | None = None


class _Version(msgspec.Struct):
    v: int = VERSION


_decode_version = msgspec.json.Decoder(_Version).decode


def refuse_newer(where: str, value: bytes) -> None:
    """Raises NewerRecord if a record that cannot be applied was never meant for this program."""
    try:
        version = _decode_version(value).v
    except msgspec.MsgspecError:
        return
    if version > VERSION:
        raise NewerRecord(
            f"{where}: a record of version {version}, and this program knows up to {VERSION}; install the newer one"
        )


class EventBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One event of one customer. `properties` is canonical: see `tactful.events`."""

    name: str
    source: str  # the key or service that posted it; (source, record id) identifies the event
    occurred_at: int
    scope: str = "server"  # server | browser | system | visitor
    user_id: str | None = None
    anonymous_id: str | None = None
    history: bool = False  # folds into projections, is never seen by runs
    properties: msgspec.Raw = msgspec.Raw(b"{}")
    context: msgspec.Raw = msgspec.Raw(b"{}")


class EventRecord(Record, tag="event", frozen=True, kw_only=True):
    """topic events"""

    body: EventBody


class LinkBody(msgspec.Struct, frozen=True):
    """The record's key turned out to be this customer: an anonymous one is known now, or two known ones are one."""

    customer: str


class LinkRecord(Record, tag="link", frozen=True, kw_only=True):
    """topic events; of an anonymous customer, appended before the event that told us"""

    body: LinkBody


class MergeBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A server says that the record's key and this known customer are one person. `asked`: the key is the smaller id, in which
    both would go on, and is asked whether it still can."""

    customer: str
    asked: bool = False


class MergeRecord(Record, tag="merge", frozen=True, kw_only=True):
    """topic events"""

    body: MergeBody


class AbsorbBody(msgspec.Struct, frozen=True):
    """A part of the customer who was found to be the record's key: their row, or one of its runs, as trigger stores it."""

    absorbed: str
    image: msgspec.Raw


class AbsorbRecord(Record, tag="absorb", frozen=True, kw_only=True):
    """topic events"""

    body: AbsorbBody


class TickBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Time passed. With `closes`, timers due at exactly that instant fire too: only virtual time may say so."""

    closes: int | None = None


class TickRecord(Record, tag="tick", frozen=True, kw_only=True):
    """topics events and dispatch"""

    body: TickBody


class CommandBody(msgspec.Struct, frozen=True):
    """What an operator wants of one customer and one rule: `enrol`, `cancel` its runs, or `retry` those that are parked.
    `since`: enrol for what happened from then on (ms)."""

    name: str
    rule: str
    since: int = 0


class CommandRecord(Record, tag="command", frozen=True, kw_only=True):
    """topic events"""

    body: CommandBody


class EraseBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything about the record's key goes. `at`: what happened before then brings them back under no name. `down`: passed on
    to an earlier name by the customer whom the key turned out to be; it is not passed back to them, since they may have come
    back by now."""

    at: int
    via: str = ""
    down: bool = False


class EraseRecord(Record, tag="erase", frozen=True, kw_only=True):
    """topics events and dispatch"""

    body: EraseBody


class BroadcastBody(msgspec.Struct, frozen=True):
    """The same news for every partition. Names: `Settings Changed`, `Sending Stopped`, `Sending Resumed`, `Customer Erased`,
    `Rule Paused`, `Rule Drained`, `Rule Resumed`, `Feed Complete`."""

    name: str
    data: msgspec.Raw


class BroadcastRecord(Record, tag="broadcast", frozen=True, kw_only=True):
    """topics events and dispatch, one per partition, key `all`"""

    body: BroadcastBody


class MessageBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run asks to say something."""

    message_id: str
    run_id: str
    customer: str
    subject: str  # the run's first subject: ids, variants and holdouts hash it
    rule: str
    rule_version: int
    run_key: str = ""
    channel: str
    template: str
    variant: str | None = None
    purpose: str
    priority: int = 0
    data: dict[str, Any] = {}
    requested_at: int  # the instant the run asked, by the log's clock
    not_before: int | None = None
    expires_at: int
    contact: str = ""  # messages of one ladder share it, and count once in the budget
    holdout: bool = False
    repeats_allowed: bool = False
    uses: tuple[str, ...] = ()
    because: str = ""  # name of the event that started the run
    because_at: int = 0


class MessageRecord(Record, tag="message", frozen=True, kw_only=True):
    """topic dispatch"""

    body: MessageBody


class CancelBody(msgspec.Struct, frozen=True):
    """The run no longer wants to say it. `reason` is a Reason: `cancelled` or `nothing_to_say`."""

    message_id: str
    reason: str
    note: str = ""


class CancelRecord(Record, tag="cancel", frozen=True, kw_only=True):
    """topic dispatch"""

    body: CancelBody


class ConfirmBody(msgspec.Struct, frozen=True):
    """The run still wants to say it; `data` is fresh. `hold` repeats the number of the hold that asked."""

    message_id: str
    hold: int
    data: dict[str, Any]


class ConfirmRecord(Record, tag="confirm", frozen=True, kw_only=True):
    """topic dispatch"""

    body: ConfirmBody


class Rest(msgspec.Struct, frozen=True, array_like=True):
    """Until when marketing rests, by the settings of when it was told; why (`order`, `late_delivery`, `complaint_closed`, `refund`);
    and since when, for the settings of now. Programs before it was told say 0."""

    until: int
    why: str
    since: int = 0


class RecipientBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What dispatch needs to know of a customer, whole: it replaces what was known before."""

    addresses: dict[str, str] = {}  # channel -> address in the clear; sms and call in E.164
    first_name: str | None = None
    locale: str | None = None
    zone: str | None = None  # IANA
    country: str | None = None  # ISO 3166-1 alpha-2
    complaint_open: bool = False
    rests: tuple[Rest, ...] = ()
    in_touch_until: int = 0
    in_touch_since: int = 0  # as of a rest
    in_touch_with: str = ""
    contacted_at: int = 0  # when somebody else last spoke to them, not in a matter of service; counts against budgets
    contacted_on: str = ""  # on which channel
    do_not_contact: str = ""  # the reason, or ""
    segment: str = "new"  # new | repeat | loyal
    # one marketing contact in so many days, by the settings of when it was told; 0 for the shop's usual caps
    at_most_days: int = 0
    away: bool = False  # two series to win them back found no reaction: the settings of now say in how many days


class RecipientRecord(Record, tag="recipient", frozen=True, kw_only=True):
    """topic dispatch"""

    body: RecipientBody


class LinkedBody(msgspec.Struct, frozen=True):
    """The recipient turned out to be this customer."""

    customer: str


class LinkedRecord(Record, tag="linked", frozen=True, kw_only=True):
    """topic dispatch, keyed by who they were taken for"""

    body: LinkedBody


class InheritBody(msgspec.Struct, frozen=True):
    """What dispatch knew of somebody who was found to be the record's key: their row as dispatch stores it."""

    inherited: str
    image: msgspec.Raw


class InheritRecord(Record, tag="inherit", frozen=True, kw_only=True):
    """topic dispatch"""

    body: InheritBody


class BindBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What binds messages to a customer under another of their names, the record's key: what they were sent, and what they wish
    (fields of their row, but for defaults) and have withdrawn, which the name that lives on tells alone. As dispatch stores it."""

    contacts: msgspec.Raw
    wishes: dict[str, Any] | None = None
    withdrawn: msgspec.Raw = msgspec.Raw(b"[]")


class BindRecord(Record, tag="bind", frozen=True, kw_only=True):
    """topic dispatch"""

    body: BindBody


class ConsentBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody granted or withdrew. `channel` "" means every channel. Taken back is only what a list has said."""

    source: str  # with the record's id: recognises repeats
    purpose: str
    channel: str
    state: str  # granted | withdrawn | taken_back | requested: to be confirmed by the customer
    once: bool = False  # granted for one message
    basis: str = "consent"  # consent | soft_opt_in | list: of another sender
    wording: str = ""
    via: str = ""  # where the customer said so: checkout, preference-page, one-click, ...
    occurred_at: int
    proof: dict[str, Any] = {}
    said_as: str = ""  # under which name the customer said so, if it was another one
    stranger: bool = False  # and that had it from a visitor: it was said before anybody knew who it was
    history: bool = False  # imported: it counts as of when it was said, and starts nothing


class ConsentRecord(Record, tag="consent", frozen=True, kw_only=True):
    """topic dispatch"""

    body: ConsentBody


class SuppressBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another sender has it that an address (the key: its keyed hash) must not be written to; or, by a record of version 3, no more."""

    channel: str
    reason: str  # unsubscribed | bounced | complained
    source: str  # whose list it is
    said_at: int = 0  # 0: the list does not say; then it counts as of when it was appended
    taken_back: bool = False


class SuppressRecord(Record, tag="suppress", frozen=True, kw_only=True):
    """topic dispatch; programs of version 1 do not know it, and would pass over an opt-out"""

    v: Annotated[int, msgspec.Meta(le=VERSION)] = 2
    body: SuppressBody


class QuarantineBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Input that was refused: why, where in it, and the input itself as text (at most 32 KB)."""

    reason: str
    message: str
    field: str | None = None
    source: str = ""
    raw: str = ""
    came_from: tuple[str, int, int] | None = None  # topic, partition, offset, if it was in the log


class QuarantineRecord(Record, tag="quarantine", frozen=True, kw_only=True):
    """topic quarantine"""

    body: QuarantineBody


EventsTopic = (
    EventRecord | LinkRecord | MergeRecord | AbsorbRecord | EraseRecord | CommandRecord | TickRecord | BroadcastRecord
)
DispatchTopic = (
    MessageRecord
    | CancelRecord
    | ConfirmRecord
    | RecipientRecord
    | LinkedRecord
    | InheritRecord
    | BindRecord
    | ConsentRecord
    | SuppressRecord
    | EraseRecord
    | TickRecord
    | BroadcastRecord
)
AnyRecord = EventsTopic | DispatchTopic | QuarantineRecord
encode: Final = msgspec.json.Encoder().encode
decode_events: Final = msgspec.json.Decoder(EventsTopic).decode
decode_dispatch: Final = msgspec.json.Decoder(DispatchTopic).decode
decode_any: Final = msgspec.json.Decoder(AnyRecord).decode
